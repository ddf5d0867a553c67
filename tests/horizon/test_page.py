"""The examples of docs/horizon.md are what happens."""

from __future__ import annotations

import doctest
from pathlib import Path

from worldgate.horizon import POLICIES

PAGE = Path(__file__).parents[2] / "docs" / "horizon.md"


def test_the_page_runs_as_it_stands() -> None:
    before = dict(POLICIES)
    try:
        ran = doctest.testfile(str(PAGE), module_relative=False)
    finally:
        for name in POLICIES.keys() - before.keys():
            del POLICIES[name]
    assert ran.failed == 0 < ran.attempted
    assert all(f"| `{name}` |" in PAGE.read_text(encoding="utf-8") for name in POLICIES)

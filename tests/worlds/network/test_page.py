"""What the page of this world shows runs, and its tables name what there is."""

from __future__ import annotations

import re

import pytest

from tests.reference import ROOT
from worldgate.worlds.network import SCHEMA
from worldgate.worlds.network.actions import VERBS

PAGE = (ROOT / "docs/worlds/network.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_page_runs(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(code, "network.md", "exec"), {})


def test_every_relation_and_every_action_is_on_the_page() -> None:
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"^\| `(\w+)\(.*?\)` \|", rows, re.MULTILINE)) >= set(SCHEMA.relations)
    assert {verb for verb in VERBS if re.search(rf"`{verb}\b", rows)} == set(VERBS)

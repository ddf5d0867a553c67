"""Every family keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import bag
from tests.models.conformance import assert_keeps_the_contract

pytest.importorskip("torch", reason="torch is not installed (extra learn)")
assert bag.FAMILY

SMALL = {
    "bag": {"features": 64},
    "flat": {"layers": 1, "heads": 1, "width": 16},
    "graph": {"width": 16},
    "neurosymbolic": {"width": 8, "head": 8, "hard_from": 1, "hard_at": 2, "least": 2},
    "relational": {"width": 8, "head": 8, "hard_from": 1, "hard_at": 2},
}
"""A small config of each."""


@pytest.mark.parametrize("name", SMALL)
def test_a_family_keeps_the_contract(name: str, tmp_path: Path) -> None:
    assert_keeps_the_contract(name, SMALL[name], tmp_path)

"""Every family keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import bag
from tests.models.conformance import assert_keeps_the_contract
from worldgate.models.errors import BadTraining
from worldgate.models.family import config_of, family_of

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


WRONG = [
    ("flat", {"layers": 0}),
    ("flat", {"width": 15}),
    ("graph", {"rounds": 0}),
    ("graph", {"width": 15}),
    ("language", {"edits": 0}),
    ("language", {"examples": -1}),
    ("neurosymbolic", {"least": -1}),
    ("relational", {"width": 0}),
    ("relational", {"activity": -1}),
    ("relational", {"hard_from": 100, "hard_at": 5}),
]


@pytest.mark.parametrize(("name", "config"), WRONG, ids=str)
def test_a_config_out_of_bounds_is_refused_with_the_place(name: str, config: dict[str, int]) -> None:
    (field, *_) = config
    with pytest.raises(BadTraining, match=r"WG510.*`\$.config") as found:
        config_of(family_of(name), config)
    assert field in str(found.value)

"""The filesystem far from where its walks begin otherwise: the same in all but where it lies and what it is called."""

from __future__ import annotations

import pytest

from worldgate.worlds import get
from worldgate.worlds.check import check_world
from worldgate.worlds.filesystem.deep import LEVELS
from worldgate.worlds.filesystem.world import NAMES

WORLD, PLAIN = get("deep-files"), get("filesystem")


@pytest.mark.parametrize("seed", range(6))
def test_all_lies_twelve_levels_deeper_and_has_a_name_of_its_own(seed: int) -> None:
    deep, plain = WORLD.initial(seed), PLAIN.initial(seed)
    assert len(list(deep.facts())) == len(list(plain.facts())) + 2 * len(LEVELS) + 1
    assert deep.get("cwd", ()).startswith("/".join(LEVELS))
    names = {str(key[1]) for relation, key, _ in deep.facts() if relation == "entry"}
    assert names.isdisjoint({str(key[1]) for relation, key, _ in plain.facts() if relation == "entry"} | set(NAMES))


def test_it_keeps_the_contract() -> None:
    checked = check_world(WORLD, seeds=range(2), steps=20, processes=False)
    assert checked.succeeded > checked.steps / 4

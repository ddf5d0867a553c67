"""The drivers of the plainer filesystem make what they say."""

from __future__ import annotations

from random import Random

import pytest

from worldgate.facts import Edit
from worldgate.worlds import get
from worldgate.worlds.check import walk
from worldgate.worlds.filesystem.plain import SHAPES
from worldgate.worlds.filesystem.schema import ROOT

WORLD = get("plain-files")


@pytest.mark.parametrize(("driver", "deepest"), [("trivial", 1), ("plain to 2", 2), ("plain to 4", 4)])
def test_what_is_made_lies_no_deeper_than_the_driver_says(driver: str, deepest: int) -> None:
    made = [text.split(" ")[-1] for seed in range(4) for text, _, _ in walk(WORLD, driver, seed, 30)]
    assert max(path.count("/") + 1 for path in made) == deepest


def test_a_directory_that_holds_itself_is_said_once() -> None:
    state = WORLD.initial(0).force((Edit("entry", (ROOT, "loop"), None, ROOT),))
    assert WORLD.drivers["plain"](state, Random(0))


@pytest.mark.parametrize(("driver", "steps"), [("trivial", 8), ("plain", 40)])
def test_it_makes_what_is_not_there_while_there_is_such_a_name(driver: str, steps: int) -> None:
    for seed in range(4):
        made = [
            (text.split(" ")[-1], moved.state.get("result", ()).status)
            for text, _, moved in walk(WORLD, driver, seed, steps)
        ]
        assert len(dict(made)) == steps
        assert {status for _, status in made} == {0}


@pytest.mark.parametrize("driver", ["weighted", "adversarial"])
def test_commands_succeed_and_fail(driver: str) -> None:
    ended = {moved.state.get("result", ()).status == 0 for _, _, moved in walk(WORLD, driver, 0, 60)}
    words = {text.split(" ")[0] for seed in range(6) for text, _, _ in walk(WORLD, driver, seed, 60)}
    assert ended == {True, False}
    assert words == {shape.split(" ")[0] for shape in SHAPES}

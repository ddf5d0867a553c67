"""The two ends of every comparison: nothing ever changes, and the oracle itself, spoilt as often as it is told."""

from __future__ import annotations

import pytest

from worldgate.horizon import Prediction
from worldgate.horizon.baselines import CopyOracle, Flaw, Null
from worldgate.worlds import get
from worldgate.worlds.check import walk

WORLD = get("network-0")


def steps(seed: int, count: int = 200):
    """(state, action, true delta) along one walk."""
    return [(state, WORLD.parse(text), moved.delta) for text, state, moved in walk(WORLD, "everyday", seed, count)]


def nothing(state, action, delta, random):
    """The simplest wrong delta."""
    return ()


def test_null_says_that_nothing_changes():
    assert all(Null().predict(state, action) == Prediction(()) for state, action, _ in steps(0, 20))


@pytest.mark.parametrize("name", ["network-0", "robot-cell", "market"])
def test_the_oracle_is_right_in_every_step(name):
    world = get(name)
    oracle = CopyOracle(world)
    for text, state, moved in walk(world, "everyday", 3, 30):
        said = oracle.predict(state, world.parse(text))
        assert said.delta == moved.delta
        assert state.force(said.delta) == moved.state


def test_a_flaw_is_as_frequent_as_it_says():
    changing = [row for row in steps(1, 1500) if row[2]]
    for rate, low, high in ((0.0, 0, 0), (0.3, 0.26, 0.34), (1.0, 1, 1)):
        oracle = CopyOracle(WORLD, Flaw(rate, nothing))
        wrong = sum(oracle.predict(state, action).delta != delta for state, action, delta in changing)
        assert low <= wrong / len(changing) <= high


def test_whether_a_step_is_wrong_depends_on_the_seed_the_state_and_the_action_alone():
    rows = steps(2)
    said = [CopyOracle(WORLD, Flaw(0.5, nothing)).predict(*row[:2]) for row in rows]
    asked_backwards = CopyOracle(WORLD, Flaw(0.5, nothing))
    assert [asked_backwards.predict(*row[:2]) for row in reversed(rows)] == said[::-1]
    assert [CopyOracle(WORLD, Flaw(0.5, nothing, seed=1)).predict(*row[:2]) for row in rows] != said


def test_what_the_negatives_return_is_what_is_predicted():
    def doubled(state, action, delta, random):
        assert random.random() < 1
        return delta + delta

    oracle = CopyOracle(WORLD, Flaw(1.0, doubled))
    assert all(oracle.predict(state, action).delta == delta + delta for state, action, delta in steps(4, 30))
    assert "wrong at 1" in oracle.name

"""The nearest transition seen, under other names."""

from __future__ import annotations

from collections import Counter

import pytest

from worldgate.facts import BOOL, INT, Edit, Relation, Schema, State, UnknownRelation, ref
from worldgate.horizon import Prediction, lookup
from worldgate.horizon.baselines import Null
from worldgate.horizon.lookup import Lookup
from worldgate.worlds import get
from worldgate.worlds.check import walk

SCHEMA = Schema(
    "lamps",
    "1",
    [
        Relation("lit", (("lamp", ref("lamp")),), BOOL),
        Relation("near", (("one", ref("lamp")), ("other", ref("lamp"))), BOOL),
        Relation("clock", (), INT),
    ],
)
DARK = State.of(SCHEMA, [("lit", ("a",), False), ("lit", ("b",), False), ("clock", (), 3)])


def taught(world, driver, count):
    """A lookup that has seen `count` transitions of a driver."""
    predictor = Lookup(world.schema)
    for seed in range(-(-count // 100)):
        for text, state, moved in walk(world, driver, seed, 100):
            predictor.learn(state, world.parse(text), moved.delta)
    return predictor


def exactness(world, driver, predictor):
    """The share of held-out steps whose delta is the true one, as a multiset of edits."""
    right = total = 0
    for seed in range(5000, 5003):
        for text, state, moved in walk(world, driver, seed, 60):
            said = predictor.predict(state, world.parse(text))
            assert said.uncertainty is None or 0 <= said.uncertainty <= 1
            state.force(said.delta)
            right += Counter(said.delta) == Counter(moved.delta)
            total += 1
    return right / total


@pytest.mark.parametrize(
    ("name", "driver", "least"),
    [("network-0", "weighted", 0.75), ("robot-cell", "adversarial", 0.9), ("support-desk", "adversarial", 0.88)],
)
def test_it_beats_the_one_who_knows_nothing(name, driver, least):
    world = get(name)
    found = exactness(world, driver, taught(world, driver, 1000))
    assert found >= least
    assert found > exactness(world, driver, Null())


def test_what_happened_to_one_happens_to_another_under_its_name():
    predictor = Lookup(SCHEMA)
    predictor.learn(DARK, "light a", (Edit("lit", ("a",), False, True),))
    assert predictor.predict(DARK, "light b") == Prediction((Edit("lit", ("b",), False, True),), 0.0)


def test_a_pair_is_renamed_in_the_order_its_words_are_sorted():
    predictor = Lookup(SCHEMA)
    predictor.learn(DARK, "join a b", (Edit("near", ("a", "b"), None, True),))
    predictor.learn(DARK, "join b a", (Edit("near", ("a", "b"), None, True),))
    assert predictor.predict(DARK, "join d c").delta == (Edit("near", ("c", "d"), None, True),)
    assert predictor.predict(DARK, "join c d").delta == (Edit("near", ("c", "d"), None, True),)


def test_a_number_that_always_moves_by_one_moves_by_one():
    predictor = Lookup(SCHEMA)
    for now in (3, 4, 5):
        predictor.learn(DARK.set("clock", (), now), "wait", (Edit("clock", (), now, now + 1),))
    said = predictor.predict(DARK.set("clock", (), 40), "wait")
    assert said.delta == (Edit("clock", (), 40, 41),)
    assert said.uncertainty == 1.0  # nothing else could be compared, and no clock was at 40


def test_an_edit_that_would_change_nothing_is_left_out():
    predictor = Lookup(SCHEMA)
    predictor.learn(DARK, "light a", (Edit("lit", ("a",), False, True),))
    assert predictor.predict(DARK.set("lit", ("a",), True), "light a").delta == ()


def test_a_word_that_is_no_number_sets_none():
    predictor = Lookup(SCHEMA)
    predictor.learn(DARK, "set 7", (Edit("clock", (), 3, 7),))
    predictor.learn(DARK, "stop 7", (Edit("clock", (), 3, None),))
    assert predictor.predict(DARK, "set 9").delta == (Edit("clock", (), 3, 9),)
    assert predictor.predict(DARK, "set noon").delta == ()
    assert predictor.predict(DARK, "stop noon").delta == (Edit("clock", (), 3, None),)


def test_what_was_never_seen_is_uncertain():
    predictor = Lookup(SCHEMA)
    assert predictor.predict(DARK, "light a") == Prediction((), 1.0)
    predictor.learn(DARK, "light a", ())
    assert predictor.predict(DARK, "light a b") == Prediction((), 1.0)


def test_edits_of_another_schema_are_refused():
    with pytest.raises(UnknownRelation):
        Lookup(SCHEMA).learn(DARK, "light a", (Edit("bright", ("a",), None, True),))


def test_a_prediction_looks_at_a_limited_number_of_transitions(monkeypatch):
    world = get("network-0")
    predictor = taught(world, "weighted", 3000)
    looked, overlap = [], lookup._overlap
    monkeypatch.setattr(lookup, "_overlap", lambda *sets: looked.append(1) or overlap(*sets))
    most = 0
    for text, state, _ in walk(world, "weighted", 7000, 100):
        looked.clear()
        predictor.predict(state, world.parse(text))
        most = max(most, len(looked))
    assert 1 < most <= lookup.MOST_RANKED + lookup.MOST_ALIKE

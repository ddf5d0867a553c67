"""States and deltas wrong by one edit: what is drawn is valid, wrong, distinct, balanced, and cheap."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.facts import (
    TEXT,
    BadKey,
    BadSchema,
    Delta,
    Edit,
    Pool,
    Relation,
    Schema,
    State,
    Type,
    UnknownRelation,
    compose,
    diff,
    enum,
    record,
    ref,
    residual,
)
from worldgate.worlds import get, names
from worldgate.worlds.check import walk

from .strategies import cases
from .test_bits import NETWORK

HOSTS = [f"h{number}" for number in range(6)]


class Plan(NamedTuple):
    owner: str
    level: int


PLANS = Schema(
    "plans",
    "1",
    [
        Relation("plan", (("name", TEXT),), record(Plan, owner=ref("host"), level=Type("int", low=1, high=2))),
        Relation("mood", (("host", ref("host")),), enum("calm", "busy", "lost")),
    ],
)


def network(hosts: Iterable[str] = HOSTS) -> State:
    """Every host is up but one; some links and services, one flow."""
    names = list(hosts)
    return State.of(
        NETWORK,
        [
            *(("up", (host,), host != "h1") for host in names),
            *(("link", pair, True) for pair in pairwise(names)),
            *(("service", (host, port), True) for host in names[::2] for port in ("22", "80")),
            ("flow", (names[0], names[2], "80"), True),
            ("clock", (), 4),
            ("exit", (), 0),
        ],
    )


def assert_flips_are_wrong_by_one(state: State, flips: list[Edit]) -> None:
    """Each applies (so it is well-typed and says what stood before) and changes exactly one fact; no two are equal."""
    assert len({(edit.relation, edit.key, edit.after) for edit in flips}) == len(flips)
    for edit in flips:
        assert diff(state, state.apply((edit,))) == (edit,)


def assert_wrong_deltas_are_wrong_by_one(state: State, delta: Delta, wrong: list[Delta]) -> None:
    """Each applies, leads elsewhere, and is at most one false and one missed edit away from the net effect."""
    after, net = state.apply(delta), compose(delta)
    assert len({frozenset(other) for other in wrong}) == len(wrong)
    for other in wrong:
        assert state.apply(other) != after
        false, missed = residual(other, net)
        assert 1 <= len(false) + len(missed) <= 2
        assert len(false) <= 1
        assert len(missed) <= 1


@given(cases(), st.integers(0, 2**32))
@settings(max_examples=50)
def test_flips_over_generated_schemas(case, seed):
    state, delta = case
    along = Pool.of(state, [delta])
    for now in (state, state.apply(delta)):
        for pool in (along, Pool.of(now)):
            flips = pool.flips(now, Random(seed), 12)
            assert_flips_are_wrong_by_one(now, flips)
            assert flips == pool.flips(now, Random(seed), 12)
            assert flips[:5] == pool.flips(now, Random(seed), 5)
    if len(state):  # the pool of a state knows a fact, which can at least be removed
        assert Pool.of(state).flips(state, Random(seed), 1)


@given(cases(), st.integers(0, 2**32))
@settings(max_examples=50)
def test_wrong_deltas_over_generated_schemas(case, seed):
    state, delta = case
    pool = Pool.of(state, [delta])
    wrong = pool.wrong(state, delta, Random(seed), 8)
    assert_wrong_deltas_are_wrong_by_one(state, delta, wrong)
    assert wrong == pool.wrong(state, delta, Random(seed), 8)
    if compose(delta):
        assert wrong


@pytest.mark.parametrize("name", list(names()))
def test_flips_and_wrong_deltas_in_every_world(name):
    world = get(name)
    for driver in world.drivers:
        steps = list(walk(world, driver, 3, 8))
        pool = Pool.of(steps[0][1], [moved.delta for _, _, moved in steps])
        for _, before, moved in steps:
            flips = pool.flips(moved.state, Random(1), 16)
            assert len(flips) == 16
            assert_flips_are_wrong_by_one(moved.state, flips)
            wrong = pool.wrong(before, moved.delta, Random(1), 16)
            assert len(wrong) == 16
            assert_wrong_deltas_are_wrong_by_one(before, moved.delta, wrong)


def test_every_kind_of_flip_and_of_mistake_is_met():
    state = network()
    flips = Pool.of(state).flips(state, Random(1), 60)
    assert_flips_are_wrong_by_one(state, flips)
    kinds = Counter((edit.relation, edit.before is None, edit.after is None) for edit in flips)
    for relation in ("link", "service", "flow"):
        assert kinds[relation, True, False]  # added
        assert kinds[relation, False, True]  # removed
        assert not kinds[relation, False, False]  # there is no false link
    delta = (Edit("service", ("h1", "22"), None, True), Edit("clock", (), 4, 5), Edit("exit", (), 0, 1))
    later = (Edit("clock", (), 5, 9), Edit("exit", (), 1, 7))
    wrong = Pool.of(state, [delta, later]).wrong(state, delta, Random(1), 40)
    assert_wrong_deltas_are_wrong_by_one(state, delta, wrong)
    parts = [residual(other, delta) for other in wrong]
    changed = [(false[0], missed[0]) for false, missed in parts if false and missed]
    assert {len(other) for other in wrong} == {2, 3, 4}  # an edit dropped, changed, added
    assert any(false.key == missed.key and false.after != missed.after for false, missed in changed)
    assert any(false.key != missed.key and false.after == missed.after for false, missed in changed)
    assert all(
        [edit for edit in other if edit in delta] == [edit for edit in delta if edit in other] for other in wrong
    )  # the others keep their order


def test_flips_are_balanced_over_relations():
    state = network(f"h{number}" for number in range(40))
    pool = Pool.of(state, relations=["up", "link", "service", "deny", "flow"])
    counts = Counter(edit.relation for edit in pool.flips(state, Random(3), 52))
    assert sorted(counts.values()) == [10, 10, 10, 11, 11]
    assert set(counts) == {"up", "link", "service", "deny", "flow"}


def test_what_has_a_fact_at_every_key_changes_and_is_not_removed():
    state = network()
    pool = Pool.of(state, relations=["up", "clock"])
    flips = pool.flips(state, Random(5), 30)
    assert {edit.key for edit in flips if edit.relation == "up"} == {(host,) for host in HOSTS}
    assert all(edit.after is (not edit.before) for edit in flips if edit.relation == "up")
    assert {edit.after for edit in flips if edit.relation == "clock"} == {3, 5}
    assert len(flips) == len(HOSTS) + 2  # and there are no more


def test_units_are_what_was_never_false_unless_told():
    state = network().set("up", ("h1",), True)
    assert all(edit.after is None for edit in Pool.of(state, relations=["up"]).flips(state, Random(1), 9))
    told = Pool.of(state, units=["link"], relations=["up", "link"]).flips(state, Random(1), 20)
    assert {edit.after for edit in told if edit.relation == "up"} == {False}
    assert False not in {edit.after for edit in told if edit.relation == "link"}
    falling = Edit("up", ("h2",), True, False)
    learnt = Pool.of(state, [(falling,)], relations=["up"]).flips(state, Random(1), 9)
    assert {edit.after for edit in learnt} == {False}


def test_a_record_changes_in_one_field():
    state = State.of(
        PLANS, [("plan", ("a",), Plan("h1", 1)), ("plan", ("b",), Plan("h2", 1)), ("mood", ("h1",), "calm")]
    )
    flips = Pool.of(state).flips(state, Random(2), 40)
    assert_flips_are_wrong_by_one(state, flips)
    plans = [edit for edit in flips if edit.relation == "plan" and edit.after is not None]
    assert {edit.after for edit in plans if edit.key == ("a",)} == {Plan("h2", 1), Plan("h1", 2)}
    assert all(type(edit.after) is Plan for edit in plans)
    assert {edit.key for edit in flips if edit.after is None} >= {("a",), ("b",)}  # names are not a closed set
    assert {edit.after for edit in flips if edit.key == ("h1",)} == {None, "busy", "lost"}
    assert {edit.after for edit in flips if edit.key == ("h2",)} <= {"calm", "busy", "lost"}


def test_admit_and_entities_say_what_may_be_offered():
    state = network()
    ordered = Pool.of(
        state,
        entities=[("port", "443"), ("host", "h9")],
        admit=lambda relation, key, value: relation != "link" or key[0] < key[1],
    )
    flips = ordered.flips(state, Random(8), 200)
    assert all(edit.key[0] < edit.key[1] for edit in flips if edit.relation == "link")
    assert any("h9" in edit.key for edit in flips)
    assert any("443" in edit.key for edit in flips)
    delta = (Edit("link", ("h0", "h3"), None, True),)
    for wrong in ordered.wrong(state, delta, Random(8), 60):
        assert all(edit.key[0] < edit.key[1] for edit in wrong if edit.relation == "link")


def test_an_empty_state_yields_what_its_types_allow():
    empty = State.of(NETWORK)
    assert {edit.relation for edit in Pool.of(empty).flips(empty, Random(1), 9)} == {"clock", "exit"}
    assert Pool.of(empty, relations=["link"]).flips(empty, Random(1), 9) == []
    assert Pool.of(empty, relations=["link"]).wrong(empty, (), Random(1), 9) == []
    assert Pool.of(network()).flips(network(), Random(1), 0) == []


class Unwalkable:
    """A source that answers for single facts and refuses to be walked once it is closed."""

    def __init__(self, state: State) -> None:
        self.state, self.closed = state, False

    def get(self, relation: str, key: tuple[Any, ...]) -> Any:
        return self.state.get(relation, key)

    def select(self, relation: str, prefix: tuple[Any, ...]) -> Mapping[Any, Any]:
        raise AssertionError("selected")

    def owners(self, relation: str, value: Any) -> frozenset[Any]:
        raise AssertionError("asked for owners")

    def facts(self) -> Iterator[Any]:
        assert not self.closed, "walked"
        return self.state.facts()


def test_no_example_walks_the_state():
    source = Unwalkable(network())
    state = State.of(NETWORK, source=source)
    pool = Pool.of(state)
    source.closed = True
    flips = pool.flips(state, Random(1), 20)
    assert flips == Pool.of(network()).flips(network(), Random(1), 20)
    assert len(pool.wrong(state, (flips[0],), Random(1), 20)) == 20


def test_what_does_not_fit_is_refused():
    state = network()
    with pytest.raises(UnknownRelation):
        Pool.of(state, relations=["rail"])
    with pytest.raises(UnknownRelation):
        Pool.of(state, units=["rail"])
    for entity in (("rail", "x"), ("host", 3)):
        with pytest.raises(BadKey, match="entity"):
            Pool.of(state, entities=[entity])  # type: ignore[list-item]
    other = State.of(PLANS)
    with pytest.raises(BadSchema, match="net"):
        Pool.of(state).flips(other, Random(1), 1)


SCRIPT = """
from random import Random
from tests.facts.test_flips import Pool, network
state = network()
pool = Pool.of(state)
flips = pool.flips(state, Random(7), 40)
print(flips, pool.wrong(state, tuple(flips[:1]), Random(7), 20))
"""


def test_the_hash_seed_changes_nothing():
    said = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(said) == 1

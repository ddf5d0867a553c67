"""What is decidable, what a probe shows, what a belief takes from it: over generated schemas and every world."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facts.strategies import cases, deltas
from tests.facts.test_bits import NETWORK
from tests.facts.test_flips import network
from worldgate.facts import (
    SYMBOL_BITS,
    BadKey,
    Edit,
    Entity,
    State,
    entities_of,
    references,
    symbols,
)
from worldgate.horizon.observation import assimilate, correction, probe, split
from worldgate.worlds import get, names
from worldgate.worlds.check import walk


def assert_split_is_a_partition(state: State, rows: list, observed: set[Entity]) -> None:
    """The two parts are the rows, in their order; a row is decidable iff all its entities are observed."""
    refs = references(state.schema)
    decidable, residual = split(state.schema, rows, observed)
    assert sorted([*decidable, *residual], key=repr) == sorted(rows, key=repr)
    assert decidable == [row for row in rows if set(refs.of(row)) <= observed]
    assert residual == [row for row in rows if set(refs.of(row)) - observed]
    assert split(state.schema, rows, set(refs.among(rows))) == (rows, [])
    assert all(not refs.of(row) for row in split(state.schema, rows, set())[0])


def assert_probe_shows_all_of_an_entity(state: State, entity: Entity | None) -> None:
    refs = references(state.schema)
    view = probe(state, entity)
    mine = [fact for fact in state.facts() if (entity in refs.of(fact) if entity else not refs.of(fact))]
    assert set(view.facts) == set(mine)
    assert list(view.facts) == sorted(mine, key=lambda fact: fact[:2])
    assert view.bits == SYMBOL_BITS * symbols(state.schema, mine)


def assert_probing_everything_restores_the_truth(belief: State, truth: State) -> None:
    for entity in (None, *sorted({*entities_of(belief), *entities_of(truth)})):
        belief = assimilate(belief, probe(truth, entity))
    assert belief == truth
    assert belief.fingerprint == truth.fingerprint


def assert_own_view_changes_nothing(belief: State) -> None:
    for entity in (None, *entities_of(belief)):
        assert correction(belief, probe(belief, entity)) == ()
        assert assimilate(belief, probe(belief, entity)) is belief


def assert_only_the_entity_is_touched(belief: State, truth: State, entity: Entity | None) -> None:
    """After it the entity's facts are those shown; every edit is of a fact that was its own or is shown."""
    view, refs = probe(truth, entity), references(belief.schema)
    after = assimilate(belief, view)
    assert probe(after, entity) == view
    shown = {fact[:2] for fact in view.facts}
    for edit in correction(belief, view):
        before = refs.of((edit.relation, edit.key, edit.before))
        assert (edit.relation, edit.key) in shown or (entity in before if entity else not before)
    touched = {(edit.relation, edit.key) for edit in correction(belief, view)}
    assert {fact for fact in belief.facts() if fact[:2] not in touched} == {
        fact for fact in after.facts() if fact[:2] not in touched
    }


def assert_laws_of_observation(belief: State, truth: State, entities: list[Entity | None]) -> None:
    """All of the above for a belief, the truth and some entities."""
    for entity in entities:
        assert_probe_shows_all_of_an_entity(truth, entity)
        assert_only_the_entity_is_touched(belief, truth, entity)
    assert_own_view_changes_nothing(belief)
    assert_probing_everything_restores_the_truth(belief, truth)


@given(st.data())
@settings(max_examples=50)
def test_the_laws_over_generated_schemas(data):
    state, delta = data.draw(cases())
    truth, belief = state.apply(delta), state.apply(data.draw(deltas(state)))
    known = sorted({*entities_of(belief), *entities_of(truth)})
    assert_laws_of_observation(belief, truth, [None, *known])
    observed = set(data.draw(st.lists(st.sampled_from(known), unique=True))) if known else set()
    assert_split_is_a_partition(truth, sorted(truth.facts(), key=repr), observed)
    assert_split_is_a_partition(state, list(delta), observed)


@pytest.mark.parametrize("name", list(names()))
def test_the_laws_in_every_world(name):
    world = get(name)
    driver = sorted(world.drivers)[0]
    steps = [moved for _, _, moved in walk(world, driver, 7, 25)]
    belief, truth = steps[-6].state, steps[-1].state
    known = entities_of(truth)
    assert_laws_of_observation(belief, truth, [None, *known[:12]])
    observed = set(known[::2])
    assert_split_is_a_partition(truth, list(truth.facts()), observed)
    for moved in steps:
        assert_split_is_a_partition(truth, list(moved.delta), observed)


def test_hosts_alone_can_go_unobserved():
    state = network()
    hosts = frozenset({"host"})
    decidable, residual = split(NETWORK, sorted(state.facts()), {("host", "h0"), ("host", "h1")}, hosts)
    assert decidable == [
        ("clock", (), 4),
        ("exit", (), 0),
        ("link", ("h0", "h1"), True),
        ("service", ("h0", "22"), True),
        ("service", ("h0", "80"), True),
        ("up", ("h0",), True),
        ("up", ("h1",), False),
    ]
    assert ("flow", ("h0", "h2", "80"), True) in residual
    without = split(NETWORK, sorted(state.facts()), {("host", "h0"), ("host", "h1")})[0]
    assert ("service", ("h0", "80"), True) not in without  # nobody observed the port
    move = Edit("up", ("h5",), True, False)
    assert split(NETWORK, [move], {("host", "h0")}) == ([], [move])


def test_a_probe_of_a_host_and_what_it_costs():
    state = network().set("deny", ("h3", "h2"), True)
    view = probe(state, ("host", "h2"))
    assert view.facts == (
        ("deny", ("h3", "h2"), True),
        ("flow", ("h0", "h2", "80"), True),
        ("link", ("h1", "h2"), True),
        ("link", ("h2", "h3"), True),
        ("service", ("h2", "22"), True),
        ("service", ("h2", "80"), True),
        ("up", ("h2",), True),
    )
    assert view.bits == 6 * (3 + 4 + 3 + 3 + 3 + 3 + 2)
    assert probe(state, None).facts == (("clock", (), 4), ("exit", (), 0))
    assert probe(state, ("host", "nobody")).facts == ()


def test_a_belief_forgets_what_the_view_does_not_show():
    truth = network()
    belief = truth.set("link", ("h2", "h4"), True).set("up", ("h2",), False).set("up", ("h3",), False)
    after = assimilate(belief, probe(truth, ("host", "h2")))
    assert after.get("link", ("h2", "h4")) is None
    assert after.get("up", ("h2",)) is True
    assert after.get("up", ("h3",)) is False  # not looked at
    phantom = truth.set("up", ("h7",), True)
    assert assimilate(phantom, probe(truth, ("host", "h7"))) == truth


def test_a_kind_the_schema_does_not_have_is_refused():
    with pytest.raises(BadKey, match="'city'"):
        probe(network(), ("city", "h1"))
    with pytest.raises(BadKey, match="'city'"):
        split(NETWORK, [], set(), frozenset({"city"}))

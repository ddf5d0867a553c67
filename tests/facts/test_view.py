"""Views: what is derived from a state is kept from state to state, and is what deriving it from scratch gives."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.facts import INT, TEXT, Edit, Relation, Schema, State, View, decode, encode, invert

SCHEMA = Schema("counted", "1", [Relation("amount", (("name", TEXT),), INT)])
NAMES = st.sampled_from("abcdef")


def _derive(state):
    DERIVED.append(state)
    return sum(value for _, _, value in state.facts("amount"))


def _moved(value, edits):
    MOVED.extend(edits)
    return value + sum((after or 0) - (before or 0) for _, _, before, after in edits)


DERIVED: list[State] = []
MOVED: list[tuple] = []
TOTAL = View(_derive, _moved)


def assert_view_is_from_scratch(state):
    assert state.view(TOTAL) == sum(value for _, _, value in state.facts("amount"))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(NAMES, st.none() | st.integers(-9, 9), st.integers(0, 3)), max_size=60))
def test_a_view_is_what_it_is_from_scratch_on_every_branch(steps):
    states = [State.of(SCHEMA, [("amount", ("z",), 1)])]
    for name, value, back in steps:
        states.append(states[-1 - back % len(states)].set("amount", (name,), value))
        if back != 1:  # now and then nobody asks
            assert_view_is_from_scratch(states[-1])
    for state in states:
        assert_view_is_from_scratch(state)
        assert_view_is_from_scratch(decode(SCHEMA, encode(state)))


def test_a_step_costs_its_edits_and_not_the_state():
    state = State.of(SCHEMA, [("amount", (str(number),), number) for number in range(1000)])
    state.view(TOTAL)
    DERIVED.clear()
    MOVED.clear()
    for number in range(50):
        delta = (Edit("amount", (str(number),), number, number + 1),)
        changed = state.apply(delta)
        assert_view_is_from_scratch(changed)
        assert_view_is_from_scratch(changed.apply(invert(delta)))
        state = changed
    assert not DERIVED
    assert len(MOVED) == 100


def test_asking_twice_derives_once():
    state = State.of(SCHEMA, [("amount", ("a",), 1)])
    DERIVED.clear()
    assert state.view(TOTAL) == state.view(TOTAL) == 1
    assert len(DERIVED) == 1

"""How far two states are apart: kept step by step, it is what counting all over gives."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.horizon.drafts import Forgetful, walk
from worldgate.facts import BOOL, INT, Edit, Relation, Schema, State, distance, ref
from worldgate.horizon import Settings, rollout
from worldgate.horizon.apart import Apart

LAMP = (("lamp", ref("lamp")),)
SCHEMA = Schema("lamps", "1", [Relation("lit", LAMP, BOOL), Relation("watts", LAMP, INT)])
FACTS = st.tuples(
    st.sampled_from("abc").map(lambda lamp: (lamp,)), st.sampled_from([("lit", True), ("lit", False), ("watts", 5)])
)
EDITS = st.lists(st.builds(lambda fact, gone: Edit(fact[1][0], fact[0], None, None if gone else fact[1][1]),
                           FACTS, st.booleans()), max_size=5)  # fmt: skip


def of_relation(state: State, name: str) -> State:
    return State.of(SCHEMA, state.facts(name))


def assert_apart_is_distance(apart: Apart) -> None:
    left, right = apart.left, apart.right
    assert apart.distance == distance(left, right)
    assert apart.distances == {
        name: distance(of_relation(left, name), of_relation(right, name))
        for name in SCHEMA.relations
        if of_relation(left, name) != of_relation(right, name)
    }
    both = {(relation, key) for state in (left, right) for relation, key, _ in state.facts()}
    assert apart.differing.keys() == {place for place in both if left.get(*place) != right.get(*place)}


@given(EDITS, EDITS, st.lists(st.tuples(EDITS, EDITS), max_size=6))
@settings(max_examples=50, deadline=None)
def test_it_is_the_distance_after_any_moves(one, two, moves) -> None:
    empty = State.of(SCHEMA)
    apart = Apart(empty.force(tuple(one)), empty.force(tuple(two)))
    assert_apart_is_distance(apart)
    for left, right in moves:
        places = {(edit.relation, edit.key) for edit in (*left, *right)}
        apart.move(apart.left.force(tuple(left)), apart.right.force(tuple(right)), places)
        assert_apart_is_distance(apart)


def test_it_outlives_what_states_remember() -> None:
    """Thousands of edits on a small state: the two histories have long been cut."""
    true = walk("support-desk", "adversarial", steps=3000)
    stands, predictor = true.initial, Forgetful(true, rate=0.1)
    record = rollout(true, predictor, Settings())
    for at, step in enumerate(true.steps):
        stands = stands.force(predictor.predict(stands, step.action).delta)
        if at % 250 == 0 or at == 2999:
            assert record.divergences[at] == distance(stands, step.state) > 0 or at == 0

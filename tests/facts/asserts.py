"""The laws of facts as named asserts, for generated schemas here and for every world elsewhere."""

from __future__ import annotations

from worldgate.facts import (
    Delta,
    State,
    canonical_json,
    compose,
    decode,
    delta_bytes,
    delta_from_json,
    delta_to_json,
    diff,
    distance,
    encode,
    format_edit,
    format_fact,
    invert,
    parse_edit,
    parse_fact,
)


def assert_apply_then_invert_is_identity(state: State, delta: Delta) -> None:
    assert state.apply(delta).apply(invert(delta)) == state


def assert_round_trips(state: State, delta: Delta) -> None:
    assert decode(state.schema, encode(state)) == state
    assert delta_from_json(state.schema, delta_to_json(delta)) == delta
    assert delta_bytes(state.schema, delta) == canonical_json(delta_to_json(delta))
    for fact in state.facts():
        assert parse_fact(state.schema, format_fact(*fact)) == fact
    for edit in delta:
        assert parse_edit(state.schema, format_edit(edit)) == edit


def assert_fingerprint_is_incremental(state: State, delta: Delta) -> None:
    """Incremental equals from scratch; equal states have equal fingerprints and bytes, others do not."""
    state.fingerprint  # noqa: B018  (asked early, so that the next one is computed from it)
    after = state.apply(delta)
    fresh = State.of(state.schema, after.facts())
    assert after.fingerprint == fresh.fingerprint
    assert (after.fingerprint == state.fingerprint) == (after == state) == (encode(after) == encode(state))


def assert_diff_leads_there(state: State, delta: Delta) -> None:
    after = state.apply(delta)
    fresh = State.of(state.schema, after.facts())
    assert state.apply(diff(state, after)) == after
    assert diff(state, after) == diff(state, fresh) == compose(delta)


def assert_distance_is_a_metric(left: State, right: State) -> None:
    """Symmetric, in [0, 1], 0 only for equal states, and the published ratio by brute force."""
    one = {(relation, key, (type(value), value)) for relation, key, value in left.facts()}
    two = {(relation, key, (type(value), value)) for relation, key, value in right.facts()}
    expected = len(one ^ two) / (len(one) + len(two)) if one or two else 0.0
    assert distance(left, right) == distance(right, left) == expected
    assert 0.0 <= expected <= 1.0
    assert (distance(left, right) == 0.0) == (left == right)


def assert_indexes_agree(state: State) -> None:
    """What `select` and `owners` answer is what a walk over all facts finds."""
    rows = list(state.facts())
    for relation in state.schema.relations.values():
        mine = [(key, value) for name, key, value in rows if name == relation.name]
        for length in relation.index:
            for prefix in {key[:length] for key, _ in mine}:
                expected = {key[length:]: value for key, value in mine if key[:length] == prefix}
                assert dict(state.select(relation.name, prefix)) == expected
        if relation.inverse:
            for wanted in {value for _, value in mine}:
                assert state.owners(relation.name, wanted) == {key for key, value in mine if value == wanted}


def assert_laws_of_facts(state: State, delta: Delta) -> None:
    """All of the above for one state and one delta that applies to it."""
    after = state.apply(delta)
    assert_apply_then_invert_is_identity(state, delta)
    assert_round_trips(state, delta)
    assert_fingerprint_is_incremental(state, delta)
    assert_diff_leads_there(state, delta)
    assert_distance_is_a_metric(state, after)
    assert_indexes_agree(after)

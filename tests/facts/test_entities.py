"""Which entities facts refer to, and which facts refer to an entity: by brute force over generated schemas."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings

from worldgate.facts import (
    BOOL,
    INT,
    TEXT,
    BadKey,
    Edit,
    Relation,
    Schema,
    State,
    UnknownRelation,
    entities_of,
    facts_about,
    record,
    ref,
    references,
)

from .strategies import cases


class Trip(NamedTuple):
    start: str
    end: str
    note: str


ROADS = Schema(
    "roads",
    "1",
    [
        Relation("road", (("a", ref("town")), ("b", ref("town"))), BOOL),
        Relation("trip", (("number", INT),), record(Trip, start=ref("town"), end=ref("town"))),
        Relation("owner", (("town", ref("town")),), ref("person")),
        Relation("sign", (("text", TEXT),), INT),
        Relation("clock", (), INT),
    ],
)


def mentioned(schema: Schema, relation: str, key: tuple[Any, ...], *values: Any) -> set[tuple[str, str]]:
    """The entities of a fact or edit, from the types alone."""
    declared = schema.relations[relation]
    parts = [(type_, part) for (_, type_), part in zip(declared.key, key, strict=True)]
    for value in values:
        if value is not None:
            fields = (
                zip((type_ for _, type_ in declared.value.fields), value, strict=True) if declared.value.fields else ()
            )
            parts += [(declared.value, value), *fields]
    return {(type_.entity, part) for type_, part in parts if type_.kind == "ref"}


def assert_facts_about_is_a_walk(state: State) -> None:
    """What the index says of each entity, and of none, is what a walk over all facts finds."""
    by_fact = {fact: mentioned(state.schema, *fact) for fact in state.facts()}
    known = set().union(*by_fact.values())
    assert entities_of(state) == sorted(known)
    for entity in known:
        assert facts_about(state, entity) == sorted(
            (fact for fact, found in by_fact.items() if entity in found), key=lambda fact: fact[:2]
        )
    assert facts_about(state, None) == sorted(fact for fact, found in by_fact.items() if not found)


@given(cases())
@settings(max_examples=50)
def test_of_is_what_the_types_say(case):
    state, delta = case
    refs = references(state.schema)
    for row in (*state.facts(), *delta):
        found = refs.of(row)
        assert set(found) == mentioned(state.schema, *row)
        assert len(set(found)) == len(found)
        for kind in refs.kinds:
            only = references(state.schema, frozenset({kind}))
            assert only.of(row) == tuple(entity for entity in found if entity[0] == kind)
    assert refs.among(delta) == {entity for edit in delta for entity in mentioned(state.schema, *edit)}


@given(cases())
@settings(max_examples=50)
def test_facts_about_follows_the_state(case):
    state, delta = case
    assert_facts_about_is_a_walk(state)
    after = state.apply(delta)
    assert_facts_about_is_a_walk(after)
    assert_facts_about_is_a_walk(State.of(state.schema, after.facts()))


def test_the_entities_of_keys_values_fields_and_edits():
    refs = references(ROADS)
    assert refs.kinds == ("person", "town")
    assert refs.of(("road", ("x", "y"), True)) == (("town", "x"), ("town", "y"))
    assert refs.of(("road", ("x", "x"), True)) == (("town", "x"),)
    assert refs.of(("trip", (1,), Trip("x", "y", "z"))) == (("town", "x"), ("town", "y"))
    assert refs.of(Edit("owner", ("x",), "ann", "bob")) == (("town", "x"), ("person", "ann"), ("person", "bob"))
    assert refs.of(Edit("owner", ("x",), None, "bob")) == (("town", "x"), ("person", "bob"))
    assert refs.of(("clock", (), 3)) == refs.of(("sign", ("x",), 1)) == ()
    assert references(ROADS, frozenset({"person"})).of(("owner", ("x",), "ann")) == (("person", "ann"),)


def test_what_the_schema_does_not_have_is_refused():
    state = State.of(ROADS, [("clock", (), 1)])
    with pytest.raises(UnknownRelation, match="'rail'"):
        references(ROADS).of(("rail", ("x",), True))
    with pytest.raises(BadKey, match=r"'rail'.*person, town"):
        references(ROADS, frozenset({"town", "rail"}))
    with pytest.raises(BadKey, match="'rail'"):
        facts_about(state, ("rail", "x"))
    assert facts_about(state, ("town", "nowhere")) == []

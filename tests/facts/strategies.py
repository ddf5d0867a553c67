"""Generated schemas, facts, states and deltas."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from worldgate.facts import BOOL, BYTES, DECIMAL, INT, TEXT, Edit, Relation, Schema, State, Type, enum, record, ref

names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
# any bytes, as the operating system names files: undecodable ones become surrogate escapes
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.binary(max_size=6).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)
scalars = st.one_of(
    st.sampled_from([BOOL, INT, DECIMAL, TEXT, BYTES]),
    st.lists(names, min_size=1, max_size=4, unique=True).map(lambda choices: enum(*choices)),
    names.map(ref),
    st.tuples(st.integers(-5, 0), st.integers(1, 9)).map(lambda ends: Type("int", low=ends[0], high=ends[1])),
)


class Single(NamedTuple):
    only: Any


class Pair(NamedTuple):
    left: Any
    right: Any


@st.composite
def records(draw: Any) -> Type:
    """A record of scalars."""
    made = draw(st.sampled_from([Single, Pair]))
    return record(made, **{name: draw(scalars) for name in made._fields})


types = st.one_of(scalars, records())


def values(type_: Type) -> st.SearchStrategy[Any]:
    if type_.kind == "enum":
        return st.sampled_from(type_.choices)
    if type_.kind == "record":
        return st.builds(type_.python, *(values(field) for _, field in type_.fields))
    if type_.low is not None:
        return st.integers(int(type_.low), int(type_.high or 0))
    return {
        "bool": st.booleans(),
        "int": st.integers(),
        "decimal": decimals.map(Decimal),
        "text": texts,
        "ref": texts,
        "bytes": st.binary(max_size=5),
    }[type_.kind]


@st.composite
def relations(draw: Any, name: str) -> Relation:
    columns = draw(st.lists(scalars, max_size=3))
    index = draw(st.sets(st.integers(0, len(columns) - 1))) if columns else ()
    return Relation(
        name,
        tuple((f"c{number}", type_) for number, type_ in enumerate(columns)),
        draw(types),
        index=tuple(sorted(index)),
        inverse=draw(st.booleans()),
    )


@st.composite
def schemas(draw: Any) -> Schema:
    found = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    return Schema("generated", "1", [draw(relations(name)) for name in found])


@st.composite
def facts(draw: Any, schema: Schema) -> tuple[str, tuple[Any, ...], Any]:
    relation = draw(st.sampled_from(list(schema.relations.values())))
    key = tuple(draw(values(type_)) for _, type_ in relation.key)
    return relation.name, key, draw(values(relation.value))


@st.composite
def states(draw: Any, schema: Schema) -> State:
    return State.of(schema, draw(st.lists(facts(schema), max_size=8)))


@st.composite
def deltas(draw: Any, state: State) -> tuple[Edit, ...]:
    """A delta that applies to `state`: some facts set, some removed, some edited twice."""
    edits: list[Edit] = []
    now = state
    for _ in range(draw(st.integers(0, 6))):
        present = sorted(now.facts(), key=repr)
        if present and draw(st.booleans()):
            relation, key, _ = draw(st.sampled_from(present))
            after = draw(st.one_of(st.none(), values(state.schema.relations[relation].value)))
        else:
            relation, key, after = draw(facts(state.schema))
        edits.append(Edit(relation, key, now.get(relation, key), after))
        now = now.set(relation, key, after)
    return tuple(edits)


@st.composite
def cases(draw: Any) -> tuple[State, tuple[Edit, ...]]:
    """(state, delta that applies to it), over a generated schema."""
    state = draw(states(draw(schemas())))
    return state, draw(deltas(state))

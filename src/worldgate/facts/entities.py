"""Which entities a fact or an edit refers to, and which facts refer to an entity.

An entity is (kind, id), such as ("host", "h1"). A fact refers to the ref columns of its key and to the refs of
its value: the value itself, or fields of a record. An edit refers to those of both its `before` and its `after`.
A fact that refers to none is global: a clock, an exit status. That is a property of its relation, since every ref
has an id.

An id inside a text is not known to be one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from immutables import Map

from .delta import Edit
from .errors import BadKey
from .maps import EMPTY, Address, Edits, Fact
from .schema import Relation, Schema, Type
from .state import State, View

Entity = tuple[str, str]
"""(kind, id)."""

Row = Fact | Edit
"""A relation, a key, and one value or two, each of which may be None."""


class Mentions(NamedTuple):
    """Where the facts of one relation name entities."""

    key: tuple[tuple[int, str], ...]
    """(column, kind) of each ref in the key."""
    whole: str
    """The kind of a value that is itself a ref, or ""."""
    fields: tuple[tuple[int, str], ...]
    """(field, kind) of each ref in a record."""

    def kinds(self) -> set[str]:
        """Every kind named; empty for a global relation."""
        return {kind for _, kind in (*self.key, *self.fields)} | ({self.whole} - {""})


class References:
    """The refs of a schema's relations, of some kinds; made by `references`."""

    __slots__ = ("kinds", "relations", "schema")

    def __init__(self, schema: Schema, only: frozenset[str] | None) -> None:
        every = {name: _mentions(relation, lambda _: True) for name, relation in schema.relations.items()}
        known = {kind for mentions in every.values() for kind in mentions.kinds()}
        if only is not None and (strange := sorted(only - known)):
            raise BadKey(f"entities of kind {strange[0]!r}", f"a kind of {schema.name}: {', '.join(sorted(known))}")
        kept = known if only is None else only
        self.schema = schema
        self.kinds = tuple(sorted(kept))
        self.relations = {name: _mentions(schema.relations[name], kept.__contains__) for name in every}

    def of(self, row: Row) -> tuple[Entity, ...]:
        """The distinct entities of a fact or an edit, those of the key first; none for a global one."""
        relation, key = row[0], row[1]
        mentions = self.relations.get(relation)
        if mentions is None:
            self.schema.relation(relation)  # raises
            return ()
        found: list[Any] = [(kind, key[at]) for at, kind in mentions.key]
        if mentions.whole:
            found += [(mentions.whole, value) for value in row[2:] if value is not None]
        elif mentions.fields:
            values: Iterable[Any] = (value for value in row[2:] if value is not None)
            found += [(kind, value[at]) for value in values for at, kind in mentions.fields]
        return tuple(found) if len(found) < 2 else tuple(dict.fromkeys(found))

    def among(self, rows: Iterable[Row]) -> frozenset[Entity]:
        """Every entity that some of these facts or edits refer to."""
        return frozenset(entity for row in rows for entity in self.of(row))


@lru_cache(maxsize=64)
def references(schema: Schema, kinds: frozenset[str] | None = None) -> References:
    """The refs of this schema, of all kinds or only of `kinds`; `BadKey` for a kind it does not have."""
    return References(schema, kinds)


def entities_of(state: State) -> list[Entity]:
    """The entities that facts of this state refer to, sorted; O(entities) once the state's history was asked."""
    return sorted(entity for entity in state.view(_INCIDENCE).addresses if entity is not None)


def facts_about(state: State, entity: Entity | None) -> list[Fact]:
    """The facts that refer to the entity (for None: the global facts), in canonical order.

    O(answer), once the state or one before it in its history was asked; the edits since then are read. The first time,
    O(state). An unknown id has no facts; `BadKey` for a kind that the schema does not have.
    """
    refs, addresses = state.view(_INCIDENCE)
    if entity is not None and entity[0] not in refs.kinds:
        raise BadKey(f"an entity of kind {entity[0]!r}", f"a kind of {refs.schema.name}: {', '.join(refs.kinds)}")
    return [(*address, state.get(*address)) for address in sorted(addresses.get(entity, EMPTY))]


class _Incidence(NamedTuple):
    refs: References
    addresses: Map[Entity | None, Map[Address, None]]


def _derive(state: State) -> _Incidence:
    rows = tuple((relation, key, None, value) for relation, key, value in state.facts())
    return _moved(_Incidence(references(state.schema), EMPTY), rows)


def _moved(incidence: _Incidence, edits: Edits) -> _Incidence:
    refs, new = incidence.refs, incidence.addresses.mutate()
    for relation, key, before, after in edits:
        address = (relation, key)
        gone = () if before is None else refs.of((relation, key, before)) or (None,)
        here = () if after is None else refs.of((relation, key, after)) or (None,)
        for entity in gone:
            if entity not in here:
                left = new[entity].delete(address)
                if left:
                    new[entity] = left
                else:
                    del new[entity]
        for entity in here:
            if entity not in gone:
                new[entity] = new.get(entity, EMPTY).set(address, None)
    return _Incidence(refs, new.finish())


_INCIDENCE: Final = View(_derive, _moved)


def _mentions(relation: Relation, wanted: Callable[[str], bool]) -> Mentions:
    def refs(columns: Iterable[tuple[str, Type]]) -> tuple[tuple[int, str], ...]:
        return tuple(
            (at, type_.entity) for at, (_, type_) in enumerate(columns) if type_.entity and wanted(type_.entity)
        )

    whole = relation.value.entity
    return Mentions(refs(relation.key), whole if whole and wanted(whole) else "", refs(relation.value.fields))

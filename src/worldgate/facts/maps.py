"""The two persistent maps under a state, facts and indexes, and how edits change them.

The indexes are one map: of (relation, prefix) the facts with that prefix by the rest of their key, and of
(relation, None, value) the keys that hold the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from immutables import Map

from .schema import Key, Relation, Schema, Value

Address = tuple[str, Key]
Fact = tuple[str, Key, Any]
Edits = tuple[tuple[str, Key, Value | None, Value | None], ...]

EMPTY: Final[Map[Any, Any]] = Map()
NONE: Final[frozenset[Key]] = frozenset()


class Source(Protocol):
    """Where facts are read from on demand. Answers must not change while a state stands on it."""

    def get(self, relation: str, key: Key) -> Value | None:
        """The value of one fact, or None."""

    def select(self, relation: str, prefix: Key) -> Mapping[Key, Value]:
        """The facts whose key begins with `prefix`, by the rest of the key."""

    def owners(self, relation: str, value: Value) -> frozenset[Key]:
        """The keys that hold `value`, for a relation with `inverse`."""

    def facts(self) -> Iterable[Fact]:
        """Every fact."""


def changed(
    schema: Schema, source: Source | None, facts: Map[Address, Any], index: Map[Any, Any], edits: Edits
) -> tuple[Map[Address, Any], Map[Any, Any]]:
    """(facts, index) after edits whose `before` is known to hold."""
    indexed = schema.indexed
    new, new_index = facts.mutate(), None
    for relation, key, before, after in edits:
        if after is not None or source is not None:
            new[relation, key] = after
        else:
            new.pop((relation, key), None)
        if relation in indexed:
            if new_index is None:
                new_index = index.mutate()
            _reindex(new_index, source, schema.relations[relation], key, before, after)
    return new.finish(), index if new_index is None else new_index.finish()


def _reindex(
    index: Any, source: Source | None, declared: Relation, key: Key, before: Value | None, after: Value | None
) -> None:
    name = declared.name
    for length in declared.index:
        address, rest = (name, key[:length]), key[length:]
        group = index.get(address, EMPTY)
        # on a source the group holds what changed, so that one name costs one name and not its directory
        keep = after is not None or source is not None
        index[address] = group.set(rest, after) if keep else group.delete(rest)
    if declared.inverse:
        if before is not None:
            index[name, None, before] = _owners(index, source, name, before) - {key}
        if after is not None:
            index[name, None, after] = _owners(index, source, name, after) | {key}


def _owners(index: Any, source: Source | None, relation: str, value: Value) -> frozenset[Key]:
    keys: frozenset[Key] | None = index.get((relation, None, value))
    if keys is None:
        keys = NONE if source is None else source.owners(relation, value)
    return keys

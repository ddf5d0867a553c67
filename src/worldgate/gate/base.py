"""What a run rests on: the facts it read or changed, as they were.

A run is bound to these and to nothing else, so a commit may go through while other parts of the
target change. Facts of local relations (a working directory, an exit status) belong to the acting
process and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from ..facts import TEXT, Address, Delta, Key, Schema, State, Type, Value, canonical_json, fact_to_json, format_address
from ..facts.codec import tell_value

Base = tuple[tuple[Address, Value | None], ...]
"""Addresses and their values, sorted. The value of a prefix is a digest of all facts under it."""


class Mismatch(NamedTuple):
    """One fact that no longer is as the run saw it. `type` is that of its values, for people."""

    address: Address
    expected: Value | None
    actual: Value | None
    type: Type = TEXT

    @classmethod
    def of(cls, schema: Schema, address: Address, expected: Value | None, actual: Value | None) -> Mismatch:
        relation = schema.relation(address[0])
        whole = len(address[1]) == len(relation.key)  # else the values are digests of many facts
        return cls(address, expected, actual, relation.value if whole else TEXT)

    def __str__(self) -> str:
        """Of two records, only the fields that differ."""
        was, now = tell_value(self.type, self.expected), tell_value(self.type, self.actual)
        if isinstance(self.expected, tuple) and isinstance(self.actual, tuple):
            rows = zip(self.type.fields, self.expected, self.actual, strict=True)
            apart = [
                (name, tell_value(type_, old), tell_value(type_, new)) for (name, type_), old, new in rows if old != new
            ]
            was, now = (", ".join(f"{row[0]} {row[side]}" for row in apart) for side in (1, 2))
        return f"{format_address(*self.address)} was {was} and is {now}"


def addresses(schema: Schema, reads: Iterable[Address], edits: Delta) -> list[Address]:
    """Everything read or changed that belongs to the target, in canonical order."""
    found = {*reads, *((edit.relation, edit.key) for edit in edits)}
    shared = [address for address in found if not schema.relation(address[0]).local]
    return sorted(shared, key=lambda address: canonical_json(fact_to_json(address[0], address[1], None)))


def observe(state: State, wanted: Iterable[Address]) -> Base:
    """The base at these addresses."""
    return tuple((address, _value(state, address)) for address in wanted)


def mismatches(state: State, base: Base) -> list[Mismatch]:
    """Where `state` differs from `base`."""
    now = ((address, expected, _value(state, address)) for address, expected in base)
    return [Mismatch.of(state.schema, *row) for row in now if row[1] != row[2]]


def _value(state: State, address: Address) -> Value | None:
    relation, key = address
    if len(key) == len(state.schema.relation(relation).key):
        return state.get(relation, key)  # type: ignore[no-any-return]
    rows = sorted(canonical_json(fact_to_json(relation, rest, value)) for rest, value in _under(state, relation, key))
    return sha256(b"\n".join(rows)).hexdigest()


def _under(state: State, relation: str, prefix: Key) -> Iterable[tuple[Key, Value]]:
    """The facts under a prefix; O(state) where the relation has no index of that length."""
    if len(prefix) in state.schema.relation(relation).index:
        return state.select(relation, prefix).items()
    size = len(prefix)
    return ((key[size:], value) for _, key, value in state.facts(relation) if key[:size] == prefix)

"""What a run rests on: the facts it read or changed, as they were.

A run is bound to these and to nothing else, so a commit may go through while other parts of the
target change. Facts of local relations (a working directory, an exit status) belong to the acting
process and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from ..facts import (
    Address,
    Delta,
    Key,
    Schema,
    State,
    Value,
    canonical_json,
    fact_to_json,
    format_address,
    format_value,
)

Base = tuple[tuple[Address, Value | None], ...]
"""Addresses and their values, sorted. The value of a prefix is a digest of all facts under it."""


class Mismatch(NamedTuple):
    """One fact that no longer is as the run saw it."""

    address: Address
    expected: Value | None
    actual: Value | None

    def __str__(self) -> str:
        place = format_address(*self.address)
        return f"{place} was {format_value(self.expected)} and is {format_value(self.actual)}"


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
    return [Mismatch(address, expected, actual) for address, expected, actual in now if expected != actual]


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

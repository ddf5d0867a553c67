"""Edits and deltas.

A delta is a tuple of edits; each says what stood before, so that a delta can be checked against a
state, inverted, composed, and compared with a target that drifted. None means absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .schema import Key, Value


class Edit(NamedTuple):
    """One fact changed: `before` and `after` are values, or None for absent."""

    relation: str
    key: Key
    before: Value | None
    after: Value | None


Delta = tuple[Edit, ...]


def invert(delta: Iterable[Edit]) -> Delta:
    """The delta that leads back: edits reversed in order and in direction."""
    return tuple(Edit(relation, key, after, before) for relation, key, before, after in reversed(tuple(delta)))


def compose(*deltas: Iterable[Edit]) -> Delta:
    """One delta with the net effect of several in a row: each fact at most once, in canonical order."""
    net: dict[tuple[str, Key], tuple[Value | None, Value | None]] = {}
    for delta in deltas:
        for relation, key, before, after in delta:
            first = net.get((relation, key), (before, None))[0]
            net[relation, key] = (first, after)
    changed = (Edit(relation, key, *ends) for (relation, key), ends in net.items() if ends[0] != ends[1])
    return tuple(sorted(changed, key=lambda edit: (edit.relation, edit.key)))

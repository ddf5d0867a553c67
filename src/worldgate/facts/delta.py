"""Edits and deltas.

A delta is a tuple of edits; each says what stood before, so that a delta can be checked against a
state, inverted, composed, and compared with a target that drifted. None means absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from .schema import Key, Value


class Edit(NamedTuple):
    """One fact changed: `before` and `after` are values, or None for absent."""

    relation: str
    key: Key
    before: Value | None
    after: Value | None


Delta = tuple[Edit, ...]

_edit: Final = tuple.__new__  # without a call of Python code


def invert(delta: Iterable[Edit]) -> Delta:
    """The delta that leads back: edits reversed in order and in direction."""
    return tuple(Edit(relation, key, after, before) for relation, key, before, after in reversed(tuple(delta)))


class Net:
    """The net effect of deltas in a row, told one by one. It keeps no delta, only one edit for each fact."""

    __slots__ = ("_edits",)

    def __init__(self) -> None:
        self._edits: dict[tuple[Any, ...], Edit] = {}

    def add(self, delta: Iterable[Edit]) -> None:
        """Take the next delta."""
        net = self._edits
        for edit in delta:
            address = edit[:2]
            earlier = net.get(address)
            net[address] = edit if earlier is None else _edit(Edit, (*address, earlier[2], edit[3]))

    def delta(self) -> Delta:
        """Each fact at most once, in canonical order."""
        net = self._edits
        return tuple([edit for address in sorted(net) if (edit := net[address])[2] != edit[3]])


def compose(*deltas: Iterable[Edit]) -> Delta:
    """One delta with the net effect of several in a row: each fact at most once, in canonical order."""
    net = Net()
    for delta in deltas:
        net.add(delta)
    return net.delta()

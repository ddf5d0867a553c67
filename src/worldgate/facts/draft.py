"""A draft: the working copy in which a world's rules compute one step.

Rules read and write a draft as if it were mutable; it records what was read and what was changed,
so that `finish` returns the new state, the delta and the read set. A rule that fails half-way simply
drops its draft.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .delta import Delta, Edit
from .schema import Key, Value
from .state import Address, State

Reads = frozenset[Address]
"""What a step looked at: addresses of facts; an address whose key is shorter than the relation's
columns stands for all facts with that prefix."""

_UNSET: Final[Any] = object()
_tuple = tuple.__new__


class Draft:
    """A mutable view over a base state. Writes must be well-typed: `finish` does not check them again."""

    __slots__ = ("_done", "_fetch", "_pending", "_state", "_values", "reads")

    def __init__(self, base: State) -> None:
        self._state = base
        self._fetch = base.fetcher()
        self._values: dict[Address, Value | None] = {}  # everything read or written so far, as it is now
        self._pending: list[Edit] = []
        self._done: list[Edit] = []
        self.reads: set[Any] = set()

    def get(self, relation: str, key: Key) -> Any:
        """The value of one fact, or None; recorded as read unless it was first written here."""
        address = (relation, key)
        value = self._values.get(address, _UNSET)
        if value is _UNSET:
            self._values[address] = value = self._fetch(address)
            self.reads.add(address)
        return value

    def set(self, relation: str, key: Key, value: Value | None) -> None:
        """Set one fact, or remove it with None."""
        address = (relation, key)
        before = self._values.get(address, _UNSET)
        if before is _UNSET:
            before = self._fetch(address)
            if before == value:  # that nothing had to be written is something the step found out
                self._values[address] = value
                self.reads.add(address)
                return
        if before != value:
            self._values[address] = value
            self._pending.append(_tuple(Edit, (relation, key, before, value)))

    def select(self, relation: str, prefix: Key = ()) -> Mapping[Key, Any]:
        """As `State.select`, over the draft; recorded as a read of the whole prefix."""
        self.reads.add((relation, prefix))
        return self.now().select(relation, prefix)

    def owners(self, relation: str, value: Value) -> frozenset[Key]:
        """As `State.owners`, over the draft. The keys found are recorded as read."""
        found = self.now().owners(relation, value)
        for key in found:
            self.reads.add((relation, key))
        return found

    def now(self) -> State:
        """The state with everything written so far."""
        if self._pending:
            self._state = self._state._changed(self._pending)
            self._done += self._pending
            self._pending = []
        return self._state

    def finish(self) -> tuple[State, Delta, Reads]:
        """(state, delta, reads). The delta has one edit a write, in the order they were made."""
        state = self.now()
        return state, tuple(self._done), frozenset(self.reads)

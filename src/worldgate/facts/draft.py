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


class Draft:
    """A mutable view over a base state. Writes must be well-typed: `finish` does not check them again."""

    __slots__ = ("_done", "_new", "_pending", "_state", "_written", "reads")

    def __init__(self, base: State) -> None:
        self._state = base
        self._new: dict[Address, Value | None] = {}
        self._pending: list[Edit] = []
        self._done: list[Edit] = []
        self._written: set[Address] = set()
        self.reads: set[Any] = set()

    def get(self, relation: str, key: Key) -> Any:
        """The value of one fact, or None; recorded as read."""
        address = (relation, key)
        value = self._new.get(address, _UNSET)
        if value is _UNSET:
            if address not in self._written:
                self.reads.add(address)
            value = self._state.get(relation, key)
        return value

    def set(self, relation: str, key: Key, value: Value | None) -> None:
        """Set one fact, or remove it with None."""
        address = (relation, key)
        before = self._new.get(address, _UNSET)
        if before is _UNSET:
            before = self._state.get(relation, key)
        if before != value:
            self._new[address] = value
            self._written.add(address)
            self._pending.append(Edit(relation, key, before, value))

    def select(self, relation: str, prefix: Key = ()) -> Mapping[Key, Any]:
        """As `State.select`, over the draft; recorded as a read of the whole prefix."""
        self.reads.add((relation, prefix))
        return self.now().select(relation, prefix)

    def owners(self, relation: str, value: Value) -> frozenset[Key]:
        """As `State.owners`, over the draft. The keys found are recorded as read."""
        found = self.now().owners(relation, value)
        self.reads.update((relation, key) for key in found)
        return found

    def now(self) -> State:
        """The state with everything written so far."""
        if self._pending:
            self._state = self._state._changed(self._pending)
            self._done += self._pending
            self._pending = []
            self._new.clear()
        return self._state

    def finish(self) -> tuple[State, Delta, Reads]:
        """(state, delta, reads). The delta has one edit a write, in the order they were made."""
        state = self.now()
        return state, tuple(self._done), frozenset(self.reads)

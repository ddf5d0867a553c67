"""A draft: the working copy in which a world's rules compute one step.

Rules read and write a draft as if it were mutable; it records what was read and what was changed,
so that `finish` returns the new state, the delta and the read set. A rule that fails half-way simply
drops its draft.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .delta import Delta, Edit
from .maps import Address
from .schema import Key, Value
from .state import State

Reads = frozenset[Address]
"""What a step looked at: addresses of facts; an address whose key is shorter than the relation's
columns stands for all facts with that prefix."""

_UNSET: Final[Any] = object()
_tuple: Final = tuple.__new__  # makes an Edit of a tuple without a call of Python code


class Draft:
    """A mutable view over a base state. Writes must be well-typed: `finish` does not check them again."""

    __slots__ = ("_applied", "_fetch", "_known", "_state", "edits", "reads")

    def __init__(self, base: State) -> None:
        self._state = base
        self._fetch = base.fetcher()
        self._known: dict[Address, Value | None] = {}  # everything read or written so far, as it is now
        self._applied = 0  # how many of the edits `_state` has
        self.edits: list[Edit] = []
        self.reads: set[Any] = set()

    def get(self, relation: str, key: Key) -> Any:
        """The value of one fact, or None; recorded as read unless it was first written here."""
        known = self._known
        address: Any = (relation, key)  # one object, whoever keeps it
        value = known.get(address, _UNSET)
        if value is not _UNSET:
            return value
        value = known[address] = self._fetch(address)
        self.reads.add(address)
        return value

    def set(self, relation: str, key: Key, value: Value | None) -> None:
        """Set one fact, or remove it with None."""
        self.write(((relation, key, value),))

    def write(self, facts: Iterable[tuple[str, Key, Value | None]], seen: bool = False) -> None:
        """Set facts, or remove them with None. With `seen`, what they were matters: it is recorded as read."""
        known = self._known
        for relation, key, value in facts:
            address: Any = (relation, key)
            if address in known:
                before = known[address]
            else:
                before = self._fetch(address)
                if before == value:  # that nothing has to be written is something the step finds out
                    self.reads.add(address)
            if seen:
                self.reads.add(address)
            known[address] = value
            if before != value:
                self.edits.append(_tuple(Edit, (relation, key, before, value)))

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
        if len(self.edits) > self._applied:
            self._state = self._state._changed(tuple(self.edits[self._applied :]))
            self._applied = len(self.edits)
        return self._state

    def finish(self) -> tuple[State, Delta, Reads]:
        """(state, delta, reads). The delta has one edit a write, in the order they were made."""
        return self.now(), tuple(self.edits), frozenset(self.reads)

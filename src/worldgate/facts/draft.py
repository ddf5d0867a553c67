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

    __slots__ = ("_applied", "_blind", "_fetch", "_known", "_state", "edits")

    def __init__(self, base: State) -> None:
        self._state = base
        self._fetch = base.fetcher()
        self._known: dict[Address, Any] = {}  # what was looked at or written so far, as it is now; and prefixes
        self._blind: set[Address] = set()  # what of it was first written, whatever it was
        self._applied = 0  # how many of the edits `_state` has
        self.edits: list[Edit] = []

    def get(self, relation: str, key: Key) -> Any:
        """The value of one fact, or None; recorded as read unless it was first written here."""
        address, known = (relation, key), self._known
        if address in known:
            return known[address]
        value = known[address] = self._fetch(address)
        return value

    def set(self, relation: str, key: Key, value: Value | None, seen: bool = False) -> None:
        """Set one fact, or remove it with None. With `seen`, what it was matters: it is recorded as read."""
        address, known = (relation, key), self._known
        if address in known:
            before = known[address]
            if seen and self._blind:
                self._blind.discard(address)
        else:
            before = self._fetch(address)
            if before != value and not seen:  # that nothing has to be written is something the step finds out
                self._blind.add(address)
        known[address] = value
        if before != value:
            self.edits.append(_tuple(Edit, (relation, key, before, value)))

    def write(self, facts: Iterable[tuple[str, Key, Value | None]], seen: bool = False) -> None:
        """Set facts, as `set` does."""
        for relation, key, value in facts:
            self.set(relation, key, value, seen)

    def note(self, relation: str, key: Key, value: Value | None = None) -> None:
        """Record what was read elsewhere: a fact with its value, or all facts whose key begins so."""
        self._known.setdefault((relation, key), value)
        if self._blind:
            self._blind.discard((relation, key))

    def select(self, relation: str, prefix: Key = ()) -> Mapping[Key, Any]:
        """As `State.select`, over the draft; recorded as a read of the whole prefix."""
        self.note(relation, prefix)
        return self.now().select(relation, prefix)

    def owners(self, relation: str, value: Value) -> frozenset[Key]:
        """As `State.owners`, over the draft. The keys found are recorded as read."""
        found = self.now().owners(relation, value)
        for key in found:
            self.note(relation, key, value)
        return found

    def now(self) -> State:
        """The state with everything written so far."""
        if len(self.edits) > self._applied:
            self._state = self._state._changed(tuple(self.edits[self._applied :]))
            self._applied = len(self.edits)
        return self._state

    @property
    def reads(self) -> Reads:
        """What was looked at so far."""
        return frozenset(self._known) - self._blind if self._blind else frozenset(self._known)

    def undone(self, base: State) -> Draft:
        """A draft of the same base without the edits, which has looked at the same."""
        draft = Draft(base)
        draft._blind, known = self._blind, self._known
        for relation, key, before, _ in reversed(self.edits):
            known[relation, key] = before
        draft._known = known
        return draft

    def finish(self) -> tuple[State, Delta, Reads]:
        """(state, delta, reads). The delta has one edit a write, in the order they were made."""
        return self.now(), tuple(self.edits), self.reads

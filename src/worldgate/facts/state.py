"""State: an immutable set of facts that forks in O(1) and changes in O(edits).

A state keeps a persistent map from (relation, key) to value, the indexes its schema declares, and a
log of the edits that led to it. The log is what makes the fingerprint incremental and the
difference of two states that share history cost what differs; it never outgrows the state itself.

A state may stand on a `Source`, such as a directory: facts are then read the first time they are
asked for, and the state means the whole of the source with its own edits on top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar, cast

import msgspec
from immutables import Map

from . import fingerprint as _fingerprint
from .codec import canonical_json, fact_to_json, facts_from_json, format_address, format_edit, format_value
from .delta import Delta, Edit
from .errors import Conflict, Undecodable
from .maps import EMPTY, NONE, Address, Edits, Fact, Source, changed
from .schema import Key, Schema, Value

_UNSET: Final[Any] = object()
_LOG_FLOOR = 1024


_Kept = TypeVar("_Kept")


class View(Generic[_Kept]):
    """Something derived from a state and kept from state to state at the cost of what changed.

    `derive(state)` makes it from scratch; `moved(value, edits)` is the value after edits, and leaves the old one as it
    was: states share it.
    """

    __slots__ = ("derive", "moved")

    def __init__(self, derive: Callable[[State], _Kept], moved: Callable[[_Kept, Edits], _Kept]) -> None:
        self.derive, self.moved = derive, moved


class _Log(msgspec.Struct, eq=False):  # as `State`, a Struct because one is made without a call of Python code
    """One link of a state's history. `count` is the number of edits since the history began."""

    parent: _Log | None
    edits: Edits
    count: int
    anchor: _Log = cast("_Log", None)  # the first link of its span; that link's own is itself
    views: dict[Any, Any] | None = None  # what was derived from the state of this link, by view


def _begun(parent: _Log | None, edits: Edits, count: int) -> _Log:
    """The first link of a span."""
    link = _Log(parent, edits, count)
    link.anchor = link
    return link


class State(msgspec.Struct, eq=False):
    """An immutable set of typed facts.

    Make one with `State.of(schema, facts)`; change it with `set` or `apply`, which return a new one.
    """

    schema: Schema
    _facts: Map[Address, Any]
    _index: Map[Any, Any]
    _log: _Log
    _source: Source | None

    @classmethod
    def of(cls, schema: Schema, facts: Iterable[Fact] = (), *, source: Source | None = None) -> State:
        """The state of these facts (on top of `source`). Later facts replace earlier ones."""
        empty = cls(schema, EMPTY, EMPTY, _begun(None, (), 0), source)
        given: dict[Address, Value] = {}
        for relation, key, value in facts:
            schema.check(relation, key, value)
            given[relation, key] = value
        new = empty._changed(tuple((*address, empty.get(*address), value) for address, value in given.items()))
        new._log = _begun(None, (), 0)
        return new

    @property
    def source(self) -> Source | None:
        """What the state stands on, if anything."""
        return self._source

    # --- reading ---------------------------------------------------------------------------------

    def get(self, relation: str, key: Key) -> Any:
        """The value of one fact, or None when it is absent."""
        value = self._facts.get((relation, key), _UNSET)
        if value is _UNSET:
            if self._source is not None:
                return self._source.get(relation, key)
            if relation not in self.schema.relations:
                self.schema.relation(relation)
            return None
        return value

    def fetcher(self) -> Callable[[Address], Any]:
        """`get` as a function of an address, for code that asks often. Of unknown relations it says None."""
        if self._source is None:
            return self._facts.get
        return lambda address: self.get(*address)

    def select(self, relation: str, prefix: Key = ()) -> Mapping[Key, Any]:
        """The facts whose key begins with `prefix`, by the rest of the key.

        O(1) when the relation declares an index of that length (on a source, what the source takes), else `KeyError`.
        """
        found = self._index.get((relation, prefix))
        if found is None and len(prefix) not in self.schema.relation(relation).index:
            raise KeyError(f"{relation} has no index over {len(prefix)} columns")
        if self._source is None:
            return EMPTY if found is None else cast("Mapping[Key, Any]", found)
        below = self._source.select(relation, prefix)
        if found is None:
            return below
        return {rest: value for rest, value in {**below, **found}.items() if value is not None}

    def owners(self, relation: str, value: Value) -> frozenset[Key]:
        """The keys that hold `value`; O(1), for a relation declared with `inverse`."""
        found = self._index.get((relation, None, value))
        if found is None:
            if not self.schema.relation(relation).inverse:
                raise KeyError(f"{relation} has no inverse")
            return NONE if self._source is None else self._source.owners(relation, value)
        return cast("frozenset[Key]", found)

    def facts(self, relation: str | None = None) -> Iterator[Fact]:
        """Every fact (of one relation), in no particular order; O(state)."""
        for (name, key), value in self._facts.items():
            if value is not None and relation in (None, name):
                yield name, key, value
        if self._source is not None:
            for name, key, value in self._source.facts():
                if relation in (None, name) and (name, key) not in self._facts:
                    yield name, key, value

    def __len__(self) -> int:
        return len(self._facts) if self._source is None else sum(1 for _ in self.facts())

    def __contains__(self, address: Address) -> bool:
        return self.get(*address) is not None

    # --- changing --------------------------------------------------------------------------------

    def set(self, relation: str, key: Key, value: Value | None) -> State:
        """The state with one fact set, or removed with None."""
        schema, facts, address = self.schema, self._facts, (relation, key)
        before = facts.get(address)
        if before is None or type(value) is not schema.plain.get(relation) or self._source is not None:
            schema.check(relation, key, value)
            before = self.get(relation, key)
            return self if before == value else self._changed(((relation, key, before, value),))
        if before == value:
            return self
        log, edits = self._log, ((relation, key, before, value),)
        if log.count - log.anchor.count < _LOG_FLOOR:
            log = _Log(log, edits, log.count + 1, log.anchor)
        else:
            log = self._logged(edits, 1, len(facts))
        return State(schema, facts.set(address, value), self._index, log, None)

    def apply(self, delta: Delta) -> State:
        """The state after `delta`. `Conflict` names the first edit whose `before` does not hold.

        Every edit is checked against the schema; nothing is applied when one fails.
        """
        seen: dict[Address, Value | None] = {}
        for edit in delta:
            relation, key, before, after = edit
            self.schema.check(relation, key, after)
            self.schema.check(relation, key, before)
            actual = seen[relation, key] if (relation, key) in seen else self.get(relation, key)
            if actual != before:
                raise conflict(edit, actual)
            seen[relation, key] = after
        return self._changed(tuple(delta)) if delta else self

    def force(self, delta: Delta) -> State:
        """The total form, for wrong predictions: each fact becomes its `after`, whatever stood before."""
        actual = []
        now: dict[Address, Value | None] = {}
        for relation, key, _, after in delta:
            self.schema.check(relation, key, after)
            before = now[relation, key] if (relation, key) in now else self.get(relation, key)
            if before != after:
                actual.append(Edit(relation, key, before, after))
            now[relation, key] = after
        return self._changed(tuple(actual)) if actual else self

    def _changed(self, edits: Edits) -> State:
        """Apply edits whose `before` is known to hold."""
        facts, index = changed(self.schema, self._source, self._facts, self._index, edits)
        return State(self.schema, facts, index, self._logged(edits, len(edits), len(facts)), self._source)

    def _logged(self, edits: Edits, count: int, size: int) -> _Log:
        parent = self._log
        anchor = parent.anchor
        if parent.count - anchor.count > (size if size > _LOG_FLOOR else _LOG_FLOOR):
            anchor.parent = None  # forget what is older than two spans: the log stays O(state)
            return _begun(parent, edits, parent.count + count)
        return _Log(parent, edits, parent.count + count, anchor)

    # --- identity --------------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits; equal exactly for equal states. O(edits since it was last asked), at most O(state)."""
        return _fingerprint.digest(self.view(_ACCUMULATOR))

    def view(self, view: View[_Kept]) -> _Kept:
        """What `view` derives from this state: brought up to date with the edits since the nearest earlier state
        that was asked, or derived from scratch where that is less.
        """
        log: _Log | None = self._log
        pending: list[_Log] = []
        most = self._log.count - len(self._facts)  # older than that, it is less to begin anew
        while log is not None and (log.views is None or view not in log.views):
            if log.count <= most and self._source is None:
                log = None
                break
            pending.append(log)
            log = log.parent
        if log is None or log.views is None:
            value = view.derive(self)
        else:
            value = log.views[view]
            for link in reversed(pending):
                value = view.moved(value, link.edits)
        if self._log.views is None:
            self._log.views = {}
        self._log.views[view] = value
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return self is other or (self.schema == other.schema and not diff(self, other))

    def __ne__(self, other: object) -> bool:  # a Struct has one of its own
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"State({self.schema.name}, {len(self._facts)} facts{'' if self._source is None else ' on a source'})"

    def __reduce__(self) -> tuple[Callable[..., State], tuple[Any, ...]]:
        return decode, (self.schema, encode(self))


_ACCUMULATOR: Final = View(lambda state: _fingerprint.total(state.facts()), _fingerprint.moved)


def conflict(edit: Edit, actual: Value | None) -> Conflict:
    """The error for an edit whose `before` does not hold."""
    error = Conflict(
        f"{format_address(edit.relation, edit.key)} = {format_value(actual)}",
        f"{format_value(edit.before)}, as in {format_edit(edit)}",
        "Compute the delta again from this state.",
    )
    error.relation, error.key, error.before, error.actual = edit.relation, edit.key, edit.before, actual
    return error


def diff(before: State, after: State) -> Delta:
    """The delta from one state to another, in canonical order.

    O(edits between them) when they share history, else O(state).
    """
    addresses: Iterable[Address] | None = None
    if before._source is after._source:
        addresses = _touched(before._log, after._log)
    if addresses is None:
        addresses = {(relation, key) for state in (before, after) for relation, key, _ in state.facts()}
    edits = ((address, before.get(*address), after.get(*address)) for address in addresses)
    return tuple(
        Edit(*address, first, second)
        for address, first, second in sorted(edits, key=lambda row: row[0])
        if first != second
    )


def _touched(left: _Log, right: _Log) -> set[Address] | None:
    """The addresses edited since two histories parted, or None when they share none."""
    addresses: set[Address] = set()
    one: _Log | None = left
    two: _Log | None = right
    while one is not two:
        if one is None or two is None:
            return None
        ahead = one if one.count >= two.count else two
        level = one.count == two.count
        for link in (one, two) if level else (ahead,):
            addresses.update((edit[0], edit[1]) for edit in link.edits)
        if level:
            one, two = one.parent, two.parent
        elif ahead is one:
            one = one.parent
        else:
            two = two.parent
    return addresses if one is not None else None


def distance(left: State, right: State) -> float:
    """|A symmetric-difference B| / (|A| + |B|) over facts: 0 for equal states, 1 for disjoint ones."""
    apart = sum((edit.before is not None) + (edit.after is not None) for edit in diff(left, right))
    return apart / (len(left) + len(right)) if apart else 0.0


def encode(state: State) -> bytes:
    """Canonical bytes of the whole state: equal exactly for equal states."""
    rows = sorted((fact_to_json(*fact) for fact in state.facts()), key=canonical_json)
    return canonical_json({"schema": state.schema.digest, "facts": rows})


def decode(schema: Schema, data: bytes) -> State:
    """The inverse of `encode`. Raises `Undecodable` with the position."""
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise Undecodable(str(error), "the JSON form of a state") from error
    if not isinstance(found, dict) or found.get("schema") != schema.digest or set(found) != {"schema", "facts"}:
        raise Undecodable("another document", f"a state of schema {schema.name} {schema.digest[:12]}")
    return State.of(schema, facts_from_json(schema, found["facts"]))

"""Examples as rows, terms as columns, answers as bits.

An example is a state, the words of an action and, where a rule speaks of every fact of a relation, the key of one
such fact. A `Table` has examples as rows and computes a term's column when it is first asked for. None is the value
of a term that does not exist in an example: an absent fact, a word that is no number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from ...facts import Key, State, Type, Value
from .told import Told

_Made = TypeVar("_Made")
_One = TypeVar("_One")
Words = tuple[Value, ...]
"""The arguments of an action: words, or the fields of one that is a record."""
_DIGITS = bytes.maketrans(b"\0\1", b"01")


class Row(NamedTuple):
    """One example."""

    state: State | Told
    words: Words
    key: Key = ()


class Term(Protocol):
    """Something with a value in each example. `cost` is how many bits it takes to name it, roughly."""

    @property
    def type(self) -> Type: ...
    @property
    def cost(self) -> float: ...
    def column(self, table: Table) -> list[Any]:
        """Its values, one a row."""

    def __str__(self) -> str: ...


class Table:
    """Examples as rows, terms as columns."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.fetchers = [row.state.fetcher() for row in rows]
        self._columns: dict[Term, list[Any]] = {}
        self._filled: dict[Term, list[Any]] = {}
        self._present: dict[Term, int] = {}
        self._derived: dict[Any, Any] = {}

    def column(self, term: Term) -> list[Any]:
        """The term's values, computed once."""
        found = self._columns.get(term)
        if found is None:
            found = self._columns[term] = term.column(self)
        return found

    def present(self, term: Term) -> int:
        """The rows in which the term has a value, packed."""
        found = self._present.get(term)
        if found is None:
            found = self._present[term] = packed(value is not None for value in self.column(term))
        return found

    def filled(self, term: Term) -> list[Any]:
        """The column with something of its kind where there is no value, so that it can be compared."""
        found = self._filled.get(term)
        if found is None:
            found = self.column(term)
            if None in found:
                zero = 0 if term.type.kind in ("int", "decimal", "bool") else ""
                found = [zero if value is None else value for value in found]
            self._filled[term] = found
        return found

    def derived(self, state: State | Told, what: object, make: Callable[[], _Made]) -> _Made:
        """`make()`, once for each state and `what`. The rows keep their states, so an identity is not used twice."""
        return self.shared((id(state), what), make)

    def shared(self, what: object, make: Callable[[], _Made]) -> _Made:
        """`make()`, once."""
        if what not in self._derived:
            self._derived[what] = make()
        found: _Made = self._derived[what]
        return found


def facts_of(state: State | Told, relation: str) -> Iterator[tuple[Key, Any]]:
    """Keys and values of one relation."""
    yield from (state if isinstance(state, Told) else Told(state, {})).facts_of(relation)


def keys_of(state: State | Told, relation: str) -> list[Key]:
    """The keys of one relation, in order."""
    return sorted(key for key, _ in facts_of(state, relation))


def spaced(rows: Sequence[_One], most: int) -> list[_One]:
    """At most this many of the rows, evenly spread over all."""
    count = min(len(rows), most)
    return [rows[at * len(rows) // count] for at in range(count)]


def spread(groups: Sequence[Sequence[_One]], most: int) -> Iterator[tuple[int, _One]]:
    """(number of its group, member) of groups evenly spread over all, as many as have about so many members."""
    count = len(groups) * most // max(1, sum(map(len, groups)))
    return ((number, one) for number in spaced(range(len(groups)), max(1, count)) for one in groups[number])


def facts_table(table: Table, relation: str) -> Table:
    """A table with a row for each fact of a relation in the states of another table."""

    def make() -> Table:
        states = {id(row.state): row for row in table.rows}.values()
        return Table([Row(row.state, row.words, key) for row in states for key in keys_of(row.state, relation)])

    return table.shared(("facts", relation), make)


def packed(answers: Iterable[bool]) -> int:
    """Answers as one number with a bit each, of which the first is the highest."""
    return int(bytes(answers).translate(_DIGITS) or b"0", 2)


def key_column(table: Table, keys: Sequence[Term]) -> list[Key]:
    """The keys these terms make, one a row."""
    if not keys:
        return [()] * len(table.rows)
    return list(zip(*(table.column(key) for key in keys), strict=True))


def located(table: Table, keys: Sequence[Term]) -> list[tuple[int, Key]]:
    """The same, each with its state, by identity: facts of one table belong to rows of another where these agree."""
    return [(id(row.state), key) for row, key in zip(table.rows, key_column(table, keys), strict=True)]

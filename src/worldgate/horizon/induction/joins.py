"""Joins: facts that follow from several facts at once.

Where no key of terms leads to a fact, or no term to what became of it, a join may: a few facts, each linked to an
earlier one (or to the words of the action) by a value they share, whose columns together have the parts of the fact's
key and of its value; numbers may be one greater, and constants need no source. Columns are those of key and value and
the parts of values with a format. `dynamic(host)` and the like hold of the things in them as far as was seen.

In a state a join may say several values for one fact; whether it becomes this one is asked of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ...facts import Key, Relation, Schema, State, Value, value_from_json
from .formats import FORMATS, kind_of, parts
from .reading import typed


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """Where a part comes from: a column of a row and what is added to it, or, where `row` is -1, a constant. Row 0 is
    the words of the action, row n the fact n - 1."""

    row: int
    column: int = 0
    plus: int = 0
    constant: Any = None


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A join as data. `links`: of each fact its column, and the row and column that has the same value (row -1: none).
    `where`: a row, a column, and a relation that is there and not false of what stands there."""

    relation: str
    facts: tuple[str, ...]
    links: tuple[tuple[int, int, int], ...]
    where: tuple[tuple[int, int, str], ...]
    key: tuple[Source, ...]
    value: tuple[Source, ...]


Rows = tuple[tuple[Any, ...], ...]


class Columns:
    """The columns of each relation: kinds of nodes for those that may link, and the values of a fact."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.kinds: dict[str, list[str]] = {}
        self._formatted: dict[str, list[tuple[int, str]]] = {}
        for relation in schema.relations.values():
            types = [type_ for _, type_ in relation.columns]
            formatted = [(place, type_.format) for place, type_ in enumerate(types) if type_.format in FORMATS]
            more = [part for _, name in formatted for _, part, _ in FORMATS[name].parts]
            self.kinds[relation.name] = [
                *(kind_of(t) if t.kind in ("ref", "text", "int") else "" for t in types),
                *more,
            ]
            self._formatted[relation.name] = formatted

    def row(self, relation: str, key: Key, value: Any) -> tuple[Any, ...]:
        """The values of a fact, column by column."""
        said = Relation.row(key, value)
        return (*said, *(part for place, name in self._formatted[relation] for part in parts(name, said[place])))

    def of(self, state: State) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of all facts of a state, by relation, in order."""
        found: dict[str, list[tuple[Any, ...]]] = {}
        for relation, key, value in state.facts():
            found.setdefault(relation, []).append(self.row(relation, key, value))
        return {relation: sorted(rows, key=repr) for relation, rows in sorted(found.items())}


class Join:
    """A join ready for use; wrong data raise KeyError, IndexError, TypeError or ValueError."""

    def __init__(self, written: Written, schema: Schema) -> None:
        self.written, relation = written, schema.relations[written.relation]
        for name in written.facts:
            schema.relations[name]
        self.relation, self.record = relation, relation.value.python if relation.value.fields else None
        self._types = [[type_ for _, type_ in columns] for columns in (relation.key, relation.value.parts)]
        self._constants = {
            (at, place): None if source.constant is None else value_from_json(types[place], source.constant)
            for at, (types, sources) in enumerate(zip(self._types, (written.key, written.value), strict=True))
            for place, source in enumerate(sources)
            if source.row < 0
        }

    def bound(self, state: State, rows: dict[str, list[tuple[Any, ...]]], words: tuple[str, ...]) -> Iterator[Rows]:
        """The rows that this join puts together, the words first."""
        written = self.written
        index: list[dict[Any, list[tuple[Any, ...]]]] = []
        for number, (name, (column, row, _)) in enumerate(zip(written.facts, written.links, strict=True), 1):
            where = [(at, relation) for of, at, relation in written.where if of == number]
            found: dict[Any, list[tuple[Any, ...]]] = {}
            for one in rows.get(name, ()):
                if all(state.get(relation, (one[at],)) for at, relation in where):
                    found.setdefault(one[column] if row >= 0 else None, []).append(one)
            index.append(found)
        if all(state.get(relation, (words[at],)) for of, at, relation in written.where if of == 0):
            yield from self._bound(index, (words,))

    def _bound(self, index: Sequence[dict[Any, list[tuple[Any, ...]]]], rows: Rows) -> Iterator[Rows]:
        if len(rows) > len(index):
            yield rows
            return
        _, row, column = self.written.links[len(rows) - 1]
        for one in index[len(rows) - 1].get(rows[row][column] if row >= 0 else None, ()):
            if one not in rows[1:]:
                yield from self._bound(index, (*rows, one))

    def said(self, rows: Rows) -> tuple[Key, Value] | None:
        """The key and value that these rows say, None where a word is not of its type."""
        made: list[list[Any]] = []
        for at, sources in enumerate((self.written.key, self.written.value)):
            made.append([self._of(rows, at, place, source) for place, source in enumerate(sources)])
        key, value = made
        if None in key or None in value:
            return None
        return tuple(key), self.record(*value) if self.record else value[0]

    def _of(self, rows: Rows, at: int, place: int, source: Source) -> Any:
        if source.row < 0:
            return self._constants[at, place]
        value = rows[source.row][source.column]
        if source.row == 0:
            value = typed(value, self._types[at][place])
        return value + source.plus if source.plus and value is not None else value

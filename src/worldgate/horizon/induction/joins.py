"""Joins: facts that follow from several facts at once, mined from transitions.

Where no key of terms leads to a fact, or no term to what became of it, a join may: a few facts, each linked to an
earlier one (or to the words of the action) by a value they share, whose columns together have the parts of the fact's
key and of its value; numbers may be one greater, and constants need no source. Columns are those of key and value and
the parts of values with a format. `dynamic(host)` and the like hold of the things in them as far as was seen.

In a state a join may say several values for one fact; whether it becomes this one is asked of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import msgspec

from ...facts import Key, Relation, Schema, State, Type, Value, value_from_json, value_to_json
from .formats import FORMATS, kind_of, parts
from .reading import typed
from .table import spaced

MOST_FACTS = 3
MOST_EDITS = 80
"""Edits of a relation that joins are looked for in, evenly spaced among all."""
MOST_PATTERNS = 12
"""Joins that are compared by how much they ask,"""
SAMPLES = 8
"""in so many states."""
FEWEST = 8
"""Edits that a join must say before what holds of its things is believed to hold always."""


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


class Edited(NamedTuple):
    """One fact that changed and what it became."""

    state: State
    words: tuple[str, ...]
    relation: str
    key: Key
    after: Value


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


def _links(kind: str, value: Any) -> bool:
    return bool(kind) and isinstance(value, str) and value != ""


# --- asking ------------------------------------------------------------------------------------------


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


# --- mining ------------------------------------------------------------------------------------------


class _Base:
    """The rows of one state, found by the values in them that may link."""

    def __init__(self, state: State, columns: Columns) -> None:
        self.by_name = columns.of(state)
        self.rows = [(name, row) for name, rows in self.by_name.items() for row in rows]
        self.at: dict[tuple[str, str], set[int]] = {}
        self.links: list[dict[tuple[str, str], int]] = []
        for number, (name, row) in enumerate(self.rows):
            found: dict[tuple[str, str], int] = {}
            for column, (kind, value) in enumerate(zip(columns.kinds[name], row, strict=True)):
                if _links(kind, value):
                    found.setdefault((kind, value), column)
                    self.at.setdefault((kind, value), set()).add(number)
            self.links.append(found)


class Miner:
    """Finds the joins that say what facts become; also those of `more` relations, which no state has."""

    def __init__(self, schema: Schema, more: Sequence[Relation] = ()) -> None:
        self.schema = Schema(schema.name, schema.version, [*schema.relations.values(), *more]) if more else schema
        self.columns = Columns(schema)
        self._bases: dict[int, _Base] = {}
        self._unary: dict[str, list[str]] = {}
        for one in schema.relations.values():
            if len(one.key) == 1 and one.key[0][1].entity:
                self._unary.setdefault(kind_of(one.key[0][1]), []).append(one.name)

    def base(self, state: State) -> _Base:
        """The rows of a state; states are kept by the one who asks."""
        if id(state) not in self._bases:
            self._bases[id(state)] = _Base(state, self.columns)
        return self._bases[id(state)]

    def mined(self, relation: Relation, edits: Sequence[Edited]) -> list[Written]:
        """The fewest joins that say these edits, greedily."""
        some = spaced(edits, MOST_EDITS)
        said: dict[Written, set[int]] = {}
        for number, one in enumerate(some):
            for pattern in set(self._patterns(relation, one)):
                said.setdefault(pattern, set()).add(number)
        left, found = set(range(len(some))), list[Written]()
        while left:
            best = max((len(numbers & left) for numbers in said.values()), default=0)
            good = [(one, numbers) for one, numbers in said.items() if 50 * len(numbers & left) >= 49 * best]
            good.sort(key=lambda row: (len(row[0].facts), -len(row[1] & left), repr(row[0])))
            if not best or 30 * best < len(some) or (best < 2 and good[0][0].facts):
                break
            tried = [
                (*self._where(one, [some[n] for n in sorted(numbers)], some), numbers)
                for one, numbers in good[:MOST_PATTERNS]
            ]
            pattern, _, numbers = min(tried, key=lambda row: 2 ** len(row[0].facts) * row[1] / len(row[2] & left))
            found.append(pattern)
            left -= numbers
        return found

    def _where(self, pattern: Written, right: Sequence[Edited], some: Sequence[Edited]) -> tuple[Written, int]:
        """The join with that which holds of its things in all edits it says, as far as it spares asks; and how many
        asks are left in a few states."""
        join, few = Join(pattern, self.schema), spaced(some, SAMPLES)
        asked = [self._holds(one.state, pattern, rows) for one in few for rows in self._bound(join, one)]
        kept: set[tuple[int, int, str]] | None = None
        for one in right if len(right) >= FEWEST else ():
            rows = (rows for rows in self._bound(join, one) if join.said(rows) == (one.key, one.after))
            holds = set[tuple[int, int, str]]().union(*(self._holds(one.state, pattern, found) for found in rows))
            kept = holds if kept is None else kept & holds
        where: list[tuple[int, int, str]] = []
        while kept:
            best = min(sorted(kept), key=lambda one: sum(one in holds for holds in asked))
            spared = [holds for holds in asked if best in holds]
            if 2 * len(spared) > len(asked):
                break
            where.append(best)
            kept, asked = kept - {best}, spared
        return msgspec.structs.replace(pattern, where=tuple(sorted(where))), len(asked)

    def always(self, pattern: Written, edits: Sequence[Edited]) -> Written:
        """The join with all that holds of its things in every edit it says, if these are enough to believe it."""
        join, kept, count = Join(pattern, self.schema), set[tuple[int, int, str]](), 0
        for one in edits:
            rows = [rows for rows in self._bound(join, one) if join.said(rows) == (one.key, one.after)]
            if rows:
                holds = set[tuple[int, int, str]]().union(*(self._holds(one.state, pattern, found) for found in rows))
                kept, count = kept & holds if count else holds, count + 1
        return msgspec.structs.replace(pattern, where=tuple(sorted(kept)) if count >= FEWEST else ())

    def _bound(self, join: Join, one: Edited) -> Iterator[Rows]:
        return join.bound(one.state, self.base(one.state).by_name, one.words)

    def _holds(self, state: State, pattern: Written, rows: Rows) -> set[tuple[int, int, str]]:
        """What relations of one thing hold of the things in some rows."""
        return {
            (number, column, relation)
            for number, (name, row) in enumerate(zip(pattern.facts, rows[1:], strict=True), 1)
            for column, kind in enumerate(self.columns.kinds[name])
            for relation in self._unary.get(kind, ())
            if state.get(relation, (row[column],))
        }

    def _patterns(self, relation: Relation, edit: Edited) -> Iterator[Written]:
        """The joins that say this edit."""
        types = [type_ for _, type_ in relation.columns]
        wanted = list(zip(types, relation.row(edit.key, edit.after), strict=True))
        needs = {
            (kind_of(type_), value)
            for type_, value in wanted
            if type_.kind in ("ref", "text") and value != "" and value not in edit.words
        }
        first = (kind_of(types[0]), wanted[0][1]) if types and _links(kind_of(types[0]), wanted[0][1]) else None
        base, keys = self.base(edit.state), len(relation.key)
        said = [self._words(edit.words, type_, value) for type_, value in wanted]
        offered: dict[int, list[list[tuple[int, int]]]] = {}
        for chosen in self._chosen(base, needs, first, ()):
            for number in chosen:
                if number not in offered:
                    offered[number] = [self._offered(base.rows[number], type_, value) for type_, value in wanted]
            options = [
                said[at] or self._sources([offered[number][at] for number in chosen], type_, value)
                for at, (type_, value) in enumerate(wanted)
            ]
            names = tuple(base.rows[number][0] for number in chosen)
            links = [self._linked(base, edit.words, chosen, place) for place in range(len(chosen))]
            for sources in product(*options):
                for linked in product(*links):
                    yield Written(relation.name, names, linked, (), sources[:keys], sources[keys:])

    def _chosen(
        self, base: _Base, needs: set[tuple[str, str]], first: tuple[str, str] | None, chosen: tuple[int, ...]
    ) -> Iterator[tuple[int, ...]]:
        """Facts, each linked to an earlier one, that together have what is needed; the first has `first`."""
        if not needs:
            yield chosen
            return
        if len(chosen) == MOST_FACTS:
            return
        if not chosen:
            options = set(base.at.get(first, ())) if first else set[int]()
        else:
            options = {number for one in chosen for link in base.links[one] for number in base.at[link]}
        if len(chosen) == MOST_FACTS - 1:
            for need in needs:
                options &= base.at.get(need, set())
        for number in sorted(options - set(chosen)):
            yield from self._chosen(base, needs - base.links[number].keys(), first, (*chosen, number))

    def _linked(
        self, base: _Base, words: tuple[str, ...], chosen: Sequence[int], place: int
    ) -> list[tuple[int, int, int]]:
        """How a fact may be linked to an earlier row."""
        own, found = base.links[chosen[place]], list[tuple[int, int, int]]()
        for (_, value), column in own.items():
            found += [(column, 0, at) for at, word in enumerate(words) if word == value]
        for number in range(place):
            other = base.links[chosen[number]]
            found += [(column, number + 1, other[link]) for link, column in own.items() if link in other]
        return found or ([(-1, -1, -1)] if place == 0 else [])

    def _words(self, words: tuple[str, ...], type_: Type, value: Any) -> list[Source]:
        """The first word that is this part."""
        return [Source(0, at) for at, word in enumerate(words) if word != "" and typed(word, type_) == value][:1]

    def _offered(self, fact: tuple[str, tuple[Any, ...]], type_: Type, value: Any) -> list[tuple[int, int]]:
        """The columns of a fact that are this part, or one less."""
        if type_.kind not in ("ref", "text", "int") or value == "":
            return []
        name, row = fact
        rows = enumerate(zip(self.columns.kinds[name], row, strict=True))
        alike = [(column, other) for column, (kind, other) in rows if kind == kind_of(type_) and other is not None]
        found = [(column, 0) for column, other in alike if other == value]
        return found + [(column, 1) for column, other in alike if type_.kind == "int" and other + 1 == value]

    def _sources(self, offered: Sequence[list[tuple[int, int]]], type_: Type, value: Any) -> list[Source]:
        """Where a part comes from in these facts: an id or a text from the first place, a number from any or none."""
        found = [Source(row, *place) for row, places in enumerate(offered, 1) for place in places]
        if type_.kind in ("ref", "text") and value != "":
            return found[:1]
        return [*found, Source(-1, constant=value_to_json(value))]


__all__ = ["Columns", "Edited", "Join", "Miner", "Source", "Written"]

"""The fewest joins that say what facts become, mined from transitions, and what always holds of the things in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any, NamedTuple

import msgspec

from ...facts import Key, Relation, Schema, State, Type, Value, value_to_json
from .formats import kind_of
from .joins import Columns, Join, Rows, Source, Written
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


class Edited(NamedTuple):
    """One fact that changed and what it became."""

    state: State
    words: tuple[str, ...]
    relation: str
    key: Key
    after: Value


def _links(kind: str, value: Any) -> bool:
    return bool(kind) and isinstance(value, str) and value != ""


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

    def mined(self, relation: Relation, edits: Sequence[Edited], *, most: int | None = None) -> list[Written]:
        """The fewest joins that say these edits, greedily; none where more than `most` say one of them, as of a value
        of many numbers."""
        some = spaced(edits, MOST_EDITS)
        said: dict[Written, set[int]] = {}
        for number, one in enumerate(some):
            patterns = list(islice(self._patterns(relation, one), most and most + 1))
            if most and len(patterns) > most:
                return []
            for pattern in set(patterns):
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

"""A state as a graph: things are nodes, facts join them. Derived from the schema; O(facts).

A node is a thing of a kind: an entity, or a text or number that stands in a key. A fact joins the nodes of its key and
of the ids and texts in its value; a fact without any joins the node of the world. Truth values and enums, alone or in
a record, are what kind of fact it is. Not in the graph: numbers, decimals and bytes in values.

Where that is asked for, a fact of an unordered pair, as a link between two hosts, is read both ways, so that what is
said along it need not be learned for each order of names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

from ...facts import Fact, Relation, Schema, Type

WORLD = 0
"""The node of the world itself."""
Numbers = tuple[int, ...]


class Layout(NamedTuple):
    """How facts of one relation are read: `columns`, the places in key and value that are nodes, with their `kinds`;
    `sorts`, the places of truth values and enums, with the number of each choice, all below `width`. `turned`: the
    first sort of a fact that is read the other way, 0 where none is."""

    name: str
    columns: tuple[tuple[int, str], ...]
    kinds: tuple[int, ...]
    sorts: tuple[tuple[int, dict[Any, int]], ...]
    width: int
    turned: int = 0

    def both_ways(self, joins: list[Numbers], sorts: list[Numbers]) -> tuple[list[Numbers], list[Numbers]]:
        """Facts, and those of them that are read the other way too."""
        if not self.turned:
            return joins, sorts
        return [*joins, *(row[::-1] for row in joins)], [*sorts, *((self.turned, *row[1:]) for row in sorts)]


def pairs(schema: Schema) -> set[str]:
    """The relations whose facts join two things of one kind and nothing else."""
    kinds = {
        relation.name: [kind_of(type_) for _, type_ in joined_in(relation)] for relation in schema.relations.values()
    }
    return {name for name, found in kinds.items() if len(found) == 2 and found[0] == found[1]}


def kind_of(type_: Type) -> str:
    """The kind of a node for values of this type."""
    return f"ref {type_.entity}" if type_.entity else type_.kind


def kinds_of(schema: Schema) -> dict[str, int]:
    """The kinds of nodes, numbered from 1; 0 is the world."""
    return {name: number for number, name in enumerate(sorted(_kinds(schema)), 1)}


def _kinds(schema: Schema) -> set[str]:
    return {kind_of(type_) for relation in schema.relations.values() for _, type_ in joined_in(relation)}


def joined_in(relation: Relation, kinds: Collection[str] = ("ref", "text")) -> Iterator[tuple[int, Type]]:
    """(column, type) of what is a node: of the key all, of the value what is of these kinds."""
    for place, (_, type_) in enumerate(relation.columns):
        if place < len(relation.key) or type_.kind in kinds:
            yield place, type_


def layouts(schema: Schema, unordered: Collection[str] = ()) -> list[Layout]:
    """The relations that say anything to a graph; those of `unordered` pairs are read both ways."""
    kinds, found = kinds_of(schema), []
    for relation in schema.relations.values():
        joined = [(place, kind_of(type_)) for place, type_ in joined_in(relation)]
        sorts, width = sorts_of(relation)
        if joined or sorts:
            columns = tuple(joined) or ((-1, ""),)
            of = tuple(kinds.get(kind, WORLD) for _, kind in columns)
            found.append(turning(Layout(relation.name, columns, of, sorts, width), unordered))
    return found


def turning(layout: Layout, unordered: Collection[str]) -> Layout:
    """The layout, read both ways if it is of an unordered pair."""
    if layout.name not in unordered:
        return layout
    return layout._replace(width=layout.width + 1, turned=layout.width)


def sorts_of(relation: Relation) -> tuple[tuple[tuple[int, dict[Any, int]], ...], int]:
    """The `sorts` and the `width` of a layout."""
    sorts: list[tuple[int, dict[Any, int]]] = []
    width = 1
    for place, (_, type_) in enumerate(relation.columns):
        if type_.kind in ("bool", "enum") and place >= len(relation.key):
            choices = (False, True) if type_.kind == "bool" else type_.choices
            sorts.append((place, {choice: width + at for at, choice in enumerate(choices)}))
            width += len(choices)
    return tuple(sorts), width


class Graph:
    """One state, of its facts. Nodes may be added: things that only an action names. Of each layout `joins` has the
    nodes of each fact, `sorts` its sorts, the first always 0."""

    def __init__(self, facts: Iterable[Fact], layouts: Iterable[Layout]) -> None:
        self.numbers: dict[tuple[int, Any], int] = {(WORLD, None): WORLD}
        by: dict[str, list[tuple[Any, Any]]] = {}
        for relation, key, value in facts:
            by.setdefault(relation, []).append((key, value))
        self.joins: list[list[Numbers]] = []
        self.sorts: list[list[Numbers]] = []
        for layout in layouts:
            some = sorted(by.get(layout.name, ()), key=itemgetter(0))  # no order is promised
            joins, sorts = self._read(layout, some) if some else ([], [])
            self.joins.append(joins)
            self.sorts.append(sorts)

    def _read(self, layout: Layout, facts: list[tuple[Any, Any]]) -> tuple[list[Numbers], list[Numbers]]:
        rows = [Relation.row(key, value) for key, value in facts]
        joined = [
            [self.node(kind, row[place]) for row in rows] if kind else [WORLD] * len(rows)
            for (place, _), kind in zip(layout.columns, layout.kinds, strict=True)
        ]
        sorts = [[0] * len(rows), *([which[row[place]] for row in rows] for place, which in layout.sorts)]
        return list(zip(*joined, strict=True)), list(zip(*sorts, strict=True))

    @property
    def kinds(self) -> list[int]:
        """The kind of each node."""
        return [kind for kind, _ in self.numbers]

    def node(self, kind: int, value: Any) -> int:
        """The node of that thing, made where there is none."""
        return self.numbers.setdefault((kind, value), len(self.numbers))

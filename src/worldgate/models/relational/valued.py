"""A state as a graph in which values count too: numbers, texts with a format, and facts that hold a record.

It has all that `graph` has, and besides

- a record's fact is a node of its own, joined to each thing in its key and its fields; facts that differ in the last
  column of their key alone are joined in order: by number, or, where that column has spans, each to the least one
  around it;
- numbers in keys and records are nodes, each joined to the next greater one of its kind;
- values of a format are joined to their parts, and what lies in a span to the least span around it.

All these join two nodes, so that a fact of many columns does not cost the square of them. O(facts log facts).
Not in the graph: decimals and bytes, and numbers that are a fact's whole value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Any

from ...facts import Fact, Relation, Schema, Type
from ...horizon.induction.formats import FORMATS, kind_of, parts, span, within
from .graph import WORLD, Layout, Numbers, joined_in, sorts_of, turning

_NODES = ("ref", "text", "int")


def fact_kind(relation: str) -> str:
    """The kind of the nodes that are facts of a relation."""
    return f"fact {relation}"


def kinds_of(schema: Schema) -> dict[str, int]:
    """The kinds of nodes, numbered from 1; 0 is the world."""
    found: set[str] = set()
    for relation in schema.relations.values():
        types = [type_ for _, type_ in _joined(relation)]
        found.update(kind_of(type_) for type_ in types)
        if relation.value.fields:
            found.add(fact_kind(relation.name))
        formats = (FORMATS[type_.format] for type_ in types if type_.format in FORMATS)
        found.update(part for one in formats for _, part, _ in one.parts)
    return {name: number for number, name in enumerate(sorted(found), 1)}


def _joined(relation: Relation) -> Iterator[tuple[int, Type]]:
    return joined_in(relation, _NODES) if relation.value.fields else joined_in(relation)


def layouts(schema: Schema, unordered: Collection[str] = ()) -> list[Layout]:
    """What is joined: the facts of relations, and then what follows from values."""
    kinds, found = kinds_of(schema), []
    for relation in schema.relations.values():
        joined, (sorts, width) = list(_joined(relation)), sorts_of(relation)
        if relation.value.fields:
            fact = fact_kind(relation.name)
            found.append(_layout(relation.name, [(-1, fact)], kinds, sorts, width))
            found += [
                _layout(f"{relation.name} {place}", [(-1, fact), (place, kind_of(type_))], kinds)
                for place, type_ in joined
            ]
            found.append(_layout(f"next {relation.name}", [(-1, fact), (-1, fact)], kinds))
        elif joined or sorts:
            columns = [(place, kind_of(type_)) for place, type_ in joined]
            found.append(turning(_layout(relation.name, columns or [(-1, "")], kinds, sorts, width), unordered))
    for kind, name in formats_of(schema).items():
        found += [_layout(f"{kind} {part}", [(0, kind), (0, of)], kinds) for part, of, _ in FORMATS[name].parts]
    found += [_layout(f"next {kind}", [(0, kind), (0, kind)], kinds) for kind in _numbers(schema) if kind in kinds]
    found.append(_layout("within", [(0, ""), (0, "")], kinds))
    return found


def _layout(
    name: str,
    columns: list[tuple[int, str]],
    kinds: dict[str, int],
    sorts: tuple[tuple[int, dict[Any, int]], ...] = (),
    width: int = 1,
) -> Layout:
    return Layout(name, tuple(columns), tuple(kinds.get(kind, WORLD) for _, kind in columns), sorts, width)


def formats_of(schema: Schema) -> dict[str, str]:
    """Of the kinds of nodes that have a format in the table, which; of parts too."""
    found: dict[str, str] = {}
    for relation in schema.relations.values():
        for _, type_ in _joined(relation):
            if type_.format in FORMATS:
                found[kind_of(type_)] = type_.format
                found |= {part: part for _, part, _ in FORMATS[type_.format].parts if part in FORMATS}
    return dict(sorted(found.items()))


def _numbers(schema: Schema) -> list[str]:
    """The kinds of nodes that are numbers."""
    found = {kind_of(type_) for one in schema.relations.values() for _, type_ in _joined(one) if type_.kind == "int"}
    return sorted(found)


class Reading:
    """What a schema says about graphs; `graph` makes one."""

    def __init__(self, schema: Schema, unordered: Collection[str] = ()) -> None:
        self.schema, self.kinds, self.layouts = schema, kinds_of(schema), layouts(schema, unordered)
        self.at = {layout.name: number for number, layout in enumerate(self.layouts)}
        self.numbers = [(self.kinds[kind], f"next {kind}") for kind in _numbers(schema)]
        self.formats = {self.kinds[kind]: (kind, name) for kind, name in formats_of(schema).items()}
        self.joined = {relation.name: list(_joined(relation)) for relation in schema.relations.values()}


class Graph:
    """One state; see `graph.Graph`. What follows from values is joined when it is first asked for, so that it is also
    of the nodes that were added."""

    def __init__(self, facts: Iterable[Fact], reading: Reading) -> None:
        self.reading = reading
        self.numbers: dict[tuple[int, Any], int] = {(WORLD, None): WORLD}
        self._joins: dict[str, list[Numbers]] = {layout.name: [] for layout in reading.layouts}
        self._sorts: dict[str, list[Numbers]] = {layout.name: [] for layout in reading.layouts}
        self._derived: tuple[int, dict[str, list[Numbers]]] | None = None
        by: dict[str, list[tuple[Any, Any]]] = {}
        for relation, key, value in facts:
            by.setdefault(relation, []).append((key, value))
        for name in reading.schema.relations:
            some = sorted(by.get(name, ()), key=lambda fact: fact[0])
            if reading.schema.relations[name].value.fields:
                self._records(name, some)
            elif name in reading.at:
                self._facts(name, some)

    def node(self, kind: int, value: Any) -> int:
        """The node of that thing, made where there is none."""
        return self.numbers.setdefault((kind, value), len(self.numbers))

    def _facts(self, name: str, facts: list[tuple[Any, Any]]) -> None:
        layout = self.reading.layouts[self.reading.at[name]]
        columns = [(place, kind) for (place, _), kind in zip(layout.columns, layout.kinds, strict=True)]
        joins, sorts = self._joins[name], self._sorts[name]
        for key, value in facts:
            row = (*key, value)
            joins.append(tuple(self.node(kind, row[place]) if kind else WORLD for place, kind in columns))
            sorts.append((0, *(which[row[place]] for place, which in layout.sorts)))

    def _records(self, name: str, facts: list[tuple[Any, Any]]) -> None:
        reading, layout = self.reading, self.reading.layouts[self.reading.at[name]]
        places = [
            (place, reading.kinds[kind_of(type_)], self._joins[f"{name} {place}"])
            for place, type_ in reading.joined[name]
        ]
        groups: dict[Any, list[tuple[Any, int]]] = {}
        for key, value in facts:
            row, fact = (*key, *value), self.node(layout.kinds[0], key)
            self._joins[name].append((fact,))
            self._sorts[name].append((0, *(which[row[place]] for place, which in layout.sorts)))
            for place, kind, joins in places:
                joins.append((fact, self.node(kind, row[place])))
            groups.setdefault(key[:-1], []).append((key[-1:], fact))
        last = reading.schema.relations[name].key[-1][1] if reading.schema.relations[name].key else None
        for group in groups.values():
            if last is not None and last.kind == "int":
                self._joins[f"next {name}"] += [(one, other) for (_, one), (_, other) in pairwise(group)]
            elif last is not None and last.format:
                spans = [(lies, fact) for (part,), fact in group if (lies := span(last.format, part))]
                self._joins[f"next {name}"] += within(spans)

    def _derive(self) -> dict[str, list[Numbers]]:
        """What follows from values, of all nodes there are; parts become nodes."""
        reading, found = self.reading, {name: list[Numbers]() for name in self._joins}
        for (kind, value), node in list(self.numbers.items()):
            if kind in reading.formats:
                said, name = reading.formats[kind]
                for (part, of, _), made in zip(FORMATS[name].parts, parts(name, value), strict=True):
                    if made is not None:
                        found[f"{said} {part}"].append((node, self.node(reading.kinds[of], made)))
        spans = [
            (place, node)
            for (kind, value), node in sorted(self.numbers.items(), key=lambda row: -row[0][0])
            if kind in reading.formats and (place := span(reading.formats[kind][1], value))
        ]
        found["within"] += within(spans)
        for kind, name in reading.numbers:
            row = sorted((value, node) for (of, value), node in self.numbers.items() if of == kind)
            found[name] += [(one, other) for (_, one), (_, other) in pairwise(row)]
        return found

    @property
    def kinds(self) -> list[int]:
        """The kind of each node."""
        return [kind for kind, _ in self.numbers]

    @property
    def joins(self) -> list[list[Numbers]]:
        """Of each layout the nodes of each fact."""
        if self._derived is None or len(self.numbers) > self._derived[0]:
            derived = self._derive()
            self._derived = len(self.numbers), derived
        return [[*self._joins[layout.name], *self._derived[1][layout.name]] for layout in self.reading.layouts]

    @property
    def sorts(self) -> list[list[Numbers]]:
        """Of each layout the sorts of each fact, the first always 0."""
        return [
            self._sorts[layout.name] or [(0,)] * len(joins)
            for layout, joins in zip(self.reading.layouts, self.joins, strict=True)
        ]

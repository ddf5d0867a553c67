"""How the facts of any schema become nodes, edges and features: derived from the schema and a sample, never written.

A fact is a row of cells, its key and then its value (of a record, the fields). Refs, texts and bytes are nodes,
and so are the numbers of a key; bool, enum and ref cells of closed kinds are labels; numbers of a value are numbers.
What a fact says (relation, labels, numbers) is the sum of its features. It belongs to the whole graph where it names
no node, to a node where it names one, and else to the edges between each two of its nodes, in both directions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count, permutations
from math import log1p
from typing import Any, Final, NamedTuple

import msgspec

from ...facts import Relation, Schema, Type, Value, references, value_from_json, value_to_json
from ...horizon.induction.reading import MOST_WORDS, read
from ...horizon.trajectory import Step
from .config import GraphConfig, NotGraphable

MOST_IDS: Final = 512
"""Ids of one kind that an encoder remembers, the most frequent: for one-hot features, labels and id tokens."""
MOST_VALUES: Final = 64
"""Constants, or steps, that it remembers for one column."""
ENOUGH: Final = 8
"""Pairs in order that are no accident."""
WORD: Final = ":word"
"""The kind of a node for a word of the action that is no id in the state."""
_LARGEST: Final = 10**300


def kind_of(type_: Type) -> str:
    """The kind of node that a cell of this type is: an entity's, or that of a plain value (`:text`)."""
    return type_.entity or f":{type_.kind}"


def symlog(number: Any) -> float:
    """sign(x) log(1 + |x|); large numbers are cut."""
    return (-1.0 if number < 0 else 1.0) * log1p(float(min(abs(number), _LARGEST)))


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sample of transitions showed, as JSON values, sorted.

    `actions` by name; `relations` of which there were facts, and the `unordered` ones among them, keyed by two entities
    of one kind that were always in order, so that the fact is about a pair; `ids` by kind of node; `values` that
    numbers and plain texts became, and the `steps` by which numbers changed, by place (`relation.column`). `whole` are
    the relations without a key whose facts changed.
    """

    actions: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    unordered: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    ids: dict[str, list[Any]] = {}
    values: dict[str, list[Any]] = {}
    steps: dict[str, list[int]] = {}


class Cell(NamedTuple):
    """One column of a relation. `role` is node, label or number; `place` is `relation.column`."""

    place: str
    type: Type
    kind: str
    role: str


class Columns(NamedTuple):
    """A relation's cells; those of the key come first, `keys` of them."""

    relation: Relation
    cells: tuple[Cell, ...]
    keys: int
    nodes: tuple[int, ...]
    edges: dict[tuple[int, int], int]
    """The number of the edge type from one node cell to another."""

    unordered: bool


def columns_of(
    schema: Schema, config: GraphConfig, relations: Iterable[str], unordered: Collection[str] = ()
) -> dict[str, Columns]:
    """The cells of these relations; `NotGraphable` where the config closes a kind that the schema does not have."""
    if strange := set(config.closed).difference(known := references(schema).kinds):
        raise NotGraphable(f"closed {sorted(strange)}", f"kinds of {schema.name}: {', '.join(known)}")
    found: dict[str, Columns] = {}
    number = count()
    for name in relations:
        relation = schema.relation(name)
        cells = tuple(
            Cell(f"{name}.{column}", type_, kind_of(type_), _role(type_, config, key=at < len(relation.key)))
            for at, (column, type_) in enumerate(relation.columns)
        )
        nodes = tuple(at for at, cell in enumerate(cells) if cell.role == "node")
        edges = {ends: next(number) for ends in permutations(nodes, 2)}
        if name in unordered:  # both directions are one
            edges[1, 0] = edges[0, 1]
        found[name] = Columns(relation, cells, len(relation.key), nodes, edges, name in unordered)
    return found


def _role(type_: Type, config: GraphConfig, *, key: bool) -> str:
    if type_.kind in ("bool", "enum") or type_.entity in config.closed:
        return "label"
    return "number" if type_.kind in ("int", "decimal") and not key else "node"


class Layout:
    """Features and edge types of the relations seen, numbered; a function of (schema, config, what was seen)."""

    def __init__(self, schema: Schema, config: GraphConfig, seen: Seen) -> None:
        self.schema, self.config, self.seen = schema, config, seen
        self.columns = columns_of(schema, config, seen.relations, seen.unordered)
        self.edge_types = 1 + max((edge for one in self.columns.values() for edge in one.edges.values()), default=-1)
        cells = [cell for columns in self.columns.values() for cell in columns.cells]
        self.types = {cell.kind: cell.type for cell in cells if cell.role == "node"}
        self.labels = {cell.kind: cell.type for cell in cells if cell.role == "label"}
        self.ids: dict[str, tuple[Any, ...]] = {
            kind: tuple(value_from_json(type_, one) for one in seen.ids.get(kind, ()))
            for kind, type_ in {**self.types, **self.labels}.items()
        }
        self.features = {name: number for number, name in enumerate(dict.fromkeys(self._features()))}

    def said(self, cell: Cell) -> tuple[Any, ...]:
        """The labels or ids that may stand in a cell."""
        fixed: dict[str, tuple[Value, ...]] = {"bool": (False, True), "enum": cell.type.choices}
        return fixed.get(cell.type.kind) or self.ids.get(cell.kind, ())

    def constants(self, cell: Cell) -> tuple[Any, ...]:
        """The values that a number or a plain text was seen to become."""
        return tuple(value_from_json(cell.type, one) for one in self.seen.values.get(cell.place, ()))

    def _features(self) -> Iterator[str]:
        for name, columns in self.columns.items():
            yield name
            for cell in columns.cells:
                yield cell.place
                if cell.role == "label":
                    yield from (f"{cell.place}={value!s}" for value in self.said(cell))
        yield from (f"kind={kind}" for kind in (*sorted(self.types), WORD))
        yield from ("number", *(f"role={role}" for role in range(MOST_WORDS)))
        yield from (f"action={name}" for name in self.seen.actions)
        yield from (f"word{role}#" for role in range(MOST_WORDS))
        closed = sorted({str(value) for cell in self._cells("label") for value in self.said(cell)})
        yield from (f"word{role}={value}" for role in range(MOST_WORDS) for value in closed)
        if self.config.identity == "onehot":
            yield from (f"id={kind}={value!r}" for kind in sorted(self.types) for value in self.ids[kind])

    def _cells(self, role: str) -> list[Cell]:
        return [cell for columns in self.columns.values() for cell in columns.cells if cell.role == role]


def look(schema: Schema, config: GraphConfig, sample: Iterable[Step]) -> Seen:
    """What a sample shows; the same for the same sample, whatever the order of its sets."""
    columns = columns_of(schema, config, schema.relations)
    actions, whole = set[str](), set[str]()
    keys = defaultdict[str, set[Any]](set)
    ids, values, steps = (defaultdict[str, Counter[Any]](Counter) for _ in range(3))
    for step in sample:
        actions.add(read(step.action).name)
        for relation, key, value in step.before.facts():
            keys[relation].add(key)
            _note_ids(columns[relation], key, value, ids)
        for (relation, key), (before, after) in step.net.items():
            keys[relation].add(key)
            if not key:
                whole.add(relation)
            if not key and before is not None:  # what may be said again
                _note_values(columns[relation], None, before, values, steps)
            if after is not None:
                _note_ids(columns[relation], key, after, ids)
                _note_values(columns[relation], before, after, values, steps)
    once = {cell.place for one in columns.values() for cell in one.cells if cell.role == "node"}
    for place in once & values.keys():  # a text seen once is no constant
        values[place] -= Counter(dict.fromkeys(values[place], 1))
    unordered = (name for name in sorted(keys) if _unordered(columns[name], keys[name]))
    numbers = _often(ids, MOST_IDS), _often(values, MOST_VALUES), _often(steps, MOST_VALUES)
    return Seen(tuple(sorted(actions)), tuple(sorted(keys)), tuple(unordered), tuple(sorted(whole)), *numbers)


def _unordered(columns: Columns, keys: set[Any]) -> bool:
    if columns.nodes != (0, 1) or columns.keys != 2 or columns.cells[0].kind != columns.cells[1].kind:
        return False
    return len(keys) >= ENOUGH and all(one < other for one, other in keys)


def _note_ids(columns: Columns, key: tuple[Any, ...], value: Any, ids: dict[str, Counter[Any]]) -> None:
    for cell, part in zip(columns.cells, columns.relation.row(key, value), strict=True):
        if cell.role != "number" and cell.type.kind not in ("bool", "enum"):
            ids[cell.kind][part] += 1


def _note_values(
    columns: Columns, before: Any, after: Any, values: dict[str, Counter[Any]], steps: dict[str, Any]
) -> None:
    cells = columns.cells[columns.keys :]
    old = (None,) * len(cells) if before is None else columns.relation.row((), before)
    for cell, was, now in zip(cells, old, columns.relation.row((), after), strict=True):
        if now != was and cell.type.kind in ("int", "decimal", "text", "bytes"):
            values[cell.place][now] += 1
            if type(was) is int:
                steps[cell.place][now - was] += 1


def _often(found: Mapping[str, Counter[Any]], most: int) -> dict[str, list[Any]]:
    """The most frequent of each, sorted."""
    kept = {name: sorted(some, key=lambda one: (-some[one], one))[:most] for name, some in sorted(found.items())}
    return {name: [value_to_json(one) for one in sorted(some)] for name, some in kept.items() if some}

"""Terms: what a rule can name in an example.

They are compared by identity: `Language` makes each one once. A cost is how many bits it takes to name the term,
roughly, and `str` is how rules print it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...facts import BOOL, INT, TEXT, Relation, State, Type, Value, format_value
from .reading import typed
from .table import Table, Term, facts_of, key_column, keys_of
from .told import Told

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}|$)", re.ASCII)


@dataclass(frozen=True, eq=False)
class Argument:
    """A word of the action, as a value of a type."""

    index: int
    type: Type
    cost: float = 0.0

    def column(self, table: Table) -> list[Any]:
        return [typed(row.words[self.index], self.type) for row in table.rows]

    def __str__(self) -> str:
        return f"?{self.index}"


@dataclass(frozen=True, eq=False)
class Stage(Argument):
    """A stage of the walk that a word of the action is, or `of` another text (see `walks`)."""

    cost: float = 0.25
    of: str = ""
    name: str = ""

    @property
    def is_there(self) -> bool:
        """Whether it is a thing that is there; facts are looked up with no others."""
        return self.name in ("parent", "at", "to", "stopped")

    def __str__(self) -> str:
        return f"{self.of}.{self.name}"


def is_followed(relation: Relation) -> bool:
    """Whether it leads from a thing by a text to a thing of the same kind."""
    return bool(relation.value.entity) and [type_ for _, type_ in relation.key] == [relation.value, TEXT]


@dataclass(frozen=True, eq=False)
class Part:
    """A column of the key of the fact that a rule about every fact looks at."""

    index: int
    name: str
    type: Type
    cost: float = 0.0

    def column(self, table: Table) -> list[Any]:
        return [row.key[self.index] for row in table.rows]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Constant:
    """The same value in each example; None stands for absence."""

    value: Value | None
    type: Type
    cost: float = 0.0

    def column(self, table: Table) -> list[Any]:
        return [self.value] * len(table.rows)

    def __str__(self) -> str:
        return format_value(self.value)


@dataclass(frozen=True, eq=False)
class Held:
    """The value of a fact at a key made of terms."""

    relation: str
    keys: tuple[Term, ...]
    type: Type

    @cached_property
    def cost(self) -> float:
        return 1.0 + sum(key.cost for key in self.keys)

    def column(self, table: Table) -> list[Any]:
        keys = key_column(table, self.keys)
        name = self.relation
        return [None if None in key else fetch((name, key)) for fetch, key in zip(table.fetchers, keys, strict=True)]

    def __str__(self) -> str:
        return f"{self.relation}({', '.join(map(str, self.keys))})"


@dataclass(frozen=True, eq=False)
class Day:
    """The date of a text that is a time; of any other text there is none."""

    of: Term
    type: Type

    @property
    def cost(self) -> float:
        return 0.5 + self.of.cost

    def column(self, table: Table) -> list[Any]:
        return [text[:10] if text and _TIME.match(text) else None for text in table.column(self.of)]

    def __str__(self) -> str:
        return f"day of {self.of}"


@dataclass(frozen=True, eq=False)
class EitherWay:
    """The value of a fact about two terms, in whichever order it is kept."""

    relation: str
    left: Term
    right: Term
    type: Type
    cost: float = 1.5

    def column(self, table: Table) -> list[Any]:
        pairs = zip(table.fetchers, table.column(self.left), table.column(self.right), strict=True)
        found = []
        for fetch, left, right in pairs:
            value = fetch((self.relation, (left, right)))
            found.append(fetch((self.relation, (right, left))) if value is None else value)
        return found

    def __str__(self) -> str:
        return f"{self.relation}({self.left}~{self.right})"


@dataclass(frozen=True, eq=False)
class Sum:
    """How many keys of a one-column relation hold a value; with `amount`, the sum of that fact over these keys."""

    relation: str
    held: Term
    amount: str | None = None
    type: Type = INT
    cost: float = 3.0

    def column(self, table: Table) -> list[Any]:
        held = zip(table.rows, table.column(self.held), strict=True)
        return [None if value is None else self._of(table, row.state, value) for row, value in held]

    def _of(self, table: Table, state: State | Told, value: Value) -> int:
        def grouped() -> Mapping[Any, int]:
            groups: dict[Any, int] = {}
            for key, holds in facts_of(state, self.relation):
                weight = 1 if self.amount is None else state.get(self.amount, key) or 0
                groups[holds] = groups.get(holds, 0) + weight
            return groups

        return table.derived(state, (self.relation, self.amount), grouped).get(value, 0)

    def __str__(self) -> str:
        what = "count" if self.amount is None else f"sum {self.amount}"
        return f"{what} of {self.relation} = {self.held}"


@dataclass(frozen=True, eq=False)
class Inside:
    """Whether a relation leads anywhere from a thing, by whatever texts."""

    relation: str
    at: Term
    type: Type = BOOL
    cost: float = 1.5

    def column(self, table: Table) -> list[Any]:
        places = zip(table.rows, table.column(self.at), strict=True)
        return [None if at is None else at in named(table, row.state, self.relation) for row, at in places]

    def __str__(self) -> str:
        return f"any {self.relation}({self.at}, ...)"


def named(table: Table, state: State | Told, relation: str) -> Mapping[Value, list[str]]:
    """The texts with which each thing has something in a relation, in order."""

    def grouped() -> Mapping[Value, list[str]]:
        found: dict[Value, list[str]] = {}
        for thing, name in keys_of(state, relation):
            found.setdefault(thing, []).append(str(name))
        return found

    return table.derived(state, ("names", relation), grouped)


@dataclass(frozen=True, eq=False)
class Path:
    """Whether facts of a relation between two things lead from one to the other (a thing leads to itself); of one that
    leads by texts from thing to thing (`named`), whatever these are.

    With `both_ways` they lead in both directions; with `only`, a relation of truth values about one thing, a path
    passes (and begins and ends) only where that is true.
    """

    relation: str
    both_ways: bool
    only: str | None
    left: Term
    right: Term
    type: Type = BOOL
    named: bool = False

    @property
    def cost(self) -> float:
        return 3.0 + (self.only is not None)

    def column(self, table: Table) -> list[Any]:
        ends = zip(table.rows, table.column(self.left), table.column(self.right), strict=True)
        return [left is not None and right in self._reached(table, row.state, left) for row, left, right in ends]

    def _reached(self, table: Table, state: State | Told, start: Value) -> set[Value]:
        def edges() -> Mapping[Value, list[Value]]:
            found: dict[Value, list[Value]] = {}
            for (one, part), holds in facts_of(state, self.relation):
                if holds is not False:
                    other = holds if self.named else part
                    found.setdefault(one, []).append(other)
                    if self.both_ways:
                        found.setdefault(other, []).append(one)
            return found

        def reach() -> set[Value]:
            def passes(thing: Value) -> bool:
                return self.only is None or state.get(self.only, (thing,)) is True

            seen = {start} if passes(start) else set()
            todo, next_of = list(seen), table.derived(state, (self.relation, self.both_ways), edges)
            while todo:
                for thing in next_of.get(todo.pop(), ()):
                    if thing not in seen and passes(thing):
                        seen.add(thing)
                        todo.append(thing)
            return seen

        return table.derived(state, (self.relation, self.both_ways, self.only, start), reach)

    def __str__(self) -> str:
        only = f" where {self.only}" if self.only else ""
        return f"path {self.relation}({self.left}{'~' if self.both_ways else '->'}{self.right}){only}"


@dataclass(frozen=True, eq=False)
class Plus:
    """The sum (with `sign` -1 the difference) of two whole numbers."""

    left: Term
    sign: int
    right: Term
    type: Type = INT

    @property
    def cost(self) -> float:
        return 1.0 + self.left.cost + self.right.cost

    def column(self, table: Table) -> list[Any]:
        pairs = zip(table.column(self.left), table.column(self.right), strict=True)
        return [None if left is None or right is None else left + self.sign * right for left, right in pairs]

    def __str__(self) -> str:
        return f"{self.left} {'+' if self.sign > 0 else '-'} {self.right}"

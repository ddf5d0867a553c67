"""Terms of whole numbers and of records: fields, sums of several terms, products and quotients with exact rounding.

A number that is absent counts as nothing: facts are sparse. Numbers are scaled integers; a product is brought back to
scale by dividing by a unit of the schema (10**places), a quotient divides by a third term. No binary fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...facts import INT, Type, Value
from .literals import rows_of
from .table import Table, Term
from .tree import Tree, routed


def _even(top: int, bottom: int) -> int:
    quotient, rest = divmod(top, bottom)
    twice = 2 * abs(rest)
    return quotient + (twice > abs(bottom) or (twice == abs(bottom) and quotient & 1))


ROUNDINGS: Mapping[str, Callable[[int, int], int]] = {
    "down": lambda top, bottom: top // bottom,
    "up": lambda top, bottom: -(-top // bottom),
    "even": _even,
}
"""To the nearest is `even`: halves go to the even one."""


@dataclass(frozen=True, eq=False)
class Field:
    """A field of the record that a term holds."""

    of: Term
    index: int
    name: str
    type: Type

    @property
    def cost(self) -> float:
        return self.of.cost

    def column(self, table: Table) -> list[Any]:
        return [None if record is None else record[self.index] for record in table.column(self.of)]

    def __str__(self) -> str:
        return f"{self.of}.{self.name}"


@dataclass(frozen=True, eq=False)
class Total:
    """The sum of the first terms less the others."""

    more: tuple[Term, ...]
    less: tuple[Term, ...] = ()
    type: Type = INT

    @cached_property
    def cost(self) -> float:
        return float(len(self.more) + len(self.less) - 1) + sum(term.cost for term in (*self.more, *self.less))

    def column(self, table: Table) -> list[Any]:
        found = [0] * len(table.rows)
        for sign, terms in ((1, self.more), (-1, self.less)):
            for term in terms:
                found = [total + sign * value for total, value in zip(found, table.filled(term), strict=True)]
        return found

    def __str__(self) -> str:
        less = "".join(f" - {_bracketed(term)}" for term in self.less)
        return (" + ".join(map(_bracketed, self.more)) + less).lstrip()


@dataclass(frozen=True, eq=False)
class Product:
    """The product of two terms, divided by a unit or a third term and rounded; absent if that is zero."""

    left: Term
    right: Term
    over: Term
    rounding: str = "down"
    type: Type = INT

    @cached_property
    def cost(self) -> float:
        return 1.5 + self.left.cost + self.right.cost + self.over.cost + 0.25 * (self.rounding != "down")

    def column(self, table: Table) -> list[Any]:
        rounded = ROUNDINGS[self.rounding]
        columns = map(table.filled, (self.left, self.right, self.over))
        return [rounded(left * right, over) if over else None for left, right, over in zip(*columns, strict=True)]

    def __str__(self) -> str:
        over = "" if str(self.over) == "1" else f" / {_bracketed(self.over)}"
        rounding = "" if not over else f" rounded {self.rounding}"
        return f"({_bracketed(self.left)} * {_bracketed(self.right)}{over}{rounding})"


@dataclass(frozen=True, eq=False)
class Stepped:
    """A term, rounded to a multiple of another; absent if that is zero."""

    of: Term
    step: Term
    rounding: str
    type: Type = INT

    @cached_property
    def cost(self) -> float:
        return 1.5 + self.of.cost + self.step.cost

    def column(self, table: Table) -> list[Any]:
        rounded = ROUNDINGS[self.rounding]
        pairs = zip(table.filled(self.of), table.filled(self.step), strict=True)
        return [rounded(value, step) * step if step else None for value, step in pairs]

    def __str__(self) -> str:
        return f"{_bracketed(self.of)} {self.rounding} to a multiple of {self.step}"


@dataclass(frozen=True, eq=False)
class Extreme:
    """The larger or the smaller of two terms."""

    left: Term
    right: Term
    larger: bool
    type: Type = INT

    @cached_property
    def cost(self) -> float:
        return 1.5 + self.left.cost + self.right.cost

    def column(self, table: Table) -> list[Any]:
        return list(map(max if self.larger else min, table.filled(self.left), table.filled(self.right)))

    def __str__(self) -> str:
        return f"{'max' if self.larger else 'min'}({self.left}, {self.right})"


@dataclass(frozen=True, eq=False)
class Chosen:
    """The answer of a decision tree: what was learned of one value, under a name, as a term for others."""

    name: str
    answers: tuple[Term, ...]
    tree: Tree
    type: Type
    cost: float = 1.0

    def column(self, table: Table) -> list[Any]:
        found: list[Any] = [None] * len(table.rows)
        for leaf, bits in routed(self.tree, table, (1 << len(found)) - 1):
            values = table.column(self.answers[leaf.answer])
            for row in rows_of(bits, len(found)):
                found[row] = values[row]
        return found

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Made:
    """A record made of a term for each field; absent where one of them is. `make` is its class."""

    parts: tuple[Term, ...]
    type: Type
    make: Any
    cost: float = 1.0

    def column(self, table: Table) -> list[Value | None]:
        rows = zip(*map(table.column, self.parts), strict=True)
        return [None if None in row else made for row, made in ((row, tuple.__new__(self.make, row)) for row in rows)]

    def __str__(self) -> str:
        return f"({', '.join(name for name, _ in self.type.fields)})"


def numbers(term: Term) -> Sequence[Term]:
    """The terms of which a number is made, itself first."""
    match term:
        case Total(more=more, less=less):
            parts: tuple[Term, ...] = (*more, *less)
        case Product(left=left, right=right) | Extreme(left=left, right=right):
            parts = left, right
        case Stepped(of=of):
            parts = (of,)
        case Made(parts=parts):
            pass
        case _:
            parts = ()
    return [term, *(one for part in parts for one in numbers(part))]


def replaced(term: Term, old: Term, new: Term) -> Term:
    """The number with another in place of one of which it is made."""
    if term is old:
        return new
    match term:
        case Total(more=more, less=less):
            plus, minus = (tuple(replaced(part, old, new) for part in parts) for parts in (more, less))
            return Total(plus, minus)
        case Product(left=left, right=right, over=over, rounding=rounding):
            return Product(replaced(left, old, new), replaced(right, old, new), over, rounding)
        case Stepped(of=of, step=step, rounding=rounding):
            return Stepped(replaced(of, old, new), step, rounding)
        case Extreme(left=left, right=right, larger=larger):
            return Extreme(replaced(left, old, new), replaced(right, old, new), larger)
    return term


def _bracketed(term: Term) -> str:
    several = isinstance(term, Stepped) or (isinstance(term, Total) and len(term.more) + len(term.less) > 1)
    return f"({term})" if several else str(term)

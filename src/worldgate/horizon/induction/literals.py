"""Literals: the questions a rule may ask of an example.

The answers for all rows of a table are one whole number (see `table.packed`), so that counting the examples for
which several literals hold is an `&` and a `bit_count`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from operator import eq, le, lt
from typing import Protocol

from ...facts import Value, format_value
from .table import Table, Term, packed
from .terms import Path


class Literal(Protocol):
    """A yes-or-no question. `cost` is how many bits it takes to name it, beyond which one of how many it is."""

    @property
    def cost(self) -> float: ...
    def bits(self, table: Table) -> int:
        """The rows for which the answer is yes."""

    def said(self, yes: bool) -> str:
        """The answer in words."""


@dataclass(frozen=True, eq=False)
class Is:
    """A term has this value (None: it has none)."""

    term: Term
    value: Value | None

    @property
    def cost(self) -> float:
        return self.term.cost

    def bits(self, table: Table) -> int:
        return packed(map(eq, table.column(self.term), repeat(self.value)))

    def said(self, yes: bool) -> str:
        if self.value is None or isinstance(self.term, Path):
            return f"{'' if yes is (self.value is True) else 'no '}{self.term}"
        return f"{self.term} {'=' if yes else '!='} {format_value(self.value)}"


@dataclass(frozen=True, eq=False)
class NotAbove:
    """A whole number is not above a bound."""

    term: Term
    bound: int

    @property
    def cost(self) -> float:
        return 1.0 + self.term.cost

    def bits(self, table: Table) -> int:
        return packed(map(le, table.filled(self.term), repeat(self.bound))) & table.present(self.term)

    def said(self, yes: bool) -> str:
        return f"{self.term} {'<=' if yes else '>'} {self.bound}"


@dataclass(frozen=True, eq=False)
class Same:
    """Two terms have the same value."""

    left: Term
    right: Term

    @property
    def cost(self) -> float:
        return self.left.cost + self.right.cost

    def bits(self, table: Table) -> int:
        return packed(map(eq, table.column(self.left), table.column(self.right))) & table.present(self.left)

    def said(self, yes: bool) -> str:
        return f"{self.left} {'=' if yes else '!='} {self.right}"


@dataclass(frozen=True, eq=False)
class Below:
    """One term is less than another: as numbers, or as names are sorted."""

    left: Term
    right: Term

    @property
    def cost(self) -> float:
        return 0.5 + self.left.cost + self.right.cost

    def bits(self, table: Table) -> int:
        less = packed(map(lt, table.filled(self.left), table.filled(self.right)))
        return less & table.present(self.left) & table.present(self.right)

    def said(self, yes: bool) -> str:
        return f"{self.left} {'<' if yes else '>='} {self.right}"


def rows_of(bits: int, count: int) -> Iterator[int]:
    """The numbers of the rows whose bit is set, of `count` rows."""
    yield from (number for number, bit in enumerate(f"{bits:0{count}b}") if bit == "1")


def of_kind(literal: Literal) -> bool:
    """Whether it asks which of a few kinds there are something is."""
    return isinstance(literal, Is) and literal.value is not None and literal.term.type.kind == "enum"

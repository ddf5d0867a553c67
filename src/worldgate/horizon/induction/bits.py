"""Numbers as sets: the bits of a number that another clears, and digits to base 8.

What a number becomes may be some bits, of a constant or of another number, less those that are set in a third. An
example proposes: the bits that it has and all that the third clears; of two examples, those that both propose.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ...facts import INT, Type, Value
from .arithmetic import Field
from .study import Study
from .table import Table, Term
from .terms import Argument

_OCTAL = re.compile("[0-7]+")
MOST_BITS = 16
"""Numbers with more bits are amounts, not sets."""
LEAST_VALUES = 3
"""Of fewer different values that a number becomes nothing is to be learned about its bits."""
MOST_PROPOSED = 6
"""Sets of bits that examples propose, the most frequent ones."""


@dataclass(frozen=True, eq=False)
class Bits:
    """The bits of a number, or all of them, that are in `some` and are not set in another."""

    of: Term | None
    some: int
    less: Term
    type: Type = INT

    @property
    def cost(self) -> float:
        return 1.0 + self.less.cost + (self.of.cost if self.of else 0.0)

    def column(self, table: Table) -> list[Any]:
        of = table.column(self.of) if self.of else [self.some] * len(table.rows)
        pairs = zip(of, table.column(self.less), strict=True)
        return [None if one is None or less is None else one & self.some & ~less for one, less in pairs]

    def __str__(self) -> str:
        return f"{f'{self.of} & ' if self.of else ''}{self.some:#o} & ~{self.less}"


@dataclass(frozen=True, eq=False)
class Octal:
    """A word of digits as a number to base 8."""

    index: int
    type: Type = INT
    cost: float = 0.25

    def column(self, table: Table) -> list[Any]:
        words = (row.words[self.index] for row in table.rows)
        return [int(word, 8) if isinstance(word, str) and _OCTAL.fullmatch(word) else None for word in words]

    def __str__(self) -> str:
        return f"?{self.index} to base 8"


def sets(study: Study, keep: Term, after: Sequence[Value | None]) -> list[Term]:
    """What a field with few bits may become: some bits of a constant or a number less those of another."""
    rows = [(row, value) for row, value in enumerate(after) if isinstance(value, int)]
    changed = [(row, value) for row, value in rows if value != study.table.column(keep)[row]]
    seen = {value for _, value in changed}
    if not isinstance(keep, Field) or len(seen) < LEAST_VALUES or min(seen) < 0 or max(seen) >> MOST_BITS:
        return []
    octal = [Octal(word.index) for word in study.language.words if word.type.kind == "text" and type(word) is Argument]
    fields = [term for term in study.language.direct if isinstance(term, Field) and term.type == INT]
    present = [term for term in fields if all(study.table.column(term)[row] is not None for row, _ in changed)]
    return [*octal, *_best(study, present, changed)]


def _best(study: Study, terms: Sequence[Term], rows: Sequence[tuple[int, int]]) -> Iterator[Term]:
    """The set for each number it may be of that is right most often, if it is so more often than not."""
    for of in (None, *terms):
        best, right = None, len(rows) // 2
        for less in terms:
            for some in _proposed(study, of, less, rows):
                made = Bits(of, some, less)
                column = made.column(study.table)
                agree = sum(column[row] == value for row, value in rows)
                if agree > right:
                    best, right = made, agree
        if best is not None:
            yield best


def _proposed(study: Study, of: Term | None, less: Term, rows: Sequence[tuple[int, int]]) -> list[int]:
    every = (1 << MOST_BITS) - 1
    counts = Counter[int]()
    for row, value in rows:
        lack = study.table.column(less)[row]
        base = study.table.column(of)[row] if of else every
        if 0 <= lack <= every and not value & lack and not value & ~base:
            counts[(value | lack | ~base) & every] += 1
    often = sorted(counts, key=lambda some: (-counts[some], some))[:MOST_PROPOSED]
    return [*often, *(one & other for one, other in combinations(often, 2))]

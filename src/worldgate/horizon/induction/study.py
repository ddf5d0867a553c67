"""The material of one rule: a table, and the literals that tell its rows apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...facts import Delta
from .language import Language
from .literals import rows_of
from .table import Table, Term, Words, packed, spaced
from .told import Told
from .tree import Candidate, Labels

MOST_ANSWERED = 20_000_000
"""Answers to literals computed for one table, the simplest literals first: what bounds the time of learning."""
MOST_SEARCHED = 300
"""Examples, evenly spaced, by which literals are searched for."""
SAMPLES = 16
"""States looked at in full, evenly spaced among those of a shape, to see which ids and how many facts there are."""


class Seen(NamedTuple):
    """One transition to learn from."""

    state: Told
    words: Words
    delta: Delta


def sampled(seen: Sequence[Seen]) -> list[Told]:
    """A few of the states."""
    return [one.state for one in spaced(seen, SAMPLES)]


class Study:
    """A table and the literals that tell its rows apart, each computed once."""

    def __init__(self, language: Language, table: Table) -> None:
        self.language, self.table = language, table
        self.found: list[Term] = []
        """Terms learned on the way: what became of values that are explained."""
        self.all = (1 << len(table.rows)) - 1
        self._candidates: dict[int, list[Candidate]] = {}

    def candidates(self, level: int) -> list[Candidate]:
        """The literals of a level with their answers; of those with the same answers, the simplest."""
        if level not in self._candidates:
            known, found = {0}, []
            literals = sorted(self.language.literals(level, self.table), key=lambda literal: literal.cost)
            for literal in literals[: MOST_ANSWERED // max(1, len(self.table.rows))]:
                bits = literal.bits(self.table)
                same = min(bits, self.all & ~bits)
                if same not in known:
                    known.add(same)
                    found.append((literal, bits))
            self._candidates[level] = found
        return self._candidates[level]

    def thinned(self, labels: Labels, rows: int) -> tuple[Table, Labels]:
        """A table of some of these rows, and their labels."""
        count = len(self.table.rows)
        numbers = list(rows_of(rows, count))
        some = spaced(numbers, MOST_SEARCHED)
        few = {mask: packed(bool(bits >> (count - 1 - at) & 1) for at in some) for mask, bits in labels.items()}
        return Table([self.table.rows[number] for number in some]), few

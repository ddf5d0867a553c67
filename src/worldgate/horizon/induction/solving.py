"""Solving for a value: the expressions of a few terms that give it, proposed by single examples and judged by all.

An example proposes the expressions that give the value there, or the change of what was there before (`combining`). The
best of them are tried, too, with a part that is at least or at most as large as another term. Expressions with the same
values in a sample of examples are one, the simplest (observational equivalence). As amounts are long numbers, few that
are right in one example are right by chance, and those are not right in others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any

from .arithmetic import Extreme, Total, numbers, replaced
from .combining import Example
from .table import Row, Table, Term, spaced
from .terms import Constant

SAMPLE = 120
"""Examples that expressions are judged by."""
SEEDS = 12
"""Examples that propose expressions, each of which is one that no expression before explains."""
FEW = 20
"""Examples among these in one of which, at least, an expression has to be right before it is judged by all."""
MOST_TERMS = 64
"""Terms that expressions are made of, the simplest."""
MOST_PROPOSED = 400
"""Expressions judged for one example."""
BEST = 5
"""Expressions that variants are made of."""


class Solver:
    """Expressions over number terms for some examples."""

    def __init__(
        self, terms: Sequence[Term], found: Sequence[Term], units: Sequence[Constant], rows: Sequence[Row]
    ) -> None:
        self.table, self.units, self.found = Table(rows), units, set(found)
        self.every = spaced(range(len(rows)), FEW)
        self.few = Table([rows[row] for row in self.every])
        known: dict[tuple[Any, ...], Term] = {}

        def rank(term: Term) -> tuple[bool, bool, float]:
            return term not in self.found, 2 * self.table.present(term).bit_count() < len(rows), term.cost

        for term in sorted(terms, key=rank):
            column = tuple(self.table.filled(term))
            if any(column):
                known.setdefault(column, term)
        self.terms, self.columns = list(known.values())[:MOST_TERMS], list(known)[:MOST_TERMS]

    def solve(self, keep: Term, after: Sequence[int]) -> list[Term]:
        """Expressions that cover the examples, each the best for the first that is left."""
        before = self.table.filled(keep)
        left = [number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
        left.sort(key=lambda row: -sum(1 for column in self.columns if column[row]))
        found: list[Term] = []
        for _ in range(SEEDS):
            if not left:
                break
            best, covered = self._best(left[0], keep, before, after, left)
            if best is not None:
                found.append(best)
            left = [row for row in left[1:] if row not in covered]
        return found

    def _best(
        self, row: int, keep: Term, before: Sequence[int], after: Sequence[int], left: Sequence[int]
    ) -> tuple[Term | None, set[int]]:
        """The expression that is right in this example and in most others; the simplest of them."""

        def judged(terms: Iterable[Term], least: int) -> list[tuple[int, float, Term, set[int]]]:
            found: dict[tuple[Any, ...], tuple[int, float, Term, set[int]]] = {}
            for term in terms:
                early = zip(self.every, term.column(self.few), strict=True)
                if any(other != row and value == after[other] for other, value in early if value != before[other]):
                    column = tuple(term.column(self.table))
                    right = {other for other in left if column[other] == after[other]}
                    if len(right) > least:
                        found.setdefault(column, (len(right), -term.cost, term, right))
            return sorted(found.values(), key=lambda one: one[:2], reverse=True)

        best = judged(self._proposed(row, keep, before[row], after[row]), 1)[:BEST]
        if best and best[0][0] < len(left):
            variants = (variant for one in best for variant in self._variants(one[2], keep))
            best = sorted([*judged(variants, best[0][0]), *best], key=lambda one: one[:2], reverse=True)
        return (best[0][2], best[0][3]) if best else (None, set())

    def _variants(self, term: Term, keep: Term) -> Iterator[Term]:
        """The expression with a part of it, at least or at most as large as another term."""
        kept = isinstance(term, Total) and keep in term.more
        rest = Total(tuple(one for one in term.more if one is not keep), term.less) if kept else term  # type: ignore[attr-defined]
        minus = isinstance(rest, Total) and not rest.more
        whole = Total(rest.less) if minus else rest  # type: ignore[attr-defined]
        if isinstance(whole, Total) and len(whole.more) == 1 and not whole.less:
            whole = whole.more[0]
        parts = [part for part in dict.fromkeys(numbers(whole)) if not isinstance(part, Constant)]
        for part, other, larger in product(parts, self.terms, (True, False)):
            if part is not other:
                made = replaced(whole, part, Extreme(part, other, larger))
                yield made if not kept else Total((keep,), (made,)) if minus else Total((keep, made))

    def _proposed(self, row: int, keep: Term, before: int, after: int) -> list[Term]:
        """The expressions that give the value, or the change, in an example: the simplest ones."""
        pairs = zip(self.columns, self.terms, strict=True)
        example = Example([(column[row], term) for column, term in pairs if column[row]], self.units, self.found)
        found = [_sum(more, less) for more, less in example.expressions(after)]
        if before:
            found += [_sum((keep, *more), less) for more, less in example.expressions(after - before)]
        return sorted(found, key=lambda term: term.cost)[:MOST_PROPOSED]


def _sum(more: Sequence[Term], less: Sequence[Term]) -> Term:
    """The sum, with sums in it taken apart."""
    over: list[Term] = []
    under: list[Term] = []
    for terms, plus, minus in ((more, over, under), (less, under, over)):
        for term in terms:
            plus += term.more if isinstance(term, Total) else (term,)
            minus += term.less if isinstance(term, Total) else ()
    return over[0] if len(over) == 1 and not under else Total(tuple(over), tuple(under))

"""Solving for a value: the expressions of a few terms that give it, proposed by single examples and judged by all.

An example proposes the expressions that give the value there, or the change of what was there before (`combining`). The
best of them are tried, too, with a part that is at least or at most as large as another term, and so are the best of
these. Of an expression that is right elsewhere another is made: what it adds where there is something already, as a fee
that is paid in parts. Expressions with the same values in a sample of examples are one, the simplest (observational
equivalence). As amounts are long numbers, few that are right in one example are right by chance, and those are not
right in others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import product
from math import inf
from typing import Any, NamedTuple

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
EXTREMES = 2
"""How often a variant is made of variants."""


class _Judged(NamedTuple):
    """An expression; what it is worth: in how many examples it is right less what it costs, as among so many one is
    right once more by chance; these examples; its values in all."""

    worth: float
    term: Term
    right: frozenset[int]
    column: tuple[Any, ...]


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

    def solve(
        self, keep: Term, after: Sequence[int], known: Sequence[Term] = (), beside: Sequence[Term] = ()
    ) -> list[Term]:
        """Expressions that cover the examples, each the best for the first that is left; `known`: such as are right in
        others; `beside`: answers that there are already, of which others may be made."""
        before = self.table.filled(keep)
        right = {row: new for row, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}
        left = sorted(right, key=lambda row: -sum(1 for column in self.columns if column[row]))
        found: list[Term] = []
        there = [_right_in(term.column(self.table), right) for term in beside]
        added = self._judged((one for term in known for one in self._added(term)), right)
        varied = dict[tuple[Any, ...], list[_Judged]]()
        for _ in range(SEEDS):
            if not left:
                break
            proposed = self._judged(self._proposed(left[0], keep, before[left[0]], after[left[0]]), right)
            best = self._best([*proposed, *added], keep, right, there, varied)
            if best:
                found.append(best.term)
                there.append(best.right)
            left = [row for row in left[1:] if not best or row not in best.right]
        return found

    def _best(
        self,
        some: Iterable[_Judged],
        keep: Term,
        right: Mapping[int, int],
        there: Sequence[Set[int]],
        varied: dict[tuple[Any, ...], list[_Judged]],
    ) -> _Judged | None:
        """Of some expressions and what can be made of them the one that is right in most examples, the simplest of
        them; but for those that are right only where another is already (`there`). `varied`: variants looked at."""
        found, best = dict[tuple[Any, ...], _Judged](), list[_Judged]()
        for turn in range(EXTREMES + 1):
            most = best[0].worth if best else -inf
            for one in some:
                if one.worth > max(most, found[one.column].worth if one.column in found else most):
                    found[one.column] = one
            ranked = sorted(found.values(), key=lambda one: one.worth, reverse=True)
            before, best = best, [one for one in ranked if not any(one.right <= others for others in there)][:BEST]
            if turn == EXTREMES or (turn and best == before) or (best and len(best[0].right) == len(right)):
                break
            bases = {one.column: one.term for one in (best if turn else [*ranked[:BEST], *best])}
            for column, term in bases.items():
                if column not in varied:
                    varied[column] = self._judged(self._variants(term, keep), right)
            some = [one for column in bases for one in varied[column]]
        return best[0] if best else None

    def _judged(self, terms: Iterable[Term], right: Mapping[int, int]) -> list[_Judged]:
        """Those that are right in more than one example, and in one of a few."""
        found = []
        for term in terms:
            early = zip(self.every, term.column(self.few), strict=True)
            if any(row in right and value == right[row] for row, value in early):
                column = tuple(term.column(self.table))
                rows = _right_in(column, right)
                if len(rows) > 1:
                    found.append(_Judged(len(rows) - term.cost, term, rows, column))
        return found

    def _added(self, term: Term) -> Iterator[Term]:
        """What a part of the expression adds to it where there is another term already."""
        parts = [part for part in dict.fromkeys(numbers(term)) if part is not term and not isinstance(part, Constant)]
        for part, other in product(parts, self.terms):
            if part is not other:
                yield _sum((replaced(term, part, Total((part, other))),), (replaced(term, part, other),))

    def _variants(self, term: Term, keep: Term) -> Iterator[Term]:
        """The expression with a part of it, at least or at most as large as another term."""
        kept = isinstance(term, Total) and keep in term.more
        own = (keep,) if kept else ()
        rest = Total(tuple(one for one in term.more if one is not keep), term.less) if kept else term  # type: ignore[attr-defined]
        minus = isinstance(rest, Total) and not rest.more
        whole = Total(rest.less) if minus else rest  # type: ignore[attr-defined]
        if isinstance(whole, Total) and len(whole.more) == 1 and not whole.less:
            whole = whole.more[0]
        parts = [part for part in dict.fromkeys(numbers(whole)) if not isinstance(part, Constant)]
        for part, other, larger in product(parts, self.terms, (True, False)):
            if part is not other:
                made = replaced(whole, part, Extreme(part, other, larger))
                yield Total(own, (made,)) if minus else Total((*own, made)) if kept else made

    def _proposed(self, row: int, keep: Term, before: int, after: int) -> list[Term]:
        """The expressions that give the value, or the change, in an example: the simplest ones."""
        pairs = zip(self.columns, self.terms, strict=True)
        example = Example([(column[row], term) for column, term in pairs if column[row]], self.units, self.found)
        found = [_sum(more, less) for more, less in example.expressions(after)]
        if before:
            found += [_sum((keep, *more), less) for more, less in example.expressions(after - before)]
        return sorted(found, key=lambda term: term.cost)[:MOST_PROPOSED]


def _right_in(column: Sequence[Any], right: Mapping[int, int]) -> frozenset[int]:
    return frozenset(row for row, value in right.items() if column[row] == value)


def _sum(more: Sequence[Term], less: Sequence[Term]) -> Term:
    """The sum, with sums in it taken apart."""
    over: list[Term] = []
    under: list[Term] = []
    for terms, plus, minus in ((more, over, under), (less, under, over)):
        for term in terms:
            plus += term.more if isinstance(term, Total) else (term,)
            minus += term.less if isinstance(term, Total) else ()
    return over[0] if len(over) == 1 and not under else Total(tuple(over), tuple(under))

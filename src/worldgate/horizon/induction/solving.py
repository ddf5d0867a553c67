"""Solving for a value: the expressions of a few terms that give it, proposed by single examples and judged by all.

In one example every term is a number, so that the expressions which give the value there are found by looking numbers
up: sums of two and three terms, products and quotients of terms, a term and a product, two products, a term times a
sum; each also as a change of what was there before. Expressions with the same values in a sample of examples are one,
the simplest (observational equivalence). As amounts are long numbers, few that are right in one example are right by
chance, and those are not right in others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from .arithmetic import ROUNDINGS, Product, Total
from .table import Row, Table, Term
from .terms import Constant

SAMPLE = 120
"""Examples that expressions are judged by."""
SEEDS = 6
"""Examples that propose expressions, each of which is one that no expression before explains."""
FEW = 20
"""Examples among these in one of which, at least, an expression has to be right before it is judged by all."""
MOST_TERMS = 64
"""Terms that expressions are made of, the simplest."""
MOST_PROPOSED = 400
"""Expressions judged for one example."""

Sum = tuple[tuple[Term, ...], tuple[Term, ...]]
"""Terms to add and terms to take away."""
_Made = tuple[Term, Term, Term, str]
"""The parts of a product."""


class Solver:
    """Expressions over number terms for some examples."""

    def __init__(self, terms: Sequence[Term], units: Sequence[Constant], rows: Sequence[Row]) -> None:
        self.table, self.units = Table(rows), units
        self.few = Table(rows[:: max(1, len(rows) // FEW)])
        self.every = range(0, len(rows), max(1, len(rows) // FEW))
        known: dict[tuple[Any, ...], Term] = {}
        for term in sorted(terms, key=lambda term: term.cost):
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
        best, most, covered = None, (1, 0.0), set[int]()
        seen: set[tuple[Any, ...]] = set()
        for term in self._proposed(row, keep, before[row], after[row]):
            early = zip(self.every, term.column(self.few), strict=True)
            if not any(other != row and value == after[other] for other, value in early if value != before[other]):
                continue
            column = tuple(term.column(self.table))
            if column not in seen:
                seen.add(column)
                right = {other for other in left if column[other] == after[other]}
                if len(right) > 1 and (len(right), -term.cost) > most:
                    best, most, covered = term, (len(right), -term.cost), right
        return best, covered

    def _proposed(self, row: int, keep: Term, before: int, after: int) -> list[Term]:
        """The expressions that give the value, or the change, in an example: the simplest ones."""
        pairs = zip(self.columns, self.terms, strict=True)
        example = _Example([(column[row], term) for column, term in pairs if column[row]], self.units)
        found = [_sum(more, less) for more, less in example.expressions(after)]
        if before:
            found += [_sum((keep, *more), less) for more, less in example.expressions(after - before)]
        return sorted(found, key=lambda term: term.cost)[:MOST_PROPOSED]


class _Example:
    """The values of terms in one example, and what a few of them make together."""

    def __init__(self, terms: Sequence[tuple[int, Term]], units: Sequence[Constant]) -> None:
        self.terms, self.units = terms, [(int(unit.value), unit) for unit in units]  # type: ignore[arg-type]
        self.of: dict[int, list[Term]] = {}
        for value, term in terms:
            self.of.setdefault(value, []).append(term)

    @cached_property
    def sums(self) -> dict[int, list[Sum]]:
        found: dict[int, list[Sum]] = {}
        for number, (value, term) in enumerate(self.terms):
            for other_value, other in self.terms[:number]:
                found.setdefault(value + other_value, []).append(((term, other), ()))
                found.setdefault(value - other_value, []).append(((term,), (other,)))
                found.setdefault(other_value - value, []).append(((other,), (term,)))
        found.pop(0, None)
        return found

    @cached_property
    def products(self) -> dict[int, list[_Made]]:
        found: dict[int, list[_Made]] = {}
        for by, unit in self.units:
            for number, (value, term) in enumerate(self.terms):
                for other_value, other in self.terms[: number + 1]:
                    for name, made in _rounded(value * other_value, by):
                        found.setdefault(made, []).append((term, other, unit, name))
        found.pop(0, None)
        return found

    @cached_property
    def pairs(self) -> list[tuple[int, int, int]]:
        every = enumerate(self.terms)
        return sorted((a * b, i, j) for i, (a, _) in every for j, (b, _) in enumerate(self.terms[: i + 1]))

    def _products(self, value: int) -> Iterator[Term]:
        return (Product(*parts) for parts in self.products.get(value, ()))

    def expressions(self, goal: int) -> Iterator[Sum]:
        """Expressions whose value here is that of the goal, the kinds of them in the order of their size."""
        for kind in (self._single, self._two, self._quotients, self._three, self._scaled, self._two_products):
            yield from islice(kind(goal), MOST_PROPOSED)

    def _single(self, goal: int) -> Iterator[Sum]:
        for sign, found in ((goal, True), (-goal, False)):
            for term in (*self.of.get(sign, ()), *self._products(sign)):
                yield ((term,), ()) if found else ((), (term,))

    def _two(self, goal: int) -> Iterator[Sum]:
        yield from self.sums.get(goal, ())
        for value, term in self.terms:
            yield from (((term, part), ()) for part in self._products(goal - value))
            yield from (((term,), (part,)) for part in self._products(value - goal))
            yield from (((part,), (term,)) for part in self._products(goal + value))

    def _quotients(self, goal: int) -> Iterator[Sum]:
        """a * b / c."""
        for by, term in self.terms:
            low, high = sorted((goal * by - abs(by), goal * by + abs(by)))
            for whole, one, other in self.pairs[bisect_left(self.pairs, (low,)) :]:
                if whole > high:
                    break
                left, right = self.terms[one][1], self.terms[other][1]
                if left is not term and right is not term:
                    roundings = (name for name, made in _rounded(whole, by) if made == goal)
                    yield from (((Product(left, right, term, name),), ()) for name in roundings)

    def _three(self, goal: int) -> Iterator[Sum]:
        """a + b + c with any signs."""
        for value, term in self.terms:
            found = [((term, *more), less) for more, less in self.sums.get(goal - value, ())]
            found += [(more, (term, *less)) for more, less in self.sums.get(goal + value, ())]
            yield from ((more, less) for more, less in found if not {*more} & {*less})

    def _scaled(self, goal: int) -> Iterator[Sum]:
        """a * (b + c) or a * (b - c)."""
        for by, unit in self.units:
            for value, term in self.terms:
                near = goal * by // value
                for total in (near, near + 1):
                    for more, less in self.sums.get(total, ()):
                        roundings = (name for name, made in _rounded(total * value, by) if made == goal)
                        yield from (((Product(Total(more, less), term, unit, name),), ()) for name in roundings)

    def _two_products(self, goal: int) -> Iterator[Sum]:
        for value in self.products:
            if 2 * value >= goal:
                pairs = ((one, other) for one in self._products(value) for other in self._products(goal - value))
                yield from ((pair, ()) for pair in pairs)
            yield from (((one,), (other,)) for one in self._products(value) for other in self._products(value - goal))


def _rounded(whole: int, by: int) -> list[tuple[str, int]]:
    """The values of a quotient by rounding; exactly one where nothing is rounded."""
    if whole % by == 0:
        return [("down", whole // by)]
    return [(name, rounded(whole, by)) for name, rounded in ROUNDINGS.items()]


def _sum(more: Sequence[Term], less: Sequence[Term]) -> Term:
    """The sum, with sums in it taken apart."""
    over: list[Term] = []
    under: list[Term] = []
    for terms, plus, minus in ((more, over, under), (less, under, over)):
        for term in terms:
            plus += term.more if isinstance(term, Total) else (term,)
            minus += term.less if isinstance(term, Total) else ()
    return over[0] if len(over) == 1 and not under else Total(tuple(over), tuple(under))

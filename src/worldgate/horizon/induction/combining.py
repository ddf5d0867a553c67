"""What the values of terms in one example make together: expressions that have a given value there.

They are found by looking numbers up: sums of two and three terms, products and quotients, a term and a product, two
products, a term times a sum.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice

from .arithmetic import ROUNDINGS, Product, Total
from .table import Term
from .terms import Constant

MOST_OF_A_KIND = 400

Sum = tuple[tuple[Term, ...], tuple[Term, ...]]
"""Terms to add and terms to take away."""
_Made = tuple[Term, Term, Term, str]
"""The parts of a product."""


class Example:
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
            yield from islice(kind(goal), MOST_OF_A_KIND)

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

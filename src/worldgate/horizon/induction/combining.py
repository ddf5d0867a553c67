"""What the values of terms in one example make together: expressions that have a given value there.

They are found by looking numbers up: sums of two and three terms, products and quotients, a term and a product, two
products, a term times a sum; and, where these are few, by how much a share grows, what is moved by a share of it to a
multiple, and what takes terms that were found on the way.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence, Set
from functools import cached_property
from itertools import combinations, islice, product
from typing import Any, TypeVar

from .arithmetic import ROUNDINGS, Product, Stepped, Total
from .table import Term
from .terms import Constant

MOST_OF_A_KIND = 400
ENOUGH = 60
"""Expressions after which larger kinds are not looked for."""
MOST_FOUND = 8
"""Values found on the way whose products are looked at."""

Sum = tuple[tuple[Term, ...], tuple[Term, ...]]
"""Terms to add and terms to take away."""
_Kind = Callable[[int], Iterator[Sum]]
_Made = tuple[Term, Term, Term, str]
"""The parts of a product."""
_Row = TypeVar("_Row", bound=tuple[Any, ...])


class Example:
    """The values of terms in one example, and what a few of them make together."""

    def __init__(self, terms: Sequence[tuple[int, Term]], units: Sequence[Constant], found: Set[Term]) -> None:
        self.terms, self.units = terms, [(int(unit.value), unit) for unit in units]  # type: ignore[arg-type]
        self.found = [(value, term) for value, term in terms if term in found]
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

    @cached_property
    def shares(self) -> list[tuple[int, int, tuple[Term, ...]]]:
        """Terms and sums of two, also with one of them twice: what a price may be raised by."""
        found: list[tuple[int, tuple[Term, ...]]] = [(value, (term,)) for value, term in self.terms]
        for value, term in self.terms:
            for other_value, other in self.terms:
                if other is not term:
                    found.append((value + 2 * other_value, (term, other, other)))
        found += [(one + other, (*a, *b)) for (one, a), (other, b) in combinations(found[: len(self.terms)], 2)]
        return sorted((value, number, terms) for number, (value, terms) in enumerate(found))

    def _products(self, value: int) -> Iterator[Term]:
        return (Product(*parts) for parts in self.products.get(value, ()))

    def expressions(self, goal: int) -> Iterator[Sum]:
        """Expressions whose value here is that of the goal, the kinds of them in the order of their size."""
        found = 0
        for kind in (self._single, self._two, self._quotients, self._three, self._scaled, *self._larger):
            if found < ENOUGH:
                for one in islice(kind(goal), MOST_OF_A_KIND):
                    found += 1
                    yield one

    @property
    def _larger(self) -> tuple[_Kind, ...]:
        return self._two_products, self._term_and_scaled, self._grown, self._product_and_quotient, self._stepped

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
            for whole, one, other in _between(self.pairs, low, high):
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

    def _term_and_scaled(self, goal: int) -> Iterator[Sum]:
        """a * (b + c) - d or a * (b - c) - d, of d that were found on the way."""
        for value, term in self.found:
            for more, less in self._scaled(goal + value):
                yield more, (term, *less)

    def _grown(self, goal: int) -> Iterator[Sum]:
        """By how much the share a of b, rounded to the nearest, grows when c is added to b."""
        for (by, unit), (value, term) in product(self.units[1:], self.terms):
            if not 0 < value <= by:
                continue
            for other_value, other in self.terms:
                base = _even(value * other_value, by)
                low = (goal + base - 1) * by // value - other_value
                for more_value, _, parts in _between(self.shares, low, low + 2 * by // value + 2):
                    if len(parts) == 1 and _even(value * (other_value + more_value), by) == goal + base:
                        grown = Product(Total((other, *parts)), term, unit, "even")
                        yield (grown,), (Product(other, term, unit, "even"),)

    def _product_and_quotient(self, goal: int) -> Iterator[Sum]:
        """a * b - c * d / e, of a and b that were found on the way."""
        by, unit = self.units[-1]
        for (value, term), (other_value, other) in combinations(self.found[:MOST_FOUND], 2):
            made, left = value * other_value // by, Product(term, other, unit)
            for (quotient,), _ in self._quotients(made - goal) if made else ():
                yield (left,), (quotient,)
            for (quotient,), _ in self._quotients(-made - goal) if made else ():
                yield (), (left, quotient)

    def _stepped(self, goal: int) -> Iterator[Sum]:
        """a raised or lowered by a share b of it, in units or in two units, and on to a multiple of c."""
        steps = [(step, term) for step, term in self.terms if step > 1 and goal and goal % step == 0]
        for (step, to), (value, term) in product(steps, self.terms):
            if value <= 0 or value == goal or 8 * abs(goal - value) > value:
                continue
            sign, way = (1, "up") if goal > value else (-1, "down")
            for (unit, one), times in product(self.units[1:], (1, 2)):
                by, over = unit * times, one if times == 1 else Total((one, one))
                low, high = sorted(abs(end - value) * by // value for end in (goal, goal - sign * step))
                for share, _, parts in _between(self.shares, low, high + 1):
                    moved = value + sign * ROUNDINGS["up"](value * share, by)
                    if ROUNDINGS[way](moved, step) * step == goal:
                        part = Product(term, parts[0] if len(parts) == 1 else Total(parts), over, "up")
                        whole = Total((term, part)) if sign > 0 else Total((term,), (part,))
                        yield (Stepped(whole, to, way),), ()

    def _two_products(self, goal: int) -> Iterator[Sum]:
        for value in self.products:
            if 2 * value >= goal:
                pairs = ((one, other) for one in self._products(value) for other in self._products(goal - value))
                yield from ((pair, ()) for pair in pairs)
            yield from (((one,), (other,)) for one in self._products(value) for other in self._products(value - goal))


_even = ROUNDINGS["even"]


def _between(rows: list[_Row], low: int, high: int) -> list[_Row]:
    """The sorted rows that begin with a number from low to high."""
    return rows[bisect_left(rows, (low,)) : bisect_left(rows, (high + 1,))]


def _rounded(whole: int, by: int) -> list[tuple[str, int]]:
    """The values of a quotient by rounding; exactly one where nothing is rounded."""
    if whole % by == 0:
        return [("down", whole // by)]
    return [(name, rounded(whole, by)) for name, rounded in ROUNDINGS.items()]

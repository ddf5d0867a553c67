"""Limits on measures, in n futures at once: the rules of `gate.measured`, but a market's moves count too.

A value lies beyond its limit where the policy says so; one that is beyond it in the state that the plan starts from
breaches where it goes further out than it is there. Every key of a measure's relation is judged after every
action and every bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any, NamedTuple

from ...facts import Key, State
from ...gate.measured import Bound
from ...worlds import Measure
from ...worlds.market.measures import MEASURES
from ...worlds.market.schema import SCHEMA
from .arrays import RANGE, floor_of, np
from .portfolio import Books, Owned, Portfolio, Slot, worst_value

if TYPE_CHECKING:
    from .arrays import Ints, Mask


class Value(NamedTuple):
    """A measure at one key: `amount`, or amount / `over`; None where `there` is false."""

    key: Key
    amount: Ints
    over: Ints | None = None
    there: Mask | None = None


Values = Callable[[Portfolio], Iterator[Value]]


def _of_book(amount: Callable[[Portfolio, Owned, Books], Ints], over: str = "") -> Values:
    """A measure of the book; over the equity or the peak, which are 1 at least."""

    def values(portfolio: Portfolio) -> Iterator[Value]:
        for purse in portfolio.cash:
            book = portfolio.book(purse)
            divisor = np.maximum(getattr(book, over), 1) if over else None
            yield Value(purse, amount(portfolio, purse, book), divisor)

    return values


def _of_position(share: bool) -> Values:
    def values(portfolio: Portfolio) -> Iterator[Value]:
        for owned, held in portfolio.held.items():
            mark = portfolio.mark(owned)
            equity = portfolio.book((owned[0], portfolio.terms[owned[1]].currency)).equity if share else None
            parts = (held.quantity, held.cost, held.realised, held.fees, mark.buying, mark.selling)
            there = np.logical_or.reduce([part != 0 for part in parts])
            over = None if equity is None else np.maximum(equity, 1)
            yield Value(owned, mark.long + mark.short + mark.working, over, there)

    return values


def _of_order(amount: Callable[[Portfolio, Slot], Ints], *, priced: bool = False) -> Values:
    """A measure of a live order; where `priced` of one with a price, over the close."""

    def values(portfolio: Portfolio) -> Iterator[Value]:
        for slot in portfolio.slots:
            if slot.price or not priced:
                over = portfolio.close[slot.symbol] if priced else None
                yield Value((slot.account, slot.number), amount(portfolio, slot), over, slot.live)

    return values


VALUES: Mapping[str, Values] = {
    "cash": _of_book(lambda portfolio, purse, book: portfolio.cash[purse] - book.buying - book.due),
    "equity": _of_book(lambda _p, _k, book: book.equity - book.due),
    "leverage": _of_book(lambda _p, _k, book: book.long + book.short + book.working, "equity"),
    "gross_exposure": _of_book(lambda _p, _k, book: book.long + book.short + book.working),
    "net_long": _of_book(lambda _p, _k, book: book.long - book.short + book.buying),
    "net_short": _of_book(lambda _p, _k, book: book.short - book.long + book.selling),
    "position_value": _of_position(share=False),
    "position_share": _of_position(share=True),
    "order_quantity": _of_order(lambda portfolio, slot: slot.rest * portfolio.terms[slot.symbol].lot),
    "order_value": _of_order(
        lambda portfolio, slot: worst_value(slot, portfolio.close[slot.symbol], portfolio.terms[slot.symbol])
    ),
    "turnover": _of_book(lambda _p, _k, book: book.traded + book.buying + book.selling, "equity"),
    "drawdown": _of_book(lambda _p, _k, book: book.peak - book.equity, "peak"),
    "price_deviation": _of_order(
        lambda portfolio, slot: np.abs(slot.price - portfolio.close[slot.symbol]), priced=True
    ),
    "opening": _of_book(lambda _p, _k, book: book.opening),
}
"""The measures of `worlds.market.measures`, by name."""


class Limit:
    """One bound of a policy, over a plan that starts in `state`."""

    def __init__(self, name: str, bound: Bound, state: State) -> None:
        self.name, self.bound, self.measure, self._state = name, bound, MEASURES[name], state
        self._limits: dict[Key, tuple[Fraction | None, Fraction | None]] = {}

    def breached(self, portfolio: Portfolio) -> Mask:
        """In which futures some value is beyond the limit now."""
        found = np.zeros(portfolio.n, bool)
        for value in VALUES[self.name](portfolio):
            most, least = self.of(value.key)
            beyond = np.zeros(portfolio.n, bool)
            if most is not None:
                beyond |= _above(value.amount, value.over, most)
            if least is not None:
                beyond |= _above(-value.amount, value.over, -least)
            found |= beyond if value.there is None else beyond & value.there
        return found

    def of(self, key: Key) -> tuple[Fraction | None, Fraction | None]:
        """The most and the least that a key may have."""
        if key not in self._limits:
            self._limits[key] = limits_of(self.measure, self.bound, self._state, key)
        return self._limits[key]


def limits_of(measure: Measure, bound: Bound, state: State, key: Key) -> tuple[Fraction | None, Fraction | None]:
    """The most and the least that a measure may be at a key, given what it is in the first state."""
    columns = [column for column, _ in SCHEMA.relation(measure.relation).key]
    most, least = (None if one is None else Fraction(one) * measure.scale for one in (bound.max, bound.min))
    if any(key[columns.index(column)] not in names for column, names in bound.only.items()):
        most = Fraction(0) if most is None else min(most, Fraction(0))
    now = measure.value(state, key)
    if now is not None:
        most = None if most is None else max(most, Fraction(now))
        least = None if least is None else min(least, Fraction(now))
    return most, least


def _above(amount: Ints, over: Ints | None, limit: Fraction) -> Any:
    """Where amount (/ over) > limit, exactly."""
    p, q = limit.as_integer_ratio()
    if over is None:
        whole = floor(limit)
        return amount > whole if abs(whole) < RANGE else amount.astype(object) > whole
    if abs(p) < 2**30 and q < 2**30 and ceil(abs(limit)) * _largest(over) < RANGE:
        return amount > floor_of(over, (p, q))
    return amount.astype(object) * q > over.astype(object) * p


def _largest(amounts: Ints) -> int:
    return int(amounts.max())

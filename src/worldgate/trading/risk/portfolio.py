"""Accounts in n futures at once: the market's facts, each an array over the futures.

Prices are in ticks and quantities in lots, so that a value is price * quantity * `worth`, exactly; money is in
hundred-millionths. Books are computed from scratch when they are asked for, and kept until something changes. All
futures share the clock, the times and the plan; they differ in prices and in what these lead to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ...facts import State
from ...worlds.market.orders import FREE
from ...worlds.market.properties import facts_of
from ...worlds.market.schema import STATUSES, Costs, Instrument
from ...worlds.market.units import ONE
from .arrays import Ratio, ceil_of, even_of, np, ratio

if TYPE_CHECKING:
    from .arrays import Ints, Mask

WORKING, PARTIAL, FILLED, CANCELLED, EXPIRED, REJECTED, REFUSED = range(7)
"""Codes of an order's status, as in `STATUSES`; REFUSED: in that future there is no such order."""
assert STATUSES == ("working", "partial", "filled", "cancelled", "expired", "rejected")

Owned = tuple[str, str]
"""(account, symbol) of a holding, or (account, currency) of a purse."""


class Terms(NamedTuple):
    """How a symbol trades. `worth` is the money in one lot at one tick; `up` and `down` move the price of a buy and
    of a sale against the trader; `share` is the part of a bar's volume that fills (None: no limit)."""

    currency: str
    tick: int
    lot: int
    worth: int
    margin: Ratio
    rate: Ratio
    per_order: int
    minimum: int
    up: Ratio
    down: Ratio
    share: Ratio | None

    @classmethod
    def of(cls, instrument: Instrument, costs: Costs) -> Terms:
        currency, tick, lot, margin = instrument
        aside = costs.spread + 2 * costs.slippage
        return cls(
            currency, tick, lot, tick * lot // ONE, ratio(margin), ratio(costs.rate), costs.per_order, costs.minimum,
            ratio(2 * ONE + aside, 2 * ONE), ratio(2 * ONE - aside, 2 * ONE),
            ratio(costs.volume_share) if costs.volume_share else None,
        )  # fmt: skip


@dataclass
class Slot:
    """An order of the plan or of the first state, in each future. `number` is its id in the first state (0: of the
    plan), `id` the id it got, `traded` the value of what is filled, `status` its code."""

    account: str
    symbol: str
    side: int
    kind: str
    price: int
    quantity: int
    tif: str
    placed: int
    day: str
    number: int
    id: Ints
    filled: Ints
    traded: Ints
    status: Ints

    @property
    def live(self) -> Mask:
        return self.status <= PARTIAL

    @property
    def rest(self) -> Ints:
        """What is left to fill where it is live, else 0."""
        return np.where(self.live, self.quantity - self.filled, 0)


@dataclass
class Holding:
    quantity: Ints
    cost: Ints
    realised: Ints
    fees: Ints


class Mark(NamedTuple):
    """As `worlds.market.valuation.Mark`, with the quantities in working orders."""

    long: Ints
    short: Ints
    buying_value: Ints
    selling_value: Ints
    opening: Ints
    working: Ints
    margin: Ints
    reserve: Ints
    due: Ints
    buying: Ints
    selling: Ints


class Books(NamedTuple):
    """The fields of `worlds.market.schema.Book` but the day."""

    equity: Ints
    long: Ints
    short: Ints
    buying: Ints
    selling: Ints
    opening: Ints
    working: Ints
    margin: Ints
    reserve: Ints
    due: Ints
    traded: Ints
    peak: Ints


class Filled(NamedTuple):
    """What one order filled at the latest tick: 0 lots where it did not."""

    slot: Slot
    quantity: Ints
    price: Ints
    commission: Ints
    realised: Ints


@dataclass
class Portfolio:
    """Make one with `of`; `acts` and `bulk` change it, and call `forget` when they did."""

    n: int
    dtype: Any
    terms: Mapping[str, Terms]
    shorting: frozenset[str]
    close: dict[str, Ints]
    cash: dict[Owned, Ints]
    held: dict[Owned, Holding]
    slots: list[Slot]
    traded: dict[Owned, Ints]
    peak: dict[Owned, Ints]
    day: dict[Owned, str]
    sequence: dict[str, Ints]
    paid_in: dict[Owned, Ints]
    clock: int
    fills: list[Filled] = field(default_factory=list)
    _marks: dict[Owned, Mark] = field(default_factory=dict)
    _books: dict[Owned, Books] = field(default_factory=dict)

    @classmethod
    def of(cls, state: State, n: int, dtype: Any) -> Portfolio:
        """The state, n times."""
        names = ("instrument", "costs", "shorting", "bar", "cash", "position", "book", "sequence", "order")
        instruments, costs, shorting, bars, cash, positions, books, sequences, orders = facts_of(state, *names)
        terms = {key[0]: Terms.of(one, costs.get(key, FREE)) for key, one in instruments.items()}

        def full(value: int) -> Ints:
            return np.full(n, value, dtype)

        def slot(account: str, number: int, one: Any) -> Slot:
            of = terms[one.symbol]
            status = np.full(n, STATUSES.index(one.status), np.int8)
            side = 1 if one.side == "buy" else -1
            return Slot(
                account, one.symbol, side, one.kind, one.price // of.tick, one.quantity // of.lot, one.tif, one.placed,
                one.day, number, np.full(n, number, np.int64), full(one.filled // of.lot), full(one.traded),
                status,
            )  # fmt: skip

        listed = [slot(account, number, one) for (account, number), one in orders.items() if one.status in STATUSES[:2]]
        return cls(
            n,
            dtype,
            terms,
            frozenset(account for (account,) in shorting),
            {symbol: full(bar.close // terms[symbol].tick) for (symbol,), bar in bars.items()},
            {purse: full(amount) for purse, amount in cash.items()},
            {
                owned: Holding(full(one.quantity // terms[owned[1]].lot), *map(full, one[1:4]))
                for owned, one in positions.items()
            },
            sorted(listed, key=lambda one: (one.placed, one.account, one.number)),
            {purse: full(book.traded) for purse, book in books.items()},
            {purse: full(book.peak) for purse, book in books.items()},
            {purse: book.day for purse, book in books.items()},
            {account: np.full(n, last, np.int64) for (account,), last in sequences.items()},
            {purse: full(0) for purse in cash},
            state.get("clock", ()) or 0,
        )

    def full(self, value: int) -> Ints:
        return np.full(self.n, value, self.dtype)

    def holding(self, owned: Owned) -> Holding:
        """What is held, made when there was nothing."""
        if owned not in self.held:
            self.held[owned] = Holding(*(self.full(0) for _ in range(4)))
        return self.held[owned]

    def forget(self) -> None:
        """Forget what was derived."""
        self._marks.clear()
        self._books.clear()

    def of_purse(self, purse: Owned) -> Iterator[Owned]:
        """The holdings of an account in a currency."""
        account, currency = purse
        return (owned for owned in self.held if owned[0] == account and self.terms[owned[1]].currency == currency)

    def value(self, owned: Owned, prices: Mapping[str, Ints]) -> Ints:
        """What is held at these prices; negative for a short position."""
        return self.held[owned].quantity * prices[owned[1]] * self.terms[owned[1]].worth

    def mark(self, owned: Owned) -> Mark:
        """The holding and its working orders at the latest closes."""
        found = self._marks.get(owned)
        if found is None:
            found = self._marks[owned] = self._mark(owned)
        return found

    def _mark(self, owned: Owned) -> Mark:
        terms, close = self.terms[owned[1]], self.close[owned[1]]
        quantity = self.held[owned].quantity
        rests, values, owed = [self.full(0), self.full(0)], [self.full(0), self.full(0)], self.full(0)
        for slot in self.slots:
            if (slot.account, slot.symbol) == owned and slot.live.any():
                side = slot.side < 0
                rests[side] = rests[side] + slot.rest
                value = worst_value(slot, close, terms)
                values[side] = values[side] + value
                owed = owed + np.where(slot.live, commission(terms, value, slot.traded), 0)
        return marked(terms, quantity, close, rests, values, owed)

    def book(self, purse: Owned) -> Books:
        """The account in a currency at the latest closes."""
        found = self._books.get(purse)
        if found is None:
            nothing = self.full(0)
            marks = [self.mark(owned)[:9] for owned in self.of_purse(purse)]
            sums = [sum(parts, nothing) for parts in zip(*marks, strict=True)] or [nothing] * 9
            equity = self.cash[purse] + sums[0] - sums[1]
            found = self._books[purse] = Books._make((equity, *sums, self.traded[purse], self.peak[purse]))
        return found

    def equity(self, purse: Owned) -> Ints:
        """Cash and holdings at the latest closes."""
        return sum((self.value(owned, self.close) for owned in self.of_purse(purse)), self.cash[purse])


def worst_value(slot: Slot, close: Ints, terms: Terms) -> Ints:
    """What the rest of an order is worth at the latest close, or at its own price where that is higher."""
    return slot.rest * np.maximum(close, slot.price) * terms.worth


def commission(terms: Terms, value: Ints, before: Ints) -> Ints:
    """What a fill of that value costs an order which had traded `before`; as `worlds.market.fills.commission`."""
    whole, paid = (
        np.maximum(terms.minimum, terms.per_order + even_of(traded, terms.rate)) for traded in (before + value, before)
    )
    added: Ints = whole - np.where(before > 0, paid, 0)
    return added


def marked(terms: Terms, quantity: Ints, close: Ints, rests: list[Ints], values: list[Ints], due: Ints) -> Mark:
    """As `worlds.market.valuation.mark`; `rests` and `values` are those of working buys and sales."""
    held = quantity * close * terms.worth
    long, short, gross = np.maximum(held, 0), np.maximum(-held, 0), np.abs(held)
    security = ceil_of(gross, terms.margin)
    buys = np.where(rests[0] > np.maximum(-quantity, 0), values[0] - short, 0)
    sells = np.where(rests[1] > np.maximum(quantity, 0), values[1] - long, 0)
    worst = np.maximum(gross, np.maximum(long + buys, short + sells))
    reserve = ceil_of(worst, terms.margin) - security
    return Mark._make((long, short, *values, buys + sells, worst - gross, security, reserve, due, *rests))

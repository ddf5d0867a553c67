"""One moment of the market in n futures at once: what `worlds.market.ticks` does, as arrays.

Everything the world knows is covered (market, limit and stop orders, gtc, day and ioc, costs, volume, margin, short
sales, several accounts and currencies), with the same integers: in arrays of int64 where no amount can leave `RANGE`
(`fits` says so beforehand), else in arrays of Python ints, which are exact at any size and some twenty times slower.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...facts import State
from ...worlds.market.actions import Place, Transfer
from ...worlds.market.orders import FREE
from ...worlds.market.properties import facts_of
from .arrays import RANGE, ceil_of, even_share, floor_of, np
from .portfolio import CANCELLED, EXPIRED, FILLED, PARTIAL, REJECTED, Filled, Owned, Portfolio, Slot, Terms, commission

if TYPE_CHECKING:
    from .arrays import Ints, Mask

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)


def tick(portfolio: Portfolio, time: str, bars: Mapping[str, Ints]) -> None:
    """The bars of one moment, for each symbol an array [5, n]: prices in ticks, the volume in hundred-millionths."""
    moment = _Moment(portfolio, time[:10], bars)
    for slot in portfolio.slots:
        if slot.live.any():
            moment.meet(slot)
    moment.settle()


class _Moment:
    """The working copy of a tick."""

    def __init__(self, portfolio: Portfolio, day: str, bars: Mapping[str, Ints]) -> None:
        self.portfolio, self.day, self.bars = portfolio, day, bars
        self.opens = {**portfolio.close, **{symbol: bar[OPEN] for symbol, bar in bars.items()}}
        self.room: dict[str, Ints] = {}
        self.powers: dict[Owned, tuple[Ints, Ints]] = {}  # equity and margin, at opens and prices of trades
        self.last: dict[Owned, Ints] = {}
        self.turned: dict[Owned, Ints] = {}
        portfolio.clock += 1
        portfolio.fills = []

    def meet(self, slot: Slot) -> None:
        """What the tick makes of an order, where it is live."""
        if slot.tif == "day" and slot.day and slot.day != self.day:
            slot.status[slot.live] = EXPIRED
        elif slot.symbol in self.bars:
            self._fill(slot, self.bars[slot.symbol], self.portfolio.terms[slot.symbol])
            if slot.tif == "ioc":
                slot.status[slot.live] = CANCELLED
            slot.day = slot.day or self.day

    def _fill(self, slot: Slot, bar: Ints, terms: Terms) -> None:
        price, reached = fill_price(slot, bar, terms)
        quantity = slot.rest
        if terms.share:
            if slot.symbol not in self.room:
                self.room[slot.symbol] = floor_of(bar[VOLUME], terms.share) // terms.lot
            quantity = np.minimum(quantity, self.room[slot.symbol])
        wanted = slot.live & reached & (quantity > 0)
        if not wanted.any():
            return
        quantity = np.where(wanted, quantity, 0)
        fee = commission(terms, price * quantity * terms.worth, slot.traded)
        taken = wanted & self._take(slot, quantity, price, fee, wanted, terms)
        slot.status[wanted & ~taken] = REJECTED
        if taken.any():
            self._book(slot, np.where(taken, quantity, 0), price, np.where(taken, fee, 0), terms)

    def _take(self, slot: Slot, change: Ints, price: Ints, fee: Ints, wanted: Mask, terms: Terms) -> Mask:
        """Where the trade is covered, or only reduces; taken there, as `worlds.market.power.Power` does."""
        purse, owned = (slot.account, terms.currency), (slot.account, slot.symbol)
        before = self.powers.get(purse) or self._power(purse)
        last = self.last.get(owned, self.opens[slot.symbol])
        held = self.portfolio.held[owned].quantity
        after = held + slot.side * change
        equity = before[0] - fee + held * (price - last) * terms.worth
        margin = before[1] - _margin(held, last, terms) + _margin(after, price, terms)
        reduces = (np.sign(held) * np.sign(after) >= 0) & (np.abs(after) < np.abs(held))
        taken: Mask = wanted & (reduces | (equity >= margin))
        self.powers[purse] = (np.where(taken, equity, before[0]), np.where(taken, margin, before[1]))
        self.last[owned] = np.where(taken, price, last)
        return taken

    def _power(self, purse: Owned) -> tuple[Ints, Ints]:
        """Equity and margin of what is held with the symbols of the tick at their opens."""
        portfolio = self.portfolio
        equity, margin = portfolio.cash[purse], portfolio.full(0)
        for owned in portfolio.of_purse(purse):
            equity = equity + portfolio.value(owned, self.opens)
            margin = margin + _margin(portfolio.held[owned].quantity, self.opens[owned[1]], portfolio.terms[owned[1]])
        return equity, margin

    def _book(self, slot: Slot, quantity: Ints, price: Ints, fee: Ints, terms: Terms) -> None:
        """The trade: what it closes leaves at its share of the cost, the rest opens at the price."""
        purse, held = (slot.account, terms.currency), self.portfolio.held[slot.account, slot.symbol]
        closed = np.where(np.sign(held.quantity) == -slot.side, np.minimum(quantity, np.abs(held.quantity)), 0)
        removed = even_share(held.cost, closed, np.where(closed > 0, np.abs(held.quantity), 1))
        realised = -slot.side * price * closed * terms.worth - removed
        value = price * quantity * terms.worth
        held.cost = held.cost - removed + slot.side * price * (quantity - closed) * terms.worth
        held.quantity = held.quantity + slot.side * quantity
        held.realised, held.fees = held.realised + realised, held.fees + fee
        self.portfolio.cash[purse] = self.portfolio.cash[purse] - fee - slot.side * value
        self.turned[purse] = self.turned.get(purse, self.portfolio.full(0)) + value
        if terms.share:
            self.room[slot.symbol] = self.room[slot.symbol] - quantity
        slot.filled, slot.traded = slot.filled + quantity, slot.traded + value
        traded = quantity > 0
        slot.status[traded] = np.where(slot.filled == slot.quantity, FILLED, PARTIAL)[traded]
        self.portfolio.fills.append(Filled(slot, quantity, price, fee, realised))

    def settle(self) -> None:
        """The new closes, what was traded on the day, and peaks."""
        portfolio = self.portfolio
        portfolio.close |= {symbol: bar[CLOSE] for symbol, bar in self.bars.items()}
        portfolio.slots = [slot for slot in portfolio.slots if slot.live.any()]
        portfolio.forget()
        for purse in portfolio.cash:
            earlier = portfolio.traded[purse] if portfolio.day[purse] == self.day else portfolio.full(0)
            portfolio.traded[purse] = earlier + self.turned[purse] if purse in self.turned else earlier
            portfolio.day[purse] = self.day
            portfolio.peak[purse] = np.maximum(portfolio.peak[purse], portfolio.equity(purse))


def _margin(quantity: Ints, price: Ints, terms: Terms) -> Ints:
    return ceil_of(np.abs(quantity) * price * terms.worth, terms.margin)


def fill_price(slot: Slot, bar: Ints, terms: Terms) -> tuple[Ints, Any]:
    """Prices, and where the bar reaches them; as `worlds.market.fills.fill_price`."""
    buys, opened, own = slot.side > 0, bar[OPEN], slot.price
    if slot.kind == "limit":
        better = opened <= own if buys else opened >= own
        reached = bar[LOW] <= own if buys else bar[HIGH] >= own
        return np.where(better, opened, own), reached
    if slot.kind == "market":
        return _against(opened, bar, buys, terms), True
    beyond = opened >= own if buys else opened <= own
    reached = bar[HIGH] >= own if buys else bar[LOW] <= own
    return _against(np.where(beyond, opened, own), bar, buys, terms), reached


def _against(price: Ints, bar: Ints, buys: bool, terms: Terms) -> Ints:
    """The price moved by half the spread and the slippage against the trader, to the tick, within the bar."""
    moved = ceil_of(price, terms.up) if buys else floor_of(price, terms.down)
    inside: Ints = np.minimum(np.maximum(moved, bar[LOW]), bar[HIGH])
    return inside


def fits(state: State, actions: Iterable[Any], highest: Mapping[str, int], volume: int) -> bool:
    """Whether no amount can leave `RANGE`: all orders filled, at the highest price of their symbol (in ticks)."""
    names = ("instrument", "costs", "position", "order", "cash", "book")
    instruments, costs, positions, orders, cash, books = facts_of(state, *names)
    terms = {key[0]: Terms.of(one, costs.get(key, FREE)) for key, one in instruments.items()}
    wanted = [*orders.values(), *(one for one in actions if type(one) is Place and one.symbol in terms)]
    total = sum(map(abs, cash.values())) + sum(book.traded + abs(book.peak) for book in books.values())
    total += sum(one.traded for one in orders.values())
    total += sum(one.amount for one in actions if type(one) is Transfer)
    total += sum(sum(map(abs, one[1:4])) for one in positions.values())
    lots = dict.fromkeys(terms, 0)
    price = {symbol: highest.get(symbol, 0) for symbol in terms}
    for (_, symbol), one in positions.items():
        lots[symbol] += abs(one.quantity) // terms[symbol].lot
    for one in wanted:
        lots[one.symbol] += one.quantity // terms[one.symbol].lot + 1
        price[one.symbol] = max(price[one.symbol], one.price // terms[one.symbol].tick)
        total += 2 * (terms[one.symbol].per_order + terms[one.symbol].minimum)
    total += sum(8 * lots[symbol] * price[symbol] * of.worth for symbol, of in terms.items())
    return total < RANGE and volume < RANGE and max(lots.values()) < 2**30 and max(price.values()) < RANGE // 4

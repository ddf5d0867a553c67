"""One moment of the market: bars come in, orders fill, everything is marked at the new closes.

In order: the bars are checked; live orders, in the order they were placed (then account, then id), expire,
fill or stay; positions are marked; peaks and days move. A fill that opens something needs, after it,
equity for the margin of what is held, with the tick's symbols at their opens and the traded one at its
price; an order whose fill is not covered is rejected whole. Nothing is ever liquidated. Costs
O(symbols of the tick * accounts + live orders + books), and, for later ticks that meet no order, one pass over the
closes of what is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...facts import Draft
from ..contract import Observation, Outside
from . import accounting
from .actions import Tick, instant
from .errors import BadBar, NotAfter, NotAnAction
from .fills import capacity, commission, fill_price, traded
from .orders import FREE, close_of, instrument_of, well_formed
from .power import Power
from .schema import LIVE, Bar, Book, Costs, Fill, Journal, Order, Position
from .units import MOST, ONE, notional, show
from .valuation import FLAT, NOTHING, due, mark, moved, worst_value

Owned = tuple[str, str]
"""(account, symbol) of a position, or (account, currency) of a book."""
Numbered = tuple[str, int]
"""(account, id) of an order."""
Write = tuple[str, tuple[Any, ...], Any]
Columns = Sequence[Sequence[int]]
"""Open, high, low, close and volume of one symbol, an int for each time."""
Path = list[tuple[int, int, Sequence[int]]]
"""What is held of symbols: the quantity, the close from which it is followed, and the later closes."""
CLOSE = 3
_made: Final = tuple.__new__  # makes a record of a tuple without a call of Python code

_TICK, _BAR = (str, tuple), (str, int, int, int, int, int)


def tick(draft: Draft, action: Tick) -> Observation:
    """What the bars of one moment do."""
    moment = Moment(draft, action.time, _checked(draft, action))
    moment.meet()
    draft.write(moment.settled())
    return {"ok": True, "time": action.time, **moment.said()}


def _checked(draft: Draft, action: Tick) -> dict[str, Bar]:
    """The tick's bars by symbol."""
    well_formed(action, _TICK)
    time, rows = action
    last = draft.get("time", ())
    try:
        now = instant(time)
    except Outside as error:
        raise NotAnAction(error.found, error.expected) from error
    if last is not None and now <= instant(last):
        raise NotAfter(time, f"a time after {last}")
    if not rows or any(type(row) is not tuple or tuple(map(type, row)) != (str, Bar) for row in rows):
        raise NotAnAction(f"{rows!r:.80}", "pairs of a symbol and its Bar, at least one")
    bars = dict(rows)
    if len(bars) < len(rows):
        raise BadBar(f"{len(rows)} bars of {len(bars)} symbols", "each symbol once")
    for symbol, bar in rows:
        well_formed(bar, _BAR)
        problem = _problem(bar, time, instrument_of(draft, symbol).tick)
        if problem:
            raise BadBar(f"{symbol} {bar.time} {' '.join(map(show, bar[1:]))}", problem)
    return bars


def _problem(bar: Bar, time: str, tick: int) -> str:
    """What the bar should be and is not; "" when nothing."""
    at, opened, high, low, close, volume = bar
    if at != time:
        return f"a bar at {time}"
    if not (0 < low <= opened <= high <= MOST and low <= close <= high and 0 <= volume <= MOST):
        return "0 < low <= open, close <= high, and 0 <= volume"
    return f"prices on the tick of {show(tick)}" if opened % tick or high % tick or low % tick or close % tick else ""


class Later(NamedTuple):
    """Bars `start` to `end` of these columns, one of each symbol at each time: later ticks, which meet no order."""

    times: Sequence[str]
    columns: Mapping[str, Columns]
    start: int
    end: int

    def bars(self) -> dict[str, Bar]:
        """The last of them."""
        time, last = self.times[self.end - 1], self.end - 1
        return {symbol: Bar(time, *[column[last] for column in each]) for symbol, each in self.columns.items()}

    def within(self, day: str) -> bool:
        """Whether all of them are of that day."""
        return all(time[:10] == day for time in self.times[self.start : self.end])


class Moment:
    """The working copy of one tick, and of later ones that only move prices: read once and written once."""

    def __init__(self, draft: Draft, time: str, bars: dict[str, Bar]) -> None:
        self.draft, self.time, self.day, self.bars = draft, time, time[:10], bars
        self.now: int = (draft.get("clock", ()) or 0) + 1
        self.cash: dict[Owned, int] = dict(sorted(_selected(draft, "cash")))
        self.books: dict[Owned, Book] = {purse: draft.get("book", purse) or Book() for purse in self.cash}
        self.old_fills: list[Any] = sorted(draft.select("fill"))
        orders = sorted(_selected(draft, "order"), key=_placed)
        self.live: list[tuple[Numbered, Order]] = [row for row in orders if row[1].status in LIVE]
        self.over: list[Numbered] = [key for key, order in orders if order.status not in LIVE]
        self.orders: dict[Numbered, Order] = {}
        self.fills: dict[Numbered, Fill] = {}
        self.positions: dict[Owned, Position] = {}  # those that traded
        self.paid: dict[Owned, int] = {}
        self.traded: dict[Owned, int] = {}
        self.posted: dict[Owned, list[Journal]] = {}
        self.room: dict[str, int | None] = {}  # what may still fill of a symbol's volume
        self.powers: dict[Owned, Power] = {}

    def meet(self) -> bool:
        """Let the live orders meet the bars; whether any is live after that."""
        left = False
        for numbered, order in self.live:
            order = self.orders[numbered] = self.met(numbered, order)
            left = left or order.status in LIVE
        return left

    # --- one order ---------------------------------------------------------------------------------

    def met(self, numbered: Numbered, order: Order) -> Order:
        """What this tick makes of a live order."""
        if order.tif == "day" and order.day and order.day != self.day:
            return order._replace(status="expired")
        bar = self.bars.get(order.symbol)
        if bar is None:
            return order
        after = self._filled(numbered, order, bar)
        if after.status not in LIVE:
            return after
        return after._replace(status="cancelled") if after.tif == "ioc" else after._replace(day=after.day or self.day)

    def _filled(self, numbered: Numbered, order: Order, bar: Bar) -> Order:
        account, symbol = numbered[0], order.symbol
        instrument = instrument_of(self.draft, symbol)
        costs = self.draft.get("costs", (symbol,)) or FREE
        price = fill_price(order, bar, costs, instrument.tick)
        if symbol not in self.room:
            self.room[symbol] = capacity(bar, costs, instrument.lot)
        room, rest = self.room[symbol], order.quantity - order.filled
        quantity = rest if room is None else min(room, rest)
        if price is None or not quantity:
            return order
        value = notional(price, quantity)
        fee = commission(costs, value, order.traded)
        before = self._position((account, symbol))
        change = quantity if order.side == "buy" else -quantity
        held, cost, realised = traded(before.quantity, before.cost, change, price)
        purse = (account, instrument.currency)
        if not self._power(*purse).take(symbol, before.quantity, held, price, instrument.margin, fee):
            return order._replace(status="rejected")
        sums = (held, cost, before.realised + realised, before.fees + fee)
        self.positions[account, symbol] = _made(Position, (*sums, *before[4:]))
        self.paid[purse] = self.paid.get(purse, 0) - fee - (value if order.side == "buy" else -value)
        self.traded[purse] = self.traded.get(purse, 0) + value
        if room is not None:
            self.room[symbol] = room - quantity
        self.posted.setdefault(purse, []).append(accounting.of_fill(before, order.side, quantity, price, fee))
        proof = (order.placed, self.now, bar.low, bar.high, realised)
        self.fills[numbered] = _made(Fill, (symbol, order.side, quantity, price, fee, *proof))
        status = "filled" if quantity == rest else "partial"
        return _made(Order, (*order[:7], order.filled + quantity, status, order.day, order.traded + value))

    def _position(self, owned: Owned) -> Position:
        """The position as it is now in this tick."""
        return self.positions.get(owned) or self.draft.get("position", owned) or FLAT

    def _power(self, account: str, currency: str) -> Power:
        """What the account can cover, from the opens of this tick on."""
        found = self.powers.get((account, currency))
        if found is None:
            found = self.powers[account, currency] = Power(self.books[account, currency])
            for symbol, bar in self.bars.items():
                instrument = instrument_of(self.draft, symbol)
                held = self._position((account, symbol)).quantity if instrument.currency == currency else 0
                if held:
                    found.price(symbol, held, close_of(self.draft, symbol), bar.open, instrument.margin)
        return found

    # --- the whole ---------------------------------------------------------------------------------

    def settled(self, later: Later | None = None) -> Iterator[Write]:
        """Everything the tick changes, and the later ones, too: positions and books at the last closes, money, orders,
        fills, bars."""
        draft, books, bars = self.draft, dict(self.books), later.bars() if later else self.bars
        paths: dict[Owned, Path] = {}
        working: dict[Owned, list[Order]] = {}
        for (account, _), order in self.orders.items():
            of = working.setdefault((account, order.symbol), [])
            if order.status in LIVE:
                of.append(order)
        for owned, currency in self._touched(working):
            account, symbol = owned
            stored = draft.get("position", owned)
            position = self._position(owned)
            if stored is None and position is FLAT:
                continue
            margin, bar, purse = instrument_of(draft, symbol).margin, bars.get(symbol), (account, currency)
            last = close_of(draft, symbol)
            close = bar.close if bar else last
            if owned in working:
                costs = draft.get("costs", (symbol,)) or FREE
                position = _with_orders(position, working[owned], costs, close)
            if later and bar and position.quantity:
                closes = later.columns[symbol][CLOSE][later.start : later.end]
                paths.setdefault(purse, []).append((position.quantity, self.bars[symbol].close, closes))
            old = mark(stored, margin, last) if stored else NOTHING
            books[purse] = moved(books[purse], old, mark(position, margin, close))
            yield "position", owned, position if position != FLAT else None
        for purse, book in books.items():
            yield "book", purse, self._book(purse, book, later, paths.get(purse))
        if self.live or self.over or self.old_fills:
            yield from self._orders(later is not None)
        yield "clock", (), self.now + (later.end - later.start if later else 0)
        yield "time", (), later.times[later.end - 1] if later else self.time
        for symbol, bar in bars.items():
            yield "bar", (symbol,), bar

    def _touched(self, working: Iterable[Owned]) -> dict[tuple[Owned, str], None]:
        """(position, currency) where this tick may change something: in its symbols, and where orders were live."""
        of = {symbol: instrument_of(self.draft, symbol).currency for symbol in self.bars}
        found = [((account, symbol), of[symbol]) for symbol in of for account, has in self.books if has == of[symbol]]
        found += [(owned, instrument_of(self.draft, owned[1]).currency) for owned in working]
        return dict.fromkeys(found)

    def _book(self, purse: Owned, book: Book, later: Later | None, path: Path | None) -> Book:
        """The book at the last closes, after what was paid."""
        equity, day = book.equity + self.paid.get(purse, 0), self.day
        traded = (book.traded if book.day == day else 0) + self.traded.get(purse, 0)
        best = equity + _best(path) if path else equity
        if later:
            day = later.times[later.end - 1][:10]
            traded = traded if traded and day == self.day and later.within(day) else 0
        return _made(Book, (equity, *book[1:10], traded, book.peak if book.peak > best else best, day))

    def _orders(self, over: bool) -> Iterator[Write]:
        """What became of money, orders and fills; with `over` these are gone again at the end."""
        for purse, amount in self.paid.items():
            yield "cash", purse, self.cash[purse] + amount
        for purse, entries in self.posted.items():
            yield "journal", purse, accounting.posted(self.draft.get("journal", purse), *entries)
        for numbered in self.over:
            yield "order", numbered, None
        for numbered in self.old_fills:
            if over or numbered not in self.fills:
                yield "fill", numbered, None
        for numbered, order in self.orders.items():
            yield "order", numbered, None if over else order
        if not over:
            for numbered, fill in self.fills.items():
                yield "fill", numbered, fill

    def said(self) -> dict[str, Any]:
        """Fills, and orders that came to an end without being filled."""
        fills = [
            {
                "account": account,
                "order": id_,
                "symbol": fill.symbol,
                "side": fill.side,
                "quantity": show(fill.quantity),
                "price": show(fill.price),
                "commission": show(fill.commission),
                "realised": show(fill.realised),
            }
            for (account, id_), fill in self.fills.items()
        ]
        ended = [
            {"account": account, "order": id_, "status": order.status}
            for (account, id_), order in self.orders.items()
            if order.status not in LIVE and order.status != "filled"
        ]
        return ({"fills": fills} if fills else {}) | ({"ended": ended} if ended else {})


def _placed(row: tuple[Numbered, Order]) -> tuple[int, Numbered]:
    return row[1].placed, row[0]


def _best(path: Path) -> int:
    """How much more than at the end of these moves the equity was at the best of them, their beginning included."""
    moves = [(quantity, closes[-1], [first, *closes]) for quantity, first, closes in path]
    if len(moves) == 1:
        ((quantity, last, closes),) = moves
        return quantity * ((max if quantity > 0 else min)(closes) - last) // ONE
    gains = ([quantity * (close - last) // ONE for close in closes] for quantity, last, closes in moves)
    return max(map(sum, zip(*gains, strict=True)))


def _selected(draft: Draft, relation: str) -> Iterable[Any]:
    """All facts of a relation, as (key, value)."""
    return draft.select(relation).items()


def _with_orders(position: Position, orders: list[Order], costs: Costs, close: int) -> Position:
    """The position with what is left in its working orders, at their worst."""
    sums = [0, 0, 0, 0, 0]
    for order in orders:
        side = order.side == "sell"
        sums[side] += order.quantity - order.filled
        sums[2 + side] += worst_value(order, close)
        sums[4] += due(order, costs, close)
    return _made(Position, (*position[:4], *sums))

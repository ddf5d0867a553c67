"""An independent check: the same orders on the same bars in backtesting.py, compared bar by bar and trade by trade.

`walk` runs our world and keeps what was ordered; `peer` gives those orders to backtesting.py, as it is and through its
public interface; `differences` compares bars, prices and quantities exactly and money to half a cent, as the peer
counts in binary floating point. Units that were traded are paired first in first out on both sides.

One account, one symbol, whole units. What the peer has no like for (partial fills, an order before its second bar, a
price after costs other than of market orders on one side) raises `Incomparable`; where its rules differ from ours is
in docs/worlds/market.md. Needs the extra `market`.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import zip_longest
from typing import Any, NamedTuple

from ...facts import Error, State
from .actions import MAIN, Cancel, Place, Tick, instant
from .errors import BuyingPower, MarginCall
from .orders import FREE
from .properties import facts_of
from .rules import step
from .schema import LIVE, Bar, Costs, Fill, Instrument, Position
from .units import ONE

HALF_CENT = ONE // 200
UNCOVERED = (BuyingPower.number, MarginCall.number)
"""Refusals for want of equity. The peer judges them when an order would fill, not when it is placed."""

Orders = Mapping[int, Sequence[Place | Cancel]]
"""What was ordered after which bar (the first is 0). An order with the id 0 is one that our world refused."""


class MissingPeer(Error):
    """backtesting.py is not installed."""

    number, title = "WG283", "the independent check is not installed"


class Incomparable(Error):
    """backtesting.py has nothing like it."""

    number, title = "WG284", "cannot be run in backtesting.py"


# --- what is compared -------------------------------------------------------------------------------


class Standing(NamedTuple):
    """An account after a bar, when everything was ordered. Money in hundred-millionths.

    `realised` is before commissions; average cost and first in first out agree on it where nothing is held.
    `working` has the signed quantities of working orders, in the order in which they were placed.
    """

    equity: int
    quantity: int
    fees: int
    realised: int
    working: tuple[int, ...]


class Trade(NamedTuple):
    """Units (negative: sold short) from their entry to their exit; bars are counted from 0."""

    quantity: int
    entered: int
    entry: int
    left: int | None = None
    exit: int | None = None


@dataclass
class Account:
    """What became of an account: after each bar, and its trades, those that are open last."""

    symbol: str
    currency: str
    standings: dict[int, Standing] = field(default_factory=dict)
    closed: list[Trade] = field(default_factory=list)
    open: deque[Trade] = field(default_factory=deque)

    @classmethod
    def of(cls, first: State) -> Account:
        """That of a market before its first bar; raises `Incomparable`."""
        symbol, instrument, _ = _terms(first)
        return cls(symbol, instrument.currency)

    @property
    def trades(self) -> list[Trade]:
        return [*self.closed, *self.open]

    def look(self, state: State, fills: Iterable[Fill]) -> None:
        """Take a state of our world after a bar, and what was filled since the state before, in its order.

        Bars may be left out.
        """
        clock = state.get("clock", ())
        for fill in fills:
            self._pair(fill.at - 1, _signed(fill.side, fill.quantity), fill.price)
        held: Position = state.get("position", (MAIN, self.symbol)) or Position()
        orders = state.select("order")
        self.standings[clock - 1] = Standing(
            state.get("book", (MAIN, self.currency)).equity,
            held.quantity,
            held.fees,
            held.realised,
            tuple(_signed(one.side, one.quantity) for _, one in sorted(orders.items()) if one.status in LIVE),
        )

    def _pair(self, bar: int, change: int, price: int) -> None:
        """A fill closes what was opened first, and opens with what is left of it."""
        while change and self.open and self.open[0].quantity * change < 0:
            first = self.open.popleft()
            part = min(abs(first.quantity), abs(change)) * (1 if first.quantity > 0 else -1)
            self.closed.append(first._replace(quantity=part, left=bar, exit=price))
            if part != first.quantity:
                self.open.appendleft(first._replace(quantity=first.quantity - part))
            change += part
        if change:
            self.open.append(Trade(change, bar, price))


def differences(ours: Account, theirs: Account) -> list[str]:
    """How the two differ, the first bar at which they do and then their trades; nothing when they agree."""
    found: list[str] = []
    begin = min(theirs.standings, default=0)
    for bar, mine in ours.standings.items():
        other = theirs.standings.get(bar)
        if other is None and bar >= begin:
            found.append(f"bar {bar}: {mine}, nothing there")
        elif other is None and (mine.quantity or mine.working):
            found.append(f"bar {bar}: {mine}, before they began")
        elif other is not None and not _alike(mine, other):
            found.append(f"bar {bar}: {mine}, there {other}")
    found = found[:1]
    for number, (one, two) in enumerate(zip_longest(ours.trades, theirs.trades)):
        if one != two:
            return [*found, f"trade {number}: {one}, there {two}"]
    return found


def distance(ours: Account, theirs: Account) -> int:
    """The largest difference of money after any bar, in hundred-millionths."""
    pairs = [(mine, theirs.standings[bar]) for bar, mine in ours.standings.items() if bar in theirs.standings]
    return max((gap for pair in pairs for gap in _gaps(*pair)), default=0)


def _gaps(one: Standing, two: Standing) -> list[int]:
    flat = [] if one.quantity else [abs(one.realised - two.realised)]
    return [abs(one.equity - two.equity), abs(one.fees - two.fees), *flat]


def _alike(one: Standing, two: Standing) -> bool:
    return one.quantity == two.quantity and one.working == two.working and max(_gaps(one, two)) <= HALF_CENT


# --- our side ---------------------------------------------------------------------------------------


class Walk(NamedTuple):
    """A program as it went in our world, over the first `len(account.standings)` of its bars."""

    account: Account
    orders: Orders
    refused: Sequence[str]
    ended: Mapping[str, int]


def walk(
    first: State, bars: Sequence[Bar], decide: Callable[[State], Place | Cancel | None], *, uncovered: bool = False
) -> Walk:
    """Run our world over the bars, from the second on asking for actions until there are none.

    With `uncovered`, orders that are refused for want of equity are kept (with the id 0), to see whether the peer
    cancels them. Ends before the bar at which the account is worth nothing, as the peer would.
    """
    account, state = Account.of(first), first
    orders: dict[int, list[Place | Cancel]] = {}
    refused: list[str] = []
    ended: dict[str, int] = {}
    for number, bar in enumerate(bars):
        state, _, seen, _ = step(state, Tick(bar.time, ((account.symbol, bar),)))
        if not seen["ok"]:
            raise Incomparable(f"bar {number}: {seen['refused']['message']}", "bars that the market takes")
        if state.get("book", (MAIN, account.currency)).equity <= 0:
            break
        fills: list[Fill] = [state.get("fill", (MAIN, fill["order"])) for fill in seen.get("fills", ())]
        for end in seen.get("ended", ()):
            ended[end["status"]] = ended.get(end["status"], 0) + 1
        while number and (action := decide(state)) is not None:
            state, _, seen, _ = step(state, action)
            refusal = seen.get("refused", {}).get("number")
            if refusal not in (None, *UNCOVERED):
                raise Incomparable(f"{action}: {seen['refused']['message']}", "actions that the market takes")
            refused += [refusal] if refusal else []
            if uncovered or not refusal:
                orders.setdefault(number, []).append(action._replace(id=seen.get("order", 0)))
        account.look(state, fills)
    return Walk(account, orders, refused, ended)


def _terms(state: State) -> tuple[str, Instrument, Costs]:
    """The one symbol, and how it trades."""
    instruments, costs = facts_of(state, "instrument", "costs")
    if len(instruments) != 1:
        raise Incomparable(f"{len(instruments)} symbols", "one")
    ((key, instrument),) = instruments.items()
    if list(state.select("cash")) != [(MAIN, instrument.currency)]:
        raise Incomparable(f"cash of {sorted(state.select('cash'))}", f"only that of account {MAIN}")
    terms: Costs = costs.get(key, FREE)
    if instrument.lot % ONE or terms.volume_share or terms.rate >= ONE // 10:
        raise Incomparable(f"{instrument}, {terms}", "whole units, no volume_share, a rate below a tenth")
    return key[0], instrument, terms


# --- their side -------------------------------------------------------------------------------------


def peer(first: State, bars: Sequence[Bar], orders: Orders) -> Account:
    """The account after the same orders in backtesting.py; raises `Incomparable` and `MissingPeer`."""
    if 0 in orders:
        raise Incomparable("an order after the first bar", "none before the second, where the peer begins")
    _, instrument, costs = _terms(first)
    if costs.spread or costs.slippage:
        bars = [*_paid(bars, orders, costs, instrument.tick)]
    follow, expire = _following(orders, [bar.time[:10] for bar in bars])
    return watched(first, bars, type("Follower", (_library().Strategy,), {"init": _nothing, "next": follow}), expire)


def _following(orders: Orders, days: Sequence[str]) -> tuple[Callable[[Any], None], Callable[[Any], None]]:
    """What a strategy does after a bar to place these orders; and, when all is looked at, to end those of the day."""
    placed: dict[int, tuple[int, Place]] = {}

    def follow(strategy: Any) -> None:
        now = len(strategy.data) - 1
        for order in strategy.orders:
            if placed[order.tag][1].tif == "ioc":
                order.cancel()
        for action in orders.get(now, ()):
            if isinstance(action, Cancel):
                for order in strategy.orders:
                    if order.tag == action.id:
                        order.cancel()
            else:
                placed[action.id] = now, action
                _order(strategy, action)

    def expire(strategy: Any) -> None:
        now = len(strategy.data) - 1
        for order in strategy.orders if days[now : now + 1] != days[now + 1 : now + 2] else ():
            at, action = placed[order.tag]
            if action.tif == "day" and at < now:
                order.cancel()

    return follow, expire


def watched(
    first: State, bars: Sequence[Bar], strategy: type, after: Callable[[Any], None] = lambda _: None
) -> Account:
    """The account of a backtesting.py strategy on the terms of our market, but for spread and slippage.

    `after` is called when a bar has been looked at.
    """
    library, account = _library(), Account.of(first)
    _, instrument, costs = _terms(first)
    cash = first.get("cash", (MAIN, instrument.currency)) / ONE
    seen, realised = 0, 0.0

    def turn(self: Any) -> None:
        nonlocal seen, realised
        strategy.next(self)  # type: ignore[attr-defined]
        closed = self.closed_trades
        realised += sum(trade.size * (trade.exit_price - trade.entry_price) for trade in closed[seen:])
        seen = len(closed)
        unrealised = sum(trade.size * (self.data.Close[-1] - trade.entry_price) for trade in self.trades)
        account.standings[len(self.data) - 1] = Standing(
            _exact(self.equity),
            self.position.size * ONE,
            _exact(cash + realised + unrealised - self.equity),
            _exact(realised),
            tuple(int(order.size) * ONE for order in self.orders if order.tag != 0),
        )
        after(self)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test = library.Backtest(
            _frame(bars),
            type("Watched", (strategy,), {"next": turn}),
            cash=cash,
            margin=instrument.margin / ONE,
            commission=_commission(costs),
        )
        ran = test.run()["_strategy"]
    account.closed, account.open = [*map(_trade, ran.closed_trades)], deque(map(_trade, ran.trades))
    return account


def _library() -> Any:
    os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import backtesting
    except ImportError as error:
        raise MissingPeer(str(error), "backtesting.py", "Install worldgate[market]") from error
    return backtesting


def _nothing(_: Any) -> None: ...


def _order(strategy: Any, action: Place) -> None:
    placed = strategy.buy if action.side == "buy" else strategy.sell
    price = {} if action.kind == "market" else {action.kind: action.price / ONE}
    placed(size=action.quantity // ONE, tag=action.id, **price)


def _commission(costs: Costs) -> Any:
    """The peer charges it for each trade that an order opens or closes; a minimum needs a function."""
    least, fixed, rate = costs.minimum / ONE, costs.per_order / ONE, costs.rate / ONE
    if not least:
        return fixed, rate
    return lambda size, price: max(least, fixed + rate * abs(size) * price)


def _paid(bars: Sequence[Bar], orders: Orders, costs: Costs, tick: int) -> Iterator[Bar]:
    """The bars as one sees them who trades at their opens: moved against the trader, on the tick, within the bar.

    The peer's own spread is paid on entries alone and never rounded, so the prices are made here, in decimals.
    """
    part = Decimal(costs.spread) / (2 * ONE) + Decimal(costs.slippage) / ONE
    for number, bar in enumerate(bars):
        actions = orders.get(number - 1, ())
        sides = {action.side if isinstance(action, Place) and action.kind == "market" else "" for action in actions}
        if len(sides) > 1 or "" in sides:
            raise Incomparable(f"orders after bar {number - 1}", "market orders of one side, where prices have costs")
        for side in sides:
            sign, rounding = (1, ROUND_CEILING) if side == "buy" else (-1, ROUND_FLOOR)
            moved = int((bar.open * (1 + sign * part) / tick).to_integral_value(rounding)) * tick
            bar = bar._replace(open=max(bar.low, min(bar.high, moved)))
        yield bar


def _frame(bars: Sequence[Bar]) -> Any:
    import pandas

    index = pandas.DatetimeIndex([instant(bar.time).replace(tzinfo=None) for bar in bars])
    names = {name: name.capitalize() for name in Bar._fields[1:]}
    return pandas.DataFrame(
        {title: [getattr(bar, name) / ONE for bar in bars] for name, title in names.items()}, index=index
    )


def _trade(trade: Any) -> Trade:
    left = {} if trade.exit_price is None else {"left": trade.exit_bar, "exit": _exact(trade.exit_price)}
    return Trade(int(trade.size) * ONE, int(trade.entry_bar), _exact(trade.entry_price), **left)


def _exact(value: float) -> int:
    return round(value * ONE)


def _signed(side: str, quantity: int) -> int:
    return quantity if side == "buy" else -quantity

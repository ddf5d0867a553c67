"""Random workloads: they look at the state, and move the market themselves.

Prices are a random walk of whole ticks. `everyday` buys, sells and sometimes waits for its price;
`turns` closes exactly, flips through nothing, sells short, goes to the edge of its equity and cancels;
`adversarial` repeats ids, oversells, is off the tick and late, and now and then does something sensible.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random

from ...facts import State
from ..contract import Driver
from .actions import MAIN, Cancel, Place, Tick, Transfer, instant
from .properties import facts_of
from .schema import LIVE, SIDES, TIFS, Bar, Instrument, Position
from .units import ONE
from .valuation import FLAT


def everyday(state: State, random: Random) -> str:
    """Ticks, modest orders of each kind, cancels and transfers; most are taken."""
    symbol, account = _pair(state, random)
    chance = random.random()
    if chance < 0.4 or state.get("bar", (symbol,)) is None:
        return _tick(state, random)
    if chance < 0.48 and (live := _live(state)):
        return str(random.choice(live))
    if chance < 0.53:
        currency = _instrument(state, symbol).currency
        return str(Transfer(random.choice(("deposit", "withdraw")), random.randint(1, 500) * ONE, currency, account))
    position = _position(state, account, symbol)
    free = position.quantity - position.selling
    if free > 0 and random.random() < 0.5:
        return _order(state, random, account, symbol, "sell", _lots(state, random, symbol, free))
    afford = max(state.get("book", (account, _instrument(state, symbol).currency)).equity, 0) // 8
    return _order(state, random, account, symbol, "buy", _lots(state, random, symbol, _worth(state, symbol, afford)))


def turns(state: State, random: Random) -> str:
    """Positions closed exactly, flipped, opened short; orders as large as equity allows; many cancels."""
    symbol, account = _pair(state, random)
    chance = random.random()
    if chance < 0.35 or state.get("bar", (symbol,)) is None:
        return _tick(state, random)
    if chance < 0.5 and (live := _live(state)):
        return str(random.choice(live))
    position = _position(state, account, symbol)
    rest = position.quantity - position.selling if position.quantity > 0 else position.quantity + position.buying
    if rest and chance < 0.85 and rest * position.quantity > 0:
        side = "sell" if rest > 0 else "buy"
        times = random.choice((1, 1, 2)) if state.get("shorting", (account,)) else 1
        return _order(state, random, account, symbol, side, abs(rest) * times)
    side = random.choice(SIDES) if state.get("shorting", (account,)) else "buy"
    book = state.get("book", (account, _instrument(state, symbol).currency))
    amount = max(book.equity - book.margin - book.reserve, 0) // random.choice((1, 2, 2, 3))
    return _order(state, random, account, symbol, side, _lot(state, symbol, _worth(state, symbol, amount)))


def adversarial(state: State, random: Random) -> str:
    """What should be refused, mixed with what should not."""
    symbol, account = _pair(state, random)
    last = state.get("sequence", (account,))
    instrument = _instrument(state, symbol)
    lot, close = instrument.lot, state.get("bar", (symbol,))
    price = close.close if close else ONE
    if random.random() < 0.45:
        return everyday(state, random)
    wrong = (
        Place("sell", lot * random.randint(1, 10**6), symbol, account=account),
        Place("buy", lot * 10**7, symbol, account=account),
        Place("buy", lot, symbol, id=max(last, 1), account=account),
        Place("buy", lot, symbol, id=last + random.randint(1, 5), account=account),
        Place("buy", lot + 1, symbol, account=account),
        Place("buy", 0, symbol, account=account),
        Place("buy", lot, symbol, "limit", price + 1, account=account),
        Place("buy", lot, "NONE", account=account),
        Place("buy", lot, symbol, account="nobody"),
        Place("sell", lot, symbol, "stop", max(price // 2 // instrument.tick, 1) * instrument.tick, account=account),
        Cancel(last + random.randint(-2, 2) if last > 2 else 1, account),
        Transfer("withdraw", random.randint(1, 100_000) * ONE, instrument.currency, account),
        Transfer("deposit", random.choice((0, ONE)), random.choice(("USD", "XXX")), account),
        Tick(state.get("time", ()) or "2024-01-02", ((symbol, Bar("", price, price, price, price, 0)),)),
        Tick("2099-01-01", ((symbol, Bar("", price, price - 1, price, price, 0)),)),
        Tick("2099-01-01", ((symbol, Bar("", price + 1, 10**15, 1, price, 0)),)),
    )
    return str(random.choice(wrong))


DRIVERS: Mapping[str, Driver] = {"everyday": everyday, "adversarial": adversarial, "turns": turns}


def _tick(state: State, random: Random) -> str:
    """The next hour, or the next morning; most symbols have a bar."""
    last = state.get("time", ())
    now = instant(last or "2024-01-02T09:00:00Z") + timedelta(hours=1)
    if now.hour > 15:
        now += timedelta(hours=18)
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    symbols = _symbols(state)
    chosen = [symbol for symbol in symbols if random.random() < 0.8] or symbols[:1]
    return str(Tick(time, tuple((symbol, _bar(state, random, symbol, time)) for symbol in chosen)))


def _bar(state: State, random: Random, symbol: str, time: str) -> Bar:
    instrument = _instrument(state, symbol)
    last = state.get("bar", (symbol,))
    at = last.close // instrument.tick if last else 2_000 + 1_000 * len(symbol)
    reach = max(at // 50, 3)
    opened = max(at + random.randint(-reach, reach) // 2, 2)
    close = max(opened + random.randint(-reach, reach), 2)
    high = max(opened, close) + random.randint(0, reach)
    low = max(min(opened, close) - random.randint(0, reach), 1)
    opened, high, low, close = (amount * instrument.tick for amount in (opened, high, low, close))
    return Bar(time, opened, high, low, close, random.choice((0, 20, 100, 1_000, 50_000)) * instrument.lot)


def _order(state: State, random: Random, account: str, symbol: str, side: str, quantity: int) -> str:
    kind = random.choice(("market", "market", "limit", "stop"))
    tick = _instrument(state, symbol).tick
    close = state.get("bar", (symbol,)).close // tick
    away = random.randint(-2, 6) * max(close // 200, 1) * (1 if kind == "limit" else -1)
    price = 0 if kind == "market" else max(close - away if side == "buy" else close + away, 1) * tick
    return str(Place(side, quantity, symbol, kind, price, random.choice(("gtc", "gtc", *TIFS)), account=account))


def _pair(state: State, random: Random) -> tuple[str, str]:
    """A symbol, and an account that has its currency."""
    symbol = random.choice(_symbols(state))
    currency = _instrument(state, symbol).currency
    (cash,) = facts_of(state, "cash")
    return symbol, random.choice([account for account, of in cash if of == currency] or [MAIN])


def _symbols(state: State) -> list[str]:
    (instruments,) = facts_of(state, "instrument")
    return [symbol for (symbol,) in instruments]


def _live(state: State) -> list[Cancel]:
    """The orders that can be cancelled."""
    (orders,) = facts_of(state, "order")
    return [Cancel(id_, account) for (account, id_), order in orders.items() if order.status in LIVE]


def _instrument(state: State, symbol: str) -> Instrument:
    found: Instrument = state.get("instrument", (symbol,))
    return found


def _position(state: State, account: str, symbol: str) -> Position:
    found: Position | None = state.get("position", (account, symbol))
    return found or FLAT


def _worth(state: State, symbol: str, amount: int) -> int:
    """How much of the symbol that amount buys at its close."""
    return int(amount * ONE // state.get("bar", (symbol,)).close)


def _lot(state: State, symbol: str, quantity: int) -> int:
    lot = _instrument(state, symbol).lot
    return max(quantity // lot, 1) * lot


def _lots(state: State, random: Random, symbol: str, most: int) -> int:
    """Some whole lots, at most that many, and one at least."""
    lot = _instrument(state, symbol).lot
    return random.randint(1, max(most // lot, 1)) * lot

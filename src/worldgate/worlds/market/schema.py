"""The facts of a market: what is true now, and nothing that has not happened yet.

Amounts are ints in hundred-millionths (`units.ONE`); times are RFC 3339 or date text. Bars enter as
values of the `tick` action, so no state, and nothing derived from one, can see ahead.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_type_hints

from ...facts import BOOL, INT, TEXT, Relation, Schema, Type, enum, record, ref

SIDES = ("buy", "sell")
KINDS = ("market", "limit", "stop")
TIFS = ("gtc", "day", "ioc")
LIVE = ("working", "partial")
STATUSES = (*LIVE, "filled", "cancelled", "expired", "rejected")


class Instrument(NamedTuple):
    """What a symbol is: prices are multiples of `tick`, quantities of `lot`; `margin` is the fraction
    of an exposure that equity must cover to open it (`ONE`: all of it; half of that: twice the equity)."""

    currency: str
    tick: int
    lot: int
    margin: int


class Costs(NamedTuple):
    """What trading costs. `rate`, `spread` (the whole of it; a trade pays half), `slippage` and `volume_share` are
    fractions; `per_order` and `minimum` (of an order's commissions) are money; at most `volume_share` of a bar's volume
    fills (0: no limit)."""

    rate: int = 0
    per_order: int = 0
    minimum: int = 0
    spread: int = 0
    slippage: int = 0
    volume_share: int = 0


class Bar(NamedTuple):
    """One bar of a symbol."""

    time: str
    open: int
    high: int
    low: int
    close: int
    volume: int


class Position(NamedTuple):
    """What an account has in a symbol.

    `quantity` is signed, and `cost` the signed cost of exactly what is held; `realised` (before
    commissions) and `fees` are sums so far. `buying` and `selling` are the quantities in working
    orders; `buying_value` and `selling_value` what they are worth at the latest close, or at their own
    price where that is higher; `due` the commissions that they cost at that value.
    """

    quantity: int = 0
    cost: int = 0
    realised: int = 0
    fees: int = 0
    buying: int = 0
    selling: int = 0
    buying_value: int = 0
    selling_value: int = 0
    due: int = 0


class Book(NamedTuple):
    """What an account has in a currency, valued at the latest closes.

    `equity` is cash + `long` - `short`, the market values (not negative) of what is held. `buying` and
    `selling` are the worst-case values of all working orders; `opening` of the part of them that would
    open or extend something; `working` is how much the gross exposure grows if they fill in the worst
    way. `margin` is the security that the holdings ask for, `reserve` what `working` adds to it; `due`
    are the commissions of all working orders at those values. `traded` is the notional filled on `day`,
    `peak` the highest equity at any tick.
    """

    equity: int = 0
    long: int = 0
    short: int = 0
    buying: int = 0
    selling: int = 0
    opening: int = 0
    working: int = 0
    margin: int = 0
    reserve: int = 0
    due: int = 0
    traded: int = 0
    peak: int = 0
    day: str = ""


class Order(NamedTuple):
    """An order: `price` is 0 for a market order; `placed` the clock then, `filled` the quantity so far and `traded`
    its value; `day` the date of the first bar that it met ("" before), at whose end a day order expires."""

    symbol: str
    side: str
    kind: str
    quantity: int
    price: int
    tif: str
    placed: int
    filled: int = 0
    status: str = "working"
    day: str = ""
    traded: int = 0


class Fill(NamedTuple):
    """What filled at the latest tick, and the proof: `at` > `placed` (clocks) and `low` <= `price` <= `high`."""

    symbol: str
    side: str
    quantity: int
    price: int
    commission: int
    placed: int
    at: int
    low: int
    high: int
    realised: int


class Journal(NamedTuple):
    """The ledgers of an account in a currency, as balances or as what is posted to them; debits are positive.

    Cash and inventory are what the account has (`inventory` at cost, negative for what is owed from short sales),
    `fees` what trading cost; `capital` (paid in) and `realised` (earned) are credits, negative when money came in.
    """

    cash: int = 0
    inventory: int = 0
    realised: int = 0
    fees: int = 0
    capital: int = 0


AMOUNT = Type("int", places=8)
_COUNTED = frozenset({"placed", "at"})
"""Clocks; every other int of a record is an amount."""


def _record(made: type[tuple[Any, ...]], **types: Type) -> Type:
    amounts = {name: AMOUNT for name, kind in get_type_hints(made).items() if kind is int and name not in _COUNTED}
    return record(made, **amounts, **types)


ACCOUNT, SYMBOL, CURRENCY = (("account", ref("account")), ("symbol", ref("symbol")), ("currency", ref("currency")))

SCHEMA = Schema(
    "market",
    "2",
    [
        Relation("instrument", (SYMBOL,), _record(Instrument, currency=ref("currency"))),
        Relation("costs", (SYMBOL,), _record(Costs)),
        Relation("shorting", (ACCOUNT,), BOOL),
        Relation("clock", (), INT),
        Relation("time", (), TEXT),
        Relation("bar", (SYMBOL,), _record(Bar)),
        Relation("cash", (ACCOUNT, CURRENCY), AMOUNT, index=(0,)),
        Relation("position", (ACCOUNT, SYMBOL), _record(Position)),
        Relation("book", (ACCOUNT, CURRENCY), _record(Book)),
        Relation("sequence", (ACCOUNT,), INT),
        Relation(
            "order",
            (ACCOUNT, ("id", INT)),
            _record(
                Order,
                symbol=ref("symbol"),
                side=enum(*SIDES),
                kind=enum(*KINDS),
                tif=enum(*TIFS),
                status=enum(*STATUSES),
            ),
            index=(0,),
        ),
        Relation("fill", (ACCOUNT, ("order", INT)), _record(Fill, symbol=ref("symbol"), side=enum(*SIDES)), index=(0,)),
        Relation("journal", (ACCOUNT, CURRENCY), _record(Journal)),
    ],
)

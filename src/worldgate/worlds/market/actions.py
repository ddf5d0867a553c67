"""The actions of a market and their one text form; whatever else is said is `Outside`.

    buy 10 GOOG                           sell 5 GOOG stop 90 day id 12 account alice
    cancel 12                             deposit 1000 USD
    tick 2013-01-02 GOOG 357.38 361.15 355.96 359.29 5115500; MSFT 1 2 0.5 1.5 10

`str(action)` is canonical and parses to an equal action. An action may be made directly; `step`
then checks what `parse` would have.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from ..contract import Outside
from .schema import Bar
from .units import BadAmount, parse_amount, show

GRAMMAR = """\
buy|sell QUANTITY SYMBOL [limit PRICE | stop PRICE] [gtc|day|ioc] [id NUMBER] [account NAME]
cancel NUMBER [account NAME]
Quantities are multiples of the symbol's lot and prices of its tick. Orders fill at a later bar, never at this one.
Bars, deposits and withdrawals come from outside; a plan with one is refused."""
_FORMS = "; ".join(GRAMMAR.splitlines()[:2])
MAIN = "main"
NAME = r"[A-Za-z0-9][A-Za-z0-9._^=/-]{0,63}"
LARGEST_ID = 10**15 - 1
LARGEST_GAP = 10**6
"""Between one order's id and the next: a slip does not use up all ids."""
_SHORT = 80
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2}))?"
_AMOUNT = r"[0-9]{1,21}(?:\.[0-9]{1,8})?"
_OWNER = rf"(?: account (?P<account>{NAME}))?"


class Place(NamedTuple):
    """An order. `id` 0 takes the account's next one; `price` is that of a limit or stop order."""

    side: str
    quantity: int
    symbol: str
    kind: str = "market"
    price: int = 0
    tif: str = "gtc"
    id: int = 0
    account: str = MAIN

    def __str__(self) -> str:
        kind = "" if self.kind == "market" else f" {self.kind} {show(self.price)}"
        tif = "" if self.tif == "gtc" else f" {self.tif}"
        id_ = f" id {self.id}" if self.id else ""
        return f"{self.side} {show(self.quantity)} {self.symbol}{kind}{tif}{id_}{_of(self.account)}"


class Cancel(NamedTuple):
    """End a working order."""

    id: int
    account: str = MAIN

    def __str__(self) -> str:
        return f"cancel {self.id}{_of(self.account)}"


class Transfer(NamedTuple):
    """Money into an account (`verb` deposit) or out of it (withdraw)."""

    verb: str
    amount: int
    currency: str
    account: str = MAIN

    def __str__(self) -> str:
        return f"{self.verb} {show(self.amount)} {self.currency}{_of(self.account)}"


class Tick(NamedTuple):
    """One moment of the market: the bars that ended at `time`, one for each symbol that has one."""

    time: str
    bars: tuple[tuple[str, Bar], ...]

    def __str__(self) -> str:
        rows = (f"{symbol} {' '.join(show(amount) for amount in bar[1:])}" for symbol, bar in self.bars)
        return f"tick {self.time} {'; '.join(rows)}"


Action = Place | Cancel | Transfer | Tick

_PLACE = re.compile(
    rf"(?P<side>buy|sell) (?P<quantity>{_AMOUNT}) (?P<symbol>{NAME})(?: (?P<kind>limit|stop) (?P<price>{_AMOUNT}))?"
    rf"(?: (?P<tif>day|ioc|gtc))?(?: id (?P<id>[1-9][0-9]{{0,14}}))?{_OWNER}",
    re.ASCII,
)
_CANCEL = re.compile(rf"cancel (?P<id>[1-9][0-9]{{0,14}}){_OWNER}", re.ASCII)
_TRANSFER = re.compile(rf"(?P<verb>deposit|withdraw) (?P<amount>{_AMOUNT}) (?P<currency>{NAME}){_OWNER}", re.ASCII)
_TICK = re.compile(rf"tick (?P<time>{_TIME}) (?P<rows>.+)", re.ASCII | re.DOTALL)
_ROW = re.compile(rf"({NAME}) ({_AMOUNT}) ({_AMOUNT}) ({_AMOUNT}) ({_AMOUNT}) ({_AMOUNT})", re.ASCII)
_MOMENT = re.compile(_TIME, re.ASCII)


def _place(found: dict[str, str]) -> Place:
    given = {name: text for name, text in found.items() if name in ("side", "symbol", "kind", "tif", "account")}
    price = parse_amount(found["price"], "price") if "price" in found else 0
    return Place(quantity=parse_amount(found["quantity"], "quantity"), price=price, id=int(found.get("id", 0)), **given)


def _cancel(found: dict[str, str]) -> Cancel:
    return Cancel(int(found["id"]), found.get("account", MAIN))


def _transfer(found: dict[str, str]) -> Transfer:
    amount = parse_amount(found["amount"], "amount")
    return Transfer(found["verb"], amount, found["currency"], found.get("account", MAIN))


def _tick(found: dict[str, str]) -> Tick:
    instant(found["time"])
    bars: dict[str, Bar] = {}
    for row in found["rows"].split("; "):
        match = _ROW.fullmatch(row)
        if match is None or match[1] in bars:
            raise Outside(f"{row!r:.80}", "SYMBOL OPEN HIGH LOW CLOSE VOLUME, each symbol once")
        bars[match[1]] = Bar(found["time"], *(parse_amount(text, match[1]) for text in match.groups()[1:]))
    return Tick(found["time"], tuple(bars.items()))


_GRAMMAR = ((_PLACE, _place), (_CANCEL, _cancel), (_TRANSFER, _transfer), (_TICK, _tick))


def parse(text: str) -> Action:
    """The action of a text; raises `Outside`."""
    return _parsed_before(text) if len(text) <= _SHORT else _parsed(text)


def _parsed(text: str) -> Action:
    for pattern, make in _GRAMMAR:
        if match := pattern.fullmatch(text):
            try:
                return make({name: part for name, part in match.groupdict().items() if part is not None})
            except BadAmount as error:
                raise Outside(error.found, error.expected) from error
    raise Outside(f"{text!r:.80}", "buy, sell, cancel, deposit, withdraw or tick", f"The forms: {_FORMS}.")


_parsed_before = lru_cache(maxsize=4096)(_parsed)


@lru_cache(4096)
def instant(time: str) -> datetime:
    """The moment a time stands for (a date: its beginning, UTC). Raises `Outside` when it is not one."""
    if _MOMENT.fullmatch(time):
        try:
            found = datetime.fromisoformat(time)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        except ValueError:
            pass
    raise Outside(f"{time!r:.40}", "a date, or a date and time as RFC 3339 writes it")


def _of(account: str) -> str:
    return "" if account == MAIN else f" account {account}"

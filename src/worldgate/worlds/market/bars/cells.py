"""Cells: the text of a file as numbers in hundred-millionths, and as times."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from ..units import LARGEST, ONE, show
from .errors import BadBars, BadPrice, BadRequest, BadTime, OffTick

LARGEST_PRICE = 2**63 - 1
_MEMO = 1 << 14
"""Distinct texts whose values are remembered."""
_PLAIN = re.compile(r"([0-9]{1,21})(?:\.([0-9]{0,8}))?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,60})?|\.[0-9]{1,60})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.ASCII,
)


class Unusable(Exception):
    """A cell that cannot be read, and the error to raise once it is known where it stands."""

    def __init__(self, cell: object, kind: type[BadBars], found: str, expected: str, do: str = "") -> None:
        super().__init__(cell, kind, found, expected, do)
        self.cell, self.kind, self.found, self.expected, self.do = cell, kind, found, expected, do


class Memo(dict[Any, Any]):
    """Values of a function, remembered: prices and times repeat, and reading one costs more than looking it up."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def __missing__(self, given: Any) -> Any:
        value = self.function(given)
        if len(self) < _MEMO:
            self[given] = value
        return value


class Numbers:
    """Readers of prices, one for each tick, and of volumes."""

    def __init__(self, tick: int | Mapping[str, int], nearest: bool) -> None:
        for one in tick.values() if isinstance(tick, Mapping) else (tick,):
            if type(one) is not int or one < 1:
                raise BadRequest(f"tick {one!r}", "a positive int, in hundred-millionths")
        self.tick = tick
        self.by_tick = Memo(lambda one: Memo(_number(one, nearest, 1, LARGEST_PRICE)))
        self.volume = _number(1, nearest, 0, LARGEST * ONE)

    def price(self, symbol: str) -> Callable[[str | None], int]:
        if isinstance(self.tick, Mapping) and symbol not in self.tick:
            raise BadRequest(f"no tick for {symbol}", "one for every symbol that is read")
        tick = self.tick[symbol] if isinstance(self.tick, Mapping) else self.tick
        reader: Callable[[str | None], int] = self.by_tick[tick].__getitem__
        return reader


def _number(tick: int, nearest: bool, smallest: int, largest: int) -> Callable[[str | None], int]:
    """Reads a multiple of `tick`, in hundred-millionths; raises `Unusable`."""

    def read(cell: str | None) -> int:
        if match := _PLAIN.fullmatch(cell or ""):
            value = int(match[1] + (match[2] or "").ljust(8, "0"))
            if smallest <= value <= largest and not value % tick:
                return value
        text = (cell or "").strip()
        if not _DECIMAL.fullmatch(text):
            raise Unusable(cell, BadPrice, f"{text!r:.60}" if text else "nothing", "a decimal number")
        multiple = Fraction(text) * ONE / tick
        value = round(multiple) * tick
        if value != multiple * tick and not nearest:
            do = '`--rounding nearest` (rounding="nearest") rounds it'
            raise Unusable(cell, OffTick, f"{text:.60}", f"a multiple of {show(tick)}", do)
        if not smallest <= value <= largest:
            raise Unusable(cell, BadPrice, f"{text:.60}", f"a number from {show(smallest)} to {show(largest)}")
        return value

    return read


def moment(cell: str | None) -> str:
    """A date as it stands; a time with a zone in UTC, with Z; a time without one as it stands. Raises `Unusable`."""
    text = (cell or "").strip()
    match = _TIME.fullmatch(text)
    if match and not (match[1] or "")[6:].strip("0"):
        try:
            found = datetime.fromisoformat(text)
            if len(text) == 10:
                return text
            if len(text) == 19:  # all that is not needed is left out: most files of a million rows look like this
                return f"{text[:10]}T{text[11:]}"
            return found.astimezone(UTC).isoformat()[:-6] + "Z" if match[2] else found.isoformat()
        except (ValueError, OverflowError):
            pass
    expected = "a date (2013-01-02) or a date and time (2013-01-02T09:30:00Z) to the microsecond"
    raise Unusable(cell, BadTime, f"{text!r:.60}" if text else "nothing", expected)

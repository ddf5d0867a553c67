"""Series: the bars of one symbol as they were given, and many of them put on one time axis."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, pairwise
from operator import lt
from typing import Any

from ..actions import NAME
from ..units import LARGEST, ONE
from .cells import LARGEST_PRICE, Unusable, moment
from .errors import BadPrice, BadTime, Disorder, Duplicate, Gap, NoBars, NotATable

FIELDS = ("open", "high", "low", "close", "volume")
Columns = Sequence[Sequence[int]]
"""The five of `FIELDS`, in hundred-millionths."""
SYMBOL = re.compile(NAME, re.ASCII)


@dataclass
class Series:
    """The bars of one symbol as they stand in a file; `rows` says where, for messages."""

    symbol: str
    file: str
    where: Callable[[int], str]
    times: list[str] = field(default_factory=list)
    rows: Any = field(default_factory=lambda: array("q"))
    columns: list[Any] = field(default_factory=lambda: [*(array("q") for _ in range(4)), []])

    def place(self, index: int) -> str:
        return f"{self.file}, {self.where(self.rows[index])}"


def series_of(symbol: str, times: Sequence[str], columns: Columns) -> Series:
    """The series of columns that come from code. Raises as reading them from a file would."""
    file = f"columns of {symbol!r}"
    if not SYMBOL.fullmatch(symbol):
        raise no_symbol(symbol, file)
    for name, column in zip(FIELDS, columns, strict=True):
        smallest, largest = (0, LARGEST * ONE) if name == "volume" else (1, LARGEST_PRICE)
        for at, value in enumerate(column):
            if type(value) is not int or not smallest <= value <= largest:
                raise BadPrice(f"{file}, bar {at}, {name}: {value!r:.60}", f"an int from {smallest} to {largest}")
    wrong = contradiction(*columns[:4])
    if wrong is not None:
        found = [column[wrong] for column in columns[:4]]
        raise BadPrice(f"{file}, bar {wrong}: {found}", "open and close from low to high")
    try:
        moments = list(map(moment, times))
    except Unusable as bad:
        raise bad.kind(f"{file}: {bad.found}", bad.expected) from None
    return Series(symbol, file, lambda row: f"bar {row}", moments, range(len(times)), list(columns))


def no_symbol(name: str, place: str) -> NotATable:
    return NotATable(f"{place}: symbol {name!r:.60}", NAME, "Give {symbol: path} to name a file's symbol")


def contradiction(opens: Sequence[int], highs: Sequence[int], lows: Sequence[int], closes: Sequence[int]) -> int | None:
    """The first bar whose open or close is not within its low and high."""
    for at, (open_, high, low, close) in enumerate(zip(opens, highs, lows, closes, strict=True)):
        if not low <= open_ <= high or not low <= close <= high:
            return at
    return None


_KINDS = {10: "a date", 19: "a time without a zone", 26: "a time without a zone"} | dict.fromkeys(
    (20, 27), "a time with a zone"
)
"""What `moment` returns, by its length."""


def _settled(all_series: Sequence[Series]) -> list[list[str]]:
    """The times so that their texts sort as the moments do: all dates, or all RFC 3339 in UTC and of one length.

    Times without a zone are UTC; when all of them are midnight they are dates (which pandas stores that way).
    """
    given = [series.times for series in all_series]
    lengths = {length for times in given for length in set(map(len, times))}
    if lengths == {10} or lengths == {20}:
        return given
    if lengths <= {10, 19} and all(time[10:] in ("", "T00:00:00") for times in given for time in times):
        return [[time[:10] for time in times] for times in given]
    if len({_KINDS[length] for length in lengths}) > 1:
        first = _KINDS[len(given[0][0])]
        series, at = next(
            (series, at) for series in all_series for at, time in enumerate(series.times) if _KINDS[len(time)] != first
        )
        found = f"{series.place(at)}: {series.times[at]}, {_KINDS[len(series.times[at])]}"
        raise BadTime(found, f"{first}, as in {all_series[0].place(0)}")
    end = ".000000Z" if max(lengths) > 20 else "Z"
    return [[time.removesuffix("Z") + (end if len(time) < 26 else "Z") for time in times] for times in given]


def assembled(
    all_series: Sequence[Series], gaps: str, longest_gap: timedelta | None
) -> tuple[tuple[str, ...], Mapping[str, Columns]]:
    """One axis for all, and the columns on it; raises `Duplicate`, `Disorder`, `Gap` or `BadTime`."""
    if not any(series.times for series in all_series):
        raise NoBars("no bars", "one bar at least")
    settled = _settled(all_series)
    for series, own in zip(all_series, settled, strict=True):
        _check_order(series, own)
    axis = settled[0] if all(own == settled[0] for own in settled) else sorted(set().union(*settled))
    times = {series.symbol: own for series, own in zip(all_series, settled, strict=True)}
    columns = {}
    for series in sorted(all_series, key=lambda series: series.symbol):
        own = times[series.symbol]
        if own != axis and gaps == "refuse":
            at = next(
                (at for at, (time, on_axis) in enumerate(zip(own, axis, strict=False)) if time != on_axis), len(own)
            )
            place = series.place(at) if at < len(own) else f"{series.file}, the end"
            do = '`--gaps leave` (gaps="leave") leaves the symbol out of that tick'
            raise Gap(f"{place}: no bar of {series.symbol} at {axis[at]}", "one, as another symbol has one then", do)
        columns[series.symbol] = tuple(_packed(_aligned(column, own, axis)) for column in series.columns)
    if longest_gap is not None:
        _check_holes(axis, longest_gap)
    return tuple(axis), columns


def _check_order(series: Series, times: Sequence[str]) -> None:
    if all(map(lt, times, islice(times, 1, None))):
        return
    at = next(at for at in range(1, len(times)) if times[at] <= times[at - 1])
    found = f"{series.place(at)}: {series.symbol} at {times[at]}"
    if times[at] in times[:at]:
        raise Duplicate(f"{found} again", f"one bar; the first is in {series.place(times.index(times[at]))}")
    raise Disorder(f"{found} after {times[at - 1]}", "a later time in each row", "Sort the file by time")


def _check_holes(axis: Sequence[str], longest: timedelta) -> None:
    moments = [datetime.fromisoformat(time) for time in axis]
    for at, (before, after) in enumerate(pairwise(moments), 1):
        if after - before > longest:
            raise Gap(f"{after - before} from {axis[at - 1]} to {axis[at]}", f"{longest} at most between two bars")


def _aligned(column: Sequence[int], own: Sequence[str], axis: Sequence[str]) -> Sequence[int]:
    """A column on the axis, with 0 where the symbol has no bar."""
    if len(own) == len(axis):
        return column
    known = dict(zip(own, column, strict=True))
    return [known.get(time, 0) for time in axis]


def _packed(values: Sequence[int]) -> Sequence[int]:
    try:
        return array("q", values)
    except OverflowError:
        return tuple(values)

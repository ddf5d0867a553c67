"""Bars: prices and volumes of some symbols on one time axis, read from files and checked.

What a `Bars` holds is valid: times strictly increase, prices are positive and lie on their tick, and in every bar the
open and the close are within low and high. Numbers are ints in hundred-millionths, taken from the decimal text of the
file; a binary float in a Parquet file counts as the shortest text that reads back as it. Times are dates, or RFC 3339
in UTC. Its digest is the SHA-256 of what `write_csv` writes, whatever file the bars came from.

Not covered: corporate actions (an `Adj Close` is ignored), and files that do not fit in memory.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import islice, pairwise
from operator import lt
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...facts import Error
from .actions import NAME, Tick
from .schema import Bar
from .units import LARGEST, ONE, show

FIELDS = ("open", "high", "low", "close", "volume")
FilePath = str | os.PathLike[str]
Columns = Sequence[Sequence[int]]
"""The five of `FIELDS`, in hundred-millionths."""

LARGEST_PRICE = 2**63 - 1
_BLOCK = 1 << 12
"""Rows that are read at a time."""
_MEMO = 1 << 14
"""Distinct texts whose values are remembered."""


class BadBars(Error):
    """Base of what can be wrong with bars; the message names the file, the line or row, and the column."""

    number, title = "WG210", "bars cannot be used"


class NotATable(BadBars):
    """The file cannot be read, is of no known format, or has not the columns of one."""

    number, title = "WG212", "file is no table of bars"


class Duplicate(BadBars):
    number, title = "WG213", "bar is given twice"


class Disorder(BadBars):
    number, title = "WG214", "bars are out of order"


class Gap(BadBars):
    number, title = "WG215", "bars are missing"


class BadPrice(BadBars):
    """Empty, no decimal number, not finite, not positive, too large, or at odds with the rest of its bar."""

    number, title = "WG216", "price or volume cannot be right"


class OffTick(BadBars):
    number, title = "WG217", "number is finer than its tick"


class BadTime(BadBars):
    number, title = "WG218", "time cannot be placed"


class NoBars(BadBars):
    number, title = "WG219", "there are no such bars"


class BadRequest(BadBars):
    """An option or a parameter is out of range, or a file would be overwritten."""

    number, title = "WG220", "cannot be done as asked"


@dataclass(frozen=True)
class Bars:
    """Bars of `symbols` (sorted) at `times` (ascending). Make one with `read_bars`, `generate` or `Bars.of`."""

    times: tuple[str, ...]
    _columns: Mapping[str, Columns] = field(repr=False)

    @classmethod
    def of(cls, times: Sequence[str], columns: Mapping[str, Columns]) -> Bars:
        """Checks and packs: for every symbol open, high, low, close and volume, an int for each time."""
        for symbol, given in columns.items():
            if [len(column) for column in given] != [len(times)] * len(FIELDS):
                found = f"{symbol}: columns of {', '.join(str(len(column)) for column in given)}"
                raise NotATable(found, f"{len(FIELDS)} columns of {len(times)}")
        return _assembled([_series_of(symbol, times, given) for symbol, given in columns.items()], "refuse", None)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self._columns)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the canonical CSV: the file that `write_csv` writes."""
        total = hashlib.sha256()
        lines = self._lines()
        while block := "".join(islice(lines, _BLOCK)):
            total.update(block.encode())
        return total.hexdigest()

    @cached_property
    def whole(self) -> bool:
        """Whether every symbol has a bar at every time."""
        return all(min(columns[0], default=1) > 0 for columns in self._columns.values())

    def __hash__(self) -> int:
        return hash(self.digest)

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Tick]:
        return self.ticks()

    def at(self, index: int) -> Tick:
        """The bars at one time. Raises `NoBars` outside 0..len - 1: there is no counting from the end."""
        self._position(index, len(self) - 1)
        rows = [tuple(column[index] for column in columns) for columns in self._columns.values()]
        return self._tick(self.times[index], rows)

    def ticks(self, start: int = 0) -> Iterator[Tick]:
        """The actions that bring the bars into the world, one for each time from `start` on."""
        self._position(start, len(self))
        moments = zip(self.times, *(zip(*columns, strict=True) for columns in self._columns.values()), strict=True)
        return (self._tick(time, rows) for time, *rows in islice(moments, start, None))

    def _tick(self, time: str, rows: Iterable[tuple[int, ...]]) -> Tick:
        pairs = zip(self._columns, rows, strict=True)
        return Tick(time, tuple((symbol, Bar(time, *row)) for symbol, row in pairs if row[0]))

    def column(self, symbol: str, name: str) -> Sequence[int]:
        """One of `FIELDS` of a symbol, read-only; 0 throughout a bar that is not there (`gaps="leave"`)."""
        if symbol not in self._columns or name not in FIELDS:
            raise NoBars(f"{name!r} of {symbol!r}", f"one of {', '.join(FIELDS)} of one of {', '.join(self.symbols)}")
        values = self._columns[symbol][FIELDS.index(name)]
        return memoryview(values).toreadonly() if isinstance(values, array) else values

    def _position(self, index: int, last: int) -> None:
        if type(index) is not int or not 0 <= index <= last:
            raise NoBars(f"position {index!r}", f"an int from 0 to {last}")

    def _lines(self) -> Iterator[str]:
        text = _Memo(show).__getitem__
        yield ",".join(("Time", "Symbol", *map(str.capitalize, FIELDS))) + "\n"
        for tick in self:
            for symbol, (time, *numbers) in tick.bars:
                yield f"{time},{symbol},{','.join(map(text, numbers))}\n"


def write_csv(bars: Bars, path: FilePath) -> None:
    """Writes the canonical CSV, one line for each bar, by time and then by symbol. Never overwrites."""
    try:
        with open(path, "x", encoding="utf-8", newline="") as file:
            file.writelines(bars._lines())
    except FileExistsError as error:
        raise BadRequest(
            f"{path}: a file that is there already", "a new name", "Remove it, or choose another"
        ) from error
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}", "a file that can be written") from error


def read_bars(
    paths: FilePath | Sequence[FilePath] | Mapping[str, FilePath],
    *,
    symbols: Collection[str] | None = None,
    tick: int | Mapping[str, int] = 1,
    rounding: Literal["refuse", "nearest"] = "refuse",
    gaps: Literal["refuse", "leave"] = "refuse",
    longest_gap: timedelta | None = None,
    start: str | None = None,
) -> Bars:
    """The bars of one or more CSV, Parquet or JSON files; raises a `BadBars` that says where the first fault is.

    A file with a column Symbol or Ticker holds the bars of many symbols; any other holds those of one, named by the
    file (GOOG.csv) or, where `paths` is a mapping, by its key.

    - `symbols`: only these, and each must be there
    - `tick`: prices are multiples of it, in hundred-millionths; one for all or one a symbol
    - `rounding`: a number finer than its tick is refused, or rounded to the nearest (half to even)
    - `gaps`: a time at which a symbol has no bar and another has is refused, or the symbol is left out of that tick
    - `longest_gap`: the longest time allowed between two bars in succession
    - `start`: the date of the first step of a JSON file without times; each further step is a day later
    """
    _allowed("rounding", rounding, ("refuse", "nearest"))
    _allowed("gaps", gaps, ("refuse", "leave"))
    if isinstance(paths, Mapping):
        given: list[tuple[str | None, FilePath]] = list(paths.items())
    else:
        given = [(None, path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if longest_gap is not None and not isinstance(longest_gap, timedelta):
        raise BadRequest(f"longest_gap={longest_gap!r}", "a timedelta")
    wanted = None if symbols is None else frozenset(symbols)
    found: dict[str, _Series] = {}
    numbers = _Numbers(tick, rounding == "nearest")
    for symbol, path in given:
        for series in _File(Path(path), symbol, start, wanted, numbers).read():
            if twin := found.get(series.symbol):
                raise Duplicate(f"{series.symbol} in {twin.file} and in {series.file}", "one file for a symbol")
            found[series.symbol] = series
    if missing := sorted((wanted or frozenset()) - set(found)):
        raise NoBars(f"no bars of {', '.join(missing)}", f"those of {', '.join(sorted(found)) or 'some symbol'}")
    return _assembled(list(found.values()), gaps, longest_gap)


def _allowed(option: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise BadRequest(f"{option}={value!r}", f"one of {', '.join(choices)}")


# --- from a table to columns ----------------------------------------------------------------------


class _Table(NamedTuple):
    """What a file holds, as text. `blocks` gives the chosen columns, some rows at a time; `where` names a row."""

    header: Sequence[str]
    blocks: Callable[[Sequence[int]], Iterable[Sequence[Sequence[str | None]]]]
    where: Callable[[int], str]


@dataclass
class _Series:
    """The bars of one symbol as they stand in a file; `rows` says where, for messages."""

    symbol: str
    file: str
    where: Callable[[int], str]
    times: list[str] = field(default_factory=list)
    rows: Any = field(default_factory=lambda: array("q"))
    columns: list[Any] = field(default_factory=lambda: [*(array("q") for _ in range(4)), []])

    def place(self, index: int) -> str:
        return f"{self.file}, {self.where(self.rows[index])}"


_Cells = Mapping[str, Sequence[str | None]]


class _Unusable(Exception):
    """A cell that cannot be read, and the error to raise once it is known where it stands."""

    def __init__(self, cell: object, kind: type[BadBars], found: str, expected: str, do: str = "") -> None:
        super().__init__(cell, kind, found, expected, do)
        self.cell, self.kind, self.found, self.expected, self.do = cell, kind, found, expected, do


class _Memo(dict[Any, Any]):
    """Values of a function, remembered: prices and times repeat, and reading one costs more than looking it up."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def __missing__(self, given: Any) -> Any:
        value = self.function(given)
        if len(self) < _MEMO:
            self[given] = value
        return value


_ROLES = {
    "time": ("date", "datetime", "timestamp", "time"),
    "symbol": ("symbol", "ticker"),
    **{name: (name,) for name in FIELDS},
    "close": ("close", "price"),
}
_INDEX = ("", "__index_level_0__")
"""What pandas calls the column of an index without a name, in CSV and in Parquet."""


def _roles(file: str, header: Sequence[str]) -> dict[str, int]:
    """Which column is what; columns with other names are left aside."""
    names = [name.strip().lower() for name in header]
    roles = {}
    for role, known in _ROLES.items():
        places = [place for place, name in enumerate(names) if name in known]
        if len(places) > 1:
            found = " and ".join(header[place] for place in places)
            raise NotATable(f"{file}: columns {found}", f"one column for the {role}")
        if places:
            roles[role] = places[0]
    if "time" not in roles and names and names[0] in _INDEX:
        roles["time"] = 0
    some = [name for name in FIELDS[:3] if name in roles]
    needed = ["time", *(FIELDS[:4] if some else ["close"])]
    if missing := [role for role in needed if role not in roles]:
        found = f"{file}: no column for {', '.join(missing)} among {', '.join(header) or 'none':.200}"
        raise NotATable(found, "Date, Open, High, Low, Close and perhaps Volume and Symbol; or Date and Close")
    return roles


class _File:
    """One file on the way to its series."""

    def __init__(
        self, path: Path, symbol: str | None, start: str | None, wanted: Collection[str] | None, numbers: _Numbers
    ) -> None:
        self.path, self.symbol, self.start, self.wanted, self.numbers = path, symbol, start, wanted, numbers

    def read(self) -> list[_Series]:
        """The series of the file, without those that are not wanted."""
        with _readable(self.path):
            self.table = _table(self.path, self.start)
            self.roles = _roles(str(self.path), self.table.header)
            if self.symbol is not None and "symbol" in self.roles:
                raise NotATable(f"{self.path}: a column of symbols", f"none, as the file is given for {self.symbol}")
            self.moment = _Memo(_moment).__getitem__ if "symbol" in self.roles else _moment
            found: dict[str, _Series] = {}
            total = 0
            for block in self.table.blocks(list(self.roles.values())):
                cells = dict(zip(self.roles, block, strict=True))
                count = len(cells["time"])
                for name, rows in _grouped(cells.get("symbol"), self.symbol or self.path.stem, count).items():
                    if name not in found:
                        if not _NAME.fullmatch(name):
                            raise _no_symbol(name, self.where(total + rows[0], "symbol"))
                        found[name] = _Series(name, str(self.path), self.table.where)
                    if self.wanted is None or name in self.wanted:
                        self.extend(found[name], cells, rows, total)
                total += count
        if not total:
            raise NoBars(f"{self.path}: no row", "one bar at least")
        return [series for series in found.values() if series.times]

    def where(self, row: int, role: str) -> str:
        column = f", column {self.table.header[self.roles[role]]}" if role in self.roles else ""
        return f"{self.path}, {self.table.where(row)}{column}"

    def extend(self, series: _Series, cells: _Cells, rows: Sequence[int], base: int) -> None:
        """Adds these rows of a block, which begins at row `base`, to the series of their symbol."""
        price = self.numbers.price(series.symbol)
        readers = dict.fromkeys(FIELDS[:4], price) | {"time": self.moment, "volume": self.numbers.volume}
        values = {}
        for role in (role for role in self.roles if role != "symbol"):
            chosen = cells[role] if len(rows) == len(cells[role]) else [cells[role][row] for row in rows]
            values[role] = self.converted(role, chosen, rows, base, readers[role])
        bar = [values.get(name, values["close"]) for name in FIELDS[:4]]
        at = _contradiction(*bar) if "open" in values else None
        if at is not None:
            found = ", ".join(f"{name} {show(column[at])}" for name, column in zip(FIELDS, bar, strict=False))
            raise BadPrice(f"{self.where(base + rows[at], '')}: {found}", "open and close from low to high")
        bar.append(values.get("volume", [0] * len(rows)))
        for column, more in zip(series.columns, bar, strict=True):
            column.extend(more)
        series.times.extend(values["time"])
        series.rows.extend(base + row for row in rows)

    def converted(
        self, role: str, cells: Sequence[str | None], rows: Sequence[int], base: int, function: Callable[[Any], Any]
    ) -> list[Any]:
        try:
            return list(map(function, cells))
        except _Unusable as bad:
            place = self.where(base + rows[cells.index(bad.cell)], role)
            raise bad.kind(f"{place}: {bad.found}", bad.expected, bad.do) from None


def _grouped(symbols: Sequence[str | None] | None, single: str, count: int) -> Mapping[str, Sequence[int]]:
    """The rows of a block by symbol."""
    if symbols is None:
        return {single: range(count)}
    groups = defaultdict(list)
    for row, symbol in enumerate(symbols):
        groups[symbol or ""].append(row)
    return groups


def _no_symbol(name: str, place: str) -> NotATable:
    return NotATable(f"{place}: symbol {name!r:.60}", NAME, "Give {symbol: path} to name a file's symbol")


def _contradiction(
    opens: Sequence[int], highs: Sequence[int], lows: Sequence[int], closes: Sequence[int]
) -> int | None:
    """The first bar whose open or close is not within its low and high."""
    for at, (open_, high, low, close) in enumerate(zip(opens, highs, lows, closes, strict=True)):
        if not low <= open_ <= high or not low <= close <= high:
            return at
    return None


# --- cells ----------------------------------------------------------------------------------------

_NAME = re.compile(NAME, re.ASCII)
_PLAIN = re.compile(r"([0-9]{1,21})(?:\.([0-9]{0,8}))?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,60})?|\.[0-9]{1,60})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.ASCII,
)


class _Numbers:
    """Readers of prices, one for each tick, and of volumes."""

    def __init__(self, tick: int | Mapping[str, int], nearest: bool) -> None:
        for one in tick.values() if isinstance(tick, Mapping) else (tick,):
            if type(one) is not int or one < 1:
                raise BadRequest(f"tick {one!r}", "a positive int, in hundred-millionths")
        self.tick = tick
        self.by_tick = _Memo(lambda one: _Memo(_number(one, nearest, 1, LARGEST_PRICE)))
        self.volume = _number(1, nearest, 0, LARGEST * ONE)

    def price(self, symbol: str) -> Callable[[str | None], int]:
        if isinstance(self.tick, Mapping) and symbol not in self.tick:
            raise BadRequest(f"no tick for {symbol}", "one for every symbol that is read")
        tick = self.tick[symbol] if isinstance(self.tick, Mapping) else self.tick
        reader: Callable[[str | None], int] = self.by_tick[tick].__getitem__
        return reader


def _number(tick: int, nearest: bool, smallest: int, largest: int) -> Callable[[str | None], int]:
    """Reads a multiple of `tick`, in hundred-millionths; raises `_Unusable`."""

    def read(cell: str | None) -> int:
        if match := _PLAIN.fullmatch(cell or ""):
            value = int(match[1] + (match[2] or "").ljust(8, "0"))
            if smallest <= value <= largest and not value % tick:
                return value
        text = (cell or "").strip()
        if not _DECIMAL.fullmatch(text):
            raise _Unusable(cell, BadPrice, f"{text!r:.60}" if text else "nothing", "a decimal number")
        multiple = Fraction(text) * ONE / tick
        value = round(multiple) * tick
        if value != multiple * tick and not nearest:
            do = 'rounding="nearest" rounds it'
            raise _Unusable(cell, OffTick, f"{text:.60}", f"a multiple of {show(tick)}", do)
        if not smallest <= value <= largest:
            raise _Unusable(cell, BadPrice, f"{text:.60}", f"a number from {show(smallest)} to {show(largest)}")
        return value

    return read


def _moment(cell: str | None) -> str:
    """A date as it stands; a time with a zone in UTC, with Z; a time without one as it stands. Raises `_Unusable`."""
    text = (cell or "").strip()
    match = _TIME.fullmatch(text)
    if match and not (match[1] or "")[6:].strip("0"):
        try:
            moment = datetime.fromisoformat(text)
            if len(text) == 10:
                return text
            if len(text) == 19:  # all that is not needed is left out: most files of a million rows look like this
                return f"{text[:10]}T{text[11:]}"
            return moment.astimezone(UTC).isoformat()[:-6] + "Z" if match[2] else moment.isoformat()
        except (ValueError, OverflowError):
            pass
    expected = "a date (2013-01-02) or a date and time (2013-01-02T09:30:00Z) to the microsecond"
    raise _Unusable(cell, BadTime, f"{text!r:.60}" if text else "nothing", expected)


# --- from series to bars --------------------------------------------------------------------------


_KINDS = {10: "a date", 19: "a time without a zone", 26: "a time without a zone"} | dict.fromkeys(
    (20, 27), "a time with a zone"
)
"""What `_moment` returns, by its length."""


def _settled(all_series: Sequence[_Series]) -> list[list[str]]:
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


def _assembled(all_series: Sequence[_Series], gaps: str, longest_gap: timedelta | None) -> Bars:
    """One axis for all; raises `Duplicate`, `Disorder`, `Gap` or `BadTime`."""
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
            do = 'gaps="leave" leaves the symbol out of that tick'
            raise Gap(f"{place}: no bar of {series.symbol} at {axis[at]}", "one, as another symbol has one then", do)
        columns[series.symbol] = tuple(_packed(_aligned(column, own, axis)) for column in series.columns)
    if longest_gap is not None:
        _check_holes(axis, longest_gap)
    return Bars(tuple(axis), columns)


def _check_order(series: _Series, times: Sequence[str]) -> None:
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


def _series_of(symbol: str, times: Sequence[str], columns: Columns) -> _Series:
    """The series of columns that come from code. Raises as reading them from a file would."""
    file = f"columns of {symbol!r}"
    if not _NAME.fullmatch(symbol):
        raise _no_symbol(symbol, file)
    for name, column in zip(FIELDS, columns, strict=True):
        smallest, largest = (0, LARGEST * ONE) if name == "volume" else (1, LARGEST_PRICE)
        for at, value in enumerate(column):
            if type(value) is not int or not smallest <= value <= largest:
                raise BadPrice(f"{file}, bar {at}, {name}: {value!r:.60}", f"an int from {smallest} to {largest}")
    wrong = _contradiction(*columns[:4])
    if wrong is not None:
        found = [column[wrong] for column in columns[:4]]
        raise BadPrice(f"{file}, bar {wrong}: {found}", "open and close from low to high")
    try:
        moments = list(map(_moment, times))
    except _Unusable as bad:
        raise bad.kind(f"{file}: {bad.found}", bad.expected) from None
    return _Series(symbol, file, lambda row: f"bar {row}", moments, range(len(times)), list(columns))


# --- formats --------------------------------------------------------------------------------------


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotATable(f"{path}: {error.strerror or error}", "a file that can be read") from error
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise NotATable(f"{path}: {error}", "a well-formed file in UTF-8") from error


def _csv(path: Path, _: str | None) -> _Table:
    @contextmanager
    def reading() -> Iterator[tuple[Any, list[str]]]:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True, skipinitialspace=True)
            yield reader, next(filter(None, reader), [])

    def blocks(chosen: Sequence[int]) -> Iterator[Sequence[Sequence[str]]]:
        first = 0
        with reading() as (reader, header):
            while rows := list(islice(filter(None, reader), _BLOCK)):
                if set(map(len, rows)) != {len(header)}:
                    at = next(at for at, row in enumerate(rows) if len(row) != len(header))
                    raise NotATable(
                        f"{path}, {where(first + at)}: {len(rows[at])} cells", f"{len(header)}, as the header"
                    )
                columns = list(zip(*rows, strict=True))
                yield [columns[place] for place in chosen]
                first += len(rows)

    def where(row: int) -> str:
        with reading() as (reader, _):
            next(islice(filter(None, reader), row, None), None)
            return f"line {reader.line_num}"

    with reading() as (_, header):
        if not header:
            raise NoBars(f"{path}: an empty file", "a header and one bar at least")
        return _Table(header, blocks, where)


def _parquet(path: Path, _: str | None) -> _Table:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        do = "Install worldgate[market], or store the bars as CSV"
        raise NotATable(f"{path}: no package pyarrow to read it", "it", do) from error

    def text(column: Any) -> list[str | None]:
        """A column as text: floats as their shortest, moments in UTC."""
        zoned = pyarrow.types.is_timestamp(column.type) and column.type.tz is not None
        if zoned:
            column = column.cast(pyarrow.timestamp(column.type.unit))
        cells: list[str | None] = column.cast(pyarrow.string()).to_pylist()
        return [cell and f"{cell}Z" for cell in cells] if zoned else cells

    def blocks(chosen: Sequence[int]) -> Iterator[Sequence[Sequence[str | None]]]:
        names = [header[place] for place in chosen]
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_BLOCK, columns=names):
                    yield [text(batch.column(name)) for name in names]
        except pyarrow.ArrowException as error:
            raise NotATable(f"{path}: {error}", "columns of times, text and numbers") from error

    try:
        header = parquet.read_schema(path).names
    except pyarrow.ArrowException as error:
        raise NotATable(f"{path}: {error}", "a Parquet file") from error
    return _Table(header, blocks, lambda row: f"row {row}")


def _json(path: Path, start: str | None) -> _Table:
    """`{"symbols": [...], "steps": [{"GOOG": 357.38, ...}]}`: closes; a step may say its "time"."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise NotATable(f"{path}: a name twice in {[name for name, _ in pairs]}", "each name once")
        return dict(pairs)

    given = json.loads(
        path.read_text(encoding="utf-8-sig"), object_pairs_hook=once, parse_float=str, parse_int=str, parse_constant=str
    )
    shape: dict[str, Any] = given if isinstance(given, dict) else {}
    symbols: Any = shape.get("symbols")
    steps: Any = shape.get("steps")
    if not _all_are(str, symbols) or not _all_are(dict, steps) or len(set(symbols)) != len(symbols):
        raise NotATable(f"{path}: another shape", '{"symbols": [...], "steps": [{symbol: price, ...}, ...]}')
    cells = []
    for number, step in enumerate(steps):
        time = step.get("time", None if start is None else _day(start, number))
        if time is None:
            raise BadTime(
                f"{path}, step {number}: no time", "one in each step", 'start="2000-01-03" counts days from it'
            )
        if unknown := sorted(set(step) - {"time", *symbols}):
            raise NotATable(f"{path}, step {number}: {unknown[0]!r:.60}", "symbols that the file lists")
        prices = ((symbol, step[symbol]) for symbol in symbols if symbol in step)
        cells += [
            (number, str(time), symbol, price if isinstance(price, str) else repr(price)) for symbol, price in prices
        ]
    numbers, *columns = zip(*cells, strict=True) if cells else ((), (), (), ())
    return _Table(
        ("time", "symbol", "close"),
        lambda chosen: [[columns[place] for place in chosen]],
        lambda row: f"step {numbers[row]}",
    )


def _all_are(kind: type, given: object) -> bool:
    return isinstance(given, list) and all(isinstance(one, kind) for one in given)


def _day(start: str, number: int) -> str:
    try:
        return (date.fromisoformat(start) + timedelta(days=number)).isoformat()
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRequest(f"start={start!r} and {number} days", "a date before the year 10000") from error


_FORMATS: Mapping[str, Callable[[Path, str | None], _Table]] = {
    ".csv": _csv, ".parquet": _parquet, ".pq": _parquet, ".json": _json,
}  # fmt: skip


def _table(path: Path, start: str | None) -> _Table:
    if path.suffix.lower() not in _FORMATS:
        raise NotATable(f"{path}: {path.suffix or 'no suffix'}", f"one of {', '.join(_FORMATS)}")
    return _FORMATS[path.suffix.lower()](path, start)

"""Reading: files to series, cell by cell; each fault is raised with its place."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from ..units import show
from .cells import Memo, Numbers, Unusable, moment
from .errors import BadPrice, BadRequest, Duplicate, NoBars, NotATable
from .formats import readable, table_of
from .series import FIELDS, SYMBOL, Series, assembled, contradiction, no_symbol
from .table import Bars, FilePath

_Cells = Mapping[str, Sequence[str | None]]


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
    wanted = None if symbols is None else _chosen(symbols)
    found: dict[str, Series] = {}
    numbers = Numbers(tick, rounding == "nearest")
    for symbol, path in given:
        for series in File(Path(path), symbol, start, wanted, numbers).read():
            if twin := found.get(series.symbol):
                raise Duplicate(f"{series.symbol} in {twin.file} and in {series.file}", "one file for a symbol")
            found[series.symbol] = series
    if missing := sorted((wanted or frozenset()) - set(found)):
        do = "Name the file by its symbol (GOOG.csv), or give it a column Symbol"
        raise NoBars(f"no bars of {', '.join(missing)} in {', '.join(str(path) for _, path in given)}", "some", do)
    return Bars(*assembled(list(found.values()), gaps, longest_gap))


def _chosen(symbols: Collection[str]) -> frozenset[str]:
    """The symbols that are asked for. A text is a collection too, of its letters, and never meant as one."""
    given: tuple[Any, ...] = (
        tuple(symbols) if isinstance(symbols, Iterable) and not isinstance(symbols, str) else (None,)
    )
    if not all(isinstance(symbol, str) for symbol in given):
        raise BadRequest(f"symbols={symbols!r:.60}", "a collection of symbols", 'symbols=["GOOG"] asks for one')
    return frozenset(given)


def _allowed(option: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise BadRequest(f"{option}={value!r}", f"one of {', '.join(choices)}")


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


class File:
    """One file on the way to its series."""

    def __init__(
        self, path: Path, symbol: str | None, start: str | None, wanted: Collection[str] | None, numbers: Numbers
    ) -> None:
        self.path, self.symbol, self.start, self.wanted, self.numbers = path, symbol, start, wanted, numbers

    def read(self) -> list[Series]:
        """The series of the file, without those that are not wanted."""
        with readable(self.path):
            self.table = table_of(self.path, self.start)
            self.roles = _roles(str(self.path), self.table.header)
            if self.symbol is not None and "symbol" in self.roles:
                raise NotATable(f"{self.path}: a column of symbols", f"none, as the file is given for {self.symbol}")
            self.moment = Memo(moment).__getitem__ if "symbol" in self.roles else moment
            found: dict[str, Series] = {}
            total = 0
            for block in self.table.blocks(list(self.roles.values())):
                cells = dict(zip(self.roles, block, strict=True))
                count = len(cells["time"])
                for name, rows in _grouped(cells.get("symbol"), self.symbol or self.path.stem, count).items():
                    if name not in found:
                        if not SYMBOL.fullmatch(name):
                            raise no_symbol(name, self.where(total + rows[0], "symbol"))
                        found[name] = Series(name, str(self.path), self.table.where)
                    if self.wanted is None or name in self.wanted:
                        self.extend(found[name], cells, rows, total)
                total += count
        if not total:
            raise NoBars(f"{self.path}: no row", "one bar at least")
        return [series for series in found.values() if series.times]

    def where(self, row: int, role: str) -> str:
        column = f", column {self.table.header[self.roles[role]]}" if role in self.roles else ""
        return f"{self.path}, {self.table.where(row)}{column}"

    def extend(self, series: Series, cells: _Cells, rows: Sequence[int], base: int) -> None:
        """Adds these rows of a block, which begins at row `base`, to the series of their symbol."""
        price = self.numbers.price(series.symbol)
        readers = dict.fromkeys(FIELDS[:4], price) | {"time": self.moment, "volume": self.numbers.volume}
        values = {}
        for role in (role for role in self.roles if role != "symbol"):
            chosen = cells[role] if len(rows) == len(cells[role]) else [cells[role][row] for row in rows]
            values[role] = self.converted(role, chosen, rows, base, readers[role])
        bar = [values.get(name, values["close"]) for name in FIELDS[:4]]
        at = contradiction(*bar) if "open" in values else None
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
        except Unusable as bad:
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

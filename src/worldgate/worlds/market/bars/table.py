"""Bars as a value: what holds them, and the one file that they are written to."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from ..actions import Tick
from ..schema import Bar
from ..units import show
from .cells import Memo
from .errors import BadRequest, NoBars, NotATable
from .series import FIELDS, Columns, assembled, series_of

FilePath = str | os.PathLike[str]
_BLOCK = 1 << 12
"""Lines that are hashed at a time."""


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
        return cls(*assembled([series_of(symbol, times, given) for symbol, given in columns.items()], "refuse", None))

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

    def csv(self) -> str:
        """The canonical CSV."""
        return "".join(self._lines())

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
        text = Memo(show).__getitem__
        yield ",".join(("Time", "Symbol", *map(str.capitalize, FIELDS))) + "\n"
        for tick in self:
            for symbol, (time, *numbers) in tick.bars:
                yield f"{time},{symbol},{','.join(map(text, numbers))}\n"


def part(bars: Bars, start: int, stop: int) -> Bars:
    """Some of the bars, by position; what was checked of all of them is not checked again."""
    columns = {symbol: [bars.column(symbol, name)[start:stop] for name in FIELDS] for symbol in bars.symbols}
    return Bars(bars.times[start:stop], columns)


def write_csv(bars: Bars, path: FilePath) -> None:
    """Writes the canonical CSV, one line for each bar, by time and then by symbol.

    Never overwrites. The file is there whole or not at all, also when the disk is full or the process is killed (not
    when the machine is). Needs hard links in the file's folder.
    """
    try:
        with TemporaryDirectory(prefix=".new-", dir=Path(path).parent) as folder:
            new = Path(folder, "bars.csv")
            with new.open("x", encoding="utf-8", newline="") as file:
                file.writelines(bars._lines())
            os.link(new, path)
    except FileExistsError as error:
        raise BadRequest(
            f"{path}: a file that is there already", "a new name", "Remove it, or choose another"
        ) from error
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}", "a file that can be written") from error

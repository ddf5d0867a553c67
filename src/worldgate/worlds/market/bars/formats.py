"""Formats: a CSV, Parquet or JSON file as a table of text."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from .errors import BadRequest, BadTime, NoBars, NotATable

_BLOCK = 1 << 12
"""Rows that are read at a time."""


class Table(NamedTuple):
    """What a file holds, as text. `blocks` gives the chosen columns, some rows at a time; `where` names a row."""

    header: Sequence[str]
    blocks: Callable[[Sequence[int]], Iterable[Sequence[Sequence[str | None]]]]
    where: Callable[[int], str]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotATable(f"{path}: {error.strerror or error}", "a file that can be read") from error
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise NotATable(f"{path}: {error}", "a well-formed file in UTF-8") from error


def _csv(path: Path, _: str | None) -> Table:
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
        return Table(header, blocks, where)


def _parquet(path: Path, _: str | None) -> Table:
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
    return Table(header, blocks, lambda row: f"row {row}")


def _json(path: Path, start: str | None) -> Table:
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
    return Table(
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


_FORMATS: Mapping[str, Callable[[Path, str | None], Table]] = {
    ".csv": _csv, ".parquet": _parquet, ".pq": _parquet, ".json": _json,
}  # fmt: skip


def table_of(path: Path, start: str | None) -> Table:
    if path.suffix.lower() not in _FORMATS:
        raise NotATable(f"{path}: {path.suffix or 'no suffix'}", f"one of {', '.join(_FORMATS)}")
    return _FORMATS[path.suffix.lower()](path, start)

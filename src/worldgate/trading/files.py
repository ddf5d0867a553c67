"""The evidence as files: written from a session's record, and computed again for comparison.

tape.json and executions.json are JSON documents with one row a line, so that they stream whatever their length and a
difference has a line number; tape.csv has the tape's columns, with JSON in the cells that are not plain.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from ..facts import Delta, canonical_json, delta_from_json, json_decode
from ..gate.chain import Record
from ..worlds.market.bars import Bars
from ..worlds.market.schema import SCHEMA
from .evidence import COLUMNS, Evidence, Row
from .inputs import SCHEMA_VERSION, Inputs, plain
from .session import Step

TAPE, EXECUTIONS, TABLE = "tape.json", "executions.json", "tape.csv"


ROWS: Mapping[str, Callable[[Row, list[Row]], list[str]]] = {
    "tape": lambda row, _: [line(row)],
    "executions": lambda _, events: [line(event) for event in events],
}
"""What a step adds to each document."""


def recorded(records: Iterable[Record]) -> Iterator[tuple[Step, Delta]]:
    """The steps of a broker's records."""
    for record in records:
        body = record.data
        delta = delta_from_json(SCHEMA, body.pop("delta"))
        yield msgspec.convert(body, Step), delta


def rows(inputs: Inputs, bars: Bars, steps: Iterable[tuple[Step, Delta]]) -> Iterator[tuple[Row, list[Row]]]:
    """The rows of tape and executions, step by step."""
    first = inputs.parts()[3]
    return Evidence(inputs.digest, first, inputs.market.currency, bars).rows(steps)


def write(folder: Path, inputs: Inputs, found: Iterable[tuple[Row, list[Row]]]) -> Iterator[tuple[Row, list[Row]]]:
    """Write the three files while the rows pass through; they are in place when the iteration ends."""
    names = (TAPE, EXECUTIONS, TABLE)
    parts = [folder / f"{name}.new" for name in names]
    with ExitStack() as stack:
        opened = (part.open("w", encoding="utf-8", newline="") for part in parts)
        tape, executions, table = map(stack.enter_context, opened)
        tape.write(head("tape", inputs))
        executions.write(head("executions", inputs))
        table.write(cells(["schema_version", *COLUMNS]))
        marks = ["\n", "\n"]
        for row, events in found:
            tape.write(marks[0] + line(row))
            marks[0] = ",\n"
            for event in events:
                executions.write(marks[1] + line(event))
                marks[1] = ",\n"
            table.write(cells(map(cell, (SCHEMA_VERSION, *(row[name] for name in COLUMNS)))))
            yield row, events
        tape.write("\n]}\n")
        executions.write("\n]}\n")
    for part, name in zip(parts, names, strict=True):
        part.replace(folder / name)


def read(path: Path) -> Iterator[Row]:
    """The rows of a document, one at a time."""
    with path.open(encoding="utf-8") as file:
        next(file)
        for text in file:
            if text.startswith("{"):
                yield json_decode(text.rstrip(",\n"))


def head(kind: str, inputs: Inputs) -> str:
    """The beginning of a document, up to its first row."""
    top = {"schema_version": SCHEMA_VERSION, "kind": kind, "session": inputs.digest, "inputs": plain(inputs)}
    return canonical_json(top).decode().removesuffix("}") + ',"rows":['


def line(row: Row) -> str:
    """A row as it stands in a document."""
    return msgspec.json.encode(row).decode()


def cell(value: Any) -> str:
    """A value of the table: text as it is, the rest as canonical JSON."""
    return value if isinstance(value, str) else canonical_json(value).decode()


def cells(values: Iterable[str]) -> str:
    """A line of the table."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()

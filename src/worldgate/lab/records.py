"""Run records on disk: a folder of Parquet files, one a part, each written whole or not at all.

A row is one run: its id, what it was (the cell and the seed), what it ran on (revision, package, Python, platform), and
the record of the rollout as canonical JSON; the other columns say the same for those who query the files. The id is the
hash of cell, seed and world version, so the same run twice is the same row; of two the first is kept. A part's name is
the hash of its rows' ids and its bytes follow from its rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..horizon import from_json
from ..system import replace
from .errors import BadRecords, library


class Row(NamedTuple):
    """One run. `cell` and `record` are JSON; `checkpoint` is the SHA-256 of the model, where the predictor has one."""

    id: str
    cell: str
    seed: int
    world: str
    version: str
    driver: str
    predictor: str
    policy: str
    semantics: str
    rho: float | None
    revision: str
    package: str
    python: str
    platform: str
    record: str
    checkpoint: str = ""


class Kept(NamedTuple):
    """What figures need of a run."""

    record: Any
    made: tuple[str, str, str, str]
    """Revision, package, Python, platform."""


def write_part(folder: Path, rows: Sequence[Row]) -> Path:
    """One more file with these rows, durable when this returns. The same rows again change nothing."""
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    name = hashlib.sha256("".join(row.id for row in rows).encode()).hexdigest()[:24]
    kinds = {"seed": arrow.int64(), "rho": arrow.float64()}
    schema = arrow.schema([(field, kinds.get(field, arrow.string())) for field in Row._fields])
    table = arrow.table([list(column) for column in zip(*rows, strict=True)], schema=schema)
    return replace(folder / f"{name}.parquet", lambda path: parquet.write_table(table, path, compression="zstd"))


def known(folder: Path) -> set[str]:
    """The ids of the runs that are there."""
    return {row["id"] for row in _rows(folder, ["id"])}


def read(folder: Path, wanted: Iterable[str], decode: Callable[[str], Any] = from_json) -> dict[str, Kept]:
    """The records of the wanted runs that are there, by id; what a record is, `decode` makes of its JSON."""
    ids, found = set(wanted), dict[str, Kept]()
    for row in _rows(folder, ["id", "record", "revision", "package", "python", "platform"]):
        if row["id"] in ids and row["id"] not in found:
            made = (row["revision"], row["package"], row["python"], row["platform"])
            found[row["id"]] = Kept(decode(row["record"]), made)
    return found


def _rows(folder: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    for path in sorted(folder.glob("*.parquet")):
        try:
            file = parquet.ParquetFile(path)
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise BadRecords(f"{path} without {', '.join(missing)}", "records of runs", "Move it elsewhere.")
            yield from file.read(columns).to_pylist()
        except (arrow.ArrowException, OSError) as error:
            again = "Delete it; its runs will be made again"
            raise BadRecords(f"{path}: {str(error).strip():.160}", "a Parquet file", again) from error

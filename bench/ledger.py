"""What recording costs: an append against the bare insert it contains, verification, and growth.

    python bench/ledger.py [--records 100000]

Both sides write the same bytes to SQLite with WAL and synchronous=FULL, in the same folder and the same run,
taking turns. Besides the insert, an append hashes, checks the end of the chain against the head, and flushes the
next head. "Growth" is the time of an append at each size: it must not rise with the number of records.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from worldgate.gate.chain import Record
from worldgate.gate.ledger import Ledger
from worldgate.gate.signing import Signer

AT = "2030-01-01T00:00:00Z"
BODY = {"base": "ab" * 32, "delta": "cd" * 32, "verdict": "approve", "used": {"steps": 7, "files": 3}}
BARE = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(wall, CPU) microseconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1e6, (time.process_time() - cpu) * 1e6


def bare_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE record (seq INTEGER PRIMARY KEY, kind, run, at, body, previous, hash, signature)",
        "CREATE INDEX record_run ON record (run, kind)",
    ):
        database.execute(statement)
    return database


def cost(folder: Path, rounds: int, signer: Signer | None) -> None:
    ledger = Ledger.open(folder / "a.db", head=folder / "head.json", signer=signer)
    database = bare_database(folder / "bare.db")
    sample: Record = ledger.append("committed", "run", BODY, at=AT)

    def insert() -> None:
        database.execute("BEGIN IMMEDIATE")
        database.execute(BARE, (None, *sample.row[1:]))
        database.execute("COMMIT")

    def append() -> None:
        ledger.append("committed", "run", BODY, at=AT)

    pairs = [(timed(insert), timed(append)) for _ in range(rounds)]
    for at, name in enumerate(("wall", "CPU ")):
        bare, ours = (statistics.median(pair[side][at] for pair in pairs) for side in (0, 1))
        signed = "signed append" if signer else "append"
        print(f"{name}: bare insert {bare:7.0f} us   {signed} {ours:7.0f} us   ratio {ours / bare:.2f}")
    ledger.close()
    database.close()


def growth(folder: Path, most: int) -> None:
    ledger = Ledger.open(folder / "b.db", head=folder / "head-b.json")
    have, size = 0, 1000
    while size <= most:
        while have < size:
            with ledger.writing() as writing:
                for _ in range(min(1000, size - have)):
                    writing.append("committed", f"run{have % 97}", BODY, at=AT)
                    have += 1
        times = [timed(lambda: ledger.append("committed", "run", BODY, at=AT)) for _ in range(100)]
        have += 100
        wall, cpu = (statistics.median(part) for part in zip(*times, strict=True))
        verify, _ = timed(ledger.verify)
        assert not ledger.verify()
        rate = have / verify * 1e6
        print(f"{size:>7} records: append {wall:5.0f} us wall {cpu:4.0f} us CPU   verify {rate:8.0f} records/s")
        size *= 10
    ledger.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    for name, part in (("plain", None), ("signed", Signer.create)):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            cost(Path(folder), options.rounds, part(Path(folder) / "key.pem") if name == "signed" and part else None)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        growth(Path(folder), options.records)


if __name__ == "__main__":
    main()

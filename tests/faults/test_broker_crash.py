"""A session killed right before any write it makes goes on as if it had never been: nothing lost, nothing twice.

The writes are counted while they happen: every SQL statement but a query, every call that makes, renames or removes
something, opens a file for writing, or flushes one. A driver process forks a child a write, kills it there, runs the
session again in the folder and holds everything in it against an uninterrupted run. What SQLite itself does within a
statement is for the tests of the ledger and of the store.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.trading.sessions import eventful
from worldgate.gate.targets import broker
from worldgate.trading import desk
from worldgate.trading.desk import Desk
from worldgate.worlds.market.generator import generate

ROOT = Path(__file__).resolve().parents[2]
BARS = generate(["A", "B"], 18, 5, volume="60")
INPUTS = eventful("crossover", BARS)
AT = "2030-01-01T00:00:00Z"
EVENTS = {"os.rename": 1, "os.link": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0}
"""Audit events, and which of their arguments names what is changed."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
STEPS = {
    "sql insert into facts", "sql insert or replace", "sql insert into commits", "sql insert into record",
    "sql commit", "sql begin immediate", "sql create table", "sql delete from facts", "write", "fsync",
    "os.rename ledger.head", "os.rename tape.json", "os.rename executions.json", "os.rename tape.csv",
    "os.rename report.md", "os.rename report.html", "os.link bars.csv", "os.link inputs.json", "open tape.json.new",
    "open ledger.head.next", "open report.html.new", "os.mkdir", "os.rmdir",
}  # fmt: skip
"""Some of the points that must have been among them, by how they begin."""


def on_write(point: Callable[[str], None]) -> None:
    """From now on this process calls `point` right before each of its writes."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS:
            point(f"{event} {Path(str(arguments[EVENTS[event]])).name}")
        elif event == "open" and isinstance(arguments[0], str) and (arguments[2] or 0) & WRITING:
            point(f"open {Path(arguments[0]).name}")

    def traced(statement: str) -> None:
        if not statement.lower().startswith(("select", "pragma", "--")):
            point(f"sql {statement.lower()}")

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = sqlite_connect(*arguments, **options)
        connection.set_trace_callback(traced)
        return connection

    def before(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            point(name)
            return function(*arguments)

        return call

    sqlite_connect, sqlite3.connect = sqlite3.connect, connect  # type: ignore[assignment]
    os.write, os.fsync = before("write", os.write), before("fsync", os.fsync)
    sys.addaudithook(audit)


def work(folder: Path) -> None:
    with Desk.at(folder, INPUTS, BARS, lambda: AT) as one:
        one.run()
        one.report()


def found(folder: Path) -> dict[str, Any]:
    """All that a session leads to. The ledger's own head and damages are checked, not compared."""
    kept = [path for path in folder.iterdir() if not path.name.startswith((desk.NEW, "store.db", "ledger."))]
    evidence: dict[str, Any] = {path.name: path.read_bytes() for path in kept}
    with Desk.at(folder, INPUTS, BARS, lambda: AT) as one:
        assert one.broker._ledger.verify() == []
        assert one.broker._ledger.behind() == 0
        records = [(record.seq, record.kind, record.run, bytes(record.body)) for record in one.broker.records()]
        return evidence | {"records": records, "state": one.broker.state.fingerprint, "done": one.done}


def killed_at(number: int, folder: Path) -> str:
    """The write before which a forked child at work in the folder was killed, the `number`th; "" when it was not."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        left, tell = number, os.write

        def die(name: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                tell(writing, name[:200].encode())
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            on_write(die)
            work(folder)
            os._exit(0)
        finally:
            os._exit(9)
    os.close(writing)
    with os.fdopen(reading) as told:
        point = told.read()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status == (-signal.SIGKILL if point else 0), f"the child ended with {status} at write {number} {point}"
    return point


def kill_at_every_write(base: str, every: str) -> None:
    """Driver: prints the points it killed at."""
    desk.BATCH, broker.FOLLOW = 4, 2
    folder = Path(base) / "try"
    work(Path(base) / "whole")
    wanted = found(Path(base) / "whole")
    assert wanted["done"]
    points: list[str] = []
    while not points or points[-1]:
        shutil.rmtree(folder, ignore_errors=True)
        points.append(killed_at(len(points) + 1, folder))
        if not len(points) % int(every):  # and killed again, wherever the second run has got to
            killed_at(len(points), folder)
        work(folder)
        assert found(folder) == wanted, f"killed before {points[-1]}"
    print(json.dumps(points[:-1]))


def test_killed_before_any_write_the_session_goes_on(memory: Path) -> None:
    code = "import sys; from tests.faults.test_broker_crash import *; kill_at_every_write(*sys.argv[1:])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code, memory, "7"], cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    points = json.loads(done.stdout)
    assert not [step for step in STEPS if not any(point.startswith(step) for point in points)]
    assert Counter(point.split()[0] for point in points)["sql"] > 60

"""A writer killed at any point leaves a whole ledger, with its record there or not there.

Every line of the ledger's own code that an append runs is a point to kill at (before it, and so after the one
before it); inside SQLite's commit, every limit on how much of the write-ahead log reaches the file. One driver
process forks a child a point, so that hundreds of deaths take seconds.
"""

from __future__ import annotations

import json
import linecache
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from worldgate.gate.ledger import Ledger, NotRecorded
from worldgate.gate.signing import Signer

REFUSED = 99
AT = "2030-01-01T00:00:00Z"
ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(str(ROOT / "src" / "worldgate" / "gate" / f"{name}.py") for name in ("ledger", "store", "head", "chain"))
STEPS = (
    "self.database.execute(begin)",
    "INSERT INTO",
    "os.write(",
    "os.fsync(file)",
    '"COMMIT"',
    "os.replace(",
    "os.fsync(folder)",
)


def open_ledger(folder: Path) -> Ledger:
    key = folder / "key.pem"
    signer = Signer.load(key) if key.exists() else None
    return Ledger.open(folder / "ledger.db", head=folder / "heads" / "head.json", signer=signer)


def append(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        ledger.append("committed", "run", {"number": 42, "long": "x" * 3000}, at=AT)


def prepared(base: Path, scenario: str) -> Path:
    """A folder with nothing in it, or a ledger with two records."""
    base.mkdir()
    if scenario == "signed":
        Signer.create(base / "key.pem")
    if scenario != "new":
        with open_ledger(base) as ledger:
            ledger.append("started", "run", {}, at=AT)
    return base


def die_at_line(number: int, point: Path) -> Callable[[], None]:
    """Arrange for this process to be killed before the `number`th line of ours that it runs."""

    def arrange() -> None:
        left = number

        def trace(frame, event, _argument):
            nonlocal left
            if frame.f_code.co_filename not in OURS:
                return None
            if event == "line":
                left -= 1
                if not left:
                    point.write_text(linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip())
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)

    return arrange


def run_child(arrange: Callable[[], None], work: Callable[[], None]) -> int:
    """The signal that ended a forked child doing `work`, `REFUSED` if the ledger raised, or 0."""
    child = os.fork()
    if not child:
        try:
            arrange()
            work()
            os._exit(0)
        except NotRecorded:
            os._exit(REFUSED)
        finally:
            os._exit(9)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status <= 0 or status == REFUSED, f"the child failed with {status}"
    return abs(status)


def assert_before_or_after(folder: Path, before: int, added: int) -> tuple[bool, int]:
    """The ledger is whole and usable; returns whether the record is there and how far the head was behind."""
    head = folder / "heads" / "head.json"
    known = json.loads(head.read_bytes())["seq"] if head.exists() else 0
    with open_ledger(folder) as ledger:
        assert ledger.verify() == []
        assert ledger.behind() == 0
        records = list(ledger.records())
        assert len(records) in (before, before + added)
        there = len(records) > before
        if there:
            assert records[-1].data == {"long": "x" * 3000, "number": 42}
        ledger.append("recovered", "run", {}, at=AT)
        assert ledger.verify() == []
    return there, len(records) - known


def kill_at_every_line(base: str, scenario: str) -> None:
    """Driver: kills one child at each line, and prints what it saw."""
    template, folder, point = prepared(Path(base) / "template", scenario), Path(base) / "try", Path(base) / "point"
    before, added = (0, 2) if scenario == "new" else (2, 1)
    seen, number, ended = [], 0, signal.SIGKILL
    while ended:
        number += 1
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder)
        ended = run_child(die_at_line(number, point), lambda: append(folder))
        there, behind = assert_before_or_after(folder, before, added)
        if ended:
            seen.append((point.read_text(), there, behind))
    print(json.dumps(seen))


def kill_inside_the_log(base: str, step: str) -> None:
    """Driver: the kernel kills the child at the first byte of any file past a limit, for one limit after another."""
    template, folder = prepared(Path(base) / "template", "plain"), Path(base) / "try"
    seen, limit, ended = [], 0, 1
    while ended:
        limit += int(step)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder)

        def arrange(limit: int = limit) -> None:
            global _ledger
            _ledger = open_ledger(folder)  # before the limit: SQLite's shared memory is a larger file
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        def work() -> None:
            _ledger.append("committed", "run", {"number": 42, "long": "x" * 3000}, at=AT)

        ended = run_child(arrange, work)
        there, behind = assert_before_or_after(folder, 2, 1)
        assert there or ended
        seen.append((ended, there, behind))
    print(json.dumps(seen))


def drive(function: str, *arguments: str) -> list[list[object]]:
    code = f"import sys; from tests.faults.test_ledger_crash import *; {function}(*sys.argv[1:])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture
def tmp_path(memory: Path) -> Path:
    return memory


@pytest.mark.parametrize("scenario", ["plain", "new", "signed"])
def test_killed_at_every_line_the_record_is_there_or_not(tmp_path, scenario):
    seen = drive("kill_at_every_line", str(tmp_path), scenario)
    points = {point for point, _, _ in seen}
    assert not [step for step in STEPS if not any(step in point for point in points)]
    outcomes = [(there, behind > 0) for _, there, behind in seen]
    assert set(outcomes) == {(False, False), (True, True), (True, False)}
    # In the order of the lines: not there; there, with the head behind; there, with the head.
    assert outcomes == sorted(outcomes, key=[(False, False), (True, True), (True, False)].index)


def test_killed_inside_a_write_the_record_is_there_or_not(tmp_path):
    seen = drive("kill_inside_the_log", str(tmp_path), "67")
    assert len(seen) > 100
    assert {ended for ended, _, _ in seen} == {REFUSED, signal.SIGXFSZ, 0}  # refused: the head was cut short
    assert [there for _, there, _ in seen] == [False] * (len(seen) - 1) + [True]

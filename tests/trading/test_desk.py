"""A session in a folder: once, whole, and taken up again after whatever stopped it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from worldgate.facts import Error
from worldgate.gate.store import LedgerDamaged, NotRecorded
from worldgate.gate.targets import broker
from worldgate.gate.targets.broker import BehindRecord, NotOfRecord
from worldgate.trading import desk as module
from worldgate.trading.desk import AnotherSession, Desk
from worldgate.trading.inputs import BadMarketFile, Inputs, OtherBars, load_inputs
from worldgate.worlds.market.bars import BadRequest, Bars, read_bars, write_csv
from worldgate.worlds.market.generator import generate

from .sessions import eventful

BARS = generate(["A", "B"], 40, 5, volume="60")
INPUTS = eventful("crossover", BARS)
ROOT = Path(__file__).parents[2]
AT = "2030-01-01T00:00:00Z"
EVIDENCE = ("bars.csv", "executions.json", "inputs.json", "report.html", "report.md", "tape.csv", "tape.json")
STORED = ("ledger.db", "ledger.db.lock", "ledger.head", "store.db")


def clock() -> str:
    return AT


def finish(folder: Path, inputs: Inputs = INPUTS) -> dict[str, bytes]:
    """Run the session to its end; its evidence, and its record."""
    with Desk.at(folder, inputs, BARS, clock) as desk:
        desk.run()
        assert desk.done
        desk.report()
        record = [(record.kind, record.run, bytes(record.body)) for record in desk.broker.records()]
        assert desk.broker._ledger.verify() == []
    return evidence(folder) | {"record": repr(record).encode()}


def evidence(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in EVIDENCE}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted session leaves."""
    return finish(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many commits, and a store that is sometimes behind."""
    monkeypatch.setattr(module, "BATCH", 4)
    monkeypatch.setattr(broker, "FOLLOW", 3)


class Stopped(Exception):
    """The test's own interruption."""


def stop_after(batches: int) -> Callable[[int], None]:
    left = iter(range(batches - 1))

    def progress(_: int) -> None:
        if next(left, None) is None:
            raise Stopped

    return progress


def test_a_folder_is_a_function_of_the_inputs(tmp_path: Path, whole: dict[str, bytes]) -> None:
    assert finish(tmp_path / "again") == whole
    assert {path.name for path in (tmp_path / "again").iterdir()} == {*EVIDENCE, *STORED}


def test_run_again_it_is_done_and_changes_nothing(tmp_path: Path, whole: dict[str, bytes]) -> None:
    finish(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert finish(tmp_path) == whole
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("batches", range(1, 8))
def test_stopped_after_any_batch_it_goes_on(tmp_path: Path, whole: dict[str, bytes], batches: int) -> None:
    with pytest.raises(Stopped), Desk.at(tmp_path, INPUTS, BARS, clock) as desk:
        desk.run(stop_after(batches))
    with Desk.at(tmp_path, INPUTS, BARS, clock) as desk:
        assert 0 < desk.broker.state.get("clock", ()) < 40
        assert len(list(desk.broker.records())) == 4 * batches
        assert not desk.done
    assert finish(tmp_path) == whole


@pytest.mark.usefixtures("small")
def test_stopped_again_and_again_it_still_ends(tmp_path: Path, whole: dict[str, bytes]) -> None:
    for _ in range(8):
        with pytest.raises(Stopped), Desk.at(tmp_path, INPUTS, BARS, clock) as desk:
            desk.run(stop_after(1))
    assert finish(tmp_path) == whole


# --- whose folder it is ---------------------------------------------------------------------------


def photo(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "other",
    [
        eventful("threshold", BARS),
        eventful("crossover", BARS, cash="3001"),
        eventful("crossover", BARS, policy={}),
        eventful("crossover", BARS, budget={"steps": 7}),
    ],
    ids=["strategy", "market", "policy", "budget"],
)
def test_another_session_is_refused_and_nothing_touched(tmp_path: Path, other: Inputs) -> None:
    finish(tmp_path)
    before = photo(tmp_path)
    with pytest.raises(AnotherSession, match=f"WG383.*{INPUTS.digest[:12]}"), Desk.at(tmp_path, other, BARS):
        raise AssertionError
    assert photo(tmp_path) == before


def test_a_record_without_its_inputs_is_nobodys(tmp_path: Path) -> None:
    """Neither the session itself nor another one goes on in it."""
    finish(tmp_path)
    (tmp_path / "inputs.json").unlink()
    before = photo(tmp_path)
    for inputs in (INPUTS, eventful("threshold", BARS)):
        with pytest.raises(AnotherSession, match="without inputs"), Desk.at(tmp_path, inputs, BARS):
            raise AssertionError
    assert photo(tmp_path) == before


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text("mine\n")
    with pytest.raises(AnotherSession, match=r"bars\.csv"), Desk.at(tmp_path, INPUTS, BARS):
        raise AssertionError
    assert photo(tmp_path) == {"bars.csv": b"mine\n"}


def test_what_an_interrupted_beginning_left_is_no_obstacle(tmp_path: Path, whole: dict[str, bytes]) -> None:
    (tmp_path / ".new-killed").mkdir()
    (tmp_path / ".new-killed" / "inputs.json").write_text("{")
    assert finish(tmp_path) == whole


def test_lost_bars_are_written_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    finish(tmp_path)
    (tmp_path / "bars.csv").unlink()
    assert finish(tmp_path) == whole
    assert read_bars([tmp_path / "bars.csv"]).digest == BARS.digest


def test_other_bars_are_refused(tmp_path: Path) -> None:
    other = generate(["A", "B"], 40, 6, volume="60")
    with pytest.raises(OtherBars, match="WG382"), Desk.at(tmp_path / "out", INPUTS, other):
        raise AssertionError
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"null", b'{"version": "1"}'])
def test_damaged_inputs_are_refused(tmp_path: Path, content: bytes) -> None:
    finish(tmp_path)
    (tmp_path / "inputs.json").write_bytes(content)
    with pytest.raises(BadMarketFile, match="WG381"), Desk.at(tmp_path, INPUTS, BARS):
        raise AssertionError


def test_inputs_are_read_back_as_they_were(tmp_path: Path) -> None:
    finish(tmp_path)
    found = load_inputs(tmp_path / "inputs.json")
    assert found == INPUTS
    assert found.digest == INPUTS.digest


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (place := tmp_path / "file").touch()
    for folder in (place, place / "below"):
        with pytest.raises(NotRecorded, match="WG706"), Desk.at(folder, INPUTS, BARS):
            raise AssertionError


# --- two at once ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
def test_the_second_of_two_processes_does_nothing(tmp_path: Path, whole: dict[str, bytes]) -> None:
    with Desk.at(tmp_path, INPUTS, BARS, clock) as second:
        with pytest.raises(Stopped), Desk.at(tmp_path, INPUTS, BARS, clock) as first:
            first.run(stop_after(2))
        with pytest.raises(BehindRecord, match="WG651"):
            second.run()
    assert finish(tmp_path) == whole


def in_processes(count: int, folder: Path) -> list[tuple[int, str, str]]:
    """The exit code, output and errors of each."""
    code = "import sys; from tests.trading.test_desk import *; whole_run(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(folder)]
    with ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True))
            for _ in range(count)
        ]
        told = [one.communicate(timeout=60) for one in running]
    return [(one.returncode, *out) for one, out in zip(running, told, strict=True)]


def whole_run(folder: Path) -> None:
    """One of several processes: the error's number, or nothing."""
    module.BATCH, broker.FOLLOW = 1, 2
    try:
        with Desk.at(folder, INPUTS, BARS, clock) as desk:
            desk.run()
    except Error as error:
        print(error.number)


def test_processes_at_the_same_time_do_it_once(tmp_path: Path, whole: dict[str, bytes]) -> None:
    found = in_processes(3, tmp_path)
    assert {(code, errors) for code, _, errors in found} == {(0, "")}
    assert {told.strip() for _, told, _ in found} <= {"", "WG651"}
    assert finish(tmp_path) == whole


# --- damage ---------------------------------------------------------------------------------------


def assert_fails_closed(folder: Path, match: str) -> None:
    """The folder is refused with a number, and the record is not added to."""
    before = (folder / "ledger.db").read_bytes()
    with pytest.raises(Error, match=match):
        finish(folder)
    assert (folder / "ledger.db").read_bytes() == before


@contextmanager
def database(path: Path) -> Any:
    connection = sqlite3.connect(path)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def begun(folder: Path) -> None:
    """A session half way."""
    with pytest.raises(Stopped), Desk.at(folder, INPUTS, BARS, clock) as desk:
        desk.run(stop_after(4))
    with Desk.at(folder, INPUTS, BARS, clock):
        pass  # the store follows


@pytest.mark.usefixtures("small")
def test_a_store_of_a_record_that_is_gone_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    for path in tmp_path.glob("ledger*"):
        path.unlink()
    with pytest.raises(NotOfRecord, match="WG652"), Desk.at(tmp_path, INPUTS, BARS, clock):
        raise AssertionError


@pytest.mark.usefixtures("small")
def test_a_lost_store_is_made_again_from_the_record(tmp_path: Path, whole: dict[str, bytes]) -> None:
    begun(tmp_path)
    for path in tmp_path.glob("store.db*"):
        path.unlink()
    assert finish(tmp_path) == whole


@pytest.mark.usefixtures("small")
def test_a_lost_or_cut_ledger_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "ledger.db").unlink()
    with pytest.raises(Error, match="WG703"), Desk.at(tmp_path, INPUTS, BARS, clock):
        raise AssertionError


@pytest.mark.usefixtures("small")
def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    with database(tmp_path / "ledger.db") as ledger:
        ledger.execute("drop trigger record_stays")
        ledger.execute(
            "update record set body = cast(replace(cast(body as text), 'committed', 'refused') as blob) where seq = 3"
        )
    assert_fails_closed(tmp_path, "WG704")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "damage",
    [
        "update facts set value = '1' where relation = 'clock'",
        "update facts set value = '900000000000000' where relation = 'cash'",
        "delete from facts where relation = 'position'",
        "update facts set value = 'x' where relation = 'cash'",
        "update facts set relation = 'moon' where relation = 'cash'",
        "update commits set run = 'x:y'",
        "update commits set run = '9'",
        "update meta set value = 'x'",
        "drop table facts",
        "drop table commits",
    ],
)
def test_a_damaged_store_is_refused(tmp_path: Path, damage: str) -> None:
    begun(tmp_path)
    with database(tmp_path / "store.db") as store:
        store.execute(damage)
    assert_fails_closed(tmp_path, r"WG\d{3}")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("content", [b"not a database at all" * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_store_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    begun(tmp_path)
    for path in tmp_path.glob("store.db-*"):
        path.unlink()
    (tmp_path / "store.db").write_bytes(content)
    assert_fails_closed(tmp_path, r"WG\d{3}")


# --- a full disk ----------------------------------------------------------------------------------


def limited(folder: Path, limit: int) -> int:
    """Run the session in a child whose files end at `limit` bytes: its exit code, 3 for a numbered error."""
    child = os.fork()
    if not child:
        code = 9
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            finish(folder)
            code = 0
        except Error:
            code = 3
        except BaseException as error:
            sys.stderr.write(f"at {limit}: {error!r}\n")
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fill_the_disk(base: str, step: str) -> None:
    """Driver: for one limit after another, what a run meets, and that it goes on without the limit."""
    module.BATCH, broker.FOLLOW = 4, 3
    wanted = finish(Path(base) / "whole")
    seen: list[int] = []
    while not seen or seen[-1]:
        folder = Path(base) / "try"
        shutil.rmtree(folder, ignore_errors=True)
        seen.append(limited(folder, len(seen) * int(step)))
        assert finish(folder) == wanted
    print(json.dumps(seen))


def test_where_the_disk_is_full_it_stops_and_later_goes_on() -> None:
    code = "import sys; from tests.trading.test_desk import *; fill_the_disk(*sys.argv[1:])"
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        command = [sys.executable, "-c", code, folder, "5003"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not done.stderr
    seen = json.loads(done.stdout)
    assert set(seen) == {0, 3}
    assert len(seen) > 10


def test_a_session_that_is_done_still_needs_its_head(tmp_path):
    bars = generate(["A", "B"], 40, 1)
    inputs = eventful("threshold", bars)
    with Desk.at(tmp_path / "it", inputs, bars) as desk:
        desk.run()
        assert desk.done
    (tmp_path / "it" / "ledger.head").unlink()
    with pytest.raises(LedgerDamaged), Desk.at(tmp_path / "it", inputs, bars):
        pass


def test_bars_that_another_process_wrote_first_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def second(bars: Bars, path: Path) -> None:
        write_csv(bars, path)
        write_csv(bars, path)  # which finds the file there

    def nowhere(bars: Bars, path: Path) -> None:
        write_csv(bars, path / "no folder" / "bars.csv")

    monkeypatch.setattr(module, "write_csv", nowhere)
    with pytest.raises(BadRequest, match="WG220"), Desk.at(tmp_path / "it", INPUTS, BARS):
        pass
    monkeypatch.setattr(module, "write_csv", second)
    finish(tmp_path / "it")
    assert read_bars(tmp_path / "it" / "bars.csv") == BARS

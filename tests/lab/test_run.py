"""Runs are made once, by whatever workers, with the same bytes; killed anywhere, nothing is lost or made twice."""

from __future__ import annotations

import multiprocessing
import sys
from itertools import groupby
from pathlib import Path

import msgspec
import pytest

from tests.lab.tiny import contents, elsewhere, tiny
from worldgate.facts import canonical_json
from worldgate.horizon import from_json
from worldgate.lab import expand, run
from worldgate.lab.errors import BadRecords, RunFailed
from worldgate.lab.experiment import Cell
from worldgate.lab.parts import PREDICTORS
from worldgate.lab.records import read
from worldgate.lab.run import _rounds
from worldgate.lab.work import Task, lesson, work

CODE = """
import os, signal, sys
from pathlib import Path
from tests.lab.tiny import tiny
from worldgate.lab import run

def main():
    folder, place, workers = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    real, calls = os.fsync, 0
    def fsync(file):
        nonlocal calls
        calls += 1
        if calls == place:
            os.kill(os.getpid(), signal.SIGKILL)
        real(file)
    os.fsync = fsync
    run(tiny(), folder, workers=workers, ray=sys.argv[4] if len(sys.argv) > 4 else None)

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of one process that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    ran = run(tiny(), folder)
    assert ran.runs == ran.new == 36 * 3
    return folder


def test_every_run_is_recorded_with_what_made_it(whole: Path) -> None:
    planned, _ = expand(tiny())
    found = read(whole, [one.cell.run(seed) for one in planned for seed in (100, 101, 102)])
    assert len(found) == 36 * 3
    for one in planned:
        for seed in (100, 101, 102):
            kept = found[one.cell.run(seed)]
            assert (kept.record.seed, kept.record.driver, kept.record.steps) == (seed, one.cell.driver, 6)
            assert kept.record.settings.seed == seed
            assert all(kept.made[1:])


def test_a_finished_run_is_not_run_again(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(whole)
    monkeypatch.setattr(sys.modules["worldgate.lab.run"], "work", lambda _: pytest.fail("run again"))
    told: list[int] = []
    assert run(tiny(), whole, step=told.append).new == 0
    assert told == [36 * 3]
    assert contents(whole) == before


def test_runs_that_have_learned_the_same_come_together(tmp_path: Path) -> None:
    asked = tiny("outages], label", "outages], trained_on: everyday, label")
    tasks = _rounds(asked, tmp_path)[0][-1]
    lessons = [lesson(msgspec.json.decode(task.cell, type=Cell)) for task in tasks]
    assert [one for one, _ in groupby(lessons)] == list(dict.fromkeys(lessons))
    assert lessons != [lesson(one.cell) for one in expand(asked)[0]]


def test_a_predictor_may_learn_in_another_world_of_the_schema() -> None:
    here = "world: network, options: {hosts: 4, start: scattered}"

    def records(trained_in: str) -> list[str]:
        planned = expand(tiny(here, here + trained_in))[0]
        cells = [one.cell for one in planned if one.cell.taught and one.cell.world == "network"]
        return [row.record for cell in cells for row in work(Task(canonical_json(cell), (100,)))]

    as_it_is = records("")
    assert as_it_is == records(", trained_in: {world: network, options: {hosts: 4, start: scattered}}")
    assert as_it_is != records(", trained_in: {world: network, options: {hosts: 4, start: empty}}")


def test_what_is_wrong_in_the_beginning_is_judged_and_not_learned() -> None:
    here = "world: network, options: {hosts: 4, start: scattered}"

    def planned(more: str) -> list[Cell]:
        return [one.cell for one in expand(tiny(here, here + more))[0] if one.cell.world == "network"]

    for right, wrong in zip(planned(""), planned(", wrong: {facts: 4, relations: [link]}"), strict=True):
        assert lesson(right) == lesson(wrong)
        one, other = (work(Task(canonical_json(cell), (100,)))[0] for cell in (right, wrong))
        assert one.id != other.id
        assert one.record != other.record


def test_more_seeds_run_only_what_is_new(whole: Path, tmp_path: Path) -> None:
    for name, data in contents(whole).items():
        (tmp_path / name).write_bytes(data)
    ran = run(tiny("count: 3", "count: 4"), tmp_path)
    assert (ran.runs, ran.new) == (36 * 4, 36)


def test_parallel_is_serial_byte_for_byte(whole: Path, tmp_path: Path) -> None:
    run(tiny(), tmp_path, workers=2)
    assert contents(tmp_path) == contents(whole)


@pytest.mark.parametrize("place", [1, 2, 3, 10, 71])
def test_killed_at_any_write_it_goes_on_without_loss_or_duplicates(place: int, whole: Path, tmp_path: Path) -> None:
    assert elsewhere(CODE, tmp_path, place, 1).returncode == -9
    there = contents(tmp_path)
    assert len(there) == (place - 1 + (place % 2 == 0)) // 2  # each part syncs twice; it counts from its renaming on
    assert there.items() <= contents(whole).items()
    ran = run(tiny(), tmp_path)
    assert ran.new == 36 * 3 - 3 * len(there)
    assert contents(tmp_path) == contents(whole)


def test_a_killed_worker_is_a_numbered_error_and_can_be_gone_on_from(whole: Path, tmp_path: Path) -> None:
    def kill(done: int) -> None:
        if done:
            for child in multiprocessing.active_children():
                child.kill()

    with pytest.raises(RunFailed, match=r"WG495.*Run it again"):
        run(tiny(), tmp_path, workers=2, step=kill)
    assert 1 <= len(contents(tmp_path)) < 36
    run(tiny(), tmp_path)
    assert contents(tmp_path) == contents(whole)


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    code = CODE.replace(
        "run(tiny(), folder, workers=workers, ray=", "run(tiny(), folder, workers=workers, step=told, ray="
    )
    told = """
def told(done):
    if done:
        import multiprocessing
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""
    script = tmp_path / "script.py"
    script.write_text(code.replace("def main", f"{told}\ndef main", 1))
    ran = elsewhere(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", tmp_path, 0, 2)
    assert ran.returncode == -9  # and it came back: nobody else holds its output open
    assert len(ran.stdout.split()) == 2


def test_ray_is_serial_byte_for_byte(whole: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed (extra lab)")
    ran = elsewhere(CODE, tmp_path, 0, 2, "local", env={"RAY_AUTH_MODE": "disabled"})
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert contents(tmp_path) == contents(whole)


def test_a_run_that_raises_is_named_and_what_was_finished_is_kept(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_):
        raise ZeroDivisionError("broken")

    with monkeypatch.context() as patch:
        patch.setitem(PREDICTORS, "oracle", PREDICTORS["oracle"]._replace(make=broken))
        with pytest.raises(RunFailed, match=r"WG495.*/everyday, oracle wrong at 0.3, fixed, seed 100.*broken"):
            run(tiny(), tmp_path)
    assert 0 < len(contents(tmp_path)) < 36
    run(tiny(), tmp_path)
    assert contents(tmp_path) == contents(whole)


def test_a_predictor_that_learns_on_the_way_is_made_anew_for_each_run(tmp_path: Path) -> None:
    predictors = '[{name: "null"}, {name: induction}, {name: oracle, error: 0.3}]'
    experiment = tiny(predictors, "[{name: induction}]\nlearning: true")
    run(experiment, tmp_path)
    last = expand(experiment)[0][-1].cell
    (alone,) = work(Task(canonical_json(last), (102,)))
    (after,) = read(tmp_path, [alone.id]).values()
    assert after.record == from_json(alone.record)
    assert after.record.learned > 0


@pytest.mark.parametrize("data", [b"", b"PAR1 not at all PAR1", None])
def test_a_file_that_is_no_record_is_refused(data: bytes | None, whole: Path, tmp_path: Path) -> None:
    name, good = next(iter(contents(whole).items()))
    (tmp_path / name).write_bytes(good[: len(good) // 2] if data is None else data)
    with pytest.raises(BadRecords, match=f"WG493.*{name}"):
        run(tiny(), tmp_path)


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    parquet.write_table(arrow.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(BadRecords, match="without id"):
        run(tiny(), tmp_path)

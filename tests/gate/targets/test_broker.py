"""The paper broker: the ledger is the truth, the store follows, and one process at a time goes on from its end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from worldgate.facts import INT, Conflict, Edit, Error, Relation, Schema, State, ref
from worldgate.gate.targets import broker as module
from worldgate.gate.targets.broker import BehindRecord, Entry, NotOfRecord, PaperBroker

SCHEMA = Schema("tills", "1", [Relation("cash", (("till", ref("till")),), INT)])
FIRST = State.of(SCHEMA, [("cash", ("a",), 100), ("cash", ("b",), 100)])


def clock() -> str:
    return "2030-01-01T00:00:00Z"


@contextmanager
def opened(folder: Path, run: str = "run") -> Iterator[PaperBroker]:
    with PaperBroker.open(folder, SCHEMA, FIRST, run, clock) as broker:
        yield broker


def paid(before: int, after: int, till: str = "a", **body: object) -> Entry:
    return Entry("committed", body, (Edit("cash", (till,), before, after),))


def amounts(broker: PaperBroker) -> dict[str, int]:
    return {till: amount for _, (till,), amount in broker.state.facts("cash")}


def test_each_step_is_recorded_in_order_and_once(tmp_path):
    with opened(tmp_path) as broker:
        broker.commit([paid(100, 90, why="tea"), Entry("refused", {"why": "rent"}, ())])
        broker.commit([paid(90, 80, why="milk"), paid(80, 70, why="more")])
        assert amounts(broker) == {"a": 70, "b": 100}
    with opened(tmp_path) as broker:
        assert amounts(broker) == {"a": 70, "b": 100}
        records = list(broker.records())
    assert [record.data["why"] for record in records] == ["tea", "rent", "milk", "more"]
    assert [record.kind for record in records] == ["committed", "refused", "committed", "committed"]
    assert [len(record.data["delta"]) for record in records] == [1, 0, 1, 1]
    assert {record.run for record in records} == {"run"}


def test_steps_may_come_one_by_one_and_all_are_taken_before_any_is_written(tmp_path):
    def steps(fails: bool) -> Iterator[Entry]:
        for number in range(3):
            assert list(broker.records()) == []
            yield paid(100 - number, 99 - number)
        if fails:
            raise RuntimeError

    with opened(tmp_path) as broker:
        with pytest.raises(RuntimeError):
            broker.commit(steps(fails=True))
        assert list(broker.records()) == []
        assert broker.commit(steps(fails=False)) == 3
        assert len(list(broker.records())) == 3
        assert amounts(broker) == {"a": 97, "b": 100}


def test_nothing_to_commit_is_nothing(tmp_path):
    with opened(tmp_path) as broker:
        assert broker.commit([]) == 0
        assert list(broker.records()) == []
        assert broker.state == FIRST


def test_a_batch_that_does_not_apply_is_not_recorded(tmp_path):
    with opened(tmp_path) as broker:
        with pytest.raises(Conflict):
            broker.commit([paid(100, 90), paid(70, 60, "b")])
        assert list(broker.records()) == []
        broker.commit([paid(100, 90)])
        assert amounts(broker) == {"a": 90, "b": 100}


def test_a_batch_that_cannot_be_recorded_is_not_applied(tmp_path):
    with opened(tmp_path) as broker:
        with pytest.raises(Error, match="float"):
            broker.commit([paid(100, 90), paid(90, 80, price=0.1)])
        assert list(broker.records()) == []
        assert broker.state == FIRST
    with opened(tmp_path) as broker:
        assert broker.state == FIRST


def test_an_error_in_the_body_keeps_what_was_committed(tmp_path):
    def work() -> None:
        with opened(tmp_path) as broker:
            broker.commit([paid(100, 90)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    with opened(tmp_path) as broker:
        assert amounts(broker) == {"a": 90, "b": 100}


@pytest.mark.parametrize("follow", [1, 2, 3, 100])
def test_the_store_may_be_behind_and_catches_up(tmp_path, monkeypatch, follow):
    """At every moment a copy of the folder, which is what a killed process leaves, opens at the end of its record."""
    monkeypatch.setattr(module, "FOLLOW", follow)
    with opened(tmp_path / "live") as broker:
        for number in range(7):
            broker.commit([paid(100 - number, 99 - number), paid(100 + number, 101 + number, "b")])
            shutil.copytree(tmp_path / "live", copy := tmp_path / f"copy{number}")
            for _ in range(2):  # the second time there is nothing left to catch up with
                with opened(copy) as killed:
                    assert killed.state == broker.state
                    assert len(list(killed.records())) == 2 * number + 2


def test_a_lost_store_is_made_again(tmp_path):
    with opened(tmp_path) as broker:
        broker.commit([paid(100, 90)])
    for path in tmp_path.glob("store.db*"):
        path.unlink()
    with opened(tmp_path) as broker:
        assert amounts(broker) == {"a": 90, "b": 100}


# --- several processes ----------------------------------------------------------------------------


def test_the_second_to_commit_from_an_end_changes_nothing(tmp_path):
    with opened(tmp_path) as late, opened(tmp_path) as early:
        early.commit([paid(100, 90)])
        for _ in range(2):
            with pytest.raises(BehindRecord, match="WG651"):
                late.commit([paid(100, 50)])
        assert late.state == FIRST
        early.commit([paid(90, 80)])
    with opened(tmp_path) as broker:
        assert amounts(broker) == {"a": 80, "b": 100}
        assert len(list(broker.records())) == 2


def test_even_when_both_did_the_same(tmp_path):
    with opened(tmp_path) as late, opened(tmp_path) as early:
        early.commit([paid(100, 90)])
        with pytest.raises(BehindRecord):
            late.commit([paid(100, 90)])
    with opened(tmp_path) as broker:
        assert amounts(broker) == {"a": 90, "b": 100}


def test_one_that_only_looks_disturbs_nobody(tmp_path):
    with opened(tmp_path) as working:
        working.commit([paid(100, 90)])
        with opened(tmp_path) as looking:
            assert amounts(looking) == {"a": 90, "b": 100}
        working.commit([paid(90, 80)])
    with opened(tmp_path) as broker:
        assert amounts(broker) == {"a": 80, "b": 100}


def test_another_runs_record_is_not_gone_on_with(tmp_path):
    """One of them killed before the store followed."""
    with opened(tmp_path / "live", "other") as broker:
        broker.commit([paid(100, 90)])
        shutil.copytree(tmp_path / "live", tmp_path / "killed")
    for folder in ("live", "killed"):
        with pytest.raises(NotOfRecord, match="WG652"), opened(tmp_path / folder):
            pass


# --- a store that is not of this record -----------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    with opened(tmp_path / "it") as broker:
        broker.commit([paid(100, 90)])
    return tmp_path / "it"


def test_a_store_ahead_of_its_record_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "old")
    with opened(folder) as broker:
        broker.commit([paid(90, 80)])
    for path in (tmp_path / "old").glob("ledger*"):
        shutil.copy(path, folder / path.name)
    for path in folder.glob("ledger.db-*"):
        path.unlink()
    with pytest.raises(NotOfRecord, match="WG652"), opened(folder):
        raise AssertionError


def test_a_store_of_another_record_is_refused(folder, tmp_path):
    with opened(tmp_path / "other") as broker:
        broker.commit([paid(100, 10)])
    for path in (tmp_path / "other").glob("store.db*"):
        shutil.copy(path, folder / path.name)
    with pytest.raises(NotOfRecord, match="WG652"), opened(folder):
        raise AssertionError


def test_a_store_of_another_world_is_refused(folder):
    other = Schema("tills", "2", [Relation("cash", (("till", ref("till")),), INT)])
    with pytest.raises(Error, match="WG641"), PaperBroker.open(folder, other, State.of(other), "run", clock):
        raise AssertionError

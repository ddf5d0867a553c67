"""The store target: one transaction, compare-and-swap, killed anywhere it is whole."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from worldgate.facts import INT, Edit, Relation, Schema, State, ref
from worldgate.gate.base import observe
from worldgate.gate.targets.stale import Stale
from worldgate.gate.targets.store import StoreTarget, WrongStore

SCHEMA = Schema("tills", "1", [Relation("cash", (("till", ref("till")),), INT, index=(0,))])
FIRST = State.of(SCHEMA, [("cash", (f"t{number}",), 100) for number in range(20)])


@pytest.fixture
def target(tmp_path: Path) -> StoreTarget:
    return StoreTarget(tmp_path / "store.db", SCHEMA, FIRST)


def now(target: StoreTarget) -> State:
    return State.of(SCHEMA, source=target.source())


def test_a_commit_changes_what_the_delta_says(target):
    delta = (Edit("cash", ("t1",), 100, 80), Edit("cash", ("t2",), 100, None), Edit("cash", ("new",), None, 5))
    target.commit("r1", delta, observe(now(target), [("cash", ("t3",))]))
    assert now(target) == FIRST.apply(delta)
    assert now(StoreTarget(target.path, SCHEMA, FIRST)) == FIRST.apply(delta), "a reopened store keeps its facts"
    assert target.outcome("r1")
    assert not target.outcome("r2")


@pytest.mark.parametrize(
    "address", [("cash", ("t3",)), ("cash", ("t1",)), ("cash", ())], ids=["read", "changed", "whole relation"]
)
def test_what_was_read_or_changed_must_still_hold(target, address):
    base = observe(now(target), [address])
    target.commit("r1", (Edit("cash", ("t1",), 100, 1), Edit("cash", ("t3",), 100, 1)), ())
    before = now(target)
    with pytest.raises(Stale) as caught:
        target.commit("r2", (Edit("cash", ("t9",), 100, 0),), base)
    assert caught.value.differences[0].address == address
    assert now(target) == before


def test_an_edit_whose_before_does_not_hold_is_stale(target):
    with pytest.raises(Stale):
        target.commit("r1", (Edit("cash", ("t1",), 100, 0), Edit("cash", ("t2",), 99, 0)), ())
    assert now(target) == FIRST


def test_another_worlds_store_is_refused(target):
    other = Schema("tills", "2", [Relation("cash", (), INT)])
    with pytest.raises(WrongStore):
        StoreTarget(target.path, other, State.of(other))
    with sqlite3.connect(target.path) as database:
        database.execute("update facts set value = '\"x\"' where relation = 'cash'")
    with pytest.raises(WrongStore):
        target.source()


def _add_one(path: Path, worker: int) -> None:
    target = StoreTarget(path, SCHEMA, FIRST)
    for number in range(5):
        while True:
            have = now(target).get("cash", ("t0",))
            try:
                target.commit(f"{worker}/{number}", (Edit("cash", ("t0",), have, have + 1),), ())
            except Stale:
                continue
            break


def test_no_update_is_lost_between_processes(target):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add_one, args=(target.path, number)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert now(target).get("cash", ("t0",)) == 100 + 8 * 5


def _killed_at(path: Path, line: int) -> None:
    seen = 0

    def trace(statement: str) -> None:
        nonlocal seen
        seen += 1
        if seen == line:
            os.kill(os.getpid(), signal.SIGKILL)

    connect = sqlite3.connect

    def traced(*args, **kwargs):
        database = connect(*args, **kwargs)
        database.set_trace_callback(trace)
        return database

    sqlite3.connect = traced
    delta = (Edit("cash", ("t1",), 100, 80), Edit("cash", ("t2",), 100, 120))
    StoreTarget(path, SCHEMA, FIRST).commit("r1", delta, ())
    os._exit(0)


def test_killed_at_every_statement_it_is_before_or_after(tmp_path):
    """Every SQL statement of opening and committing is a place to be killed at."""
    context = multiprocessing.get_context("fork")
    outcomes = set()
    for line in range(1, 100):
        path = tmp_path / f"{line}.db"
        worker = context.Process(target=_killed_at, args=(path, line))
        worker.start()
        worker.join()
        target = StoreTarget(path, SCHEMA, FIRST)
        done = target.outcome("r1")
        assert now(target) == (
            FIRST.apply((Edit("cash", ("t1",), 100, 80), Edit("cash", ("t2",), 100, 120))) if done else FIRST
        )
        outcomes.add(done)
        if worker.exitcode == 0:
            break
    assert worker.exitcode == 0, "every statement was tried"
    assert outcomes == {True, False}

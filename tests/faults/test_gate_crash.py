"""A commit that is killed at any step: the directory is before or after, and the ledger says which.

Every writing call of the whole way is a point: renames, unlinks, new files, flushes, locks, and each statement
that SQLite is given. A child process is killed right before (or right after) one of them; the next start
recovers. What was killed was the process, so flushes that only matter for a power loss are points too.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gate.houses import House
from worldgate.facts import Error, State
from worldgate.gate.audit import audit
from worldgate.gate.targets import platform as platforms

WRITING = (
    "rename",
    "replace",
    "unlink",
    "rmdir",
    "mkdir",
    "symlink",
    "link",
    "fsync",
    "write",
    "chmod",
    "utime",
    "truncate",
)
STEPS = ("mkdir build", "cp a build/a", "rm b", "mv d e", "chmod 600 a")
Point = Callable[[], None]


class Statements(sqlite3.Connection):
    """A connection whose every statement is a point."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if not sql.startswith(("SELECT", "select", "PRAGMA", "pragma")):
            Statements.point()
        return super().execute(sql, *values)

    point: Point = staticmethod(lambda: None)


@contextmanager
def watched(point: Point) -> Iterator[None]:
    """Call `point` before everything that writes."""
    with pytest.MonkeyPatch.context() as patch:
        for name in WRITING:
            patch.setattr(os, name, _pointed(point, getattr(os, name)))
        patch.setattr(platforms, "_call", _pointed(point, platforms._call))
        connect = sqlite3.connect
        patch.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, **{**named, "factory": Statements}))
        patch.setattr(Statements, "point", staticmethod(point))
        yield


def _pointed(point: Point, call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*given: Any, **named: Any) -> Any:
        point()
        return call(*given, **named)

    return wrapped


def killed_at(number: int, act: Callable[[], object]) -> bool:
    """Do it in a child that is killed at its n-th point; whether there was such a point."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads; this child has none of its own
        child = os.fork()
    if child == 0:
        left = number

        def point() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with watched(point):
                act()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def points(act: Callable[[], object]) -> int:
    """How many points there are on the way."""
    count = 0

    def point() -> None:
        nonlocal count
        count += 1

    with watched(point):
        act()
    return count


@pytest.fixture
def tmp_path(memory: Path) -> Path:
    return memory


@pytest.fixture
def heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "heads"))


def assert_consistent(house: House, run: str, before: State, after: State) -> str:
    """After recovery the target is before or after, and the ledger says so; returns which."""
    house.workspace.recover()
    kinds, now = house.kinds(run), house.state()
    since = kinds[len(kinds) - kinds[::-1].index("approved") :] if "approved" in kinds else []
    assert now in (before, after)
    if now == after:
        assert since == ["spent", "started", "committed"], since
    elif "spent" in since:
        assert since in (["spent", "failed"], ["spent", "started", "failed"]), since
    else:
        assert since == []
    assert not (house.root / ".worldgate/pending").exists()
    assert not (house.root / ".worldgate/journal.json").exists()
    assert audit(house.workspace).problems == ()
    return "after" if now == after else "before"


def sweep(make: Callable[[int], House], steps: tuple[str, ...], share: int) -> set[str]:
    """Kill a commit at every `share`-th point; which outcomes there were."""
    house = make(-1)
    proposal, before = house.plan(*steps), house.state()
    total = points(lambda: house.commit(proposal))
    after, outcomes = house.state(), set()
    assert total > 20
    for number in range(total % share, total, share):
        house = make(number)
        assert house.plan(*steps).id == proposal.id
        assert killed_at(number, lambda house=house: house.commit(proposal))  # type: ignore[misc]
        outcomes.add(assert_consistent(house, proposal.id, before, after))
        if number % 4 == 0 and house.state() == before:  # and it can be done again
            house.do(*steps)
            assert house.state() == after
    return outcomes


@pytest.mark.usefixtures("heads")
def test_killed_at_any_point_of_a_commit_the_directory_and_the_ledger_agree(
    tmp_path: Path, platform: platforms.Platform
) -> None:
    share = 1 if platform is platforms.HERE else 5
    assert sweep(lambda number: House(tmp_path / f"w{number}"), STEPS, share) == {"before", "after"}


@pytest.mark.usefixtures("heads")
def test_killed_at_any_point_of_a_commit_the_store_and_the_ledger_agree(tmp_path: Path) -> None:
    steps = ('block(customer: "ada")', 'ship(order: "o1")')
    outcomes = sweep(lambda number: House(tmp_path / f"w{number}", {}, "support-desk"), steps, 2)
    assert outcomes == {"before", "after"}


@pytest.mark.usefixtures("heads")
@pytest.mark.parametrize("world", ["filesystem", "support-desk"])
def test_killed_at_any_point_of_a_second_commit_of_one_run(tmp_path: Path, world: str) -> None:
    """Committed, undone, and killed while it is committed again: the first time proves nothing about the second."""
    step = "cp a c" if world == "filesystem" else 'block(customer: "ada")'

    def make(number: int) -> House:
        house = House(tmp_path / f"w{number}", None if world == "filesystem" else {}, world)
        house.undo(house.do(step))
        return house

    assert sweep(make, (step,), 5) == {"before", "after"}


@pytest.mark.usefixtures("heads")
def test_killed_while_simulating_nothing_is_approved_that_was_not_recorded(tmp_path: Path) -> None:
    House(tmp_path / "first").plan(*STEPS)  # makes the directory of heads
    house = House(tmp_path / "count")
    total = points(lambda: house.plan(*STEPS))
    for number in range(0, total, 3):
        house = House(tmp_path / f"w{number}")
        before = house.state()
        assert killed_at(number, lambda house=house: house.plan(*STEPS))  # type: ignore[misc]
        for run in {record.run for record in house.workspace.records() if record.kind == "approved"}:
            assert house.kinds(run) == ["simulated", "approved"]
        assert house.state() == before
        house.do(*STEPS)
        assert audit(house.workspace).problems == ()


@pytest.mark.usefixtures("heads")
def test_killed_while_undoing(tmp_path: Path) -> None:
    def make(number: int) -> tuple[House, str, State, State]:
        house = House(tmp_path / f"w{number}")
        before = house.state()
        run = house.do("mv a c", "rm b")
        return house, run, house.state(), before

    house, run, before, after = make(-1)
    total = points(lambda: house.undo(run))
    for number in range(0, total - 3, 7):
        house, run, before, after = make(number)
        assert killed_at(number, lambda house=house, run=run: house.undo(run))  # type: ignore[misc]
        house.workspace.recover()
        assert house.state() in (before, after)
        assert ("undone" in house.kinds(run)) == (house.state() == after)
        assert audit(house.workspace).problems == ()


@pytest.mark.usefixtures("heads")
def test_killed_while_recovering(tmp_path: Path) -> None:
    """Recovery itself may be killed, again and again."""
    house = House(tmp_path / "count")
    proposal, before = house.plan(*STEPS), house.state()
    total = points(lambda: house.commit(proposal))
    after = house.state()
    for number in range(total // 3, total, 6):
        house = House(tmp_path / f"w{number}")
        house.plan(*STEPS)
        killed_at(number, lambda house=house: house.commit(proposal))  # type: ignore[misc]
        again = 0
        while killed_at(again, lambda house=house: house.workspace.recover()):  # type: ignore[misc]
            again += 3
        assert_consistent(house, proposal.id, before, after)


@pytest.mark.usefixtures("heads")
def test_a_full_disk_at_any_point_of_a_commit_leaves_before_or_after(tmp_path: Path) -> None:
    house = House(tmp_path / "count")
    proposal, before = house.plan(*STEPS), house.state()
    total = points(lambda: house.commit(proposal))
    after = house.state()
    for number in range(0, total, 5):
        house = House(tmp_path / f"w{number}")
        house.plan(*STEPS)
        left = number

        def point() -> None:
            nonlocal left
            left -= 1
            if left == -1:
                raise OSError(28, "No space left on device")

        try:
            with watched(point):
                house.commit(proposal)
        except (Error, OSError):
            pass
        assert_consistent(house, proposal.id, before, after)

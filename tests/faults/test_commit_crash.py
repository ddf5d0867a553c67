"""A commit that is killed, or fails, at any of its writes leaves the directory before or after: never between.

Every write is enumerated. `Unsynced` leaves out the flushes (a killed process loses nothing that the
kernel has), so that the tables are whole and still fast; failing flushes are in the error table.
"""

from __future__ import annotations

import os
import signal
import stat
import warnings
from collections.abc import Callable
from errno import EACCES, EIO, ENOSPC
from pathlib import Path

import pytest

from tests.gate.targets.scripts import Script, renamed
from tests.gate.targets.trees import (
    Change,
    Link,
    Node,
    Photo,
    Symlink,
    Tree,
    assert_same_photo,
    assert_same_shape,
    build,
    change,
    photograph,
    scan,
    shape,
)  # fmt: skip
from worldgate.gate.targets.directory import DirectoryTarget
from worldgate.gate.targets.refusals import CommitFailed, OutcomeUnknown
from worldgate.gate.targets.writes import Writes

RUN = "r" * 64

SMALL: Tree = {"a": b"one", "b": b"two", "d/x": b"x"}
RICH: Tree = {
    "a": b"one", "b": b"two", "h1": b"linked", "h2": Link("h1"), "h3": Link("h1"), "s": Symlink("a"),
    "d": None, "d/x": b"x", "d/y": None, "d/y/z": b"z", "d/y/w": None, "e": None, "e/f": b"f", "e/g/deep/er": b"er",
    "m": Node(b"meta", 0o640, {"user.k": b"v"}), "t/u": Node(None, 0o750), "t/u/v": b"v", "t/w": b"w", "empty": None,
}  # fmt: skip


def _create(script: Script) -> None:
    script.mkdir("new", 0o700)
    script.mkdir("new/in")
    script.put("new/in/f", b"n" * 10_000, 0o600)
    script.xattr("new/in/f", "user.n", b"1")
    script.put("top", b"")
    script.symlink("link", "nowhere")


def _delete(script: Script) -> None:
    for path in ("d", "a", "s", "empty"):
        script.rm(path)


def _swap(script: Script) -> None:
    script.swap("a", "b")
    script.swap("d", "e")


def _rotate(script: Script) -> None:
    script.mv("e/g", "g")
    script.mv("d/y", "e/g")
    script.mv("e", "d/y")
    script.mkdir("above")
    script.mv("d", "above/d")


def _links(script: Script) -> None:
    script.write("h1", b"written through all three")
    script.rm("h3")
    script.ln("a", "a2")
    script.mv("h2", "e/h2")
    script.rm("b")
    script.ln("m", "b")


def _metadata(script: Script) -> None:
    script.chmod("m", 0o4711)
    script.xattr("m", "user.k", None)
    script.xattr("m", "user.other", b"\x00\xff")
    script.chmod("t", 0o711)
    script.xattr("t", "user.dir", b"d")
    script.write("a", b"bytes and mode")
    script.chmod("a", 0o400)
    script.chmod("", 0o750)


def _kinds(script: Script) -> None:
    script.mv("t/u/v", "saved")
    script.rm("t")
    script.put("t", b"a file now")
    script.rm("a")
    script.mkdir("a")
    script.mv("saved", "a/saved")
    script.rm("s")
    script.put("s", b"was a link")


def _inside_out(script: Script) -> None:
    """A child of a deleted directory gets out, and its parent's parent moves beneath it."""
    script.mv("e/g/deep", "deep")
    script.rm("e")
    script.mv("d", "deep/d")
    script.mv("deep/d/y", "deep/er2")
    script.mv("t", "deep/d/t")


CHANGES: dict[str, Callable[[Script], None]] = {
    "create": _create, "delete": _delete, "swap": _swap, "rotate": _rotate, "links": _links,
    "metadata": _metadata, "kinds": _kinds, "inside_out": _inside_out,
}  # fmt: skip


def _small(script: Script) -> None:
    script.write("a", b"changed")
    script.mv("b", "d/b")
    script.rm("d/x")
    script.mkdir("n")
    script.mv("d", "n/d")
    script.chmod("n/d", 0o700)


class Unsynced(Writes):
    """Writes without flushes."""

    def fsync(self, descriptor: int) -> None:
        pass

    def syncfs(self, descriptor: int) -> None:
        pass


class Torn(Unsynced):
    """Dies in the middle of the data write with this number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, descriptor: int, data: memoryview) -> int:
        done = super().write(descriptor, data[: (len(data) + 1) // 2])
        if self.count == self.number:
            die()
        return done + super().write(descriptor, data[done:]) if done < len(data) else done


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killing(number: int) -> Writes:
    return Unsynced(lambda count, _: die() if count == number else None)


def in_child(work: Callable[[], object]) -> bool:
    """Do it in a child process; whether it was killed. Any other failure is this test's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status == signal.SIGKILL


class Case:
    """One tree and one change, made anew for every trial."""

    def __init__(self, folder: Path, tree: Tree, edit: Callable[[Script], None]) -> None:
        self.folder, self.tree, self.number = folder, tree, 0
        root = self.fresh()
        state, blobs = scan(root)
        script = Script(state, blobs)
        edit(script)
        self.change: Change = change(state, script.delta(), blobs)
        counted = Unsynced()
        self.commit(root, counted)
        assert scan(root)[0] == renamed(state.apply(self.change.delta))
        self.after: Photo = photograph(root)
        self.writes = counted.count

    def fresh(self) -> Path:
        self.number += 1
        root = self.folder / str(self.number)
        build(root, self.tree)
        return root

    def commit(self, root: Path, writes: Writes) -> None:
        wanted = self.change
        DirectoryTarget(root, writes=writes).commit(RUN, wanted.delta, wanted.base, wanted.blobs)

    def assert_whole(self, root: Path, before: Photo, recovered: object, where: object) -> None:
        """Exactly before or exactly after, and recovery said which."""
        now = photograph(root)
        if shape(now) == shape(self.after) and now != before:
            assert_unchanged_keep_their_times(now, before)
            assert recovered is None or recovered.outcome == "after", where  # type: ignore[attr-defined]
        else:
            assert_same_photo(now, before, where)
            assert recovered is None or recovered.outcome == "before", where  # type: ignore[attr-defined]
        left = root / ".worldgate"
        if left.exists():
            assert not (left / "journal.json").exists(), where
            assert not list(left.glob("stage/*")), where
        assert not os.path.lexists(root / ".worldgate.times"), where


def assert_unchanged_keep_their_times(now: Photo, before: Photo) -> None:
    """Files that are still the same inode have their modification time."""
    times = {row[-1]: row[-2] for row in before.values() if not stat.S_ISDIR(int(str(row[0])))}
    for path, row in now.items():
        if not stat.S_ISDIR(int(str(row[0]))):
            assert times.get(row[-1], row[-2]) == row[-2], path


@pytest.fixture(params=CHANGES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(tmp_path, RICH, CHANGES[request.param])


@pytest.mark.usefixtures("platform")
def test_killed_at_any_write(case: Case) -> None:
    outcomes = set()
    for number in range(1, case.writes + 1):
        root = case.fresh()
        before = photograph(root)
        assert in_child(lambda root=root, number=number: case.commit(root, killing(number)))
        target = DirectoryTarget(root, writes=Unsynced())
        recovered = target.recover()
        case.assert_whole(root, before, recovered, number)
        assert target.recover() is None
        outcomes.add(shape(photograph(root)) == shape(case.after))
        if photograph(root) == before:
            case.commit(root, Unsynced())
            assert_same_shape(photograph(root), case.after, number)
    assert outcomes == {False, True}


def test_killed_in_the_middle_of_any_data(tmp_path: Path) -> None:
    case = Case(tmp_path, RICH, _create)
    kills = 0
    for number in range(1, case.writes + 1):
        root = case.fresh()
        before = photograph(root)
        kills += in_child(lambda root=root, number=number: case.commit(root, Torn(number)))
        recovered = DirectoryTarget(root, writes=Unsynced()).recover()
        case.assert_whole(root, before, recovered, number)
    assert kills >= 2  # a file's content, and the journal


@pytest.mark.parametrize(
    ("name", "share", "platform"),
    [("small", 1, "linux"), ("kinds", 3, "linux"), ("links", 3, "linux"), ("small", 1, "posix")],
    indirect=["platform"],
)
@pytest.mark.usefixtures("platform")
def test_killed_at_any_write_and_again_at_any_write_of_the_recovery(tmp_path: Path, name: str, share: int) -> None:
    """After each write, its recovery is killed at every write, or at every `share`-th, beginning with another each."""
    case = Case(tmp_path, RICH if name in CHANGES else SMALL, CHANGES.get(name, _small))
    pairs = 0
    for number in range(1, case.writes + 1):
        again, killed = 1 - share + number % share, True
        while killed:
            again += share
            root = case.fresh()
            before = photograph(root)
            assert in_child(lambda root=root, number=number: case.commit(root, killing(number)))
            killed = in_child(lambda root=root, again=again: DirectoryTarget(root, writes=killing(again)).recover())
            recovered = DirectoryTarget(root, writes=Unsynced()).recover()
            case.assert_whole(root, before, recovered, (number, again))
            pairs += killed
    assert pairs > case.writes


class Failing(Writes):
    """Fails once, at the call with this number: before it is made, or (as a disk may) after it was."""

    def __init__(self, number: int, error: int, *, late: bool = False) -> None:
        super().__init__(self._fail)
        self.number, self.error, self.late, self.failed = number, error, late, ""

    def _fail(self, count: int, name: str) -> None:
        if count == self.number:
            self.failed = name
            if not self.late:
                raise OSError(self.error, os.strerror(self.error))


class Dead(Unsynced):
    """Every call from one number on fails: the disk is gone."""

    def __init__(self, number: int) -> None:
        super().__init__(self._fail)
        self.number = number

    def _fail(self, count: int, _: str) -> None:
        if count >= self.number:
            raise OSError(EIO, os.strerror(EIO))


@pytest.mark.usefixtures("platform")
def test_when_rolling_back_fails_too_the_outcome_is_unknown_until_it_is_recovered(case: Case) -> None:
    unknown = 0
    for number in range(1, case.writes + 1):
        root = case.fresh()
        before = photograph(root)
        recovered = None
        try:
            case.commit(root, Dead(number))
        except CommitFailed:
            assert_same_photo(photograph(root), before, number)
        except OutcomeUnknown:
            unknown += 1
            recovered = DirectoryTarget(root, writes=Unsynced()).recover()
        DirectoryTarget(root, writes=Unsynced()).recover()
        case.assert_whole(root, before, recovered, number)
    assert unknown > 1


for _name in [name for name in vars(Writes) if not name.startswith("_")]:

    def _late(self: Failing, *args: object, _name: str = _name, **named: object) -> object:
        count = self.count
        result = getattr(Writes, _name)(self, *args, **named)
        if self.late and count < self.number <= self.count and self.failed:
            self.late = False
            raise OSError(self.error, os.strerror(self.error))
        return result

    setattr(Failing, _name, _late)


@pytest.mark.parametrize(
    ("error", "late", "share", "platform"),
    [
        *(
            (error, late, 1 if error == EIO else 3, "linux")
            for error in (ENOSPC, EACCES, EIO)
            for late in (False, True)
        ),
        (EIO, True, 1, "posix"),
    ],
    ids=[*(f"{name}-{when}" for name in ("ENOSPC", "EACCES", "EIO") for when in ("not", "done")), "EIO-done-posix"],
    indirect=["platform"],
)
@pytest.mark.usefixtures("platform")
def test_an_error_at_any_write_is_rolled_back(case: Case, error: int, late: bool, share: int) -> None:
    """EIO at every write; the others, which are rolled back by the same code, at every third."""
    failures = 0
    counted = Failing(0, error)
    case.commit(case.fresh(), counted)
    for number in range(1, counted.count + 1, share):
        root = case.fresh()
        before = photograph(root)
        writes = Failing(number, error, late=late)
        try:
            case.commit(root, writes)
        except CommitFailed as failed:
            failures += 1
            assert_same_photo(photograph(root), before, (number, writes.failed))
            assert getattr(failed.__cause__, "errno", None) == error  # noqa: PT017 (it may also succeed)
        else:
            # Only tidying up after the decision may fail without a word.
            assert_same_shape(photograph(root), case.after, (number, writes.failed))
            assert writes.failed in ("unlink", "rmdir", "rename", "chmod")
            assert DirectoryTarget(root, writes=Unsynced()).outcome(RUN)
        DirectoryTarget(root, writes=Unsynced()).recover()
        assert not list(root.glob(".worldgate/stage/*"))
    assert failures > counted.count // share // 3


def test_a_run_that_begins_again_and_is_killed_early_is_not_taken_for_its_first_time(tmp_path: Path) -> None:
    case = Case(tmp_path, SMALL, _small)
    root = case.fresh()
    empty = Change((), (), case.change.blobs)

    def again(writes: Writes) -> None:
        DirectoryTarget(root, writes=writes).commit(RUN, empty.delta, empty.base, empty.blobs)

    again(Unsynced())
    assert DirectoryTarget(root).outcome(RUN)
    names: list[str] = []
    again(Unsynced(lambda _, name: names.append(name)))
    assert in_child(lambda: again(killing(names.index("create") + 1)))
    recovered = DirectoryTarget(root, writes=Unsynced()).recover()
    assert recovered is not None
    assert recovered.outcome == "before"
    assert not DirectoryTarget(root).outcome(RUN)


@pytest.mark.usefixtures("platform")
def test_a_stranger_in_the_way_of_a_recovery_is_left_alone(tmp_path: Path) -> None:
    """Between the crash and the recovery, someone puts a file where the commit had taken one away."""
    case = Case(tmp_path, SMALL, _small)
    strangers = 0
    for number in range(1, case.writes + 1):
        root = case.fresh()
        before = photograph(root)
        assert in_child(lambda root=root, number=number: case.commit(root, killing(number)))
        if (root / "b").exists() or not (root / ".worldgate/journal.json").exists():
            continue
        strangers += 1
        (root / "b").write_bytes(b"theirs")
        target = DirectoryTarget(root, writes=Unsynced())
        with pytest.raises(OutcomeUnknown):
            target.recover()
        assert (root / "b").read_bytes() == b"theirs"
        (root / "b").unlink()
        target.recover()
        again = photograph(root)
        assert {path: row for path, row in again.items() if path} == {path: row for path, row in before.items() if path}
    assert strangers > 3

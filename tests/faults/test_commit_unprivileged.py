"""Commits of an ordinary user, to whom modes matter: as root these tests become another user first."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.test_commit_crash import Case, Unsynced, in_child, killing
from tests.gate.targets.scripts import Script
from tests.gate.targets.trees import Node, Tree, assert_same_photo, build, change, photograph, scan
from worldgate.gate.targets.directory import DirectoryTarget
from worldgate.gate.targets.refusals import BadWorkplace, Uncommittable

NOBODY = 65534
LOCKED: Tree = {
    "r": Node(None, 0o555), "r/f": Node(b"f", 0o444), "r/g": Node(b"g", 0o400), "r/in": Node(None, 0o500),
    "r/in/h": Node(b"h", 0o444), "w": b"w",
}  # fmt: skip


def _edit(script: Script) -> None:
    script.rm("r/f")
    script.mv("r/in", "in")
    script.write("r/g", b"new")
    script.mkdir("closed", 0o500)
    script.put("closed/k", b"k", 0o400)
    script.mv("w", "closed/w")
    script.chmod("in", 0o700)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    for root, names, _ in os.walk(folder):
        for name in names:
            if not (Path(root) / name).is_symlink():
                (Path(root) / name).chmod(0o700)
    shutil.rmtree(folder)


def as_user(work: Callable[[], object]) -> None:
    def lower() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        work()

    assert not in_child(lower)


@pytest.mark.usefixtures("platform")
def test_directories_that_forbid_writing_to_their_owner_are_changed_and_stay_so(place: Path) -> None:
    def work() -> None:
        case = Case(place, LOCKED, _edit)
        modes = {path: case.after[path][0] for path in ("r", "in", "closed")}
        assert {path: int(str(mode)) & 0o777 for path, mode in modes.items()} == {
            "r": 0o555,
            "in": 0o700,
            "closed": 0o500,
        }

    as_user(work)


@pytest.mark.usefixtures("platform")
def test_killed_at_any_write(place: Path) -> None:
    def work() -> None:
        case = Case(place, LOCKED, _edit)
        for number in range(1, case.writes + 1):
            root = case.fresh()
            before = photograph(root)
            assert in_child(lambda root=root, number=number: case.commit(root, killing(number)))
            recovered = DirectoryTarget(root, writes=Unsynced()).recover()
            case.assert_whole(root, before, recovered, number)

    as_user(work)


def test_what_belongs_to_another_user_is_refused_before_anything_happens(place: Path) -> None:
    """Its times could not be put back. (Where the test is not run by root, nothing belongs to another.)"""
    root = place / "root"
    build(root, {"theirs/f": b"f", "mine": b"m"})
    (root / "theirs").chmod(0o777)
    root.chmod(0o777)
    owner = os.geteuid()
    other = NOBODY if owner == 0 else owner
    os.chown(root / "mine", other, -1)
    (root / ".worldgate").mkdir(mode=0o700)
    os.chown(root / ".worldgate", other, -1)

    def work() -> None:
        state, blobs = scan(root)
        script = Script(state, blobs)
        script.rm("theirs/f")
        wanted = change(state, script.delta(), blobs)
        before = photograph(root)
        target = DirectoryTarget(root)
        if owner == os.geteuid():
            target.commit("run", wanted.delta, wanted.base, wanted.blobs)
            assert not (root / "theirs/f").exists()
            return
        with pytest.raises(Uncommittable) as refused:
            target.commit("run", wanted.delta, wanted.base, wanted.blobs)
        assert refused.value.reason == "owner"
        assert_same_photo(photograph(root), before)

    as_user(work)
    if owner == 0:
        with pytest.raises(BadWorkplace):
            DirectoryTarget(root).recover()

"""A directory read by plain POSIX calls says what it says on Linux, and where it says less, that is known."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.test_commit_unprivileged import as_user
from worldgate.facts import Fact
from worldgate.worlds.filesystem.blobs import digest
from worldgate.worlds.filesystem.directory import ChangedMeanwhile, DirectorySource, Unreadable
from worldgate.worlds.filesystem.system import LINUX, POSIX, System
from worldgate.worlds.filesystem.tree import Tree

from .tree_asserts import ODD, assert_same_facts, furnish, photograph

SYSTEMS = pytest.mark.parametrize("system", [LINUX, POSIX], ids=["linux", "posix"])
KINDS = ["a", "dir", "hollow", "fifo", "to-a", "to-dir", "dangling", ODD]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return furnish(tmp_path / "root")


def facts(root: Path, system: System) -> set[Fact]:
    return set(DirectorySource(root, system=system).facts())


def test_both_say_the_same_but_for_attributes(root: Path) -> None:
    attributes = {fact for fact in facts(root, LINUX) if fact[0] == "xattr"}
    assert attributes
    assert_same_facts(facts(root, POSIX), facts(root, LINUX) - attributes)


def test_what_is_asked_for_one_by_one_is_what_the_walk_says(root: Path) -> None:
    asked = DirectorySource(root, system=POSIX)
    for relation, key, value in facts(root, POSIX):
        assert asked.get(relation, key) == value
        if relation == "entry":
            assert key in asked.owners("entry", value)
            assert asked.select("entry", key[:1])[key[1:]] == value
    for path in ("", "..", "a/", "./a", "dir//f", "/etc/passwd", "a/x", "to-dir/f", "missing/x"):
        assert asked.get("inode", (path,)) is None
        assert asked.select("entry", (path,)) == {}


def test_reading_changes_nothing_and_the_token_is_the_same_each_time(root: Path) -> None:
    before = photograph(root), DirectorySource(root, system=POSIX).seen()
    facts(root, POSIX)
    assert (photograph(root), DirectorySource(root, system=POSIX).seen()) == before


def test_exchanging_a_directory_for_a_link_leads_nowhere(root: Path) -> None:
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "f").write_text("secret")
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            os.rename(root / "dir", root / "kept")
            os.symlink(root.parent / "outside", root / "dir")
            os.unlink(root / "dir")
            os.rename(root / "kept", root / "dir")

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(100):
            try:
                found = DirectorySource(root, system=POSIX).get("content", ("dir/f",))
                assert found in (None, digest(b"f\n" * 2000))
            except (ChangedMeanwhile, Unreadable):  # the second: looked up and then not listed
                pass
    finally:
        stop.set()
        thread.join()


# --- inodes that are held ---------------------------------------------------------------------------------


@pytest.fixture
def directory(root: Path) -> Iterator[int]:
    descriptor = os.open(root, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@SYSTEMS
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_held_looked_at_and_given_times_and_is_not_followed(
    root: Path, directory: int, system: System, name: str
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with system.hold(directory, name) as inode:
        assert inode.status().st_ino == (root / name).lstat().st_ino
        os.utime(inode.at, ns=(5, 7), **inode.how)
        os.chown(inode.at, os.geteuid(), os.getegid(), **inode.how)
        if not stat.S_ISLNK(inode.status().st_mode):
            os.chmod(inode.at, 0o700, **inode.how)
            assert stat.S_IMODE((root / name).lstat().st_mode) == 0o700
    assert (root / name).lstat().st_mtime_ns == 7
    assert len(os.listdir("/proc/self/fd")) == before


@SYSTEMS
@pytest.mark.parametrize("name", ["a", "dir"])
def test_what_is_held_stays_the_same_inode_when_its_name_leads_elsewhere(
    root: Path, directory: int, system: System, name: str
) -> None:
    mode = (root / "b").stat().st_mode
    with system.hold(directory, name) as inode:
        (root / name).rename(root / "moved")
        (root / "b").rename(root / name)
        os.chmod(inode.at, 0o711, **inode.how)
    assert stat.S_IMODE((root / "moved").stat().st_mode) == 0o711
    assert (root / name).stat().st_mode == mode


@SYSTEMS
def test_what_its_owner_may_not_read_is_held_all_the_same(system: System) -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)

    def work() -> None:
        (folder / "f").write_bytes(b"f")
        (folder / "d").mkdir()
        descriptor = os.open(folder, os.O_RDONLY)
        for name in ("f", "d"):
            (folder / name).chmod(0)
            with system.hold(descriptor, name) as inode:
                assert inode.status().st_ino == (folder / name).stat().st_ino
                os.chmod(inode.at, 0o700, **inode.how)
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o700

    try:
        as_user(work)
    finally:
        shutil.rmtree(folder)


# --- names and mounts ---------------------------------------------------------------------------------------


class Folding(Tree):
    """The tree on a filesystem that ignores case: a name is found in any spelling and listed in its own."""

    def __init__(self, root: Path) -> None:
        super().__init__(os.open(root, os.O_RDONLY), frozenset({".worldgate"}), frozenset(), POSIX)
        self.root = root

    def found(self, path: str) -> Path:
        place = self.root
        for name in path.split("/"):
            listed = os.listdir(place) if place.is_dir() else []
            place /= next((one for one in listed if one.casefold() == name.casefold()), name)
        return place

    def open(self, directory: str, flags: int | None = None) -> int:
        return os.open(self.found(directory), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    def stat(self, path: str) -> tuple[os.stat_result | None, os.stat_result | None]:
        if path == "." or self.outside(path):
            return super().stat(path)
        place = self.found(path)
        parent = place.parent.lstat() if place.parent.is_dir() else None
        return (place.lstat() if os.path.lexists(place) else None), parent


def folding(root: Path) -> DirectorySource:
    source = DirectorySource(root, system=POSIX)
    source._tree = Folding(root)
    return source


def test_a_name_in_another_spelling_than_its_directory_lists_is_an_error(root: Path) -> None:
    """Else a rule about `.env` would not see what is done to `.ENV`, which is the same file there."""
    (root / ".worldgate").mkdir()
    assert folding(root).get("content", ("dir/f",)) == digest(b"f\n" * 2000)
    assert folding(root).get("entry", (".", "missing")) is None
    for path in ("A", "DIR", "DIR/f", "dir/F", "Dir/sub/g", ".WORLDGATE"):
        for ask in (
            lambda source, path=path: source.get("inode", (path,)),
            lambda source, path=path: source.get("entry", os.path.split(path) if "/" in path else (".", path)),
        ):
            with pytest.raises(Unreadable, match="spelling"):
                ask(folding(root))
    source = folding(root)
    for _ in range(2):  # and what an error has left behind does not answer the second time
        with pytest.raises(Unreadable):
            source.select("entry", ("DIR",))
        with pytest.raises(Unreadable):
            source.get("inode", ("DIR/f",))
        with pytest.raises(Unreadable):
            source.get("inode", ("DIR/missing",))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_mount_points_are_found_by_their_device(root: Path) -> None:
    program = (
        "import sys; from worldgate.worlds.filesystem.directory import DirectorySource as D;"
        "from worldgate.worlds.filesystem.system import LINUX, POSIX\n"
        "for system in LINUX, POSIX:\n"
        "    s = D(sys.argv[1], system=system)\n"
        "    print(sorted(s.mounts(['dir'])), s.get('inode', ('dir/sub',)), s.get('entry', ('dir', 'sub')))"
    )
    script = 'mount -t tmpfs none dir/sub && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", program, str(root)]
    done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    assert done.stdout.decode() == "['dir/sub'] None None\n" * 2

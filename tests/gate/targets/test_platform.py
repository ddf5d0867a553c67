"""What a target does where the system's own calls are lacking, and what it then refuses rather than does badly."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from errno import EBADF, EIO, EPERM
from pathlib import Path

import pytest

from tests.gate.targets.scripts import Script
from tests.gate.targets.trees import Tree, assert_same_photo, build, change, photograph, scan
from worldgate.facts import Edit
from worldgate.gate.targets import platform as platforms
from worldgate.gate.targets.directory import DirectoryTarget
from worldgate.gate.targets.platform import LACKING, LINUX, MACOS, POSIX, Platform
from worldgate.gate.targets.refusals import Uncommittable
from worldgate.gate.targets.writes import Writes
from worldgate.worlds.filesystem.blobs import MemoryBlobs

TREE: Tree = {"a": b"one", "d/x": b"x", "d/e/y": b"y"}
COMPOSED = "é"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def committed(root: Path, platform: Platform, edit: Callable[[Script], None]) -> None:
    state, blobs = scan(root)
    script = Script(state, blobs)
    edit(script)
    wanted = change(state, script.delta(), blobs)
    DirectoryTarget(root, writes=Writes(platform=platform)).commit("run", wanted.delta, wanted.base, wanted.blobs)


# --- the rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", [LINUX, MACOS, POSIX], ids=["linux", "macos", "posix"])
def test_every_row_commits_on_this_system(tmp_path: Path, platform: Platform) -> None:
    """That of macOS finds here that each of its calls is lacking."""
    build(tmp_path, TREE)

    def edit(script: Script) -> None:
        script.write("a", b"new")
        script.mv("d", "moved")
        for number in range(6):  # more than are flushed one by one
            script.put(f"n{number}", b"n")
        script.symlink("s", "a")

    committed(tmp_path, platform, edit)
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "moved/e/y").read_bytes() == b"y"
    assert (tmp_path / "n5").read_bytes() == b"n"


@pytest.mark.parametrize("platform", [LINUX, MACOS, POSIX], ids=["linux", "macos", "posix"])
def test_a_flush_that_fails_is_an_error(tmp_path: Path, platform: Platform) -> None:
    closed = os.open(tmp_path, os.O_RDONLY)
    os.close(closed)
    with pytest.raises(OSError, match=os.strerror(EBADF)):
        platform.flush(closed)


def test_only_a_call_that_is_lacking_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails to flush all the way is not asked for less."""

    def broken(*_: object, **__: object) -> None:
        raise OSError(EIO, os.strerror(EIO))

    monkeypatch.setattr(fcntl, "fcntl", broken)
    monkeypatch.setattr(platforms, "_call", broken)
    for flush in (MACOS.flush, MACOS.flush_all):
        with pytest.raises(OSError, match=os.strerror(EIO)):
            flush(0)


def test_a_call_that_is_lacking_says_so(tmp_path: Path) -> None:
    for platform in (MACOS, POSIX):
        with pytest.raises(OSError, match="not implemented") as lacking:
            platform.rename_with(platform.free, 0, "a", 0, "b")
        assert lacking.value.errno in LACKING
    assert (LINUX.free, LINUX.exchange, MACOS.free, MACOS.exchange) == (1, 2, 4, 2)


# --- renames of plain POSIX ----------------------------------------------------------------------------------


class Linkless(Writes):
    """Writes to a filesystem on which a file has one name only."""

    def link(self, source: int, name: str, target: int, new: str) -> None:
        self._next("link")
        raise OSError(EPERM, "Operation not permitted")


@pytest.mark.parametrize("writes", [Writes, Linkless])
@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("name", ["file", "directory", "link"])
def test_a_rename_replaces_nothing(tmp_path: Path, writes: type[Writes], private: bool, name: str) -> None:
    (tmp_path / "file").write_bytes(b"f")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    number = (tmp_path / name).lstat().st_ino
    for taken in ("file", "directory", "link"):
        (tmp_path / f"{taken}2").mkdir() if taken == "directory" else os.link(
            tmp_path / taken, tmp_path / f"{taken}2", follow_symlinks=False
        )
    before = photograph(tmp_path)
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for taken in ("file2", "directory2", "link2"):
            with pytest.raises(FileExistsError):
                writes(platform=POSIX).rename(here, name, here, taken, private=private)
        assert_same_photo(photograph(tmp_path), before)
        writes(platform=POSIX).rename(here, name, here, "new", private=private)
    finally:
        os.close(here)
    assert (tmp_path / "new").lstat().st_ino == number
    assert not os.path.lexists(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "private", "calls"),
    [("f", False, ["rename", "link", "unlink"]), ("f", True, ["rename"]), ("d", False, ["rename"])],
)
def test_each_of_its_steps_is_a_write_that_can_be_killed(
    tmp_path: Path, name: str, private: bool, calls: list[str]
) -> None:
    """What leaves its place is never removed under its name, where another program may just have put something."""
    (tmp_path / "f").touch()
    (tmp_path / "d").mkdir()
    seen: list[str] = []
    here = os.open(tmp_path, os.O_RDONLY)
    Writes(lambda _, call: seen.append(call), POSIX).rename(here, name, here, "new", private=private)
    os.close(here)
    assert seen == calls


# --- what is refused -------------------------------------------------------------------------------------------


def test_attributes_are_refused_where_they_are_not_covered(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    os.setxattr(tmp_path / "a", "user.j", b"1")
    before = photograph(tmp_path)
    target = DirectoryTarget(tmp_path, writes=Writes(platform=POSIX))
    assert target.source().select("xattr", ("a",)) == {}
    with pytest.raises(Uncommittable) as refused:
        target.commit("run", (Edit("xattr", ("a", "user.k"), None, "00"),), (), MemoryBlobs())
    assert refused.value.reason == "attributes"
    assert_same_photo(photograph(tmp_path), before)


def test_names_that_may_be_one_name_are_refused_where_that_can_be(tmp_path: Path) -> None:
    def edit(script: Script) -> None:
        script.put(COMPOSED, b"1")
        script.put(DECOMPOSED, b"2")

    build(tmp_path / "w", TREE)
    before = photograph(tmp_path / "w")
    with pytest.raises(Uncommittable) as refused:
        committed(tmp_path / "w", POSIX, edit)
    assert refused.value.reason == "name"
    assert_same_photo(photograph(tmp_path / "w"), before)
    committed(tmp_path / "w", LINUX, edit)
    committed(tmp_path / "w", POSIX, lambda script: (script.put("case", b"1"), script.put("CASE", b"2")))
    assert {COMPOSED, DECOMPOSED, "case", "CASE"} < {path.name for path in (tmp_path / "w").iterdir()}


PROGRAM = """
import sys
from pathlib import Path
from tests.gate.targets.test_platform import LINUX, POSIX, Uncommittable, committed
for platform in (LINUX, POSIX):
    try:
        {edit}
    except Uncommittable as error:
        print(error.reason)
"""


def in_namespace(root: Path, mounts: str, edit: str) -> str:
    """What that program prints after these mounts, which go away with it."""
    command = ["unshare", "-m", "sh", "-c", f'{mounts} && cd "$0" && exec "$@"', os.getcwd()]
    command += [sys.executable, "-c", PROGRAM.format(edit=edit), str(root)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_what_a_mount_point_is_in_is_neither_moved_nor_removed(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    edit = "committed(Path(sys.argv[1]), platform, lambda script: script.mv('d', 'moved'))"
    assert in_namespace(tmp_path, "mount -t tmpfs none d/e", edit) == "mount\nmount\n"
    assert (tmp_path / "d/e/y").read_bytes() == b"y"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_two_spellings_are_refused_where_the_filesystem_ignores_case(tmp_path: Path) -> None:
    """As it does that finds the gate's own directory in another spelling: here, because it is mounted there as well."""
    build(tmp_path, TREE)
    committed(tmp_path, LINUX, lambda script: script.rm("d"))
    (tmp_path / ".WORLDGATE").mkdir()
    names = "[script.put(name, b'') for name in ('case' + platform.rename, 'CASE' + platform.rename)]"
    edit = f"committed(Path(sys.argv[1]), platform, lambda script: {names})"
    assert in_namespace(tmp_path, "mount --bind .worldgate .WORLDGATE", edit) == "name\n"
    assert {path.name for path in tmp_path.iterdir()} >= {"caserenameat2", "CASErenameat2"}

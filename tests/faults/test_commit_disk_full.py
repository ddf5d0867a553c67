"""A disk that is really full: a small tmpfs in a user and mount namespace of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from errno import ENOSPC
from pathlib import Path

from tests.gate.targets.scripts import Script
from tests.gate.targets.trees import Link, Tree, assert_same_photo, build, change, photograph, scan
from worldgate.gate.targets.directory import DirectoryTarget
from worldgate.gate.targets.refusals import CommitFailed

PAGE = 4096
PAGES = 40
TREE: Tree = {"a": b"a" * PAGE, "b": b"b" * PAGE, "l": Link("b"), "d/e/f": b"f" * PAGE}
REPOSITORY = Path(__file__).resolve().parents[2]


def commit_with_free_pages(root: Path, filler: Path, free: int) -> bool:
    """Whether a commit of about 16 pages succeeds with so much space; if not, nothing may have changed."""
    build(root, TREE)
    state, blobs = scan(root)
    script = Script(state, blobs)
    script.write("a", b"A" * 3 * PAGE)
    script.write("b", b"B" * 4 * PAGE)
    script.mkdir("new")
    script.put("new/file", b"n" * 2 * PAGE)
    script.mv("d/e", "new/e")
    wanted = change(state, script.delta(), blobs)
    room = os.statvfs(root)
    with filler.open("wb") as file:
        file.write(b"\0" * max(0, room.f_bavail - free) * room.f_bsize)
        file.flush()
    before = photograph(root)
    try:
        DirectoryTarget(root).commit("run", wanted.delta, wanted.base, wanted.blobs)
    except CommitFailed as failed:
        assert getattr(failed.__cause__, "errno", None) == ENOSPC  # noqa: PT017 (it may also succeed)
        assert_same_photo(photograph(root), before, free)
        assert DirectoryTarget(root).recover() is None
        return False
    assert (root / "new/e/f").read_bytes() == b"f" * PAGE
    return True


def main(place: Path) -> None:
    """Every amount of free space from none to enough; each in a file system of its own."""
    outcomes = []
    for free in range(PAGES):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={2 * PAGES * PAGE}", "tmpfs", place], check=True)
        outcomes.append(commit_with_free_pages(place / "root", place / "filler", free))
        subprocess.run(["umount", place], check=True)
    first = outcomes.index(True)
    assert first >= 9, outcomes  # the contents alone
    assert all(outcomes[first:]), outcomes


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    command = ["unshare", "-Urm", sys.executable, "-m", __name__, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"needs unshare -Urm and a tmpfs in it:\n{done.stderr}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

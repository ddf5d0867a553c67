"""The kernel: what a sandboxed run costs beside a bare one, and the delta's cost as the tree grows.

    python bench/kernel.py [--files 100000]

Prints the best of several runs. "run" is the whole of `kernel.run` (it looks at the status of the whole tree
before and after); "delta" is reading the upper layer alone, which depends on what changed and not on the tree.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from worldgate.worlds.filesystem.directory import DirectorySource
from worldgate.worlds.filesystem.kernel import Limits, run
from worldgate.worlds.filesystem.overlay import read
from worldgate.worlds.filesystem.sandbox import enclose
from worldgate.worlds.filesystem.upper import Upper

REPEATS = 7


def best(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Seconds of the fastest of several calls."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def plant(root: Path, files: int) -> None:
    """A tree of `files` small files, 100 in a directory."""
    for number in range(files):
        directory = root / f"d{number // 10000}" / f"d{number // 100}"
        if number % 100 == 0:
            directory.mkdir(parents=True)
        (directory / f"f{number}").write_text(f"{number}\n")


def overhead(root: Path) -> None:
    """One `true`: bare, in namespaces, in the sandbox, and as a kernel run over ten files."""
    plant(root, 10)
    bare = best(lambda: subprocess.run(["/bin/true"], check=True))
    rows = {
        "subprocess": bare,
        "unshare -mpfrni": best(lambda: subprocess.run(["unshare", "-mpfrni", "/bin/true"], check=True)),
        "sandbox": best(lambda: enclose(root, ["/bin/true"], limits=Limits()).close()),
        "kernel.run": best(lambda: run(root, ["/bin/true"])),
    }
    for name, seconds in rows.items():
        print(f"{name:16} {seconds * 1000:8.1f} ms   {seconds / bare:6.1f} x a bare subprocess")


def growth(root: Path, files: int) -> None:
    """One changed file in a tree of `files`: the run, the delta alone, and a whole scan of the tree for comparison."""
    plant(root, files)
    whole = best(lambda: run(root, "echo more >> d0/d0/f0"), 3)
    with enclose(root, ["/bin/sh", "-c", "echo more >> d0/d0/f0"], limits=Limits()) as ended:

        def delta() -> None:
            found = read(DirectorySource(root), Upper(ended.upper), ())
            assert len(found.delta) == 2, found

        alone = best(delta)
    walk = best(lambda: DirectorySource(root).seen(), 3)
    scan = best(lambda: sum(1 for _ in DirectorySource(root).facts()), 1)
    print(
        f"{files:8} files   run {whole * 1000:8.1f} ms   delta {alone * 1000:7.2f} ms   "
        f"status of the tree {walk * 1000:8.1f} ms   scan {scan * 1000:9.1f} ms   scan/delta {scan / alone:8.0f} x"
    )


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="the largest tree (default: 10000)")
    largest = parser.parse_args().files
    with tempfile.TemporaryDirectory() as root:
        overhead(Path(root))
    for files in (1000, 10_000, 100_000):
        if files <= largest:
            with tempfile.TemporaryDirectory() as root:
                growth(Path(root), files)


if __name__ == "__main__":
    main()

"""What a commit costs beside the bare system calls, and that it grows with the change and not with the tree.

    python bench/commit.py [--small]

The peer writes the same bytes the way careful programs do: a new file, fsync, rename over the old one,
fsync of the directory. A commit also compares, journals, verifies by reading everything again, and can
be rolled back. Figures are medians of five; every run changes the same number of files.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from worldgate.facts import Delta, Edit, State
from worldgate.gate.base import addresses, observe
from worldgate.gate.targets.directory import DirectoryTarget
from worldgate.worlds.filesystem.blobs import MemoryBlobs
from worldgate.worlds.filesystem.schema import SCHEMA

SIZE = 4096
FILES_PER_DIRECTORY = 100
REPEATS = 5


def grow(root: Path, files: int) -> list[str]:
    """A tree of so many files; their paths."""
    paths = [f"d{number // FILES_PER_DIRECTORY:05}/f{number:06}" for number in range(files)]
    for path in paths:
        place = root / path
        if path.endswith("00"):
            place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.encode())
    return paths


def contents(paths: list[str], round_: int) -> dict[str, bytes]:
    return {path: f"{round_} {path}".encode().ljust(SIZE) for path in paths}


def by_commit(root: Path, wanted: dict[str, bytes], run: str) -> float:
    """Seconds for one commit that changes these files."""
    target, blobs = DirectoryTarget(root), MemoryBlobs()
    state = State.of(SCHEMA, source=target.source())
    delta: Delta = tuple(
        edit
        for path, data in wanted.items()
        for edit in (
            Edit("content", (path,), state.get("content", (path,)), blobs.put(data)),
            Edit("size", (path,), state.get("size", (path,)), len(data)),
        )
    )
    delta = tuple(edit for edit in delta if edit.before != edit.after)
    base = observe(state, addresses(SCHEMA, (), delta))
    start = time.perf_counter()
    target.commit(run, delta, base, blobs)
    return time.perf_counter() - start


def by_hand(root: Path, wanted: dict[str, bytes], _: str) -> float:
    """Seconds for the bare system calls, file by file."""
    start = time.perf_counter()
    for path, data in wanted.items():
        place = root / path
        new = place.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(descriptor, data)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(new, place)
    for directory in {str(Path(path).parent) for path in wanted}:
        descriptor = os.open(root / directory, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    return time.perf_counter() - start


def measure(work: Callable[[Path, dict[str, bytes], str], float], root: Path, paths: list[str], seed: int) -> float:
    return median(work(root, contents(paths, seed + count), f"run{seed + count}") for count in range(REPEATS))


def spread(paths: list[str], count: int) -> list[str]:
    """So many of the paths, evenly."""
    return paths[:: len(paths) // count][:count]


def main(small: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "by-change")
        paths = grow(root, 2_000)
        print(f"{'changed files':>14} {'commit ms':>10} {'per file':>9} {'bare ms':>9} {'ratio':>6}")
        for number, count in enumerate((1, 10, 100, 1000)):
            chosen = spread(paths, count)
            bare = measure(by_hand, root, chosen, 10 * number) * 1000
            commit = measure(by_commit, root, chosen, 1000 + 10 * number) * 1000
            print(f"{count:>14} {commit:>10.1f} {commit / count:>9.2f} {bare:>9.1f} {commit / bare:>6.2f}")
        print(f"\n{'files in tree':>14} {'commit of 10, ms':>17}")
        for number, files in enumerate((1_000, 10_000) if small else (1_000, 10_000, 100_000)):
            root = Path(folder, f"by-size-{files}")
            paths = grow(root, files)
            os.sync()
            commit = measure(by_commit, root, spread(paths, 10), 2000 + 10 * number) * 1000
            print(f"{files:>14} {commit:>17.1f}")


if __name__ == "__main__":
    main("--small" in sys.argv[1:])

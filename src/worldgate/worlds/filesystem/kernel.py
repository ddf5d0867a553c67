"""The filesystem world run by the real thing: any command, over a real directory, as a delta.

The command runs in the sandbox of `sandbox.py`; the directory is not changed. The result is of the same
kind as the oracle's: edits over the same facts, from a base that is read lazily, so that it costs what
the command touched (and one `lstat` of everything, before and after: what an arbitrary command reads
is unknown, so the whole tree's status is the base it rests on).

A command that writes to a file of several hard links is run a second time, with those links laid out
as real links in the overlay: with the network allowed, where a second run could be seen, all of them
are laid out before the first. Only the last run counts.

Not covered: `rename` of a directory of the base by a program that does not fall back to copying (the
overlay answers "Invalid cross-device link", as between two disks; `mv` copies, and is read as a move).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from ...facts import Delta, State
from .blobs import Blobs, MemoryBlobs, MissingBlob
from .diagnosis import NoIsolation
from .directory import ChangedMeanwhile, DirectorySource
from .overlay import Group, Reading, read
from .sandbox import Ended, Limits, enclose, probe
from .schema import SCHEMA
from .scratch import Scratch
from .upper import Upper

__all__ = ["ChangedMeanwhile", "KernelRun", "Limits", "NoIsolation", "probe", "run"]

ROUNDS = 3
"""Runs after which every hard link is laid out, whether or not it was touched so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRun:
    """What a command printed and did.

    `exit` is as a shell tells it (128 + n: ended by signal n); `killed` is the limit that ended the run, or "".
    `delta` leads from `base` to the state the command left. `blobs` has every content named in either.
    `seen` is the token of the whole tree that the run rests on: `DirectorySource.seen`.
    """

    exit: int
    stdout: bytes
    stderr: bytes
    stdout_truncated: bool
    stderr_truncated: bool
    killed: str
    seconds: float
    base: State
    delta: Delta
    blobs: Blobs
    seen: str


class Chained:
    """Blobs that look in one store, then in another; writes go to the first."""

    def __init__(self, first: Blobs, second: Blobs) -> None:
        self._first, self._second = first, second

    def get(self, name: str) -> bytes:
        """The bytes, from where they are."""
        try:
            return self._first.get(name)
        except MissingBlob:
            return self._second.get(name)

    def put(self, data: bytes) -> str:
        """Store in the first."""
        return self._first.put(data)


def run(
    root: Path | str,
    argv: Sequence[str] | str,
    *,
    limits: Limits | None = None,
    allow_net: bool = False,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    cwd: Path | None = None,
    store: Blobs | None = None,
    scratch: Path | None = None,
    look: Callable[[Ended], None] | None = None,
) -> KernelRun:
    """Run a command (a text goes to /bin/sh) over the directory `root`, and tell what it would change.

    New contents go to `store` (memory by default). What is written is held in memory until the run ends,
    or on disk beneath `scratch`, a directory outside the workspace; `Limits.written` then ends the run when
    it is noticed to be crossed. `look` is shown the overlay while it exists.

    Raises `NoIsolation` where the machine cannot isolate a command, `ChangedMeanwhile` when something
    else changed the directory, `Unreadable` for what this user may not read.
    """
    arguments = ["/bin/sh", "-c", argv] if isinstance(argv, str) else list(argv)
    if not arguments:
        raise NoIsolation("no command", "a program and its arguments")
    source = DirectorySource(root)
    seen = source.seen()
    contents = MemoryBlobs() if store is None else store
    prepared = _preparable(source) if allow_net else frozenset()
    rounds = 0
    while True:
        rounds += 1
        with (
            nullcontext() if scratch is None else closing(Scratch(scratch)) as place,
            enclose(
                source.root,
                arguments,
                limits=limits or Limits(),
                allow_net=allow_net,
                env=env,
                stdin=stdin,
                cwd=cwd,
                prepare=sorted(prepared),
                scratch=None if place is None else place.path,
            ) as ended,
        ):
            reading = _reading(source, ended, prepared, contents)
            if look is not None and not reading.prepare:
                look(ended)
        if source.seen() != seen:
            raise ChangedMeanwhile(
                f"changes in {source.root} while the command ran",
                "a directory that nothing else changes",
                "Run it again.",
            )
        if not reading.prepare:
            return _result(source, ended, reading, contents, seen)
        prepared = prepared | (reading.prepare if rounds < ROUNDS else _preparable(source))


def _reading(source: DirectorySource, ended: Ended, prepared: frozenset[Group], store: Blobs) -> Reading:
    upper = Upper(ended.upper)
    reading = read(source, upper, prepared)
    upper.keep(reading.contents.values(), store)
    return reading


def _preparable(source: DirectorySource) -> frozenset[Group]:
    """The groups of hard links that a command of this user could write to at all."""
    mine = (os.geteuid(), os.getegid())
    found = set()
    for paths in source.groups().values():
        status = source.status(paths[0])
        if status is not None and (mine[0] == 0 or (status.st_uid, status.st_gid) == mine):
            found.add(paths)
    return frozenset(found)


def _result(source: DirectorySource, ended: Ended, reading: Reading, store: Blobs, seen: str) -> KernelRun:
    return KernelRun(
        exit=ended.exit,
        stdout=ended.stdout,
        stderr=ended.stderr,
        stdout_truncated=ended.stdout_truncated,
        stderr_truncated=ended.stderr_truncated,
        killed=ended.killed,
        seconds=ended.seconds,
        base=State.of(SCHEMA, source=source),
        delta=reading.delta,
        blobs=Chained(store, source.blobs),
        seen=seen,
    )

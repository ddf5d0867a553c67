"""What a workspace guards: a target, the world it is judged by, and what is kept for undo.

One table says which target a world has: a directory for the filesystem, a store for every other.
The rest of the gate asks no further which one it has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..facts import Delta, Error, Fact, Source, State
from ..worlds import World, get
from ..worlds.declared import world_from_file
from ..worlds.filesystem import FilesystemWorld
from ..worlds.filesystem.blobs import Blobs, FileBlobs, digest
from ..worlds.filesystem.schema import ROOT, User
from .base import Base
from .targets.directory import DirectoryTarget
from .targets.store import StoreTarget

STORE = "store.db"


class NoKernel(Error):
    number, title = "WG233", "this world has no kernel"


@dataclass(frozen=True)
class Ran:
    """What a command did in the kernel."""

    delta: Delta
    observation: Mapping[str, Any]
    seen: str


class Guarded(Protocol):
    """A target as the gate uses it. `whole`: its states are complete, and the world's properties hold over them."""

    whole: bool

    @property
    def world(self) -> World: ...

    def source(self) -> Source:
        """The facts as they are now."""

    def session(self) -> list[Fact]:
        """The local facts that a plan starts with."""

    def keep(self, delta: Delta, *, before: bool = False) -> None:
        """Keep the contents that the delta brings (or, with `before`, takes away) for commit and undo."""

    def run(self, argv: Sequence[str], *, network: bool, cwd: Path | None, seconds: float) -> Ran:
        """Run a command in the world's kernel, over a copy, for at most so many seconds.

        How long it took is not told: equal effects are equal runs.
        """

    def commit(self, run: str, delta: Delta, base: Base, *, seen: str) -> None:
        """Make the delta, entirely or not at all."""

    def recover(self) -> None:
        """Finish what an earlier process left unfinished."""

    def outcome(self, run: str, delta: Delta) -> bool | None:
        """Whether that run was committed; None when it cannot be known."""


class _Keeping:
    """The contents of a directory; what was read of them is kept, so that it can be simulated again."""

    def __init__(self, kept: FileBlobs, now: Blobs) -> None:
        self._kept, self._now = kept, now

    def get(self, name: str) -> bytes:
        if self._kept.path_of(name).exists():
            return self._kept.get(name)
        data = self._now.get(name)
        self._kept.put(data)
        return data

    def put(self, data: bytes) -> str:
        name = digest(data)
        return name if self._kept.path_of(name).exists() else self._kept.put(data)


class GuardedDirectory:
    """A directory, the filesystem's world and kernel."""

    whole = False
    world: FilesystemWorld

    def __init__(self, root: Path, gate: Path) -> None:
        self.root, self._target = root, DirectoryTarget(root)
        self._kept = FileBlobs(gate / "blobs")
        self.source()

    def source(self) -> Source:
        now = self._target.source()
        self.world = FilesystemWorld(_Keeping(self._kept, now.blobs))
        return now

    def session(self) -> list[Fact]:
        umask = os.umask(0o022)
        os.umask(umask)
        return [
            ("cwd", (), ROOT),
            ("user", (), User(os.geteuid(), os.getegid(), umask)),
            ("confined", (), True),
        ]

    def keep(self, delta: Delta, *, before: bool = False) -> None:
        for edit in delta:
            name = edit.before if before else edit.after
            if edit.relation == "content" and isinstance(name, str) and not self._kept.path_of(name).exists():
                self._kept.put(self.world.blobs.get(name))

    def run(self, argv: Sequence[str], *, network: bool, cwd: Path | None, seconds: float) -> Ran:
        from ..worlds.filesystem.kernel import run
        from ..worlds.filesystem.sandbox import Limits

        limits = Limits(seconds=seconds, cpu_seconds=seconds * (os.cpu_count() or 1))
        ran = run(self.root, argv, limits=limits, allow_net=network, cwd=cwd, store=self._kept)
        observation = {
            "exit": ran.exit,
            "stdout": ran.stdout.decode("utf-8", "replace"),
            "stderr": ran.stderr.decode("utf-8", "replace"),
            "killed": ran.killed,
            "truncated": ran.stdout_truncated or ran.stderr_truncated,
        }
        return Ran(ran.delta, observation, ran.seen)

    def commit(self, run: str, delta: Delta, base: Base, *, seen: str) -> None:
        self._target.commit(run, delta, base, self._kept, seen=seen or None)

    def recover(self) -> None:
        self._target.recover()

    def outcome(self, run: str, delta: Delta) -> bool | None:
        if self._target.outcome(run):
            return True
        state = self._target.state()
        if all(state.get(edit.relation, edit.key) == edit.before for edit in delta):
            return False
        return None


def begin(gate: Path, first: State) -> None:
    """Let the store of a workspace begin with these facts."""
    StoreTarget(gate / STORE, first.schema, first)


class GuardedStore:
    """A world's facts in a SQLite file."""

    whole = True

    def __init__(self, world: World, gate: Path) -> None:
        self.world = world
        self._target = StoreTarget(gate / STORE, world.schema, world.initial(0))

    def source(self) -> Source:
        return self._target.source()

    def session(self) -> list[Fact]:
        return []

    def keep(self, delta: Delta, *, before: bool = False) -> None:
        """Facts carry everything here."""

    def run(self, argv: Sequence[str], *, network: bool, cwd: Path | None, seconds: float) -> Ran:
        raise NoKernel(f"a command for {self.world.name}", "a plan in the world's grammar", "`worldgate plan FILE`.")

    def commit(self, run: str, delta: Delta, base: Base, *, seen: str) -> None:
        self._target.commit(run, delta, base)

    def recover(self) -> None:
        """SQLite recovers by itself when the file is opened."""

    def outcome(self, run: str, delta: Delta) -> bool | None:
        return self._target.outcome(run)


def guard(world: str, root: Path, gate: Path) -> Guarded:
    """The guarded target of a workspace. `world` is a registered name, or a world file kept in the gate."""
    if world == "filesystem":
        return GuardedDirectory(root, gate)
    return GuardedStore(world_from_file(gate / world) if world.endswith(".yaml") else get(world), gate)


def state_of(guarded: Guarded, source: Source) -> State:
    """The state a plan starts from: the target's facts, and the session's."""
    return State.of(guarded.world.schema, guarded.session(), source=source)

"""Makes the new bodies of a layout in the stage, with their metadata, durable before anything else happens.

A new tree is made whole, so that it appears by one rename. Bytes are checked against their hash.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from ...worlds.filesystem.blobs import Blobs, digest
from ...worlds.filesystem.system import Inode
from .layout import Body, Made
from .moves import STAGE
from .refusals import require
from .workplace import set_metadata
from .writes import Writes

_FEW = 4
"""Up to so many new bodies are flushed one by one; more, by one flush of the filesystem."""


def late(made: Made) -> bool:
    """Whether a new directory must get its mode last, because its owner could not work in it."""
    return made.mode is not None and made.mode & 0o700 != 0o700


class Staging:
    """Makes the new bodies of a layout in the stage, durable before anything else happens."""

    def __init__(self, stage: int, writes: Writes, blobs: Blobs, bodies: tuple[Body, ...]) -> None:
        self.stage, self.writes, self.blobs, self.bodies = stage, writes, blobs, bodies
        self.many = sum(body.made is not None for body in bodies) > _FEW
        self.numbers: dict[int, tuple[int, int]] = {}

    def make(self) -> dict[int, tuple[int, int]]:
        """The inode number and format of each new body."""
        makers: dict[str, Callable[[int, str, Made], Inode]] = {
            "file": self._file, "dir": self._dir, "symlink": self._symlink,
        }  # fmt: skip
        for index, body in enumerate(self.bodies):
            if body.made is not None:
                self._one(index, body.made, makers[body.kind])
        if self.many:
            self.writes.syncfs(self.stage)
        return self.numbers

    def _one(self, index: int, made: Made, make: Callable[[int, str, Made], Inode]) -> None:
        parent, name = (STAGE, f"{index}.0") if made.home is None else made.home
        directory = self._directory(parent)
        try:
            with make(directory, name, made) as inode:
                attributes: dict[str, str | None] = dict(made.xattrs)
                mode = None if make == self._dir and late(made) else made.mode
                set_metadata(self.writes, inode, mode, made.uid, made.gid, attributes)
                if make == self._file and not self.many:
                    self.writes.fsync(inode.descriptor)
                status = inode.status()
                self.numbers[index] = (status.st_ino, stat.S_IFMT(status.st_mode))
            for count in range(1, made.links if made.home is None else 1):
                self.writes.link(directory, name, directory, f"{index}.{count}")
        finally:
            os.close(directory)

    def _directory(self, parent: int) -> int:
        names = []
        while parent != STAGE:
            made = self.bodies[parent].made
            assert made is not None
            parent, name = (STAGE, f"{parent}.0") if made.home is None else made.home
            names.append(name)
        current = os.dup(self.stage)
        for name in reversed(names):
            following = self.writes.system.enter(current, name)
            os.close(current)
            current = following
        return current

    def _file(self, directory: int, name: str, made: Made) -> Inode:
        assert made.content is not None
        data = self.blobs.get(made.content)
        good = digest(data) == made.content and len(data) == made.size
        require(
            good, "content", f"{len(data)} bytes with hash {digest(data)[:12]}", f"{made.size}, {made.content[:12]}"
        )
        return Inode.of(self.writes.create(directory, name, data))

    def _dir(self, directory: int, name: str, _: Made) -> Inode:
        self.writes.mkdir(directory, name)
        return self.writes.system.hold(directory, name)

    def _symlink(self, directory: int, name: str, made: Made) -> Inode:
        assert made.target is not None
        self.writes.symlink(made.target, directory, name)
        return self.writes.system.hold(directory, name)

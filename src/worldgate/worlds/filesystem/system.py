"""Where operating systems differ in looking at a directory: one row a system, chosen once.

`LINUX` has descriptors that only stand for an inode (O_PATH), /proc to reach it by, and a list of mounts.
`POSIX` is plain POSIX, relative to open directories: for macOS, and whatever else there is. There

- a directory must be readable to be walked through;
- links, pipes, sockets, devices and what its owner may not read are held by name (never followed), not by inode;
- extended attributes and access control lists are no facts;
- a mount point is known by its device: one that shows the same filesystem is not noticed;
- the filesystem may take two spellings for one name (case, forms of Unicode), so readers compare them.

Both rows work on Linux, and the project's tests run both there. Neither was run on another system.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final, NamedTuple

_STEP: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PATH: Final = getattr(os, "O_PATH", os.O_RDONLY)
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Inode(NamedTuple):
    """An inode that is held: `os.stat(look, **how)` tells of it, `os.chmod(at, mode, **how)` and the like change it."""

    descriptor: int
    look: int | str
    at: int | str
    how: Mapping[str, Any] = MappingProxyType({})

    @classmethod
    def of(cls, descriptor: int) -> Inode:
        """The inode of an open file or directory."""
        return cls(descriptor, descriptor, descriptor)

    def status(self) -> os.stat_result:
        """Its status now."""
        return os.stat(self.look, **self.how)

    def __enter__(self) -> Inode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class System:
    """How one system is asked.

    `step`: flags to open a directory that is walked through. `hold(directory, name)`: an inode of any kind, not
    followed; closed after use. `attributes`: whether extended attributes are facts. `mounts`: whether the system lists
    its mount points in /proc. `exact`: whether a name is only found as it is spelled.
    """

    step: int
    hold: Callable[[int, str], Inode]
    attributes: bool
    mounts: bool
    exact: bool

    def enter(self, directory: int, name: str) -> int:
        """A descriptor of a directory, to walk through it."""
        return os.open(name, self.step, dir_fd=directory)


def _hold_inode(directory: int, name: str) -> Inode:
    descriptor = os.open(name, _PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    return Inode(descriptor, descriptor, f"/proc/self/fd/{descriptor}")


def _hold_what_opens(directory: int, name: str) -> Inode:
    """By a descriptor what can be opened without waiting or waking anybody; everything else by its name."""
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        with suppress(PermissionError):
            return Inode.of(os.open(name, _READ, dir_fd=directory))
    own = os.dup(directory)
    return Inode(own, name, name, {"dir_fd": own, "follow_symlinks": False})


LINUX: Final = System(_PATH | _STEP, _hold_inode, attributes=True, mounts=True, exact=True)
POSIX: Final = System(os.O_RDONLY | _STEP, _hold_what_opens, attributes=False, mounts=False, exact=False)
HERE: Final = LINUX if sys.platform == "linux" else POSIX
"""The row of the system that this runs on."""

"""Where operating systems differ in changing a directory: one row a system, chosen once.

|                     | Linux        | macOS             | POSIX                                          |
| ------------------- | ------------ | ----------------- | ---------------------------------------------- |
| rename to free name | `renameat2`  | `renameatx_np`    | a second link, then without the first; a look, |
|                     |              |                   | then `rename`, for directories                 |
| exchange two names  | `renameat2`  | `renameatx_np`    | three renames                                  |
| flush a file        | `fsync`      | `F_FULLFSYNC`     | `fsync`                                        |
| flush a filesystem  | `syncfs`     | `fsync_volume_np` | `sync`                                         |

Where a system, or one of its filesystems, lacks a call, the POSIX column is used (`Writes` has the first two,
because each of their steps is a write of its own). So these are the only lines for macOS alone, and the project's
tests run them nowhere but on Linux, where each such call is lacking:

- that `renameatx_np`, `F_FULLFSYNC` (51) and `fsync_volume_np` do there what their manual says, with these numbers:
  RENAME_EXCL 4, RENAME_SWAP 2, SYNC_VOLUME_FULLSYNC | SYNC_VOLUME_WAIT 3 (<sys/stdio.h>, <sys/fcntl.h>, <unistd.h>).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from errno import EINVAL, ENOSYS, ENOTSUP, ENOTTY
from typing import Final

from ...worlds.filesystem import system
from ...worlds.filesystem.system import System

LACKING: Final = frozenset({EINVAL, ENOSYS, ENOTSUP, ENOTTY})
"""Errors by which a system or a filesystem says that it has no such call."""
_FULLFSYNC: Final = 51

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Platform:
    """How one system is told. `rename` is the call with flags ("" for none), `free` and `exchange` its flags."""

    system: System
    rename: str
    free: int
    exchange: int
    flush: Callable[[int], None]
    flush_all: Callable[[int], None]

    def rename_with(self, flags: int, source: int, name: str, target: int, new: str) -> None:
        """Rename with these flags; an error of `LACKING` where that cannot be."""
        _call(self.rename, source, os.fsencode(name), target, os.fsencode(new), flags, about=new)


def _call(name: str, *arguments: int | bytes, about: str | None = None) -> None:
    """A function of the C library that tells of failure by a number other than 0."""
    function = getattr(_libc, name, None) if name else None
    number = ENOSYS
    if function is not None:
        if function(*arguments) == 0:
            return
        number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), about or name)


def _instead(error: OSError, call: Callable[[], None]) -> None:
    """What to do where a call is lacking; any other error stays one."""
    if error.errno not in LACKING:
        raise error
    call()


def _syncfs(descriptor: int) -> None:
    _call("syncfs", descriptor)


def _sync(_: int) -> None:
    os.sync()


def _full_fsync(descriptor: int) -> None:
    try:
        fcntl.fcntl(descriptor, _FULLFSYNC)
    except OSError as error:
        _instead(error, lambda: os.fsync(descriptor))


def _sync_volume(descriptor: int) -> None:
    try:
        _call("fsync_volume_np", descriptor, 3)
    except OSError as error:
        _instead(error, os.sync)


def _fsync(descriptor: int) -> None:
    os.fsync(descriptor)


LINUX: Final = Platform(system.LINUX, "renameat2", 1, 2, _fsync, _syncfs)
MACOS: Final = Platform(system.POSIX, "renameatx_np", 4, 2, _full_fsync, _sync_volume)
POSIX: Final = Platform(system.POSIX, "", 0, 0, _fsync, _sync)
HERE: Final = {"linux": LINUX, "darwin": MACOS}.get(sys.platform, POSIX)
"""The row of the system that this runs on."""

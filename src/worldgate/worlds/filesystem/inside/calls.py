"""System calls that Python has no function for, by their numbers and flags."""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False  # importing typing costs more than most of a run
if TYPE_CHECKING:
    from typing import Any

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8  # of mount_setattr
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE, OPEN_TREE_CLONE = -100, 0x1000, 0x8000, 1
MOVE_FROM_EMPTY, MNT_DETACH = 4, 2
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442  # the same on every architecture
NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
SIGKILL, SIGPIPE, SIGXFSZ = 9, 13, 25

libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A step of the set-up that failed: (step, errno)."""


def call(step: str, function: Any, *arguments: Any) -> int:
    """The result of a C function, or `Failed`."""
    result: int = function(*arguments)
    if result < 0:
        raise Failed(step, ctypes.get_errno())
    return result


def mount(step: str, source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """mount(2)."""
    kind_bytes = None if kind is None else kind.encode()
    call(step, libc.mount, source.encode(), os.fsencode(target), kind_bytes, ctypes.c_ulong(flags), data.encode())


def clone(step: str, path: str, *, at: int = AT_FDCWD, recursive: bool = False) -> int:
    """A detached copy of the mount at `path`."""
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    return call(step, libc.syscall, OPEN_TREE, at, os.fsencode(path), flags)


def attach(step: str, tree: int, path: str) -> None:
    """Put a detached copy at `path`, and let go of it."""
    call(step, libc.syscall, MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(path), MOVE_FROM_EMPTY)
    os.close(tree)


def restrict(step: str, path: str, attributes: int, *, at: int = AT_FDCWD, recursive: bool = False) -> None:
    """Add mount attributes (read-only and so on) to the mount at `path`, or to all beneath it too."""
    request = struct.pack("=QQQQ", attributes, 0, 0, 0)
    flags = (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    call(step, libc.syscall, MOUNT_SETATTR, at, os.fsencode(path), flags, request, len(request))

"""`worldgate` as on macOS, as far as that can be had on Linux: run as a program, with the command's arguments.

Before anything of the project is imported, the system's name is macOS's, what Python has on Linux alone is gone, and
a look at /proc or /sys, a call of Linux's in the C library, or a module for Linux alone is an error.
"""

from __future__ import annotations

import fcntl
import os
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

LINUX_ALONE = {
    os: (
        "O_PATH", "O_TMPFILE", "getxattr", "listxattr", "setxattr", "removexattr", "memfd_create", "sched_getaffinity",
        "setns", "unshare", "pidfd_open", "eventfd", "splice", "copy_file_range", "posix_fadvise", "getrandom",
        "setresuid", "setresgid",
    ),
    fcntl: ("F_OFD_SETLK", "F_ADD_SEALS", "F_NOTIFY"),
}  # fmt: skip
CALLS = {"renameat2", "syncfs", "statx", "openat2", "prctl", "mount", "unshare"}
LOOKS = ("stat", "lstat", "access", "readlink", "open", "listdir", "scandir", "chmod", "chown", "utime")


class LinuxOnly(BaseException):
    """Something that macOS has not was used. No handler in the project catches it."""


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: opens of /proc, and functions of the C library."""
    if event == "ctypes.dlsym" and arguments[1] in CALLS:
        raise LinuxOnly(f"{arguments[1]} of the C library")
    if event == "open" and isinstance(arguments[0], str):
        check(arguments[0])


def check(path: object) -> None:
    text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    if text.startswith(("/proc", "/sys")):
        raise LinuxOnly(text)


def checked(call: Callable[..., Any]) -> Callable[..., Any]:
    def look(path: object = ".", *more: Any, **named: Any) -> Any:
        check(path)
        return call(path, *more, **named)

    return look


def become_macos() -> None:
    sysconfig.get_config_vars()  # the interpreter's own, in a file that is named by the system
    sys.platform = "darwin"
    for module, names in LINUX_ALONE.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name in LOOKS:
        setattr(os, name, checked(getattr(os, name)))
    sys.addaudithook(refuse)


if __name__ == "__main__":
    become_macos()
    from worldgate.cli import main

    main()

"""The errors a system call can end in, and what `strerror` says of each.

The numbers and wording are Linux's with the C library's English messages, on any platform.
"""

from __future__ import annotations

from ..contract import Outside

EPERM, ENOENT, EACCES, EBUSY, EEXIST, ENOTDIR = 1, 2, 13, 16, 17, 20
EISDIR, EINVAL, ENAMETOOLONG, ENOTEMPTY, ELOOP = 21, 22, 36, 39, 40

STRERROR = {
    EPERM: "Operation not permitted",
    ENOENT: "No such file or directory",
    EACCES: "Permission denied",
    EBUSY: "Device or resource busy",
    EEXIST: "File exists",
    ENOTDIR: "Not a directory",
    EISDIR: "Is a directory",
    EINVAL: "Invalid argument",
    ENAMETOOLONG: "File name too long",
    ENOTEMPTY: "Directory not empty",
    ELOOP: "Too many levels of symbolic links",
}


class Failure(Exception):
    """A system call that failed with `code`."""

    def __init__(self, code: int) -> None:
        self.code = code

    @property
    def reason(self) -> str:
        return STRERROR[self.code]


class Unmodelled(Outside):
    """Met while running: what the real tools would do here is not modelled. The step changes nothing."""

    number, title = "WG231", "outside this world's rules"

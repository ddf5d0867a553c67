"""Every system call with which a directory target changes anything, in one object.

Each call first reports to `point` with its number and name, so a test can enumerate all of them and
kill the process, or fail the call, at each. Nothing here decides anything. Names are always relative
to an open directory, and metadata is that of an inode that is held. What differs between systems is
in `platform.py`; what a filesystem cannot do in one call is done here in several, each reported.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from errno import EEXIST, EMLINK, ENOTSUP, EPERM

from ...worlds.filesystem.system import Inode
from .platform import HERE, LACKING, Platform

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINK = frozenset({EPERM, EMLINK, ENOTSUP})


class Writes:
    """The writing system calls of a platform (this one). `point(number, name)` is called right before each."""

    def __init__(self, point: Callable[[int, str], None] | None = None, platform: Platform | None = None) -> None:
        self.count = 0
        self._point = point
        self.platform = platform or HERE
        self.system = self.platform.system

    def _next(self, name: str) -> None:
        self.count += 1
        if self._point is not None:
            self._point(self.count, name)

    # --- contents ---------------------------------------------------------------------------------

    def create(self, directory: int, name: str, data: bytes) -> int:
        """A new file with these bytes; returns its open descriptor, for the metadata and the flush."""
        self._next("create")
        descriptor = os.open(name, _NEW, 0o600, dir_fd=directory)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self.write(descriptor, rest) :]
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        self._next("write")
        return os.write(descriptor, data)

    def open_lock(self, directory: int, name: str) -> int:
        self._next("open_lock")
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)

    def fsync(self, descriptor: int) -> None:
        self._next("fsync")
        self.platform.flush(descriptor)

    def syncfs(self, descriptor: int) -> None:
        self._next("syncfs")
        self.platform.flush_all(descriptor)

    # --- names ------------------------------------------------------------------------------------

    def mkdir(self, directory: int, name: str) -> None:
        self._next("mkdir")
        os.mkdir(name, 0o700, dir_fd=directory)

    def symlink(self, target: str, directory: int, name: str) -> None:
        self._next("symlink")
        os.symlink(target, name, dir_fd=directory)

    def link(self, source: int, name: str, target: int, new: str) -> None:
        self._next("link")
        os.link(name, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)

    def rename(self, source: int, name: str, target: int, new: str, *, private: bool = False) -> None:
        """Rename to a name that must be free: what another program put there is never replaced.

        `private`: only the gate writes to the target. Else, only the gate writes to the source. Where the filesystem
        lacks the call, both names are there for a moment, and what another program makes between a look and the rename
        is replaced: an empty directory by a directory, and where there are no hard links a file by a file.
        """
        self._next("rename")
        try:
            self.platform.rename_with(self.platform.free, source, name, target, new)
        except OSError as error:
            if error.errno not in LACKING:
                raise
            if private or not self._linked_instead(source, name, target, new):
                _rename_checked(source, name, target, new)

    def _linked_instead(self, source: int, name: str, target: int, new: str) -> bool:
        """Whether a second link could stand for the rename: not of a directory, nor on every filesystem."""
        if stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
            return False
        try:
            self.link(source, name, target, new)
        except OSError as error:
            if error.errno in _NO_LINK:
                return False
            raise
        self.unlink(source, name)
        return True

    def exchange(self, stage: int, name: str, target: int, other: str) -> None:
        """Swap a name in the stage with another, neither ever missing; by three renames where that cannot be."""
        self._next("exchange")
        try:
            self.platform.rename_with(self.platform.exchange, stage, name, target, other)
        except OSError as error:
            if error.errno not in LACKING:
                raise
            self.rename(target, other, stage, f"{name}~", private=True)
            self.rename(stage, name, target, other)
            self.rename(stage, f"{name}~", stage, name, private=True)

    def replace(self, source: int, name: str, target: int, new: str) -> None:
        """Rename over what is there. Only for names in the gate's own directory."""
        self._next("replace")
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)

    def unlink(self, directory: int, name: str) -> None:
        self._next("unlink")
        os.unlink(name, dir_fd=directory)

    def rmdir(self, directory: int, name: str) -> None:
        self._next("rmdir")
        os.rmdir(name, dir_fd=directory)

    # --- metadata, of an inode that is held ------------------------------------------------------------

    def chmod(self, inode: Inode, mode: int) -> None:
        self._next("chmod")
        os.chmod(inode.at, mode, **inode.how)

    def chown(self, inode: Inode, uid: int, gid: int) -> None:
        self._next("chown")
        os.chown(inode.at, uid, gid, **inode.how)

    def utime(self, inode: Inode, atime_ns: int, mtime_ns: int) -> None:
        self._next("utime")
        os.utime(inode.at, ns=(atime_ns, mtime_ns), **inode.how)

    def setxattr(self, inode: Inode, name: str, value: bytes) -> None:
        self._next("setxattr")
        os.setxattr(inode.at, name, value)

    def removexattr(self, inode: Inode, name: str) -> None:
        self._next("removexattr")
        os.removexattr(inode.at, name)


def _rename_checked(source: int, name: str, target: int, new: str) -> None:
    with suppress(FileNotFoundError):
        os.lstat(new, dir_fd=target)
        raise FileExistsError(EEXIST, os.strerror(EEXIST), new)
    os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)

"""Every system call with which a directory target changes anything, in one object.

Each call first reports to `point` with its number and name, so a test can enumerate all of them and
kill the process, or fail the call, at each. Nothing here decides anything. Names are always relative
to an open directory; metadata is changed through a descriptor opened with O_PATH, by way of
/proc/self/fd, which also works for what may not be read. Linux only.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from errno import EEXIST, EINVAL, ENOSYS

_NOREPLACE, _EXCHANGE = 1, 2
_LACKING = (EINVAL, ENOSYS)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


def proc_path(descriptor: int) -> str:
    """A path that leads to exactly the inode this descriptor stands for."""
    return f"/proc/self/fd/{descriptor}"


class Writes:
    """The writing system calls. `point(number, name)` is called right before each."""

    def __init__(self, point: Callable[[int, str], None] | None = None) -> None:
        self.count = 0
        self._point = point

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
        os.fsync(descriptor)

    def syncfs(self, descriptor: int) -> None:
        self._next("syncfs")
        if _libc.syncfs(descriptor) != 0:
            raise _error("syncfs")

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

    def rename(self, source: int, name: str, target: int, new: str) -> None:
        """Rename to a name that must be free: what another program put there is never replaced."""
        self._next("rename")
        try:
            _renameat2(source, name, target, new, _NOREPLACE)
        except OSError as error:
            if error.errno not in _LACKING:
                raise
            _rename_checked(source, name, target, new)  # the filesystem lacks the flag

    def exchange(self, source: int, name: str, target: int, other: str) -> None:
        """Swap two names at once, neither ever missing; on a filesystem that cannot, by three renames."""
        self._next("exchange")
        try:
            _renameat2(source, name, target, other, _EXCHANGE)
        except OSError as error:
            if error.errno not in _LACKING:
                raise
            self.rename(target, other, source, f"{name}~")
            self.rename(source, name, target, other)
            self.rename(source, f"{name}~", source, name)

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

    # --- metadata, of the inode an O_PATH descriptor stands for ---------------------------------------

    def chmod(self, inode: int, mode: int) -> None:
        self._next("chmod")
        os.chmod(proc_path(inode), mode)

    def chown(self, inode: int, uid: int, gid: int) -> None:
        self._next("chown")
        os.chown(proc_path(inode), uid, gid)

    def utime(self, inode: int, atime_ns: int, mtime_ns: int) -> None:
        self._next("utime")
        os.utime(proc_path(inode), ns=(atime_ns, mtime_ns))

    def setxattr(self, inode: int, name: str, value: bytes) -> None:
        self._next("setxattr")
        os.setxattr(proc_path(inode), name, value)

    def removexattr(self, inode: int, name: str) -> None:
        self._next("removexattr")
        os.removexattr(proc_path(inode), name)


def _renameat2(source: int, name: str, target: int, new: str, flags: int) -> None:
    if _libc.renameat2(source, os.fsencode(name), target, os.fsencode(new), flags) != 0:
        raise _error(new)


def _rename_checked(source: int, name: str, target: int, new: str) -> None:
    with suppress(FileNotFoundError):
        os.lstat(new, dir_fd=target)
        raise FileExistsError(EEXIST, os.strerror(EEXIST), new)
    os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)


def _error(name: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), name)

"""Reading a directory tree by descriptors: each look is one system call on what is there now.

Every path is opened one component at a time from the root's descriptor without following symbolic
links, so exchanging a directory for a link while it is read cannot lead outside. Nothing is kept;
`directory.py` does that.

How the operating system is asked is in `system.py`.

Not part of a tree: names at its root that are excluded, mount points beneath it and what is under them.
"""

from __future__ import annotations

import os
import stat
import weakref
from collections.abc import Iterator
from errno import EACCES, EINVAL, ELOOP, ENAMETOOLONG, ENODATA, ENOENT, ENOTDIR, ENOTSUP, EPERM
from hashlib import sha256
from pathlib import Path
from typing import Final

from ...facts import Error
from .schema import ROOT
from .system import HERE, Inode, System

WORKPLACE: Final = ".worldgate"
"""The name at the root of a workspace that belongs to the gate and not to the world."""

LIST: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ABSENT: Final = frozenset({ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EINVAL})
_CHUNK: Final = 1 << 20


class ChangedMeanwhile(Error):
    number, title = "WG281", "the directory changed while it was read"


class Unreadable(Error):
    number, title = "WG282", "the directory cannot be read"


def join(directory: str, name: str) -> str:
    """The path of `name` in the directory at the path `directory`."""
    return name if directory == ROOT else f"{directory}/{name}"


def split(path: str) -> tuple[str, str]:
    """The inverse of `join`, for any path but the root's."""
    directory, _, name = path.rpartition("/")
    return directory or ROOT, name


class Tree:
    """A directory tree behind a descriptor, which it closes when it is collected."""

    def __init__(self, descriptor: int, exclude: frozenset[str], mounts: frozenset[str], system: System = HERE) -> None:
        self._fd, self._exclude, self.mounts, self.system = descriptor, exclude, mounts, system
        self._device = os.fstat(descriptor).st_dev
        weakref.finalize(self, os.close, descriptor)

    def outside(self, path: str) -> bool:
        """Whether this is no path of the tree at all, whatever is there."""
        if path == ROOT:
            return False
        parts = path.split("/")
        if parts[0] in self._exclude or "\0" in path or any(part in ("", ".", "..") for part in parts):
            return True
        return bool(self.mounts) and any("/".join(parts[: end + 1]) in self.mounts for end in range(len(parts)))

    def open(self, directory: str, flags: int | None = None) -> int:
        """A descriptor of a directory of the tree; FileNotFoundError when none is at that path."""
        step = self.system.step
        flags = step if flags is None else flags
        if directory == ROOT:
            return os.open(".", flags, dir_fd=self._fd)
        if self.outside(directory):
            raise FileNotFoundError(ENOENT, "not part of the tree", directory)
        current = self._fd
        *above, last = directory.split("/")
        try:
            for part, how in (*((part, step) for part in above), (last, flags)):
                following = os.open(part, how, dir_fd=current)
                if current != self._fd:
                    os.close(current)
                current = following
                if os.fstat(current).st_dev != self._device:
                    raise FileNotFoundError(ENOENT, "another filesystem", directory)
        except OSError as error:
            if current != self._fd:
                os.close(current)
            if error.errno in _ABSENT:
                raise FileNotFoundError(ENOENT, "no such directory", directory) from error
            raise unreadable(directory, error) from error
        return current

    def stat(self, path: str) -> tuple[os.stat_result | None, os.stat_result | None]:
        """The `lstat` of a path and of the directory it is in; None for what is not there."""
        if path == ROOT:
            return os.fstat(self._fd), None
        if self.outside(path):
            return None, None
        directory, name = split(path)
        try:
            parent = self.open(directory)
        except FileNotFoundError:
            return None, None
        try:
            return self._shown(os.stat(name, dir_fd=parent, follow_symlinks=False)), os.fstat(parent)
        except OSError as error:
            if error.errno in _ABSENT:
                return None, os.fstat(parent)
            raise unreadable(path, error) from error
        finally:
            os.close(parent)

    def listing(self, directory: str) -> tuple[list[tuple[str, os.stat_result]], os.stat_result]:
        """(path, `lstat`) of everything in a directory, sorted; and the directory's own status."""
        descriptor = self.open(directory, LIST)
        try:
            return self._scan(descriptor, directory), os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def _scan(self, descriptor: int, directory: str) -> list[tuple[str, os.stat_result]]:
        rows = []
        at_root = directory == ROOT
        with os.scandir(descriptor) as entries:
            for entry in entries:
                path = join(directory, entry.name)
                if (at_root and entry.name in self._exclude) or path in self.mounts:
                    continue
                try:
                    status = self._shown(entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    raise changed(path) from None
                if status is not None:
                    rows.append((path, status))
        rows.sort(key=lambda row: row[0])
        return rows

    def _shown(self, status: os.stat_result) -> os.stat_result | None:
        """Directories of another device are mount points; an overlay gives files other device numbers."""
        return None if stat.S_ISDIR(status.st_mode) and status.st_dev != self._device else status

    def names(self, directory: str) -> frozenset[str]:
        """The names in a directory, as they are spelled there."""
        descriptor = self.open(directory, LIST)
        try:
            return frozenset(os.listdir(descriptor))
        finally:
            os.close(descriptor)

    def mounted(self, directory: str) -> Iterator[str]:
        """The mount points beneath a directory, found by their device: `listing` leaves them out."""
        pending = [directory]
        while pending:
            current = pending.pop()
            descriptor = self.open(current, LIST)
            try:
                with os.scandir(descriptor) as entries:
                    rows = [(join(current, row.name), row.stat(follow_symlinks=False)) for row in entries]
            finally:
                os.close(descriptor)
            for path, status in rows:
                if stat.S_ISDIR(status.st_mode):
                    if self._shown(status) is None:
                        yield path
                    else:
                        pending.append(path)

    def walk(self) -> Iterator[tuple[str, os.stat_result]]:
        """(path, `lstat`) of everything beneath the root, parents first, in the same order each time."""
        pending = [ROOT]
        while pending:
            try:
                rows, _ = self.listing(pending.pop())
            except FileNotFoundError as error:
                raise changed(str(error.filename)) from error
            yield from rows
            pending += [path for path, status in rows if stat.S_ISDIR(status.st_mode)]

    def _parent(self, path: str) -> tuple[int, str]:
        """A descriptor of the directory that something seen before is in, and its name there."""
        directory, name = split(path)
        try:
            return self.open(directory), name
        except FileNotFoundError:
            raise changed(path) from None

    def open_file(self, path: str) -> int:
        """A descriptor for reading a file, without following or waiting for anything."""
        parent, name = self._parent(path)
        try:
            return os.open(name, _FILE, dir_fd=parent)
        except OSError as error:
            raise changed(path) if error.errno in _ABSENT else unreadable(path, error) from error
        finally:
            os.close(parent)

    def target(self, path: str) -> tuple[str, os.stat_result]:
        """What a symbolic link says, and its status."""
        parent, name = self._parent(path)
        try:
            return os.readlink(name, dir_fd=parent), os.stat(name, dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            raise changed(path) from error
        finally:
            os.close(parent)

    def attributes(self, path: str) -> tuple[dict[str, bytes], os.stat_result]:
        """The extended attributes that are facts, and the status, of anything but a symbolic link."""
        parent, name = (os.dup(self._fd), ".") if path == ROOT else self._parent(path)
        try:
            inode = self.system.hold(parent, name)
        except OSError as error:
            raise changed(path) from error
        finally:
            os.close(parent)
        with inode:
            try:
                return _read_attributes(inode) if self.system.attributes else {}, inode.status()
            except OSError as error:
                raise unreadable(path, error) from error


def mounts_beneath(root: Path) -> frozenset[str]:
    """Relative paths of the mount points beneath an absolute path without symbolic links."""
    try:
        rows = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return frozenset()
    prefix = os.fsencode(root).rstrip(b"/") + b"/"
    points = (_unescape(row.split(b" ")[4]) for row in rows)
    return frozenset(os.fsdecode(point[len(prefix) :]) for point in points if point.startswith(prefix))


def _unescape(text: bytes) -> bytes:
    """Undo the octal escapes of mountinfo (space, tab, newline, backslash)."""
    head, *rest = text.split(b"\\")
    return head + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest)


def hash_descriptor(descriptor: int) -> str:
    """The SHA-256 of an open file from where it stands, read in pieces."""
    found = sha256()
    while piece := os.read(descriptor, _CHUNK):
        found.update(piece)
    return found.hexdigest()


def attribute_counts(name: str) -> bool:
    """Whether an extended attribute of this name is a fact."""
    if name.startswith("user."):
        return not name.startswith("user.overlay.")
    return name == "security.capability" or name.startswith("system.posix_acl_")


def _read_attributes(inode: Inode) -> dict[str, bytes]:
    path = inode.at  # f*xattr refuse a descriptor that is only a path
    try:
        return {name: os.getxattr(path, name) for name in sorted(os.listxattr(path)) if attribute_counts(name)}
    except OSError as error:
        if error.errno in (ENOTSUP, ENODATA, EPERM):
            return {}
        raise


def same(left: os.stat_result, right: os.stat_result) -> bool:
    """Whether two looks saw the same thing, unchanged. (Times tell of a change of content or attributes.)"""
    return (left.st_ino, left.st_dev, left.st_mode, left.st_size, left.st_mtime_ns, left.st_ctime_ns) == (
        right.st_ino,
        right.st_dev,
        right.st_mode,
        right.st_size,
        right.st_mtime_ns,
        right.st_ctime_ns,
    )


def changed(path: str) -> ChangedMeanwhile:
    """The error for something that is no longer as it was."""
    return ChangedMeanwhile(
        f"{path!r} changed", "a directory that nothing else changes", "Start again from a new base."
    )


def misspelled(path: str) -> Unreadable:
    """The error for a name that the filesystem finds and its directory does not list."""
    return Unreadable(
        f"{path!r}, which its directory lists in another spelling",
        "names as they are listed, where the filesystem ignores case or forms of Unicode",
        "Use the listed spelling, or a filesystem that tells names apart.",
    )


def unreadable(path: str, error: OSError) -> Unreadable:
    """The error for something this user may not read."""
    advice = "Grant read access, or choose another directory." if error.errno in (EACCES, EPERM) else ""
    return Unreadable(f"{path!r}: {error.strerror}", "a directory that this user may read", advice)

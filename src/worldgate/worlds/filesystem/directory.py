"""A real directory, read as facts of the filesystem world: lazily, and only ever read.

One fact costs one `lstat`, one directory one `scandir`; contents are hashed when asked for; every
answer is kept, so a state that stands on a source does not change under its reader. A change that
is noticed meanwhile is an error (`ChangedMeanwhile`), never a mixture of before and after.

Not covered: the actor's own facts (uid, umask, working directory, environment); names at the root
listed in `exclude`; mount points beneath the root and what is under them; extended attributes other
than `user.*` (without `user.overlay.*`), capabilities and access control lists.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

from ...facts import Error, Fact, Key, Value
from .blobs import EMPTY, MissingBlob
from .schema import ROOT, SCHEMA, Inode
from .system import HERE, System
from .tree import (
    WORKPLACE,
    ChangedMeanwhile,
    Tree,
    Unreadable,
    changed,
    hash_descriptor,
    join,
    misspelled,
    mounts_beneath,
    same,
    split,
    unreadable,
)

__all__ = ["WORKPLACE", "ChangedMeanwhile", "DirectoryBlobs", "DirectorySource", "Unreadable", "join", "split"]

KINDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "dir",
        stat.S_IFLNK: "symlink",
        stat.S_IFIFO: "fifo",
        stat.S_IFSOCK: "socket",
        stat.S_IFCHR: "chardev",
        stat.S_IFBLK: "blockdev",
    }
)
_NOTHING: Final[Mapping[Key, Any]] = {}
_UNASKED: Final[Any] = object()
_ROW: Final = struct.Struct("=7Q2q")
Groups = Mapping[tuple[int, int, int], tuple[str, ...]]
"""(device, inode number, links) of each file with several links, to its paths in this world, sorted."""


class DirectorySource:
    """The facts of the directory at `root`; a `worldgate.facts.Source`. Ids are relative paths."""

    def __init__(self, root: Path | str, *, exclude: tuple[str, ...] = (WORKPLACE,), system: System = HERE) -> None:
        try:
            descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise unreadable(str(root), error) from error
        path = Path(os.path.realpath(root))
        mounts = mounts_beneath(path) if system.mounts else frozenset()
        self._begin(path, Tree(descriptor, frozenset(exclude), mounts, system))

    @classmethod
    def at(cls, descriptor: int, *, exclude: tuple[str, ...] = (WORKPLACE,)) -> DirectorySource:
        """A source over an open directory, which need not have a path (Linux). The descriptor is duplicated."""
        source = cls.__new__(cls)
        own = os.dup(descriptor)
        source._begin(Path(f"/proc/self/fd/{own}"), Tree(own, frozenset(exclude), frozenset()))
        return source

    def _begin(self, root: Path, tree: Tree) -> None:
        self.root, self._tree = root, tree
        self._stats: dict[str, os.stat_result | None] = {}
        self._entries: dict[str, Mapping[Key, Any]] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._xattrs: dict[str, Mapping[Key, Any]] = {}
        self._texts: dict[tuple[str, str], str] = {}
        self._groups: Groups | None = None
        self._hashed: dict[str, str] = {}

    # --- the source protocol ----------------------------------------------------------------------

    def get(self, relation: str, key: Key) -> Value | None:
        """The value of one fact, or None."""
        if relation == "entry":
            directory, name = str(key[0]), str(key[1])
            path = join(directory, name)
            status = None if name in ("", ".", "..") or "/" in name else self.lstat(path)
            return None if status is None else self.links(path, status)[0]
        reader = _READERS.get(relation)
        if reader is None:
            SCHEMA.relation(relation)
            return None
        inode = str(key[0])
        status = self.status(inode)
        return None if status is None else reader(self, inode, status, key)

    def select(self, relation: str, prefix: Key) -> Mapping[Key, Value]:
        """The entries of one directory, or the extended attributes of one inode."""
        if relation == "entry":
            directory = str(prefix[0])
            if not self._tree.system.exact:
                self.lstat(directory)  # raises for another spelling
            return self._listed(directory)
        if relation == "xattr":
            inode = str(prefix[0])
            status = self.status(inode)
            return _NOTHING if status is None else self._attributes(inode, status)
        return _NOTHING

    def owners(self, relation: str, value: Value) -> frozenset[Key]:
        """The entries that name an inode."""
        if relation != "entry" or value == ROOT:
            return frozenset()
        status = self.status(str(value))
        return frozenset() if status is None else frozenset(split(path) for path in self.links(str(value), status))

    def facts(self) -> Iterator[Fact]:
        """Every fact; hashes every file."""
        pending = [ROOT]
        yield from self._facts_of(ROOT)
        while pending:
            directory = pending.pop()
            for (name,), inode in self._listed(directory).items():
                yield "entry", (directory, name), inode
                path = join(directory, str(name))
                if path == inode:
                    yield from self._facts_of(path)
                    if stat.S_ISDIR(cast("os.stat_result", self.lstat(path)).st_mode):
                        pending.append(path)

    def _facts_of(self, inode: str) -> Iterator[Fact]:
        for relation in _READERS:
            if relation == "xattr":
                for rest, text in self.select("xattr", (inode,)).items():
                    yield "xattr", (inode, *rest), text
            elif (value := self.get(relation, (inode,))) is not None:
                yield relation, (inode,), value

    # --- what the kernel and the target ask beyond facts --------------------------------------------

    def lstat(self, path: str) -> os.stat_result | None:
        """The status of what is at a path, or None."""
        status = self._stats.get(path, _UNASKED)
        if status is _UNASKED:
            status, parent = self._tree.stat(path)
            if parent is not None:
                directory = split(path)[0]
                self._check_spelling(directory if status is None else path)
                self._watch(directory, parent)
            self._stats[path] = status
        found: os.stat_result | None = status
        return found

    def status(self, inode: str) -> os.stat_result | None:
        """The status of the inode with that id, or None. (A second name of a file is nobody's id.)"""
        status = self.lstat(inode)
        if status is None or self.links(inode, status)[0] == inode:
            return status
        return None

    def links(self, path: str, status: os.stat_result) -> tuple[str, ...]:
        """The paths of the inode at `path`, the least first."""
        if single(status):
            return (path,)
        found = self.groups().get(_number(status), ())
        if path not in found:
            raise changed(path)
        return found

    def groups(self) -> Groups:
        """All files with several links. One walk of the tree, the first time that a fact depends on it."""
        if self._groups is None:
            self._groups = _grouped(self._tree.walk())
        return self._groups

    @property
    def blobs(self) -> DirectoryBlobs:
        """The contents of the files that this source has hashed so far."""
        return DirectoryBlobs(self)

    def path_of(self, inode: str) -> Path:
        """Where the inode with this id is."""
        return self.root if inode == ROOT else self.root / inode

    def seen(self) -> str:
        """A digest of the status of everything in the tree: it changes when any fact of the world does.

        Contents are not read: a change of content shows in the times. The root's own times are left
        out, because they change with names that are not part of the world. O(tree), and never kept.
        """
        attributes, status = self._tree.attributes(ROOT)
        digest = sha256(repr((status.st_mode, status.st_uid, status.st_gid, status.st_ino, attributes)).encode())
        rows = list(self._tree.walk())
        for path, status in rows:
            # mode, ino, dev, nlink, uid, gid, size; reading changes only the time of access
            digest.update(_ROW.pack(*status[:7], status.st_mtime_ns, status.st_ctime_ns))
            digest.update(os.fsencode(path) + b"\0")
        if self._groups is None:
            self._groups = _grouped(rows)
        return digest.hexdigest()

    def mounts(self, paths: Iterable[str]) -> frozenset[str]:
        """The mount points beneath any of these directories, as they are now; perhaps others as well."""
        if self._tree.system.mounts:
            return mounts_beneath(self.root)
        return frozenset(mount for path in paths for mount in self._tree.mounted(path))

    def open_directory(self, path: str, flags: int) -> int:
        """A descriptor of a directory; FileNotFoundError when none is at that path."""
        return self._tree.open(path, flags)

    def open_file(self, inode: str) -> int:
        """A descriptor of a regular file, checked to be the one this source saw."""
        status = self.lstat(inode)
        descriptor = self._tree.open_file(inode)
        if status is None or not same(status, os.fstat(descriptor)):
            os.close(descriptor)
            raise changed(inode)
        return descriptor

    # --- leaves -------------------------------------------------------------------------------------

    def _check_spelling(self, path: str) -> None:
        """Raise for a path that only leads somewhere because the filesystem takes one spelling for another."""
        if self._tree.system.exact or path == ROOT:
            return
        directory = ROOT
        for name in path.split("/"):
            names = self._names.get(directory)
            if names is None:
                try:
                    names = self._names[directory] = self._tree.names(directory)
                except FileNotFoundError:
                    raise changed(directory) from None
            if name not in names:
                raise misspelled(path)
            directory = join(directory, name)

    def _watch(self, directory: str, now: os.stat_result) -> None:
        """Keep a directory's status, or raise when it is no longer as it was kept."""
        before = self._stats.setdefault(directory, now)
        if before is None or not (same(before, now) if directory != ROOT else before.st_mode == now.st_mode):
            raise changed(directory)

    def _listed(self, directory: str) -> Mapping[Key, Any]:
        found = self._entries.get(directory)
        if found is None:
            try:
                rows, status = self._tree.listing(directory)
            except FileNotFoundError:
                before = self._stats.get(directory)
                if before is not None and stat.S_ISDIR(before.st_mode):
                    raise changed(directory) from None
                return self._entries.setdefault(directory, _NOTHING)
            self._watch(directory, status)
            if directory == ROOT:
                self._check_root({path for path, _ in rows})
            entries: dict[Key, str] = {}
            for path, status in rows:
                if self._stats.setdefault(path, status) is None:
                    raise changed(path)
                entries[(split(path)[1],)] = self.links(path, status)[0]
            found = self._entries[directory] = entries
        return found

    def _check_root(self, now: set[str]) -> None:
        """The root's times say nothing (see `seen`), so compare what was asked of it before."""
        for path, status in self._stats.items():
            if "/" not in path and not self._tree.outside(path) and path != ROOT and (status is None) == (path in now):
                raise changed(path)

    def _content(self, inode: str, status: os.stat_result) -> str:
        text = self._texts.get((inode, "content"))
        if text is None:
            descriptor = self.open_file(inode)
            try:
                text = hash_descriptor(descriptor)
                if not same(status, os.fstat(descriptor)):
                    raise changed(inode)
            finally:
                os.close(descriptor)
            self._texts[inode, "content"] = text
            self._hashed.setdefault(text, inode)
        return text

    def _target(self, inode: str, status: os.stat_result) -> str:
        text = self._texts.get((inode, "target"))
        if text is None:
            text, now = self._tree.target(inode)
            if not same(status, now):
                raise changed(inode)
            self._texts[inode, "target"] = text
        return text

    def _attributes(self, inode: str, status: os.stat_result) -> Mapping[Key, Any]:
        found = self._xattrs.get(inode)
        if found is None:
            if stat.S_ISLNK(status.st_mode):
                return _NOTHING
            values, now = self._tree.attributes(inode)
            if inode != ROOT and not same(status, now):
                raise changed(inode)
            found = self._xattrs[inode] = {(name,): value.hex() for name, value in values.items()}
        return found

    def _outside_links(self, inode: str, status: os.stat_result) -> int | None:
        return None if single(status) else (status.st_nlink - len(self.links(inode, status))) or None


def single(status: os.stat_result) -> bool:
    """Whether an inode has one path: every directory, and a file with one link."""
    return status.st_nlink < 2 or stat.S_ISDIR(status.st_mode)


def _number(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_nlink


def _grouped(rows: Iterator[tuple[str, os.stat_result]] | list[tuple[str, os.stat_result]]) -> Groups:
    found: dict[tuple[int, int, int], list[str]] = {}
    for path, status in rows:
        if not single(status):
            found.setdefault(_number(status), []).append(path)
    return {number: tuple(sorted(paths)) for number, paths in found.items()}


def _inode(_: DirectorySource, __: str, status: os.stat_result, ___: Key) -> Inode:
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    return Inode(kind, 0 if kind == "symlink" else stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def _content(source: DirectorySource, inode: str, status: os.stat_result, _: Key) -> str | None:
    return source._content(inode, status) if stat.S_ISREG(status.st_mode) else None


def _target(source: DirectorySource, inode: str, status: os.stat_result, _: Key) -> str | None:
    return source._target(inode, status) if stat.S_ISLNK(status.st_mode) else None


_Reader = Callable[[DirectorySource, str, os.stat_result, Key], Value | None]
_READERS: Final[Mapping[str, _Reader]] = MappingProxyType(
    {
        "inode": _inode,
        "content": _content,
        "size": lambda _, __, status, ___: status.st_size if stat.S_ISREG(status.st_mode) else None,
        "target": _target,
        "xattr": lambda source, inode, status, key: source._attributes(inode, status).get(key[1:]),
        "outside": lambda source, inode, status, _: source._outside_links(inode, status),
    }
)


class DirectoryBlobs:
    """The contents of the files that a source has hashed. `get` verifies the hash again."""

    def __init__(self, source: DirectorySource) -> None:
        self._source = source

    def get(self, name: str) -> bytes:
        """The bytes; `MissingBlob` when no file of this source has them (any more)."""
        if name == EMPTY:
            return b""
        inode = self._source._hashed.get(name)
        if inode is None:
            raise MissingBlob(name[:12], "the content of a file this source has hashed")
        try:
            descriptor = self._source.open_file(inode)
        except Error as error:
            raise MissingBlob(f"{name[:12]}: {inode} changed", "the file as it was hashed") from error
        with open(descriptor, "rb") as file:
            data = file.read()
        if sha256(data).hexdigest() != name:
            raise MissingBlob(f"{name[:12]}: {inode} changed", "the file as it was hashed")
        return data

    def put(self, data: bytes) -> str:
        """Refused: a directory that is read is never written."""
        raise Unreadable(f"{len(data)} bytes to write", "reads only", "Put contents into a store of their own.")

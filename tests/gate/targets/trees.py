"""Real trees for the tests of targets: made from a description, photographed, and compared.

A description maps a path to what is there: bytes (a file), None (a directory), Link (a hard link to
another path), Symlink, or Node for anything with metadata.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.gate.targets.platforms import attributes_are_covered
from worldgate.facts import Address, Delta, State, compose, diff
from worldgate.gate.base import Base, addresses, observe
from worldgate.worlds.filesystem.blobs import MemoryBlobs
from worldgate.worlds.filesystem.directory import DirectorySource
from worldgate.worlds.filesystem.schema import SCHEMA

OLD = 1_600_000_000_000_000_000


@dataclass(frozen=True)
class Link:
    to: str


@dataclass(frozen=True)
class Symlink:
    to: str


@dataclass(frozen=True)
class Node:
    """A file (bytes) or directory (None) with metadata."""

    what: bytes | None
    mode: int
    xattrs: dict[str, bytes] = field(default_factory=dict)
    owner: tuple[int, int] | None = None


What = bytes | None | Link | Symlink | Node
Tree = dict[str, What]


def build(root: Path, tree: Tree) -> None:
    """Make the tree (without attributes where these are not covered); every inode gets an old time of its own."""
    root.mkdir(parents=True, exist_ok=True)
    for path, what in sorted(tree.items(), key=lambda item: (isinstance(item[1], Link), item[0])):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        node = what if isinstance(what, Node) else None
        inner = node.what if node else what
        if isinstance(inner, Link):
            os.link(root / inner.to, place, follow_symlinks=False)
        elif isinstance(inner, Symlink):
            place.symlink_to(inner.to)
        elif inner is None:
            place.mkdir(exist_ok=True)
        else:
            assert isinstance(inner, bytes)
            place.write_bytes(inner)
        if node:
            for name, value in node.xattrs.items() if attributes_are_covered() else ():
                os.setxattr(place, name, value)
            if node.owner:
                os.chown(place, *node.owner)
    for path, what in tree.items():
        if isinstance(what, Node):
            (root / path).chmod(what.mode)
    places = [*sorted(root.rglob("*")), root]
    for number, place in enumerate(sorted(places, reverse=True)):
        os.utime(place, ns=(OLD, OLD + number * 1_000_000_001), follow_symlinks=False)


Photo = dict[str, tuple[object, ...]]


def photograph(root: Path) -> Photo:
    """Everything about every inode but access and change times; inode numbers included."""
    found: Photo = {}
    pending = [""]
    while pending:
        path = pending.pop()
        place = root / path
        status = place.lstat()
        body: object = None
        if stat.S_ISREG(status.st_mode):
            body = place.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            body = os.readlink(place)
        elif stat.S_ISDIR(status.st_mode):
            names = sorted(name for name in os.listdir(place) if path or not name.startswith(".worldgate"))
            pending += [f"{path}/{name}" if path else name for name in names]
            body = tuple(names)
        xattrs = tuple((name, os.getxattr(place, name, follow_symlinks=False)) for name in _attributes(place))
        size = None if stat.S_ISDIR(status.st_mode) else status.st_size
        links = None if stat.S_ISDIR(status.st_mode) else status.st_nlink
        found[path] = (
            status.st_mode, status.st_uid, status.st_gid, links, size, body, xattrs, status.st_mtime_ns, status.st_ino,
        )  # fmt: skip
    return found


def _attributes(place: Path) -> list[str]:
    return sorted(os.listxattr(place, follow_symlinks=False))


def shape(photo: Photo) -> dict[str, tuple[object, ...]]:
    """A photograph without times and numbers, but with which names are one inode."""
    first: dict[object, str] = {}
    for path in sorted(photo):
        first.setdefault(photo[path][-1], path)
    return {path: (*row[:-2], first[row[-1]]) for path, row in photo.items()}


def scan(root: Path) -> tuple[State, MemoryBlobs]:
    """The whole state of a directory, standing on nothing, and the contents in it."""
    source = DirectorySource(root)
    state = State.of(SCHEMA, list(source.facts()))
    blobs = MemoryBlobs()
    for place in root.rglob("*"):
        if place.is_file() and not place.is_symlink() and ".worldgate" not in place.parts:
            blobs.put(place.read_bytes())
    return state, blobs


@dataclass(frozen=True)
class Change:
    """A delta with all it needs to be committed."""

    delta: Delta
    base: Base
    blobs: MemoryBlobs


def change_between(before: Path, after: Path) -> Change:
    """From one real tree to another, by comparing two scans."""
    first, _ = scan(before)
    second, blobs = scan(after)
    return change(first, diff(first, second), blobs)


def change(state: State, delta: Delta, blobs: MemoryBlobs, reads: Iterable[Address] = ()) -> Change:
    net = compose(delta)
    return Change(net, observe(state, addresses(SCHEMA, reads, net)), blobs)


def assert_same_photo(found: Photo, expected: Photo, where: object = "") -> None:
    """Exactly the same tree: bytes, names, inodes, metadata, times."""
    for path in sorted(found.keys() | expected.keys()):
        assert found.get(path) == expected.get(path), f"{where}: {path!r}"


def assert_same_shape(found: Photo, expected: Photo, where: object = "") -> None:
    """The same tree but for times and inode numbers."""
    assert_same_photo(shape(found), shape(expected), where)

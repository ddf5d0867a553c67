"""The filesystem's facts: inodes, directory entries, and the acting shell.

An inode's id is the path it had when it was first seen ("." is the root; of hard links, the least
path), so a delta reads by itself and does not depend on any machine's numbering. An inode made where
that id is taken gets "path//2", "path//3" and so on ("//" occurs in no path). The id says where the inode came from,
not where it is: `entry` alone says that. Moving a directory of any size is two edits.

Times are not facts of this world. Link counts are derived: the entries that name an inode plus
`outside`, the links it has beyond the directory this world covers.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ...facts import BOOL, INT, TEXT, Relation, Schema, State, Type, enum, record, ref

INODE = ref("inode")
BLOB = Type("ref", entity="blob", format="sha256")  # of the bytes, hexadecimal
KIND = enum("file", "dir", "symlink", "fifo", "socket", "chardev", "blockdev")
ROOT = "."


class Inode(NamedTuple):
    """What an inode is: `mode` is its permission bits, 0 to 0o7777; 0 of a symlink, which has none."""

    kind: str
    mode: int
    uid: int
    gid: int


class User(NamedTuple):
    """Who acts, and the permission bits that what they make does not get."""

    uid: int
    gid: int
    umask: int


class Result(NamedTuple):
    """How the last command ended, and what it printed."""

    status: int
    stdout: str
    stderr: str


inode_of = partial(tuple.__new__, Inode)  # of plain tuples, without a call of Python code
result_of = partial(tuple.__new__, Result)
NOTHING = Inode("", 0, 0, 0)  # where there is no inode

SCHEMA = Schema(
    "filesystem",
    "2",
    [
        Relation("entry", (("dir", INODE), ("name", TEXT)), INODE, index=(1,), inverse=True),
        Relation("inode", (("inode", INODE),), record(Inode, kind=KIND)),
        Relation("content", (("inode", INODE),), BLOB),  # files
        Relation("size", (("inode", INODE),), INT),  # files: bytes
        Relation("target", (("inode", INODE),), TEXT),  # symlinks
        Relation("xattr", (("inode", INODE), ("name", TEXT)), TEXT, index=(1,)),  # value: hexadecimal bytes
        Relation("outside", (("inode", INODE),), INT),  # links beyond this world; absent for none
        # the acting shell: simulated and recorded, never committed
        Relation("cwd", (), INODE, local=True),
        Relation("detached", (("inode", INODE),), INODE, local=True),  # a removed directory still in use: its parent
        Relation("env", (("name", TEXT),), TEXT, index=(0,), local=True),
        Relation("user", (), record(User), local=True),
        Relation("confined", (), BOOL, local=True),  # absolute paths, and ".." at the root, lead out of this world
        Relation("result", (), record(Result), local=True),  # of the last command
    ],
)


def inode_in(state: State, inode: str) -> Inode:
    """What is at that id in a state; `NOTHING` where nothing is."""
    return state.get("inode", (inode,)) or NOTHING

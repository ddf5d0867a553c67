"""The filesystem's facts: inodes, directory entries, and the acting shell.

An inode's id is the path it had when it was first seen ("." is the root; of hard links, the least
path), so a delta reads by itself and does not depend on any machine's numbering. An inode made where
that id is taken gets "path//2", "path//3" and so on ("//" occurs in no path). The id says where the inode came from,
not where it is: `entry` alone says that. Moving a directory of any size is two edits.

Times are not facts of this world. Link counts are derived: the entries that name an inode plus
`outside`, the links it has beyond the directory this world covers.
"""

from __future__ import annotations

from ...facts import BOOL, INT, TEXT, Relation, Schema, enum, ref

INODE = ref("inode")
ROOT = "."

SCHEMA = Schema(
    "filesystem",
    "1",
    [
        Relation("entry", (("dir", INODE), ("name", TEXT)), INODE, index=(1,), inverse=True),
        Relation("kind", (("inode", INODE),), enum("file", "dir", "symlink", "fifo", "socket", "chardev", "blockdev")),
        Relation("mode", (("inode", INODE),), INT),  # permission bits, 0 to 0o7777; symlinks have none
        Relation("uid", (("inode", INODE),), INT),
        Relation("gid", (("inode", INODE),), INT),
        Relation("content", (("inode", INODE),), ref("blob")),  # files: SHA-256 of the bytes, hexadecimal
        Relation("size", (("inode", INODE),), INT),  # files: bytes
        Relation("target", (("inode", INODE),), TEXT),  # symlinks
        Relation("xattr", (("inode", INODE), ("name", TEXT)), TEXT, index=(1,)),  # value: hexadecimal bytes
        Relation("outside", (("inode", INODE),), INT),  # links beyond this world; absent for none
        # the acting shell: simulated and recorded, never committed
        Relation("cwd", (), INODE, local=True),
        Relation("detached", (("inode", INODE),), INODE, local=True),  # a removed directory still in use: its parent
        Relation("env", (("name", TEXT),), TEXT, index=(0,), local=True),
        Relation("user", (("id", enum("uid", "gid", "umask")),), INT, local=True),
        Relation("confined", (), BOOL, local=True),  # absolute paths, and ".." at the root, lead out of this world
        Relation("status", (), INT, local=True),  # exit code of the last command
        Relation("stdout", (), TEXT, local=True),
        Relation("stderr", (), TEXT, local=True),
    ],
)

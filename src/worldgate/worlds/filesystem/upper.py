"""The upper layer of an overlay whose command has ended, as a source of facts about itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from errno import ENODATA
from typing import Final

from ...facts import Key, Value
from .blobs import Blobs
from .directory import DirectorySource
from .schema import ROOT, Inode
from .tree import LIST

OPAQUE: Final = "user.overlay.opaque"
"""On a directory that hides all of the base directory beneath it."""
PREPARED: Final = "user.overlay.prepared"
"""On a file that was laid out before the run: its id. The overlay hides such names from the command."""


class Upper:
    """A layer's facts. It is scratch, so what its owner may not read is made readable first.

    The modes that this changes are kept, and are the ones that are told.
    """

    def __init__(self, descriptor: int) -> None:
        self._modes = {} if os.geteuid() == 0 else dict(soften(descriptor, ""))
        self._source = DirectorySource.at(descriptor)
        self.select = self._source.select

    def get(self, relation: str, key: Key) -> Value | None:
        """The value of one fact, or None."""
        found = self._source.get(relation, key)
        if relation == "inode" and isinstance(found, Inode) and key[0] in self._modes:
            return found._replace(mode=self._modes[str(key[0])])
        return found

    def lstat(self, path: str) -> os.stat_result:
        """The status of what is at a path that exists."""
        status = self._source.lstat(path)
        assert status is not None, path
        return status

    def id_of(self, path: str) -> str:
        """The layer's own id of what is at a path: the least of its names."""
        return ROOT if path == ROOT else self._source.links(path, self.lstat(path))[0]

    def attribute(self, path: str, name: str) -> bytes | None:
        """An extended attribute of a file or directory, one that facts leave out."""
        directory = stat.S_ISDIR(self.lstat(path).st_mode)
        descriptor = self._source.open_directory(path, LIST) if directory else self._source.open_file(path)
        try:
            return os.getxattr(descriptor, name)
        except OSError as error:
            if error.errno == ENODATA:
                return None
            raise
        finally:
            os.close(descriptor)

    def keep(self, paths: Iterable[str], store: Blobs) -> None:
        """Put the contents of files into `store`, so that they outlive the layer."""
        put_file = getattr(store, "put_file", None)
        for path in paths:
            with open(self._source.open_file(path), "rb") as file:
                if put_file is None:
                    store.put(file.read())
                else:
                    put_file(f"/proc/self/fd/{file.fileno()}")


def soften(parent: int, directory: str, linked: dict[int, int] | None = None) -> Iterator[tuple[str, int]]:
    """Grant the owner of a scratch tree access to all of it; (path, mode) as they were.

    `linked` holds, by inode number, the modes of files with several names that were changed under another.
    """
    linked = {} if linked is None else linked
    with os.scandir(parent) as entries:
        rows = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    for name, status in rows:
        path, mode = directory + name, linked.get(status.st_ino, status.st_mode)
        needed = {stat.S_IFDIR: 0o700, stat.S_IFREG: 0o400}.get(stat.S_IFMT(mode), 0)
        if mode & needed != needed:
            os.chmod(name, stat.S_IMODE(mode) | needed, dir_fd=parent)
            linked[status.st_ino] = mode
            yield path, stat.S_IMODE(mode)
        if stat.S_ISDIR(mode):
            child = os.open(name, LIST, dir_fd=parent)
            try:
                yield from soften(child, path + "/", linked)
            finally:
                os.close(child)

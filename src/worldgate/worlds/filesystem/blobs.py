"""File contents by hash. Facts hold the hash; bytes are read only when something needs them.

`Blobs` is a protocol: a dictionary for tests and simulations, a directory for workspaces. Layers
chain: what one layer lacks, the next may have.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from ...facts import Error

EMPTY = sha256(b"").hexdigest()
_DIGEST: Final = re.compile("[0-9a-f]{64}")


class MissingBlob(Error):
    number, title = "WG211", "content is not in the blob store"


def digest(data: bytes) -> str:
    """The name of these bytes: SHA-256, hexadecimal."""
    return sha256(data).hexdigest()


class Blobs(Protocol):
    """A content-addressed store. `get` raises `MissingBlob`; `put` returns the digest."""

    def get(self, name: str) -> bytes: ...

    def put(self, data: bytes) -> str: ...


class MemoryBlobs:
    """Blobs in a dictionary, in front of an optional read-only `base`."""

    def __init__(self, base: Blobs | None = None) -> None:
        self._data: dict[str, bytes] = {EMPTY: b""}
        self._base = base

    def get(self, name: str) -> bytes:
        found = self._data.get(name)
        if found is not None:
            return found
        if self._base is None:
            raise MissingBlob(name[:12], "a stored content")
        return self._base.get(name)

    def put(self, data: bytes) -> str:
        name = digest(data)
        self._data[name] = data
        return name


class FileBlobs:
    """Blobs as files under `directory`, in front of an optional read-only `base`.

    `directory/ab/cdef...` holds the bytes whose digest is abcdef.... A content is written beside its
    place, forced to disk and renamed, so a crash leaves it whole or absent; `get` verifies the digest.
    """

    def __init__(self, directory: Path | str, base: Blobs | None = None) -> None:
        self._directory, self._base = Path(directory), base

    def get(self, name: str) -> bytes:
        """The bytes of that digest."""
        if _DIGEST.fullmatch(name):
            try:
                data = self.path_of(name).read_bytes()
            except FileNotFoundError:
                pass
            else:
                if digest(data) != name:
                    raise MissingBlob(f"{name[:12]} with other bytes", "the content that was stored")
                return data
        if name == EMPTY:
            return b""
        if self._base is None:
            raise MissingBlob(name[:12], "a stored content")
        return self._base.get(name)

    def put(self, data: bytes) -> str:
        """Store bytes; their digest."""
        return self._store([data])

    def put_file(self, path: Path | str) -> str:
        """Store the bytes of a file, read in pieces; their digest."""
        with open(path, "rb") as file:
            return self._store(iter(lambda: file.read(1 << 20), b""))

    def path_of(self, name: str) -> Path:
        """Where the content of that digest is, if it is stored here."""
        return self._directory / name[:2] / name[2:]

    def _store(self, pieces: Iterable[bytes]) -> str:
        self._directory.mkdir(parents=True, exist_ok=True)
        found = sha256()
        descriptor, temporary = tempfile.mkstemp(dir=self._directory, prefix=".new-")
        try:
            with open(descriptor, "wb") as file:
                for piece in pieces:
                    found.update(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            name = found.hexdigest()
            place = self.path_of(name)
            place.parent.mkdir(exist_ok=True)
            os.replace(temporary, place)
        except BaseException:
            os.unlink(temporary)
            raise
        for directory in (place.parent, self._directory):
            _force(directory)
        return name


def _force(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

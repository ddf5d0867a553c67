"""File contents by hash. Facts hold the hash; bytes are read only when something needs them.

`Blobs` is a protocol: a dictionary for tests and simulations, a directory for workspaces. Layers
chain: what one layer lacks, the next may have.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Protocol

from ...facts import Error

EMPTY = sha256(b"").hexdigest()


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

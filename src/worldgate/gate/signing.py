"""Ed25519 signatures over record hashes, through `cryptography` (the extra `sign`; imported only when used).

What is signed are the 64 hexadecimal characters of a record's hash. The private key lies in a PEM file (PKCS 8,
not encrypted) that only its owner can read; a file that others can read is refused. A signature shows that the
holder of the key wrote a record, not that the record is true.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..facts import Error
from .chain import Verifier

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class NoSigning(Error):
    number, title = "WG708", "signatures need a package that is not installed"


class BadKeyFile(Error):
    number, title = "WG709", "not a usable key file"


class Signer:
    """A private key. `public_key` is its public half, 64 hexadecimal characters."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes_raw().hex()

    def sign(self, hash_: str) -> str:
        """The signature of a record's hash, 128 hexadecimal characters."""
        return self._key.sign(hash_.encode()).hex()

    @classmethod
    def create(cls, path: Path) -> Signer:
        """A new key in a new file; raises `BadKeyFile` when the file exists."""
        key = _ed25519().Ed25519PrivateKey.generate()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BadKeyFile(f"{path}: {error.strerror}", "a place for a new file") from error
        with os.fdopen(file, "wb") as stream:
            stream.write(_pem(key))
            stream.flush()
            os.fsync(file)
        return cls(key)

    @classmethod
    def load(cls, path: Path) -> Signer:
        """The key of a file made by `create` (or `openssl genpkey -algorithm ed25519`)."""
        ed25519 = _ed25519()
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            with path.open("rb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                data = stream.read(10_000)
        except OSError as error:
            raise BadKeyFile(f"{path}: {error.strerror}", "a private key") from error
        if stat.S_IMODE(mode) & 0o077:
            raise BadKeyFile(f"{path} with mode {stat.S_IMODE(mode):o}", "600", "Others can read it: make a new key")
        try:
            key = load_pem_private_key(data, password=None)
        except (ValueError, TypeError) as error:
            raise BadKeyFile(f"{path}: {error}", "an Ed25519 private key in PEM") from error
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise BadKeyFile(f"{path}: another kind of key", "an Ed25519 private key in PEM")
        return cls(key)


def verifier_of(public_key: str) -> Verifier:
    """Checks signatures against that key. A malformed key verifies nothing."""
    ed25519 = _ed25519()
    from cryptography.exceptions import InvalidSignature

    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
    except ValueError:
        return lambda _hash, _signature: False

    def verify(hash_: str, signature: str) -> bool:
        try:
            raw = bytes.fromhex(signature)
            key.verify(raw, hash_.encode())
        except (InvalidSignature, ValueError):
            return False
        return raw.hex() == signature  # one spelling, so that no byte of it can change unseen

    return verify


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise NoSigning("no package cryptography", "it", "Install worldgate[sign]") from error
    return ed25519


def _pem(key: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

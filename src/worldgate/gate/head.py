"""The head: the last record's number and hash, kept in a file away from the ledger it belongs to.

A chain cannot show that its own end was cut off, or that the whole file was put back to an older copy; the head
can. The file is replaced as a whole and flushed before an append returns. It checks itself, so that a changed
byte is told from a changed ledger. Whoever can write both the ledger and the head can move both back: keep a
copy elsewhere (`Ledger.head`) where that matters.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from ..facts import canonical_json

MAX_BYTES = 4096


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a chain: how many records, and the last one's hash."""

    seq: int
    hash: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    check: str
    format: str
    hash: str
    ledger: str
    seq: int


class BadHead(ValueError):
    """The head file holds something else than a head."""


def default_path(ledger: Path, environ: dict[str, str] | None = None) -> Path:
    """Where the head of the ledger at that path is kept: below the user's state directory, by the real path."""
    env = os.environ if environ is None else environ
    base = Path(env["XDG_STATE_HOME"]) if env.get("XDG_STATE_HOME") else Path.home() / ".local" / "state"
    name = sha256(os.fsencode(ledger.resolve())).hexdigest()
    return base / "worldgate" / "heads" / f"{name}.json"


def read(path: Path) -> Head | None:
    """The head, or None when there is no file; raises `BadHead` for anything else than a whole one."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadHead(error.strerror or str(error)) from error
    try:
        part = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadHead(str(error)) from error
    if _bytes(Head(part.seq, part.hash), part.ledger) != data:
        raise BadHead("a file that was changed")
    return Head(part.seq, part.hash)


def prepare(path: Path, head: Head, ledger: Path) -> Path:
    """Write the next head beside the file and flush it; `publish` puts it in place."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    ready = path.with_name(path.name + ".next")
    file = os.open(ready, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        data = _bytes(head, os.fsencode(ledger).decode(errors="replace"))
        if os.write(file, data) != len(data):
            raise OSError("the head was written in part")
        os.fsync(file)
    finally:
        os.close(file)
    return ready


def publish(ready: Path, path: Path) -> None:
    """Put a prepared head in place, and flush its directory."""
    os.replace(ready, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def discard(path: Path) -> None:
    """Remove a prepared head that was not published."""
    with suppress(OSError):
        path.with_name(path.name + ".next").unlink(missing_ok=True)


def _bytes(head: Head, ledger: str) -> bytes:
    fields = {"format": "worldgate head 1", "hash": head.hash, "ledger": ledger, "seq": head.seq}
    check = sha256(canonical_json(fields)).hexdigest()
    return canonical_json(_File(check, "worldgate head 1", head.hash, ledger, head.seq)) + b"\n"

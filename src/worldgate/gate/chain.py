"""The chain: records, what their hashes cover, and how a row of them is checked.

Pure functions; nothing here touches a disk. The hash of a record is the SHA-256 of seven parts with a newline
between them: "worldgate ledger 1", seq, kind, run, at, the hash of the record before, body. The first six hold
no newline and the body, canonical JSON, comes last, so two different records never share the hashed bytes.

A chain shows that nothing between two known hashes changed. It does not show that its end is the end (`head`
does), nor who wrote it (`signing` does).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, get_args

import msgspec

from ..facts import Error, canonical_json

FORMAT = "worldgate ledger 1"
START = "0" * 64
MAX_BODY = 16_000_000
MAX_DAMAGES = 1000

Kind = Literal[
    "opened",  # the first record of a ledger: its workspace id and its public key, if it has one
    "adopted",  # a person accepted this database although its head was lost or said otherwise
    "simulated",
    "refused",
    "approved",
    "revoked",
    "spent",
    "started",
    "committed",
    "failed",
    "unknown",
    "recovered",
    "undone",
]
KINDS: frozenset[str] = frozenset(get_args(Kind))

Row = tuple[int, str, str, str, bytes, str, str, str]
"""A record as it is stored: seq, kind, run, at, body, previous, hash, signature."""
Verifier = Callable[[str, str], bool]
"""(hash, signature) -> whether the signature is good."""
DamageKind = Literal[
    "database",  # the file itself: SQLite's own check fails, or it cannot be read
    "schema",  # the tables are not the ones of this version
    "field",  # a column does not hold what it must
    "gap",  # records are missing, added or out of order
    "link",  # a record does not follow the one before it
    "hash",  # a record's content is not what was hashed
    "signature",
    "head-missing",
    "head-damaged",
    "truncated",  # the head knows of later records
    "rewritten",  # the head knows another record at its place
]

_AS_IT_IS = (msgspec.Raw, str, int)
_TYPES = (int, str, str, str, bytes, str, str, str)
_RUN = re.compile(r"[!-~]{0,200}")
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


class Body(bytes):
    """A record's body as `encode_body` makes it: canonical JSON without a float."""


class BadRecord(Error):
    number, title = "WG707", "record cannot be written"


class Record(msgspec.Struct, frozen=True):
    """One entry. `body` holds canonical JSON; `at` is RFC 3339 in UTC; `previous` and `hash` are hexadecimal."""

    seq: int
    kind: str
    run: str
    at: str
    body: bytes
    previous: str
    hash: str
    signature: str = ""

    @property
    def row(self) -> Row:
        """The record as it is stored."""
        return self.seq, self.kind, self.run, self.at, self.body, self.previous, self.hash, self.signature

    @property
    def data(self) -> dict[str, Any]:
        """The body, decoded."""
        return msgspec.json.decode(self.body)  # type: ignore[no-any-return]


class Damage(msgspec.Struct, frozen=True):
    """One thing that is not as it was written. `seq` is the record (0: no single one)."""

    kind: DamageKind
    seq: int
    found: str
    expected: str

    @property
    def what(self) -> str:
        """What is damaged, without where."""
        return f"{self.kind}: found {self.found}; expected {self.expected}"

    def __str__(self) -> str:
        return f"record {self.seq}: {self.what}" if self.seq else self.what


def digest(seq: int, kind: str, run: str, at: str, body: bytes, previous: str) -> str:
    """The hash of a record."""
    return sha256(
        b"%s\n%d\n%s\n" % (FORMAT.encode(), seq, f"{kind}\n{run}\n{at}\n{previous}".encode()) + body
    ).hexdigest()


def follow(
    last: tuple[int, str],
    kind: str,
    run: str,
    body: Mapping[str, Any] | Body,
    at: str,
    sign: Callable[[str], str] | None = None,
) -> Record:
    """The record after `last` (its seq and hash); raises `BadRecord`."""
    if kind not in KINDS:
        raise BadRecord(f"kind {kind!r:.60}", f"one of {', '.join(get_args(Kind))}")
    if not isinstance(run, str) or not _RUN.fullmatch(run):
        raise BadRecord(f"run {run!r:.60}", "at most 200 printable ASCII characters without blanks")
    parse_time(at)
    data, seq = bytes(body if isinstance(body, Body) else encode_body(body)), last[0] + 1
    hash_ = digest(seq, kind, run, at, data, last[1])
    return Record(seq, kind, run, at, data, last[1], hash_, sign(hash_) if sign else "")


def parse_time(text: str) -> datetime:
    """The moment of an RFC 3339 time in UTC ("2030-01-31T12:00:00Z", up to microseconds); else `BadRecord`."""
    try:
        if not _AT.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise BadRecord(f"time {text!r:.60}", "RFC 3339 in UTC, such as 2030-01-31T12:00:00Z") from None


def encode_body(body: Mapping[str, Any]) -> Body:
    """Canonical JSON. Floats are refused: their digits depend on who prints them, and NaN would become null.

    A value that is `msgspec.Raw` is canonical JSON already, of facts or edits, which have no floats.
    """
    try:
        plain = {
            name: value if type(value) in _AS_IT_IS else msgspec.to_builtins(value, str_keys=True)
            for name, value in body.items()
        }
        if _has_float(plain):
            raise BadRecord(f"a float at {_float_in(plain)}", "whole numbers, or decimals as text")
        data = canonical_json(plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRecord(f"body: {error!s:.200}", "plain data with valid Unicode text") from error
    if len(data) > MAX_BODY:
        raise BadRecord(f"a body of {len(data)} bytes", f"at most {MAX_BODY}")
    return Body(data)


def _has_float(value: Any) -> bool:
    """Whether there is a float anywhere in plain data. Every record is looked through, so this is a loop."""
    parts = [value]
    while parts:
        part = parts.pop()
        kind = type(part)
        if kind is dict:
            parts.extend(part.values())
        elif kind is list or kind is tuple:
            parts.extend(part)
        elif kind is float:
            return True
    return False


def _float_in(value: Any, path: str = "body") -> str:
    if isinstance(value, float):
        return path
    if isinstance(value, dict):
        return next(filter(None, (_float_in(part, f"{path}.{name}") for name, part in value.items())), "")
    if isinstance(value, list | tuple):
        return next(filter(None, (_float_in(part, f"{path}[{number}]") for number, part in enumerate(value))), "")
    return ""


def misfit(row: Row) -> str:
    """What a column holds that it must not, or nothing."""
    if tuple(map(type, row)) != _TYPES:
        return f"columns of {', '.join(type(part).__name__ for part in row)}"
    _, kind, run, at, body, previous, hash_, signature = row
    if kind not in KINDS:
        return f"kind {kind!r:.60}"
    if not _RUN.fullmatch(run):
        return f"run {run!r:.60}"
    if not _AT.fullmatch(at):
        return f"time {at!r:.60}"
    sizes = len(body) <= MAX_BODY, len(previous) == 64, len(hash_) == 64, len(signature) in (0, 128)
    return "" if all(sizes) else "a column of the wrong length"


def check(rows: Iterable[Row], *, after: tuple[int, str] = (0, START), verifier: Verifier | None) -> Iterator[Damage]:
    """Every damage in rows that should follow `after`; each is said once, then the walk goes on from what stands.

    With a verifier every record must be signed; without one none may be.
    """
    seq, last = after
    for row in rows:
        seq += 1
        if row[0] != seq:
            yield Damage("gap", seq, f"record {row[0]}", f"record {seq}")
            seq = row[0]
        if problem := misfit(row):
            yield Damage("field", seq, problem, "what the format allows")
        else:
            _, kind, run, at, body, previous, hash_, signature = row
            if previous != last:
                yield Damage("link", seq, f"previous {previous:.12}", f"{last!s:.12}, the hash of the record before")
            if digest(seq, kind, run, at, body, previous) != hash_:
                yield Damage("hash", seq, f"hash {hash_:.12}", f"{digest(seq, kind, run, at, body, previous):.12}")
            if (kind == "opened") != (seq == 1):
                yield Damage("field", seq, f"kind {kind}", "opened, in the first record only")
            if verifier is None and signature:
                yield Damage("signature", seq, "a signature", "none: the first record names no key")
            if verifier is not None and not verifier(hash_, signature):
                yield Damage(
                    "signature", seq, "a bad signature" if signature else "no signature", "one by the ledger's key"
                )
        last = row[6]


def public_key_in(first: Row | None) -> str:
    """The public key that a ledger's first record names, or nothing."""
    try:
        key = msgspec.json.decode(first[4]).get("public_key", "") if first else ""
    except (ValueError, AttributeError, TypeError):
        return ""  # `check` reports the record
    return key if isinstance(key, str) else ""

"""A ledger as JSON lines that anyone can check from the file alone.

The first line says how many records follow and the hash of the last; then one record a line, its body as a JSON
text inside a string, so that the hashed bytes are there as they were. Every line is canonical JSON (sorted names,
no blanks), so no byte of the file can change unseen. Whoever can write the file could write a whole new chain;
only a head or a public key known from elsewhere excludes that.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import IO, TypeVar

import msgspec

from ..facts import canonical_json
from .chain import MAX_BODY, MAX_DAMAGES, START, Damage, Record, Row, check, public_key_in
from .head import Head
from .signing import verifier_of

FORMAT = "worldgate ledger export 1"
_LONGEST = 6 * MAX_BODY + 4096  # a byte of the body takes at most six inside a JSON string


class _Top(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    hash: str
    records: int


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at: str
    body: str
    hash: str
    kind: str
    previous: str
    run: str
    seq: int
    signature: str


_T = TypeVar("_T", _Top, _Line)


def export_top(records: int, hash_: str) -> bytes:
    """The first line."""
    return canonical_json(_Top(FORMAT, hash_, records)) + b"\n"


def export_line(record: Record) -> bytes:
    """The line of one record."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return canonical_json({**fields, "body": record.body.decode()}) + b"\n"


def verify_export(stream: IO[bytes], *, public_key: str | None = None, head: Head | None = None) -> list[Damage]:
    """Everything in an export that is not as it was written; empty when it is whole."""
    reader = _Reader(stream, head)
    top = reader.next(_Top)
    if top is None or top.format != FORMAT:
        return reader.damages or [Damage("field", 0, "another first line", f"that of a {FORMAT}")]
    first = next(reader.rows(), None)
    named = public_key_in(first)
    if public_key is not None and public_key != named:
        reader.damages.append(Damage("signature", 1, f"key {named or 'none'}", public_key))
    rows = chain([first] if first else [], reader.rows())
    damages = list(islice(check(rows, verifier=verifier_of(named) if named else None), MAX_DAMAGES))
    if reader.end != (top.records, top.hash):
        seq, hash_ = reader.end
        damages.append(
            Damage("truncated", seq, f"{seq} ending in {hash_:.12}", f"{top.records} ending in {top.hash:.12}")
        )
    if head and head.seq and reader.at_head != head.hash:
        damages.append(Damage("rewritten", head.seq, reader.at_head or "no such record", head.hash))
    return reader.damages + damages


class _Reader:
    """Reads an export line by line and remembers where it ended."""

    def __init__(self, stream: IO[bytes], head: Head | None) -> None:
        self.stream, self.head, self.number = stream, head, 0
        self.damages: list[Damage] = []
        self.end, self.at_head = (0, START), ""

    def next(self, kind: type[_T]) -> _T | None:
        """The next line, or None at the end of the file or of what can be read."""
        if not (line := self.stream.readline(_LONGEST)):
            return None
        self.number += 1
        try:
            part = msgspec.json.decode(line, type=kind)
            if canonical_json(part) + b"\n" != line:
                raise ValueError("bytes that are not canonical")
        except ValueError as error:
            self.damages.append(Damage("field", 0, f"line {self.number}: {error}", f"a line of a {FORMAT}"))
            return None
        return part

    def rows(self) -> Iterator[Row]:
        """The records that are left."""
        while (part := self.next(_Line)) is not None:
            self.end = (part.seq, part.hash)
            if self.head and self.head.seq == part.seq:
                self.at_head = part.hash
            yield part.seq, part.kind, part.run, part.at, part.body.encode(), part.previous, part.hash, part.signature

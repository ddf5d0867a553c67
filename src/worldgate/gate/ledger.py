"""The ledger: an append-only, hash-chained record of every run, in one SQLite file.

Guarantees: a record that `append` returned is on the disk, and so is the head that covers it. Any number of
processes may append at once; the order is total. A process that is killed leaves a record there or not there,
never half. `verify` names every change to a record, and records that were cut off, removed, moved or put in;
nothing is appended to a ledger whose end is not the one the head knows, and a lost database is never made anew.

Does not cover: someone who can write the ledger and the head (and has the key, when there is one) can rewrite
both. A network filesystem without working locks can corrupt any SQLite file. A `Ledger` must not cross a fork.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ..facts import Error
from . import head as heads
from .chain import (
    FORMAT,
    MAX_DAMAGES,
    START,
    BadRecord,
    Body,
    Damage,
    Kind,
    Record,
    Row,
    Verifier,
    check,
    digest,
    follow,
    misfit,
    public_key_in,
)
from .export import export_line, export_top
from .head import BadHead, Head
from .signing import Signer, verifier_of
from .store import ADVICE, UNREADABLE, LedgerBusy, LedgerDamaged, NewerLedger, NotALedger, NotRecorded, Store, numbered

__all__ = [
    "Damage",
    "Head",
    "Ledger",
    "LedgerBusy",
    "LedgerDamaged",
    "LedgerMissing",
    "NewerLedger",
    "NotALedger",
    "NotRecorded",
    "Record",
    "Writing",
    "WrongSigner",
    "place",
]

WAIT = 30.0
"""Seconds to wait for other writers before `LedgerBusy`."""
_PAGE = 500
_NOTHING = Head(0, START)
"""The head of a ledger without records: it is there before the first one, so that a missing head is always a loss."""
_OF_THE_HEAD = ("head-missing", "head-damaged", "truncated", "rewritten")


class LedgerMissing(Error):
    number, title = "WG703", "the ledger that was here is gone"


class WrongSigner(Error):
    number, title = "WG710", "not the signer of this ledger"


def place(workspace: Path) -> Path:
    """Where a workspace keeps its ledger."""
    return workspace / ".worldgate" / "ledger.db"


class Writing:
    """One transaction: what is appended in it is recorded together or not at all. Made by `Ledger.writing`."""

    def __init__(self, store: Store, signer: Signer | None, workspace: str, last: tuple[int, str]) -> None:
        self._store, self._signer, self._workspace, self.last = store, signer, workspace, last
        self._begun = False

    def append(self, kind: Kind, run: str, body: Mapping[str, Any] | Body, *, at: str) -> Record:
        """Add a record to this transaction."""
        if kind == "opened":
            raise BadRecord("kind 'opened'", "another kind: a ledger writes its first record itself")
        if not self._begun:
            self._begin(at)
            self._begun = True
        return self._add(kind, run, body, at)

    def _begin(self, at: str) -> None:
        """Write a new ledger's first record; of an old one, see that its signer is this one."""
        mine = self._signer.public_key if self._signer else ""
        if self.last[0] == 0:
            key = {"public_key": mine} if mine else {}
            self._add("opened", "", {"format": FORMAT, "workspace": self._workspace, **key}, at)
        elif (named := public_key_in(self._store.row(1))) != mine:
            raise WrongSigner(mine or "no signer", named or "no signer: this ledger is not signed")

    def latest(self, run: str, kind: Kind) -> int:
        """The seq of a run's latest record of that kind, or 0. The index could lie; `since` does not."""
        sql = "SELECT max(seq) FROM record WHERE run = ? AND kind = ?"
        with numbered():
            return int(self._store.database.execute(sql, (run, kind)).fetchone()[0] or 0)

    def since(self, seq: int) -> list[Record]:
        """The records from `seq` to the end, each checked, and the chain between them; raises `LedgerDamaged`."""
        with numbered():
            rows = list(self._store.rows("seq >= ?", seq))
            _demand(check(rows, after=_before(rows), verifier=_verifier(self._store)))
        if _end(rows[-1] if rows else None) != self.last:
            raise LedgerDamaged(f"{len(rows)} records from {seq} on", f"up to record {self.last[0]}", ADVICE)
        return [Record(*row) for row in rows]

    def _add(self, kind: str, run: str, body: Mapping[str, Any] | Body, at: str) -> Record:
        record = follow(self.last, kind, run, body, at, self._signer.sign if self._signer else None)
        with numbered():
            self._store.insert(record.row)
        self.last = (record.seq, record.hash)
        return record


class Ledger:
    """An open ledger. Use it as a context manager, or `close` it; threads may share it."""

    def __init__(self, store: Store, head: Path, signer: Signer | None, workspace: str) -> None:
        self._store, self.path, self.head_path = store, store.path, head
        self._signer, self._workspace = signer, workspace

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        head: Path | None = None,
        signer: Signer | None = None,
        workspace: str | None = None,
        wait: float = WAIT,
    ) -> Ledger:
        """Open the ledger at `path` (see `place`), or begin one where none ever was.

        `head` is where the head is kept (default: below the user's state directory, by the real path); `signer`
        signs every record, from the first; `workspace` is the id of a new ledger (default: random); `wait` is how
        many seconds to wait for other writers. A damaged ledger opens, for `verify` and for what can be read.
        """
        path = path.resolve()
        store = Store(path, wait)
        ledger = cls(
            store, head.resolve() if head else heads.default_path(path), signer, workspace or secrets.token_hex(16)
        )
        try:
            ledger._begin()
        except BaseException:
            store.close()
            raise
        return ledger

    def _begin(self) -> None:
        with self._store.turn():
            new = self._store.is_new()
            if new and (head := self._look()) and head != _NOTHING:
                raise LedgerMissing(
                    f"no records, and a head at {self.head_path}",
                    "the ledger that the head belongs to",
                    "Restore it; or, to begin anew knowingly, remove that file",
                )
            self._store.prepare(create=new)
            named = public_key_in(self._row_or_none(1))
            if self._signer and self._row_or_none(1) and named != self._signer.public_key:
                raise WrongSigner(self._signer.public_key, named or "no signer: this ledger is not signed")
            with suppress(LedgerDamaged), self.writing():
                pass  # makes a new ledger's head, or brings up one that a killed writer left; `verify` names damage

    # --- reading ----------------------------------------------------------------------------------

    def records(self, *, since: int = 0, limit: int | None = None) -> Iterator[Record]:
        """The records after number `since`, in order; raises `LedgerDamaged` at one whose hash does not hold."""
        return islice(self._pages(since), limit)

    def _pages(self, since: int) -> Iterator[Record]:
        while page := self._read("seq > ?", since, limit=_PAGE):
            yield from map(_whole, page)
            since = page[-1][0]

    def get(self, seq: int) -> Record | None:
        """One record."""
        return next(map(_whole, self._read("seq = ?", seq)), None)

    def find(self, run: str) -> list[Record]:
        """The records of a run, in order."""
        return list(map(_whole, self._read("run = ?", run)))

    def head(self) -> Head | None:
        """The end of the chain as the head file has it (None: the file is lost). A copy elsewhere pins the ledger.

        Raises `LedgerDamaged` for a head file that was changed.
        """
        with self._store.turn():
            head = self._look()
        if isinstance(head, BadHead):
            raise LedgerDamaged(f"head {self.head_path}: {head}", "the head of this ledger", ADVICE)
        return head

    def export(self, stream: IO[bytes]) -> Head:
        """Write everything as JSON lines, which `verify_export` checks from the file alone."""
        with numbered(), self._snapshot():
            end = _end(self._store.last())
            stream.write(export_top(*end))
            for row in self._store.rows():
                stream.write(export_line(_whole(row)))
        return Head(*end)

    # --- writing ----------------------------------------------------------------------------------

    def append(self, kind: Kind, run: str, body: Mapping[str, Any], *, at: str) -> Record:
        """Record something; on return it is durable. `at` is now, in RFC 3339 UTC.

        Raises `BadRecord`, `WrongSigner`, `LedgerBusy`, `LedgerDamaged` or `NotRecorded`.
        """
        with self.writing() as writing:
            return writing.append(kind, run, body, at=at)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A transaction that no other writer is in; on an exception nothing is recorded.

        Use the ledger's own reading and writing after it, not within.
        """
        with self._writing(self._anchored_end) as writing:
            yield writing

    def adopt(self, *, at: str, why: str) -> Record:
        """Accept this database although its head is lost or says otherwise; the record says so for ever.

        For a workspace that was moved, or restored from a backup. Raises `LedgerDamaged` unless the chain itself
        is whole.
        """
        with self._writing(self._unanchored_end) as writing:
            head = self._look()
            told = {"seq": head.seq, "hash": head.hash} if isinstance(head, Head) else None
            return writing.append("adopted", "", {"head": told, "why": why}, at=at)

    @contextmanager
    def _writing(self, end: Callable[[], tuple[int, str]]) -> Iterator[Writing]:
        with self._store.turn(), self._store.transaction("BEGIN IMMEDIATE"):
            with numbered():
                before = end()
            writing = Writing(self._store, self._signer, self._workspace, before)
            yield writing
            with numbered():
                new = Head(*writing.last)
                if writing.last != before or self._look() != new:
                    # The next head is on the disk before the commit, so that after it only a rename can fail.
                    ready = heads.prepare(self.head_path, new, self.path)
                    self._store.database.execute("COMMIT")
                    heads.publish(ready, self.head_path)

    def _anchored_end(self) -> tuple[int, str]:
        """The end of the chain, after checking that it is the head's or follows from it."""
        if not self._store.same_file():
            raise LedgerDamaged("another file in the place of the open one", "the same file", "Open it again")
        _demand(self._store.schema_damages())
        head, last = self._look(), self._store.last()
        _demand(self._head_damages(head, last))
        if isinstance(head, Head) and last:
            rows = list(self._store.rows("seq >= ?", head.seq))
            # Signatures are slow and the head vouches for its own record; those after it have nothing else.
            verifier = _verifier(self._store) if last[0] > head.seq else None
            found = check(rows, after=_before(rows) if head.seq else (0, START), verifier=verifier)
            _demand(damage for damage in found if verifier or damage.kind != "signature")
        return _end(last)

    def _unanchored_end(self) -> tuple[int, str]:
        _demand(damage for damage in self._damages(self._look()) if damage.kind not in _OF_THE_HEAD)
        return _end(self._store.last())

    # --- checking ---------------------------------------------------------------------------------

    def verify(self, *, known: Head | None = None, public_key: str | None = None) -> list[Damage]:
        """Everything that is not as it was written; empty when the ledger is whole.

        A head behind the end is whole when the chain from it to the end is: a writer was killed in between (`open`
        and `append` bring it up). `known` is a head and `public_key` a key that the caller has from elsewhere.
        """
        found: list[Damage] = []
        try:
            with self._snapshot() as head:
                found.extend(islice(self._damages(head, known, public_key), MAX_DAMAGES))
        except UNREADABLE as error:
            found.append(Damage("database", 0, str(error), "a readable database"))
        return found

    def behind(self) -> int:
        """How many records the head does not cover: more than 0 after a writer was killed."""
        with numbered(), self._snapshot() as head:
            return _end(self._store.last())[0] - (head.seq if isinstance(head, Head) else 0)

    def _damages(
        self, head: Head | BadHead | None, known: Head | None = None, public_key: str | None = None
    ) -> Iterator[Damage]:
        yield from self._store.schema_damages()
        yield from self._store.integrity_damages()
        last, named = self._store.last(), public_key_in(self._store.row(1))
        wanted = public_key or (self._signer.public_key if self._signer else named)
        if last and wanted != named:
            yield Damage("signature", 1, f"key {named or 'none'}", wanted)
        yield from check(self._store.rows(), verifier=_verifier(self._store))
        yield from self._head_damages(head, last)
        if known:
            yield from self._against(known, last)

    def _head_damages(self, head: Head | BadHead | None, last: Row | None) -> Iterator[Damage]:
        if isinstance(head, BadHead):
            yield Damage("head-damaged", 0, f"{self.head_path}: {head}", "the head of this ledger")
        elif head:
            yield from self._against(head, last)
        elif last:
            yield Damage("head-missing", last[0], f"no file {self.head_path}", "the head of this ledger")

    def _against(self, head: Head, last: Row | None) -> Iterator[Damage]:
        end, row = _end(last)[0], self._store.row(head.seq)
        if head.seq > end:
            yield Damage("truncated", end, f"{end} records", f"{head.seq}")
        elif head != _NOTHING and (row is None or row[6] != head.hash):
            yield Damage("rewritten", head.seq, row[6] if row else "no such record", f"{head.hash}, as the head has it")

    # --- inside -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Release the file."""
        self._store.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self) -> Head | BadHead | None:
        try:
            return heads.read(self.head_path)
        except BadHead as error:
            return error

    def _read(self, where: str, value: int | str, limit: int = -1) -> list[Row]:
        with self._store.mutex, numbered():
            return list(self._store.rows(where, value, limit=limit))

    def _row_or_none(self, seq: int) -> Row | None:
        with suppress(*UNREADABLE):
            return self._store.row(seq)
        return None

    @contextmanager
    def _snapshot(self) -> Iterator[Head | BadHead | None]:
        """A view of database and head that fit each other; writers wait only while it is taken."""
        with self._store.mutex, self._store.transaction("BEGIN"):
            with self._store.turn():
                self._store.last()  # fixes the view
                head = self._look()
            yield head


def _demand(damages: Iterable[Damage]) -> None:
    for damage in damages:
        raise LedgerDamaged(str(damage), "a whole ledger", ADVICE)


def _verifier(store: Store) -> Verifier | None:
    named = public_key_in(store.row(1))
    return verifier_of(named) if named else None


def _end(last: Row | None) -> tuple[int, str]:
    return (last[0], last[6]) if last else (0, START)


def _before(rows: list[Row]) -> tuple[int, str]:
    """What the first of these rows says it follows."""
    return (rows[0][0] - 1, rows[0][5]) if rows else (0, START)


def _whole(row: Row) -> Record:
    """The record of a row whose hash holds; a damaged one is never handed out."""
    if (problem := misfit(row)) or digest(*row[:6]) != row[6]:
        raise LedgerDamaged(f"record {row[0]}: {problem or 'not what was hashed'}", "a whole record", ADVICE)
    return Record(*row)

"""The SQLite file under a ledger: opening, creating, locking, and reading rows.

Guarantees: one writer at a time over all processes, in turn and with a bounded wait; a commit is flushed before it
returns (WAL, synchronous=FULL); a file that is not a ledger, or a newer one, is refused and left alone; every error
of SQLite or the system arrives as a numbered one. It knows nothing of hashes; `ledger` does.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from ..facts import Error
from .chain import Damage, Row

APPLICATION = 0x57474C44
VERSION = 1
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON", "cell_size_check=ON", "trusted_schema=OFF")
_TABLE = (
    "CREATE TABLE record (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, run TEXT NOT NULL, at TEXT NOT NULL, "
    "body BLOB NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL, signature TEXT NOT NULL) STRICT"
)
# The triggers stop mistakes, not attacks: whoever can write the file can drop them.
_SCHEMA = (
    _TABLE,
    "CREATE INDEX record_run ON record (run, kind)",
    "CREATE TRIGGER record_stays BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'records are never changed'); END",
    "CREATE TRIGGER record_remains BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'records are never removed'); END",
)
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged database raises; the second when SQLite's own message quotes what it found there."""
ADVICE = "Run verify; restore the ledger and its head, or adopt what is there knowingly (`worldgate init --adopt WHY`)"


class NotALedger(Error):
    number, title = "WG701", "not a ledger"


class NewerLedger(Error):
    number, title = "WG702", "ledger of a newer version"


class LedgerDamaged(Error):
    number, title = "WG704", "ledger is not whole"


class LedgerBusy(Error):
    number, title = "WG705", "ledger is in use"


class NotRecorded(Error):
    """Nothing may be done on the strength of a record that met this error; it may be there or not."""

    number, title = "WG706", "record could not be written"


class Store:
    """An open file of rows. `inode` tells when another file took its place."""

    def __init__(self, path: Path, wait: float) -> None:
        self.path, self._wait, self._depth, self._process = path, wait, 0, os.getpid()
        self.mutex = threading.RLock()
        with numbered(NotALedger):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.database = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
            self._inode = path.stat().st_ino

    def close(self) -> None:
        with self.mutex:
            self.database.close()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    # --- the file ---------------------------------------------------------------------------------

    def is_new(self) -> bool:
        """Whether nothing was ever written here; raises for a file that is not a ledger of this version."""
        with numbered(NotALedger):
            application, version = self._number("application_id"), self._number("user_version")
            if (application, version) == (0, 0) and not self.database.execute("SELECT 1 FROM sqlite_schema").fetchone():
                return True
        if application != APPLICATION:
            raise NotALedger(f"{self.path} with application id {application:#x}", f"{APPLICATION:#x}")
        if version > VERSION:
            raise NewerLedger(f"version {version}", f"at most {VERSION}", "Use a newer worldgate")
        if version != VERSION:
            raise NotALedger(f"version {version}", str(VERSION))
        return False

    def prepare(self, create: bool) -> None:
        """Set what the promises need, and make the tables of a new ledger."""
        statements: tuple[str, ...] = tuple(f"PRAGMA {pragma}" for pragma in _PRAGMAS)
        if create:
            marks = f"PRAGMA application_id={APPLICATION}", f"PRAGMA user_version={VERSION}"
            statements += ("BEGIN IMMEDIATE", *_SCHEMA, *marks, "COMMIT")
        with numbered(NotALedger):
            for statement in statements:
                self.database.execute(statement)

    def same_file(self) -> bool:
        """Whether the path still leads to the file that is open."""
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def schema_damages(self) -> Iterator[Damage]:
        """Tables, indices or triggers that are not the ones of this version."""
        rows = self.database.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
        if (found := sorted(str(sql) for (sql,) in rows)) != sorted(_SCHEMA):
            odd = sorted(set(found) ^ set(_SCHEMA))
            yield Damage("schema", 0, f"{odd[0]:.80}" if odd else "a table twice", "the tables of this version")

    def integrity_damages(self) -> Iterator[Damage]:
        """What SQLite's own check finds."""
        for (problem,) in self.database.execute("PRAGMA integrity_check(20)"):
            if problem != "ok":
                yield Damage("database", 0, f"{problem:.200}", "ok from SQLite's integrity check")

    def _number(self, pragma: str) -> int:
        return int(self.database.execute(f"PRAGMA {pragma}").fetchone()[0])

    # --- the rows ---------------------------------------------------------------------------------

    def rows(self, where: str = "TRUE", *values: int | str, limit: int = -1) -> Iterator[Row]:
        """Rows in order of seq."""
        return self.database.execute(f"SELECT * FROM record WHERE {where} ORDER BY seq LIMIT {limit:d}", values)

    def row(self, seq: int) -> Row | None:
        return next(iter(self.rows("seq = ?", seq)), None)

    def last(self) -> Row | None:
        return self.database.execute("SELECT * FROM record ORDER BY seq DESC LIMIT 1").fetchone()  # type: ignore[no-any-return]

    def insert(self, row: Row) -> None:
        self.database.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    # --- turns ------------------------------------------------------------------------------------

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else is writing. Nests; the lock ends with the process, however that ends."""
        if os.getpid() != self._process:
            raise LedgerBusy("a ledger opened before a fork", "one opened by this process")
        with self.mutex:
            if self._lock < 0:
                raise NotRecorded("a closed ledger", "an open one")
            deadline, pause = time.monotonic() + self._wait, 0.0005
            while not self._depth and not _try_lock(self._lock):
                if time.monotonic() > deadline:
                    raise LedgerBusy(f"another writer for {self._wait:g} s", "a turn")
                time.sleep(pause)
                pause = min(2 * pause, 0.02)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth:
                    fcntl.flock(self._lock, fcntl.LOCK_UN)

    @contextmanager
    def transaction(self, begin: str) -> Iterator[None]:
        """`begin` and, unless the body commits, a rollback."""
        if self._lock >= 0 and self.database.in_transaction:
            raise LedgerBusy("a transaction of this ledger that has not ended", "one at a time")
        with numbered():
            self.database.execute(begin)
        try:
            yield
        finally:
            with suppress(sqlite3.Error):  # what went wrong before is what the caller has to know
                if self.database.in_transaction:
                    self.database.execute("ROLLBACK")


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class numbered:  # noqa: N801  (reads as the context that it is; a class, because a generator costs each record more)
    """SQLite's and the system's errors as numbered ones."""

    __slots__ = ("otherwise",)

    def __init__(self, otherwise: type[Error] = NotRecorded) -> None:
        self.otherwise = otherwise

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UNREADABLE):
            _raise(error, self.otherwise)
        if isinstance(error, OSError):
            raise self.otherwise(str(error), "a disk that takes it") from error


def _raise(error: Exception, otherwise: type[Error]) -> NoReturn:
    kinds = {
        sqlite3.SQLITE_BUSY: LedgerBusy,
        sqlite3.SQLITE_LOCKED: LedgerBusy,
        sqlite3.SQLITE_CORRUPT: LedgerDamaged,
        sqlite3.SQLITE_NOTADB: NotALedger,
    }
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    kind = LedgerDamaged if isinstance(error, UnicodeDecodeError) else kinds.get(code, otherwise)
    raise kind(str(error), "a database that answers", "Run verify") from error

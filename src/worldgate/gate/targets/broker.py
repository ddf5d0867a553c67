"""A paper broker: accounts of one market in a folder, changed by what a ledger records and by nothing else.

    ledger.db, ledger.head    what was done, step by step: the truth
    store.db                  the facts that it leads to, so that opening costs what the accounts hold

A commit appends a batch of steps to the ledger, together or not at all; that is what makes it. The store follows, now
and then and when the folder is closed, in one transaction; where a process was killed before that, the next `open`
applies what it lacks. So each step is there once or not at all, and the store is never ahead of the record. Two
processes may open one folder: the second to commit from the same end is told `BehindRecord` and changes nothing.

Does not cover: anything outside the folder. No order leaves this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from ...facts import Delta, Error, Net, Schema, State, compose, delta_bytes, delta_from_json
from ..chain import START, Body, Kind, encode_body
from ..ledger import Ledger, LedgerDamaged, Record
from ..store import NotRecorded
from .stale import Stale
from .store import StoreTarget

ADVICE = "Restore the whole folder from a copy; or run it again in a new folder: the same inputs give the same steps."
AGAIN = "Where there is room again, run it again: it goes on from what was recorded."
FOLLOW = 16
"""The store is brought up to the record after so many commits."""


class BehindRecord(Error):
    """Another process has committed since this one opened the folder."""

    number, title = "WG651", "the broker's record went on without this process"


class NotOfRecord(Error):
    number, title = "WG652", "the broker's store is not what its record leads to"


class Entry(NamedTuple):
    """One step to commit: what is recorded of it, and its delta."""

    kind: Literal["committed", "refused"]
    body: Mapping[str, Any]
    delta: Delta


class PaperBroker:
    """The accounts in a folder. `state` is what they are; `run` names the session in every record."""

    def __init__(self, ledger: Ledger, store: StoreTarget, first: State, run: str, clock: Callable[[], str]) -> None:
        self._ledger, self._store, self._first, self._run, self._clock = ledger, store, first, run, clock
        self._pending: list[Delta] = []
        self.state, self._last = self._caught_up()

    @classmethod
    @contextmanager
    def open(
        cls, folder: Path, schema: Schema, first: State, run: str, clock: Callable[[], str]
    ) -> Iterator[PaperBroker]:
        """The broker of a folder, begun with `first` where there is none, and brought up to its record."""
        folder.mkdir(parents=True, exist_ok=True)
        with _advised(), Ledger.open(folder / "ledger.db", head=folder / "ledger.head") as ledger:
            with ledger.writing():
                pass  # a record that ends elsewhere than its head says is damaged, also where nothing is to be written
            broker = cls(ledger, StoreTarget(folder / "store.db", schema, first), first, run, clock)
            yield broker
            broker._follow()

    def commit(self, entries: Iterable[Entry]) -> int:
        """Record these steps and apply them, each exactly once; how many they were.

        Raises `BehindRecord`; then nothing was done. Each entry is encoded when it is taken, all before anything is
        written: of steps that are made one by one, only what will be recorded is kept.
        """
        net, records = Net(), list[tuple[Kind, Body]]()
        for entry in entries:
            net.add(entry.delta)
            raw = msgspec.Raw(delta_bytes(self._store.schema, entry.delta))
            records.append((entry.kind, encode_body({**entry.body, "delta": raw})))
        if not records:
            return 0
        delta = net.delta()
        after = self.state.apply(delta)
        with self._ledger.writing() as writing:
            if writing.last != self._last:
                raise BehindRecord(
                    f"record {writing.last[0]}", f"record {self._last[0]}, the last one seen", "Open it again."
                )
            at = self._clock()
            for kind, body in records:
                writing.append(kind, self._run, body, at=at)
            last = writing.last
        self.state, self._last = after, last
        self._pending.append(delta)
        if len(self._pending) == FOLLOW:
            self._follow()
        return len(records)

    def records(self) -> Iterator[Record]:
        """The steps committed so far."""
        return (record for record in self._ledger.records() if record.run == self._run)

    def _follow(self) -> None:
        """Bring the store up to the record, where no other process has done so."""
        if self._pending:
            with suppress(Stale):
                self._store.commit(_name(self._last, self.state), compose(*self._pending), ())
            self._pending = []

    def _mine(self, record: Record | None) -> None:
        """Raise where a record is of another run."""
        if record and record.run not in ("", self._run):
            raise NotOfRecord(f"records of {record.run:.12}", f"those of {self._run:.12}", "Use another folder.")

    def _stored(self) -> tuple[str, State]:
        """The store's latest commit and its facts, of one moment."""
        applied, schema = self._store.latest(), self._store.schema
        while True:
            state = State.of(schema, self._store.source().facts())
            applied, seen = self._store.latest(), applied
            if applied == seen:
                return applied, state

    def _caught_up(self) -> tuple[State, tuple[int, str]]:
        """The store's state with the records that it lacks, and the end of the record."""
        schema, (applied, state) = self._store.schema, self._stored()
        seq = applied.partition(":")[0]
        end = self._ledger.get(int(seq)) if seq.isdecimal() and len(seq) < 19 else None
        last = (end.seq, end.hash) if end else (0, START)
        if applied != _name(last, state) if applied else state.fingerprint != self._first.fingerprint:
            raise NotOfRecord(
                f"a store at {applied:.16}", "what a record of this ledger leads to", "Restore it, or begin anew."
            )
        self._mine(end)
        for record in self._ledger.records(since=last[0]):
            last = (record.seq, record.hash)
            self._mine(record)
            if record.kind in ("committed", "refused"):
                self._pending.append(delta_from_json(schema, record.data["delta"]))
                state = state.apply(self._pending[-1])
        return state, last


@contextmanager
def _advised() -> Iterator[None]:
    """A broker's ledger is no workspace's: what can be done where it is not whole is something else."""
    try:
        yield
    except (LedgerDamaged, NotRecorded) as error:
        error.do = ADVICE if isinstance(error, LedgerDamaged) else AGAIN
        raise


def _name(end: tuple[int, str], state: State) -> str:
    """How the store calls the record up to which it was brought, and what it then holds."""
    return f"{end[0]}:{end[1]}:{state.fingerprint}"

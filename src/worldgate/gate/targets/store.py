"""A store target: the facts of one world in a SQLite file.

For worlds whose reality is a table of facts (a desk, a cell, a paper broker). A commit is one
SQLite transaction with `synchronous=FULL`: it compares what the run read and changed, writes the
delta and the run's id, and is there entirely or not at all. The database is the only thing it
covers; nothing outside it is changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from ...facts import (
    Delta,
    Error,
    Fact,
    Key,
    Schema,
    State,
    Undecodable,
    Value,
    canonical_json,
    fact_to_json,
    facts_from_json,
    json_decode,
)
from ..base import Base, Mismatch, mismatches
from .stale import Stale

_TABLES = """
create table if not exists facts (relation text, key blob, value blob, primary key (relation, key)) without rowid;
create table if not exists commits (run text, at integer primary key autoincrement);
create table if not exists meta (name text primary key, value text);
"""


class WrongStore(Error):
    number, title = "WG641", "the store belongs to another world"


class StoreTarget:
    """The facts of `schema` kept in the file `path`; filled with `first` when it is new."""

    def __init__(self, path: Path, schema: Schema, first: State) -> None:
        self.path, self.schema = path, schema
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            database.executescript(_TABLES)
            with self._transaction(database):
                found = database.execute("select value from meta where name = 'schema'").fetchone()
                if found is None:
                    database.execute("insert into meta values ('schema', ?)", (schema.digest,))
                    database.executemany("insert into facts values (?, ?, ?)", map(_row, first.facts()))
                elif found[0] != schema.digest:
                    raise WrongStore(f"{path.name} with schema {found[0][:12]}", f"schema {schema.digest[:12]}")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=30)) as database:
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = full")
            yield database

    @contextmanager
    def _transaction(self, database: sqlite3.Connection) -> Iterator[None]:
        database.execute("begin immediate")
        try:
            yield
        except BaseException:
            database.execute("rollback")
            raise
        database.execute("commit")

    def source(self) -> _Snapshot:
        """The facts as they are now; later commits do not show in it."""
        with self._open() as database:
            return _Snapshot(self.schema, database)

    def session(self) -> list[Fact]:
        """Facts of the acting process that a plan starts with: a store has none."""
        return []

    def recover(self) -> None:
        """SQLite recovers by itself when the file is opened."""

    def outcome(self, run: str) -> bool:
        """Whether that run's commit is in the store."""
        with self._open() as database:
            return database.execute("select 1 from commits where run = ?", (run,)).fetchone() is not None

    def latest(self) -> str:
        """The run that was committed last; "" when there is none."""
        with self._open() as database:
            found = database.execute("select run from commits order by at desc limit 1").fetchone()
            return str(found[0]) if found else ""

    def commit(self, run: str, delta: Delta, base: Base, *, seen: str = "") -> None:
        """Write the delta if everything in `base` still holds; else `Stale`, and nothing is changed."""
        del seen
        relations = self.schema.relations
        with self._open() as database, self._transaction(database):
            state = State.of(self.schema, source=_Snapshot(self.schema, database))
            drifted = mismatches(state, base)
            if drifted:
                raise Stale.of(drifted)
            for edit in delta:
                if relations[edit.relation].local:
                    continue
                if (actual := state.get(edit.relation, edit.key)) != edit.before:
                    raise Stale.of([Mismatch.of(self.schema, (edit.relation, edit.key), edit.before, actual)])
                relation, key, value = _row((edit.relation, edit.key, edit.after))
                if edit.after is None:
                    database.execute("delete from facts where relation = ? and key = ?", (relation, key))
                else:
                    database.execute("insert or replace into facts values (?, ?, ?)", (relation, key, value))
            database.execute("insert into commits (run) values (?)", (run,))


class _Snapshot:
    """All facts of the store at one moment, as a source."""

    def __init__(self, schema: Schema, database: sqlite3.Connection) -> None:
        rows = []
        try:
            for relation, key, value in database.execute("select relation, key, value from facts"):
                rows.append([relation, json_decode(key), json_decode(value)])
            self._state = State.of(schema, facts_from_json(schema, rows))
        except (Undecodable, msgspec.DecodeError) as error:
            raise WrongStore(str(error), f"facts of {schema.name}") from error

    def get(self, relation: str, key: Key) -> Value | None:
        return self._state.get(relation, key)  # type: ignore[no-any-return]

    def select(self, relation: str, prefix: Key) -> Mapping[Key, Value]:
        return self._state.select(relation, prefix)

    def owners(self, relation: str, value: Value) -> frozenset[Key]:
        return self._state.owners(relation, value)

    def facts(self) -> Iterator[Fact]:
        return self._state.facts()


def _row(fact: tuple[str, Key, Value | None]) -> tuple[str, bytes, bytes]:
    relation, key, value = fact_to_json(*fact)
    return relation, canonical_json(key), canonical_json(value)

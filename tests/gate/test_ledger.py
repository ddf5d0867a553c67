"""The ledger: what it keeps, what it refuses, and that every change to it is named."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from worldgate.gate import head as heads
from worldgate.gate.chain import BadRecord, DamageKind
from worldgate.gate.export import verify_export
from worldgate.gate.ledger import (
    Head,
    Ledger,
    LedgerBusy,
    LedgerDamaged,
    LedgerMissing,
    NewerLedger,
    NotALedger,
    NotRecorded,
    place,
)
from worldgate.gate.signing import Signer
from worldgate.gate.store import _SCHEMA

from .ledger_asserts import (
    AT,
    assert_refuses_writing,
    assert_reported_or_harmless,
    assert_whole,
    fill,
    in_processes,
    look,
    open_ledger,
)

TRIGGERS = [sql for sql in _SCHEMA if "TRIGGER" in sql]


def edit(folder: Path, *statements: str | tuple[str, tuple[object, ...]], triggers: bool = True) -> None:
    """Change the database behind the ledger's back; the triggers are put back as they were."""
    database = sqlite3.connect(folder / "work" / "ledger.db")
    for name in ("record_stays", "record_remains"):
        database.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        sql, values = statement if isinstance(statement, tuple) else (statement, ())
        database.execute(sql, values)
    for trigger in TRIGGERS if triggers else ():
        database.execute(trigger)
    database.commit()
    database.close()


# --- keeping --------------------------------------------------------------------------------------


def test_records_are_read_back_in_order_by_number_and_by_run(tmp_path):
    records = fill(tmp_path, 5)
    with open_ledger(tmp_path) as ledger:
        assert [record.seq for record in records] == [1, 2, 3, 4, 5, 6]
        assert records[0].kind == "opened"
        assert records[0].data == {"format": "worldgate ledger 1", "workspace": "w" * 32}
        assert [record.data["number"] for record in records[1:]] == [0, 1, 2, 3, 4]
        assert [record.previous for record in records[1:]] == [record.hash for record in records[:-1]]
        assert list(ledger.records(since=4)) == records[4:]
        assert list(ledger.records(since=1, limit=2)) == records[1:3]
        assert ledger.get(3) == records[2]
        assert ledger.get(99) is None
        assert ledger.find("run1") == [records[2], records[4]]
        assert ledger.find("nobody") == []
        assert_whole(ledger)


def test_more_records_than_a_page_are_read(tmp_path):
    with open_ledger(tmp_path) as ledger:
        with ledger.writing() as writing:
            for number in range(1201):
                writing.append("simulated", "run", {"number": number}, at=AT)
        assert [record.data.get("number") for record in ledger.records()] == [None, *range(1201)]
        assert len(list(ledger.records(limit=700))) == 700
        assert_whole(ledger)


def test_a_new_ledger_has_no_records_and_is_whole(tmp_path):
    with open_ledger(tmp_path) as ledger:
        assert list(ledger.records()) == []
        assert ledger.head() == Head(0, "0" * 64)
        assert_whole(ledger)
    with open_ledger(tmp_path) as ledger:
        assert_whole(ledger)


def test_a_transaction_is_recorded_together_or_not_at_all(tmp_path):
    fill(tmp_path, 1)
    with open_ledger(tmp_path) as ledger:
        with pytest.raises(BadRecord), ledger.writing() as writing:  # noqa: PT012
            writing.append("started", "run", {}, at=AT)
            writing.append("invented", "run", {}, at=AT)
        assert len(list(ledger.records())) == 2
        with ledger.writing() as writing:
            writing.append("started", "run", {}, at=AT)
            writing.append("committed", "run", {}, at=AT)
        assert [record.kind for record in ledger.records(since=2)] == ["started", "committed"]
        assert_whole(ledger)


@pytest.mark.parametrize(
    ("kind", "run", "body", "at"),
    [
        ("opened", "run", {}, AT),
        ("invented", "run", {}, AT),
        ("failed", "two words", {}, AT),
        ("failed", "two\nlines", {}, AT),
        ("failed", "r" * 201, {}, AT),
        ("failed", 7, {}, AT),
        ("failed", "run", {"share": 0.5}, AT),
        ("failed", "run", {"deep": [{"x": float("nan")}]}, AT),
        ("failed", "run", {"name": "\udcff"}, AT),
        ("failed", "run", {"thing": object()}, AT),
        ("failed", "run", {"long": "x" * 16_000_001}, AT),
        ("failed", "run", {}, "2030-01-01"),
        ("failed", "run", {}, "2030-01-01T00:00:00+01:00"),
        ("failed", "run", {}, "2030-13-01T00:00:00Z"),
        ("failed", "run", {}, "2030-01-01T00:00:00Z\n"),
        ("failed", "run", {}, None),
    ],
)
def test_what_cannot_be_recorded_is_refused_and_leaves_nothing(tmp_path, kind, run, body, at):
    with open_ledger(tmp_path) as ledger:
        with pytest.raises(BadRecord):
            ledger.append(kind, run, body, at=at)
        assert list(ledger.records()) == []
        assert_whole(ledger)


def test_a_closed_ledger_does_not_write(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.close()
    ledger.close()
    with pytest.raises(NotRecorded):
        ledger.append("failed", "run", {}, at=AT)


# --- where it refuses to open or write -----------------------------------------------------------------


def test_the_default_head_is_below_the_state_directory_and_differs_by_place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("one", "two"):
        with Ledger.open(place(tmp_path / name)) as ledger:
            ledger.append("failed", "run", {}, at=AT)
            assert ledger.head_path.parent == tmp_path / "state" / "worldgate" / "heads"
            assert_whole(ledger)
    assert len(list((tmp_path / "state" / "worldgate" / "heads").iterdir())) == 2
    (tmp_path / "alias").symlink_to(tmp_path / "one")
    with Ledger.open(place(tmp_path / "alias")) as ledger:
        assert_whole(ledger)
    monkeypatch.delenv("XDG_STATE_HOME")
    assert heads.default_path(tmp_path / "x").is_relative_to(Path.home() / ".local" / "state")


@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_a_lost_database_is_never_made_anew(tmp_path, how):
    fill(tmp_path)
    file = tmp_path / "work" / "ledger.db"
    file.unlink() if how == "removed" else os.truncate(file, 0)
    for _ in range(2):
        with pytest.raises(LedgerMissing, match=r"heads/head\.json"):
            open_ledger(tmp_path)
    (tmp_path / "heads" / "head.json").unlink()
    with open_ledger(tmp_path) as ledger:
        assert list(ledger.records()) == []


def test_a_newer_ledger_and_other_files_are_refused_and_left_alone(tmp_path):
    fill(tmp_path)
    file = tmp_path / "work" / "ledger.db"

    def assert_refused(error):
        before = file.read_bytes()
        with pytest.raises(error):
            open_ledger(tmp_path)
        assert file.read_bytes() == before

    edit(tmp_path, "PRAGMA user_version=2")
    assert_refused(NewerLedger)
    edit(tmp_path, "PRAGMA user_version=0")
    assert_refused(NotALedger)
    edit(tmp_path, "PRAGMA user_version=1", "PRAGMA application_id=7")
    assert_refused(NotALedger)
    file.unlink()
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE cookies (name TEXT)")
    database.close()
    assert_refused(NotALedger)
    file.write_bytes(b"not a database, but long enough to look at" * 200)
    assert_refused(NotALedger)
    file.unlink()
    file.mkdir()
    with pytest.raises(NotALedger):
        open_ledger(tmp_path)


def test_a_record_whose_head_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "heads").write_text("a file where a directory must be")
    with pytest.raises(LedgerMissing):  # whatever is there, it is not a head
        open_ledger(tmp_path)
    with open_ledger(tmp_path / "b") as ledger:
        (tmp_path / "b" / "heads" / "head.json.next").mkdir()
        assert_refuses_writing(ledger, NotRecorded)


def test_a_full_disk_is_an_error_and_leaves_no_record(tmp_path):
    fill(tmp_path)
    with open_ledger(tmp_path) as ledger:
        pages = ledger._store.database.execute("PRAGMA page_count").fetchone()[0]
        ledger._store.database.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(NotRecorded):
            ledger.append("failed", "run", {"long": "x" * 100_000}, at=AT)
        assert_whole(ledger)
        assert len(list(ledger.records())) == 4


def test_a_writer_that_never_ends_makes_others_give_up(tmp_path):
    fill(tmp_path)
    with open_ledger(tmp_path) as one, open_ledger(tmp_path, wait=0.05) as two, one.writing():
        assert_refuses_writing(two, LedgerBusy)


def test_a_ledger_does_not_cross_a_fork(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from worldgate.gate.ledger import *\n"
        f"ledger = Ledger.open(Path(sys.argv[2]), head=Path(sys.argv[3]))\n"
        "if child := os.fork(): sys.exit(os.waitpid(child, 0)[1])\n"
        f"try: ledger.append('failed', 'run', {{}}, at='{AT}')\n"
        "except LedgerBusy: os._exit(0)\n"
        "os._exit(1)"
    )
    in_processes(1, code, str(tmp_path / "ledger.db"), str(tmp_path / "head"))


def test_a_replaced_file_under_an_open_ledger_is_noticed(tmp_path):
    fill(tmp_path)
    file = tmp_path / "work" / "ledger.db"
    with open_ledger(tmp_path) as ledger:
        shutil.copy(file, file.with_suffix(".copy"))
        file.with_suffix(".copy").replace(file)
        assert_refuses_writing(ledger, LedgerDamaged)
        file.unlink()
        assert_refuses_writing(ledger, LedgerDamaged)


def test_the_core_does_not_import_the_signing_package(tmp_path):
    code = "import sys, worldgate.gate.approvals; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- many writers ---------------------------------------------------------------------------------

WRITER = f"""
import sys
from pathlib import Path
from worldgate.gate.ledger import Ledger
with Ledger.open(Path(sys.argv[2]), head=Path(sys.argv[3])) as ledger:
    for number in range(10):
        print(ledger.append("simulated", f"run{{sys.argv[1]}}", {{"number": number}}, at="{AT}").seq)
"""


def test_twenty_processes_append_at_once_and_nothing_is_lost(tmp_path):
    path, head = tmp_path / "ledger.db", tmp_path / "head.json"
    outputs = in_processes(20, WRITER, str(path), str(head))
    told = sorted(int(line) for output in outputs for line in output.split())
    assert told == list(range(2, 202))
    with Ledger.open(path, head=head) as ledger:
        for run in range(20):
            assert [record.data["number"] for record in ledger.find(f"run{run}")] == list(range(10))
        assert ledger.head().seq == 201
        assert_whole(ledger)


def test_threads_share_a_ledger(tmp_path):
    with open_ledger(tmp_path) as ledger:

        def work(number: int) -> None:
            for turn in range(5):
                ledger.append("simulated", f"run{number}", {"turn": turn}, at=AT)
                assert len(ledger.find(f"run{number}")) == turn + 1

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert len(list(ledger.records())) == 41
        assert_whole(ledger)


def test_a_transaction_within_a_transaction_is_refused_and_other_errors_pass_as_they_are(tmp_path):
    with open_ledger(tmp_path) as ledger:
        for inner in (
            lambda: ledger.append("failed", "run", {}, at=AT),
            ledger.verify,
            lambda: ledger.export(io.BytesIO()),
        ):
            with pytest.raises(LedgerBusy), ledger.writing() as writing:  # noqa: PT012
                writing.append("started", "run", {}, at=AT)
                inner()
        with pytest.raises(FileExistsError), ledger.writing():
            tmp_path.mkdir()
        assert list(ledger.records()) == []
        assert_whole(ledger)


# --- changes are named ------------------------------------------------------------------------------

COLUMNS = ("kind", "run", "at", "body", "previous", "hash", "signature")


@pytest.mark.parametrize("signed", [False, True])
def test_a_changed_byte_in_any_column_of_any_record_is_named(tmp_path, signed):
    records = fill(tmp_path / "whole", 3, Signer.create(tmp_path / "key") if signed else None)
    with open_ledger(tmp_path / "whole") as ledger:
        database = ledger._store.database
        for trigger in ("record_stays", "record_remains"):
            database.execute(f"DROP TRIGGER {trigger}")
        tried = 0
        for record in records:
            for column in COLUMNS:
                original = getattr(record, column)
                data = original if isinstance(original, bytes) else original.encode()
                for place_ in range(len(data)):
                    changed = bytes([*data[:place_], data[place_] ^ 1, *data[place_ + 1 :]])
                    value = changed if column == "body" else changed.decode()
                    update = f"UPDATE record SET {column} = ? WHERE seq = ?"
                    database.execute(update, (value, record.seq))
                    found = [damage for damage in ledger.verify() if damage.kind != "schema"]
                    assert record.seq in [damage.seq for damage in found], (record.seq, column, place_)
                    with pytest.raises(LedgerDamaged):
                        list(ledger.records()) if column != "signature" else ledger.adopt(at=AT, why="")
                    database.execute(update, (original, record.seq))
                    tried += 1
        assert tried > 700
        assert {damage.kind for damage in ledger.verify()} == {"schema"}


@pytest.mark.parametrize(
    ("statement", "kinds", "stops"),
    [
        ("DELETE FROM record WHERE seq = 5", "truncated", True),
        ("DELETE FROM record WHERE seq >= 3", "truncated", True),
        ("DELETE FROM record", "truncated", True),
        ("DELETE FROM record WHERE seq = 3", "gap link", False),
        ("DELETE FROM record WHERE seq = 1", "gap link", False),
        ("UPDATE record SET seq = CASE seq WHEN 3 THEN -4 ELSE -3 END WHERE seq IN (3, 4)", "gap link hash", False),
        ("UPDATE record SET seq = 9 WHERE seq = 5", "gap hash rewritten", True),
        ("INSERT INTO record SELECT 6, kind, run, at, body, hash, hash, '' FROM record WHERE seq = 5", "hash", True),
        (
            "INSERT INTO record SELECT 0, kind, run, at, body, hash, hash, '' FROM record WHERE seq = 1",
            "gap",
            False,
        ),
        ("UPDATE record SET body = zeroblob(3) WHERE seq = 2", "hash", False),
        ("DROP INDEX record_run", "schema", True),
        ("CREATE TRIGGER eat AFTER INSERT ON record BEGIN DELETE FROM record WHERE seq = NEW.seq; END", "schema", True),
        ("CREATE TABLE more (x)", "schema", True),
    ],
)
def test_what_is_cut_removed_moved_or_put_in_is_named_and_at_the_end_stops_writing(tmp_path, statement, kinds, stops):
    fill(tmp_path, 4)
    edit(tmp_path, statement)
    with open_ledger(tmp_path) as ledger:
        assert set(kinds.split()) <= {damage.kind for damage in ledger.verify()}
        if stops:
            assert_refuses_writing(ledger, LedgerDamaged)


def test_two_records_exchanged_are_named(tmp_path):
    fill(tmp_path, 4)
    edit(
        tmp_path,
        "UPDATE record SET seq = 99 WHERE seq = 3",
        "UPDATE record SET seq = 3 WHERE seq = 4",
        "UPDATE record SET seq = 4 WHERE seq = 99",
    )
    with open_ledger(tmp_path) as ledger:
        assert {3, 4} <= {damage.seq for damage in ledger.verify() if damage.kind == "hash"}


def test_a_whole_file_put_back_to_an_older_copy_is_named(tmp_path):
    fill(tmp_path, 2)
    file = tmp_path / "work" / "ledger.db"
    shutil.copy(file, tmp_path / "older")
    fill(tmp_path, 2)
    shutil.copy(tmp_path / "older", file)
    with open_ledger(tmp_path) as ledger:
        assert [damage.kind for damage in ledger.verify()] == ["truncated"]
        assert_refuses_writing(ledger, LedgerDamaged)


def test_another_ledger_in_its_place_is_named_however_long_it_is(tmp_path):
    fill(tmp_path / "a", 2)
    fill(tmp_path / "b", 9)
    shutil.copy(tmp_path / "b" / "work" / "ledger.db", tmp_path / "a" / "work" / "ledger.db")
    head = heads.read(tmp_path / "a" / "heads" / "head.json")
    with open_ledger(tmp_path / "b") as other:
        assert other.get(head.seq).hash == head.hash  # the same id, runs and times: one chain, further on
    (tmp_path / "c").mkdir()
    with Ledger.open(tmp_path / "c" / "ledger.db", head=tmp_path / "a" / "heads" / "other.json") as third:
        for _ in range(5):
            third.append("failed", "run", {}, at=AT)
    shutil.copy(tmp_path / "c" / "ledger.db", tmp_path / "a" / "work" / "ledger.db")
    with open_ledger(tmp_path / "a") as ledger:
        assert [damage.kind for damage in ledger.verify()] == ["rewritten"]
        assert_refuses_writing(ledger, LedgerDamaged)


def test_every_changed_byte_of_the_head_file_is_named(tmp_path):
    records = fill(tmp_path)
    file = tmp_path / "heads" / "head.json"
    data = file.read_bytes()
    for position in range(len(data)):
        for flip in (1, 0x80):
            file.write_bytes(bytes([*data[:position], data[position] ^ flip, *data[position + 1 :]]))
            assert look(tmp_path)[0] == ["head-damaged"], position
    for length in range(len(data)):
        file.write_bytes(data[:length])
        assert look(tmp_path)[0] == ["head-damaged"]
    file.unlink()
    assert look(tmp_path)[0] == ["head-missing"]
    with open_ledger(tmp_path) as ledger:
        assert_refuses_writing(ledger, LedgerDamaged)
    file.write_bytes(data)
    assert look(tmp_path) == ([], records)


def test_a_head_known_from_elsewhere_finds_both_put_back(tmp_path):
    fill(tmp_path / "a", 2)
    shutil.copytree(tmp_path / "a", tmp_path / "older")
    with open_ledger(tmp_path / "a") as ledger:
        ledger.append("failed", "run", {}, at=AT)
        known = ledger.head()
        assert ledger.verify(known=known) == []
    with open_ledger(tmp_path / "older") as ledger:
        assert ledger.verify() == []
        assert [damage.kind for damage in ledger.verify(known=known)] == ["truncated"]
        assert [damage.kind for damage in ledger.verify(known=Head(2, "0" * 64))] == ["rewritten"]


@pytest.mark.parametrize("part", range(4))
def test_a_changed_byte_anywhere_in_the_file_is_reported_or_harmless(tmp_path, part):
    records = fill(tmp_path, 2)
    file = tmp_path / "work" / "ledger.db"
    data = file.read_bytes()
    places = [at for at, byte in enumerate(data) if byte or at % 3 == 0]  # zeros are mostly free space: every third
    reported = 0
    for position in places[part::4]:
        file.write_bytes(bytes([*data[:position], data[position] ^ (1 << position % 8), *data[position + 1 :]]))
        reported += assert_reported_or_harmless(tmp_path, records, f"byte {position}")
    assert reported > 300
    file.write_bytes(data)
    assert look(tmp_path) == ([], records)


def test_a_changed_byte_in_the_write_ahead_log_is_reported_or_harmless(tmp_path):
    """The log's own checksums make SQLite drop what follows a changed frame: that is a cut, and the head knows."""
    with open_ledger(tmp_path / "a") as ledger:
        for number in range(3):
            ledger.append("simulated", "run", {"number": number}, at=AT)
        records = list(ledger.records())
        shutil.copytree(tmp_path / "a", tmp_path / "b")
    log = tmp_path / "b" / "work" / "ledger.db-wal"
    data, rest = log.read_bytes(), (tmp_path / "b" / "work" / "ledger.db").read_bytes()
    assert len(data) > 4096
    reported = 0
    for position in range(0, len(data), 61):
        (tmp_path / "b" / "work" / "ledger.db").write_bytes(rest)
        log.with_name("ledger.db-shm").unlink(missing_ok=True)
        log.write_bytes(bytes([*data[:position], data[position] ^ 4, *data[position + 1 :]]))
        reported += assert_reported_or_harmless(tmp_path / "b", records, f"log byte {position}")
    assert reported


# --- accepting a loss -------------------------------------------------------------------------------


def test_a_moved_ledger_is_adopted_knowingly(tmp_path):
    fill(tmp_path / "a")
    shutil.copytree(tmp_path / "a" / "work", tmp_path / "b" / "work")
    with open_ledger(tmp_path / "b") as ledger:
        assert [damage.kind for damage in ledger.verify()] == ["head-missing"]
        assert ledger.adopt(at=AT, why="moved").data == {"head": None, "why": "moved"}
        ledger.append("failed", "run", {}, at=AT)
        assert_whole(ledger)


def test_an_older_copy_is_adopted_and_the_record_says_what_the_head_knew(tmp_path):
    fill(tmp_path, 1)
    shutil.copy(tmp_path / "work" / "ledger.db", tmp_path / "older")
    last = fill(tmp_path, 3)[-1]
    shutil.copy(tmp_path / "older", tmp_path / "work" / "ledger.db")
    with open_ledger(tmp_path) as ledger:
        record = ledger.adopt(at=AT, why="restored from a backup")
        assert record.data["head"] == {"seq": last.seq, "hash": last.hash}
        assert_whole(ledger)


def test_a_broken_chain_is_not_adopted(tmp_path):
    fill(tmp_path)
    edit(tmp_path, "UPDATE record SET run = 'other' WHERE seq = 2")
    with open_ledger(tmp_path) as ledger, pytest.raises(LedgerDamaged):
        ledger.adopt(at=AT, why="convenience")


# --- a head that a killed writer left behind --------------------------------------------------------


def test_a_head_behind_is_brought_up_only_along_a_whole_chain(tmp_path):
    fill(tmp_path, 2)
    file = tmp_path / "heads" / "head.json"
    older = file.read_bytes()
    with open_ledger(tmp_path) as ledger:
        ledger.append("started", "run", {}, at=AT)
        ledger.append("failed", "run", {}, at=AT)
        file.write_bytes(older)
        assert ledger.behind() == 2
        assert ledger.verify() == []
    with open_ledger(tmp_path) as ledger:
        assert_whole(ledger)
        assert ledger.head().seq == 5
    file.write_bytes(older)


@pytest.mark.parametrize("seq", [4, 5])
def test_a_head_behind_a_broken_chain_stays(tmp_path, seq):
    fill(tmp_path, 2)
    file = tmp_path / "heads" / "head.json"
    older = file.read_bytes()
    fill(tmp_path, 2)
    file.write_bytes(older)
    edit(tmp_path, f"UPDATE record SET at = '2031-01-01T00:00:00Z' WHERE seq = {seq}")
    with open_ledger(tmp_path) as ledger:
        assert file.read_bytes() == older
        assert [damage.seq for damage in ledger.verify()] == [seq]
        assert_refuses_writing(ledger, LedgerDamaged)


# --- export -----------------------------------------------------------------------------------------


def test_every_changed_or_cut_byte_of_an_export_is_named(tmp_path):
    fill(tmp_path, 2)
    stream = io.BytesIO()
    with open_ledger(tmp_path) as ledger:
        ledger.export(stream)
    data = stream.getvalue()
    assert verify_export(io.BytesIO(data)) == []
    for position in range(len(data)):
        changed = bytes([*data[:position], data[position] ^ 1, *data[position + 1 :]])
        assert verify_export(io.BytesIO(changed)), position
        assert verify_export(io.BytesIO(data[:position])), position
    assert verify_export(io.BytesIO(data + b"\n"))
    lines = data.splitlines(keepends=True)
    for others in ([*lines[:2], *lines[3:]], [*lines, lines[-1]], [lines[0], lines[2], lines[1], lines[3]]):
        assert verify_export(io.BytesIO(b"".join(others)))


def test_an_export_is_held_to_a_known_head(tmp_path):
    fill(tmp_path, 2)
    stream = io.BytesIO()
    with open_ledger(tmp_path) as ledger:
        head = ledger.export(stream)
        ledger.append("failed", "run", {}, at=AT)
        later = ledger.head()
    assert verify_export(io.BytesIO(stream.getvalue()), head=head) == []
    assert verify_export(io.BytesIO(stream.getvalue()), head=Head(1, "0" * 64))
    assert verify_export(io.BytesIO(stream.getvalue()), head=later)
    assert verify_export(io.BytesIO(b""))


# --- the page ---------------------------------------------------------------------------------------

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ledger.md").read_text()


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_examples_on_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    first, second = fences("python")
    exec(first, {})
    names: dict[str, Any] = {}
    exec(second, names)
    for vectors in fences("jsonl"):
        lines = vectors.splitlines()
        assert names["holds"](lines)
        assert not names["holds"](lines[:-1])
        assert not names["holds"]([line.replace("approve", "reject") for line in lines])


def test_the_shell_computes_the_hash_on_the_page():
    (script,) = fences("bash")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == script.splitlines()[-1].removeprefix("# ")
    assert json.loads(fences("jsonl")[0].splitlines()[1])["hash"] == done.stdout.split()[0]


def test_the_vectors_on_the_page_verify_and_are_what_is_written_today(tmp_path):
    plain, signed = fences("jsonl")
    key = json.loads(json.loads(signed.splitlines()[1])["body"])["public_key"]
    assert verify_export(io.BytesIO(plain.encode())) == []
    assert verify_export(io.BytesIO(signed.encode()), public_key=key) == []
    for number, vectors in enumerate((plain, signed)):
        signer = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))) if number else None
        top, opened, *others = map(json.loads, vectors.splitlines())
        workspace = json.loads(opened["body"])["workspace"]
        folder = tmp_path / str(number)
        with Ledger.open(folder / "l.db", head=folder / "head", signer=signer, workspace=workspace) as ledger:
            for line in others:
                ledger.append(line["kind"], line["run"], json.loads(line["body"]), at=line["at"])
            stream = io.BytesIO()
            assert ledger.export(stream) == Head(top["records"], top["hash"])
        assert stream.getvalue().decode() == vectors


def test_the_page_names_every_kind_of_damage():
    assert {name for name in get_args(DamageKind) if f"`{name}`" not in PAGE} == set()

"""An audit runs the record again; whatever was changed in it is found and named."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.gate.houses import House, assert_whole
from tests.gate.targets.trees import assert_same_photo, photograph
from worldgate.gate.audit import audit
from worldgate.gate.run import DOCUMENTS
from worldgate.worlds.filesystem import FilesystemWorld


def furnish(root: Path) -> tuple[House, dict[str, str]]:
    """A workspace with runs of every kind."""
    house = House(root)
    runs = {"plan": house.do("mkdir build", "cp a build/a", "cat b")}
    runs["command"] = house.commit(house.command("echo more >> b; mv d e"))
    runs["undo"] = house.undo(runs["command"])
    runs["refused"] = house.plan("cp a c", "rm b", limits={"deleted": 0}).id
    return house, runs


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, dict[str, str]]:
    return furnish(tmp_path_factory.mktemp("w"))


def named(house: House) -> str:
    """What an audit finds, in one text; never an exception."""
    return "\n".join(f"{problem.place}: {problem.what}" for problem in house.audit().problems)


def test_a_record_that_was_left_alone_is_whole(furnished: tuple[House, dict[str, str]]) -> None:
    house, runs = furnished
    before = photograph(house.root)
    report = house.audit()
    assert (report.problems, report.notes, report.executed) == ((), (), len(runs))
    assert report.records == len(house.kinds())
    assert_same_photo(photograph(house.root), before)
    assert audit(house.workspace, execute=False).executed == 0


def test_what_became_of_the_directory_is_no_part_of_it(tmp_path: Path) -> None:
    house, _ = furnish(tmp_path / "w")
    (house.root / "a").write_bytes(b"worked on")
    (house.root / "b").unlink()
    (house.root / "d/x").chmod(0)
    assert_whole(house)


@pytest.mark.parametrize("kind", ["plan", "command", "undo", "refused"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_flipped_byte_of_a_document_is_found(
    furnished: tuple[House, dict[str, str]], kind: str, name: str
) -> None:
    house, runs = furnished
    path = house.root / ".worldgate/runs" / runs[kind] / f"{name}.json"
    whole = path.read_bytes()
    try:
        for place in sorted({0, len(whole) // 3, len(whole) // 2, len(whole) - 1}):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert f"run {runs[kind][:12]}: {name}.json is not the document that record" in named(house)
        path.unlink()
        assert f"run {runs[kind][:12]}: {name}.json is not the document" in named(house)
    finally:
        path.write_bytes(whole)


def forged(house: House, run: str, old: bytes, new: bytes, name: str) -> None:
    """Change a document and record its digest as if it had been so."""
    path = house.root / ".worldgate/runs" / run / f"{name}.json"
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with house.workspace.ledger() as ledger:
        body = {"documents": house.workspace.digests(run), "plan": "", "verdict": "approve"}
        ledger.append("simulated", run, body, at=house.clock())


@pytest.mark.parametrize(
    ("kind", "name", "old", "new", "finds"),
    [
        (
            "refused",
            "decision",
            b'"verdict": "reject"',
            b'"verdict": "approve"',
            "judged again it is reject, recorded approve",
        ),
        ("refused", "run", b'"deleted": 0', b'"deleted": 9', "a policy with another digest"),
        ("plan", "run", b"cp a build/a", b"cp b build/a", "the plan has another effect"),
        ("plan", "run", b'"budget": {', b'"budget": {"tolkens": 1, ', "unknown resource"),
        ("plan", "run", b'"steps": 10000', b'"steps": 10001', "its id is not the hash of its inputs"),
        ("plan", "trajectory", b"two", b"six", "the steps answer otherwise than recorded"),
        ("plan", "deltas", b'"build/a"', b'"build/b"', "another effect"),
        (
            "command",
            "trajectory",
            b'"steps": [',
            b'"steps": [{"id": "s0", "action": "", "observation": {}}, ',
            "answer otherwise",
        ),
        ("undo", "run", b'"undoes": "', b'"undoes": "f', "its id is not the hash"),
        ("plan", "run", b'"2c8b08da', b'"3c8b08da', "the recorded facts are not the ones it says it rests on"),
    ],
)
def test_a_forged_document_is_found_by_running_it_again(
    tmp_path: Path, kind: str, name: str, old: bytes, new: bytes, finds: str
) -> None:
    house, runs = furnish(tmp_path / "w")
    forged(house, runs[kind], old, new, name)
    found = named(house)
    assert f"run {runs[kind][:12]}" in found
    assert finds in found


def change(path: Path, *statements: str) -> None:
    """Change a ledger as someone who can write the file would, past the triggers."""
    with sqlite3.connect(path, isolation_level=None) as database:
        triggers = database.execute("select name, sql from sqlite_schema where type = 'trigger'").fetchall()
        drops = [f"drop trigger {name}" for name, _ in triggers]
        for statement in (*drops, *statements, *(text for _, text in triggers)):
            database.execute(statement)
    database.close()


SWAPPED = (
    "update record set seq = case seq when 7 then -8 else -7 end where seq in (7, 8); "
    "update record set seq = -seq where seq < 0"
)
LAST = "(select max(seq) from record)"


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        (
            "update record set body = cast(replace(cast(body as text), 'approve', 'reject') as blob) where seq = 2",
            "record 2",
        ),
        ("update record set at = '2020-01-01T00:00:00Z' where seq = 4", "record 4"),
        ("update record set kind = 'failed' where kind = 'committed' and seq = 6", "record 6"),
        ("update record set hash = previous where seq = 3", "record 3"),
        ("delete from record where seq = 5", "record 6"),
        (f"delete from record where seq = {LAST}", "truncated"),
        (f"delete from record where seq > {LAST} - 4", "truncated"),
        (SWAPPED, "record 7"),
    ],
)
def test_a_ledger_that_was_changed_is_found(tmp_path: Path, sql: str, place: str) -> None:
    house, _ = furnish(tmp_path / "w")
    change(house.root / ".worldgate/ledger.db", *sql.split("; "))
    assert place in named(house)


def test_what_is_found_in_a_ledger_has_its_place(tmp_path: Path) -> None:
    """The record that was changed, and where reading ends; the ledger, for what no single record is about."""
    house, runs = furnish(tmp_path / "w")
    path = house.root / ".worldgate/ledger.db"
    whole, entry = path.read_bytes(), f"{runs['plan']}spent".encode()  # as only the index has it
    assert whole.count(entry) == 1
    path.write_bytes(whole.replace(entry, entry[:-1] + b"u"))
    assert named(house).startswith("ledger: database: found row 4 missing from index")
    path.write_bytes(whole)
    change(path, "update record set at = '2020-01-01T00:00:00Z' where seq = 4")
    report = house.audit()
    assert [problem.place for problem in report.problems] == ["record 4", "ledger"]
    assert "WG704" in report.problems[-1].what
    assert report.records == 3


def test_a_mutated_world_is_a_difference_and_not_a_crash(
    furnished: tuple[House, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, runs = furnished
    monkeypatch.setattr(FilesystemWorld, "version", "3")
    report = house.audit()
    assert report.executed == len(runs)
    assert any(f"run {runs['plan'][:12]} was made by filesystem 2; executed by 3" in note for note in report.notes)

    def other(self: object, state: object, action: object) -> object:
        raise ValueError("rules of another time")

    monkeypatch.setattr(FilesystemWorld, "step", other)
    assert f"run {runs['plan'][:12]}: the plan has another effect than the one recorded" in named(house)


def test_a_commit_without_an_approval_is_found(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    proposal = house.plan("rm a")
    with house.workspace.ledger() as ledger:
        net = proposal.docs["deltas"].net  # type: ignore[attr-defined]
        ledger.append("started", proposal.id, {"delta": net}, at=house.clock())
        ledger.append("committed", proposal.id, {"delta": "0" * 64}, at=house.clock())
    found = named(house)
    assert "began a commit that was not approved" in found
    assert "committed another delta than it began with" in found

"""Changes as people read them, in the filesystem and elsewhere; proposals say what they do."""

from __future__ import annotations

from pathlib import Path

from tests.gate.houses import House
from worldgate.facts import canonical_json


def test_a_change_of_a_directory_is_a_path_and_its_totals_are_counted(tmp_path: Path) -> None:
    found = House(tmp_path / "w").plan("cp a c", "rm b", "mv d e", "chmod 600 a")
    assert {row["line"][0] for row in found.doc.changes} == {"~", "-", "+"}
    assert {row["path"] for row in found.doc.changes} == {"a", "b", "c", "e"}
    totals = found.doc.totals
    assert (totals["created"], totals["deleted"], totals["moved"], totals["bytes_created"]) == (1, 1, 1, 4)
    assert found.summary.usage == {"files": 4, "bytes": 4}
    assert found.doc.budget["files"] == 4


def test_a_change_of_a_desk_is_a_fact(tmp_path: Path) -> None:
    found = House(tmp_path / "w", {}, "support-desk").plan('block(customer: "ada")')
    assert [row["line"] for row in found.doc.changes] == ['~ customer_blocked("ada"): false -> true']
    assert found.doc.changes[0]["edit"] == ["customer_blocked", ["ada"], False, True]
    assert found.doc.totals == {"created": 0, "changed": 1, "deleted": 0}
    assert not found.summary.existed("anything")


def test_documents_are_canonical_and_free_of_time(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    found = house.plan("rm a")
    house.clock.now = house.clock.now.replace(year=2031)
    again = house.plan("rm a")
    for name, doc in found.docs.items():
        assert canonical_json(doc) == canonical_json(again.docs[name])
        assert b"2026" not in canonical_json(doc)

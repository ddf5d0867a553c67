"""A proposal: a pure function of what was verified, with the undo rehearsed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.gate.houses import House
from worldgate.facts import invert
from worldgate.gate.proposal import digest
from worldgate.gate.run import DeltasDoc, RunDoc


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "w")


def test_its_documents_say_what_was_simulated(house: House) -> None:
    found = house.plan("cp a c", "rm b")
    run, deltas = found.docs["run"], found.docs["deltas"]
    assert isinstance(run, RunDoc)
    assert isinstance(deltas, DeltasDoc)
    assert [step.do for step in run.plan.steps] == ["cp a c", "rm b"]
    assert list(deltas.steps) == ["s1", "s2"]
    addresses = {(relation, tuple(key)) for relation, key, *_ in deltas.net}
    assert addresses <= {(relation, tuple(key)) for relation, key, _ in run.base}
    assert {doc.run for doc in found.docs.values()} == {found.id}


def test_what_it_rests_on_covers_what_a_later_step_takes_back(house: House) -> None:
    run = house.plan("chmod 600 a", "chmod 644 a", "touch c").docs["run"]
    assert isinstance(run, RunDoc)
    assert ["inode", ["a"], ["file", 0o644, os.getuid(), os.getgid()]] in run.base


def test_a_refused_plan_has_no_undo_and_an_undo_none_either(house: House) -> None:
    assert house.plan("rm a", protect=["a"]).doc.undo is None
    run = house.do("rm a")
    assert house.workspace.undo(run).doc.undo is None


def test_the_rehearsal_is_the_undo(house: House) -> None:
    found = house.plan("mv a d/a", "rm b")
    assert found.doc.undo is not None
    assert found.doc.undo.edits == len(invert(found.simulation.delta))
    back = house.workspace.undo(house.commit(found))
    assert back.approved is found.doc.undo.approved
    assert len(back.simulation.delta) == found.doc.undo.edits


def test_in_shadow_mode_the_rehearsal_refuses_nothing(house: House) -> None:
    found = house.plan("cp a c", mode="shadow", limits={"deleted": 0})
    assert found.doc.undo is not None
    assert found.doc.undo.approved


def test_a_digest_is_of_the_canonical_form() -> None:
    assert digest({"b": 1, "a": [2]}) == digest({"a": [2], "b": 1})
    assert digest({"a": 1}) != digest({"a": "1"})

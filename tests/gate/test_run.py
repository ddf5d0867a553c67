"""A run's id and documents: the same inputs give the same bytes everywhere; other inputs give another id."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.gate.houses import SMALL, House, assert_whole
from tests.gate.targets.trees import Node, build
from worldgate.facts import canonical_json
from worldgate.gate.plan import BadPlan, Step
from worldgate.gate.run import DOCUMENTS, BadRun, NotSaved, Runs, UnknownRun, json_schemas, told
from worldgate.trading.schemas import json_schemas as evidence_schemas

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"
STEPS = ("mkdir build", "cp d/x build/x", "rm d/y", "ls d", "mv a build/a")
_ELSEWHERE = """
import sys
from pathlib import Path
from worldgate.gate.budget import Budget
from worldgate.gate.plan import make_plan
from worldgate.gate.policy import Policy
from worldgate.gate.workspace import Workspace
workspace = Workspace.make(Path(sys.argv[1]))
print(workspace.plan(make_plan(sys.argv[2:]), Policy.default(), Budget.of({})).id)
"""


def documents(root: Path, run: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / ".worldgate" / "runs" / run).iterdir()}


def elsewhere(root: Path, seed: str) -> str:
    """The id of the run of STEPS, simulated by another process."""
    found = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, str(root), *STEPS],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def test_the_same_inputs_give_the_same_id_and_bytes_anywhere(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "deeper" / "two"
    build(one, SMALL)
    for number in range(5):  # other inode numbers
        (tmp_path / f"filler{number}").touch()
    build(two, {**SMALL, "unrelated": b"here only", "d2/e/f": b""})
    for path in two.rglob("*"):
        os.utime(path, (random.Random(str(path)).randrange(10**9), 12345))
    run = elsewhere(one, "1")
    assert elsewhere(two, "4711") == run
    here, there = documents(one, run), documents(two, run)
    for name in ("decision.json", "trajectory.json", "deltas.json"):
        assert here[name] == there[name]
    inputs = [{**json.loads(found["run.json"]), "facts": None} for found in (here, there)]
    assert inputs[0] == inputs[1]  # `facts`, kept for audits, also has the names beside those that changed
    assert set(documents(one, run)) == {f"{name}.json" for name in DOCUMENTS}


def test_every_input_is_in_the_id(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    step = "cp a c"
    ids = [
        house.plan(step).id,
        house.plan(step, step).id,
        house.plan(step, budget={"files": 5}).id,
        house.plan(step, limits={"deleted": 7}).id,
        house.plan(Step(do=step, id="named")).id,
    ]
    (house.root / "a").write_bytes(b"other\n")  # read and not changed
    ids.append(house.plan(step).id)
    os.chmod(house.root / "a", 0o600)
    ids.append(house.plan(step).id)
    assert len(set(ids)) == len(ids)


def test_the_version_of_the_world_is_in_the_id(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "src/worldgate/worlds/declared/support_desk.yaml").read_text()
    ids = []
    for version in ("1", "2"):
        file = tmp_path / f"{version}.yaml"
        file.write_text(
            text.replace("world: support-desk", "world: desk").replace('version: "1"', f'version: "{version}"')
        )
        ids.append(House(tmp_path / version, {}, str(file)).plan('block(customer: "ada")').id)
    assert ids[0] != ids[1]


def test_doing_nothing_new_keeps_the_documents(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    run = house.plan(*STEPS).id
    before = documents(house.root, run)
    assert house.plan(*STEPS).id == run
    assert documents(house.root, run) == before


def published() -> dict[str, Any]:
    return {
        path.name.removesuffix(".schema.json"): json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")
    }


def test_the_published_schemas_are_the_code_s() -> None:
    """`python bench/schemas.py` writes them anew."""
    assert published() == json.loads(json.dumps(json_schemas() | evidence_schemas()))


def runs_of_every_kind(house: House) -> list[str]:
    """Approved, refused at each stage, a command, an undo."""
    done = house.do("cp a c")
    return [
        done,
        house.plan("no such command").id,
        house.plan("rm a", protect=["a"]).id,
        house.plan("rm a", "rm b", limits={"deleted": 1}).id,
        house.plan("cp a e", budget={"files": 0}).id,
        house.command("echo hi > new; rm b").id,
        house.workspace.undo(done).id,
    ]


def test_the_documents_of_every_kind_of_run_fit_the_schemas(tmp_path: Path) -> None:
    house, schemas = House(tmp_path / "w"), published()
    for run in runs_of_every_kind(house):
        for name in DOCUMENTS:
            data = json.loads((house.root / ".worldgate/runs" / run / f"{name}.json").read_bytes())
            jsonschema.validate(data, schemas[name], cls=jsonschema.Draft202012Validator)
            assert data["schema_version"] == 1
            assert data["run"] == run
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**data, "surprise": 1}, schemas[name], cls=jsonschema.Draft202012Validator)


def test_a_run_is_found_by_its_first_characters(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    run = house.plan("rm a").id
    assert house.workspace.runs.resolve(run[:4]) == run
    for wrong in (run[:3], "", "zzzz", "../" + run, f"{run}0"):
        with pytest.raises(UnknownRun):
            house.workspace.runs.resolve(wrong)
    (house.root / ".worldgate" / "runs" / (run[:8] + "f" * 56)).mkdir()
    with pytest.raises(UnknownRun, match="begins 2 ids"):
        house.workspace.runs.resolve(run[:5])


def test_documents_that_are_not_documents_are_refused(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    run = house.plan("rm a").id
    path = house.root / ".worldgate" / "runs" / run / "run.json"
    whole = json.loads(path.read_bytes())
    for spoiled in (
        b"",
        b"{}",
        b"[]",
        canonical_json({**whole, "more": 1}),
        canonical_json({**whole, "plan": 3}),
        b"\xff",
    ):
        path.write_bytes(spoiled)
        with pytest.raises(BadRun):
            house.workspace.runs.load(run, "run")
    path.unlink()
    with pytest.raises(UnknownRun):
        house.workspace.runs.load(run, "run")


def test_a_disk_that_takes_no_documents_is_a_numbered_error_and_nothing_is_recorded(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    (house.root / ".worldgate" / "runs").write_bytes(b"in the way")
    with pytest.raises(NotSaved):
        house.plan("rm a")
    assert house.kinds() == []


def test_documents_may_have_names_that_are_not_utf_8(tmp_path: Path) -> None:
    house = House(tmp_path / "w", {})
    (house.root / os.fsdecode(b"x\xe9")).write_bytes(b"")
    os.chmod(house.root / os.fsdecode(b"x\xe9"), 0o600)
    run = house.command("rm *").id
    assert Runs(house.root / ".worldgate" / "runs").load(run, "deltas").net
    assert house.commit(house.command("rm *")) == run


def test_what_a_step_prints_may_be_any_bytes(tmp_path: Path) -> None:
    house = House(tmp_path / "w", {"plain": b""})
    (house.root / os.fsdecode(b"x\xe9")).write_bytes(b"\xff\xfe")
    run = house.do("ls", "cat *", "rm *")
    steps = house.workspace.runs.load(run, "trajectory").steps
    assert steps[0].observation["stdout"] == "plain\nx\ufffd\n"
    assert steps[1].observation["stdout"] == "\ufffd\ufffd"
    assert told({"a": ["\ud800", ("\udc80x",)], "b": 1}) == {"a": ["?", ["\ufffdx"]], "b": 1}
    assert_whole(house)
    with pytest.raises(BadPlan, match="not Unicode"):
        house.plan("rm x\udce9")


def test_a_tree_with_metadata_gives_a_run_too(tmp_path: Path) -> None:
    house = House(tmp_path / "w", {"m": Node(b"meta", 0o640, {"user.k": b"v"})})
    assert house.plan("chmod 600 m").approved

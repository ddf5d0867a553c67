"""Every file under examples/ runs."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.reference import ROOT
from worldgate.demo import TOO_MUCH, incidents, prepare, run_incidents, tell
from worldgate.facts import Error
from worldgate.gate.budget import Budget
from worldgate.gate.plan import load_plan
from worldgate.gate.policy import Policy, load_policy
from worldgate.gate.workspace import Workspace
from worldgate.transcript import Session

import shutil  # isort: skip

EXAMPLES = ROOT / "examples"
DECLARED = sorted(EXAMPLES.glob("declared/*/*/*.yaml"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a copy of the standard library, as the demo makes it."""
    folder = tmp_path_factory.mktemp("library")
    shutil.copytree(sysconfig.get_path("stdlib"), folder / "original", symlinks=True, ignore=TOO_MUCH)
    return folder


@pytest.mark.parametrize("name", incidents())
def test_incident_goes_as_told(name: str, library: Path, tmp_path: Path) -> None:
    (tmp_path / "original").symlink_to(library / "original")
    place = tmp_path / name / "library"
    shutil.copytree(library / "original", place, symlinks=True)
    told = tell(name, incidents()[name], Session(place, prepare(tmp_path)))
    last = told.steps[-1]
    assert not told.problem, "\n".join([told.problem, f"$ {last.command}", *last.shown])
    assert told.title != name


def test_the_demo_exits_with_1_when_an_incident_goes_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1-wrong.md").write_text("# Wrong\n\n```console\n$ echo this\nthat\n```\n")
    (tmp_path / "2-right.md").write_text("# Right\n\n```console\n$ echo this; exit 3\nthis\n[exit 3]\n```\n")
    monkeypatch.setattr("worldgate.demo.PACKAGED", tmp_path)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))  # as the library: this is about the demo only
    assert run_incidents() == 1
    assert run_incidents(["right"]) == 0
    assert run_incidents(["wrong"], as_json=True) == 1
    with pytest.raises(Error, match="WG911"):
        run_incidents(["unheard-of"])


def test_the_demo_runs_one_by_name() -> None:
    command = [sys.executable, "-c", "from worldgate.cli import main; main()", "demo", "--json"]
    done = subprocess.run([*command, "a-plan-is-held-to-its-intent"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = json.loads(done.stdout)
    assert told["problem"] == ""
    assert [step["exit"] for step in told["steps"]].count(2) == 2


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("policies/*.yaml")), ids=lambda path: path.stem)
def test_policy_loads(path: Path) -> None:
    policy = load_policy(path.read_text(encoding="utf-8"), path.name)
    if path.stem == "default":
        assert policy.digest == Policy.default().digest


@pytest.mark.parametrize("path", DECLARED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_declared_plan_is_judged_as_its_folder_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    world = path.parent.parent.name
    plan = load_plan(path.read_text(encoding="utf-8"), name=path.name)
    proposal = Workspace.make(tmp_path, world).plan(plan, Policy.default(world), Budget.of({}))
    assert proposal.approved == (path.parent.name == "good"), proposal.decision

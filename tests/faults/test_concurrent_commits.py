"""Many processes commit at once: each approval is spent once, nothing is lost, and there is one order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gate.houses import House
from worldgate.gate.audit import audit

MANY = 20
_COMMIT = """
import sys, time
from pathlib import Path
from worldgate.facts import Error
from worldgate.gate.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]), lambda: "2026-01-01T01:00:00Z")
workspace.guarded
print("ready", flush=True)
sys.stdin.readline()
for run in sys.argv[2:]:
    try:
        workspace.commit(run)
        print("done", run, flush=True)
    except Error as error:
        print(error.number, run, flush=True)
"""


@pytest.fixture
def tmp_path(memory: Path) -> Path:
    return memory


@pytest.fixture(autouse=True)
def heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "heads"))


def together(root: Path, works: list[list[str]]) -> list[list[str]]:
    """Commit these runs, one list a process, all let go at once; the lines that each printed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _COMMIT, str(root), *runs], stdin=-1, stdout=-1, text=True, env=os.environ
        )
        for runs in works
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=240)[0].splitlines() for process in processes]


def test_commits_that_touch_different_facts_all_succeed_and_each_only_once(tmp_path: Path) -> None:
    """Each of 20 processes has a run of its own, then everybody tries everybody's neighbour's."""
    house = House(tmp_path / "w", {f"d{number}/f": b"%d" % number for number in range(MANY)})
    runs = [house.plan(f"mv d{number}/f d{number}/g", f"mkdir d{number}/new").id for number in range(MANY)]
    said = together(house.root, [[runs[number], runs[number - 1]] for number in range(MANY)])
    lines = [line for one in said for line in one]
    assert sorted(line.split()[1] for line in lines if line.startswith("done")) == sorted(runs)
    assert sorted(line.split()[1] for line in lines if line.startswith("WG725")) == sorted(runs)
    for number, run in enumerate(runs):
        assert (house.root / f"d{number}/g").read_bytes() == b"%d" % number
        assert not (house.root / f"d{number}/f").exists()
        assert house.kinds(run) == ["simulated", "approved", "spent", "started", "committed"]
    order = [record.kind for record in house.workspace.records() if record.seq > 1 + 2 * MANY]
    assert order == ["spent", "started", "committed"] * MANY  # one after the other, never interleaved
    assert audit(house.workspace).problems == ()


def test_of_commits_that_touch_one_fact_one_succeeds(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    runs = [house.plan(f"mv a moved{number}").id for number in range(8)]
    lines = [line for one in together(house.root, [[run] for run in runs]) for line in one]
    assert sorted(line.split()[0] for line in lines) == ["WG601"] * 7 + ["done"]
    (won,) = [line.split()[1] for line in lines if line.startswith("done")]
    assert [path.name for path in house.root.glob("moved*")] == [f"moved{runs.index(won)}"]
    assert audit(house.workspace).problems == ()


def test_one_approval_tried_by_many_is_spent_once(tmp_path: Path) -> None:
    desk = House(tmp_path / "w", {}, "support-desk")
    run = desk.plan('refund(refund: "r1", order: "o3", customer: "ben", amount: 100)').id
    lines = [line for one in together(desk.root, [[run]] * 8) for line in one]
    assert sorted(line.split()[0] for line in lines) == ["WG725"] * 7 + ["done"]
    assert desk.kinds(run).count("committed") == 1

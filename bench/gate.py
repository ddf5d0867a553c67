"""What the gate costs: a plan of one file on directories of 10, 1,000 and 10,000 files.

    python bench/gate.py [--files 10,1000,10000] [--repeats N]

Each round proposes, simulates, verifies, records, approves, commits and records again. The peers do the bare
minimum in the same run: mkdir, write, fsync and rename for the directory; one committed row for the ledger. CPU
time of the process; fsync waits are not in it. `decision only` is the simulation and the judgement, without
documents and ledger. What grows from row to row is what depends on the tree and not on what is touched. `flat`
has all files in the directory that changes, `deep` has them elsewhere.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from measure import table

from worldgate.gate.budget import Budget, Meter
from worldgate.gate.guarded import state_of
from worldgate.gate.plan import make_plan
from worldgate.gate.policy import Policy
from worldgate.gate.verify import Verification
from worldgate.gate.workspace import Workspace


def spent(act: Callable[[int], object], repeats: int) -> float:
    """Median CPU seconds of one `act(number)`."""
    times = []
    for number in range(repeats):
        start = time.process_time()
        act(number)
        times.append(time.process_time() - start)
    return median(times)


def tree(root: Path, files: int, flat: bool) -> None:
    (root / "work").mkdir(parents=True)
    for number in range(files):
        place = root / "work" if flat else root / f"d{number % 100}"
        place.mkdir(exist_ok=True)
        (place / f"f{number}").write_bytes(b"content\n")


def bare(root: Path) -> Callable[[int], None]:
    """The same change without a gate."""

    def act(number: int) -> None:
        new = root / "work" / f".new{number}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(descriptor, b"hello\n")
        os.fsync(descriptor)
        os.close(descriptor)
        (root / "work" / f"made{number}").mkdir()
        new.rename(root / "work" / f"made{number}" / "file")
        folder = os.open(root / "work", os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    return act


def row_of_sqlite(place: Path) -> Callable[[int], None]:
    database = sqlite3.connect(place / "bare.db", isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("create table record (seq integer primary key, body blob)")

    def act(number: int) -> None:
        database.execute("begin immediate")
        database.execute("insert into record (body) values (?)", (b"x" * 2000,))
        database.execute("commit")

    return act


def gated(workspace: Workspace) -> tuple[Callable[[int], object], Callable[[int], object]]:
    policy, budget = Policy.default(), Budget.of({})

    def steps(number: int) -> list[str]:
        return [f"mkdir work/new{number}", f"echo hello > work/new{number}/file"]

    def whole(number: int) -> None:
        proposal = workspace.plan(make_plan(steps(number)), policy, budget)
        assert proposal.approved, proposal.decision
        workspace.commit(proposal.id)

    def decide(number: int) -> None:
        guarded = workspace.guarded
        state = state_of(guarded, guarded.source())
        plan = make_plan(steps(100_000 + number))
        found = Verification(guarded.world, state, plan, policy, Meter(budget), whole=False).of_plan()
        assert found.decision.verdict == "approve"

    return whole, decide


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="10,1000,10000")
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_STATE_HOME"] = f"{place}/state"
        peers = spent(row_of_sqlite(Path(place)), given.repeats)
        for shape in ("deep", "flat"):
            for files in map(int, given.files.split(",")):
                root = Path(place) / f"{shape}{files}"
                tree(root, files, shape == "flat")
                whole, decide = gated(Workspace.make(root))
                whole(10_000)  # what is loaded once is not counted
                cost, decision, least = (spent(act, given.repeats) for act in (whole, decide, bare(root)))
                rows.append([shape, files, 1e3 * cost, 1e3 * decision, cost / least, cost / peers])
    head = ["tree", "files", "whole, ms", "decision only, ms", "whole / bare change", "whole / bare SQLite commit"]
    table("A plan of one directory and one file, CPU time", head, rows)


if __name__ == "__main__":
    main()

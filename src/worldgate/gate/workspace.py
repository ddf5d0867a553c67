"""A workspace: a target with its runs and its ledger.

    propose -> simulate -> verify -> approve -> commit -> record

`plan`, `run_command`, `happen` and `undo` simulate and judge (see `proposing`); only `commit` changes the target, and
only by a run that was approved (see `committing`). Everything the gate keeps is below `.worldgate/` in the directory
it guards.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from ..facts import Error, State, canonical_json
from ..worlds import get
from ..worlds.declared import world_from_file
from . import committing, proposing
from .budget import Budget
from .committing import NotApprovedRun, Tampered
from .guarded import Guarded, begin, guard
from .ledger import Ledger, Record, place
from .plan import Plan
from .policy import Policy
from .proposal import Proposal
from .proposing import NothingToUndo
from .risk import Answers
from .run import DecisionDoc, Runs
from .signing import Signer

__all__ = ["GATE", "NotAWorkspace", "NotApprovedRun", "NothingToUndo", "Tampered", "Workspace", "now"]

GATE = ".worldgate"


class NotAWorkspace(Error):
    number, title = "WG621", "not a workspace"


def now() -> str:
    """The time, as the ledger writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Workspace:
    """A directory and its gate. `find` opens the one that a path is in, `make` makes one."""

    def __init__(self, root: Path, clock: Callable[[], str] = now) -> None:
        self.root, self.clock = root, clock
        self.answers: Answers | None = None  # to what a policy asks about futures: without any it refuses
        self.gate = root / GATE
        self.runs = Runs(self.gate / "runs")

    @classmethod
    def find(cls, start: Path) -> Workspace:
        """The workspace that `start` is in; raises `NotAWorkspace`."""
        start = start.resolve()
        if not start.is_dir():
            raise NotAWorkspace(str(start), "a directory that there is")
        for folder in (start, *start.parents):
            if (folder / GATE / "workspace.json").is_file():
                return cls(folder)
        raise NotAWorkspace(str(start), f"a directory with {GATE}/ in it or above it", "`worldgate init` makes one.")

    @classmethod
    def make(
        cls, root: Path, world: str = "filesystem", key: Path | None = None, first: State | None = None
    ) -> Workspace:
        """The workspace at `root`, made if there is none; its world stays, and so does its key.

        `world` is a registered name, or the path of a world file, which is copied into the gate. With `key`,
        a file outside `root` (made if it is not there), every record is signed. A world that is kept in a
        store begins with `first`, or with its initial state.
        """
        root = root.resolve()
        if not root.is_dir():
            raise NotAWorkspace(str(root), "a directory")
        found = cls(root)
        if not (found.gate / "workspace.json").exists():
            if first is not None:
                _keep(found.gate)
                begin(found.gate, first)
            _begin(found.gate, world, key)
        found.guarded.world  # noqa: B018  (what does not load is an error here, not later)
        with found.ledger():
            return found

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The workspace's world and key."""
        found: dict[str, Any] = msgspec.json.decode((self.gate / "workspace.json").read_bytes())
        return found

    @cached_property
    def guarded(self) -> Guarded:
        """What commits change."""
        return guard(self.settings["world"], self.root, self.gate)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The workspace's ledger, open; signed when the workspace has a key."""
        key = self.settings.get("key")
        with Ledger.open(place(self.root), signer=Signer.load(Path(key)) if key else None) as found:
            yield found

    def adopt(self, why: str) -> Record:
        """Accept the ledger that is here although it was moved or restored; the record says so for ever."""
        with self.ledger() as ledger:
            return ledger.adopt(at=self.clock(), why=why)

    # --- propose, simulate, verify -----------------------------------------------------------------

    def plan(self, plan: Plan, policy: Policy, budget: Budget) -> Proposal:
        """Simulate a plan and judge it: by the oracle, or its one command by the kernel. Nothing is changed.

        Either way it starts at the workspace's root.
        """
        return proposing.of_plan(self, plan, policy, budget)

    def run_command(
        self, argv: Sequence[str], policy: Policy, budget: Budget, *, network: bool = False, cwd: Path | None = None
    ) -> Proposal:
        """Run a command in isolation over a copy of the directory and judge what it did. Nothing is changed.

        A single argument is a line for the shell.
        """
        return proposing.of_command(self, argv, policy, budget, network=network, cwd=cwd)

    def happen(self, events: Sequence[str]) -> Proposal:
        """What the world itself brings about next, such as a market's bars: simulated and recorded like a plan.

        Only the world's own rules judge it: a policy is for what actors do.
        """
        return proposing.of_events(self, events)

    def undo(self, run: str, policy: Policy | None = None) -> Proposal:
        """Propose the inverse of a committed run, judged like any other; committing it undoes the run."""
        return proposing.of_undo(self, run, policy)

    def state(self) -> State:
        """The target's facts as they are now."""
        self.recover()
        return proposing.state_now(self)[0]

    # --- commit, recover ---------------------------------------------------------------------------

    def commit(self, run: str) -> DecisionDoc:
        """Commit an approved run, once: its delta exactly, if everything it rests on still holds."""
        return committing.carry_out(self, run)

    def recover(self) -> None:
        """Finish what an earlier process left unfinished: the target first, then the ledger."""
        with self.alone(), self.ledger() as ledger:
            committing.settle(self, ledger)

    # --- record ------------------------------------------------------------------------------------

    def records(self, run: str | None = None) -> list[Record]:
        """The ledger's records (of one run), in order."""
        with self.ledger() as ledger:
            return list(ledger.records()) if run is None else ledger.find(run)

    def digests(self, run: str) -> dict[str, str]:
        """The SHA-256 of each document of a run, as it is on disk."""
        paths = sorted((self.runs.root / run).glob("*.json"))
        return {path.stem: sha256(path.read_bytes()).hexdigest() for path in paths}

    @property
    def pending(self) -> Path:
        """Names the run whose commit has started and has no recorded end."""
        return self.gate / "pending"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One process at a time commits or recovers."""
        descriptor = os.open(self.gate / "gate.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _begin(gate: Path, world: str, key: Path | None) -> None:
    """Make the gate's directory for a world that loads; the last file written makes it a workspace."""
    from_file = world.endswith((".yaml", ".yml"))
    text = Path(world).read_bytes() if from_file else b""
    if from_file:
        world_from_file(world)
    elif world != "filesystem":
        get(world)
    if key is not None:
        key = key.resolve()
        if gate.parent in key.parents:
            raise NotAWorkspace(f"the key {key}", "a key outside the directory that it guards")
        if not key.exists():
            Signer.create(key)
        Signer.load(key)
    _keep(gate)
    if from_file:
        (gate / "world.yaml").write_bytes(text)
    (gate / ".gitignore").write_text("*\n")
    settings: dict[str, Any] = {"version": 1, "world": "world.yaml" if from_file else world}
    settings |= {"key": str(key)} if key else {}
    (gate / "workspace.json").write_bytes(canonical_json(settings))


def _keep(gate: Path) -> None:
    """Make the gate's directory: its owner's alone, before anything is in it."""
    gate.mkdir(mode=0o700, exist_ok=True)

"""Workspaces for tests: a real directory (or desk) with its gate, a clock that is set by hand, and what was seen."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.gate.targets.trees import Tree, build
from worldgate.facts import State
from worldgate.gate.audit import Audit, audit
from worldgate.gate.budget import Budget
from worldgate.gate.plan import Plan, Step, make_plan
from worldgate.gate.policy import Policy, make_policy
from worldgate.gate.proposal import Proposal
from worldgate.gate.workspace import Workspace

START = datetime(2026, 1, 1, tzinfo=UTC)
SMALL: Tree = {"a": b"one\n", "b": b"two\n", "d": None, "d/x": b"x\n", "d/y": b"y\n"}


class Clock:
    """Time as the test sets it; each look at it is a millisecond later."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> str:
        self.now += timedelta(milliseconds=1)
        return self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class House:
    """A workspace and the shortest way to use it."""

    def __init__(self, root: Path, tree: Tree | None = None, world: str = "filesystem") -> None:
        self.root, self.clock = root, Clock()
        build(root, SMALL if tree is None else tree)
        Workspace.make(root, world)

    @property
    def workspace(self) -> Workspace:
        """The workspace, opened anew as a new process would."""
        return Workspace(self.root, self.clock)

    def policy(self, **fields: Any) -> Policy:
        world = self.workspace.guarded.world
        return make_policy({"version": 1, "world": world.name, **fields}, "test", world.schema)

    def planned(self, *steps: str | Step, **fields: Any) -> Plan:
        return make_plan(steps, world=self.workspace.guarded.world.name, **fields)

    def plan(self, *steps: str | Step, budget: dict[str, Any] | None = None, **rules: Any) -> Proposal:
        """Simulate a chain of steps under a policy of these rules."""
        return self.workspace.plan(self.planned(*steps), self.policy(**rules), Budget.of(budget or {}))

    def command(self, line: str, **rules: Any) -> Proposal:
        """Run a shell line in the kernel."""
        return self.workspace.run_command([line], self.policy(**rules), Budget.of({}))

    def commit(self, proposal: Proposal) -> str:
        self.workspace.commit(proposal.id)
        return proposal.id

    def do(self, *steps: str | Step, **options: Any) -> str:
        """Simulate and commit; the run's id."""
        return self.commit(self.plan(*steps, **options))

    def undo(self, run: str) -> str:
        return self.commit(self.workspace.undo(run))

    def kinds(self, run: str = "") -> list[str]:
        """The kinds of a run's records, in order."""
        return [record.kind for record in self.workspace.records(run or None)]

    def count(self) -> Counter[str]:
        return Counter(self.kinds())

    def audit(self) -> Audit:
        return audit(self.workspace)

    def state(self) -> State:
        """Every fact of the target as it is now (a state on a source would still read it later)."""
        guarded = self.workspace.guarded
        return State.of(guarded.world.schema, guarded.source().facts())


def numbers(proposal: Proposal) -> list[str]:
    """The numbers of a proposal's breaches."""
    return [breach.number for breach in proposal.decision.breaches]


def assert_whole(house: House) -> None:
    """The record holds, and running it again gives the same."""
    assert house.audit().problems == ()

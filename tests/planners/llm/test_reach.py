"""No planner can reach a commit: not by what it imports, and not by what it is handed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import grimp
import pytest

from tests.gate.houses import House
from worldgate.gate.budget import Budget, Meter
from worldgate.gate.decision import Decision
from worldgate.gate.guarded import GuardedDirectory, GuardedStore
from worldgate.gate.ledger import Ledger
from worldgate.gate.plan import Plan
from worldgate.gate.targets.directory import DirectoryTarget
from worldgate.gate.targets.store import StoreTarget
from worldgate.gate.workspace import Workspace
from worldgate.planners.llm import Reply, plan_with_repairs

from .desk import GOOD, VERIFY, propose, task
from .endpoint import plan

COMMITS = ("workspace", "guarded", "targets", "ledger", "approvals", "store", "head", "signing", "audit")
POWERFUL = (Workspace, GuardedDirectory, GuardedStore, DirectoryTarget, StoreTarget, Ledger)


def test_nothing_a_planner_imports_leads_to_a_commit() -> None:
    graph = grimp.build_graph("worldgate")
    planners = {"worldgate.planners", *graph.find_descendants("worldgate.planners")}
    assert {"worldgate.planners.script", "worldgate.planners.llm.planner"} <= planners
    forbidden = {
        module
        for name in COMMITS
        for module in ({f"worldgate.gate.{name}"} | set(graph.find_descendants(f"worldgate.gate.{name}")))
    }
    assert {"worldgate.gate.workspace", "worldgate.gate.targets.directory"} <= forbidden
    reached = {(one, other) for one in planners for other in graph.find_upstream_modules(one) & forbidden}
    assert reached == set()
    assert graph.find_upstream_modules("worldgate.cli") & forbidden, "the finder finds"


def reachable(*roots: Any) -> Iterator[Any]:
    """Every object behind these, but what any code can have by importing it: modules, classes, module globals."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, ModuleType | type):
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, FunctionType):
            waiting += [one.__closure__, one.__defaults__, one.__kwdefaults__, one.__dict__]
        else:
            waiting += gc.get_referents(one)


def powerful(*roots: Any) -> list[Any]:
    return [one for one in reachable(*roots) if isinstance(one, POWERFUL)]


class Curious:
    """A planner's model that keeps everything it is given."""

    name, model = "curious", "m"

    def __init__(self) -> None:
        self.given: list[Any] = []

    def ask(self, *given: Any, **named: Any) -> Reply:
        self.given += [given, named]
        return Reply(plan(GOOD), "stop", None)


def test_what_a_model_is_given_is_text_and_numbers() -> None:
    model = Curious()
    assert propose(model).plan is not None
    kinds = {type(one) for one in reachable(*model.given)}
    assert {kind.__name__ for kind in kinds} == {"tuple", "dict", "str", "int", "float", "Message"}


def test_what_a_planner_is_given_leads_to_no_workspace(tmp_path: Path) -> None:
    house = House(tmp_path / "w", {}, "support-desk")
    workspace = house.workspace
    meter = Meter(Budget.of({}))
    with workspace.ledger():
        assert powerful(Curious(), task(), VERIFY, meter) == []
    assert sum(1 for _ in reachable(VERIFY)) > 1000, "the state and the world are behind it"
    assert plan_with_repairs(Curious(), task(), VERIFY, meter).plan is not None


@pytest.mark.parametrize("where", ["closure", "default", "attribute", "method"])
def test_the_walk_finds_a_workspace_wherever_it_hides(tmp_path: Path, where: str) -> None:
    workspace = House(tmp_path / "w", {}, "support-desk").workspace

    def closing(found: Plan) -> Decision:
        return workspace.plan(found, None, None).decision  # type: ignore[arg-type]

    def default(found: Plan, hidden: Any = workspace) -> Decision:
        return VERIFY(found)

    def attribute(found: Plan) -> Decision:
        return VERIFY(found)

    attribute.hidden = workspace  # type: ignore[attr-defined]
    hiding = {"closure": closing, "default": default, "attribute": attribute, "method": workspace.plan}
    assert powerful(hiding[where]) != []

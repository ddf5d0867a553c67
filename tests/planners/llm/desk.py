"""The support desk as planners meet it: a task, a verifier, a meter."""

from __future__ import annotations

from typing import Any

from worldgate.gate.budget import Budget, Meter
from worldgate.gate.policy import make_policy
from worldgate.planners.llm import Task, describe, plan_with_repairs, verifier
from worldgate.planners.llm.model import Model
from worldgate.planners.script import Proposed
from worldgate.worlds import get

WORLD = get("support-desk")
STATE = WORLD.initial(0)
POLICY = make_policy({"version": 1, "world": "support-desk", "edits": {"refund": 1}}, "test", WORLD.schema)
VERIFY = verifier(WORLD, STATE, POLICY, Budget.of({}))
GOOD = 'refund(refund: "r1", order: "o1", customer: "ada", amount: 500)'
TOO_MUCH = 'refund(refund: "r1", order: "o1", customer: "ada", amount: 900000)'


def task(goal: str = "refund order o1") -> Task:
    return describe(WORLD, STATE, POLICY, goal)


def propose(model: Model, *, budget: dict[str, Any] | None = None, **options: Any) -> Proposed:
    options = {"seconds": 10.0, **options}
    return plan_with_repairs(model, task(), options.pop("verify", VERIFY), Meter(Budget.of(budget or {})), **options)

"""Shrink a refusal: the shortest prefix of the plan that is refused by one of the same rules, and the steps in it
that suffice.

Up to `MANY` steps every shorter prefix is tried. Beyond, a prefix is found by halving: it is refused, and without
its last step it is not, but where a later step takes back what an earlier one broke, a shorter one may be refused.
Which steps suffice is found by leaving out one after the other, for plans of the oracle only. A refusal for what
may come of a plan is not shrunk: each prefix would be played over all futures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..facts import Error
from .budget import Meter
from .decision import Breach
from .plan import Step, make_plan
from .run import Shrunk
from .simulate import Did, Simulation, simulate

if TYPE_CHECKING:
    from .verify import Verification

MANY = 64


def shortest(judge: Verification, stage: str, breaches: Sequence[Breach], simulation: Simulation) -> Shrunk | None:
    """What is shown of a refusal at `stage`. `judge` is asked again and again; its warnings and meter are its own."""
    order, rules = judge.plan.order, {breach.rule for breach in breaches}
    steps = {breach.step for breach in breaches}
    suffices: tuple[str, ...] = ()
    if stage == "risk":
        return None
    if stage == "grammar":
        length = next((number for number, step in enumerate(order, 1) if step.id in steps), 0)
        suffices = tuple(step.id for step in order[length - 1 : length])
    elif stage == "plan":
        length = _first(len(order), lambda number: bool(_first_steps(judge, number).interleavings()))
    elif stage == "transitions":
        length = len(simulation.steps)
    elif simulation.steps:
        length = _first(len(simulation.steps), lambda number: bool(rules & _broken(judge, stage, simulation, number)))
    else:
        length = _first(len(order), lambda number: _too_many(judge, number))
    if not 0 < length <= len(order):
        return None
    shown = order[:length]
    if stage in ("transitions", "final") and judge.plan.engine == "oracle" and length <= MANY:
        suffices = tuple(step.id for step in _needed(judge, shown, rules))
    return Shrunk(prefix=tuple(step.id for step in shown), suffices=suffices if 0 < len(suffices) < length else ())


def _first(length: int, refused: Callable[[int], bool]) -> int:
    """The least number of steps that is refused; all of them are."""
    if length <= MANY:
        return next((number for number in range(1, length) if refused(number)), length)
    low, high = 0, length
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if refused(middle) else (middle, high)
    return high


def _first_steps(judge: Verification, number: int) -> Verification:
    return judge.again(msgspec.structs.replace(judge.plan, steps=judge.plan.order[:number]))


def _broken(judge: Verification, stage: str, simulation: Simulation, number: int) -> set[str]:
    again, prefix = judge.again(), simulation.prefix(number)
    return {breach.rule for breach in (again.spend(prefix) if stage == "budget" else again.final(prefix))}


def _too_many(judge: Verification, number: int) -> bool:
    try:
        Meter(judge.meter.budget).reserve("steps", number)
    except Error:
        return True
    return False


def _needed(judge: Verification, steps: Sequence[Step], rules: set[str]) -> list[Step]:
    kept = list(steps)
    for step in steps[:-1]:
        fewer = [other for other in kept if other is not step]
        if _still_refused(judge, fewer, rules):
            kept = fewer
    return kept


def _still_refused(judge: Verification, steps: Sequence[Step], rules: set[str]) -> bool:
    chain = [Step(id=step.id, do=step.do) for step in steps]
    plan = make_plan(chain, world=judge.plan.world, intent=judge.plan.intent)
    again, done = judge.again(plan), list[Did]()
    try:
        for did in simulate(judge.world, judge.state, plan, judge.conditions):
            done.append(did)
            if found := again.transition(did):
                return bool(rules & {breach.rule for breach in found})
    except Exception:  # a world that raises is refused for that, not for these rules
        return False
    return bool(rules & {breach.rule for breach in again.final(Simulation(plan, judge.state, tuple(done)))})

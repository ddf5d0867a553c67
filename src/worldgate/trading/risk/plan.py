"""A plan with time in it: what is done, and how many bars pass in between.

    [buy 10 AAPL, tick 50]                  an order, then fifty bars
    {world: market, steps: [buy 10 AAPL limit 99.5 day, tick, sell 10 AAPL, tick 5]}

The file is that of any plan, a chain without conditions. The bars are sampled: a `tick` that gives its own is refused.
In a plan without any `tick`, a given number of bars passes at its end. Written out with the bars of one future
(`script`), it is a plan file that the world replays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...gate.plan import MAX_STEPS, Plan, load_plan
from ...worlds.market.actions import Action, Tick, parse
from .errors import BadRiskPlan

_TICK = re.compile(r"tick(?: ([1-9][0-9]{0,4}))?", re.ASCII)


class RiskPlan(NamedTuple):
    """Actions, and counts of bars that pass (ints)."""

    entries: tuple[Action | int, ...]
    digest: str

    @property
    def steps(self) -> int:
        """How many bars pass."""
        return sum(entry for entry in self.entries if isinstance(entry, int))

    @property
    def actions(self) -> list[Action]:
        return [entry for entry in self.entries if not isinstance(entry, int)]

    def walk(self, ticks: Iterable[Tick]) -> Iterator[Action]:
        """The actions with these ticks in their places."""
        coming = iter(ticks)
        for entry in self.entries:
            if isinstance(entry, int):
                for _ in range(entry):
                    yield next(coming)
            else:
                yield entry


def load_risk_plan(text: str, steps: int, name: str = "plan") -> RiskPlan:
    """The plan of a YAML or JSON text; `steps` bars pass at its end when it has no `tick`. Raises `BadRiskPlan`,
    `BadPlan` and `Outside`."""
    return risk_plan(load_plan(text, name=name, world="market"), steps)


def risk_plan(plan: Plan, steps: int) -> RiskPlan:
    """The same of a plan that is loaded. An undo does what is done already: only bars pass after it."""
    if plan.engine == "undo":
        return RiskPlan((steps,), plan.digest)
    _chain(plan)
    entries = [_entry(step.do) for step in plan.order]
    if not any(isinstance(entry, int) for entry in entries):
        entries.append(steps)
    found = RiskPlan(tuple(entries), plan.digest)
    if len(found.actions) + found.steps > MAX_STEPS:
        raise BadRiskPlan(f"{len(found.actions)} actions and {found.steps} bars", f"at most {MAX_STEPS} together")
    return found


def written(text: str, name: str = "plan") -> list[Action]:
    """The actions of a plan file that gives its own bars, as `script` writes it. Raises as `load_risk_plan` does."""
    plan = load_plan(text, name=name, world="market")
    _chain(plan)
    actions = [parse(step.do) for step in plan.order]
    if not any(isinstance(action, Tick) for action in actions):
        raise BadRiskPlan(f"{name}: no bars", "`tick` lines with theirs, as `--worst` writes them")
    return actions


def _chain(plan: Plan) -> None:
    conditional = any(step.when for step in plan.steps)
    if plan.world != "market" or plan.engine != "oracle" or not plan.is_chain or conditional:
        raise BadRiskPlan("a plan with branches, conditions, a kernel or another world", "a chain of market actions")


def _entry(text: str) -> Action | int:
    if match := _TICK.fullmatch(text):
        return int(match[1] or 1)
    action = parse(text)
    if isinstance(action, Tick):
        raise BadRiskPlan(f"{text:.60}", "`tick` or `tick N`", "Leave the bars to the sampler.")
    return action


def script(plan: RiskPlan, ticks: Sequence[Tick], note: str) -> str:
    """The plan file of one future."""
    lines = [f"note: {json.dumps(note)}", "world: market", "steps:"]
    return "\n".join([*lines, *(f"- {json.dumps(str(action))}" for action in plan.walk(ticks))]) + "\n"

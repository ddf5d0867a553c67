"""Plan with repairs: ask, read, verify; on a refusal ask again with the reasons, a bounded number of times.

Guarantees: a plan that is returned is the one that `verify` approved, with its provenance in it; every call fits the
meter before it is made; an endpoint's failure ends the planning and is tried again by nobody here. The planner gets a
task (text), a pure function and a meter: no workspace, no target, nothing that commits.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import msgspec

from ...facts import State, canonical_json
from ...gate.budget import Budget, Meter
from ...gate.decision import Decision
from ...gate.plan import Plan, Provenance
from ...gate.policy import Policy
from ...gate.risk import Assess
from ...gate.verify import Verification
from ...worlds import World
from ..script import NoPlan, NotApproved, Proposed, Verify
from .errors import BadSetting, CutOff, Declined, Unusable
from .model import Message, Model, Reply
from .parse import SCHEMA, parse_answer
from .prompt import Task, digest, prompt
from .repair import repair
from .spend import Price, Spending, most, seconds_left

MAX_REPAIRS = 20
_BESIDE = len(canonical_json(SCHEMA)) + 1024
"""Tokens for what is sent or added beside the messages: the schema, and a model's own preamble for tools."""


def verifier(
    world: World, state: State, policy: Policy, budget: Budget, *, whole: bool = True, assess: Assess | None = None
) -> Verify:
    """Judges plans from one state as a workspace would. `whole`: the state is all there is (no directory behind it);
    `assess` answers what the policy asks about futures."""

    def verify(plan: Plan) -> Decision:
        return Verification(world, state, plan, policy, Meter(budget), whole=whole, assess=assess).of_plan().decision

    return verify


def plan_with_repairs(
    model: Model,
    task: Task,
    verify: Verify,
    meter: Meter,
    *,
    repairs: int = 2,
    max_tokens: int = 4096,
    seconds: float = 60.0,
    price: Price | None = None,
    clock: Callable[[], float] = monotonic,
) -> Proposed:
    """A plan of the model's that `verify` approves, or why there is none.

    At most `repairs` + 1 calls, each of at most `max_tokens` written tokens and `seconds` (or what the meter has left).
    With a `price`, money is reserved too. `clock` counts seconds.
    """
    _check(repairs, max_tokens, seconds)
    asking = _Asking(model, Spending(meter, price), max_tokens, seconds, clock)
    messages, attempt, answer = prompt(task), 0, ""
    while True:
        attempt += 1
        origin = Provenance(name=model.name, model=model.model, prompt=digest(messages), attempts=attempt)
        rejection: NoPlan
        try:
            reply = asking.ask(messages)
            answer = reply.text
            plan = parse_answer(_whole(reply), task.world, origin)
            decision = verify(plan)
            if decision.verdict == "approve":
                return Proposed(plan, None, origin, asking.spending.to_json())
            rejection = NotApproved(decision, attempt)
        except NoPlan as error:
            rejection = error
        if attempt > repairs or not _repairable(rejection):
            return Proposed(None, rejection, origin, asking.spending.to_json())
        messages += repair(answer, rejection)


def _repairable(rejection: NoPlan) -> bool:
    """Whether the model can do something about it: its answer was no plan, or the plan was refused."""
    if isinstance(rejection, NotApproved):
        return rejection.decision.verdict != "terminate"
    return isinstance(rejection, Unusable)


class _Asking(msgspec.Struct, frozen=True):
    """Calls of one model, each within its reservation."""

    model: Model
    spending: Spending
    max_tokens: int
    seconds: float
    clock: Callable[[], float]

    def ask(self, messages: tuple[Message, ...]) -> Reply:
        """One call; raises a `NoPlan`, with the call on the meter in any case."""
        spending = self.spending
        seconds = seconds_left(spending.meter, self.seconds)
        spending.reserve(most(messages, _BESIDE, self.max_tokens), seconds)
        reply, began = None, self.clock()
        try:
            reply = self.model.ask(messages, max_tokens=self.max_tokens, seconds=seconds)
        except NoPlan:
            raise
        except Exception as error:  # whatever a library raises over hostile input
            raise NoPlan(f"{error!r:.200}", "a reply") from error
        finally:
            spending.settle(reply and reply.usage, self.clock() - began)
        if reply.end == "declined":
            raise Declined(f"{reply.text or 'no reason'!r:.200}", "an answer")
        return reply


def _whole(reply: Reply) -> str:
    if reply.end == "length":
        raise CutOff(f"{len(reply.text)} characters, cut off at the limit of tokens", "a whole answer", "Be shorter.")
    return reply.text


def _check(repairs: int, max_tokens: int, seconds: float) -> None:
    for name, given, low, high in (
        ("repairs", repairs, 0, MAX_REPAIRS), ("max_tokens", max_tokens, 1, 10**6), ("seconds", seconds, 0.001, 86_400),
    ):  # fmt: skip
        if isinstance(given, bool) or not isinstance(given, int | float) or not low <= given <= high:
            raise BadSetting(f"{name} {given!r:.60}", f"from {low} to {high}")

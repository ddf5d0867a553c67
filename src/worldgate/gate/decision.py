"""What a verification says: breaches, and the decision over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

NUMBERS: dict[str, tuple[str, str]] = {
    "WG311": ("lock", "Two steps that may run at once need the same exclusive resource."),
    "WG312": ("capacity", "Steps that may run at once need more of a resource than there is."),
    "WG313": ("consumable", "A consumable runs out in some order of the steps."),
    "WG314": ("order", "The result, or what a step sees, depends on the order."),
    "WG315": ("refused in some order", "A step is refused in some order."),
    "WG316": ("condition depends on the order", "A condition holds in some orders and not in others."),
    "WG317": ("bound", "There are more orders than the bound; not all were looked at."),
    "WG318": ("limit of the world", "The plan exceeds a limit of its world."),
    "WG320": ("invariant of the world", "The world's own invariant does not hold at the end."),
    "WG321": ("exit", "A step fails, and no later condition looks at its status."),
    "WG322": ("refused by the world", "The world refuses a step, for a reason without a number of its own."),
    "WG323": ("another world", "The plan is for another world than the workspace guards."),
    "WG324": ("not simulated", "Not every step of the plan was simulated."),
    "WG325": ("no way back", "An action of the run has no undo in its world."),
    "WG326": ("ended by a limit", "A command was ended by one of its limits; what it did is half done."),
    "WG327": ("event", "A plan contains what the world alone brings about, such as a market's bar."),
    "WG465": ("futures are not sampled", "The policy asks about the futures of a plan, and nothing here can answer."),
    "WG399": ("raised", "A rule, a world or a policy raised an error while judging."),
}
"""What verification itself can say: number, name, meaning. Those of policies are in `rules`."""

Verdict = Literal["approve", "modify", "reject", "escalate", "terminate"]
"""approve: as it is. modify: another plan is proposed in its place. reject: not this one.
escalate: a person decides. terminate: stop the actor."""
TOLD: Mapping[Verdict, str] = {"approve": "approved", "reject": "rejected"}
"""Verdicts as people are told them, where that is another word."""


class Breach(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule that a run breaks.

    `number` identifies the kind of rule for ever; `rule` is its name in the policy. `found` and
    `allowed` are the observed value and the limit, `margin` by how much (0 when it is not a quantity; all
    three are texts when it is a fraction); `fact` is the smallest fact or edit that did it, as a line; `step`
    the plan's step.
    """

    number: str
    rule: str
    message: str
    found: str | int = ""
    allowed: str | int = ""
    margin: int | str = 0
    fact: str = ""
    step: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a run, the stage that settled it, and every breach of that stage."""

    verdict: Verdict
    stage: str
    breaches: tuple[Breach, ...] = ()

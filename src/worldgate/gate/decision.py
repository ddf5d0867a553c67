"""What a verification says: breaches, and the decision over them."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["approve", "modify", "reject", "escalate", "terminate"]
"""approve: as it is. modify: another plan is proposed in its place. reject: not this one.
escalate: a person decides. terminate: stop the actor."""


class Breach(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule that a run breaks.

    `number` identifies the kind of rule for ever; `rule` is its name in the policy. `found` and
    `allowed` are the observed value and the limit, `margin` by how much (0 when it is not a
    quantity); `fact` is the smallest fact or edit that did it, as a line; `step` the plan's step.
    """

    number: str
    rule: str
    message: str
    found: str | int = ""
    allowed: str | int = ""
    margin: int = 0
    fact: str = ""
    step: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a run, the stage that settled it, and every breach of that stage."""

    verdict: Verdict
    stage: str
    breaches: tuple[Breach, ...] = ()

"""What a planner hands over, and the simplest planner: a plan file.

A `Proposed` is a plan that stood the verification it was given, or the numbered reason why there is none; never
both, never neither. It carries no right: the gate judges the plan again, and only the gate commits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ..facts import Error
from ..gate.decision import Breach, Decision
from ..gate.plan import BadPlan, Plan, Provenance, load_plan

Verify = Callable[[Plan], Decision]
"""Simulates and judges a plan. Pure: it changes nothing, and the same plan gets the same decision."""


class NoPlan(Error):
    number, title = "WG350", "the planner gave no plan"


class NotApproved(NoPlan):
    """The plan was refused, and no attempt is left. `decision` says why."""

    number, title = "WG366", "the plan is refused"

    def __init__(self, decision: Decision, attempts: int) -> None:
        first = decision.breaches[0].message if decision.breaches else "no breach named"
        super().__init__(f"{decision.verdict} at {decision.stage} after {attempts} attempts: {first}", "approve")
        self.decision = decision

    @property
    def breaches(self) -> tuple[Breach, ...]:
        return self.decision.breaches


@dataclass(frozen=True)
class Proposed:
    """A plan or a rejection, with where it comes from and what it used (resources of a budget, as text or counts)."""

    plan: Plan | None
    rejection: Error | None
    provenance: Provenance
    usage: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.plan is None) == (self.rejection is None):
            raise NoPlan(f"plan {self.plan!r:.60} and rejection {self.rejection!r:.60}", "exactly one of them")

    def to_json(self) -> dict[str, Any]:
        """Plain data: what `canonical_json` takes."""
        breaches = self.rejection.breaches if isinstance(self.rejection, NotApproved) else ()
        refused = self.rejection and {**self.rejection.to_json(), "breaches": breaches}
        return {"plan": self.plan, "rejection": refused, "planner": self.provenance, "usage": dict(self.usage)}


def script(text: str, verify: Verify, *, name: str = "plan", world: str = "filesystem") -> Proposed:
    """The plan of a plan file, verified. The plan is the file's, unchanged: its digest is that of the file alone."""
    data = text.encode("utf-8", "surrogatepass")
    provenance = Provenance(name="script", model="", prompt=sha256(data).hexdigest(), attempts=1)
    try:
        plan = load_plan(text, name=name, world=world)
    except BadPlan as error:
        return Proposed(None, error, provenance)
    decision = verify(plan)
    if decision.verdict != "approve":
        return Proposed(None, NotApproved(decision, 1), provenance)
    return Proposed(plan, None, provenance)

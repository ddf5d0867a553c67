"""Again: a recorded run verified once more, from any state.

An audit does it from the recorded facts and must find the same; a commit does it from the target as it is now,
because a decision may rest on more than what the plan itself looked at (a policy's invariants, a world's
properties). A plan for the oracle is simulated anew; what a command or an undo did is judged as it was recorded.
"""

from __future__ import annotations

from ..facts import Fact, State, delta_from_json, facts_from_json
from .budget import Budget, Meter
from .guarded import Guarded
from .policy import make_policy
from .risk import Answers
from .run import BadRun, DeltasDoc, RunDoc, TrajectoryDoc
from .simulate import Did
from .verify import Verification, Verified


def session_of(guarded: Guarded, doc: RunDoc) -> list[Fact]:
    """The recorded facts of the acting process."""
    return facts_from_json(guarded.world.schema, doc.session)


def verify_again(
    guarded: Guarded,
    state: State,
    doc: RunDoc,
    deltas: DeltasDoc,
    trajectory: TrajectoryDoc,
    answers: Answers | None = None,
) -> tuple[Verified, Meter]:
    """The verification of a recorded run from `state`, and what it uses of its budget. `answers` are those to what
    its policy asks about futures."""
    world = guarded.world
    policy = make_policy(doc.policy, "recorded", world.schema)
    if policy.digest != doc.policy_digest:
        raise BadRun("a policy with another digest", "the recorded policy")
    meter = Meter(Budget.of(doc.budget))
    verification = Verification(world, state, doc.plan, policy, meter, whole=guarded.whole, assess=answers)
    if doc.plan.computed:
        return verification.of_plan(), meter
    return verification.of_steps(lambda: iter([_recorded_step(state, doc, deltas, trajectory)]), doc.seen), meter


def _recorded_step(state: State, doc: RunDoc, deltas: DeltasDoc, trajectory: TrajectoryDoc) -> Did:
    delta = delta_from_json(state.schema, deltas.net)
    return Did(doc.plan.steps[0], state, state.apply(delta), delta, trajectory.steps[0].observation, frozenset())

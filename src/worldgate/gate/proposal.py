"""A proposal: a run as it was simulated and judged, and the documents that say so.

Everything here is a pure function of the verification; `workspace` saves and records it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from textwrap import shorten
from typing import Any

from ..facts import canonical_json, delta_to_json, facts_to_json, invert
from .base import addresses, observe
from .budget import Meter
from .changes import Summary
from .decision import Breach, Decision
from .guarded import Guarded
from .plan import Plan
from .policy import Policy
from .rules import Judged
from .run import (
    SCHEMA_VERSION,
    DecisionDoc,
    DeltasDoc,
    Doc,
    Rehearsal,
    RunDoc,
    StepResult,
    TrajectoryDoc,
    base_to_json,
    plain,
    run_id,
    told,
)
from .simulate import Recorder, Simulation, shared_delta
from .verify import Event, Verified, event_of

NO_WAY_BACK = "WG325"


@dataclass(frozen=True)
class Proposal:
    """A run, judged: its documents, and what it does in words."""

    docs: Mapping[str, Doc]
    summary: Summary
    simulation: Simulation

    @property
    def id(self) -> str:
        return self.docs["run"].run

    @property
    def doc(self) -> DecisionDoc:
        found = self.docs["decision"]
        assert isinstance(found, DecisionDoc)
        return found

    @property
    def decision(self) -> Decision:
        return self.doc.decision

    @property
    def approved(self) -> bool:
        return self.decision.verdict == "approve"


def digest(data: Any) -> str:
    """SHA-256 of canonical JSON."""
    return sha256(canonical_json(data)).hexdigest()


def propose(
    guarded: Guarded,
    plan: Plan,
    policy: Policy,
    meter: Meter,
    verified: Verified,
    recorder: Recorder,
    undoes: str = "",
    rests: str = "",
) -> Proposal:
    """The proposal of a verification."""
    simulation, world = verified.simulation, guarded.world
    base = observe(simulation.before, addresses(world.schema, simulation.reads, simulation.edits))
    summary = Summary(simulation.before, simulation.delta, simulation.after, network=plan.network)
    budget = meter.budget.to_json()
    run = run_id(world, plan, policy.digest, budget, base, simulation, undoes, rests)
    approved = verified.decision.verdict == "approve"
    happens = plan.engine == "event"
    named: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "run": run}
    docs: dict[str, Doc] = {
        "decision": DecisionDoc(
            **named,
            decision=verified.decision,
            changes=summary.rows,
            totals=dict(summary.totals),
            cannot_be_undone=(*summary.notes, *no_way_back(plan, simulation)),
            undo=rehearse(simulation, policy, event_of(world)) if approved and not undoes and not happens else None,
            refused_prefix=verified.shrunk,
            warnings=verified.warnings,
            budget=meter.to_json(),
        ),
        "trajectory": TrajectoryDoc(
            **named,
            steps=tuple(
                StepResult(id=did.step.id, action=did.step.do, observation=told(did.observation), skipped=did.skipped)
                for did in simulation.steps
            ),
        ),
        "deltas": DeltasDoc(
            **named,
            net=delta_to_json(simulation.delta),
            steps={did.step.id: delta_to_json(shared_delta(did.before, did.delta)) for did in simulation.steps},
        ),
    }
    # last: the recorder has by now seen everything that simulation and judgement looked at
    docs["run"] = RunDoc(
        **named,
        world=world.name,
        world_version=world.version,
        facts_schema=world.schema.digest,
        plan=plan,
        policy=plain(policy.document),
        policy_digest=policy.digest,
        budget=budget,
        base=base_to_json(base),
        session=facts_to_json(guarded.session()),
        facts=facts_to_json(recorder.recorded()),
        seen=simulation.seen,
        undoes=undoes,
        rests=rests,
    )
    return Proposal(docs, summary, simulation)


def no_way_back(plan: Plan, simulation: Simulation) -> tuple[str, ...]:
    """What will not be undone: of events, none ever is."""
    if plan.engine == "event":
        return ("what happened: events have no undo",)
    return tuple(f"{shorten(do, 100)}: there is no way back" for do in simulation.one_way)


def rehearse(simulation: Simulation, policy: Policy, event: Event) -> Rehearsal:
    """The undo, computed and judged now: the inverse delta, from the state the run leads to."""
    inverse = invert(simulation.delta)
    back = simulation.after.apply(inverse)
    breaches = []
    if policy.enforced:
        breaches += policy.judge(Judged(simulation.after, back, inverse))
        stepwise = policy.judge(Judged(simulation.after, back, inverse, step="undo"))
        breaches += [breach for breach in stepwise if breach.rule.startswith("measures.")]  # which only steps break
    if event(simulation.after, back):
        breaches.append(Breach(number="WG327", rule="event", message="events are not undone"))
    if simulation.one_way:
        message = f"{shorten(simulation.one_way[0], 100)} has no way back"
        breaches.append(Breach(number=NO_WAY_BACK, rule="undo", message=message))
    return Rehearsal(approved=not breaches, edits=len(inverse), breaches=tuple(breaches))

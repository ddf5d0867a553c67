"""Proposing: what is behind `Workspace.plan`, `run_command`, `happen` and `undo`. Nothing is changed here.

state now -> simulate, or run in isolation -> verify -> documents saved -> recorded, and approved if it may be done
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..facts import Error, State, delta_from_json
from . import approvals
from .base import Mismatch
from .budget import UNLIMITED, Budget, Meter
from .guarded import state_of
from .inverse import inverse
from .plan import BadPlan, Plan, Step, finish_plan, make_plan
from .policy import Policy, make_policy
from .proposal import NO_WAY_BACK, Proposal, digest, propose
from .run import RunDoc
from .simulate import Did, Recorder
from .targets.stale import Stale
from .verify import Verification, Verified

if TYPE_CHECKING:
    from .workspace import Workspace

APPROVAL_LASTS = timedelta(hours=24)
LONGEST = 86_400.0
"""Seconds that a command may run when its budget does not limit them."""


class NothingToUndo(Error):
    number, title = "WG623", "the run cannot be undone"


def of_plan(workspace: Workspace, plan: Plan, policy: Policy, budget: Budget) -> Proposal:
    if plan.engine == "kernel":
        return _command(workspace, plan, ["/bin/sh", "-c", plan.steps[0].do], policy, budget, None)
    if plan.engine != "oracle":
        raise BadPlan(f"engine {plan.engine}", "oracle or kernel", "Undo and events make plans of their own.")
    return _simulated(workspace, plan, policy, budget)


def _simulated(workspace: Workspace, plan: Plan, policy: Policy, budget: Budget) -> Proposal:
    workspace.recover()
    state, recorder = state_now(workspace)
    meter = Meter(budget)
    verified = _verification(workspace, state, plan, policy, meter).of_plan()
    return _record(workspace, plan, policy, meter, verified, recorder)


def of_command(
    workspace: Workspace,
    argv: Sequence[str],
    policy: Policy,
    budget: Budget,
    *,
    network: bool = False,
    cwd: Path | None = None,
) -> Proposal:
    line = argv[0] if len(argv) == 1 else shlex.join(argv)
    plan = make_plan([line], engine="kernel", network=network, world=workspace.guarded.world.name)
    return _command(workspace, plan, ["/bin/sh", "-c", line] if len(argv) == 1 else argv, policy, budget, cwd)


def _command(
    workspace: Workspace, plan: Plan, argv: Sequence[str], policy: Policy, budget: Budget, cwd: Path | None
) -> Proposal:
    workspace.recover()
    limit = budget.to_json()["seconds"]
    seconds = LONGEST if limit == UNLIMITED else min(float(limit), LONGEST)
    began = monotonic()
    ran = workspace.guarded.run(argv, network=plan.network, cwd=cwd, seconds=seconds)
    used = {"seconds": f"{monotonic() - began:.3f}"}  # in the record only: equal effects are equal runs
    state, recorder = state_now(workspace)
    did = Did(plan.steps[0], state, state.apply(ran.delta), ran.delta, ran.observation, frozenset())
    return _judge_one(workspace, plan, policy, Meter(budget), did, recorder, seen=ran.seen, used=used)


def of_events(workspace: Workspace, events: Sequence[str]) -> Proposal:
    world = workspace.guarded.world
    plan = make_plan(events, engine="event", world=world.name)
    return _simulated(workspace, plan, Policy.default(world.name, world.schema), Budget.of({"steps": len(events)}))


def of_undo(workspace: Workspace, run: str, policy: Policy | None = None) -> Proposal:
    workspace.recover()
    run = workspace.runs.resolve(run)
    records = workspace.records(run)
    done = max((record.seq for record in records if record.kind == "committed"), default=0)
    started = [record for record in records if record.kind == "started" and record.seq < done]
    if not started:
        raise NothingToUndo(f"{run[:12]}, never committed", "a committed run")
    for record in records:
        if record.kind == "undone" and record.seq > done:
            raise NothingToUndo(f"{run[:12]}, already undone by {record.data['by'][:12]}", "a run not undone yet")
    doc: RunDoc = workspace.runs.load(run, "run")
    plan = finish_plan(Plan(steps=(Step(do=run, id="undo"),), engine="undo", world=doc.world))
    state, recorder = state_now(workspace)
    said = started[-1].data
    delta = inverse(state, delta_from_json(state.schema, said["delta"]), said["places"])
    drifted = [
        Mismatch.of(state.schema, (edit.relation, edit.key), edit.before, actual)
        for edit in delta
        if (actual := state.get(edit.relation, edit.key)) != edit.before
    ]
    if drifted:
        error = Stale.of(drifted)
        error.do = "What came after the run changed this too: undo that first, where it has an undo."
        raise error
    refused = {"number": NO_WAY_BACK, "rule": "undo", "message": f"no way back from {', '.join(said['one_way'])}"}
    seen = {"refused": refused} if said["one_way"] else {}
    did = Did(plan.steps[0], state, state.apply(delta), delta, seen, frozenset())
    policy = policy or make_policy(doc.policy, "recorded", workspace.guarded.world.schema)
    return _judge_one(workspace, plan, policy, Meter(Budget.of(doc.budget)), did, recorder, undoes=run)


def state_now(workspace: Workspace) -> tuple[State, Recorder]:
    recorder = Recorder(workspace.guarded.source())
    return state_of(workspace.guarded, recorder), recorder


def _verification(workspace: Workspace, state: State, plan: Plan, policy: Policy, meter: Meter) -> Verification:
    guarded, answers = workspace.guarded, workspace.answers
    return Verification(guarded.world, state, plan, policy, meter, whole=guarded.whole, assess=answers)


def _judge_one(
    workspace: Workspace,
    plan: Plan,
    policy: Policy,
    meter: Meter,
    did: Did,
    recorder: Recorder,
    *,
    seen: str = "",
    **told: Any,
) -> Proposal:
    verified = _verification(workspace, did.before, plan, policy, meter).of_steps(lambda: iter([did]), seen)
    return _record(workspace, plan, policy, meter, verified, recorder, **told)


def _record(
    workspace: Workspace,
    plan: Plan,
    policy: Policy,
    meter: Meter,
    verified: Verified,
    recorder: Recorder,
    *,
    undoes: str = "",
    used: Mapping[str, str] | None = None,
) -> Proposal:
    answers = workspace.answers if policy.risk else None
    rests = answers.rests(verified.simulation.before) if answers else ""
    proposal = propose(workspace.guarded, plan, policy, meter, verified, recorder, undoes, rests)
    if proposal.approved:
        workspace.guarded.keep(verified.simulation.delta)
    run = proposal.id
    with workspace.alone(), workspace.ledger() as ledger:
        documents, at = workspace.runs.save(dict(proposal.docs)), workspace.clock()
        body: dict[str, Any] = {"documents": documents, "plan": plan.digest, "verdict": proposal.decision.verdict}
        body |= {"used": used} if used else {}
        ledger.append("simulated" if proposal.approved else "refused", run, body, at=at)
        if proposal.approved:
            approvals.approve(ledger, run, digest(_net(proposal)), at=at, expires=_later(at), by="policy")
    return proposal


def _net(proposal: Proposal) -> Any:
    return proposal.docs["deltas"].net  # type: ignore[attr-defined]


def _later(at: str) -> str:
    moment = datetime.fromisoformat(at) + APPROVAL_LASTS
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

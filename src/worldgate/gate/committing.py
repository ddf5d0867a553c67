"""Committing: what is behind `Workspace.commit` and `recover`. The one place where things become real.

    documents as recorded -> approval unspent -> base still holds -> judged again -> spent -> target changed -> recorded

`pending` names the run from before its approval is spent until its end is recorded: whoever opens the workspace next
finishes what a killed process left.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..facts import Error, State, delta_from_json
from . import approvals
from .again import session_of, verify_again
from .base import Mismatch, mismatches
from .decision import TOLD
from .inverse import places
from .ledger import Ledger, Record
from .proposal import digest
from .run import DecisionDoc, RunDoc, base_from_json
from .targets.refusals import OutcomeUnknown
from .targets.stale import Stale
from .verify import Verified

if TYPE_CHECKING:
    from .workspace import Workspace


class NotApprovedRun(Error):
    number, title = "WG622", "the run was not approved"


class Tampered(Error):
    number, title = "WG624", "a run's documents are not the ones recorded"


def carry_out(workspace: Workspace, run: str) -> DecisionDoc:
    run = workspace.runs.resolve(run)
    with workspace.alone(), workspace.ledger() as ledger:
        settle(workspace, ledger)
        _check_documents(workspace, ledger, run)
        doc: RunDoc = workspace.runs.load(run, "run")
        decision: DecisionDoc = workspace.runs.load(run, "decision")
        if decision.decision.verdict != "approve":
            raise NotApprovedRun(f"{run[:12]}: {decision.decision.verdict}", "an approved run")
        _change(workspace, ledger, doc)
    return decision


def _change(workspace: Workspace, ledger: Ledger, doc: RunDoc) -> None:
    run, guarded, deltas = doc.run, workspace.guarded, workspace.runs.load(doc.run, "deltas")
    delta, covered = delta_from_json(guarded.world.schema, deltas.net), digest(deltas.net)
    approvals.check(ledger, run, covered, now=workspace.clock())
    base = base_from_json(guarded.world.schema, doc.base)
    state = State.of(guarded.world.schema, session_of(guarded, doc), source=guarded.source())
    if differences := mismatches(state, base):
        raise _stale(workspace, doc, state, differences)
    trajectory = workspace.runs.load(run, "trajectory")
    verified, meter = verify_again(guarded, state, doc, deltas, trajectory, workspace.answers)
    if verified.decision.verdict != "approve":
        raise NotApprovedRun(f"{run[:12]}: judged again now, {_first(verified)}", "a run that is still approved")
    if now := {(edit.relation, edit.key): edit for edit in set(verified.simulation.delta) ^ set(delta)}:
        apart = [Mismatch.of(state.schema, at, edit.before, state.get(*at)) for at, edit in now.items()]
        raise _stale(workspace, doc, state, apart)
    guarded.keep(delta, before=True)
    workspace.pending.write_text(run)
    _sync(workspace.pending)
    approvals.spend(ledger, run, covered, now=workspace.clock())
    simulation = verified.simulation
    rests = {"base": digest(doc.base), "undoes": doc.undoes, "verdict": verified.decision.verdict}
    back = {"places": places(simulation.after, delta), "one_way": simulation.one_way}
    body = {"delta": deltas.net, "budget": meter.to_json(), **rests, **back}
    started = ledger.append("started", run, body, at=workspace.clock())
    try:
        guarded.commit(_attempt(started), delta, base, seen=doc.seen)
    except OutcomeUnknown as error:
        ledger.append("unknown", run, {"error": str(error)}, at=workspace.clock())
        raise
    except Error as error:  # the target says that nothing was changed
        ledger.append("failed", run, error.to_json(), at=workspace.clock())
        workspace.pending.unlink()
        raise
    _recorded(workspace, ledger, started)


def _stale(workspace: Workspace, doc: RunDoc, state: State, differences: list[Mismatch]) -> Stale:
    """The error, with what would be decided about the same plan from here."""
    error = Stale.of(differences)
    if doc.plan.computed:
        deltas, trajectory = (workspace.runs.load(doc.run, name) for name in ("deltas", "trajectory"))
        verified, _ = verify_again(workspace.guarded, state, doc, deltas, trajectory, workspace.answers)
        error.do = f"From here the same plan: {_first(verified)}. Simulate it again to do it."
    return error


def _recorded(workspace: Workspace, ledger: Ledger, started: Record) -> None:
    """Record a commit that is done, from what was recorded when it started."""
    run, said = started.run, started.data
    body = {"delta": digest(said["delta"]), "verdict": said["verdict"], "budget": said["budget"]}
    with ledger.writing() as writing:
        writing.append("committed", run, body, at=workspace.clock())
        if said["undoes"]:
            writing.append("undone", said["undoes"], {"by": run}, at=workspace.clock())
    workspace.pending.unlink(missing_ok=True)


def _check_documents(workspace: Workspace, ledger: Ledger, run: str) -> None:
    """The documents on disk are the ones that the ledger recorded."""
    recorded = [record.data for record in ledger.find(run) if record.kind in ("simulated", "refused")]
    if not recorded or recorded[-1]["documents"] != workspace.digests(run):
        raise Tampered(run[:12], "the documents whose digests are in the ledger", "Simulate the plan again.")


def settle(workspace: Workspace, ledger: Ledger) -> None:
    """Finish what an earlier process left unfinished: the target first, then the ledger."""
    workspace.guarded.recover()
    if not workspace.pending.exists():
        return
    run = workspace.pending.read_text()
    records = ledger.find(run) if run else []
    begun = [record for record in records if record.kind in ("spent", "started")]
    since = {record.kind for record in records if begun and record.seq > begun[-1].seq}
    if not begun or since & {"committed", "failed"}:
        workspace.pending.unlink()
        return
    last = begun[-1]
    outcome: bool | None = False
    if last.kind == "started":
        delta = delta_from_json(workspace.guarded.world.schema, last.data["delta"])
        outcome = workspace.guarded.outcome(_attempt(last), delta)
    if outcome:
        _recorded(workspace, ledger, last)
    elif outcome is False:
        ledger.append("failed", run, {"error": "interrupted; nothing was changed"}, at=workspace.clock())
        workspace.pending.unlink()
    elif "unknown" not in since:
        told = {"error": "interrupted; the target is neither before nor after"}
        ledger.append("unknown", run, told, at=workspace.clock())


def _attempt(started: Record) -> str:
    """What the target knows a commit by: a run may be committed, undone and committed again."""
    return f"{started.run}.{started.seq}"


def _first(verified: Verified) -> str:
    """The verdict, with its first reason."""
    decision = verified.decision
    word = TOLD.get(decision.verdict, decision.verdict)
    return f"{word}: {decision.breaches[0].message}" if decision.breaches else word


def _sync(path: Path) -> None:
    for place_ in (path, path.parent):
        descriptor = os.open(place_, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

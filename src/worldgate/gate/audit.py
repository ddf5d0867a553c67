"""Audit: check the record, then run it again.

The chain is checked first (see docs/ledger.md). Then every run that the ledger names is taken from its own
documents: their digests must be the recorded ones; its id must be the hash of what it rests on; the plan is
simulated again from the recorded facts and must give the same steps and the same delta; the recorded policy must
decide the same. A command's run is not executed again (its machine is gone): its recorded delta is judged again.

What the target looks like now is not part of it: people may change their directory between two commits.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..facts import Error, State, delta_to_json, facts_from_json
from .again import session_of, verify_again
from .base import observe
from .chain import Record
from .proposal import digest
from .run import DecisionDoc, DeltasDoc, RunDoc, TrajectoryDoc, base_from_json, base_to_json, run_id, told
from .workspace import Workspace


class Problem(msgspec.Struct, frozen=True):
    """Something in the record that does not hold: where, and what."""

    place: str
    what: str


class Audit(msgspec.Struct, frozen=True):
    """What an audit went through and found."""

    records: int
    executed: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def audit(workspace: Workspace, *, execute: bool = True) -> Audit:
    """Check the ledger of a workspace and (with `execute`) run its runs again."""
    problems: list[Problem] = []
    notes: list[str] = []
    executed = 0
    with workspace.ledger() as ledger:
        problems += [
            Problem(f"record {damage.seq}" if damage.seq else "ledger", damage.what) for damage in ledger.verify()
        ]
        records: list[Record] = []
        try:
            records.extend(ledger.records())
        except Error as error:
            problems.append(Problem("ledger", str(error)))
    latest = {record.run: record for record in records if record.kind in ("simulated", "refused")}
    for run, record in latest.items():
        if not execute:
            break
        try:
            problems += _check_run(workspace, run, record, notes)
            executed += 1
        except (Error, msgspec.MsgspecError, OSError) as error:
            problems.append(Problem(f"run {run[:12]}", str(error)))
    problems += _check_commits(records)
    unique = tuple(dict.fromkeys(problems))
    return Audit(len(records), executed, unique, tuple(dict.fromkeys(notes)))


def _check_run(workspace: Workspace, run: str, record: Record, notes: list[str]) -> Iterator[Problem]:
    place = f"run {run[:12]}"
    recorded, found = record.data["documents"], workspace.digests(run)
    for name in sorted(recorded.keys() | found.keys()):
        if recorded.get(name) != found.get(name):
            yield Problem(place, f"{name}.json is not the document that record {record.seq} names")
    doc: RunDoc = workspace.runs.load(run, "run")
    decision: DecisionDoc = workspace.runs.load(run, "decision")
    deltas: DeltasDoc = workspace.runs.load(run, "deltas")
    trajectory: TrajectoryDoc = workspace.runs.load(run, "trajectory")
    world = workspace.guarded.world
    if (doc.world_version, doc.facts_schema) != (world.version, world.schema.digest):
        notes.append(f"{place} was made by {doc.world} {doc.world_version}; executed by {world.version}")
    facts = [*facts_from_json(world.schema, doc.facts), *session_of(workspace.guarded, doc)]
    state = State.of(world.schema, facts)
    answers = workspace.answers if doc.rests else None  # nobody answered then
    if answers and answers.rests(state) != doc.rests:
        yield Problem(place, "what its futures were drawn from is not what was recorded")
    verified, meter = verify_again(workspace.guarded, state, doc, deltas, trajectory, answers)
    simulation = verified.simulation
    if delta_to_json(simulation.delta) != deltas.net:
        yield Problem(place, "the plan has another effect than the one recorded")
    steps = [(did.step.id, told(did.observation)) for did in simulation.steps]
    if steps != [(step.id, step.observation) for step in trajectory.steps]:
        yield Problem(place, "the steps answer otherwise than recorded")
    if (verified.decision, meter.to_json()) != (decision.decision, decision.budget):
        yield Problem(place, f"judged again it is {verified.decision.verdict}, recorded {decision.decision.verdict}")
    base = base_from_json(world.schema, doc.base)
    if base_to_json(observe(simulation.before, [address for address, _ in base])) != doc.base:
        yield Problem(place, "the recorded facts are not the ones it says it rests on")
    if run_id(world, doc.plan, doc.policy_digest, doc.budget, base, simulation, doc.undoes, doc.rests) != run:
        yield Problem(place, "its id is not the hash of its inputs")


def _check_commits(records: list[Record]) -> Iterator[Problem]:
    """Every commit was simulated, approved, started and committed, with one and the same delta."""
    spent: dict[str, str] = {}
    started: dict[str, str] = {}
    for record in records:
        if record.kind == "spent":
            spent[record.run] = record.data["delta"]
        elif record.kind == "started":
            started[record.run] = digest(record.data["delta"])
            if spent.pop(record.run, None) != started[record.run]:
                yield Problem(f"record {record.seq}", f"run {record.run[:12]} began a commit that was not approved")
        elif record.kind == "committed" and started.pop(record.run, None) != record.data["delta"]:
            yield Problem(f"record {record.seq}", f"run {record.run[:12]} committed another delta than it began with")

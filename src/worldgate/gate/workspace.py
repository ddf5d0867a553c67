"""A workspace: a target with its runs and its ledger. The one place where things become real.

    propose -> simulate -> verify -> approve -> commit -> record

`plan`, `run_command` and `undo` simulate and judge; only `commit` changes the target, and only by a run
that was approved. Everything the gate keeps is below `.worldgate/` in the directory it guards.
"""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from ..facts import Error, State, canonical_json, delta_from_json
from ..worlds import get
from ..worlds.declared import world_from_file
from . import approvals
from .again import session_of, verify_again
from .base import Mismatch, mismatches
from .budget import UNLIMITED, Budget, Meter
from .guarded import Guarded, begin, guard, state_of
from .inverse import inverse, places
from .ledger import Ledger, Record, place
from .plan import BadPlan, Plan, Step, finish_plan, make_plan
from .policy import Policy, make_policy
from .proposal import NO_WAY_BACK, Proposal, digest, propose
from .run import DecisionDoc, RunDoc, Runs, base_from_json
from .signing import Signer
from .simulate import Did, Recorder
from .targets.refusals import OutcomeUnknown
from .targets.stale import Stale
from .verify import Verification, Verified

GATE = ".worldgate"
APPROVAL_LASTS = timedelta(hours=24)
LONGEST = 86_400.0
"""Seconds that a command may run when its budget does not limit them."""


class NotAWorkspace(Error):
    number, title = "WG621", "not a workspace"


class NotApprovedRun(Error):
    number, title = "WG622", "the run was not approved"


class NothingToUndo(Error):
    number, title = "WG623", "the run cannot be undone"


class Tampered(Error):
    number, title = "WG624", "a run's documents are not the ones recorded"


def now() -> str:
    """The time, as the ledger writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Workspace:
    """A directory and its gate. `find` opens the one that a path is in, `make` makes one."""

    def __init__(self, root: Path, clock: Callable[[], str] = now) -> None:
        self.root, self.clock = root, clock
        self.gate = root / GATE
        self.runs = Runs(self.gate / "runs")

    @classmethod
    def find(cls, start: Path) -> Workspace:
        """The workspace that `start` is in; raises `NotAWorkspace`."""
        start = start.resolve()
        if not start.is_dir():
            raise NotAWorkspace(str(start), "a directory that there is")
        for folder in (start, *start.parents):
            if (folder / GATE / "workspace.json").is_file():
                return cls(folder)
        raise NotAWorkspace(str(start), f"a directory with {GATE}/ in it or above it", "`worldgate init` makes one.")

    @classmethod
    def make(
        cls, root: Path, world: str = "filesystem", key: Path | None = None, first: State | None = None
    ) -> Workspace:
        """The workspace at `root`, made if there is none; its world stays, and so does its key.

        `world` is a registered name, or the path of a world file, which is copied into the gate. With `key`,
        a file outside `root` (made if it is not there), every record is signed. A world that is kept in a
        store begins with `first`, or with its initial state.
        """
        root = root.resolve()
        if not root.is_dir():
            raise NotAWorkspace(str(root), "a directory")
        found = cls(root)
        if not (found.gate / "workspace.json").exists():
            if first is not None:
                begin(found.gate, first)
            _begin(found.gate, world, key)
        found.guarded.world  # noqa: B018  (what does not load is an error here, not later)
        with found.ledger():
            return found

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The workspace's world and key."""
        found: dict[str, Any] = msgspec.json.decode((self.gate / "workspace.json").read_bytes())
        return found

    @cached_property
    def guarded(self) -> Guarded:
        """What commits change."""
        return guard(self.settings["world"], self.root, self.gate)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The workspace's ledger, open; signed when the workspace has a key."""
        key = self.settings.get("key")
        with Ledger.open(place(self.root), signer=Signer.load(Path(key)) if key else None) as found:
            yield found

    def adopt(self, why: str) -> Record:
        """Accept the ledger that is here although it was moved or restored; the record says so for ever."""
        with self.ledger() as ledger:
            return ledger.adopt(at=self.clock(), why=why)

    # --- propose, simulate, verify -----------------------------------------------------------------

    def plan(self, plan: Plan, policy: Policy, budget: Budget) -> Proposal:
        """Simulate a plan and judge it: by the oracle, or its one command by the kernel. Nothing is changed.

        Either way it starts at the workspace's root.
        """
        if plan.engine == "kernel":
            return self._command(plan, ["/bin/sh", "-c", plan.steps[0].do], policy, budget, None)
        if plan.engine != "oracle":
            raise BadPlan(f"engine {plan.engine}", "oracle or kernel", "Undo and events make plans of their own.")
        return self._simulated(plan, policy, budget)

    def _simulated(self, plan: Plan, policy: Policy, budget: Budget) -> Proposal:
        self.recover()
        state, recorder = self._state()
        meter = Meter(budget)
        verified = self._verification(state, plan, policy, meter).of_plan()
        return self._record(plan, policy, meter, verified, recorder)

    def run_command(
        self, argv: Sequence[str], policy: Policy, budget: Budget, *, network: bool = False, cwd: Path | None = None
    ) -> Proposal:
        """Run a command in isolation over a copy of the directory and judge what it did. Nothing is changed.

        A single argument is a line for the shell.
        """
        line = argv[0] if len(argv) == 1 else shlex.join(argv)
        plan = make_plan([line], engine="kernel", network=network, world=self.guarded.world.name)
        return self._command(plan, ["/bin/sh", "-c", line] if len(argv) == 1 else argv, policy, budget, cwd)

    def _command(self, plan: Plan, argv: Sequence[str], policy: Policy, budget: Budget, cwd: Path | None) -> Proposal:
        self.recover()
        limit = budget.to_json()["seconds"]
        seconds = LONGEST if limit == UNLIMITED else min(float(limit), LONGEST)
        began = monotonic()
        ran = self.guarded.run(argv, network=plan.network, cwd=cwd, seconds=seconds)
        used = {"seconds": f"{monotonic() - began:.3f}"}  # in the record only: equal effects are equal runs
        state, recorder = self._state()
        did = Did(plan.steps[0], state, state.apply(ran.delta), ran.delta, ran.observation, frozenset())
        return self._judge_one(plan, policy, Meter(budget), did, recorder, seen=ran.seen, used=used)

    def happen(self, events: Sequence[str]) -> Proposal:
        """What the world itself brings about next, such as a market's bars: simulated and recorded like a plan.

        Only the world's own rules judge it: a policy is for what actors do.
        """
        world = self.guarded.world
        plan = make_plan(events, engine="event", world=world.name)
        return self._simulated(plan, Policy.default(world.name, world.schema), Budget.of({"steps": len(events)}))

    def undo(self, run: str, policy: Policy | None = None) -> Proposal:
        """Propose the inverse of a committed run, judged like any other; committing it undoes the run."""
        self.recover()
        run = self.runs.resolve(run)
        records = self.records(run)
        done = max((record.seq for record in records if record.kind == "committed"), default=0)
        started = [record for record in records if record.kind == "started" and record.seq < done]
        if not started:
            raise NothingToUndo(f"{run[:12]}, never committed", "a committed run")
        for record in records:
            if record.kind == "undone" and record.seq > done:
                raise NothingToUndo(f"{run[:12]}, already undone by {record.data['by'][:12]}", "a run not undone yet")
        doc: RunDoc = self.runs.load(run, "run")
        plan = finish_plan(Plan(steps=(Step(do=run, id="undo"),), engine="undo", world=doc.world))
        state, recorder = self._state()
        said = started[-1].data
        delta = inverse(state, delta_from_json(state.schema, said["delta"]), said["places"])
        drifted = [
            Mismatch((edit.relation, edit.key), edit.before, actual)
            for edit in delta
            if (actual := state.get(edit.relation, edit.key)) != edit.before
        ]
        if drifted:
            raise Stale.of(drifted)
        refused = {"number": NO_WAY_BACK, "rule": "undo", "message": f"no way back from {', '.join(said['one_way'])}"}
        seen = {"refused": refused} if said["one_way"] else {}
        did = Did(plan.steps[0], state, state.apply(delta), delta, seen, frozenset())
        policy = policy or make_policy(doc.policy, "recorded", self.guarded.world.schema)
        return self._judge_one(plan, policy, Meter(Budget.of(doc.budget)), did, recorder, undoes=run)

    def state(self) -> State:
        """The target's facts as they are now."""
        self.recover()
        return self._state()[0]

    def _state(self) -> tuple[State, Recorder]:
        recorder = Recorder(self.guarded.source())
        return state_of(self.guarded, recorder), recorder

    def _verification(self, state: State, plan: Plan, policy: Policy, meter: Meter) -> Verification:
        return Verification(self.guarded.world, state, plan, policy, meter, whole=self.guarded.whole)

    def _judge_one(
        self,
        plan: Plan,
        policy: Policy,
        meter: Meter,
        did: Did,
        recorder: Recorder,
        *,
        seen: str = "",
        **told: Any,
    ) -> Proposal:
        verified = self._verification(did.before, plan, policy, meter).of_steps(lambda: iter([did]), seen)
        return self._record(plan, policy, meter, verified, recorder, **told)

    def _record(
        self,
        plan: Plan,
        policy: Policy,
        meter: Meter,
        verified: Verified,
        recorder: Recorder,
        *,
        undoes: str = "",
        used: Mapping[str, str] | None = None,
    ) -> Proposal:
        proposal = propose(self.guarded, plan, policy, meter, verified, recorder, undoes)
        if proposal.approved:
            self.guarded.keep(verified.simulation.delta)
        run = proposal.id
        with self._alone(), self.ledger() as ledger:
            documents, at = self.runs.save(dict(proposal.docs)), self.clock()
            body: dict[str, Any] = {"documents": documents, "plan": plan.digest, "verdict": proposal.decision.verdict}
            body |= {"used": used} if used else {}
            ledger.append("simulated" if proposal.approved else "refused", run, body, at=at)
            if proposal.approved:
                approvals.approve(ledger, run, digest(self._net(proposal)), at=at, expires=_later(at), by="policy")
        return proposal

    def _net(self, proposal: Proposal) -> Any:
        return proposal.docs["deltas"].net  # type: ignore[attr-defined]

    # --- commit ------------------------------------------------------------------------------------

    def commit(self, run: str) -> DecisionDoc:
        """Commit an approved run, once: its delta exactly, if everything it rests on still holds."""
        run = self.runs.resolve(run)
        with self._alone(), self.ledger() as ledger:
            self._settle(ledger)
            self._check_documents(ledger, run)
            doc: RunDoc = self.runs.load(run, "run")
            decision: DecisionDoc = self.runs.load(run, "decision")
            if decision.decision.verdict != "approve":
                raise NotApprovedRun(f"{run[:12]}: {decision.decision.verdict}", "an approved run")
            self._carry_out(ledger, doc)
        return decision

    def _carry_out(self, ledger: Ledger, doc: RunDoc) -> None:
        run, guarded, deltas = doc.run, self.guarded, self.runs.load(doc.run, "deltas")
        delta, covered = delta_from_json(guarded.world.schema, deltas.net), digest(deltas.net)
        approvals.check(ledger, run, covered, now=self.clock())
        base = base_from_json(guarded.world.schema, doc.base)
        state = State.of(guarded.world.schema, session_of(guarded, doc), source=guarded.source())
        if differences := mismatches(state, base):
            raise self._stale(doc, state, differences)
        verified, meter = verify_again(guarded, state, doc, deltas, self.runs.load(run, "trajectory"))
        if verified.decision.verdict != "approve":
            raise NotApprovedRun(f"{run[:12]}: judged again now, {_first(verified)}", "a run that is still approved")
        if now := {(edit.relation, edit.key): edit for edit in set(verified.simulation.delta) ^ set(delta)}:
            raise self._stale(doc, state, [Mismatch(at, edit.before, state.get(*at)) for at, edit in now.items()])
        guarded.keep(delta, before=True)
        self._pending.write_text(run)
        _sync(self._pending)
        approvals.spend(ledger, run, covered, now=self.clock())
        simulation = verified.simulation
        rests = {"base": digest(doc.base), "undoes": doc.undoes, "verdict": verified.decision.verdict}
        back = {"places": places(simulation.after, delta), "one_way": simulation.one_way}
        body = {"delta": deltas.net, "budget": meter.to_json(), **rests, **back}
        started = ledger.append("started", run, body, at=self.clock())
        try:
            guarded.commit(_attempt(started), delta, base, seen=doc.seen)
        except OutcomeUnknown as error:
            ledger.append("unknown", run, {"error": str(error)}, at=self.clock())
            raise
        except Error as error:  # the target says that nothing was changed
            ledger.append("failed", run, error.to_json(), at=self.clock())
            self._pending.unlink()
            raise
        self._recorded(ledger, started)

    def _stale(self, doc: RunDoc, state: State, differences: list[Mismatch]) -> Stale:
        """The error, with what would be decided about the same plan from here."""
        error = Stale.of(differences)
        if doc.plan.computed:
            run = doc.run
            verified, _ = verify_again(
                self.guarded, state, doc, self.runs.load(run, "deltas"), self.runs.load(run, "trajectory")
            )
            error.do = f"From here the same plan: {_first(verified)}. Simulate it again to do it."
        return error

    def _recorded(self, ledger: Ledger, started: Record) -> None:
        """Record a commit that is done, from what was recorded when it started."""
        run, said = started.run, started.data
        body = {"delta": digest(said["delta"]), "verdict": said["verdict"], "budget": said["budget"]}
        with ledger.writing() as writing:
            writing.append("committed", run, body, at=self.clock())
            if said["undoes"]:
                writing.append("undone", said["undoes"], {"by": run}, at=self.clock())
        self._pending.unlink(missing_ok=True)

    def digests(self, run: str) -> dict[str, str]:
        """The SHA-256 of each document of a run, as it is on disk."""
        paths = sorted((self.runs.root / run).glob("*.json"))
        return {path.stem: sha256(path.read_bytes()).hexdigest() for path in paths}

    def _check_documents(self, ledger: Ledger, run: str) -> None:
        """The documents on disk are the ones that the ledger recorded."""
        recorded = [record.data for record in ledger.find(run) if record.kind in ("simulated", "refused")]
        if not recorded or recorded[-1]["documents"] != self.digests(run):
            raise Tampered(run[:12], "the documents whose digests are in the ledger", "Simulate the plan again.")

    # --- record and recovery -----------------------------------------------------------------------

    def records(self, run: str | None = None) -> list[Record]:
        """The ledger's records (of one run), in order."""
        with self.ledger() as ledger:
            return list(ledger.records()) if run is None else ledger.find(run)

    def recover(self) -> None:
        """Finish what an earlier process left unfinished: the target first, then the ledger."""
        with self._alone(), self.ledger() as ledger:
            self._settle(ledger)

    @property
    def _pending(self) -> Path:
        """Names the run whose commit has started and has no recorded end."""
        return self.gate / "pending"

    def _settle(self, ledger: Ledger) -> None:
        self.guarded.recover()
        if not self._pending.exists():
            return
        run = self._pending.read_text()
        records = ledger.find(run) if run else []
        begun = [record for record in records if record.kind in ("spent", "started")]
        since = {record.kind for record in records if begun and record.seq > begun[-1].seq}
        if not begun or since & {"committed", "failed"}:
            self._pending.unlink()
            return
        last = begun[-1]
        outcome: bool | None = False
        if last.kind == "started":
            delta = delta_from_json(self.guarded.world.schema, last.data["delta"])
            outcome = self.guarded.outcome(_attempt(last), delta)
        if outcome:
            self._recorded(ledger, last)
        elif outcome is False:
            ledger.append("failed", run, {"error": "interrupted; nothing was changed"}, at=self.clock())
            self._pending.unlink()
        elif "unknown" not in since:
            told = {"error": "interrupted; the target is neither before nor after"}
            ledger.append("unknown", run, told, at=self.clock())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time commits or recovers."""
        descriptor = os.open(self.gate / "gate.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _attempt(started: Record) -> str:
    """What the target knows a commit by: a run may be committed, undone and committed again."""
    return f"{started.run}.{started.seq}"


def _first(verified: Verified) -> str:
    """The verdict, with its first reason."""
    decision = verified.decision
    return f"{decision.verdict}: {decision.breaches[0].message}" if decision.breaches else decision.verdict


def _begin(gate: Path, world: str, key: Path | None) -> None:
    """Make the gate's directory for a world that loads; the last file written makes it a workspace."""
    from_file = world.endswith((".yaml", ".yml"))
    text = Path(world).read_bytes() if from_file else b""
    if from_file:
        world_from_file(world)
    elif world != "filesystem":
        get(world)
    if key is not None:
        key = key.resolve()
        if gate.parent in key.parents:
            raise NotAWorkspace(f"the key {key}", "a key outside the directory that it guards")
        if not key.exists():
            Signer.create(key)
        Signer.load(key)
    gate.mkdir(mode=0o700, exist_ok=True)
    if from_file:
        (gate / "world.yaml").write_bytes(text)
    (gate / ".gitignore").write_text("*\n")
    settings: dict[str, Any] = {"version": 1, "world": "world.yaml" if from_file else world}
    settings |= {"key": str(key)} if key else {}
    (gate / "workspace.json").write_bytes(canonical_json(settings))


def _later(at: str) -> str:
    moment = datetime.fromisoformat(at) + APPROVAL_LASTS
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _sync(path: Path) -> None:
    for place_ in (path, path.parent):
        descriptor = os.open(place_, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

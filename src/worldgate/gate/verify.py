"""Verify: the stages a plan goes through, in order, stopping at the first that fails.

    grammar      every action parses
    plan         parallel branches commute, locks and capacities hold, in every interleaving
    budget       the resources it needs are there
    transitions  each step's effect, judged by itself
    final        the net effect and the state it leads to, the plan's stated intent, the world's invariants
    risk         what the policy asks about the plan's futures, answered by what the caller brings for it

Each stage reports every breach it finds. A refusal comes with the shortest prefix of the plan that is
refused, and with the steps in it that suffice. Whatever raises is a breach: nothing passes by accident.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from textwrap import shorten
from typing import Any, NamedTuple

from ..facts import Error, State
from ..worlds import World
from .budget import BudgetExceeded, Meter
from .changes import Summary
from .conditions import Conditions, mentions_status
from .decision import Breach, Decision
from .intent import check_intent
from .interleave import OVER_LIMIT, is_resourceful
from .interleave import check as check_interleavings
from .plan import Plan, Step
from .policy import Policy
from .risk import Assess
from .rules import Judged
from .run import Shrunk
from .shrink import shortest
from .simulate import Did, Simulation, simulate

Simulate = Callable[[], Iterator[Did]]
Event = Callable[[State, State], bool]


class Verified(NamedTuple):
    """What verification found: the decision, the simulation as far as it went, breaches in shadow mode."""

    decision: Decision
    simulation: Simulation
    shrunk: Shrunk | None = None
    warnings: tuple[Breach, ...] = ()


class Verification:
    """One plan, from one state, under one policy and budget."""

    def __init__(
        self,
        world: World,
        state: State,
        plan: Plan,
        policy: Policy,
        meter: Meter,
        *,
        whole: bool = True,
        assess: Assess | None = None,
    ) -> None:
        """`whole` says that the state is all there is, so that the world's properties can be checked over it.
        `assess` answers what the policy asks about futures; without it a policy that asks refuses."""
        self.world, self.state, self.plan, self.policy, self.meter = world, state, plan, policy, meter
        self.whole, self.network, self.assess = whole, plan.network, assess
        self.conditions = Conditions(world)
        self.event = event_of(world)
        self.warnings: list[Breach] = []

    def of_plan(self) -> Verified:
        """Verify a plan that the world's oracle computes."""
        stage, breaches = "grammar", [*self.fit(), *self.grammar()]
        if not breaches:
            stage, breaches = "plan", self.interleavings()
        if breaches:
            return self._rejected(stage, breaches, Simulation(self.plan, self.state, ()))
        return self.of_steps(lambda: simulate(self.world, self.state, self.plan, self.conditions))

    def of_steps(self, steps: Simulate, seen: str = "") -> Verified:
        """Verify steps that are simulated by `steps`, in whichever way."""
        done: list[Did] = []
        if breaches := self.fit():
            return self._rejected("grammar", breaches, Simulation(self.plan, self.state, (), seen))
        stage = "budget"
        with _Numbered("budget", breaches):
            reserved = self.meter.reserve("steps", len(self.plan.steps))
            self.meter.settle(reserved, len(self.plan.steps))
        if not breaches:
            stage = "transitions"
            with _Numbered("simulation", breaches):
                for did in steps():
                    done.append(did)
                    breaches += self.transition(did)
                    if breaches:
                        break
                else:
                    breaches += self.complete(done)
        simulation = Simulation(self.plan, self.state, tuple(done), seen)
        if not breaches:
            stage, breaches = "budget", self.spend(simulation)
        if not breaches:
            stage, breaches = "final", self.final(simulation)
        if not breaches and self.policy.risk:
            stage, breaches = "risk", self.risk(simulation)
        if not breaches:
            return Verified(Decision(verdict="approve", stage=stage), simulation, None, tuple(self.warnings))
        return self._rejected(stage, breaches, simulation)

    # --- stages -----------------------------------------------------------------------------------

    def fit(self) -> list[Breach]:
        """The policy and the plan are for this world."""
        found = []
        for rule, number, name in (("policy", "WG401", self.policy.document.world), ("plan", "WG323", self.plan.world)):
            if name != self.world.name:
                message = f"the {rule} is for {name}, and this is {self.world.name}"
                found.append(Breach(number=number, rule=f"{rule}.world", message=message, found=name,
                                    allowed=self.world.name))  # fmt: skip
        return found

    def grammar(self) -> list[Breach]:
        found: list[Breach] = []
        for step in self.plan.order:
            with _Numbered("grammar", found, step.id):
                self.world.parse(step.do)
        with _Numbered("condition", found):
            self.conditions.check(self.plan)
        return found

    def interleavings(self) -> list[Breach]:
        """What goes wrong in any order of parallel branches. A chain has one order: only its world's limits count."""
        chain, found = self.plan.is_chain, list[Breach]()
        if chain and not is_resourceful(self.world):
            return found
        with _Numbered("interleavings", found):
            breaches = check_interleavings(self.world, self.state, self.plan).breaches
            found += [breach for breach in breaches if not chain or breach.number == OVER_LIMIT]
        return found

    def transition(self, did: Did) -> list[Breach]:
        """Breaches of one step: that it failed or was refused, and the policy's rules on its delta."""
        found = [*self.failure(did)]
        if not found and self.event(did.before, did.after) != (self.plan.engine == "event"):
            said = "is no event of the world" if self.plan.engine == "event" else "is the world's own event"
            message = f"{shorten(did.step.do, 60)} {said}, and events and plans do not mix"
            found.append(Breach(number="WG327", rule="event", message=message, step=did.step.id))
        with _Numbered("policy", found, did.step.id):
            judged = Judged(did.before, did.after, did.delta, (did.step.do,), did.step.id, self.network)
            found += self._enforced(self.policy.judge(judged))
        return found

    def complete(self, done: Sequence[Did]) -> Iterator[Breach]:
        """Every step of the plan was simulated."""
        if len(done) != len(self.plan.steps):
            yield Breach(number="WG324", rule="simulation", message="not every step of the plan was simulated",
                         found=len(done), allowed=len(self.plan.steps))  # fmt: skip

    def failure(self, did: Did) -> Iterator[Breach]:
        """A step that the world refuses, or that exits with an error which no later condition looks at."""
        seen, step = did.observation, did.step
        if refused := seen.get("refused"):
            told: dict[str, Any] = (
                refused if isinstance(refused, dict) else {"number": refused, "message": seen["stderr"]}
            )
            yield Breach(number=told.get("number", "WG322"), rule=told.get("rule", "world"), step=step.id,
                         message=f"{step.do} is refused: {str(told.get('message', '')).strip()}")  # fmt: skip
            return
        if killed := seen.get("killed"):
            message = f"{step.do} was ended by its limit on {killed}, half done"
            yield Breach(number="WG326", rule="killed", message=message, step=step.id)
        if seen.get("exit") and self.plan.engine == "oracle" and not self._handled(step):
            said = str(seen.get("stderr", "")).strip().splitlines()
            yield Breach(number="WG321", rule="exit", found=seen["exit"], allowed=0, margin=seen["exit"], step=step.id,
                         message=f"{step.do} fails: {said[0] if said else 'no message'}")  # fmt: skip

    def _handled(self, step: Step) -> bool:
        """Whether a later condition looks at how the step ended."""
        return any(step.id in (other.needs or ()) and mentions_status(other.when) for other in self.plan.steps)

    def spend(self, simulation: Simulation) -> list[Breach]:
        """Charge what the net effect uses."""
        found: list[Breach] = []
        with _Numbered("budget", found):
            for resource, amount in self.summary(simulation).usage.items():
                with _Numbered("budget", found):
                    self.meter.settle(self.meter.reserve(resource, amount))
        return found

    def final(self, simulation: Simulation) -> list[Breach]:
        found: list[Breach] = []
        judged = Judged(
            simulation.before,
            simulation.after,
            simulation.delta,
            tuple(did.step.do for did in simulation.steps),
            network=self.network,
        )
        with _Numbered("policy", found):
            found += self._enforced(self.policy.judge(judged))
        if self.plan.intent is not None:
            with _Numbered("intent", found):
                summary = self.summary(simulation)
                found += check_intent(self.plan.intent, summary.changes, summary.existed)
        with _Numbered("properties", found):
            for name, holds in self.world.properties().items() if self.whole else ():
                with _Numbered(name, found):
                    if problem := holds(simulation.after):
                        found.append(Breach(number="WG320", rule=name, message=problem))
        return found

    def risk(self, simulation: Simulation) -> list[Breach]:
        """Whether what may come of the plan is as rare as the policy asks. What is undone is asked about from where
        it leads to: its steps are in no world's grammar."""
        found: list[Breach] = []
        begin = simulation.after if self.plan.engine == "undo" else self.state
        with _Numbered("risk", found):
            found += (self.assess or unanswered)(begin, self.plan, self.policy)
        return self._enforced(found)

    def summary(self, simulation: Simulation) -> Summary:
        return Summary(simulation.before, simulation.delta, simulation.after, network=self.network)

    def again(self, plan: Plan | None = None) -> Verification:
        """The same verification afresh (of another plan): its warnings and what it uses are its own."""
        meter = Meter(self.meter.budget)
        return Verification(
            self.world, self.state, plan or self.plan, self.policy, meter, whole=self.whole, assess=self.assess
        )

    # --- helpers ----------------------------------------------------------------------------------

    def _rejected(self, stage: str, breaches: Sequence[Breach], simulation: Simulation) -> Verified:
        decision = Decision(verdict="reject", stage=stage, breaches=tuple(breaches))
        return Verified(decision, simulation, shortest(self, stage, breaches, simulation), tuple(self.warnings))

    def _enforced(self, breaches: list[Breach]) -> list[Breach]:
        if self.policy.enforced:
            return breaches
        self.warnings += breaches
        return []


def event_of(world: World) -> Event:
    """Whether the world itself, and no actor, led from one state to another."""
    found: Event = getattr(world, "event", _never)
    return found


def _never(_: State, __: State) -> bool:
    """Most worlds have no events of their own."""
    return False


def unanswered(_: State, __: Plan, policy: Policy) -> Iterator[Breach]:
    """Refuse what nobody answers."""
    message = (
        "the policy asks about futures, and there are no bars to draw them from. What `worldgate market open` made "
        "keeps its bars; to have the plan judged without, take `risk` out of the policy"
    )
    yield Breach(number="WG465", rule="risk", message=message, found="no futures", allowed=str(policy.risk))


class _Numbered:
    """Turns whatever is raised inside into a breach. (A class: a generator costs more than most of what it guards.)"""

    __slots__ = ("found", "rule", "step")

    def __init__(self, rule: str, found: list[Breach], step: str = "") -> None:
        self.rule, self.found, self.step = rule, found, step

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self.found.append(_breach(error, self.rule, self.step))
        return True


def _breach(error: Exception, rule: str, step: str) -> Breach:
    if isinstance(error, BudgetExceeded):
        return Breach(number=error.number, rule="budget", message=str(error), found=error.found,
                      allowed=error.expected, step=step)  # fmt: skip
    if isinstance(error, Error):
        return Breach(number=error.number, rule=rule, message=f"{error.title}: {error.found}",
                      found=error.found, allowed=error.expected, step=step)  # fmt: skip
    # a rule, a world or a policy that raises must refuse, not pass
    return Breach(number="WG399", rule=rule, message=f"raised {error!r}", step=step)

"""Parallel branches of a plan, checked in every order they may run in.

    WG311  two steps that may run at once need the same exclusive resource
    WG312  steps that may run at once need more of a resource than there is
    WG313  a consumable runs out in some order
    WG314  the result, or what a step sees, depends on the order
    WG315  a step is refused in some order
    WG316  a condition holds in some orders and not in others
    WG317  there are more orders than the bound: not all were looked at
    WG318  the plan exceeds a limit of its world

A step refused in every order has the number of the refusal. A breach of the order names two steps:
adjacent in two orders that differ in nothing else, and the first makes a difference by itself.

A world takes part in resources and limits by having `capacities`, `occupies(action)`, `duration_s(action)`
and `limits`; without them these checks say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeGuard

from ..facts import Error, State
from ..worlds import World
from .antichain import heaviest, pairs
from .decision import Breach
from .exploration import SKIPPED, Explorer, Found, Node
from .plan import Plan, Step

BOUND = 10_000
_SOMETIMES = {"exhausted": ("WG313", "consumable"), "held": ("WG311", "lock")}
_MANY = 10


@dataclass(frozen=True)
class Interleavings:
    """What was found over all orders.

    `explored` counts the states looked at, `complete` is false when the bound ended the search;
    `final` are the distinct results (digests of the net change), of orders in which nothing is refused.
    """

    explored: int
    complete: bool
    final: tuple[str, ...]
    breaches: tuple[Breach, ...]


OVER_LIMIT = "WG318"


class Limits(Protocol):
    """What a plan may ask for; None for no limit."""

    max_steps: int | None
    max_parallel: int | None
    max_time_s: int | None


class Resourceful(Protocol):
    """A world whose actions hold resources while they run."""

    @property
    def capacities(self) -> Mapping[str, int]: ...

    @property
    def limits(self) -> Limits: ...

    def occupies(self, action: Any) -> Mapping[str, int]: ...

    def duration_s(self, action: Any) -> int: ...


def is_resourceful(world: object) -> TypeGuard[Resourceful]:
    """Whether a world is one. `isinstance` with a protocol costs more than a whole step of a fast world."""
    return hasattr(world, "occupies")


def check(world: World, state: State, plan: Plan, *, bound: int = BOUND, reduce: bool = True) -> Interleavings:
    """Run every order of the plan from `state`, as far as `bound` allows.

    `reduce=False` walks every order of independent steps too; it finds the same, and takes longer.
    """
    breaches = [breach for step in plan.order if (breach := _outside(world, step))]
    if breaches:
        return Interleavings(0, False, (), tuple(breaches))
    try:
        explorer = Explorer(world, state, plan, reduce=reduce)
    except Error as error:
        breach = Breach(number=error.number, rule="when", message=str(error), found=error.found, allowed=error.expected)
        return Interleavings(0, False, (), (breach,))
    found = explorer.explore(bound)
    judge = _Judge(explorer, found)
    breaches += judge.limits()
    breaches += judge.resources()
    breaches += judge.outcomes()
    if not breaches:
        breaches += judge.results()
    if not found.complete:
        message = "not every order of the parallel branches was looked at"
        breaches.append(Breach(number="WG317", rule="bound", message=message, found=found.nodes, allowed=bound))
    final = tuple(sorted({node.result for node in found.ends.values()}))
    return Interleavings(min(found.nodes, bound), found.complete, final, tuple(breaches))


def _outside(world: World, step: Step) -> Breach | None:
    try:
        world.parse(step.do)
    except Error as error:
        return Breach(number=error.number, rule="grammar", message=f"{error.title}: {error.found}", found=error.found,
                      allowed=error.expected, step=step.id)  # fmt: skip
    return None


class _Judge:
    """Turns what an exploration met into breaches."""

    def __init__(self, explorer: Explorer, found: Found) -> None:
        self.explorer, self.graph, self.found = explorer, explorer.graph, found
        self.default = list(range(len(self.graph.steps)))

    def name(self, *numbers: int) -> str:
        return ", ".join(self.graph.steps[number].id for number in numbers)

    # --- limits and resources ---------------------------------------------------------------------

    def together(self) -> list[int]:
        """The sets of steps that run in one order, as bitmasks: those of complete orders, else all."""
        return sorted({node.ran for node in self.found.ends.values()}) or [self.graph.all]

    def limits(self) -> Iterator[Breach]:
        world = self.explorer.world
        if not is_resourceful(world):
            return
        limits = world.limits
        measures: tuple[tuple[str, int | None, Callable[[], int]], ...] = (
            ("max_steps", limits.max_steps, lambda: len(self.graph.steps)),
            ("max_parallel", limits.max_parallel, lambda: max(self._width(ran) for ran in self.together())),
            ("max_time_s", limits.max_time_s, lambda: self._time(world)),
        )
        for rule, allowed, measure in measures:
            if allowed is not None and (found := measure()) > allowed:
                yield Breach(number=OVER_LIMIT, rule=rule, message=f"the plan exceeds {rule} of its world", found=found,
                             allowed=allowed, margin=found - allowed)  # fmt: skip
                return

    def resources(self) -> Iterator[Breach]:
        world = self.explorer.world
        if not is_resourceful(world):
            return
        uses = [world.occupies(action) for action in self.explorer.actions]
        seen: set[tuple[str, tuple[int, ...]]] = set()
        for ran in self.together():
            for resource, capacity in world.capacities.items():
                weights = {n: use[resource] for n, use in enumerate(uses) if ran >> n & 1 and use.get(resource)}
                for steps in self._conflicts(weights, capacity):
                    if (resource, steps) not in seen:
                        seen.add((resource, steps))
                        yield self._conflict(resource, capacity, steps, sum(weights[n] for n in steps))

    def _conflicts(self, weights: Mapping[int, int], capacity: int) -> Sequence[tuple[int, ...]]:
        if sum(weights.values()) <= capacity:
            return []
        if capacity == 1:
            return [*pairs(sorted(weights), self.graph.after)][:_MANY]
        steps = heaviest(weights, self.graph.after)
        if sum(weights[step] for step in steps) <= capacity:
            return []
        steps.sort(key=lambda step: -weights[step])
        while sum(weights[step] for step in steps[:-1]) > capacity:
            steps.pop()
        return [tuple(sorted(steps))]

    def _conflict(self, resource: str, capacity: int, steps: Sequence[int], amount: int) -> Breach:
        number, rule = ("WG311", "lock") if capacity == 1 else ("WG312", "capacity")
        message = f"{self.name(*steps)} may run at once and need {amount} {resource}, of which there is {capacity}"
        return Breach(number=number, rule=f"{rule} {resource}", message=message, found=amount, allowed=capacity,
                      margin=amount - capacity, step=self.name(*steps))  # fmt: skip

    def _width(self, ran: int) -> int:
        return len(heaviest({n: 1 for n in self.default if ran >> n & 1}, self.graph.after))

    def _time(self, world: Resourceful) -> int:
        ends: list[int] = []
        for needs, action in zip(self.graph.needs, self.explorer.actions, strict=True):
            ends.append(max((ends[need] for need in needs), default=0) + world.duration_s(action))
        return max(ends)

    # --- orders -----------------------------------------------------------------------------------

    def outcomes(self) -> list[Breach]:
        """Steps that are refused, skipped or see something else in some order."""
        breaches: dict[tuple[str, str], Breach] = {}
        for step, seen in sorted(self.found.outcomes.items()):
            refused = {outcome: refusal for outcome, (_, move) in seen.items() if (refusal := move.refusal)}
            if len(refused) == len(seen):
                refusal = min(refused.values(), key=lambda one: (str(one["number"]), _told(one)))  # whatever the orders
                message = f"{self.name(step)} is refused: {_told(refusal)}"
                breach = Breach(number=refusal["number"], rule=str(refusal.get("rule", "")), message=message,
                                found=_told(refusal), allowed=str(refusal.get("expected", "")),
                                step=self.name(step))  # fmt: skip
                breaches.setdefault((breach.number, breach.step), breach)
            elif len(seen) > 1:
                breach = self._differs(step, list(seen), refused)
                breaches.setdefault((breach.number, breach.step), breach)
        return list(breaches.values())

    def _differs(self, step: int, outcomes: list[str], refused: Mapping[str, Mapping[str, Any]]) -> Breach:
        here = self.name(step)
        odd = next(iter(refused), SKIPPED if SKIPPED in outcomes else outcomes[-1])
        other = next(outcome for outcome in outcomes if outcome != odd)
        one, two = self._blame(
            self._witness(step, odd),
            self._witness(step, other),
            lambda order: self._outcomes(order).get(step) == odd,
        )
        if odd in refused:
            refusal = refused[odd]
            number, rule = _SOMETIMES.get(str(refusal.get("kind")), ("WG315", "refused in some order"))
            what = f"{here} is refused ({refusal['number']}: {_told(refusal)})"
        elif odd == SKIPPED:
            number, rule, what = "WG316", "condition depends on the order", f"{here} is skipped"
        else:
            number, rule, what = "WG314", "result depends on the order", f"{here} sees something else"
        message = f"{what} when {self.name(one)} runs before {self.name(two)}, and not the other way round"
        return Breach(number=number, rule=rule, message=message, found=odd[:300], allowed=other[:300],
                      step=self.name(*sorted((one, two))))  # fmt: skip

    def results(self) -> Iterator[Breach]:
        """Different results of different orders."""
        ends = {node.result: node for node in self.found.ends.values()}
        (first, start), *others = ends.items() or [("", self.explorer.root)]
        seen = set()
        for result, node in others[:_MANY]:
            one, two = self._blame(node.path(), start.path(), partial(self._leads_to, result))
            pair = tuple(sorted((one, two)))
            if pair not in seen:
                seen.add(pair)
                message = f"the result depends on whether {self.name(one)} or {self.name(two)} runs first"
                yield Breach(number="WG314", rule="result depends on the order", message=message, found=result[:12],
                             allowed=first[:12], step=self.name(*pair))  # fmt: skip

    def _witness(self, step: int, outcome: str) -> list[int]:
        """A whole order in which the step has this outcome."""
        node, _ = self.found.outcomes[step][outcome]
        begun = [*node.path(), step]
        return [*begun, *(number for number in self.default if number not in set(begun))]

    def _run(self, order: Sequence[int]) -> Iterator[tuple[int, str, Node]]:
        node = self.explorer.root
        for step in order:
            if self.graph.before[step] & node.key.refused:
                continue
            move = self.explorer.move(node, step)
            node = move.node
            yield step, move.outcome, node

    def _outcomes(self, order: Sequence[int]) -> dict[int, str]:
        return {step: outcome for step, outcome, _ in self._run(order)}

    def _leads_to(self, result: str, order: Sequence[int]) -> bool:
        return [node for _, _, node in self._run(order)][-1].result == result

    def _blame(self, odd: list[int], other: list[int], holds: Callable[[list[int]], bool]) -> tuple[int, int]:
        """Two steps whose exchange alone makes `holds` true: the first, run before the second, does it.

        Both orders respect the plan, so exchanging neighbours leads from one to the other without
        leaving what the plan allows; somewhere on the way `holds` turns, and bisection finds where.
        """
        swaps = _exchanges(odd, other)
        low, high = 0, len(swaps)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if holds(_exchanged(odd, swaps[:middle])) else (low, middle)
        order = _exchanged(odd, swaps[:low])
        return order[swaps[low]], order[swaps[low] + 1]


def _exchanges(start: Sequence[int], goal: Sequence[int]) -> list[int]:
    """The exchanges of neighbours (by position) that sort one order into another."""
    rank = {step: position for position, step in enumerate(goal)}
    order, swaps = [rank[step] for step in start], []
    for end in range(len(order) - 1, 0, -1):
        for position in range(end):
            if order[position] > order[position + 1]:
                order[position], order[position + 1] = order[position + 1], order[position]
                swaps.append(position)
    return swaps


def _exchanged(order: Sequence[int], swaps: Sequence[int]) -> list[int]:
    new = list(order)
    for position in swaps:
        new[position], new[position + 1] = new[position + 1], new[position]
    return new


def _told(refusal: Mapping[str, Any]) -> str:
    """What a world's refusal found: in a word of its own, or in its message."""
    return str(refusal.get("found", refusal.get("message", "")))

"""Every order of a plan's steps, without walking all of them.

Two steps are independent when neither writes what the other looks at or writes; then their order
cannot matter. From each state only a persistent set of steps is taken (Godefroid 1996): one that
no step left out depends on. What depends on what is learned from the steps as they run: a walk
that meets a new dependency is walked again with it, until a walk meets none. States reached twice,
with the same steps done, are walked on once. Steps come from a graph without cycles and run once
each, so nothing can be put off for ever. A refused step changes nothing and ends its branch: what needs
it does not run, everything else does.

Facts of the acting process that no step of the plan looks at (an exit status, printed text) are
left out of all comparisons; the others (a working directory) count for what may follow, not for the
result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from ..facts import Address, Delta, Error, State
from ..facts.fingerprint import digest, moved
from ..worlds import World
from .conditions import Conditions, mentions_status, status_of
from .plan import Plan, Step

SKIPPED = "skipped"


class Key(NamedTuple):
    """What tells two nodes apart: steps as bitmasks, what changed as sums of fact hashes, exit codes asked for."""

    done: int = 0
    skipped: int = 0
    refused: int = 0
    shared: int = 0
    local: int = 0
    statuses: tuple[tuple[int, int], ...] = ()


class Graph:
    """A plan's steps by number, in the plan's order, with what comes before and after each as bitmasks."""

    def __init__(self, plan: Plan) -> None:
        self.steps: tuple[Step, ...] = plan.order
        self.number = {step.id: number for number, step in enumerate(self.steps)}
        self.needs = [tuple(self.number[need] for need in step.needs or ()) for step in self.steps]
        self.then: list[list[int]] = [[] for _ in self.steps]
        self.before = [0] * len(self.steps)
        self.after = [0] * len(self.steps)
        for number, needs in enumerate(self.needs):
            for need in set(needs):
                self.then[need].append(number)
                self.before[number] |= self.before[need] | 1 << need
        for number in reversed(range(len(self.steps))):
            for later in self.then[number]:
                self.after[number] |= self.after[later] | 1 << later
        self.all = (1 << len(self.steps)) - 1

    def ordered(self, one: int, two: int) -> bool:
        """Whether the needs decide which of two steps comes first."""
        return bool((self.before[one] | self.after[one]) >> two & 1)


@dataclass(frozen=True)
class Node:
    """A state on the way: which steps are done and skipped, and how it was reached."""

    key: Key
    state: State
    ready: tuple[int, ...]
    observations: Mapping[str, Mapping[str, Any]]
    parent: Node | None = None
    last: int = -1

    @property
    def ran(self) -> int:
        """The steps that were done and not skipped."""
        return self.key.done & ~self.key.skipped

    @property
    def result(self) -> str:
        """A digest of the net change of the target, equal exactly for equal changes."""
        return digest(self.key.shared)

    def path(self) -> list[int]:
        """The steps that led here, in order."""
        steps: list[int] = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            steps.append(node.last)
            node = node.parent
        return steps[::-1]


@dataclass(frozen=True)
class Move:
    """One step taken from a node. `outcome` is its observation as text; `refusal` what a rule said."""

    node: Node
    outcome: str
    refusal: Mapping[str, Any] | None


@dataclass
class Found:
    """What a walk met: nodes, where all steps are done, and each outcome of each step with a way to it."""

    nodes: int = 0
    complete: bool = True
    ends: dict[Key, Node] = field(default_factory=dict)
    outcomes: dict[int, dict[str, tuple[Node, Move]]] = field(default_factory=dict)


def _refusal(observation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a rule said, as a mapping with at least a number and what was found."""
    refused = observation.get("refused")
    if not refused or isinstance(refused, Mapping):
        return refused or None
    return {"number": str(refused), "found": str(observation.get("stderr", "")).strip() or str(refused)}


class Explorer:
    """Walks the orders of one plan from one state."""

    def __init__(self, world: World, state: State, plan: Plan, *, reduce: bool = True) -> None:
        self.world, self.graph, self.conditions = world, Graph(plan), Conditions(world)
        self.conditions.check(plan)
        self.actions = [world.parse(step.do) for step in self.graph.steps]
        self.tracked = {
            need for step, needs in zip(self.graph.steps, self.graph.needs, strict=True) for need in needs
            if mentions_status(step.when)
        }  # fmt: skip
        self.reduce = reduce
        self.dependent = [0] * len(self.graph.steps)
        self._touched: list[set[Address]] = [set() for _ in self.graph.steps]
        self._shadows: list[set[Address]] = [set() for _ in self.graph.steps]
        self._local = {name for name, relation in state.schema.relations.items() if relation.local}
        self._unread = set(self._local)  # by any step so far
        self._assumed = set(self._local)
        self._base = state
        self._moves: dict[tuple[Key, int], Move] = {}

    @cached_property
    def root(self) -> Node:
        ready = tuple(number for number, needs in enumerate(self.graph.needs) if not needs)
        return Node(Key(), self._base, ready, {})

    def explore(self, bound: int) -> Found:
        """Walk until nothing new is learned. At most `bound` nodes a walk."""
        while True:
            known = (list(self.dependent), set(self._unread))
            found = self._walk(bound)
            self._learn()
            if not found.complete or known == (self.dependent, self._unread):
                return found  # of the last walk alone: what the ones before met is met again

    def _walk(self, bound: int) -> Found:
        found, stack, seen = Found(), [self.root], {self.root.key}
        while stack:
            node = stack.pop()
            found.nodes += 1
            if found.nodes > bound:
                found.complete = False
                break
            if node.key.done == self.graph.all:
                found.ends.setdefault(node.key, node)
            for step in self._chosen(node):
                move = self.move(node, step)
                found.outcomes.setdefault(step, {}).setdefault(move.outcome, (node, move))
                if move.node.key not in seen:
                    seen.add(move.node.key)
                    stack.append(move.node)
        return found

    # --- one step ---------------------------------------------------------------------------------

    def move(self, node: Node, step: int) -> Move:
        """The step taken from the node; computed once."""
        found = self._moves.get((node.key, step))
        if found is None:
            found = self._moves[node.key, step] = self._moved(node, step)
        return found

    def _moved(self, node: Node, number: int) -> Move:
        step = self.graph.steps[number]
        runs, looked = self.conditions.look(node.state, step, node.observations)
        if isinstance(runs, Error):
            refusal = {"number": runs.number, "kind": "condition", "rule": "when", "found": runs.found}
            return self._to(node, number, {"refused": refusal}, node.state, (), looked)
        if not runs:
            return self._to(node, number, None, node.state, (), looked)
        moved_ = self.world.step(node.state, self.actions[number])
        return self._to(node, number, moved_.observation, moved_.state, moved_.delta, looked | moved_.reads)

    def _to(
        self,
        node: Node,
        number: int,
        observation: Mapping[str, Any] | None,
        state: State,
        delta: Delta,
        reads: frozenset[Address],
    ) -> Move:
        self._unread -= {relation for relation, _ in reads}
        written = [(edit.relation, edit.key) for edit in delta if edit.relation not in self._unread]
        self._touched[number].update(address for address in (*reads, *written) if address[0] not in self._unread)
        # a read of all facts with some prefix meets every write beneath it
        self._shadows[number].update((name, key[:length]) for name, key in written for length in range(len(key) + 1))
        observations = node.observations
        if observation is not None and number in self.tracked:
            observations = {**observations, self.graph.steps[number].id: observation}
        refusal = _refusal(observation or {})
        if refusal:
            key = node.key._replace(refused=node.key.refused | 1 << number)
            state, ready = node.state, tuple(other for other in node.ready if other != number)
        else:
            key, ready = self._key(node.key, number, observation, delta), self._ready(node, number)
        outcome = SKIPPED if observation is None else json.dumps(observation, sort_keys=True, default=str)
        return Move(Node(key, state, ready, observations, node, number), outcome, refusal)

    def _key(self, key: Key, number: int, observation: Mapping[str, Any] | None, delta: Delta) -> Key:
        done, skipped, refused, shared, local, statuses = key
        for edit in delta:
            if edit.relation not in self._local:
                shared = moved(shared, (edit,))
            elif edit.relation not in self._unread:
                local = moved(local, (edit,))
        if observation is None:
            skipped |= 1 << number
        elif number in self.tracked:
            statuses = tuple(sorted((*statuses, (number, status_of(observation)))))
        return Key(done | 1 << number, skipped, refused, shared, local, statuses)

    def _ready(self, node: Node, number: int) -> tuple[int, ...]:
        done = node.key.done | 1 << number
        freed = (
            later for later in self.graph.then[number] if all(done >> need & 1 for need in self.graph.needs[later])
        )
        return tuple(sorted({*node.ready, *freed} - {number}))

    # --- reduction --------------------------------------------------------------------------------

    def _learn(self) -> None:
        """Which pairs without an order were seen to depend on one another, over everything so far."""
        for one, two in self._unordered():
            if not self.dependent[one] >> two & 1 and (
                self._shadows[one] & self._touched[two] or self._shadows[two] & self._touched[one]
            ):
                self.dependent[one] |= 1 << two
                self.dependent[two] |= 1 << one
        if self._assumed != self._unread:  # a local relation is read after all: what was made without it is void
            self._assumed = set(self._unread)
            self._moves.clear()

    def _unordered(self) -> Iterator[tuple[int, int]]:
        for one in range(len(self.graph.steps)):
            others = self.graph.all & ~self.graph.before[one] & ~self.graph.after[one] & ~((2 << one) - 1)
            while others:
                lowest = others & -others
                yield one, lowest.bit_length() - 1
                others ^= lowest

    def _chosen(self, node: Node) -> tuple[int, ...]:
        """The steps to take from a node: the smallest persistent set found."""
        if not self.reduce or len(node.ready) < 2:
            return node.ready
        best = node.ready
        for start in node.ready:
            chosen = self._closure(node, start, len(best))
            if len(chosen) < len(best):
                best = chosen
            if len(best) == 1:
                break
        return best

    def _closure(self, node: Node, start: int, limit: int) -> tuple[int, ...]:
        """The ready steps of the least set with `start` that holds whatever its members depend on."""
        ready, member, work = set(node.ready), 1 << start, [start]
        chosen: list[int] = []
        while work and len(chosen) < limit:
            step = work.pop()
            if step in ready:
                chosen.append(step)
                new = self.dependent[step] & ~node.key.done & ~node.key.refused & ~member
            elif self.graph.before[step] & node.key.refused:  # it cannot run any more
                new = 0
            else:  # it cannot run before one of its needs: one that is open stands for it
                undone = [need for need in self.graph.needs[step] if not node.key.done >> need & 1]
                new = 0 if any(member >> need & 1 for need in undone) else 1 << undone[0]
            while new:
                lowest = new & -new
                member |= lowest
                work.append(lowest.bit_length() - 1)
                new ^= lowest
        return tuple(sorted(chosen))

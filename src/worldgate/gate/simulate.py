"""Simulate: what a plan does, computed on a copy.

Two ways in: the oracle computes each step of a plan in the world's grammar; the kernel runs a
command for real in isolation. One way out: a `Simulation`, whose delta the same rules judge and
the same code commits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from ..facts import Address, Delta, Fact, Key, Reads, Source, State, Value, compose
from ..worlds import World
from .conditions import Conditions
from .plan import Plan, Step


class Did(NamedTuple):
    """One step as simulated. A step whose condition was false has no delta and `skipped` set."""

    step: Step
    before: State
    after: State
    delta: Delta
    observation: Mapping[str, Any]
    reads: Reads
    skipped: bool = False


@dataclass(frozen=True)
class Simulation:
    """A plan's steps in one order, from `before`.

    `seen` is a token over everything a command could have looked at, when what it did look at is
    not known.
    """

    plan: Plan
    before: State
    steps: tuple[Did, ...]
    seen: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def after(self) -> State:
        return self.steps[-1].after if self.steps else self.before

    @cached_property
    def delta(self) -> Delta:
        """The net effect: each fact at most once, without those of the acting process."""
        return shared_delta(self.before, *(did.delta for did in self.steps))

    @property
    def edits(self) -> Delta:
        """Every edit of every step, also those that a later step takes back."""
        return tuple(edit for did in self.steps for edit in did.delta)

    @cached_property
    def reads(self) -> Reads:
        """What was looked at and not first written by the plan itself."""
        found: set[Address] = set()
        written: set[Address] = set()
        for did in self.steps:
            found |= did.reads - written
            written.update((edit.relation, edit.key) for edit in did.delta)
        return frozenset(found)

    @property
    def one_way(self) -> tuple[str, ...]:
        """The actions done for which their world, which names the undo of others, names none."""
        return tuple(
            did.step.do
            for did in self.steps
            if did.delta and did.observation.get("ok") and not did.observation.get("undo")
        )

    def prefix(self, length: int) -> Simulation:
        """The same simulation, stopped after `length` steps."""
        return Simulation(self.plan, self.before, self.steps[:length], self.seen, self.notes)


def shared_delta(state: State, *deltas: Delta) -> Delta:
    """The net of several deltas without the facts of local relations."""
    net, local = compose(*deltas), state.schema.local
    return tuple(edit for edit in net if edit.relation not in local) if local else net


def simulate(world: World, state: State, plan: Plan, conditions: Conditions) -> Iterator[Did]:
    """Each step of the plan in its order, computed by the world's oracle."""
    observations: dict[str, Mapping[str, Any]] = {}
    for step in plan.order:
        looked_at: Reads = frozenset()
        if step.when:
            runs, looked_at = conditions.holds(state, step, observations)
            if not runs:
                yield Did(step, state, state, (), {}, looked_at, skipped=True)
                continue
        after, delta, observation, reads = world.step(state, world.parse(step.do))
        observations[step.id] = observation
        yield Did(step, state, after, delta, observation, reads | looked_at if looked_at else reads)
        state = after


class Recorder:
    """A source that remembers every fact it handed out.

    What it remembers is enough to run the same simulation and the same judgement again, anywhere,
    without the target.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._facts: dict[Address, Value] = {}

    def get(self, relation: str, key: Key) -> Value | None:
        value = self._source.get(relation, key)
        if value is not None:
            self._facts[relation, key] = value
        return value

    def select(self, relation: str, prefix: Key) -> Mapping[Key, Value]:
        found = self._source.select(relation, prefix)
        self._facts.update({(relation, prefix + rest): value for rest, value in found.items()})
        return found

    def owners(self, relation: str, value: Value) -> frozenset[Key]:
        keys = self._source.owners(relation, value)
        self._facts.update({(relation, key): value for key in keys})
        return keys

    def facts(self) -> Iterator[Fact]:
        for relation, key, value in self._source.facts():
            self._facts[relation, key] = value
            yield relation, key, value

    def recorded(self) -> list[Fact]:
        """Every fact handed out so far, in canonical order."""
        return [(*address, value) for address, value in sorted(self._facts.items(), key=lambda row: row[0])]

"""What a grounding study learns from and is judged on: transitions with exact negatives, and branches of a state.

A negative is a state that is wrong: what another action would have led to, where that differs, and then the true
successor with one mistake in its delta (`facts.Pool.wrong`), O(edits) each. A branch is a state with several actions
that lead to distinct successors.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from ...facts import Pool, State
from ...horizon import roll
from ...horizon.trajectory import Step
from ...worlds import World
from ...worlds.beyond import admitted


class Example(NamedTuple):
    """One transition, and states that are not its successor."""

    state: State
    action: Any
    after: State
    wrong: tuple[State, ...]


class Branch(NamedTuple):
    """Actions in one state, and the distinct successors they lead to, in the same order."""

    state: State
    actions: tuple[Any, ...]
    after: tuple[State, ...]


def walked(world: World, driver: str, seeds: tuple[int, ...], steps: int) -> list[Step]:
    """The steps of the walks from these seeds."""
    return [step for seed in seeds for step in roll(world, driver, seed, steps).steps]


def examples(world: World, driver: str, steps: list[Step], negatives: int, seed: int) -> list[Example]:
    """An example for each step, with up to `negatives` negatives; at most half are what other actions lead to. What a
    mistake is made of is gathered once a walk."""
    found: list[Example] = []
    before: State | None = None
    for number, step in enumerate(steps):
        if before != step.before:
            pool = Pool.of(step.before, [one.delta for one in _walk(steps[number:])], admit=admitted(world))
        before = step.state
        random = Random(f"negatives/{seed}/{number}")
        wrong = {step.state.fingerprint: step.state}
        for _, after in _others(world, driver, step.before, random, negatives // 2):
            wrong.setdefault(after.fingerprint, after)
        for delta in pool.wrong(step.before, step.delta, random, 1 + negatives - len(wrong)):
            after = step.before.force(delta)
            wrong.setdefault(after.fingerprint, after)
        del wrong[step.state.fingerprint]
        found.append(Example(step.before, step.action, step.state, tuple(wrong.values())))
    return found


def branches(world: World, driver: str, steps: list[Step], actions: int, seed: int) -> list[Branch]:
    """The branches of the states before these steps: as many as `actions` draws lead to, two or more."""
    found = []
    for number, step in enumerate(steps):
        random = Random(f"branches/{seed}/{number}")
        after: dict[str, tuple[Any, State]] = {step.state.fingerprint: (step.action, step.state)}
        for action, state in _others(world, driver, step.before, random, actions - 1):
            after.setdefault(state.fingerprint, (action, state))
        if len(after) > 1:
            chosen, states = zip(*after.values(), strict=True)
            found.append(Branch(step.before, chosen, states))
    return found


def _walk(steps: list[Step]) -> Iterator[Step]:
    """The steps up to the first that does not begin where the one before it ended."""
    before = steps[0].before
    for step in steps:
        if step.before != before:
            return
        yield step
        before = step.state


def _others(world: World, driver: str, state: State, random: Random, count: int) -> Iterator[tuple[Any, State]]:
    for _ in range(count):
        action = world.parse(world.drivers[driver](state, random))
        yield action, world.step(state, action).state

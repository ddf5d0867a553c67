"""Predictors whose errors are known, for any world."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from random import Random
from typing import Any

from worldgate.facts import Delta, State
from worldgate.horizon import Prediction, Trajectory, roll
from worldgate.worlds import World, get, names

WALKS = [(name, driver) for name in names() for driver in get(name).drivers]


def walk(name: str, driver: str, steps: int = 24, seed: int = 1) -> Trajectory:
    """With an object of its own for each action, so that a predictor can tell at which step it is asked."""
    true = roll(get(name), driver, seed, steps)
    return replace(true, steps=tuple(step._replace(action=copy(step.action)) for step in true.steps))


class Exact:
    """Never wrong."""

    name = "exact"

    def __init__(self, world: World) -> None:
        self.world = world

    def predict(self, state: State, action: Any) -> Prediction:
        return Prediction(self.world.step(state, action).delta)


class Forgetful:
    """Leaves out the first edit of some steps, by chance that depends on the action and the number of facts alone."""

    name = "forgetful"

    def __init__(self, trajectory: Trajectory, rate: float = 0.4) -> None:
        self.rate = rate
        self.deltas = {str(step.action): step.delta for step in trajectory.steps}

    def predict(self, state: State, action: Any) -> Prediction:
        random = Random(f"{action}/{len(state)}".encode("utf-8", "surrogateescape"))
        delta: Delta = self.deltas[str(action)]
        wrong = random.random() < self.rate
        return Prediction(delta[1:] if wrong else delta, random.random() / 2 + wrong / 2)


class Script:
    """Predicts the true delta of each step, whatever the state, and nothing at all for the steps named wrong."""

    name = "script"

    def __init__(self, trajectory: Trajectory, wrong: set[int], uncertain: dict[int, float] | None = None) -> None:
        self.steps = {id(step.action): (at, step) for at, step in enumerate(trajectory.steps)}
        assert len(self.steps) == len(trajectory.steps)
        self.wrong, self.uncertain, self.asked = wrong, uncertain, []

    def predict(self, state: State, action: Any) -> Prediction:
        at, step = self.steps[id(action)]
        self.asked.append(at)
        uncertainty = None if self.uncertain is None else self.uncertain.get(at, 0.0)
        return Prediction(() if at in self.wrong else step.delta, uncertainty)

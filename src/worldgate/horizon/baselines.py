"""Two ends to measure every predictor against: one that knows nothing, one that knows everything.

Between them lies `CopyOracle` with a `Flaw`: wrong as often as it is told to be, so that a horizon can be drawn
against competence alone, without a model.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from ..facts import Delta, State
from ..worlds.contract import World
from .predictor import Prediction

Negatives = Callable[[State, Any, Delta, Random], Delta]
"""Makes a wrong delta of a true one: `(state, action, delta, random)`. What it returns is what is predicted."""


class Flaw(NamedTuple):
    """How often a prediction is wrong, and in which way.

    `rate` is the probability of a wrong step: 0 and less is never, 1 and more always. Whether a step is wrong depends
    on the seed, the state and the action, not on what was asked before.
    """

    rate: float
    negatives: Negatives
    seed: int = 0


class Null:
    """Nothing ever changes."""

    name = "null"

    def predict(self, state: State, action: Any) -> Prediction:
        """The empty delta."""
        return Prediction(())


class CopyOracle:
    """The world's own step, spoilt by `flaw` where there is one. It says no uncertainty: a flaw comes unannounced."""

    def __init__(self, world: World, flaw: Flaw | None = None) -> None:
        self.name = "oracle" if flaw is None else f"oracle wrong at {flaw.rate:g}"
        self._world, self._flaw = world, flaw

    def predict(self, state: State, action: Any) -> Prediction:
        """The true delta from `state`, or a wrong one."""
        delta = self._world.step(state, action).delta
        if self._flaw is not None:
            random = Random(f"{self._flaw.seed}/{state.fingerprint}/{action}".encode("utf-8", "surrogatepass"))
            if random.random() < self._flaw.rate:
                delta = self._flaw.negatives(state, action, delta, random)
        return Prediction(delta)

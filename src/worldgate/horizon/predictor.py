"""What a predictor is: something untrusted that suggests the delta of a step.

A predictor sees a state and an action and nothing else: not the true state, not the budget, not the loop that calls it.
Nothing it says is checked beyond the schema; `State.force` applies it, so a wrong prediction is a state, not an error.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from ..facts import Delta, State


class Prediction(NamedTuple):
    """What a predictor suggests for one step.

    `delta` is applied with `State.force`: its `before` may be wrong. `uncertainty` is larger where the predictor is
    less certain, in whatever unit it has; None from a predictor that has none. `origins`: of each edit, which part of
    the predictor it is from; empty from one that has no parts.
    """

    delta: Delta
    uncertainty: float | None = None
    origins: tuple[str, ...] = ()


class Predictor(Protocol):
    """Suggests deltas for one world.

    A prediction is a function of the state, the action and what was learned so far: a rollout may go back and ask
    again. A predictor may also have `learn(state, action, delta)`: the truth of one step, as revealed during a rollout
    or by training data. The loop looks it up by that name.
    """

    name: str

    def predict(self, state: State, action: Any) -> Prediction:
        """The delta expected of `action`, as the world parsed it, in `state`."""

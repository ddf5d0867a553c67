"""A training as a document: all that decides its result. Reading one, and all that can be wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from ..worlds.documents import converted, load_document
from .episodes import problems
from .errors import BadTraining
from .family import Size, config_of, family_of
from .forcing import SelfForcing
from .reward import Reward
from .source import Source, checked


class Loop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """AdamW (Loshchilov and Hutter, 2019) for `steps` steps.

    The rate rises to `rate` over the share `warm_up` of the steps, then falls to zero as `decay` says. Weights of two
    and more dimensions decay by `weight_decay`. Gradients are clipped to the norm `clip` (0: not). With `ema`, what is
    kept is the exponential moving average of the weights, of that decay.
    """

    steps: int = 1000
    rate: float = 1e-3
    warm_up: float = 0.05
    decay: Literal["cosine", "linear"] = "cosine"
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.0
    self_forcing: SelfForcing | None = None
    reward: Reward | msgspec.UnsetType = msgspec.UNSET  # not written where it is absent, nor are digests others

    def rate_at(self, step: int) -> float:
        """The rate of a step, from 0 on."""
        warm = self.warm_up * self.steps
        if step < warm:
            return self.rate * (step + 1) / (warm + 1)
        left = 1.0 - (step - warm) / (self.steps - warm)
        return self.rate * (left if self.decay == "linear" else 0.5 - 0.5 * math.cos(math.pi * left))


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training file: a family with its config, what to train on, and how. The seed decides all that is drawn.

    With `calibrate`, what the trained net says of its uncertainty is held against so many fresh walks (`calibration`).
    """

    family: str
    source: Source
    config: dict[str, Any] = {}
    loop: Loop = Loop()
    seed: int = 0
    calibrate: Size | msgspec.UnsetType = msgspec.UNSET  # not written where it is absent, nor are digests others


def json_schema() -> dict[str, Any]:
    """The published JSON Schema of a training file; what a config holds is a matter of its family."""
    return msgspec.json.schema(Training)


def load_training(text: str, name: str) -> Training:
    """The training of a YAML or JSON text, or `BadTraining` with the place in it."""
    try:
        training = converted(load_document(text, name, BadTraining), Training)
    except msgspec.ValidationError as error:
        raise BadTraining(f"{name}: {error}", "a training, as docs/models.md tells it") from error
    try:
        return proven(training)
    except BadTraining as error:
        raise BadTraining(f"{name}: {error.found}", error.expected, error.do) from error


def proven(training: Training) -> Training:
    """The training, or `BadTraining` with what is wrong in it."""
    config_of(family_of(training.family), training.config)
    checked(training.source)
    for place, said in _problems(training):
        raise BadTraining(f"{said} at `$.{place}`", "what docs/models.md tells")
    return training


def _problems(training: Training) -> Iterator[tuple[str, str]]:
    """(field, what is wrong in it), of all but config and source."""
    loop = training.loop
    bounds = {
        "steps": (loop.steps >= 1, "1 or more"),
        "rate": (0 < loop.rate < math.inf, "above 0 and finite"),
        "warm_up": (0 <= loop.warm_up < 1, "in [0, 1)"),
        "weight_decay": (0 <= loop.weight_decay < math.inf, "0 or more"),
        "clip": (0 <= loop.clip < math.inf, "0 or more"),
        "ema": (0 <= loop.ema < 1, "in [0, 1)"),
    }
    for name, (holds, bound) in bounds.items():
        if not holds:
            yield f"loop.{name}", f"{getattr(loop, name)}, not {bound}"
    for name, how in (("self_forcing", loop.self_forcing), ("reward", loop.reward)):
        for problem in problems(how, name) if how else ():
            yield f"loop.{name}", problem
    if loop.reward and not 0 <= loop.reward.average < 1:
        yield "loop.reward.average", f"{loop.reward.average}, not in [0, 1)"
    if loop.reward and training.source.look:
        yield "loop.reward", "a reward beside a look: what a look decides is not learned, and ends a horizon"
    if training.seed < 0:
        yield "seed", f"{training.seed}, less than 0"

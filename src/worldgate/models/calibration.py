"""Calibration: what a net says of its uncertainty, held against how often it is wrong on walks that no batch had.

A logistic map of the log-odds of what is said (Platt, 1999; in Smola et al., *Advances in Large Margin Classifiers*):
p = 1 / (1 + exp(-(slope * ln(u / (1 - u)) + intercept))). It is the most probable one under a prior: a slope around 1,
of deviation 1, and one right and one wrong prediction more than were asked (Laplace's rule), at the mean. A slope below
0 would mean that what is said ranks errors the wrong way round; it is 0 then, and what is said is the share that is
wrong.

Walks like those trained on say nothing of states that are like none of them. So the map holds up to the greatest
uncertainty that was asked; from there it rises straight to 1 at 1, and a doubt that no walk raised stays one. Where
more than 1 was said, as a deviation or an entropy may be, u is its share of twice the greatest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from ..horizon.predictor import Prediction
from ..horizon.trajectory import Step, net
from .errors import Diverged, library
from .pools import steps, walks
from .source import Place, Source

LEAST = 1e-9
"""An uncertainty is taken as at least this, and at most as 1 less this."""
TOGETHER = 256
"""Predictions that are asked together."""


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The map, and what it was found by: of `asked` predictions `wrong` were. u is what is said in `unit`s, `most` the
    greatest that was asked."""

    slope: float
    intercept: float
    unit: float
    most: float
    asked: int
    wrong: int

    def of(self, said: Prediction) -> Prediction:
        """The prediction, its uncertainty the probability of being wrong."""
        if said.uncertainty is None:
            return said
        share = min(said.uncertainty / self.unit, 1.0)
        chance = 0.5 + 0.5 * math.tanh((self.slope * _odds(min(share, self.most)) + self.intercept) / 2)
        if share > self.most:
            chance += (share - self.most) / (1.0 - self.most) * (1.0 - chance)
        return said._replace(uncertainty=chance)


def fresh(source: Source, seed: int, count: int) -> list[Step]:
    """The steps of so many walks of its places that no pool has; where walks are given, of their worlds and drivers."""
    given = source.walks
    if given:
        places = tuple(Place(one.world, (one.driver,), one.options, len(one.seeds)) for one in given)
        source = replace(source, walks=(), places=places, episode=max(one.steps for one in given), burn_in=0)
    return [step for walk in walks(replace(source, walks_each=count), seed, -2) for step in steps(walk)]


def calibrate(model: Any, asked: Sequence[Step]) -> Calibration | None:
    """The map for a net in `eval` mode, from what it says of these steps; None for one that says no uncertainty.

    Raises `Diverged` for one that is no finite number."""
    said, wrong = [], []
    for at in range(0, len(asked), TOGETHER):
        some = asked[at : at + TOGETHER]
        for step, one in zip(some, model.predict([(step.before, step.action) for step in some]), strict=True):
            if one.uncertainty is None:
                return None
            if not math.isfinite(one.uncertainty):
                raise Diverged(
                    f"uncertainty {one.uncertainty} of {step.text!r:.80}", "a finite number", "Lower the rate"
                )
            said.append(one.uncertainty)
            wrong.append(net(one.delta) != step.net)
    most = max(said)
    unit = 2.0 * most if most > 1.0 else 1.0
    slope, intercept = _fitted([_odds(one / unit) for one in said], wrong)
    return Calibration(slope, intercept, unit, most / unit, len(wrong), sum(wrong))


def _fitted(said: list[float], wrong: list[bool]) -> tuple[float, float]:
    torch = library("torch")
    mean, rate = math.fsum(said) / len(said), (sum(wrong) + 1) / (len(wrong) + 2)
    base = math.log(rate / (1 - rate))
    x, y = torch.tensor([[*said, mean, mean], [*wrong, 1.0, 0.0]], dtype=torch.float64)
    found = torch.tensor([1.0, base - mean], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([found], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Any:
        search.zero_grad()
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(found[0] * x + found[1], y, reduction="sum")
        value = entropy + 0.5 * (found[0] - 1.0) ** 2
        value.backward()
        return value

    with torch.enable_grad():
        search.step(loss)
    slope, intercept = found.tolist()
    return (slope, intercept) if slope > 0.0 else (0.0, base)


def _odds(uncertainty: float) -> float:
    held = min(max(uncertainty, LEAST), 1.0 - LEAST)
    return math.log(held) - math.log1p(-held)

"""Learning from a reward, the faithful horizon: how many steps of an episode come out exactly, from its begin.

At each step of an episode the net draws what it says instead of saying what is most probable. The reward R is the
number of exact steps before the first that is not; up to there its own states are the true ones, so all steps are drawn
at once. REINFORCE (Williams, 1992) then raises the probability of what was drawn, up to and including the step that
ends the horizon, by R - b: the loss is the mean over episodes of -(R - b) * sum(log p). The baseline b is the moving
average of the mean rewards so far, which begins with the first; it is part of the saved state of a training.
"""

from __future__ import annotations

from itertools import takewhile
from math import isnan
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Any

from .episodes import Episodes, reached, rows
from .family import offered
from .source import Source

if TYPE_CHECKING:
    import torch


class Reward(Episodes, frozen=True):
    """The share of steps that learn from the faithful horizon of `walks` episodes of `horizon` steps. It is 0 up to
    `begin`, a share of the training, and rises to `share` at `full`. `average`: the decay of the baseline."""

    average: float = 0.9


def rewarded(
    how: Reward, net: Any, source: Source, seed: int, number: int, baseline: float
) -> tuple[torch.Tensor, float]:
    """(the loss of step `number`, the baseline after it); `baseline` is no number before the first."""
    seeds = f"rewarded/{seed}"
    true = [row.true for row in rows(how, source, seeds, number, Random(f"{seeds}/{number}"))]
    every = [step for row in true for step in row]
    said, logs = offered(net, "drawn", "reward")([(step.before, step.action) for step in every])
    drawn = zip(every, said, strict=True)
    exact = iter([reached(step.before, delta) == step.state for step, delta in drawn])
    right = [[next(exact) for _ in row] for row in true]
    rewards = [sum(takewhile(bool, row)) for row in right]
    mean = fmean(rewards)
    baseline = mean if isnan(baseline) else baseline
    raised = zip(rewards, true, strict=True)
    weights = [(reward - baseline) * (at <= reward) for reward, row in raised for at in range(len(row))]
    loss = -(logs * logs.new_tensor(weights)).sum() / len(true)
    return loss, how.average * baseline + (1.0 - how.average) * mean

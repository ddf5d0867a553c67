"""When to look at the truth: one small class or function a policy, and one table of them.

A policy answers one question a step, `asks(moment)`. What it is asked about is what a predictor's user would know: the
step, the uncertainty of the prediction, what has summed up since the last look. Budgets are not its business: the loop
keeps them. A policy may also have

- `seen(error)`: told, after a look, how far the prediction was from the truth shown, in [0, 1];
- `free = True`: told so after every step, whether anybody paid for it. For measurements only: in use, truth is not
free;
- `back = True`: a look then checks every step since the last one, and returns to the first that was wrong.

To add one, write it and give it a row in `POLICIES`; its keyword arguments are the `options` that settings may give.
"""

from __future__ import annotations

import inspect
import math
from bisect import insort
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from random import Random
from typing import NamedTuple, Protocol

from .costs import calls_at
from .errors import BadSettings, NoUncertainty

TINY = 1e-9
"""The least uncertainty that a score is divided by."""


class Moment(NamedTuple):
    """What a policy knows at a step, when the prediction has been made and not yet been looked at."""

    step: int
    steps: int
    """How many the rollout has."""
    uncertainty: float | None
    total: float
    """The uncertainty of all steps since the last look, this one included."""
    since: int
    """The number of steps since the last look, this one included."""


class Consultation(Protocol):
    """A policy of consultation, made anew for each rollout."""

    def asks(self, moment: Moment) -> bool:
        """Whether to look at the truth of this step."""


class Setting(NamedTuple):
    """What a policy is made for. `unaided`: the uncertainty of each step of the same rollout without any look."""

    steps: int
    rho: float | None
    seed: int
    unaided: tuple[float, ...] | None = None

    @property
    def calls(self) -> int:
        """floor(rho * steps)."""
        return calls_at(self.share, self.steps)

    @property
    def share(self) -> float:
        """rho, or `BadSettings` where the policy cannot do without it."""
        if self.rho is None:
            raise BadSettings("no rho", "the share of steps that may be consulted, for this policy")
        return self.rho


class Schedule:
    """Looks at given steps, whatever happens."""

    def __init__(self, steps: Collection[int]) -> None:
        self.steps = frozenset(steps)

    def asks(self, moment: Moment) -> bool:
        return moment.step in self.steps


def never(_setting: Setting) -> Schedule:
    """No look at all."""
    return Schedule(())


def fixed(setting: Setting) -> Schedule:
    """Every k = round(1/rho) steps from step 0 on, as published: with rho > 0 the first step is never wrong."""
    return Schedule(
        range(0, setting.steps, max(1, round(min(1 / setting.share, setting.steps)))) if setting.share else ()
    )


def evenly(setting: Setting) -> Schedule:
    """floor(rho * steps) looks between runs of lengths as equal as can be, so neither first nor last by habit."""
    runs, length = setting.calls + 1, setting.steps + 1
    return Schedule([step for step in range(setting.steps) if (step + 1) * runs // length > step * runs // length])


def random(setting: Setting) -> Schedule:
    """floor(rho * steps) steps, any set of them as likely as any other; the same for the same seed."""
    return Schedule(Random(f"consultation/{setting.seed}").sample(range(setting.steps), setting.calls))


class Over:
    """Looks where `what` of the moment is above a threshold."""

    def __init__(self, what: Callable[[Moment], float], threshold: float) -> None:
        self.what, self.threshold = what, threshold

    def asks(self, moment: Moment) -> bool:
        if moment.uncertainty is None:
            raise NoUncertainty(f"none at step {moment.step}", "a number", "Use a policy that does not weigh it.")
        return self.what(moment) > self.threshold


def uncertainty(setting: Setting, *, threshold: float | None = None) -> Over:
    """Where the prediction is uncertain. Calibrated: the nearest-rank quantile 1 - rho of the unaided uncertainties."""
    return Over(_uncertainty, _calibrated(threshold, setting, _quantile))


def drift(setting: Setting, *, threshold: float | None = None) -> Over:
    """Where the uncertainty since the last look adds up. Calibrated: the unaided total over the number of calls."""
    return Over(lambda moment: moment.total, _calibrated(threshold, setting, _portion))


class Conformal:
    """Looks where a bound on the error of the prediction, learned online, is above `tolerance`.

    Adaptive conformal inference (Gibbs and Candes, NeurIPS 2021). A score is an error over the uncertainty of its step
    (1 where there is none); the bound is the uncertainty times the quantile 1 - a of the scores so far, unbounded for a
    <= 0 and minus infinity for a >= 1; after each observed error a moves by gamma * (alpha - missed), with missed = 1
    if the error was beyond the bound. Their proposition 4.1 then holds for any sequence whatever, without assumptions:

        |misses / T - alpha| <= (max(a1, 1 - a1) + gamma) / (T * gamma)    after T observed errors, a starting at a1.

    With `free` truth T counts every step. Otherwise T counts the looks: the bound is kept, in the long run, at the
    share of looks that was asked for, and nothing follows for the steps that nobody looked at, which are just those
    whose bound was low. If it falls below the tolerance everywhere, the policy stays silent and learns no more. The
    promise is about misses alone; whether looks are saved depends on how well the uncertainty ranks the errors.
    """

    def __init__(
        self, _setting: Setting, *, tolerance: float, alpha: float = 0.1, gamma: float = 0.05, free: bool = False
    ):
        if not (0 < alpha < 1 and gamma > 0 and tolerance >= 0):
            raise BadSettings(
                f"tolerance {tolerance}, alpha {alpha}, gamma {gamma}", "tolerance >= 0, 0 < alpha < 1, gamma > 0"
            )
        self.tolerance, self.alpha, self.gamma, self.free = tolerance, alpha, gamma, bool(free)
        self.level = alpha
        self.scores: list[float] = []
        self.looks = self.misses = 0
        self._unit = 1.0

    @property
    def quantile(self) -> float:
        """Of the scores so far, at 1 - a: the ceil((n + 1) * (1 - a))-th least."""
        rank = math.ceil((len(self.scores) + 1) * (1 - self.level))
        if rank > len(self.scores):
            return math.inf
        return self.scores[rank - 1] if rank > 0 else -math.inf

    def asks(self, moment: Moment) -> bool:
        self._unit = 1.0 if moment.uncertainty is None else max(moment.uncertainty, TINY)
        return self._unit * self.quantile > self.tolerance

    def seen(self, error: float) -> None:
        score = error / self._unit
        missed = score > self.quantile
        self.looks += 1
        self.misses += missed
        self.level += self.gamma * (self.alpha - missed)
        insort(self.scores, score)


class LookAhead:
    """Predicts `k` steps, then has them all checked by one call, keeps the longest true prefix, and goes on from the
    truth.

    With a budget for every check no step that is kept is wrong; what is measured is how many calls that takes.
    """

    back = True

    def __init__(self, _setting: Setting, *, k: float) -> None:
        if k < 1 or k != int(k):
            raise BadSettings(f"k {k}", "a whole number of steps, 1 or more")
        self.k = int(k)

    def asks(self, moment: Moment) -> bool:
        return moment.since >= self.k or moment.step == moment.steps - 1


POLICIES: dict[str, Callable[..., Consultation]] = {
    "never": never,
    "fixed": fixed,
    "evenly": evenly,
    "random": random,
    "uncertainty": uncertainty,
    "drift": drift,
    "conformal": Conformal,
    "look-ahead": LookAhead,
}


def policy(name: str, setting: Setting, options: Mapping[str, float]) -> Consultation:
    """The policy of that name for one rollout; `BadSettings` for an unknown name or option."""
    make = POLICIES.get(name)
    if make is None:
        raise BadSettings(f"consultation policy {name!r}", f"one of {', '.join(POLICIES)}")
    known = list(inspect.signature(make).parameters)[1:]
    if setting.unaided is not None and "threshold" not in known:
        raise BadSettings(f"calibration of policy {name}, which has no threshold", "none, or a policy with a threshold")
    try:
        bound = inspect.signature(make).bind(setting, **options)
    except TypeError as error:
        raise BadSettings(f"policy {name}: {error}", f"options {', '.join(known) or 'none'}") from None
    return make(*bound.args, **bound.kwargs)


def _uncertainty(moment: Moment) -> float:
    return moment.uncertainty  # type: ignore[return-value]  # `Over` has looked


def _calibrated(
    threshold: float | None, setting: Setting, rule: Callable[[Setting, tuple[float, ...]], float]
) -> float:
    if (threshold is None) == (setting.unaided is None):
        both = "both a threshold and calibration" if threshold is not None else "no threshold"
        raise BadSettings(both, "a threshold, or calibration on the rollout's own unaided signals")
    return threshold if threshold is not None else rule(setting, setting.unaided or ())


def _quantile(setting: Setting, signals: tuple[float, ...]) -> float:
    rank = math.ceil((1 - Fraction(setting.share).limit_denominator(10**6)) * len(signals))
    return sorted(signals)[rank - 1] if rank > 0 else -math.inf


def _portion(setting: Setting, signals: tuple[float, ...]) -> float:
    return sum(signals) / setting.calls if setting.calls else math.inf

"""Whether a sampler's probabilities come true: limits chosen on the first part of some bars, watched on the rest.

For each rate alpha the limit on the drawdown is set where a part alpha of the sampled futures goes beyond it. Then
the same plan is played over windows of the bars that were held out, each as if it began in the present state, and
the part of them beyond that limit is counted: in all windows, which overlap and so tell less than their number says,
and in those that follow one another without overlap, from which the interval comes. It is calibrated at a rate if the
interval holds the predicted rate: with few windows an interval holds much, and one row in twenty misses by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import msgspec

from ...facts import State
from ...gate.measured import Bound
from ...worlds.market.bars import Bars
from .arrays import np
from .errors import BadHistory
from .estimate import interval, quantile, share
from .futures import Recorded, Sampler, part, starts
from .plan import RiskPlan
from .play import Futures, play
from .portfolio import Owned

if TYPE_CHECKING:
    from .arrays import Ints

Verdict = Literal["calibrated", "cautious", "bold"]
"""The predicted rate is in the interval, above it (less came true), or below it."""
ALPHAS = tuple(map(Decimal, ("0.01", "0.05", "0.1", "0.25")))


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """One rate: the limit, the parts of futures and windows beyond it; the interval is of disjoint windows."""

    alpha: str
    limit: str
    predicted: str
    observed: str
    windows: int
    disjoint: int
    beyond: int
    low: str
    high: str
    verdict: Verdict


def parted(bars: Bars, share_of_first: Fraction) -> tuple[Bars, Bars]:
    """The first part of the bars, and the rest."""
    at = int(len(bars) * share_of_first)
    return part(bars, 0, at), part(bars, at, len(bars))


def calibrate(
    state: State,
    plan: RiskPlan,
    sampler: Sampler,
    held: Bars,
    purse: Owned,
    *,
    futures: int = 10_000,
    seed: int = 1,
    alphas: Sequence[Decimal] = ALPHAS,
    confidence: Decimal = Decimal("0.95"),
) -> list[Calibration]:
    """A row for each rate. Raises `BadHistory` where the bars held out are shorter than the plan."""
    count = len(held) - plan.steps
    if count < 1:
        raise BadHistory(f"{len(held)} bars held out", f"more than the plan's {plan.steps}")
    seen = Recorded(held, starts(state, sampler.symbols), state.get("time", ()), range(count))
    drawn = Futures.of(state, sampler, futures, plan.steps, seed)
    happened = Futures.of(state, seen, count, plan.steps, 0)
    deepest = sorted(_deepest(play(state, plan, drawn, {}, purse).equity, state.get("book", purse).peak))
    rows = []
    for alpha in alphas:
        limit = _rounded(quantile(deepest, 1 - alpha))
        bound = {"drawdown": Bound(max=limit)}
        predicted = play(state, plan, drawn, bound, purse).breached["drawdown"]
        observed = play(state, plan, happened, bound, purse).breached["drawdown"]
        apart = observed[:: plan.steps]
        low, high = interval(int(apart.sum()), len(apart), confidence)
        rate = share(int(predicted.sum()), futures)
        rows.append(
            Calibration(
                alpha=f"{alpha:f}",
                limit=f"{limit:f}",
                predicted=f"{rate:f}",
                observed=f"{share(int(observed.sum()), count):f}",
                windows=count,
                disjoint=len(apart),
                beyond=int(apart.sum()),
                low=f"{low:f}",
                high=f"{high:f}",
                verdict="calibrated" if low <= rate <= high else "cautious" if rate > high else "bold",
            )
        )
    return rows


def _deepest(equity: Ints, peak: int) -> list[int]:
    """The largest drawdown of each future, as a fraction in millionths, rounded up."""
    peaks = np.maximum(np.maximum.accumulate(equity, axis=0), peak)
    fallen = (peaks - equity) / np.maximum(peaks, 1)
    return [int(part) + 1 for part in (fallen.max(axis=0) * 1_000_000)]


def _rounded(millionths: int) -> Decimal:
    return (Decimal(millionths) / 1_000_000).quantize(Decimal("0.0001"), ROUND_CEILING)

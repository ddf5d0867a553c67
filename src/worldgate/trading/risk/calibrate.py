"""Whether a sampler's probabilities come true: at every window of some bars it says what may come, then they come.

At each window the sampler knows the bars before it and no other. For each rate alpha the limit on the drawdown is set
where a part alpha of its futures goes beyond; the window is beyond that limit or not. Windows follow one another
without overlap, each played as if it began in the present state. A sampler is calibrated at a rate if the interval
around the part of windows beyond holds it: with few windows an interval holds much, and one row in twenty misses by
chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import msgspec

from ...facts import State
from ...worlds.market.bars import Bars, part
from .arrays import np
from .errors import BadHistory
from .estimate import interval, quantile, share
from .futures import Recorded, Sampler, starts
from .plan import RiskPlan
from .play import Futures, play
from .portfolio import Owned

if TYPE_CHECKING:
    from .arrays import Ints

Verdict = Literal["calibrated", "cautious", "bold"]
"""The rate is in the interval, above it (less came true), or below it."""
ALPHAS = tuple(map(Decimal, ("0.01", "0.05", "0.1", "0.25")))


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """One rate: how many windows were beyond the limit of that rate, and the interval around their part."""

    alpha: str
    windows: int
    beyond: int
    observed: str
    low: str
    high: str
    verdict: Verdict


def calibrate(
    state: State,
    plan: RiskPlan,
    sampler: Callable[[Bars], Sampler],
    bars: Bars,
    first: int,
    purse: Owned,
    *,
    futures: int = 10_000,
    seed: int = 1,
    alphas: Sequence[Decimal] = ALPHAS,
    confidence: Decimal = Decimal("0.95"),
) -> list[Calibration]:
    """A row for each rate. `sampler` makes one from the bars that have passed; the first window begins after `first`
    bars. Raises `BadHistory` where no window is left."""
    begins = range(first, len(bars) - plan.steps + 1, plan.steps)
    if first < 1 or not begins:
        raise BadHistory(f"{len(bars) - first} bars after {first}", f"the plan's {plan.steps} after one or more")
    peak, beyond = state.get("book", purse).peak, [0] * len(alphas)
    for number, at in enumerate(begins):
        source = sampler(part(bars, 0, at))
        happened = Recorded(
            part(bars, at - 1, at + plan.steps), starts(state, source.symbols), state.get("time", ()), [0]
        )
        drawn = Futures.of(state, source, futures, plan.steps, seed << 20 | number)
        seen = Futures.of(state, happened, 1, plan.steps, 0)
        predicted = sorted(_deepest(play(state, plan, drawn, {}, purse).equity, peak))
        (fell,) = _deepest(play(state, plan, seen, {}, purse).equity, peak)
        beyond = [count + (fell > quantile(predicted, 1 - alpha)) for count, alpha in zip(beyond, alphas, strict=True)]
    return [rated(alpha, count, len(begins), confidence) for alpha, count in zip(alphas, beyond, strict=True)]


def rated(alpha: Decimal, beyond: int, windows: int, confidence: Decimal) -> Calibration:
    """The row of so many windows, of whichever series."""
    low, high = interval(beyond, windows, confidence)
    return Calibration(
        alpha=f"{alpha:f}",
        windows=windows,
        beyond=beyond,
        observed=f"{share(beyond, windows):f}",
        low=f"{low:f}",
        high=f"{high:f}",
        verdict="calibrated" if low <= alpha <= high else "cautious" if alpha > high else "bold",
    )


def _deepest(equity: Ints, peak: int) -> list[int]:
    """The largest drawdown of each future, as a fraction in millionths, rounded up."""
    peaks = np.maximum(np.maximum.accumulate(equity, axis=0), peak)
    fallen = ((peaks - equity) / np.maximum(peaks, 1)).max(axis=0)
    return [int(part) + 1 for part in (fallen * 1_000_000)]

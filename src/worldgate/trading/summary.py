"""What a session came to, as data: the numbers, and what a report lists and draws.

Money is exact, as decimal text; ratios are floats, rounded to `ratios.PLACES`, and None where they are not defined:
nothing to divide by, or an equity that is not positive.

Not covered: taxes, interest on cash or margin, and benchmarks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from ..gate.decision import Breach
from ..worlds.market.bars import Bars
from .inputs import Inputs
from .ratios import Drawdown
from .recount import Fill, Holding
from .samples import Ends, Every, Point

HEADLINE = (
    "bars", "first", "last", "cash", "equity", "profit", "annual_return", "sharpe", "sortino", "fees", "turnover",
    "fills", "round_trips", "win_rate", "approved", "rejected", "holds",
)  # fmt: skip
TOLD = 3
"""Refusals in a headline."""


class Refusal(msgspec.Struct, frozen=True):
    """A plan that the policy refused, or (`shadow`) would have, were it enforced."""

    step: int
    time: str
    shadow: bool
    actions: tuple[str, ...]
    breaches: tuple[Breach, ...]
    symbols: tuple[str, ...]


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a session; money in the market's currency.

    total_return         profit / cash
    annual_return, periods_per_year     see `ratios.span`; None for less than a year
    volatility, sharpe, sortino         see `ratios.Returns`; by the year if periods_per_year is given, else by the bar
    turnover             traded / mean equity; traded is the sum of price * quantity of all fills
    invested             part of the bars at whose close something is held
    mean_exposure, largest_exposure     gross exposure / equity at the closes, over all bars
    round_trips          fills that close something; wins realise a profit and losses a loss, before commissions
    win_rate             wins / round_trips
    realised             before commissions; profit = realised + unrealised - fees
    holds                bars without orders; plans are approved, or rejected; shadow: approved with breaches
    skipped              signals that became no order, by reason (numbers as #)
    """

    bars: int
    first: str
    last: str
    cash: str
    equity: str
    profit: str
    realised: str
    unrealised: str
    fees: str
    traded: str
    total_return: float | None
    annual_return: float | None
    periods_per_year: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    drawdown: Drawdown
    turnover: float | None
    invested: float | None
    mean_exposure: float | None
    largest_exposure: float | None
    fills: int
    round_trips: int
    wins: int
    losses: int
    win_rate: float | None
    gained: str
    lost: str
    approved: int
    rejected: int
    shadow: int
    holds: int
    orders: int
    skipped: dict[str, int]


@dataclass(frozen=True)
class Summary:
    """All that a report shows. Lines are over bar indices, in hundred-millionths; drawdown and exposure are ratios."""

    inputs: Inputs
    bars: Bars
    metrics: Metrics
    equity: tuple[Point, ...]
    drawdown: tuple[Point, ...]
    exposure: tuple[Point, ...]
    holdings: dict[str, Holding]
    fills: Ends[Fill]
    refusals: Ends[Refusal]
    fill_marks: Every[Fill]
    refusal_marks: Every[Refusal]
    refused: dict[str, int]
    """Refused plans by symbol."""

    def headline(self) -> dict[str, Any]:
        """The numbers to show first, and the first refusals, as text."""
        first = [refusal for refusal in islice(self.refusals, TOLD) if not refusal.shadow]
        return {
            **{name: getattr(self.metrics, name) for name in HEADLINE},
            "return": self.metrics.total_return,
            "max_drawdown": self.metrics.drawdown.fraction,
            "refusals": [f"{refusal.time}: {breach.message}" for refusal in first for breach in refusal.breaches[:1]],
        }

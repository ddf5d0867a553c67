"""Ratios of a series of equities, one at a time. The only floats of a session are made here, and rounded to `PLACES`.

Sums run in the order of the bars and use +, -, *, / and the square root alone, which IEEE 754 fixes to the last bit:
the same equities give the same ratios on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from math import sqrt

import msgspec

from ..worlds.market.actions import instant
from ..worlds.market.units import ONE, show

PLACES = 6
YEAR = 365.25 * 86_400
"""Seconds."""


def ratio(part: float, whole: float) -> float | None:
    """part / whole, rounded; None unless the whole is positive."""
    return round(part / whole, PLACES) + 0.0 if whole > 0 else None


def span(first: str, last: str, bars: int) -> tuple[float, float | None]:
    """The years from the first bar to the last, and how many steps from bar to bar there are in one of them.

    There is no such number for less than 365 days: part of a year does not tell how many bars a year has, and what was
    earned in less than a year is not to be annualised (Global Investment Performance Standards, 2020).
    """
    seconds = (instant(last) - instant(first)).total_seconds()
    years = seconds / YEAR
    return years, ratio(bars - 1, years) if seconds >= 365 * 86_400 else None


def annual_return(cash: int, equity: int, years: float) -> float | None:
    """(equity / cash) ** (1 / years) - 1, the compound annual growth rate; None for less than 365 days."""
    if years * YEAR < 365 * 86_400 or cash <= 0 or equity <= 0:
        return None
    exact = Context(prec=28)
    grown = exact.power(exact.divide(Decimal(equity), Decimal(cash)), exact.divide(Decimal(1), Decimal(years)))
    return round(float(grown) - 1, PLACES) + 0.0


class Returns:
    """Simple returns r = equity / equity before - 1 from bar to bar, their mean and spread (Welford 1962).

    Undefined (None) from the moment that an equity is not positive.
    """

    def __init__(self) -> None:
        self.equity = 0
        self.count, self.mean = 0, 0.0
        self._squares = self._below = 0.0
        self._begun, self._defined = False, True

    def add(self, equity: int) -> None:
        """The equity at the next bar."""
        before, self.equity = self.equity, equity
        if equity <= 0:
            self._defined = False
        if not self._begun or not self._defined:
            self._begun = True
            return
        found = (equity - before) / before
        self.count += 1
        off = found - self.mean
        self.mean += off / self.count
        self._squares += off * (found - self.mean)
        if found < 0:
            self._below += found * found

    def volatility(self, periods: float | None) -> float | None:
        """The standard deviation of r (of a sample: n - 1), times the root of the periods in a year."""
        if self.count < 2 or not self._defined:
            return None
        return round(sqrt(self._squares / (self.count - 1)) * sqrt(periods or 1), PLACES)

    def sharpe(self, periods: float | None) -> float | None:
        """mean(r) / standard deviation(r), riskless rate 0, times the root of the periods in a year.

        W. F. Sharpe, The Sharpe Ratio, Journal of Portfolio Management 21 (1994); the root as in A. W. Lo, The
        Statistics of Sharpe Ratios, Financial Analysts Journal 58 (2002), which holds for independent returns.
        """
        if self.count < 2 or not self._defined:
            return None
        return ratio(self.mean * sqrt(periods or 1), sqrt(self._squares / (self.count - 1)))

    def sortino(self, periods: float | None) -> float | None:
        """mean(r) / downside deviation, the root of mean(min(r, 0) ** 2) over all r, target 0, annualised likewise.

        F. A. Sortino and L. N. Price, Performance Measurement in a Downside Risk Framework, Journal of Investing 3
        (1994).
        """
        if not self.count or not self._defined:
            return None
        return ratio(self.mean * sqrt(periods or 1), sqrt(self._below / self.count))


class Drawdown(msgspec.Struct, frozen=True, kw_only=True):
    """The largest fall of the equity, as a fraction of the peak before it, and as money.

    `peak`: the last time at that peak; `low`: the first time at the lowest; `recovered`: when the peak was reached
    again ("" when it was not, and all three when the equity never fell).
    """

    fraction: float
    amount: str
    peak: str = ""
    low: str = ""
    recovered: str = ""


class Drawdowns:
    """How far the equity is below its peak so far, which begins as the first cash."""

    def __init__(self, cash: int) -> None:
        self.peak, self._at = cash, 0
        self._lost, self._of = 0, 1
        self._from = self._low = self._recovered = -1

    def add(self, index: int, equity: int) -> int:
        """The drawdown at a bar: a fraction of the peak, in hundred-millionths."""
        lost = self.peak - equity
        if lost <= 0:
            self.peak, self._at = equity, index
            if self._low >= 0 > self._recovered:
                self._recovered = index
            return 0
        if self.peak <= 0:  # nothing to lose a fraction of
            return 0
        if lost * self._of > self._lost * self.peak:
            self._lost, self._of = lost, self.peak
            self._from, self._low, self._recovered = self._at, index, -1
        return lost * ONE // self.peak

    def largest(self, times: Sequence[str]) -> Drawdown:
        """The largest so far."""
        at = ["" if index < 0 else times[index] for index in (self._from, self._low, self._recovered)]
        return Drawdown(
            fraction=round(self._lost / self._of, PLACES),
            amount=show(self._lost),
            peak=at[0],
            low=at[1],
            recovered=at[2],
        )

"""Statistics of what the futures showed. Money stays an int or an exact fraction; only the interval needs floats.

interval     C. J. Clopper and E. S. Pearson, The Use of Confidence or Fiducial Limits Illustrated in the Case of
             the Binomial, Biometrika 26 (1934): [B(a/2; k, n-k+1), B(1-a/2; k+1, n-k)], a = 1 - confidence, B the
             quantile of the beta distribution. It covers the probability at least that often, whatever it is.
quantile     the inverse of the empirical distribution: the least value that a part q of the values does not exceed
             (R. J. Hyndman and Y. Fan, Sample Quantiles in Statistical Packages, American Statistician 50 (1996),
             definition 1).
shortfall    of losses L at a level c: VaR + E[max(L - VaR, 0)] / (1 - c), with VaR the quantile of L at c (R. T.
             Rockafellar and S. Uryasev, Conditional Value-at-Risk for General Loss Distributions, Journal of
             Banking & Finance 26 (2002)).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from math import ceil, exp, lgamma, log

PLACES = Decimal("0.000001")


def interval(k: int, n: int, confidence: Decimal) -> tuple[Decimal, Decimal]:
    """The ends for k of n, rounded outwards to six places."""
    tail = float((1 - confidence) / 2)
    low = 0.0 if k == 0 else _solved(tail, k, n - k + 1)
    high = 1.0 if k == n else _solved(1 - tail, k + 1, n - k)
    return Decimal(low).quantize(PLACES, ROUND_FLOOR), Decimal(high).quantize(PLACES, ROUND_CEILING)


def _solved(probability: float, a: int, b: int) -> float:
    """The quantile of the beta distribution, by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if beta(middle, a, b) < probability else (low, middle)
    return (low + high) / 2


def beta(x: float, a: float, b: float) -> float:
    """The distribution function of the beta distribution, I_x(a, b): its continued fraction (NIST Digital Library of
    Mathematical Functions 8.17.22), by the method of Lentz, on the side of the mean where it converges fast."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta(1 - x, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    value = d
    for m in range(1, 100_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + term * d or tiny), (1 + term / c) or tiny
            value *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return front * value


def quantile(ordered: Sequence[int], q: Decimal) -> int:
    """Of values in ascending order."""
    return int(ordered[max(ceil(Fraction(q) * len(ordered)), 1) - 1])


def shortfall(ordered: Sequence[int], level: Decimal) -> tuple[int, int]:
    """Value at risk and expected shortfall of losses in ascending order; the latter rounded half to even."""
    at = quantile(ordered, level)
    beyond = sum(int(loss) - at for loss in ordered[max(ceil(Fraction(level) * len(ordered)), 1) :])
    return at, round(at + Fraction(beyond, len(ordered)) / (1 - Fraction(level)))


def share(k: int, n: int) -> Decimal:
    """k / n, to six places."""
    return (Decimal(k) / Decimal(n)).quantize(PLACES)

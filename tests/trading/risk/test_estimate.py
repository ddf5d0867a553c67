"""Statistics against exact sums, published values and cases worked by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import comb

import pytest

from worldgate.trading.risk.estimate import beta, interval, quantile, share, shortfall

HALF = Decimal("0.000001")


def at_most(k: int, n: int, p: Fraction) -> Fraction:
    """P(X <= k) of a binomial X, exactly."""
    return sum((comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)), Fraction(0))


@pytest.mark.parametrize("n", [1, 2, 7, 30])
@pytest.mark.parametrize("confidence", ["0.8", "0.95", "0.999"])
def test_the_ends_are_where_the_tails_are_half_of_the_rest(n: int, confidence: str) -> None:
    tail = Fraction(1 - Decimal(confidence)) / 2
    for k in range(n + 1):
        low, high = interval(k, n, Decimal(confidence))
        assert (low == 0) == (k == 0)
        assert (high == 1) == (k == n)
        if k:  # P(X >= k) reaches the tail between the end and the next place
            assert 1 - at_most(k - 1, n, Fraction(low)) <= tail <= 1 - at_most(k - 1, n, Fraction(low + HALF))
        if k < n:
            assert at_most(k, n, Fraction(high)) <= tail <= at_most(k, n, Fraction(high - HALF))


@pytest.mark.parametrize("p", [Fraction(1, 50), Fraction(3, 10), Fraction(1, 2)])
def test_the_interval_covers_at_least_as_often_as_it_says(p: Fraction) -> None:
    n, covered = 40, Fraction(0)
    for k in range(n + 1):
        low, high = interval(k, n, Decimal("0.9"))
        if Fraction(low) <= p <= Fraction(high):
            covered += at_most(k, n, p) - (at_most(k - 1, n, p) if k else 0)
    assert covered >= Fraction(9, 10)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (0, 10, "0.000000", "0.308498"),  # 1 - 0.025 ** (1 / 10)
        (5, 10, "0.187086", "0.812914"),
        (100, 10_000, "0.008144", "0.012150"),
        (10_000, 10_000, "0.999631", "1.000000"),
    ],
)
def test_known_intervals(k: int, n: int, low: str, high: str) -> None:
    found = interval(k, n, Decimal("0.95"))
    assert all(abs(one - Decimal(other)) <= HALF for one, other in zip(found, (low, high), strict=True)), found


def test_the_beta_distribution() -> None:
    for a, b, x in ((1, 1, 0.3), (2, 5, 0.2), (30, 12, 0.7), (400, 9600, 0.041)):
        n, p = a + b - 1, Fraction(x)  # I_x(a, b) = P(X >= a) of n = a + b - 1
        exact = float(1 - at_most(a - 1, n, p)) if n < 100 else None
        if exact is not None:
            assert beta(x, a, b) == pytest.approx(exact, rel=1e-12)
        assert beta(x, a, b) == pytest.approx(1 - beta(1 - x, b, a), rel=1e-12)
    assert (beta(0, 2, 3), beta(1, 2, 3)) == (0, 1)


def test_quantiles_are_values_that_occurred() -> None:
    values = [-5, 0, 0, 3, 8]
    assert [quantile(values, Decimal(q)) for q in ("0.01", "0.2", "0.21", "0.6", "0.61", "0.8", "0.99")] == [
        -5, -5, 0, 0, 3, 3, 8,
    ]  # fmt: skip


def test_shortfall_by_hand() -> None:
    losses = list(range(1, 101))
    assert shortfall(losses, Decimal("0.95")) == (95, 98)  # the mean of 96 to 100
    # a level between two losses: 4 counts for the half of its fifth that lies beyond 0.7
    assert shortfall([0, 1, 2, 4, 9], Decimal("0.7")) == (4, round(4 + Fraction(9 - 4, 5) / Fraction(3, 10)))
    assert shortfall([7], Decimal("0.9")) == (7, 7)


def test_shortfall_is_no_less_than_value_at_risk_and_grows_with_the_level() -> None:
    losses = sorted((i * 7919) % 1009 - 300 for i in range(400))
    found = [shortfall(losses, Decimal(level)) for level in ("0.5", "0.9", "0.99")]
    assert all(at <= beyond for at, beyond in found)
    assert found == sorted(found)


def test_shares() -> None:
    assert str(share(1, 3)) == "0.333333"

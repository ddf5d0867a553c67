"""Moving statistics are those of the whole window recomputed in fractions, and what is printed is never untrue."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from worldgate.planners.strategy.indicators import Deviation, Mean, above, digits, z_above, z_digits
from worldgate.worlds.market.units import ONE

CLOSES = st.lists(st.integers(1, 10**14) | st.integers(99 * ONE, 101 * ONE), min_size=1, max_size=30)
BOUNDS = st.integers(-5 * ONE, 5 * ONE) | st.sampled_from([-ONE, 0, ONE])


def fed(statistic, closes):
    for close in closes:
        statistic.push(close)
    return statistic


def mean(window) -> Fraction:
    return Fraction(sum(window), len(window))


@settings(max_examples=50)
@given(CLOSES, st.integers(1, 8))
def test_incremental_is_from_scratch(closes, window):
    statistic, plain = Deviation(window), Mean(window)
    for seen, close in enumerate(closes, 1):
        statistic.push(close)
        plain.push(close)
        last = closes[max(0, seen - window) : seen]
        assert list(statistic.values) == list(plain.values) == last
        assert statistic.total == plain.total == sum(last)
        assert statistic.full == plain.full == (seen >= window)
        if statistic.full:
            average = mean(last)
            assert Fraction(statistic.distance(), window) == close - average
            assert Fraction(statistic.variance(), window**2) == sum((one - average) ** 2 for one in last) / window


@settings(max_examples=50)
@given(CLOSES, st.integers(1, 4), st.integers(1, 8))
def test_means_are_compared_as_fractions_are(closes, short, long):
    assume(len(closes) >= max(short, long))
    one, other = mean(closes[-short:]), mean(closes[-long:])
    assert above(fed(Mean(short), closes), fed(Mean(long), closes)) == (one > other) - (one < other)


def at_most(deviation: Fraction, variance: Fraction, bound: Fraction) -> bool:
    """deviation / sqrt(variance) <= bound, case by case."""
    if bound >= 0:
        return deviation <= 0 or deviation**2 <= bound**2 * variance
    return deviation < 0 and deviation**2 >= bound**2 * variance


@settings(max_examples=50)
@given(CLOSES, st.integers(2, 8), BOUNDS)
def test_z_scores_are_decided_as_the_definition_says(closes, window, bound):
    statistic = fed(Deviation(window), closes)
    assume(statistic.full and statistic.variance())
    last = closes[-window:]
    deviation = last[-1] - mean(last)
    variance = sum((one - mean(last)) ** 2 for one in last) / Fraction(window)
    sign = z_above(statistic.distance(), statistic.variance(), bound)
    assert (sign <= 0) == at_most(deviation, variance, Fraction(bound, ONE))
    assert (sign >= 0) == at_most(-deviation, variance, -Fraction(bound, ONE))


@pytest.mark.parametrize(
    ("distance", "variance", "bound", "sign"),
    [
        (-2, 1, -2 * ONE, 0),
        (-2, 1, -2 * ONE + 1, -1),
        (-2, 1, -2 * ONE - 1, 1),
        (2, 1, -2 * ONE, 1),
        (-2, 1, 2 * ONE, -1),
        (0, 1, 0, 0),
        (1, 2, 70710678, 1),
        (1, 2, 70710679, -1),
        (-1, 2, -70710678, -1),
    ],
)
def test_z_against_a_bound(distance, variance, bound, sign):
    assert z_above(distance, variance, bound) == sign


def told(text: str) -> tuple[Fraction, bool]:
    """The number printed, and whether it goes on."""
    return Fraction(text.removesuffix("..")), text.endswith("..")


@settings(max_examples=50)
@given(st.integers(-(10**20), 10**20), st.integers(1, 1000))
def test_digits_are_the_first_ones(numerator, denominator):
    shown, more = told(digits(numerator, denominator))
    exact = Fraction(numerator, denominator * ONE)
    assert (shown != exact) == more
    assert 0 <= (exact - shown) * (1 if numerator >= 0 else -1) < Fraction(1, ONE)


@settings(max_examples=50)
@given(st.integers(-(10**12), 10**12), st.integers(1, 10**24) | st.integers(1, 100).map(lambda root: root * root))
def test_z_digits_are_the_first_ones(distance, variance):
    shown, more = told(z_digits(distance, variance))
    square = Fraction(distance**2, variance)
    assert (shown**2 != square) == more
    assert shown**2 <= square < (abs(shown) + Fraction(1, ONE)) ** 2
    assert shown * distance >= 0


@settings(max_examples=50)
@given(st.integers(-(10**12), 10**12), st.integers(1, 10**24), BOUNDS)
def test_what_is_printed_never_contradicts_the_comparison(distance, variance, bound):
    """A number that goes on is at, or beyond in its own direction, what is printed."""
    sign, (shown, more) = z_above(distance, variance, bound), told(z_digits(distance, variance))
    away = more * ((distance > 0) - (distance < 0))
    limit = Fraction(bound, ONE)
    assert sign == ((shown > limit) - (shown < limit) or away)


def test_numbers_as_they_are_printed():
    assert digits(301 * ONE, 3) == "100.33333333.."
    assert digits(-301 * ONE, 3) == "-100.33333333.."
    assert digits(300 * ONE, 3) == "100"
    assert digits(-1, 3) == "-0.00000000.."
    assert z_digits(-3, 2) == "-2.12132034.."
    assert z_digits(-3, 4) == "-1.5"
    assert z_digits(0, 4) == "0"

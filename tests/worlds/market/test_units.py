"""Amounts are exact or refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldgate.worlds.market.units import (
    LARGEST,
    ONE,
    BadAmount,
    ceil,
    fraction_of,
    notional,
    parse_amount,
    share,
    show,
)

AMOUNTS = st.integers(-(10**30), 10**30).filter(lambda amount: abs(amount) <= LARGEST * ONE)


@pytest.mark.parametrize(
    ("given_", "amount"),
    [
        ("104.5", 10_450_000_000),
        ("-0.00000001", -1),
        ("0", 0),
        ("007.10", 710_000_000),
        (3, 3 * ONE),
        (Decimal("2.50"), 250_000_000),
        (Decimal("1E+3"), 1000 * ONE),
        (str(LARGEST), LARGEST * ONE),
    ],
)
def test_what_is_exact_is_read(given_, amount):
    assert parse_amount(given_) == amount


@pytest.mark.parametrize(
    "given_",
    [
        1.5,
        True,
        None,
        b"1",
        "",
        "1e3",
        "1.",
        ".5",
        "+1",
        " 1",
        "1\n",
        "\u0661",
        "nan",
        "inf",
        "0.123456789",
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("1E-9"),
        Decimal("1E+999999"),
        Decimal("1E-999999"),
        str(LARGEST + 1),
        LARGEST + 1,
        Fraction(1, 2),
    ],
)
def test_what_is_not_exact_is_refused(given_):
    with pytest.raises(BadAmount, match=r"WG204.*width") as caught:
        parse_amount(given_, "width")
    assert caught.value.number == "WG204"


@given(AMOUNTS)
def test_shown_amounts_read_back(amount):
    text = show(amount)
    assert parse_amount(text) == parse_amount(Decimal(text)) == amount
    assert not text.endswith(".")
    assert "." not in text or not text.endswith("0")


@given(st.integers(-(10**20), 10**20), st.integers(0, 10**12), st.integers(1, 10**12))
def test_shares_round_half_to_even(amount, part, whole):
    assert share(amount, part, whole) == round(Fraction(amount * part, whole))


@given(st.integers(0, 10**20), st.integers(0, ONE))
def test_rates_round_half_to_even_and_security_rounds_up(amount, rate):
    exact = Fraction(amount * rate, ONE)
    assert fraction_of(amount, rate) == round(exact)
    assert 0 <= ceil(amount, rate) - exact < 1


def test_a_notional_is_exact_or_fails():
    assert notional(1_050_000_000, 3 * ONE) == 3_150_000_000
    with pytest.raises(AssertionError):
        notional(1, 1)

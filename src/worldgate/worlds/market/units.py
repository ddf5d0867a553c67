"""Exact amounts: every price, sum of money, quantity and ratio is an int in hundred-millionths.

`ONE` of them is 1. Nothing here is binary floating point, and nothing is rounded without saying how:
`notional` is exact or fails, `fraction_of` and `share` round half to even, `ceil` rounds up.
"""

from __future__ import annotations

import re
from decimal import Decimal

from ...facts import Error

ONE = 100_000_000
LARGEST = 10**20
"""No amount is beyond this many units,"""
MOST = LARGEST * ONE
"""which is this many hundred-millionths."""

_TEXT = re.compile(r"-?[0-9]{1,21}(\.[0-9]{1,8})?", re.ASCII)
_FORM = "a decimal number of at most 8 places, as text, Decimal or int"


class BadAmount(Error):
    """A price, quantity, sum or ratio that is not an exact decimal of at most 8 places."""

    number, title = "WG204", "not an exact amount"


def parse_amount(given: object, what: str = "amount") -> int:
    """`given` (text, Decimal or int, in units) in hundred-millionths. Raises `BadAmount`, which names `what`."""
    if type(given) is int:
        amount = given * ONE
    elif type(given) is str and _TEXT.fullmatch(given):
        whole, _, places = given.partition(".")
        amount = int(whole + places.ljust(8, "0"))
    elif isinstance(given, Decimal) and given.is_finite() and abs(given.adjusted()) < 40:
        top, bottom = given.as_integer_ratio()
        amount, rest = divmod(top * ONE, bottom)
        if rest:
            raise BadAmount(f"{what}: {given}", _FORM)
    else:
        raise BadAmount(f"{what}: {given!r:.60} ({type(given).__name__})", _FORM)
    if abs(amount) > MOST:
        raise BadAmount(f"{what}: {given!s:.60}", f"at most {LARGEST}")
    return amount


def show(amount: int) -> str:
    """The amount as plain decimal text: no exponent, no trailing zeros."""
    whole, part = divmod(abs(amount), ONE)
    text = f"{whole}.{part:08d}".rstrip("0") if part else str(whole)
    return f"-{text}" if amount < 0 else text


def notional(price: int, quantity: int) -> int:
    """price times quantity, exactly: an instrument's tick times its lot is a multiple of `ONE`."""
    value, rest = divmod(price * quantity, ONE)
    assert not rest, f"{price} times {quantity} is not exact"
    return value


def share(amount: int, part: int, whole: int) -> int:
    """amount * part / whole, half to even; `whole` is positive."""
    quotient, rest = divmod(amount * part, whole)
    twice = 2 * rest
    return quotient + (twice > whole or (twice == whole and quotient & 1))


def fraction_of(amount: int, rate: int) -> int:
    """amount * rate, half to even."""
    return share(amount, rate, ONE)


def ceil(amount: int, rate: int) -> int:
    """amount * rate, rounded up: what is asked for as security is never too little."""
    return -(-amount * rate // ONE)

"""Which digits may follow when a number is written from the left, so that its type's bounds can still be met."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import inf

Bound = int | Decimal | Fraction | None


@lru_cache(maxsize=1 << 14)
def following(text: str, low: Bound, high: Bound, point: bool) -> str:
    """The characters that may follow `text`, the beginning of a number; ";" among them says that it may end here.

    `low` and `high` are its bounds (None: none); with `point` it may have decimals. Whatever path is taken, the number
    can end after finitely many digits more.
    """
    sign, digits = text[:1] == "-", text.removeprefix("-")
    least, most = (-inf if low is None else Fraction(low)), (inf if high is None else Fraction(high))
    if sign:
        least, most = max(-most, 0 if point else 1), -least
    found = ["-"] if not text and least < 0 else []
    whole, dot, decimals = digits.partition(".")
    if dot or digits != "0":
        found += [digit for digit in "0123456789" if _reaches(digits + digit, least, most)]
    if point and whole and not dot and _reaches(f"{digits}.", least, most):
        found.append(".")
    if (decimals if dot else digits) and least <= Fraction(digits) <= most:
        found.append(";")
    return "".join(found)


def _reaches(digits: str, least: float | Fraction, most: float | Fraction) -> bool:
    """Whether some magnitude that begins with these digits lies between `least` and `most`."""
    if least <= 0 and most == inf:
        return True
    whole, dot, decimals = digits.partition(".")
    step = Fraction(1, 10 ** len(decimals))
    begin = Fraction(int(whole + decimals or "0"), 10 ** len(decimals))
    end = begin + step  # numbers with these digits are below it
    while begin <= most:
        if end > least:
            return True
        if dot or not begin:
            return False
        begin, end = begin * 10, end * 10
    return False

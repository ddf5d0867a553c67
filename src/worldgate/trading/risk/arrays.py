"""Exact integer arithmetic on arrays: rounding as `worlds.market.units` does it, without leaving the range of int64.

A product with a fraction p/q is taken as (x // q) * p + (x % q) * p / q, so that nothing larger than the result,
or than p * q, comes up. All of it works on arrays of Python ints (dtype object) as well, which have no range.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any

from ...worlds.market.units import ONE
from .errors import NoNumpy

try:
    import numpy as np
except ImportError as error:
    raise NoNumpy("no package numpy", "it", "Install worldgate[market]") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[Any]
    Mask = NDArray[np.bool_]

__all__ = ["RANGE", "Ratio", "ceil_of", "even_of", "even_share", "floor_of", "np", "ratio"]

RANGE = 2**60
"""No amount in an array of int64 is beyond it, and neither is a sum of a few."""
Ratio = tuple[int, int]
"""p and q of a fraction in lowest terms, q > 0; p * q < `RANGE`."""


def ratio(part: int, whole: int = ONE) -> Ratio:
    """part / whole."""
    common = gcd(part, whole)
    return part // common, whole // common


def floor_of(amount: Ints, by: Ratio) -> Ints:
    """amount * p / q, rounded down."""
    p, q = by
    return amount * p if q == 1 else amount // q * p + amount % q * p // q


def ceil_of(amount: Ints, by: Ratio) -> Ints:
    """amount * p / q, rounded up."""
    return -floor_of(-amount, by)


def even_of(amount: Ints, by: Ratio) -> Ints:
    """amount * p / q, half to even."""
    p, q = by
    return _even(amount // q * p, amount % q * p, q)


def even_share(amount: Ints, part: Ints, whole: Ints) -> Ints:
    """amount * part / whole, half to even; 0 <= part <= whole, whole > 0."""
    return _even(amount // whole * part, amount % whole * part, whole)


def _even(base: Ints, part: Ints, whole: Any) -> Ints:
    """base + part / whole, half to even."""
    found: Ints = base + part // whole
    twice = part % whole * 2
    up: Mask = (twice > whole) | ((twice == whole) & (found % 2 == 1))
    return found + up

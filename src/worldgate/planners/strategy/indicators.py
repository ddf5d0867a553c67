"""Moving statistics of integers, exact, O(1) a value whatever the window, with a window of memory.

Sums are kept, never means: a comparison of means is one of cross-multiplied integers, and a comparison of a z-score
with a bound is one of signed squares. Nothing is rounded before it is decided.
"""

from __future__ import annotations

from collections import deque
from math import isqrt

from ...worlds.market.units import ONE, show


class Mean:
    """The sum of the last `window` values; `full` when there are so many."""

    __slots__ = ("full", "total", "values", "window")

    def __init__(self, window: int) -> None:
        self.window, self.total, self.full = window, 0, False
        self.values: deque[int] = deque(maxlen=window)

    def push(self, value: int) -> bool:
        """Take the next value; whether there are `window` of them then."""
        values = self.values
        if self.full:
            self.total += value - values[0]
            values.append(value)
            return True
        self.total += value
        values.append(value)
        self.full = len(values) == self.window
        return self.full


class Deviation(Mean):
    """The sum of the last `window` values and of their squares."""

    __slots__ = ("squares",)

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.squares = 0

    def push(self, value: int) -> bool:
        values = self.values
        self.squares += value * value - (values[0] * values[0] if self.full else 0)
        return super().push(value)

    def distance(self) -> int:
        """n times (last value - mean)."""
        return self.window * self.values[-1] - self.total

    def variance(self) -> int:
        """n squared times the population variance."""
        return self.window * self.squares - self.total * self.total


def above(one: Mean, other: Mean) -> int:
    """The sign of (mean of `one`) - (mean of `other`)."""
    left, right = one.total * other.window, other.total * one.window
    return (left > right) - (left < right)


def z_above(distance: int, variance: int, bound: int) -> int:
    """The sign of z - bound, for z = distance / sqrt(variance), variance > 0, and a bound in hundred-millionths.

    t -> t * |t| is increasing, so both sides may be squared with their signs kept.
    """
    left, right = distance * abs(distance) * ONE * ONE, bound * abs(bound) * variance
    return (left > right) - (left < right)


def digits(numerator: int, denominator: int) -> str:
    """A quotient in hundred-millionths as a decimal: the digits it begins with, and `..` where it goes on.

    Cut, not rounded: what is printed beside a bound never contradicts the comparison with it.
    """
    whole, rest = divmod(abs(numerator), denominator)
    return _told(numerator < 0, whole, rest != 0)


def z_digits(distance: int, variance: int) -> str:
    """distance / sqrt(variance) as `digits` tells it."""
    square = distance * distance * ONE * ONE
    whole = isqrt(square // variance)
    return _told(distance < 0, whole, whole * whole * variance != square)


def _told(negative: bool, whole: int, more: bool) -> str:
    text = f"{whole // ONE}.{whole % ONE:08}.." if more else show(whole)
    return f"-{text}" if negative else text

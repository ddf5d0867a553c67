"""Rules as they run: fed with closes one by one, asked for a verdict at any time. Asking changes nothing.

`evaluated` says of a close whether the strategy is evaluated at it: a crossing is a change of sides since the
evaluation before, so one that happens between two evaluations is not lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from ...worlds.market.units import show
from .indicators import Deviation, Mean, above, digits, z_above, z_digits
from .spec import MeanReversionZscore, SmaCrossover, ThresholdPrice

Side = Literal["BUY", "SELL", "HOLD"]
Verdict = tuple[Side, str]
"""What a rule says, and the comparison behind it."""

SIDES: Mapping[int, Side] = {1: "BUY", 0: "HOLD", -1: "SELL"}
SIGNS = {1: ">", 0: "=", -1: "<"}


class Running(Protocol):
    """A rule with what it remembers."""

    def observe(self, close: int, evaluated: bool) -> int:
        """Take the next close; what it says then, as a key of `SIDES`. It holds while it is warming up."""

    def verdict(self) -> Verdict:
        """What it says after the last close, and why."""


class Threshold:
    """`threshold_price`"""

    __slots__ = ("buy", "close", "sell")

    def __init__(self, rule: ThresholdPrice) -> None:
        self.buy, self.sell = rule.buy_below, rule.sell_above
        self.close = 0

    def observe(self, close: int, evaluated: bool) -> int:
        self.close = close
        if self.buy is not None and close <= self.buy:
            return 1
        return -1 if self.sell is not None and close >= self.sell else 0

    def verdict(self) -> Verdict:
        close, buy, sell = self.close, self.buy, self.sell
        if buy is not None and close <= buy:
            return "BUY", f"close {show(close)} <= buy_below {show(buy)}"
        if sell is not None and close >= sell:
            return "SELL", f"close {show(close)} >= sell_above {show(sell)}"
        least = "" if buy is None else f"buy_below {show(buy)} < "
        most = "" if sell is None else f" < sell_above {show(sell)}"
        return "HOLD", f"{least}close {show(close)}{most}"


class Crossover:
    """`sma_crossover`. `now` is the side, 1 above and -1 below; `before` the last one that an evaluation found."""

    __slots__ = ("before", "cross", "evaluated", "long", "now", "short")

    def __init__(self, rule: SmaCrossover) -> None:
        self.short, self.long, self.cross = Mean(rule.short_window), Mean(rule.long_window), rule.mode == "cross"
        self.now = self.before = 0
        self.evaluated = False

    def observe(self, close: int, evaluated: bool) -> int:
        short, long = self.short, self.long
        if self.evaluated and self.now:
            self.before = self.now
        self.evaluated = evaluated
        short.push(close)
        if not long.push(close):
            return 0
        now = self.now = above(short, long)
        return now if not self.cross or now == -self.before else 0

    def verdict(self) -> Verdict:
        short, long = self.short, self.long
        if not long.full:
            return "HOLD", f"warming up {len(long.values)} of {long.window}"
        side = self.now
        text = (
            f"SMA({short.window}) {digits(short.total, short.window)} {SIGNS[side]} "
            f"SMA({long.window}) {digits(long.total, long.window)}"
        )
        if not self.cross:
            return SIDES[side], text
        if side and side == -self.before:
            return SIDES[side], f"{text}, {SIGNS[-side]} before"
        return "HOLD", f"{text}, not crossed"


class Reversion:
    """`mean_reversion_zscore`"""

    __slots__ = ("buy", "closes", "sell")

    def __init__(self, rule: MeanReversionZscore) -> None:
        self.buy, self.sell, self.closes = rule.z_buy_below, rule.z_sell_above, Deviation(rule.window)

    def observe(self, close: int, evaluated: bool) -> int:
        closes = self.closes
        closes.push(close)
        variance = closes.variance() if closes.full else 0
        if not variance:
            return 0
        distance = closes.distance()
        if z_above(distance, variance, self.buy) <= 0:
            return 1
        return -1 if z_above(distance, variance, self.sell) >= 0 else 0

    def verdict(self) -> Verdict:
        closes, buy, sell = self.closes, self.buy, self.sell
        if not closes.full:
            return "HOLD", f"warming up {len(closes.values)} of {closes.window}"
        distance, variance = closes.distance(), closes.variance()
        if not variance:
            return "HOLD", f"the last {closes.window} closes are equal"
        z = f"z({closes.window}) {z_digits(distance, variance)}"
        if z_above(distance, variance, buy) <= 0:
            return "BUY", f"{z} <= z_buy_below {show(buy)}"
        if z_above(distance, variance, sell) >= 0:
            return "SELL", f"{z} >= z_sell_above {show(sell)}"
        return "HOLD", f"z_buy_below {show(buy)} < {z} < z_sell_above {show(sell)}"


RUNNING: Mapping[type, Callable[[Any], Running]] = {
    ThresholdPrice: Threshold,
    SmaCrossover: Crossover,
    MeanReversionZscore: Reversion,
}

"""What a strategy has seen: bars up to now, one tick at a time. There is no way to show it a later one.

Memory is bounded by the windows of the rules. A view is made again by showing it the same bars again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...worlds.market.schema import Bar
from .rules import RUNNING, Running, Side
from .spec import Strategy


class Signal(NamedTuple):
    """What the rule `$.rules[rule]` says of its symbol, and why."""

    rule: int
    symbol: str
    side: Side
    rationale: str


class View:
    """The rules of a strategy, running. `clock` is that of the market when observing begins."""

    __slots__ = ("_rules", "_timing", "bars", "clock")

    def __init__(self, strategy: Strategy, clock: int = 0) -> None:
        self.clock, self._timing = clock, strategy.timing
        self.bars: dict[str, Bar] = {}
        """Those of the latest tick, for the symbols of the universe."""
        self._rules: dict[str, list[tuple[int, Running]]] = {symbol: [] for symbol in strategy.universe.symbols}
        for index, rule in enumerate(strategy.rules):
            self._rules[rule.symbol].append((index, RUNNING[type(rule)](rule)))

    def observe(self, bars: Iterable[tuple[str, Bar]]) -> None:
        """Take the bars of one tick. A symbol without a bar in it keeps what it had and says HOLD."""
        self.clock += 1
        due = self.due
        self.look(bars)
        for symbol, bar in self.bars.items():
            for _, rule in self._rules[symbol]:
                rule.observe(bar.close, due)

    def skim(self, rows: Iterable[Sequence[int]]) -> tuple[int, bool]:
        """Take whole ticks by their closes, in the order of the universe, until a rule says something or they end.

        How many were taken, and whether one spoke at the last, whose bars `look` must then be shown. Ticks are
        pulled one by one, and each one pulled is taken: none can be known and not be observed.
        """
        begin, spoken = self.clock, False
        clock, start, every = begin, self._timing.start, self._timing.evaluate_every
        watched = [(place, rule.observe) for place, rules in enumerate(self._rules.values()) for _, rule in rules]
        for row in rows:
            clock += 1
            due = clock >= start and (clock - start) % every == 0
            for place, observe in watched:
                if observe(row[place], due):
                    spoken = True
            if spoken:
                break
        self.clock = clock
        return clock - begin, spoken

    def look(self, bars: Iterable[tuple[str, Bar]]) -> None:
        """See the bars of the latest tick."""
        self.bars = {symbol: bar for symbol, bar in bars if symbol in self._rules}

    @property
    def due(self) -> bool:
        """Whether the strategy is evaluated at this tick."""
        since = self.clock - self._timing.start
        return since >= 0 and since % self._timing.evaluate_every == 0

    @property
    def next_due(self) -> int:
        """The clock of the next evaluation after this tick."""
        start, every = self._timing.start, self._timing.evaluate_every
        return start if self.clock < start else self.clock + every - (self.clock - start) % every

    def signals(self) -> dict[str, list[Signal]]:
        """What every rule says now, by symbol, in the order of the universe and then of the file."""
        bars = self.bars
        return {
            symbol: [
                Signal(index, symbol, *(rule.verdict() if symbol in bars else ("HOLD", "no bar in this tick")))
                for index, rule in rules
            ]
            for symbol, rules in self._rules.items()
        }

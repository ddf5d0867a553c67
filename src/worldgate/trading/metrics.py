"""What a session came to, counted from its inputs, bars and fills alone, and held against its tape.

Equity and exposure are counted again at every bar (`recount`); every row of the tape must agree to the last place.
One pass over bars, tape and executions; memory is bounded however many there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ..gate.decision import Breach
from ..worlds.contract import Outside
from ..worlds.market.actions import Place, parse
from ..worlds.market.bars import Bars
from ..worlds.market.units import ONE, parse_amount, show
from .evidence import Row
from .inputs import Inputs
from .ratios import Drawdowns, Returns, annual_return, ratio, span
from .recount import Account, Fill, NotReconciled, same
from .samples import Ends, Every, Line
from .summary import Metrics, Refusal, Summary

LISTED = 50
"""Refused plans and fills that are kept from either end."""
MARKS = 500
"""Fills, and refused plans, that are kept for charts."""
REASONS = 50
"""Reasons that are told apart."""
OTHER = "other reasons"

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")


class _Taped(msgspec.Struct, frozen=True):
    """What is read of a row of the tape."""

    step: int
    bars: int
    time: str
    decision: str
    actions: tuple[str, ...]
    breaches: tuple[Breach, ...]
    skipped: tuple[dict[str, Any], ...]
    cash: str
    equity: str
    exposure: dict[str, str]


def summarise(inputs: Inputs, bars: Bars, tape: Iterable[Row], executions: Iterable[Row]) -> Summary:
    """The summary of a session, from the rows of its two documents. Raises `NotReconciled`, `OtherBars`."""
    inputs.check(bars)
    tally = _Tally(inputs, bars)
    try:
        for row, fills in _together(tape, executions):
            tally.add(row, fills)
    except msgspec.ValidationError as error:
        raise NotReconciled(f"a row that is not well-formed: {error}", "rows of a tape and executions") from error
    return tally.summary()


def _together(tape: Iterable[Row], executions: Iterable[Row]) -> Iterator[tuple[_Taped, list[Fill]]]:
    """Each row of the tape with the fills of its bars."""
    left = (msgspec.convert(row, Fill) for row in executions)
    waiting = next(left, None)
    for row in tape:
        taped = msgspec.convert(row, _Taped)
        fills = []
        while waiting is not None and waiting.step <= taped.step:
            fills.append(waiting)
            waiting = next(left, None)
        yield taped, fills
    if waiting is not None:
        raise NotReconciled(f"a fill at step {waiting.step}", "a row of the tape for each fill, in order")


class _Tally:
    """Everything that is counted on the way."""

    def __init__(self, inputs: Inputs, bars: Bars) -> None:
        self.inputs, self.bars = inputs, bars
        self.cash = parse_amount(inputs.market.cash, "cash")
        self.account = Account(self.cash, bars)
        self.returns, self.falls = Returns(), Drawdowns(self.cash)
        self.lines = [Line(len(bars)) for _ in range(3)]
        self.done = self.invested = self.sum_equity = self.sum_exposure = self.largest = 0
        self.solvent = True
        self.closed: list[int] = [0, 0, 0, 0, 0]  # closing fills, wins, losses, gained, lost
        self.counts: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.fills, self.fill_marks = Ends[Fill](LISTED), Every[Fill](MARKS)
        self.refusals, self.refusal_marks = Ends[Refusal](LISTED), Every[Refusal](MARKS)

    def add(self, row: _Taped, fills: list[Fill]) -> None:
        """A row of the tape, and its fills."""
        self.follows(row, fills)
        equity = gross = taken = 0
        for index in range(self.done, row.step):
            while taken < len(fills) and fills[taken].step == index + 1:
                self.fill(fills[taken])
                taken += 1
            equity, gross = self.account.mark(index)
            self.mark(index, equity, gross)
        self.done = row.step
        for name, said, counted in (
            ("cash", row.cash, self.account.cash),
            ("equity", row.equity, equity),
            ("gross exposure", row.exposure.get("gross", ""), gross),
        ):
            same(f"{name} at step {row.step}", said, show(counted))
        self.decide(row)

    def follows(self, row: _Taped, fills: list[Fill]) -> None:
        """A step is the next bars, and what they filled is in their order."""
        order = [self.done + 1, *(fill.step for fill in fills), row.step]
        if row.bars < 1 or row.step - row.bars != self.done or row.step > len(self.bars) or order != sorted(order):
            raise NotReconciled(
                f"step {row.step} of {row.bars} bars after step {self.done}",
                f"every bar once, up to {len(self.bars)}",
            )
        same(f"the time of step {row.step}", row.time, self.bars.times[row.step - 1])

    def fill(self, fill: Fill) -> None:
        realised = self.account.take(fill)
        self.fills.add(fill)
        self.fill_marks.add(fill)
        if realised is not None:
            more = (1, realised > 0, realised < 0, max(realised, 0), min(realised, 0))
            self.closed = [one + other for one, other in zip(self.closed, more, strict=True)]

    def mark(self, index: int, equity: int, gross: int) -> None:
        """The account at the close of a bar."""
        self.returns.add(equity)
        values = [equity, self.falls.add(index, equity)]
        self.sum_equity += equity
        self.invested += gross > 0
        if equity > 0:
            exposure = gross * ONE // equity
            self.sum_exposure += exposure
            self.largest = max(self.largest, exposure)
            values.append(exposure)
        else:
            self.solvent = False
        for line, value in zip(self.lines, values, strict=False):
            line.add(index, value)

    def decide(self, row: _Taped) -> None:
        """What was said, and what became of it."""
        shadow = row.decision == "APPROVED" and bool(row.breaches)
        decided = row.decision != "HOLD"  # after the last bar of the step
        self.counts[row.decision] += decided
        self.counts["HOLD"] += row.bars - decided
        self.counts["shadow"] += shadow
        self.counts["orders"] += len(row.actions) * (row.decision == "APPROVED")
        for one in row.skipped:
            reason = _NUMBER.sub("#", str(one.get("why", "")))
            self.skipped[reason if reason in self.skipped or len(self.skipped) < REASONS else OTHER] += 1
        if shadow or row.decision == "REJECTED":
            symbols = tuple(dict.fromkeys(filter(None, map(_symbol, row.actions))))
            refusal = Refusal(row.step, row.time, shadow, row.actions, row.breaches, symbols)
            self.refusals.add(refusal)
            self.refusal_marks.add(refusal)
            self.refused.update(symbols)

    def summary(self) -> Summary:
        """What it all comes to."""
        if not self.done:
            raise NotReconciled("a tape without rows", "a step at least")
        self.account.end(self.done - 1)
        equity, drawdown, exposure = (line.points() for line in self.lines)
        return Summary(
            inputs=self.inputs,
            bars=self.bars,
            metrics=self.metrics(),
            equity=equity,
            drawdown=drawdown,
            exposure=exposure,
            holdings=dict(sorted(self.account.holdings.items())),
            fills=self.fills,
            refusals=self.refusals,
            fill_marks=self.fill_marks,
            refusal_marks=self.refusal_marks,
            refused=dict(sorted(self.refused.items())),
        )

    def metrics(self) -> Metrics:
        first, last = self.bars.times[0], self.bars.times[self.done - 1]
        years, periods = span(first, last, self.done)
        equity = self.returns.equity
        trips, wins, losses, gained, lost = self.closed
        traded = self.account.total("traded")
        bars = self.done * ONE if self.solvent else 0
        return Metrics(
            bars=self.done,
            first=first,
            last=last,
            cash=show(self.cash),
            equity=show(equity),
            profit=show(equity - self.cash),
            realised=show(self.account.total("realised")),
            unrealised=show(self.account.total("unrealised")),
            fees=show(self.account.total("fees")),
            traded=show(traded),
            total_return=ratio(equity - self.cash, self.cash),
            annual_return=annual_return(self.cash, equity, years),
            periods_per_year=periods,
            volatility=self.returns.volatility(periods),
            sharpe=self.returns.sharpe(periods),
            sortino=self.returns.sortino(periods),
            drawdown=self.falls.largest(self.bars.times),
            turnover=ratio(traded * self.done, self.sum_equity),
            invested=ratio(self.invested, self.done),
            mean_exposure=ratio(self.sum_exposure, bars),
            largest_exposure=ratio(self.largest, ONE if self.solvent else 0),
            fills=self.fills.count,
            round_trips=trips,
            wins=wins,
            losses=losses,
            win_rate=ratio(wins, trips),
            gained=show(gained),
            lost=show(lost),
            approved=self.counts["APPROVED"],
            rejected=self.counts["REJECTED"],
            shadow=self.counts["shadow"],
            holds=self.counts["HOLD"],
            orders=self.counts["orders"],
            skipped=dict(sorted(self.skipped.items(), key=lambda item: (-item[1], item[0]))),
        )


def _symbol(action: str) -> str:
    """What an order is for."""
    try:
        found = parse(action)
    except Outside:
        return ""
    return found.symbol if isinstance(found, Place) else ""

"""Evidence: the tape and the executions of a session, derived from its steps.

Both are functions of the inputs and of the steps (what was recorded, and each delta), so that whoever has the
inputs and the bars can compute them again. Amounts are decimal strings; nothing depends on time, place or chance.

    tape         one row a step: prices, signals, what was skipped and why, orders, the verdict, the book after
    executions   one row a fill: its proof, the whole book before and after it, and its entries in the journal
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ..facts import Delta, State
from ..worlds.market import accounting
from ..worlds.market.actions import MAIN
from ..worlds.market.bars import Bars
from ..worlds.market.schema import Book, Position
from ..worlds.market.units import notional, parse_amount, show
from .schemas import TapeRow
from .session import Step

Row = dict[str, Any]
COLUMNS = TapeRow.__struct_fields__
DECISIONS = {"hold": "HOLD", "approve": "APPROVED", "reject": "REJECTED"}


class Evidence:
    """Rows of one session over its bars; feed it the steps in order."""

    def __init__(self, session: str, first: State, currency: str, bars: Bars) -> None:
        self.session, self.state, self.currency, self.bars = session, first, currency, bars

    def rows(self, steps: Iterable[tuple[Step, Delta]]) -> Iterator[tuple[Row, list[Row]]]:
        """For each step its row of the tape, and the rows of its fills."""
        for step, delta in steps:
            before, self.state = self.state, self.state.apply(delta)
            yield self._row(step, before), list(self._executions(step, before))

    def _row(self, step: Step, before: State) -> Row:
        after = self.state
        old, new = self._book(before), self._book(after)
        return {
            "step": step.step,
            "bars": step.bars,
            "time": step.time,
            "prices": {symbol: show(bar.close) for _, (symbol,), bar in sorted(after.facts("bar"))},
            "signals": [dict(zip(("rule", "symbol", "side", "why"), said, strict=True)) for said in step.signals],
            "skipped": [dict(zip(("rule", "symbol", "side", "why"), said, strict=True)) for said in step.skipped],
            "actions": list(step.actions),
            "decision": DECISIONS[step.verdict],
            "why": why(step),
            "breaches": [fields(breach) for breach in step.breaches],
            "fills": [fields(fill) for fill in step.fills],
            "cash": show(self._cash(after)),
            "equity": show(new.equity),
            "exposure": {"gross": show(new.long + new.short), "net": show(new.long - new.short)},
            "positions": _shown(_held(after)),
            "delta": {
                "cash": _moved(self._cash(before), self._cash(after)),
                "equity": _moved(old.equity, new.equity),
                "exposure": _moved(old.long + old.short, new.long + new.short),
                "positions": _changed(before, after),
            },
        }

    def _executions(self, step: Step, before: State) -> Iterator[Row]:
        """Fills in their order: the book runs from before the step through each of them, at the closes of its bar."""
        held = _held(before)
        cash = self._cash(before)
        for fill in step.fills:
            closes = self._closes(fill.at, step)
            old = held.get(fill.symbol, Position())
            quantity, price, fee = (parse_amount(text) for text in (fill.quantity, fill.price, fill.commission))
            postings = accounting.of_fill(old, fill.side, quantity, price, fee)
            entries = zip(postings._fields, postings, strict=True)
            sign = 1 if fill.side == "buy" else -1
            after_cash = cash - sign * notional(price, quantity) - fee
            cost = old.cost + postings.inventory
            new = held | {fill.symbol: old._replace(quantity=old.quantity + sign * quantity, cost=cost)}
            yield {
                "event": f"{self.session[:12]}:{fill.at}:{fill.order}",
                "step": fill.at,
                "time": self.bars.times[fill.at - 1],
                **fields(fill),
                "cash": _moved(cash, after_cash),
                "equity": _moved(cash + _value(held, closes), after_cash + _value(new, closes)),
                "exposure": _moved(_gross(held, closes), _gross(new, closes)),
                "positions": {"before": _shown(held), "after": _shown(new)},
                "journal": [{"ledger": ledger, "amount": show(amount)} for ledger, amount in entries if amount],
            }
            held, cash = new, after_cash

    def _closes(self, at: int, step: Step) -> dict[str, int]:
        """The closes of the bar after which the clock is `at`; those of a step's last bar are in the state."""
        if at == step.step:
            return {str(symbol): int(bar.close) for _, (symbol,), bar in self.state.facts("bar")}
        return {symbol: self.bars.column(symbol, "close")[at - 1] for symbol in self.bars.symbols}

    def _book(self, state: State) -> Book:
        found: Book = state.get("book", (MAIN, self.currency))
        return found

    def _cash(self, state: State) -> int:
        return state.get("cash", (MAIN, self.currency)) or 0


def why(step: Step) -> str:
    """A step in a line: what was said, what was refused."""
    said = [f"{symbol} {side}: {reason}" for _, symbol, side, reason in step.signals if side != "HOLD"]
    skipped = [f"{symbol} {side} skipped: {reason}" for _, symbol, side, reason in step.skipped]
    return "; ".join([*said, *skipped, *(breach.message for breach in step.breaches)])


def fields(row: msgspec.Struct) -> Row:
    """A record's fields by name, in their order."""
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _held(state: State) -> dict[str, Position]:
    return {str(symbol): held for _, (account, symbol), held in state.facts("position") if account == MAIN}


def _value(held: dict[str, Position], closes: dict[str, int]) -> int:
    return sum(notional(closes[symbol], position.quantity) for symbol, position in held.items() if position.quantity)


def _gross(held: dict[str, Position], closes: dict[str, int]) -> int:
    return sum(
        abs(notional(closes[symbol], position.quantity)) for symbol, position in held.items() if position.quantity
    )


def _shown(held: dict[str, Position]) -> dict[str, str]:
    return {symbol: show(position.quantity) for symbol, position in sorted(held.items()) if position.quantity}


def _moved(before: int, after: int) -> dict[str, str]:
    return {"before": show(before), "after": show(after), "delta": show(after - before)}


def _changed(before: State, after: State) -> dict[str, dict[str, str]]:
    old, new = _held(before), _held(after)
    ends = {symbol: [held.get(symbol, Position()).quantity for held in (old, new)] for symbol in sorted(old | new)}
    return {symbol: _moved(*quantities) for symbol, quantities in ends.items() if quantities[0] != quantities[1]}

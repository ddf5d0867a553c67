"""The account counted a second time: from its first cash, the fills and the bars, and nothing else.

No code of the market, its books or its journal is used, so that the two results can be held against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from ..facts import Error
from ..worlds.market.bars import Bars
from ..worlds.market.units import ONE, parse_amount, share, show


class NotReconciled(Error):
    """Counted again from fills and bars, an amount is another one than the tape or the executions say."""

    number, title = "WG384", "the evidence does not add up"


class Fill(msgspec.Struct, frozen=True):
    """What is read of a row of the executions; amounts are decimal text."""

    step: int
    time: str
    order: int
    symbol: str
    side: Literal["buy", "sell"]
    quantity: str
    price: str
    commission: str
    realised: str

    @property
    def amounts(self) -> tuple[str, str, str, str]:
        return self.quantity, self.price, self.commission, self.realised


class Holding:
    """What was traded of a symbol, and what is held of it, at average cost; `close` is its latest."""

    def __init__(self, column: Sequence[int]) -> None:
        self.column = column
        self.quantity = self.cost = self.close = 0
        self.realised = self.fees = self.traded = self.fills = 0

    @property
    def value(self) -> int:
        """At the latest close, exact because tick times lot is."""
        return self.quantity * self.close // ONE

    @property
    def unrealised(self) -> int:
        return self.value - self.cost if self.quantity else 0

    @property
    def amounts(self) -> tuple[int, ...]:
        """Traded, realised, fees, held, cost, close, value and unrealised."""
        return (
            self.traded, self.realised, self.fees, self.quantity, self.cost, self.close, self.value, self.unrealised
        )  # fmt: skip

    def trade(self, change: int, price: int, fee: int) -> tuple[int, int]:
        """A trade of `change` (signed): the cash that it brings, and what it realises before its fee.

        What is closed leaves at average cost, cost * closed / held, half to even; what is opened enters at the price.
        """
        way = 1 if change > 0 else -1
        closed = min(abs(self.quantity), abs(change)) if self.quantity * change < 0 else 0
        released = share(self.cost, closed, abs(self.quantity)) if closed else 0
        paid = _worth(price, change)
        realised = -released - way * _worth(price, closed) if closed else 0
        self.cost += paid - way * _worth(price, closed) - released
        self.quantity += change
        self.realised += realised
        self.fees += fee
        self.traded += abs(paid)
        self.fills += 1
        return -paid - fee, realised


class Account:
    """Cash and holdings. Take the fills of a bar, then `mark` the bar."""

    def __init__(self, cash: int, bars: Bars) -> None:
        self.cash, self._bars = cash, bars
        self.holdings: dict[str, Holding] = {}
        self._open: list[Holding] = []

    def take(self, fill: Fill) -> int | None:
        """A fill: what it realises, None when it closes nothing. Raises `NotReconciled` where the row differs."""
        if fill.symbol not in self.holdings:
            self.holdings[fill.symbol] = Holding(self._bars.column(fill.symbol, "close"))
        holding = self.holdings[fill.symbol]
        quantity, price, fee = (parse_amount(given) for given in (fill.quantity, fill.price, fill.commission))
        change = quantity if fill.side == "buy" else -quantity
        closes = holding.quantity * change < 0
        cash, realised = holding.trade(change, price, fee)
        same(f"realised by order {fill.order} at step {fill.step}", fill.realised, show(realised))
        self.cash += cash
        self._open = [one for one in self.holdings.values() if one.quantity]
        return realised if closes else None

    def mark(self, index: int) -> tuple[int, int]:
        """Equity and gross exposure at the closes of a bar; a symbol without a bar keeps its last close."""
        equity, gross = self.cash, 0
        for holding in self._open:
            holding.close = holding.column[index] or holding.close
            value = holding.value
            equity += value
            gross += abs(value)
        return equity, gross

    def end(self, index: int) -> None:
        """Give what is no longer held its latest close at a bar, too."""
        for holding in self.holdings.values():
            holding.close = next((holding.column[at] for at in range(index, -1, -1) if holding.column[at]), 0)

    def total(self, name: str) -> int:
        """The sum of a number of the holdings."""
        return sum(getattr(holding, name) for holding in self.holdings.values())


def same(what: str, said: str, counted: str) -> None:
    """Raise `NotReconciled` unless what is said is what was counted."""
    if said != counted:
        raise NotReconciled(
            f"{what}: {said}", f"{counted}, from the fills and the bars", "Replay the session to see where it differs."
        )


def _worth(price: int, quantity: int) -> int:
    value, rest = divmod(price * quantity, ONE)
    if rest:
        raise NotReconciled(f"{show(quantity)} at {show(price)}", "an amount of at most 8 decimals")
    return value

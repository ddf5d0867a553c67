"""What a call costs: reserved before it, settled after it.

The reservation is an upper bound, so a limit is never passed: every byte of the prompt counts as a token (no tokenizer
in use makes more), plus a frame for each message, plus all the tokens that may be written. What the endpoint does not
report, or what is unknown because the call failed, counts in full.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from ...facts import Error
from ...gate.budget import UNLIMITED, Meter, Overrun, Reservation
from .errors import BadSetting, BudgetSpent, Overspent
from .model import Message, Usage

FRAME = 64
"""Tokens for what a chat template puts around one message."""
_MICRO = Decimal("0.000001")


@dataclass(frozen=True)
class Price:
    """What a million tokens cost, read and written, in a currency such as EUR."""

    read: Decimal
    written: Decimal
    currency: str

    def __post_init__(self) -> None:
        for amount in (self.read, self.written):
            if not isinstance(amount, Decimal) or not amount.is_finite() or not 0 <= amount < 1_000_000:
                raise BadSetting(f"a price of {amount!r:.60}", "a Decimal from 0 to below a million")
        if not re.fullmatch("[A-Z]{3}", self.currency):
            raise BadSetting(f"a price in {self.currency!r:.60}", "a currency such as EUR")

    def of(self, usage: Usage) -> str:
        """The cost, rounded up to a millionth, as a budget writes it."""
        cost = (self.read * usage.read + self.written * usage.written) / 1_000_000
        return f"{cost.quantize(_MICRO, ROUND_CEILING):f} {self.currency}"


def most(messages: Sequence[Message], extra: int, max_tokens: int) -> Usage:
    """The most that a call can use; `extra` is the size of what is sent beside the messages."""
    return Usage(sum(len(one.content.encode()) + FRAME for one in messages) + extra, max_tokens)


def seconds_left(meter: Meter, wanted: float) -> float:
    """The time a call may take: what is wanted, or what is left."""
    left = meter.left("seconds")
    return wanted if left == UNLIMITED else min(wanted, float(left))


class Spending:
    """All calls of one planning, on one meter."""

    def __init__(self, meter: Meter, price: Price | None) -> None:
        self.meter, self.price = meter, price
        self.used: dict[str, Any] = {"model_calls": 0, "tokens": 0, "seconds": Decimal(0)}
        self._open: list[Reservation] = []

    def reserve(self, bound: Usage, seconds: float) -> None:
        """Set a call's upper bound aside, all of it or nothing; raises `BudgetSpent`."""
        self._open, self._bound, self._seconds = [], bound, _milli(seconds)
        if not self._seconds:
            raise BudgetSpent("no seconds left", "time for a call", "Allow more seconds.")
        for name, amount in self._amounts(bound, self._seconds).items():
            try:
                self._open.append(self.meter.reserve(name, amount))
            except Error as error:  # too much, or money in another currency
                for reservation in self._open:
                    self.meter.cancel(reservation)
                raise BudgetSpent(error.found, error.expected, error.do) from error

    def settle(self, usage: Usage | None, seconds: float) -> None:
        """Put the call on the meter; raises `Overspent` when it used more than was reserved.

        A call is given up at its limit of seconds; the moment that this takes is not counted.
        """
        amounts = self._amounts(usage or self._bound, min(_milli(seconds), self._seconds))
        over: list[Overrun] = []
        for reservation in self._open:
            try:
                self.meter.settle(reservation, amounts[reservation.resource])
            except Overrun as error:
                over.append(error)
        self._count(amounts)
        if over:
            raise Overspent(over[0].found, over[0].expected, over[0].do) from over[0]

    def _amounts(self, usage: Usage, seconds: Decimal) -> Mapping[str, Any]:
        money = {"money": self.price.of(usage)} if self.price else {}
        return {"model_calls": 1, "tokens": usage.read + usage.written, "seconds": seconds, **money}

    def _count(self, amounts: Mapping[str, Any]) -> None:
        for name in ("model_calls", "tokens", "seconds"):
            self.used[name] += amounts[name]
        if self.price:
            before = Decimal(self.used.get("money", "0").partition(" ")[0])
            after = before + Decimal(amounts["money"].partition(" ")[0])
            self.used["money"] = f"{after:f} {self.price.currency}"

    def to_json(self) -> dict[str, Any]:
        """What all calls used: counts as numbers, seconds and money as text."""
        return {**self.used, "seconds": f"{self.used['seconds']:f}"}


def _milli(seconds: float) -> Decimal:
    return Decimal(str(seconds)).quantize(Decimal("0.001"), ROUND_CEILING)

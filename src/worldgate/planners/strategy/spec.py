"""What a strategy file may hold, as types: the fields, their bounds, and what a rule's settings must not say together.

Amounts are in hundred-millionths. The published schema is made of these; it cannot say how settings relate to each
other, so a file that fits it may still be refused by `load`.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ...facts import canonical_json
from ...worlds.market.actions import NAME
from ...worlds.market.units import ONE, show

MAX_WINDOW = 100_000
Problem = tuple[str, str, str]
"""Of a rule: the field, what was found there, and what was expected."""


class Amount(int):
    """A decimal number, in hundred-millionths."""


class Positive(Amount):
    """A decimal number above zero, in hundred-millionths."""


Text = Annotated[str, Meta(min_length=1, max_length=1000)]
Symbol = Annotated[str, Meta(pattern=rf"^{NAME}$(?!\n)")]
Steps = Annotated[int, Meta(ge=1, le=10**9)]
Window = Annotated[int, Meta(ge=2, le=MAX_WINDOW)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of a strategy file."""


class Metadata(Part, frozen=True, kw_only=True):
    """What the strategy calls itself, for people."""

    name: Text
    version: Text
    description: Text


class Universe(Part, frozen=True, kw_only=True):
    """The symbols that may be traded, in the order in which their orders are placed."""

    symbols: Annotated[tuple[Symbol, ...], Meta(min_length=1, max_length=10_000)]


class Timing(Part, frozen=True, kw_only=True):
    """Rules are evaluated at tick `start` (the first tick is 1) and then every `evaluate_every` ticks."""

    evaluate_every: Steps = 1
    start: Steps = 1


class Sizing(Part, frozen=True, kw_only=True):
    """How much an order is for, and how much may be held (short, too, where `allow_short`) of a symbol.

    `max_new_exposure`: at most this notional is opened in one evaluation; null for no limit.
    """

    order_quantity: Positive
    max_position: Positive
    max_position_by_symbol: dict[str, Positive] = {}
    max_new_exposure: Positive | None = None
    allow_short: bool = False


class Rule(Part, frozen=True, kw_only=True, tag_field="type"):
    """Says BUY, SELL or HOLD of one symbol."""

    symbol: Symbol


class ThresholdPrice(Rule, frozen=True, kw_only=True, tag="threshold_price"):
    """BUY when close <= `buy_below`, SELL when close >= `sell_above`. At least one is given."""

    buy_below: Positive | None = None
    sell_above: Positive | None = None

    def problems(self) -> Iterator[Problem]:
        if self.buy_below is None and self.sell_above is None:
            yield "buy_below", "no threshold", "buy_below, sell_above or both"
        elif self.buy_below is not None and self.sell_above is not None and self.buy_below >= self.sell_above:
            yield "buy_below", show(self.buy_below), f"less than sell_above, {show(self.sell_above)}"


class SmaCrossover(Rule, frozen=True, kw_only=True, tag="sma_crossover"):
    """Compares the mean of the last `short_window` closes with that of the last `long_window`.

    level: BUY while it is above, SELL while it is below.
    cross: only at the evaluation that finds it on the other side than before (equal means are on neither side).
    """

    short_window: Annotated[int, Meta(ge=1, le=MAX_WINDOW)]
    long_window: Window
    mode: Literal["level", "cross"]

    def problems(self) -> Iterator[Problem]:
        if self.short_window >= self.long_window:
            yield "short_window", str(self.short_window), f"less than long_window, {self.long_window}"


class MeanReversionZscore(Rule, frozen=True, kw_only=True, tag="mean_reversion_zscore"):
    """BUY when z <= `z_buy_below`, SELL when z >= `z_sell_above`, for z = (close - mean) / standard deviation.

    Mean and (population) deviation are those of the last `window` closes, this one included; without deviation, HOLD.
    """

    window: Window
    z_buy_below: Amount
    z_sell_above: Amount

    def problems(self) -> Iterator[Problem]:
        if self.z_buy_below >= self.z_sell_above:
            yield "z_buy_below", show(self.z_buy_below), f"less than z_sell_above, {show(self.z_sell_above)}"
        for field, bound in (("z_buy_below", self.z_buy_below), ("z_sell_above", self.z_sell_above)):
            if bound**2 > (self.window - 1) * ONE**2:  # Samuelson's inequality: z**2 <= n - 1
                reach = f"at most {self.window - 1} when squared: z of {self.window} closes goes no further"
                yield field, show(bound), reach


class Strategy(Part, frozen=True, kw_only=True):
    """Rules over the bars of a market, and how large the orders are that follow from them.

    `combine`: what holds when several rules are about one symbol. agree: what all of them say, else HOLD; first: what
    the first in the file says that does not say HOLD. Without it, at most one rule may be about a symbol.
    """

    metadata: Metadata
    universe: Universe
    timing: Timing = Timing()
    sizing: Sizing
    combine: Literal["agree", "first"] | None = None
    rules: Annotated[
        tuple[ThresholdPrice | SmaCrossover | MeanReversionZscore, ...], Meta(min_length=1, max_length=10_000)
    ]

    def to_json(self) -> dict[str, Any]:
        """The strategy as plain data, which `make_strategy` takes: defaults written out, numbers as decimal text."""
        data: dict[str, Any] = msgspec.to_builtins(self, enc_hook=show)
        return data

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of `to_json`."""
        return sha256(canonical_json(self.to_json())).hexdigest()


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a strategy file."""
    number = {"anyOf": [{"type": "string", "pattern": r"^-?[0-9]{1,21}(\.[0-9]{1,8})?$"}, {"type": "number"}]}
    schemas: dict[type, dict[str, Any]] = {Amount: number, Positive: {**number, "exclusiveMinimum": 0}}
    schema = msgspec.json.schema(Strategy, schema_hook=schemas.__getitem__)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "worldgate strategy", **schema}

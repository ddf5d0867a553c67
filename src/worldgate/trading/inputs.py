"""What a session rests on: strategy, policy, budget, market and bars, as data. Its digest names the session."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec

from ..facts import Error, State, canonical_json, json_decode
from ..gate.budget import Budget
from ..gate.policy import Policy, make_policy
from ..planners.strategy import Strategy, make_strategy
from ..worlds.documents import load_document
from ..worlds.market import MarketWorld, open_market
from ..worlds.market.actions import MAIN
from ..worlds.market.bars import Bars
from ..worlds.market.schema import Costs, Instrument
from ..worlds.market.units import parse_amount

SCHEMA_VERSION = 1
WORLD = "market"


class BadMarketFile(Error):
    number, title = "WG381", "market file is not well-formed"


class OtherVersion(Error):
    number, title = "WG386", "inputs of another version"


class OtherBars(Error):
    number, title = "WG382", "not the bars that were recorded"


class Charges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Costs of trading, as in `worlds.market.schema.Costs`: fractions of value or price, and money."""

    rate: Decimal = Decimal(0)
    per_order: Decimal = Decimal(0)
    minimum: Decimal = Decimal(0)
    spread: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)
    volume_share: Decimal = Decimal(0)


class Listing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a symbol trades: the price and quantity steps, the margin asked for, and what it costs."""

    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal(1)
    margin: Decimal = Decimal(1)
    costs: Charges = Charges()


class Market(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market file: one account and its money, and how symbols trade.

    In the file an entry of `symbols` says what differs from `default`; here it is whole.
    """

    version: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    currency: str = "USD"
    cash: Decimal = Decimal(10_000)
    shorting: bool = False
    default: Listing = Listing()
    symbols: dict[str, Listing] = {}

    def listing(self, symbol: str) -> Listing:
        """How a symbol trades."""
        return self.symbols.get(symbol, self.default)

    def ticks(self, symbols: Iterable[str]) -> dict[str, int]:
        """The price step of each symbol, in hundred-millionths."""
        return {symbol: parse_amount(self.listing(symbol).tick, symbol) for symbol in symbols}

    def begin(self, symbols: tuple[str, ...]) -> State:
        """The state before the first bar; raises the numbered errors of the market."""
        listings = {symbol: self.listing(symbol) for symbol in symbols}
        instruments = {
            symbol: Instrument(self.currency, *(parse_amount(part, symbol) for part in (one.tick, one.lot, one.margin)))
            for symbol, one in listings.items()
        }
        costs = {
            symbol: Costs(*(parse_amount(getattr(one.costs, name), name) for name in Costs._fields))
            for symbol, one in listings.items()
        }
        cash = {MAIN: {self.currency: parse_amount(self.cash, "cash")}}
        return open_market(instruments, cash=cash, costs=costs, shorting=(MAIN,) if self.shorting else ())


class Feed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bars: their digest, and what they are for people."""

    digest: str
    symbols: tuple[str, ...]
    rows: int
    first: str
    last: str

    @classmethod
    def of(cls, bars: Bars) -> Feed:
        return cls(digest=bars.digest, symbols=bars.symbols, rows=len(bars), first=bars.times[0], last=bars.times[-1])


class Inputs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Everything a session depends on, beside the bars themselves."""

    schema_version: int = SCHEMA_VERSION
    world: str = WORLD
    version: str
    strategy: Any
    policy: Any
    budget: dict[str, Any]
    market: Market
    bars: Feed

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON: the session's id."""
        return sha256(canonical_json(self)).hexdigest()

    def check(self, bars: Bars) -> None:
        """Raise `OtherBars` unless these are the bars, and `OtherVersion` for inputs of another version."""
        mine, here = (self.schema_version, self.world, self.version), (SCHEMA_VERSION, WORLD, MarketWorld.version)
        if mine != here:
            raise OtherVersion(f"{mine}", f"{here}", "Use the worldgate that made it.")
        if bars.digest != self.bars.digest:
            raise OtherBars(
                f"{len(bars)} bars of {', '.join(bars.symbols)}, digest {bars.digest[:12]}",
                f"{self.bars.rows} of {', '.join(self.bars.symbols)}, digest {self.bars.digest[:12]}",
                "Name the file of the bars with --bars.",
            )

    def parts(self) -> tuple[Strategy, Policy, Budget, State]:
        """The strategy, policy, budget and first state that these data stand for."""
        strategy = make_strategy(self.strategy)
        return (
            strategy,
            make_policy(self.policy, "recorded"),
            Budget.of(self.budget),
            self.market.begin(self.bars.symbols),
        )


def load_market(text: str, name: str = "market") -> Market:
    """The market of a YAML or JSON text; raises `BadMarketFile`."""
    try:
        return msgspec.convert(_whole(load_document(text, name, BadMarketFile)), Market)
    except msgspec.ValidationError as error:
        raise BadMarketFile(
            f"{name}: {error}", f"the fields of a market: {', '.join(Market.__struct_fields__)}"
        ) from error


def _whole(data: Any) -> Any:
    """The document with what the default says in each symbol that does not say otherwise."""
    if not isinstance(data, dict) or not isinstance(data.get("symbols"), dict):
        return data
    return {**data, "symbols": {symbol: _over(data.get("default"), one) for symbol, one in data["symbols"].items()}}


def _over(default: Any, given: Any) -> Any:
    if not isinstance(default, dict) or not isinstance(given, dict):
        return given
    return default | {name: _over(default.get(name), value) for name, value in given.items()}


def load_inputs(path: Path) -> Inputs:
    """The inputs in a session's folder."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Inputs)
    except (OSError, msgspec.DecodeError) as error:
        raise BadMarketFile(f"{path.name}: {error}", "the inputs of a session") from error


def plain(value: Any) -> Any:
    """A struct as plain JSON data."""
    return json_decode(canonical_json(value))

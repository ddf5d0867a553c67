"""The evidence's documents as types: what their JSON Schemas are made from. `evidence` makes the rows."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..gate.decision import Breach
from .inputs import Inputs
from .session import Filled

Amount = str
"""A decimal: no exponent, no trailing zeros."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a document."""


class Moved(Part, frozen=True, kw_only=True):
    """An amount before and after, and the difference."""

    before: Amount
    after: Amount
    delta: Amount


class Said(Part, frozen=True, kw_only=True):
    """What the rule `$.rules[rule]` of the strategy said of a symbol, or why nothing came of it."""

    rule: int
    symbol: str
    side: Literal["BUY", "SELL", "HOLD"]
    why: str


class Exposure(Part, frozen=True, kw_only=True):
    """The market values of what is held: long and short together, and long less short."""

    gross: Amount
    net: Amount


class Change(Part, frozen=True, kw_only=True):
    """What a step changed; `exposure` is the gross one, `positions` has those that changed."""

    cash: Moved
    equity: Moved
    exposure: Moved
    positions: dict[str, Moved]


class TapeRow(Part, frozen=True, kw_only=True):
    """A step: the last `bars` bars up to the clock `step`, and what was decided after them."""

    step: int
    bars: int
    time: str
    prices: dict[str, Amount]
    signals: list[Said]
    skipped: list[Said]
    actions: list[str]
    decision: Literal["HOLD", "APPROVED", "REJECTED"]
    why: str
    breaches: list[Breach]
    fills: list[Filled]
    cash: Amount
    equity: Amount
    exposure: Exposure
    positions: dict[str, Amount]
    delta: Change


class Book(Part, frozen=True, kw_only=True):
    """The quantities held before and after a fill, by symbol."""

    before: dict[str, Amount]
    after: dict[str, Amount]


class Posting(Part, frozen=True, kw_only=True):
    """An entry of the journal; those of a fill add up to nothing."""

    ledger: Literal["cash", "inventory", "realised", "fees"]
    amount: Amount


class Execution(Filled, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fill, its proof, the whole book before and after it at the closes of its bar, and its journal."""

    event: str
    step: int
    time: str
    cash: Moved
    equity: Moved
    exposure: Moved
    positions: Book
    journal: list[Posting]


class Tape(Part, frozen=True, kw_only=True):
    """tape.json"""

    schema_version: Literal[1]
    kind: Literal["tape"]
    session: str
    inputs: Inputs
    rows: list[TapeRow]


class Executions(Part, frozen=True, kw_only=True):
    """executions.json"""

    schema_version: Literal[1]
    kind: Literal["executions"]
    session: str
    inputs: Inputs
    rows: list[Execution]


def json_schemas() -> dict[str, Any]:
    """The published JSON Schema of each document."""
    return {"tape": msgspec.json.schema(Tape), "executions": msgspec.json.schema(Executions)}

"""Strategy files: JSON, read strictly and exactly.

What is not understood is refused with the JSON path of the first thing that is wrong: unknown fields, keys written
twice, numbers that are not finite, settings that contradict each other. Numbers are taken from their literal text, as
JSON numbers or as strings; no binary float comes in between. Whether a strategy fits a market (its symbols, its lots)
is asked of the market: `planner.check_market`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from ...facts import Error, canonical_json
from ...worlds.documents import MAX_BYTES
from ...worlds.market.units import parse_amount, show
from .errors import BadNumber, BadStrategy, ConflictingRules, Contradiction, OutsideUniverse, RepeatedSymbol
from .spec import Positive, Strategy


def load_strategy(text: str, name: str = "strategy") -> Strategy:
    """The strategy of a JSON text; raises `BadStrategy` and its kinds, which say `name` and the JSON path."""
    try:
        return make_strategy(_document(text))
    except BadStrategy as error:
        error.found = f"{name}: {error.found}"
        raise


def _document(text: str) -> Any:
    if len(text) > MAX_BYTES:
        raise BadStrategy(f"{len(text)} characters", f"at most {MAX_BYTES}")
    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BadStrategy(str(error), "one JSON document, as docs/strategies.md has it") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that comes again gets a name that no field and no symbol has."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[f"{key} (again)" if key in found else key] = value
    return found


def make_strategy(data: Any) -> Strategy:
    """The strategy of JSON data; its numbers are strings, integers or `Decimal`s."""
    try:
        strategy = msgspec.convert(data, Strategy, dec_hook=_number)
        canonical_json(msgspec.to_builtins(strategy.metadata))
    except msgspec.ValidationError as error:
        problem, path = _located(error, data)
        if isinstance(error.__cause__, _Inexact):
            raise BadNumber(problem, "a decimal number of at most 8 places, of the sign it needs", path=path) from error
        raise BadStrategy(problem, "what docs/schemas/strategy.json describes", path=path) from error
    except UnicodeEncodeError as error:
        raise BadStrategy(str(error), "Unicode text", path="$.metadata") from error
    for refused in _refusals(strategy):
        raise refused
    return strategy


class _Inexact(ValueError):
    """Inside a conversion: this is no number we can keep."""


def _number(kind: type, value: Any) -> Any:
    try:
        found = parse_amount(value, "number")
    except Error as error:
        raise _Inexact(error.found.removeprefix("number: ")) from error
    if kind is Positive and found <= 0:
        raise _Inexact(f"{show(found)} is not above zero")
    return kind(found)


def _located(error: msgspec.ValidationError, data: Any) -> tuple[str, str]:
    """What is wrong, and its path: down to the field, and to the key of the one mapping that a strategy has."""
    problem, _, path = str(error).partition(" - at `")
    path = path.rstrip("`") or "$"
    if field := re.search(r"field `(.*)`$", problem):
        path += f".{field[1]}"
    if path.endswith("[...]"):
        caps = data["sizing"]["max_position_by_symbol"]
        path = path.replace("[...]", "." + next(symbol for symbol, cap in caps.items() if _refused(cap)))
    return problem, path


def _refused(value: Any) -> bool:
    try:
        _number(Positive, value)
    except _Inexact:
        return True
    return False


def _refusals(strategy: Strategy) -> Iterator[BadStrategy]:
    """What no schema can say, in the order of the file."""
    symbols, sizing = strategy.universe.symbols, strategy.sizing
    first: dict[str, int] = {}
    for index, symbol in enumerate(symbols):
        if first.setdefault(symbol, index) != index:
            yield RepeatedSymbol(symbol, "each symbol once", path=f"$.universe.symbols[{index}]")
    caps = {"$.sizing.max_position": sizing.max_position}
    for symbol, cap in sizing.max_position_by_symbol.items():
        path = f"$.sizing.max_position_by_symbol.{symbol}"
        if symbol not in first:
            yield OutsideUniverse(symbol, "a symbol of $.universe.symbols", path=path)
        caps[path] = cap
    for path, cap in caps.items():
        if cap < sizing.order_quantity:
            yield Contradiction(show(cap), f"at least order_quantity, {show(sizing.order_quantity)}", path=path)
    ruled: dict[str, int] = {}
    for index, rule in enumerate(strategy.rules):
        path = f"$.rules[{index}]"
        if rule.symbol not in first:
            yield OutsideUniverse(rule.symbol, "a symbol of $.universe.symbols", path=f"{path}.symbol")
        for field, found, expected in rule.problems():
            yield Contradiction(found, expected, path=f"{path}.{field}")
        if ruled.setdefault(rule.symbol, index) != index and strategy.combine is None:
            yield ConflictingRules(
                f"a second rule for {rule.symbol}, after $.rules[{ruled[rule.symbol]}]",
                "one rule a symbol, or `combine`",
                'Say `"combine": "agree"` or `"combine": "first"`',
                path=path,
            )

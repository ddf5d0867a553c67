"""Small sessions, run for real, and their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from worldgate.facts import State
from worldgate.trading.desk import session
from worldgate.trading.evidence import Evidence, Row
from worldgate.trading.inputs import Charges, Feed, Inputs, Listing, Market
from worldgate.trading.metrics import summarise
from worldgate.trading.summary import Summary
from worldgate.worlds.market import MarketWorld
from worldgate.worlds.market.bars import Bars
from worldgate.worlds.market.units import parse_amount


class Run(NamedTuple):
    inputs: Inputs
    bars: Bars
    tape: list[Row]
    executions: list[Row]
    state: State

    def summary(self) -> Summary:
        return summarise(self.inputs, self.bars, self.tape, self.executions)


def inputs_for(
    bars: Bars,
    rules: list[dict[str, Any]],
    *,
    quantity: int = 10,
    most: int = 10,
    name: str = "swing",
    policy: Mapping[str, Any] | None = None,
    mode: str = "enforce",
    cash: str = "1000",
    short: bool = False,
    budget: Mapping[str, Any] | None = None,
    **charges: str,
) -> Inputs:
    """A session of these rules, with `policy` as the measures that are limited."""
    strategy = {
        "metadata": {"name": name, "version": "1", "description": "Buys what is cheap."},
        "universe": {"symbols": list(bars.symbols)},
        "sizing": {"order_quantity": quantity, "max_position": most, "allow_short": short},
        "rules": rules,
    }
    costs = Charges(**{field: Decimal(text) for field, text in charges.items()})
    return Inputs(
        version=MarketWorld.version,
        strategy=strategy,
        policy={"version": 1, "world": "market", "mode": mode, "measures": dict(policy or {})},
        budget=dict(budget or {}),
        market=Market(cash=Decimal(cash), shorting=short, default=Listing(margin=Decimal("0.5"), costs=costs)),
        bars=Feed.of(bars),
    )


def run(bars: Bars, rules: list[dict[str, Any]], **given: Any) -> Run:
    """The session of `inputs_for`, run."""
    inputs = inputs_for(bars, rules, **given)
    tape, executions, state = [], [], inputs.parts()[3]
    evidence = Evidence(inputs.digest, state, "USD", bars)
    for advanced in session(inputs, bars):
        for row, events in evidence.rows([(advanced.step, advanced.delta)]):
            tape.append(row)
            executions += events
        state = advanced.state
    return Run(inputs, bars, tape, executions, state)


def threshold(symbol: str, low: str, high: str) -> dict[str, Any]:
    return {"type": "threshold_price", "symbol": symbol, "buy_below": low, "sell_above": high}


def bars_of(symbol: str, *rows: str) -> Bars:
    """Bars on days in succession, each "open high low close"."""
    columns = [[parse_amount(text) for text in column] for column in zip(*(row.split() for row in rows), strict=True)]
    times = [f"2013-01-{day:02d}" for day in range(1, len(rows) + 1)]
    return Bars.of(times, {symbol: [*columns, [parse_amount(1000)] * len(rows)]})


RULES: Mapping[str, list[dict[str, Any]]] = {
    "threshold": [threshold("A", "98", "102"), threshold("B", "97", "103")],
    "crossover": [
        {"type": "sma_crossover", "symbol": symbol, "short_window": 3, "long_window": 9, "mode": mode}
        for symbol, mode in (("A", "cross"), ("B", "level"))
    ],
    "reversion": [
        {"type": "mean_reversion_zscore", "symbol": symbol, "window": 8, "z_buy_below": "-1", "z_sell_above": "1"}
        for symbol in "AB"
    ],
}
"""Each kind of rule, over A and B."""

COSTS = {"rate": "0.001", "minimum": "0.5", "spread": "0.0007", "slippage": "0.0003", "volume_share": "0.1"}


def eventful(kind: str, bars: Bars, **given: Any) -> Inputs:
    """A session in which orders fill whole and in part, some plans are refused, and positions go short."""
    policy = {"leverage": {"max": "0.95"}, "position_share": {"max": "0.6"}, "turnover": {"max": "0.5"}}
    return inputs_for(
        bars,
        RULES[kind],
        **{"quantity": 7, "most": 21, "cash": "3000", "short": True, "policy": policy} | COSTS | given,
    )


SIX = bars_of("ACME", "11 11 11 11", "10 10 10 10", "9 10 9 9", "12 12 12 12", "13 13 11 11", "11 11 11 11")
"""Bought at 9 after the second bar, sold at 13 after the fourth."""


def six(**given: Any) -> Run:
    """Ten ACME on `SIX`, at a commission of 1."""
    return run(SIX, [threshold("ACME", "10", "12")], minimum="1", **given)

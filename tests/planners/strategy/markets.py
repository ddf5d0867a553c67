"""Strategies, bars and markets to try them on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from worldgate.facts import State
from worldgate.planners.strategy import Proposal, Strategy, StrategyPlanner, make_strategy
from worldgate.worlds.market import ONE, Bar, Costs, Instrument, MarketWorld, Place, Tick, open_market, parse_amount

Bars = tuple[tuple[str, Bar], ...]
"""Those of one tick."""

WORLD = MarketWorld()
FREE = Costs()
SMA = {"type": "sma_crossover", "short_window": 2, "long_window": 3, "mode": "level"}
CROSS = {**SMA, "mode": "cross"}
Z = {"type": "mean_reversion_zscore", "window": 4, "z_buy_below": "-1.5", "z_sell_above": "1.5"}
BELOW = {"type": "threshold_price", "buy_below": "100"}
ABOVE = {"type": "threshold_price", "sell_above": "110"}
BAND = {**BELOW, **ABOVE}


def document(*rules: dict[str, Any], symbols: Sequence[str] = ("A",), **sections: Any) -> dict[str, Any]:
    """A strategy as data. A rule is about the symbol at its place (the last one, where they run out)."""
    return {
        "metadata": {"name": "tried", "version": "1", "description": "For a test."},
        "universe": {"symbols": list(symbols)},
        "rules": [{"symbol": symbols[min(i, len(symbols) - 1)], **rule} for i, rule in enumerate(rules)],
        **sections,
        "sizing": {"order_quantity": 1, "max_position": 10, **sections.get("sizing", {})},
    }


def strategy(*rules: dict[str, Any], **sections: Any) -> Strategy:
    """`document`, loaded."""
    return make_strategy(document(*rules, **sections))


def tick(day: int = 1, **closes: object) -> Bars:
    """Bars that stand still at these closes, so many days into 2020."""
    time = str(date(2020, 1, 1) + timedelta(day))
    return tuple((symbol, Bar(time, *[parse_amount(close)] * 4, 1000 * ONE)) for symbol, close in closes.items())


def ticks(closes: Iterable[object], symbol: str = "A") -> list[Bars]:
    """A tick for each close of one symbol."""
    return [tick(day, **{symbol: close}) for day, close in enumerate(closes)]


def market(*, cash: int = 1000, lot: int = ONE, margin: int = ONE, short: bool = False, costs: Costs = FREE) -> State:
    """A market of A and B before its first bar, with cash in dollars."""
    instruments = {symbol: Instrument("USD", ONE // 100, lot, margin) for symbol in ("A", "B")}
    shorting = ["main"] if short else []
    return open_market(instruments, cash={"main": {"USD": cash * ONE}}, costs=costs, shorting=shorting)


def done(state: State, *actions: Any) -> State:
    """The state after actions that the market accepts."""
    for action in actions:
        state, _, seen, _ = WORLD.step(state, WORLD.parse(action) if isinstance(action, str) else action)
        assert seen["ok"], seen
    return state


def happened(state: State, bars: Bars) -> State:
    """The state after a tick."""
    return done(state, Tick(bars[0][1].time, bars))


def follow(planner: StrategyPlanner, state: State, path: Iterable[Bars]) -> tuple[list[Proposal], State]:
    """What a planner proposes tick by tick, all of it placed at once; a refusal by the market fails the test."""
    proposals = []
    for bars in path:
        state = happened(state, bars)
        planner.observe(bars)
        proposals.append(planner.propose(state))
        state = done(state, *proposals[-1].actions)
    return proposals, state


def orders(proposal: Proposal) -> list[str]:
    """The orders as text."""
    assert all(type(action) is Place for action in proposal.actions)
    return [str(action) for action in proposal.actions]


def reasons(proposal: Proposal) -> list[str]:
    """Why signals became no order."""
    return [f"{skip.side} {skip.symbol}: {skip.reason}" for skip in proposal.skipped]

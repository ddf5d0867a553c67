"""Small markets with round numbers, and a short way to walk them."""

from __future__ import annotations

from typing import Any

from worldgate.facts import State
from worldgate.worlds.market import ONE, Costs, Instrument, MarketWorld, open_market
from worldgate.worlds.market.properties import PROPERTIES

WORLD = MarketWorld()
CENT = ONE // 100
FREE = Costs()


def market(
    cash: int = 1000, *, costs: Costs = FREE, shorting: bool = False, margin: int = ONE, lot: int = ONE
) -> State:
    """`cash` dollars of the account main; A and B trade in cents."""
    symbols = {symbol: Instrument("USD", CENT, lot, margin) for symbol in "AB"}
    return open_market(symbols, cash={"main": {"USD": cash * ONE}}, costs=costs, shorting=["main"] if shorting else [])


def run(state: State, *texts: str) -> tuple[State, dict[str, Any]]:
    """The state after these actions, all of which must succeed, and what the last one showed."""
    seen: dict[str, Any] = {}
    for text in texts:
        state, _, seen, _ = WORLD.step(state, WORLD.parse(text))
        assert seen["ok"], (text, seen)
        holds(state)
    return state, seen


def refused(state: State, action: Any) -> str:
    """The number with which an action (or its text) is refused; it changes nothing."""
    moved = WORLD.step(state, WORLD.parse(action) if isinstance(action, str) else action)
    assert moved.state is state
    assert not moved.delta
    assert moved.observation["ok"] is False
    assert set(moved.observation["refused"]) == {"number", "rule", "message"}
    return moved.observation["refused"]["number"]


def holds(state: State) -> None:
    """Every property of the market."""
    for name, property_ in PROPERTIES.items():
        assert property_(state) is None, (name, property_(state))


def cash(state: State) -> int:
    return state.get("cash", ("main", "USD"))


def position(state: State, symbol: str = "A") -> Any:
    return state.get("position", ("main", symbol))


def book(state: State) -> Any:
    return state.get("book", ("main", "USD"))


def flat(day: int, price: str, symbol: str = "A") -> str:
    """A tick of January with one price."""
    return f"tick 2024-01-{day:02} {symbol} {price} {price} {price} {price} 1000"

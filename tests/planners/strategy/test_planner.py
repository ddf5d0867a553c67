"""From signals to orders: sizes, caps, cash, and a reason for every signal that becomes no order."""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import worldgate.planners.strategy as strategies
from worldgate.planners.strategy import OutOfStep, StrategyPlanner, UnfitMarket, check_market, load_strategy
from worldgate.worlds.market import ONE, Costs, Instrument, Place, Position, open_market

from .markets import (
    ABOVE,
    BAND,
    BELOW,
    CROSS,
    SMA,
    WORLD,
    Z,
    done,
    follow,
    happened,
    market,
    orders,
    reasons,
    strategy,
    tick,
    ticks,
)

BOTH = ("A", "B")
ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples" / "strategies").glob("*.json"))


def propose(chosen, state, *path):
    """The last proposal of a planner that observed these ticks, the state being after them."""
    planner = StrategyPlanner(chosen)
    for bars in path:
        planner.observe(bars)
        state = happened(state, bars)
    return planner.propose(state)


def test_a_signal_becomes_an_order():
    proposal = propose(strategy(BELOW), market(), tick(A=99))
    assert proposal.actions == (Place("buy", ONE, "A", tif="ioc"),)
    assert type(proposal.actions[0].quantity) is int  # a fact takes no other
    assert [signal.rationale for signal in proposal.signals] == ["close 99 <= buy_below 100"]
    assert proposal.skipped == ()


def test_orders_come_in_the_order_of_the_universe():
    proposal = propose(strategy(BELOW, BELOW, symbols=("B", "A")), market(), tick(A=99, B=98))
    assert orders(proposal) == ["buy 1 B ioc", "buy 1 A ioc"]


def test_the_account_is_named():
    planner = StrategyPlanner(strategy(BELOW), account="alice")
    planner.observe(tick(A=99))
    assert reasons(planner.propose(happened(market(), tick(A=99)))) == ["BUY A: cash left 0 < 99 needed"]


def test_holding_proposes_nothing_and_skips_nothing():
    proposal = propose(strategy(BAND), market(), tick(A=105))
    assert (proposal.actions, proposal.skipped, len(proposal.signals)) == ((), (), 1)


def test_a_signal_between_evaluations_is_recorded():
    chosen = strategy(BELOW, timing={"evaluate_every": 4, "start": 2})
    proposals, _ = follow(StrategyPlanner(chosen), market(), ticks([99] * 7))
    assert [len(proposal.actions) for proposal in proposals] == [0, 1, 0, 0, 0, 1, 0]
    assert reasons(proposals[0]) == ["BUY A: not an evaluation step: tick 1, the next is 2"]
    assert reasons(proposals[2]) == ["BUY A: not an evaluation step: tick 3, the next is 6"]


def test_the_position_cap_counts_what_is_on_order():
    sizing = {"order_quantity": 4, "max_position": 10, "max_position_by_symbol": {"B": 4}}
    state = done(happened(market(), tick(A=1, B=1)), "buy 5 A limit 0.5", "buy 1 A limit 0.5")
    planner = StrategyPlanner(strategy(BELOW, BELOW, symbols=BOTH, sizing=sizing))
    planner.observe(tick(A=1, B=1))
    assert orders(planner.propose(state)) == ["buy 4 A ioc", "buy 4 B ioc"]
    state = done(state, "buy 1 A limit 0.5", "buy 1 B limit 0.5")
    assert reasons(planner.propose(state)) == [
        "BUY A: at the position cap 10: with what is on order it would be 11 long",
        "BUY B: at the position cap 4: with what is on order it would be 5 long",
    ]


def test_no_more_is_sold_than_is_held():
    sizing = {"order_quantity": 4, "max_position": 10}
    state, selling = happened(market(), tick(1, A=110)), strategy(ABOVE, sizing=sizing)
    assert reasons(propose(selling, market(), tick(A=110))) == ["SELL A: no shorting, nothing held"]
    state = happened(done(state, "buy 5 A"), tick(2, A=110))
    planner = StrategyPlanner(selling, clock=1)
    planner.observe(tick(2, A=110))
    assert orders(planner.propose(state)) == ["sell 4 A ioc"]
    state = done(state, "sell 4 A limit 200")
    assert orders(planner.propose(state)) == ["sell 1 A ioc"]
    state = done(state, "sell 1 A limit 200")
    assert reasons(planner.propose(state)) == ["SELL A: no shorting, all that is held is being sold"]


def test_short_sales_where_strategy_and_account_allow_them():
    chosen = strategy(ABOVE, sizing={"order_quantity": 4, "max_position": 5, "allow_short": True})
    path = ticks([110, 110])
    assert reasons(propose(chosen, market(), path[0])) == ["SELL A: account main may not go short, nothing held"]
    (first, second), state = follow(StrategyPlanner(chosen), market(short=True), path)
    assert orders(first) == ["sell 4 A ioc"]
    assert reasons(second) == ["SELL A: at the position cap 5: with what is on order it would be 8 short"]
    assert state.get("position", ("main", "A")).quantity == -4 * ONE


def test_the_cap_on_short_sales_counts_what_is_on_order():
    chosen = strategy(ABOVE, sizing={"order_quantity": 2, "max_position": 5, "allow_short": True})
    state = happened(market(short=True), tick(A=110))
    planner = StrategyPlanner(chosen)
    planner.observe(tick(A=110))
    assert orders(planner.propose(done(state, "sell 3 A limit 200"))) == ["sell 2 A ioc"]
    assert reasons(planner.propose(done(state, "sell 4 A limit 200"))) == [
        "SELL A: at the position cap 5: with what is on order it would be 6 short"
    ]


def test_cash_is_spent_once():
    """The second order of a step has what the first one left, and commissions are paid."""
    chosen = strategy(BELOW, BELOW, symbols=BOTH, sizing={"order_quantity": 1})
    path = tick(A="99.8", B="99.06")
    proposal = propose(chosen, market(cash=103, costs=Costs(per_order=ONE // 5, rate=ONE // 20)), path)
    assert orders(proposal) == []
    assert reasons(proposal) == ["BUY A: cash left 103 < 104.99 needed", "BUY B: cash left 103 < 104.213 needed"]
    proposal = propose(chosen, market(cash=108, costs=Costs(minimum=5 * ONE)), path)
    assert orders(proposal) == ["buy 1 A ioc"]
    assert reasons(proposal) == ["BUY B: cash left 3.2 < 104.06 needed"]
    assert len(propose(chosen, market(cash=199), tick(A=99, B=100)).actions) == 2  # to the last cent


def test_cash_in_working_orders_is_spent():
    state = done(happened(market(cash=199), tick(A=99, B=100)), "buy 1 B limit 100.01")
    planner = StrategyPlanner(strategy(BELOW))
    planner.observe(tick(A=99))
    assert reasons(planner.propose(state)) == ["BUY A: cash left 98.99 < 99 needed"]


def test_a_sale_brings_no_cash_before_it_fills():
    state = happened(done(happened(market(cash=111), tick(1, A=110, B=99)), "buy 1 A"), tick(2, A=110, B=99))
    planner = StrategyPlanner(strategy(ABOVE, BELOW, symbols=BOTH), clock=1)
    planner.observe(tick(2, A=110, B=99))
    proposal = planner.propose(state)
    assert orders(proposal) == ["sell 1 A ioc"]
    assert reasons(proposal) == ["BUY B: cash left 1 < 99 needed"]


def test_new_exposure_is_shared_by_the_orders_of_a_step():
    chosen = strategy(BELOW, BELOW, symbols=BOTH, sizing={"max_new_exposure": 150})
    proposal = propose(chosen, market(), tick(A=90, B="60.01"))
    assert orders(proposal) == ["buy 1 A ioc"]
    assert reasons(proposal) == ["BUY B: new exposure left 60 < 60.01 needed"]
    assert len(propose(chosen, market(), tick(A=90, B=60)).actions) == 2


def test_what_closes_a_position_is_no_new_exposure():
    sizing = {"order_quantity": 4, "max_position": 5, "max_new_exposure": 50, "allow_short": True}
    short = done(happened(market(short=True), tick(1, A=99)), "sell 4 A")
    planner = StrategyPlanner(strategy(BELOW, sizing=sizing), clock=1)
    planner.observe(tick(2, A=99))
    assert orders(planner.propose(happened(short, tick(2, A=99)))) == ["buy 4 A ioc"]
    less = done(happened(market(short=True), tick(1, A=99)), "sell 3 A")
    assert reasons(planner.propose(happened(less, tick(2, A=99)))) == ["BUY A: new exposure left 50 < 99 needed"]


def test_a_market_that_does_not_fit():
    chosen = strategy(BELOW, BELOW, symbols=("A", "Z"), sizing={"order_quantity": "1.5"})
    with pytest.raises(UnfitMarket) as caught:
        check_market(chosen, market())
    assert caught.value.path == "$.sizing.order_quantity"
    with pytest.raises(UnfitMarket) as caught:
        check_market(chosen, market(lot=ONE // 2 * 3))
    assert caught.value.path == "$.universe.symbols[1]"
    check_market(strategy(BELOW, BELOW, symbols=BOTH), market())
    planner = StrategyPlanner(chosen)
    planner.observe(tick(A=99))
    assert reasons(planner.propose(happened(market(), tick(A=99)))) == [
        "BUY A: order quantity 1.5 is no multiple of the lot 1"
    ]


@pytest.mark.parametrize(
    ("combine", "rules", "order", "why"),
    [
        ("first", [BELOW, ABOVE], ["buy 1 A ioc"], []),
        ("first", [BELOW, BELOW], ["buy 1 A ioc"], ["BUY A: $.rules[0] says BUY before it"]),
        ("first", [SMA, BELOW], ["buy 1 A ioc"], []),
        ("agree", [BELOW, BELOW], ["buy 1 A ioc"], []),
        ("agree", [BELOW, SMA], [], ["BUY A: $.rules[1] says HOLD"]),
        ("agree", [SMA, BELOW, BELOW], [], ["BUY A: $.rules[0] says HOLD", "BUY A: $.rules[0] says HOLD"]),
        (
            "agree",
            [BELOW, {**ABOVE, "sell_above": "90"}],
            [],
            ["BUY A: $.rules[1] says SELL", "SELL A: $.rules[0] says BUY"],
        ),
        ("first", [BELOW, {**ABOVE, "sell_above": "90"}], ["buy 1 A ioc"], ["SELL A: $.rules[0] says BUY before it"]),
    ],
)
def test_several_rules_of_a_symbol(combine, rules, order, why):
    proposal = propose(strategy(*rules, combine=combine), market(), tick(A=99))
    assert orders(proposal) == order
    assert reasons(proposal) == why
    assert len(proposal.signals) == len(rules)


def test_every_rule_that_agrees_is_told_why_there_is_no_order():
    proposal = propose(strategy(BELOW, BELOW, combine="agree"), market(cash=98), tick(A=99))
    assert reasons(proposal) == ["BUY A: cash left 98 < 99 needed"] * 2


def test_a_view_that_is_not_at_the_state_is_refused():
    planner = StrategyPlanner(strategy(BELOW))
    with pytest.raises(OutOfStep, match=r"WG347.*view at 0"):
        planner.propose(happened(market(), tick(A=99)))
    planner.observe(tick(A=98))
    with pytest.raises(OutOfStep, match="another bar of A"):
        planner.propose(happened(market(), tick(A=99)))
    planner.propose(happened(market(), tick(A=98)))


def test_a_planner_may_begin_later():
    state = happened(happened(market(), tick(1, A=120)), tick(2, A=99))
    planner = StrategyPlanner(strategy(BELOW), clock=1)
    planner.observe(tick(2, A=99))
    assert orders(planner.propose(state)) == ["buy 1 A ioc"]


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(80, 130), st.integers(80, 130)), min_size=1, max_size=20),
    st.lists(st.sampled_from([BAND, SMA, CROSS, Z]), min_size=2, max_size=2),
    st.booleans(),
    st.integers(1, 3),
)
def test_over_any_path(closes, rules, short, every):
    """The market takes every order, caps hold, every signal has an order or a reason, and a second planner agrees."""
    sizing = {"order_quantity": 2, "max_position": 5, "max_new_exposure": 300, "allow_short": short}
    chosen = strategy(*rules, symbols=BOTH, sizing=sizing, timing={"evaluate_every": every})
    path = [tick(day, A=a, B=b) for day, (a, b) in enumerate(closes)]
    proposals, state = follow(StrategyPlanner(chosen), market(short=short, margin=ONE // 4), path)
    for proposal in proposals:
        spoken = [(signal.symbol, signal.side) for signal in proposal.signals if signal.side != "HOLD"]
        acted = [(action.symbol, action.side.upper()) for action in proposal.actions]
        assert sorted(spoken) == sorted(acted + [(skip.symbol, skip.side) for skip in proposal.skipped])
    for symbol in BOTH:
        held = state.get("position", ("main", symbol)) or Position()
        assert (-5 * ONE if short else 0) <= held.quantity <= 5 * ONE
    assert all(broken(state) is None for broken in WORLD.properties().values())
    assert follow(StrategyPlanner(chosen), market(short=short, margin=ONE // 4), path) == (proposals, state)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_trade(path):
    """They buy and sell each of their symbols at prices about those that they are written for."""
    chosen = load_strategy(path.read_text(encoding="utf-8"))
    random = Random(1)
    prices = {symbol: {"AAPL": 100, "MSFT": 200, "GOOG": 650}[symbol] for symbol in chosen.universe.symbols}
    state = open_market(
        {symbol: Instrument("USD", ONE // 100, ONE, ONE) for symbol in prices}, cash={"main": {"USD": 100_000 * ONE}}
    )
    check_market(chosen, state)
    walk = []
    for day in range(120):
        noise = [sum(random.randint(-price, price) for _ in range(12)) for price in prices.values()]
        closes = {symbol: price * 100 + off for (symbol, price), off in zip(prices.items(), noise, strict=True)}
        walk.append(tick(day, **{symbol: f"{close // 100}.{close % 100:02}" for symbol, close in closes.items()}))
    proposals, _ = follow(StrategyPlanner(chosen), state, walk)
    placed = {(order.split()[0], order.split()[2]) for proposal in proposals for order in orders(proposal)}
    assert placed == {(side, symbol) for side in ("buy", "sell") for symbol in prices}


def test_the_page_is_true(monkeypatch):
    """Its files load, and its program buys."""
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert load_strategy(shown).metadata.name == "dips"
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)
    assert names["state"].get("position", ("main", "GOOG")).quantity == 10 * ONE


def test_the_package_s_example_runs():
    assert doctest.testmod(strategies).failed == 0


def test_a_planner_can_reach_nothing_that_changes_anything():
    """Strategies import facts, the market and the standard library; no gate, no files, no clock, no chance."""
    allowed = {"__future__", "collections", "decimal", "hashlib", "json", "math", "re", "typing", "msgspec"}
    for path in Path(strategies.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {name.name.split(".")[0] for name in node.names} <= allowed
            elif isinstance(node, ast.ImportFrom):
                room = (node.module or "").split(".")[0]
                assert room in (
                    allowed if not node.level else {1: {*_modules(), ""}, 3: {"facts", "worlds"}}[node.level]
                )


def _modules() -> set[str]:
    return {path.stem for path in Path(strategies.__file__).parent.glob("*.py")}

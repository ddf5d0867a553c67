"""The bulk evaluation against the world: every fact of every future after every step, with no difference."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.risk.markets import WORLD, Wild, begun, planned
from worldgate.facts import State
from worldgate.gate.measured import Bound
from worldgate.trading.risk.acts import act
from worldgate.trading.risk.bulk import HIGH, LOW, tick
from worldgate.trading.risk.plan import RiskPlan, load_risk_plan
from worldgate.trading.risk.play import REFUSED, Futures, alone, begin, play
from worldgate.trading.risk.portfolio import Portfolio
from worldgate.worlds.market import ONE, Book, Fill, Order, Position
from worldgate.worlds.market.measures import MEASURES
from worldgate.worlds.market.properties import facts_of
from worldgate.worlds.market.schema import LIVE, STATUSES

N = 5
USD = ("main", "USD")


def facts(portfolio: Portfolio, at: int) -> dict[Any, Any]:
    """The facts of one future, as the world would write them."""
    found: dict[Any, Any] = {("clock", ()): portfolio.clock}
    for account, last in portfolio.sequence.items():
        found["sequence", (account,)] = int(last[at])
    for purse, amount in portfolio.cash.items():
        found["cash", purse] = int(amount[at])
        amounts = (int(part[at]) for part in portfolio.book(purse))
        found["book", purse] = Book(*amounts, portfolio.day[purse])
    for owned, held in portfolio.held.items():
        lot, mark = portfolio.terms[owned[1]].lot, portfolio.mark(owned)
        parts = (held.quantity * lot, held.cost, held.realised, held.fees, mark.buying * lot, mark.selling * lot,
                 mark.buying_value, mark.selling_value, mark.due)  # fmt: skip
        position = Position(*(int(part[at]) for part in parts))
        if position != Position():
            found["position", owned] = position
    for slot in portfolio.slots:
        if slot.live[at]:
            terms = portfolio.terms[slot.symbol]
            found["order", (slot.account, int(slot.id[at]))] = Order(
                slot.symbol, "buy" if slot.side > 0 else "sell", slot.kind, slot.quantity * terms.lot,
                slot.price * terms.tick, slot.tif, slot.placed, int(slot.filled[at]) * terms.lot,
                STATUSES[slot.status[at]], slot.day, int(slot.traded[at]),
            )  # fmt: skip
    return found


def filled(portfolio: Portfolio, bars: dict[str, Any], at: int) -> dict[Any, Any]:
    """The fills of the latest tick in one future."""
    found = {}
    for slot, quantity, price, fee, realised in portfolio.fills:
        if quantity[at]:
            terms, bar = portfolio.terms[slot.symbol], bars[slot.symbol][:, at]
            found[slot.account, int(slot.id[at])] = Fill(
                slot.symbol, "buy" if slot.side > 0 else "sell", int(quantity[at]) * terms.lot,
                int(price[at]) * terms.tick, int(fee[at]), slot.placed, portfolio.clock,
                int(bar[LOW]) * terms.tick, int(bar[HIGH]) * terms.tick, int(realised[at]),
            )  # fmt: skip
    return found


def expected(state: State) -> dict[Any, Any]:
    kept = ("clock", "sequence", "cash", "book", "position")
    found = {(relation, key): value for relation, key, value in state.facts() if relation in kept}
    (orders,) = facts_of(state, "order")
    return found | {("order", key): one for key, one in orders.items() if one.status in LIVE}


def assert_same(state: State, plan: RiskPlan, futures: Futures) -> dict[str, int]:
    """Walks both side by side; says how much happened, so that a test can ask for it."""
    portfolio, bars = begin(state, plan, futures)
    ticks = [futures.ticks(at) for at in range(futures.n)]
    states, step, seen = [state] * futures.n, 0, dict.fromkeys((REFUSED, "fill", "partial", *STATUSES), 0)
    for entry in plan.entries:
        for _ in range(entry if isinstance(entry, int) else 1):
            slots = list(portfolio.slots)
            if isinstance(entry, int):
                now = {symbol: bar[:, step] for symbol, bar in bars.items()}
                tick(portfolio, futures.times[step], now)
                refused = np.zeros(futures.n, bool)
            else:
                refused = act(portfolio, entry)
            for at in range(futures.n):
                moved = WORLD.step(states[at], ticks[at][step] if isinstance(entry, int) else entry)
                states[at] = moved.state
                assert refused[at] == (not moved.observation["ok"]), (entry, moved.observation)
                assert facts(portfolio, at) == expected(moved.state), entry
                seen[REFUSED] += bool(refused[at])
                if isinstance(entry, int):
                    (fills,) = facts_of(moved.state, "fill")
                    assert filled(portfolio, now, at) == fills
                    seen["fill"] += len(fills)
                for slot in slots:
                    order = moved.state.get("order", (slot.account, int(slot.id[at])))
                    if order is not None and slot.status[at] < len(STATUSES):
                        assert STATUSES[slot.status[at]] == order.status
                        seen[order.status] += 1
            step += isinstance(entry, int)
    return seen


def drawn(state: State, seed: int, length: int = 14, **how: Any) -> tuple[RiskPlan, Futures]:
    plan = load_risk_plan(planned(state, seed, length), 1)
    return plan, Futures.of(state, Wild(state, **how), N, plan.steps, seed)


def test_every_fact_of_every_future_is_the_worlds() -> None:
    total = dict.fromkeys((REFUSED, "fill", "partial", *STATUSES), 0)
    for seed in range(24):
        state = begun(seed)
        for name, count in assert_same(state, *drawn(state, seed)).items():
            total[name] += count
    assert all(count > 20 for count in total.values()), total


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_whatever_the_market_and_the_plan(seed: int, other: int) -> None:
    state = begun(seed, 25)
    assert_same(state, *drawn(state, other))


def test_a_symbol_without_futures_keeps_its_price() -> None:
    for seed in range(30, 36):
        state = begun(seed)
        held = {owned[1] for owned in facts_of(state, "position")[0]}
        without = next(symbol for symbol in ("DAMM", "BOLT", "COIN", "ACME") if symbol not in held or symbol == "ACME")
        assert_same(state, *drawn(state, seed, without=without))


@pytest.mark.parametrize("seed", range(40, 45))
def test_python_ints_do_the_same_where_int64_could_overflow(seed: int) -> None:
    state = begun(seed)
    plan, futures = drawn(state, seed, size=10**6)
    rich = RiskPlan((WORLD.parse("deposit 90000000000000 USD"), WORLD.parse("buy 3000000000 COIN"), *plan.entries), "")
    assert begin(state, rich, futures)[0].dtype is object
    assert_same(state, rich, futures)


@pytest.mark.parametrize(
    "text",
    [
        "buy 99999999999999999999 ACME",
        "buy 1 ACME limit 99999999999999999999",
        "withdraw 99999999999999999999 USD",
        "deposit 99999999999999999999 USD",
    ],
)
def test_absurd_amounts_are_the_same_too(text: str) -> None:
    state = begun(3)
    plan = load_risk_plan(f"[{text}, tick 2, sell 1 ACME, tick 2]", 1)
    assert_same(state, plan, Futures.of(state, Wild(state), N, plan.steps, 1))


def test_int64_is_what_is_used_otherwise() -> None:
    state = begun(1)
    plan, futures = drawn(state, 1)
    assert begin(state, plan, futures)[0].dtype is np.int64


LIMITS = {
    "cash": ("min", 1000), "equity": ("min", 20000), "leverage": ("max", "0.7"), "gross_exposure": ("max", 9000),
    "net_long": ("max", 5000), "net_short": ("max", 500), "position_value": ("max", 4000),
    "position_share": ("max", "0.31234567"),
    "order_quantity": ("max", 50), "order_value": ("max", 3000), "turnover": ("max", "0.2"),
    "drawdown": ("max", "0.05"), "price_deviation": ("max", "0.03"), "opening": ("max", 2500),
}  # fmt: skip
BOUNDS = {name: Bound(**{side: Decimal(limit)}) for name, (side, limit) in LIMITS.items()}


def test_limits_are_judged_as_the_world_measures() -> None:
    assert LIMITS.keys() == MEASURES.keys()
    seen: dict[str, set[bool]] = {name: set() for name in (*BOUNDS, REFUSED)}
    for seed in range(50, 74):
        state = begun(seed)
        plan, futures = drawn(state, seed, length=seed % 8)
        bounds = BOUNDS if seed % 2 else turned(BOUNDS)
        found = play(state, plan, futures, bounds, USD)
        for at in range(N):
            again = alone(state, plan.walk(futures.ticks(at)), bounds, USD)
            assert again.breached == {name for name, breached in found.breached.items() if breached[at]}
            assert (again.profit, again.equity) == (found.profit[at], found.equity[:, at].tolist())
            for name in seen:
                seen[name].add(name in again.breached)
    assert {name for name, found in seen.items() if found == {False, True}} == seen.keys()


def turned(bounds: dict[str, Bound]) -> dict[str, Bound]:
    """With `only`, ends that are exact fractions, and limits on the other side."""
    found = dict(bounds)
    found["position_share"] = Bound(max=Decimal("0.333333333333333333"), only={"symbol": ("ACME", "COIN")})
    found["leverage"] = Bound(max=Decimal("0.4"), min=Decimal(-1), only={"account": ("main",)})
    found["net_long"] = Bound(min=Decimal(-500), max=Decimal(10**20))
    found["order_value"] = Bound(min=Decimal(700))
    return found


def test_a_limit_passed_already_is_breached_only_further_out() -> None:
    state = begun(2)
    now = state.get("book", USD).equity
    plan = load_risk_plan("[tick]", 1)
    futures = Futures.of(state, Wild(state), 200, 1, 1)
    bound = {"equity": Bound(min=Decimal(2 * now // ONE))}
    purses = facts_of(state, "cash")[0]
    found = {purse: play(state, plan, futures, bound, purse) for purse in purses}
    lowest = {purse: min(state.get("book", purse).equity, 2 * now) for purse in purses}
    below = np.any([(one.equity < lowest[purse]).any(axis=0) for purse, one in found.items()], axis=0)
    assert 0 < below.sum() < 200
    assert (found[USD].breached["equity"] == below).all()


def test_profit_leaves_out_what_is_paid_in() -> None:
    state = begun(4)
    futures = Futures.of(state, Wild(state), N, 3, 1)
    plain, paid = (load_risk_plan(text, 1) for text in ("[tick 3]", "[deposit 500 USD, tick, deposit 7 USD, tick 2]"))
    one, other = (play(state, plan, futures, {}, USD) for plan in (plain, paid))
    assert (one.profit == other.profit).all()
    assert (other.equity[-1] - one.equity[-1] == 507 * ONE).all()

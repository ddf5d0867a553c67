"""Where an order fills in a bar: hand-computed, and in general."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.worlds.market import ONE, Bar, Costs, Order
from worldgate.worlds.market.fills import capacity, commission, fill_price, traded

CENT = ONE // 100
FREE = Costs()
ONE_PERCENT = Costs(spread=ONE // 100, slippage=ONE // 200)  # half of 1% and another half
BAR = Bar("2024-01-02", 100 * ONE, 110 * ONE, 90 * ONE, 105 * ONE, 1000 * ONE)


def order(side: str, kind: str, price: int = 0) -> Order:
    return Order("A", side, kind, 10 * ONE, price * ONE, "gtc", 1)


@pytest.mark.parametrize(
    ("side", "kind", "price", "costs", "at"),
    [
        ("buy", "market", 0, FREE, 100),
        ("sell", "market", 0, FREE, 100),
        ("buy", "market", 0, ONE_PERCENT, 101),
        ("sell", "market", 0, ONE_PERCENT, 99),
        ("buy", "market", 0, Costs(slippage=ONE // 2), 110),  # not above the high
        ("sell", "market", 0, Costs(slippage=ONE), 90),
        ("buy", "limit", 101, ONE_PERCENT, 100),  # the open is better
        ("buy", "limit", 100, ONE_PERCENT, 100),
        ("buy", "limit", 95, ONE_PERCENT, 95),
        ("buy", "limit", 90, ONE_PERCENT, 90),
        ("buy", "limit", 89, ONE_PERCENT, None),
        ("sell", "limit", 99, ONE_PERCENT, 100),
        ("sell", "limit", 110, ONE_PERCENT, 110),
        ("sell", "limit", 111, ONE_PERCENT, None),
        ("buy", "stop", 99, ONE_PERCENT, 101),  # opened beyond it
        ("buy", "stop", 100, FREE, 100),
        ("buy", "stop", 105, FREE, 105),
        ("buy", "stop", 110, ONE_PERCENT, 110),  # 111.1 is not in the bar
        ("buy", "stop", 111, FREE, None),
        ("sell", "stop", 101, ONE_PERCENT, 99),
        ("sell", "stop", 95, FREE, 95),
        ("sell", "stop", 90, ONE_PERCENT, 90),
        ("sell", "stop", 89, FREE, None),
    ],
)
def test_each_kind_by_hand(side, kind, price, costs, at):
    assert fill_price(order(side, kind, price), BAR, costs, CENT) == (None if at is None else at * ONE)


def test_costs_round_to_the_tick_against_the_trader():
    costs = Costs(slippage=ONE // 10_000)  # 100 * 0.0001 = one cent; of 100.01 a little more
    bar = BAR._replace(open=10_001 * CENT)
    assert fill_price(order("buy", "market"), BAR, costs, CENT) == 10_001 * CENT
    assert fill_price(order("buy", "market"), bar, costs, CENT) == 10_003 * CENT
    assert fill_price(order("sell", "market"), bar, costs, CENT) == 9_999 * CENT


@settings(max_examples=50)
@given(
    st.lists(st.integers(1, 300), min_size=4, max_size=4).map(sorted),
    st.booleans(),
    st.sampled_from(("buy", "sell")),
    st.sampled_from(("market", "limit", "stop")),
    st.integers(1, 300),
    st.integers(0, ONE),
)
def test_a_fill_is_in_the_bar_and_never_better_than_it_may_be(prices, up, side, kind, price, slippage):
    low, first, second, high = (amount * CENT for amount in prices)
    opened, close = (first, second) if up else (second, first)
    bar, placed = Bar("", opened, high, low, close, 0), order(side, kind)._replace(price=price * CENT)
    at = fill_price(placed, bar, Costs(slippage=slippage), CENT)
    sign = 1 if side == "buy" else -1
    if at is not None:
        assert low <= at <= high
        assert at % CENT == 0
    if kind == "market":
        assert sign * at >= sign * opened
    elif kind == "limit":
        assert at is None or (sign * at <= sign * placed.price and sign * at <= sign * opened)
        assert (at is None) == (sign * (low if side == "buy" else high) > sign * placed.price)
    else:
        assert at is None or sign * at >= sign * opened or sign * at >= sign * placed.price
        assert (at is None) == (sign * (high if side == "buy" else low) < sign * placed.price)


def test_volume_fills_whole_lots():
    assert capacity(BAR, FREE, ONE) is None
    assert capacity(BAR, Costs(volume_share=ONE // 10), 30 * ONE) == 90 * ONE
    assert capacity(BAR._replace(volume=0), Costs(volume_share=ONE), ONE) == 0


def test_commission_by_hand():
    costs = Costs(rate=ONE // 1000, per_order=2 * ONE, minimum=3 * ONE)
    assert commission(costs, 5000 * ONE) == 7 * ONE
    assert commission(costs, 5000 * ONE, before=1000 * ONE) == 5 * ONE
    assert commission(costs, 100 * ONE) == 3 * ONE
    assert commission(costs, 900 * ONE, before=100 * ONE) == 0  # the minimum paid for it
    assert commission(costs, 1900 * ONE, before=100 * ONE) == ONE
    assert commission(Costs(rate=ONE // 2), 1) == 0  # half of the smallest amount: to even
    assert commission(Costs(rate=ONE // 2), 3) == 2


@settings(max_examples=50)
@given(
    st.lists(st.integers(1, 10**13), min_size=1, max_size=6),
    st.builds(Costs, rate=st.integers(0, ONE), per_order=st.sampled_from((0, 1, ONE)), minimum=st.integers(0, 10**12)),
)
def test_an_order_costs_the_same_in_however_many_fills(values, costs):
    parts = [commission(costs, value, before=sum(values[:number])) for number, value in enumerate(values)]
    assert min(parts) >= 0
    assert sum(parts) == commission(costs, sum(values))


@pytest.mark.parametrize(
    ("held", "cost", "change", "price", "after"),
    [
        (0, 0, 10, 5, (10, 50, 0)),
        (10, 50, 10, 7, (20, 120, 0)),
        (20, 120, -5, 8, (15, 90, 10)),  # 5 cost 30 and bring 40
        (15, 90, -15, 4, (0, 0, -30)),
        (10, 50, -15, 6, (-5, -30, 10)),  # through nothing: 10 closed, 5 sold short at 6
        (-5, -30, -5, 4, (-10, -50, 0)),
        (-10, -50, 4, 3, (-6, -30, 8)),  # 4 brought 20 and cost 12
        (-10, -50, 12, 3, (2, 6, 20)),
    ],
)
def test_positions_by_hand(held, cost, change, price, after):
    found = traded(held * ONE, cost * ONE, change * ONE, price * ONE)
    assert found == tuple(amount * ONE for amount in after)

"""The measures, by hand: exact, and worst case."""

from __future__ import annotations

from fractions import Fraction

import pytest

from worldgate.gate.budget import Budget, Meter
from worldgate.gate.plan import make_plan
from worldgate.gate.policy import make_policy
from worldgate.gate.verify import Verification
from worldgate.worlds.market import ONE, Costs

from .markets import WORLD, flat, market, run

MAIN, MAIN_A, FIRST = ("main", "USD"), ("main", "A"), ("main", 1)
KEYS = {"book": MAIN, "position": MAIN_A, "order": FIRST}


def value(state, name):
    measure = WORLD.measures[name]
    found = measure.value(state, KEYS[measure.relation])
    return found if found is None else Fraction(found, measure.scale)


def test_before_anything_happens():
    found = {name: value(market(), name) for name in WORLD.measures}
    books = {
        "cash": 1000,
        "equity": 1000,
        "leverage": 0,
        "gross_exposure": 0,
        "net_long": 0,
        "net_short": 0,
        "turnover": 0,
    }
    assert found == dict.fromkeys(found) | books | {"drawdown": 0, "opening": 0}


def test_with_a_position_and_working_orders():
    state, _ = run(
        market(shorting=True, margin=ONE // 2),
        flat(1, "10"),
        "buy 20 A limit 12.5",
        "buy 30 A stop 20",
    )
    assert value(state, "cash") == 1000 - 250 - 600
    assert value(state, "gross_exposure") == value(state, "net_long") == value(state, "opening") == 850
    assert value(state, "leverage") == value(state, "position_share") == value(state, "turnover") == Fraction(85, 100)
    assert value(state, "order_quantity") == 20
    assert value(state, "order_value") == 250
    assert value(state, "price_deviation") == Fraction(1, 4)
    state, _ = run(state, flat(2, "12"), "sell 60 A")
    assert value(state, "equity") == 1000
    assert value(state, "cash") == 1000 - 240 - 600
    assert value(state, "gross_exposure") == value(state, "position_value") == 240 + 600  # all buys; all sales: 480
    assert value(state, "opening") == 600 + 480
    assert (value(state, "net_long"), value(state, "net_short")) == (840, 480)
    assert value(state, "turnover") == Fraction(240 + 600 + 720, 1000)
    assert value(state, "order_quantity") is None
    state, _ = run(state, "cancel 2")
    assert (value(state, "net_long"), value(state, "net_short")) == (240, 480)
    assert value(state, "position_value") == 480


def test_a_short_position():
    state, _ = run(market(shorting=True), flat(1, "10"), "sell 50 A", flat(2, "10"), flat(3, "12"))
    assert (value(state, "net_long"), value(state, "net_short")) == (-600, 600)
    assert value(state, "leverage") == Fraction(600, 900)
    assert value(state, "drawdown") == Fraction(1, 10)


def test_what_is_left_of_an_order():
    state, _ = run(market(costs=Costs(volume_share=ONE // 100)), flat(1, "10"), "buy 30 A", flat(2, "10"))
    assert value(state, "order_quantity") == 20
    assert value(state, "order_value") == 200
    assert value(state, "price_deviation") is None


def test_ratios_over_nothing_are_beyond_every_limit():
    state, _ = run(market(shorting=True), flat(1, "10"), "sell 100 A", flat(2, "10"), flat(3, "25"))
    assert value(state, "equity") < 0
    assert value(state, "leverage") > 10**9
    assert value(state, "position_share") > 10**9
    assert value(state, "drawdown") > 1


@pytest.mark.parametrize(
    ("text", "eases"),
    [("sell 10 A", True), ("sell 51 A", False), ("buy 1 A", False), ("cancel 2", True), ("withdraw 1 USD", True)],
)
def test_in_a_drawdown_only_what_opens_nothing_eases(text, eases):
    before, _ = run(market(shorting=True), flat(1, "10"), "buy 50 A", flat(2, "10"), "buy 5 A limit 1", flat(3, "8"))
    after, _ = run(before, text)
    drawdown = WORLD.measures["drawdown"]
    assert drawdown.eases(before, after, MAIN) is eases
    assert 0 <= value(after, "drawdown") - Fraction(1, 10) < Fraction(1, ONE)  # a peak is rounded up


def test_numbers_relations_and_events():
    numbers = sorted(measure.number for measure in WORLD.measures.values())
    assert numbers == [f"WG{number}" for number in (*range(450, 463), 464)]
    assert {measure.relation for measure in WORLD.measures.values()} == KEYS.keys() <= WORLD.schema.relations.keys()
    of_orders = {"order_quantity", "order_value", "price_deviation"}
    assert {name for name, measure in WORLD.measures.items() if not measure.eases} == {
        *of_orders,
        "net_long",
        "net_short",
        "opening",
    }
    before = market()
    after, _ = run(before, flat(1, "10"))
    assert WORLD.event(before, after)
    assert not WORLD.event(after, run(after, "buy 1 A")[0])


def judged(state, text, **measures):
    """The numbers of the breaches of one order."""
    policy = make_policy({"version": 1, "world": "market", "measures": measures}, "test")
    plan = make_plan([text], world="market")
    found = Verification(WORLD, state, plan, policy, Meter(Budget.of({})), whole=True).of_plan()
    return [breach.number for breach in found.decision.breaches]


def test_a_one_sided_limit_is_not_hidden_by_the_other_side():
    state, _ = run(market(shorting=True), flat(1, "10"), "sell 60 A limit 15 ioc")
    assert judged(state, "buy 50 A", net_long={"max": 400}) == ["WG454"]
    assert judged(state, "buy 50 A", net_short={"max": 400}) == []


def test_what_is_beyond_its_limit_may_be_closed_and_not_turned_round():
    state, _ = run(market(shorting=True), flat(1, "10"), "buy 50 A", flat(2, "10"), flat(3, "12"))
    for measure, most in (
        ("position_value", 100),
        ("gross_exposure", 100),
        ("leverage", "0.1"),
        ("position_share", "0.1"),
    ):
        assert judged(state, "sell 50 A", **{measure: {"max": most}}) == []
        assert len(judged(state, "sell 100 A", **{measure: {"max": most}})) == 1, measure
    assert judged(state, "sell 100 A", position_value={"only": {"symbol": ["B"]}}) == ["WG455"]


def test_a_floor_under_the_equity_stops_what_opens_and_nothing_else():
    state, _ = run(market(), flat(1, "10"), "buy 50 A", flat(2, "10"))
    assert judged(state, "buy 1 A", equity={"min": 5000}) == ["WG451"]
    assert judged(state, "sell 50 A", equity={"min": 5000}) == []


def test_taking_everything_out_and_putting_it_back_repairs_no_drawdown():
    state, _ = run(market(), flat(1, "10"), "buy 50 A", flat(2, "10"), flat(3, "5"), "sell 50 A", flat(4, "5"))
    before = value(state, "drawdown")
    state, _ = run(state, "withdraw 750 USD", "deposit 750 USD")
    assert value(state, "drawdown") >= before > 0


def test_an_order_put_back_after_its_bar_has_passed_is_no_state_of_the_market():
    before, _ = run(market(), flat(1, "10"))
    placed, _ = run(before, "buy 1 A limit 9")
    later, _ = run(before, flat(2, "10"))
    holds = WORLD.properties()["orders keep their states"]
    assert holds(placed) is None
    order = placed.get("order", ("main", 1))
    put_back = later.set("order", ("main", 1), order).set("sequence", ("main",), 1)
    assert "met no bar until 2" in (holds(put_back) or "")


def test_cash_and_equity_count_the_commissions_of_working_orders():
    costs = Costs(rate=ONE // 100, minimum=2 * ONE)
    state, _ = run(market(costs=costs), flat(1, "10"), "buy 50 A", flat(2, "10"), "buy 10 A limit 9", "sell 1 A")
    assert value(state, "cash") == 495 - 100 - 4
    assert value(state, "equity") == 995 - 4


@pytest.mark.parametrize("limit", [{"cash": {"min": 5}}, {"equity": {"min": 55}}])
def test_a_floor_under_money_stops_orders_that_cost_more_than_they_trade_for(limit):
    state, _ = run(market(57, costs=Costs(minimum=2 * ONE)), flat(1, "1"), "buy 50 A", flat(2, "1"))
    (number,) = (WORLD.measures[name].number for name in limit)
    assert judged(state, "sell 1 A", **limit) == [number]
    assert judged(state, "sell 50 A", **limit) == []
    assert judged(state, "sell 2 A", **limit) == []
    working, _ = run(state, "sell 1 A")
    assert judged(working, "cancel 2", **limit) == []

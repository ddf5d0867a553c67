"""What each action does, by hand, and every refusal."""

from __future__ import annotations

import pytest

from worldgate.facts import numbers
from worldgate.worlds.market import (
    ONE,
    BadAccount,
    BadCash,
    BadCosts,
    BadInstrument,
    BadMarket,
    Bar,
    Cancel,
    Costs,
    Instrument,
    Order,
    Place,
    Position,
    Refused,
    Tick,
    Transfer,
    open_market,
)

from .markets import CENT, FREE, WORLD, book, cash, flat, market, position, refused, run


def order(state, id_=1):
    return state.get("order", ("main", id_))


def started(cash=1000, price="10", **settings):
    """A market in which A costs that much."""
    return run(market(cash, **settings), flat(1, price))[0]


# --- placing and filling -----------------------------------------------------------------------------


def test_a_market_order_fills_at_the_next_open():
    state, seen = run(started(), "buy 10 A")
    assert seen == {"ok": True, "order": 1, "undo": "cancel 1"}
    assert order(state) == Order("A", "buy", "market", 10 * ONE, 0, "gtc", 1)
    assert cash(state) == 1000 * ONE
    state, seen = run(state, "tick 2024-01-02 A 11 12 9 10.5 1000")
    assert seen["fills"] == [
        {
            "account": "main",
            "order": 1,
            "symbol": "A",
            "side": "buy",
            "quantity": "10",
            "price": "11",
            "commission": "0",
            "realised": "0",
        }
    ]
    assert position(state) == Position(10 * ONE, 110 * ONE)
    assert cash(state) == 890 * ONE
    assert book(state).equity == 995 * ONE
    fill = state.get("fill", ("main", 1))
    assert (fill.placed, fill.at, fill.low, fill.high) == (1, 2, 9 * ONE, 12 * ONE)


def test_placing_touches_four_facts_whatever_is_held():
    state = started(10_000)
    moved = WORLD.step(state, Place("buy", ONE, "A"))
    assert [edit.relation for edit in moved.delta] == ["order", "position", "book", "sequence"]


def test_a_terminal_order_and_its_fill_go_with_the_next_tick():
    state, _ = run(started(), "buy 10 A", "buy 1 A limit 1", "cancel 2", flat(2, "10"))
    assert order(state).status == "filled"
    assert order(state, 2) is None
    state, _ = run(state, flat(3, "10"))
    assert order(state) is None
    assert list(state.facts("fill")) == []


def test_a_limit_order_waits_for_its_price():
    state, _ = run(started(), "buy 10 A limit 9.5", "tick 2024-01-02 A 10 10 9.6 10 1000")
    assert order(state).status == "working"
    state, seen = run(state, "tick 2024-01-03 A 10 10 9.4 10 1000")
    assert seen["fills"][0]["price"] == "9.5"


def test_a_stop_order_waits_for_the_price_beyond_it():
    state, _ = run(started(), "buy 10 A", flat(2, "10"), "sell 10 A stop 9", "tick 2024-01-03 A 10 11 9.01 10 1000")
    assert order(state, 2).status == "working"
    state, seen = run(state, "tick 2024-01-04 A 8.5 9 8 8.8 1000")
    assert seen["fills"][0]["price"] == "8.5"
    assert position(state).realised == -15 * ONE


def test_orders_of_another_symbol_wait():
    state, _ = run(started(), "buy 10 A", flat(2, "5", "B"))
    assert order(state).status == "working"
    assert order(state).day == ""


def test_partial_fills_share_the_volume_in_the_order_they_were_placed():
    state = started(10_000, costs=Costs(volume_share=ONE // 10, per_order=ONE, minimum=CENT))
    state, _ = run(state, "buy 150 A", "buy 20 A", "tick 2024-01-02 A 10 10 10 10 1005")
    assert (order(state).status, order(state).filled) == ("partial", 100 * ONE)
    assert order(state, 2).status == "working"
    assert position(state).buying == 70 * ONE
    state, seen = run(state, "tick 2024-01-03 A 10 10 10 10 1000")
    assert [fill["quantity"] for fill in seen["fills"]] == ["50", "20"]
    assert [fill["commission"] for fill in seen["fills"]] == ["0", "1"]  # what is paid per order is paid once
    assert order(state).status == order(state, 2).status == "filled"
    assert position(state) == Position(170 * ONE, 1700 * ONE, 0, 2 * ONE)


def test_who_placed_first_fills_first():
    state = started(10_000, costs=Costs(volume_share=ONE // 10))
    state, _ = run(state, "buy 100 A limit 9", flat(2, "10"), "buy 100 A", "tick 2024-01-03 A 9 9 9 9 1000")
    assert (order(state).status, order(state, 2).status) == ("filled", "working")


def test_an_ioc_order_takes_what_its_next_bar_has():
    state = started(10_000, costs=Costs(volume_share=ONE // 10))
    state, seen = run(state, "buy 150 A ioc", "buy 5 A limit 8 ioc", flat(2, "5", "B"), flat(3, "10"))
    assert (order(state).status, order(state).filled) == ("cancelled", 100 * ONE)
    assert order(state, 2).status == "cancelled"
    assert [(row["order"], row["status"]) for row in seen["ended"]] == [(1, "cancelled"), (2, "cancelled")]
    assert position(state).buying == 0


def test_a_day_order_lives_through_the_day_of_its_first_bar():
    hour = "tick 2024-01-02T{}:00:00Z A 10 10 10 10 1000"
    state, _ = run(started(), "buy 5 A limit 8 day", hour.format("09"), hour.format("10"))
    assert (order(state).status, order(state).day) == ("working", "2024-01-02")
    state, seen = run(state, flat(3, "5", "B"))
    assert order(state).status == "expired"
    assert seen["ended"] == [{"account": "main", "order": 1, "status": "expired"}]
    assert position(state) is None


def test_an_expired_order_does_not_fill():
    state, _ = run(started(), "buy 5 A limit 8 day", flat(2, "10"), flat(3, "7"))
    assert order(state).status == "expired"
    assert cash(state) == 1000 * ONE


def test_cancelling_leaves_what_was_before():
    before = started(shorting=True)
    state, seen = run(before, "buy 10 A limit 12", "cancel 1")
    assert seen == {"ok": True, "order": 1, "filled": "0"}
    assert book(state) == book(before)
    assert position(state) is None
    assert order(state).status == "cancelled"


def test_through_nothing_in_one_fill():
    costs = Costs(per_order=ONE)
    state, _ = run(started(shorting=True, costs=costs), "buy 10 A", flat(2, "10"), "sell 25 A", flat(3, "12"))
    assert position(state) == Position(-15 * ONE, -180 * ONE, 20 * ONE, 2 * ONE)
    assert cash(state) == (1000 - 100 - 1 + 300 - 1) * ONE
    assert (book(state).long, book(state).short) == (0, 180 * ONE)
    state, _ = run(state, "buy 20 A", flat(4, "8"))
    assert position(state) == Position(5 * ONE, 40 * ONE, 80 * ONE, 3 * ONE)


def test_a_short_sale_with_margin():
    state = started(shorting=True, margin=ONE // 2)
    assert refused(state, "sell 201 A") == "WG240"
    state, _ = run(state, "sell 200 A", flat(2, "10"))
    assert cash(state) == 3000 * ONE
    assert (book(state).equity, book(state).short, book(state).margin) == (1000 * ONE, 2000 * ONE, 1000 * ONE)
    state, _ = run(state, flat(3, "11"))
    assert (book(state).equity, book(state).margin) == (800 * ONE, 1100 * ONE)
    assert refused(state, "sell 1 A") == refused(state, "buy 201 A") == "WG247"
    state, _ = run(state, "buy 200 A", flat(4, "11"))
    assert position(state) == Position(0, 0, -200 * ONE, 0)
    assert cash(state) == 800 * ONE


def test_a_fill_that_is_no_longer_covered_is_rejected_whole():
    state, _ = run(started(), "buy 60 A", "buy 40 A")
    state, seen = run(state, flat(2, "12"))
    assert (order(state).status, order(state, 2).status) == ("filled", "rejected")
    assert position(state) == Position(60 * ONE, 720 * ONE)
    assert seen["ended"] == [{"account": "main", "order": 2, "status": "rejected"}]


def test_the_commission_counts_at_the_fill():
    before, _ = run(started(costs=Costs(per_order=ONE)), "buy 99 A")
    assert order(run(before, flat(2, "10.09"))[0]).status == "filled"
    assert order(run(before, flat(2, "10.1"))[0]).status == "rejected"


def test_a_flip_needs_cover_although_less_is_held_after_it():
    state, _ = run(started(shorting=True), "sell 100 A", flat(2, "10"), "buy 150 A", flat(3, "19"))
    assert order(state, 2).status == "rejected"
    assert position(state).quantity == -100 * ONE


def test_a_gap_in_one_symbol_counts_for_the_fill_of_another():
    state, _ = run(market(margin=ONE // 2), "tick 2024-01-01 A 10 10 10 10 1; B 10 10 10 10 1", "buy 100 A")
    state, _ = run(state, "tick 2024-01-02 A 10 10 10 10 1; B 10 10 10 10 1", "buy 100 B")
    state, _ = run(state, "tick 2024-01-03 A 4 10 4 10 1; B 10 10 10 10 1")
    assert order(state, 2).status == "rejected", "at the opens there are 400 for a margin of 700"


def test_a_reducing_fill_needs_no_cover():
    state, _ = run(started(shorting=True, margin=ONE // 2), "sell 200 A", flat(2, "10"), "buy 50 A", flat(3, "40"))
    assert book(state).equity < 0
    assert position(state).quantity == -150 * ONE


def test_other_symbols_keep_their_last_close():
    state, _ = run(
        market(), "tick 2024-01-01 A 10 10 10 10 1; B 5 5 5 5 1", "buy 10 A", "buy 10 B",
        "tick 2024-01-02 A 10 10 10 10 1; B 5 5 5 5 1", flat(3, "6", "B"),
    )  # fmt: skip
    assert (book(state).long, book(state).equity) == (160 * ONE, 1010 * ONE)


def test_reserves_are_worst_case():
    state, _ = run(started(shorting=True), "buy 10 A limit 12", "buy 5 A limit 8", "sell 4 A")
    assert position(state)[4:] == (15 * ONE, 4 * ONE, 170 * ONE, 40 * ONE, 0)
    assert (book(state).working, book(state).reserve, book(state).opening) == (170 * ONE, 170 * ONE, 210 * ONE)
    state, _ = run(state, flat(2, "20"))  # the sale fills
    assert position(state)[4:] == (15 * ONE, 0, 300 * ONE, 0, 0)
    assert book(state).short == 80 * ONE
    assert book(state).opening == 220 * ONE  # four of the fifteen only buy back
    assert book(state).working == 140 * ONE


def test_traded_is_of_the_day():
    state, _ = run(started(), "buy 10 A", flat(2, "10"))
    assert (book(state).traded, book(state).day) == (100 * ONE, "2024-01-02")
    state, _ = run(state, "buy 1 A", "tick 2024-01-02T12:00:00Z A 10 10 10 10 1")
    assert book(state).traded == 110 * ONE
    state, _ = run(state, flat(3, "10"))
    assert (book(state).traded, book(state).day) == (0, "2024-01-03")


def test_transfers_are_no_gain_and_no_loss():
    state, _ = run(started(), "buy 50 A", flat(2, "10"), flat(3, "12"), flat(4, "8"))
    assert (book(state).equity, book(state).peak) == (900 * ONE, 1100 * ONE)
    state, seen = run(state, "withdraw 450 USD")
    assert seen == {"ok": True, "cash": "50", "undo": "deposit 450 USD"}
    assert (book(state).equity, book(state).peak) == (450 * ONE, 550 * ONE)
    state, seen = run(state, "deposit 450 USD")
    assert seen["undo"] == "withdraw 450 USD"
    assert (book(state).equity, book(state).peak) == (900 * ONE, 1100 * ONE)
    assert state.get("journal", ("main", "USD")).capital == -1000 * ONE


# --- refusals ----------------------------------------------------------------------------------------

BAR = Bar("2024-01-05", ONE, ONE, ONE, ONE, 0)


def tick(**changes):
    return Tick("2024-01-05", (("A", BAR._replace(**changes)),))


@pytest.mark.parametrize(
    ("action", "number"),
    [
        ("buy 1 C", "WG234"),
        ("tick 2024-01-05 C 1 1 1 1 1", "WG234"),
        ("buy 1 A account alice", "WG235"),
        ("deposit 1 USD account alice", "WG235"),
        ("deposit 1 EUR", "WG235"),
        ("buy 0 A", "WG236"),
        ("buy 1.5 A", "WG236"),
        (Place("buy", -ONE, "A"), "WG236"),
        (Place("buy", 10**40, "A"), "WG236"),
        ("buy 1 A limit 0", "WG237"),
        ("buy 1 A limit 1.001", "WG237"),
        (Place("buy", ONE, "A", "stop", -ONE), "WG237"),
        (Place("buy", ONE, "A", "limit", 10**40), "WG237"),
        (Place("buy", ONE, "A", "market", ONE), "WG237"),
        ("buy 1 A id 1", "WG238"),
        ("buy 1 A id 2", "WG238"),
        (Place("buy", ONE, "A", id=-1), "WG238"),
        (Place("buy", ONE, "A", id=10**30), "WG238"),
        ("buy 1 B", "WG239"),
        ("buy 91 A", "WG240"),
        ("buy 1 A limit 900.01", "WG240"),
        ("sell 11 A", "WG241"),
        ("sell 8 A", "WG241"),  # three are in a working order
        ("sell 1 B", "WG239"),
        ("cancel 1", "WG242"),
        ("cancel 9", "WG242"),
        ("cancel 2 account alice", "WG242"),
        ("tick 2024-01-02 A 1 1 1 1 1", "WG243"),
        ("tick 2024-01-02T00:00:00Z A 1 1 1 1 1", "WG243"),
        ("tick 2024-01-05 A 0 1 0 1 1", "WG244"),
        ("tick 2024-01-05 A 2 1 1 1 1", "WG244"),
        ("tick 2024-01-05 A 1 2 1 3 1", "WG244"),
        ("tick 2024-01-05 A 1 2 1.5 2 1", "WG244"),
        ("tick 2024-01-05 A 2 2 1.5 1 1", "WG244"),
        ("tick 2024-01-05 A 1.001 2 1 2 1", "WG244"),
        ("tick 2024-01-05 A 1 2.001 1 2 1", "WG244"),
        ("tick 2024-01-05 A 1 2 0.001 2 1", "WG244"),
        ("tick 2024-01-05 A 1 2 1 1.001 1", "WG244"),
        (tick(volume=-1), "WG244"),
        (tick(volume=10**40), "WG244"),
        (tick(high=10**40), "WG244"),
        (tick(time="2024-01-06"), "WG244"),
        (Tick("2024-01-05", (("A", BAR), ("A", BAR))), "WG244"),
        ("withdraw 900.01 USD", "WG245"),
        (Place("buy", 1.0, "A"), "WG246"),
        (Place("buy", True, "A"), "WG246"),
        (Place("hold", ONE, "A"), "WG246"),
        (Place("buy", ONE, "A", "fok"), "WG246"),
        (Place("buy", ONE, "A", tif="once"), "WG246"),
        (Place("buy", ONE, ["A"]), "WG246"),
        (Cancel("1"), "WG246"),
        (Transfer("lend", ONE, "USD"), "WG246"),
        (Transfer("deposit", 1.5, "USD"), "WG246"),
        (Tick("today", (("A", BAR),)), "WG246"),
        (Tick("2024-02-30", (("A", BAR),)), "WG246"),
        (Tick("2024-01-05", ()), "WG246"),
        (Tick("2024-01-05", ("A",)), "WG246"),
        (Tick("2024-01-05", (("A", tuple(BAR)),)), "WG246"),
        (Tick("2024-01-05", ((1, BAR),)), "WG246"),
        (Tick(20240105, (("A", BAR),)), "WG246"),
        (tick(close=1.0), "WG246"),
        ("buy 1 A", None),
        (None, "WG246"),
        ("deposit 0 USD", "WG248"),
        (Transfer("withdraw", -ONE, "USD"), "WG248"),
        (Transfer("deposit", 10**40, "USD"), "WG248"),
    ],
)
def test_refusals(action, number):
    state, _ = run(started(), "buy 10 A", flat(2, "10"), "sell 3 A limit 20")
    if number is None:
        run(state, action)
    else:
        assert refused(state, action) == number


def test_what_is_reserved_cannot_be_withdrawn():
    state, _ = run(started(), "buy 60 A limit 10")
    assert refused(state, "withdraw 401 USD") == "WG245"
    run(state, "withdraw 400 USD")
    state, _ = run(started(margin=ONE // 2), "buy 100 A", flat(2, "10"))
    assert book(state).equity - book(state).margin == 500 * ONE
    assert refused(state, "withdraw 1 USD") == "WG245", "there is no cash"


def test_the_commission_is_part_of_what_must_be_covered():
    state = started(costs=Costs(per_order=ONE))
    assert refused(state, "buy 100 A") == "WG240"
    run(state, "buy 99 A")


def test_every_number_has_one_meaning():
    ours = {number: kind for number, kind in numbers().items() if issubclass(kind, Refused) and kind is not Refused}
    assert list(ours) == [f"WG{number}" for number in range(234, 249)]
    assert len({kind.rule for kind in ours.values()}) == len(ours)
    assert all(kind.__doc__ for kind in ours.values())


# --- settings ----------------------------------------------------------------------------------------

GOOD = Instrument("USD", CENT, ONE, ONE)
PURSES = {"main": {"USD": ONE}}


@pytest.mark.parametrize(
    ("instruments", "settings", "kind"),
    [
        ({}, {}, BadMarket),
        (None, {}, BadMarket),
        ({"A": GOOD}, {"cash": {}}, BadMarket),
        ({"A": GOOD}, {"cash": ["main"]}, BadMarket),
        ({"A b": GOOD}, {}, BadInstrument),
        ({1: GOOD}, {}, BadInstrument),
        ({"A": tuple(GOOD)}, {}, BadInstrument),
        ({"A": GOOD._replace(currency="")}, {}, BadInstrument),
        ({"A": GOOD._replace(tick=0)}, {}, BadInstrument),
        ({"A": GOOD._replace(tick=0.01)}, {}, BadInstrument),
        ({"A": GOOD._replace(lot=-ONE)}, {}, BadInstrument),
        ({"A": GOOD._replace(margin=0)}, {}, BadInstrument),
        ({"A": GOOD._replace(margin=ONE + 1)}, {}, BadInstrument),
        ({"A": GOOD._replace(tick=10, lot=10)}, {}, BadInstrument),
        ({"A": GOOD}, {"costs": {"B": FREE}}, BadCosts),
        ({"A": GOOD}, {"costs": {"A": 1}}, BadCosts),
        ({"A": GOOD}, {"costs": 0}, BadCosts),
        ({"A": GOOD}, {"costs": Costs(minimum=-1)}, BadCosts),
        ({"A": GOOD}, {"costs": Costs(rate=0.1)}, BadCosts),
        ({"A": GOOD}, {"costs": Costs(volume_share=ONE + 1)}, BadCosts),
        ({"A": GOOD}, {"cash": {"main": {}}}, BadCash),
        ({"A": GOOD}, {"cash": {"main": 5}}, BadCash),
        ({"A": GOOD}, {"cash": {"main": {"USD": -1}}}, BadCash),
        ({"A": GOOD}, {"cash": {"main": {"USD": 1.0}}}, BadCash),
        ({"A": GOOD}, {"cash": {"main": {"U D": 1}}}, BadCash),
        ({"A": GOOD}, {"cash": {"": {"USD": 1}}}, BadAccount),
        ({"A": GOOD}, {"shorting": ["alice"]}, BadAccount),
        ({"A": GOOD}, {"shorting": "main"}, BadAccount),
        ({"A": GOOD}, {"shorting": [1]}, BadAccount),
        ({"A": GOOD}, {"shorting": True}, BadAccount),
    ],
)
def test_bad_settings(instruments, settings, kind):
    with pytest.raises(kind) as caught:
        open_market(instruments, **{"cash": PURSES} | settings)
    assert "WG205" <= caught.value.number <= "WG209"


def test_a_market_begins_with_its_capital():
    state = open_market(
        {"A": GOOD}, cash={"main": {"USD": 5 * ONE, "EUR": 0}, "alice": {"USD": ONE}}, shorting=["alice"]
    )
    assert state.get("journal", ("main", "USD")).capital == -5 * ONE
    assert state.get("journal", ("main", "EUR")) is None
    assert state.get("cash", ("main", "EUR")) == 0
    assert (book(state).equity, book(state).peak) == (5 * ONE, 5 * ONE)
    assert state.get("shorting", ("alice",))
    assert state.get("costs", ("A",)) == FREE
    assert state.get("clock", ()) == 0


# --- the commissions of working orders -------------------------------------------------------------

MINIMUM = Costs(rate=ONE // 100, minimum=2 * ONE)


def test_what_working_orders_will_cost_is_in_the_books():
    state, _ = run(started(costs=MINIMUM), "buy 10 A", "buy 30 A limit 9")
    assert (position(state).due, book(state).due) == (5 * ONE, 5 * ONE)  # the minimum, and 1 % of 300
    state, _ = run(state, "cancel 1")
    assert (position(state).due, book(state).due) == (3 * ONE, 3 * ONE)
    state, _ = run(state, flat(2, "20"))
    assert book(state).due == 6 * ONE  # at the new close
    state, _ = run(state, flat(3, "9"))
    assert (book(state).due, position(state).fees) == (0, 2 * ONE + ONE * 7 // 10)


def test_a_minimum_is_of_the_order_and_not_of_each_fill():
    costs = Costs(rate=ONE // 100, per_order=ONE, minimum=3 * ONE, volume_share=ONE // 10)
    state, seen = run(started(costs=costs), "buy 30 A", "tick 2024-01-02 A 10 10 10 10 100")
    assert seen["fills"][0]["commission"] == "3"
    assert (order(state).traded, book(state).due) == (100 * ONE, ONE)
    state, seen = run(state, "tick 2024-01-03 A 10 10 10 10 100")
    assert seen["fills"][0]["commission"] == "0"
    state, seen = run(state, "tick 2024-01-04 A 10 10 10 10 100")
    assert seen["fills"][0]["commission"] == "1"
    assert position(state).fees == 4 * ONE  # 1 and 1 % of 300


def test_what_opens_needs_the_commissions_of_all_that_works():
    state, _ = run(started(100, costs=MINIMUM), "buy 4 A", "buy 4 A")
    assert refused(state, "buy 2 A") == "WG240"  # 100 and three times 2
    run(state, "buy 1 A")
    assert refused(state, "withdraw 17 USD") == "WG245"
    run(state, "withdraw 16 USD")


def test_many_small_orders_that_only_reduce_cannot_take_more_than_there_is():
    state, _ = run(market(52, costs=MINIMUM), flat(1, "1"), "buy 50 A", flat(2, "1"))
    assert cash(state) == 0
    assert refused(state, "sell 1 A") == "WG240"  # it would bring 1 and cost 2
    for _ in range(10):
        state, _ = run(state, "sell 5 A")
    state, _ = run(state, flat(3, "1"))
    assert position(state).quantity == 0
    assert cash(state) == 30 * ONE
    state, _ = run(market(54, costs=MINIMUM), flat(1, "1"), "buy 50 A", flat(2, "1"), "sell 1 A")
    assert refused(state, "sell 1 A") == "WG240"  # the 2 that are left are spoken for


def test_what_is_worth_less_than_closing_it_costs_is_not_closed_on_credit():
    state, _ = run(market(102, costs=MINIMUM), flat(1, "1"), "buy 100 A", flat(2, "1"), flat(3, "0.01"))
    assert refused(state, "sell 100 A") == "WG240"
    run(state, "deposit 2 USD", "sell 100 A", flat(4, "0.01"))
    run(state, flat(4, "0.02"), "sell 100 A", flat(5, "0.02"))


def test_under_a_margin_call_what_reduces_is_taken_whatever_it_leaves():
    state, _ = run(market(60, costs=MINIMUM, shorting=True, margin=ONE // 2), flat(1, "10"), "sell 10 A", flat(2, "10"))
    state, _ = run(state, flat(3, "20"))
    assert book(state).equity < 0
    state, _ = run(state, "buy 4 A", "buy 6 A", flat(4, "20"))
    assert position(state).quantity == 0
    assert cash(state) == (60 + 100 - 200 - 6) * ONE

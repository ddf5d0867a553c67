"""The journal: hand-computed postings, and agreement with what the rules do to positions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.worlds.market import ONE, Costs, Position
from worldgate.worlds.market.accounting import of_fill, of_transfer, posted
from worldgate.worlds.market.fills import traded
from worldgate.worlds.market.properties import PROPERTIES, conservation
from worldgate.worlds.market.schema import Journal

from .markets import book, cash, flat, market, position, run


def in_dollars(postings):
    return {ledger: amount // ONE for ledger, amount in postings._asdict().items() if ledger != "capital"}


@pytest.mark.parametrize(
    ("held", "cost", "side", "quantity", "price", "postings"),
    [
        (0, 0, "buy", 10, 5, {"cash": -51, "inventory": 50, "realised": 0, "fees": 1}),
        (20, 120, "sell", 5, 8, {"cash": 39, "inventory": -30, "realised": -10, "fees": 1}),
        (10, 50, "sell", 15, 6, {"cash": 89, "inventory": -80, "realised": -10, "fees": 1}),
        (-10, -50, "buy", 12, 3, {"cash": -37, "inventory": 56, "realised": -20, "fees": 1}),
        (-10, -50, "buy", 10, 7, {"cash": -71, "inventory": 50, "realised": 20, "fees": 1}),
    ],
)
def test_postings_by_hand(held, cost, side, quantity, price, postings):
    before = Position(held * ONE, cost * ONE)
    found = of_fill(before, side, quantity * ONE, price * ONE, ONE)
    assert in_dollars(found) == postings
    assert sum(postings.values()) == 0


def test_a_transfer_is_capital():
    assert of_transfer(5) == Journal(cash=5, capital=-5)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(("buy", "sell")), st.integers(1, 60), st.integers(1, 10**6)), max_size=20))
def test_the_journal_agrees_with_positions_over_any_trades(trades):
    lot, tick = ONE // 100, ONE // 100  # so that shares of a cost do not come out even
    held = cost = realised = 0
    journal, spent = Journal(), 0
    for side, lots, ticks in trades:
        quantity, price, before = lots * lot, ticks * tick, Position(held, cost)
        change = quantity if side == "buy" else -quantity
        held, cost, more = traded(held, cost, change, price)
        realised += more
        spent += change * price // ONE + 7
        journal = posted(journal, of_fill(before, side, quantity, price, 7))
    assert sum(journal) == 0
    assert journal == Journal(-spent, cost, -realised, 7 * len(trades))
    assert (held == 0) <= (cost == 0)


def test_a_round_trip_leaves_exactly_the_profit():
    costs = Costs(per_order=ONE)
    state, _ = run(market(costs=costs), flat(1, "10"), "buy 30 A", flat(2, "10.01"), "sell 30 A", flat(3, "12.5"))
    profit = 30 * (1250 - 1001) * ONE // 100
    assert position(state) == Position(0, 0, profit, 2 * ONE)
    assert cash(state) == 1000 * ONE + profit - 2 * ONE == book(state).equity
    assert state.get("journal", ("main", "USD")) == Journal(cash(state), 0, -profit, 2 * ONE, -1000 * ONE)


@pytest.mark.parametrize("relation", ["journal", "cash", "position"])
def test_conservation_notices_every_coin(relation):
    state, _ = run(
        market(costs=Costs(rate=ONE // 1000)), flat(1, "10"), "buy 30 A", flat(2, "10"), "sell 10 A", flat(3, "11")
    )
    counted = {"journal": Journal._fields, "cash": (), "position": ("cost", "realised", "fees")}[relation]
    for _, key, value in list(state.facts(relation)):
        changed = [value._replace(**{name: getattr(value, name) - 1}) for name in counted] or [value + 1]
        for one in changed:
            assert conservation(state.set(relation, key, one)) is not None


def test_the_properties_can_fail():
    """Each property notices a fact that is off by the least there is."""
    state, _ = run(market(), flat(1, "10"), "buy 30 A", "buy 5 A limit 9", flat(2, "10"), "sell 10 A stop 8", "buy 1 A")
    order, fill = state.get("order", ("main", 2)), state.get("fill", ("main", 1))
    wrong = {
        "value is conserved": state.set("cash", ("main", "USD"), cash(state) - 1),
        "books are what they are from scratch": state.set(
            "book", ("main", "USD"), book(state)._replace(reserve=book(state).reserve + 1)
        ),
        "working is the sum of orders": state.set("order", ("main", 2), order._replace(filled=ONE, status="partial")),
        "orders keep their states": state.set("order", ("main", 2), order._replace(status="filled")),
        "fills are proven": state.set("fill", ("main", 1), fill._replace(at=fill.placed)),
        "nothing is sold that is not held": state.set(
            "position", ("main", "A"), position(state)._replace(selling=31 * ONE)
        ),
    }
    assert wrong.keys() == PROPERTIES.keys()
    for name, broken in wrong.items():
        assert PROPERTIES[name](broken), name
    for name in book(state)._fields[:10]:
        off = book(state)._replace(**{name: getattr(book(state), name) + 1})
        assert PROPERTIES["books are what they are from scratch"](state.set("book", ("main", "USD"), off)), name

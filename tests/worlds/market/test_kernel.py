"""The independent check: it agrees on thousands of orders, finds what is wrong, and differs where the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from worldgate.facts import State
from worldgate.worlds.market import (
    ONE,
    Bar,
    Book,
    Cancel,
    Costs,
    Fill,
    Instrument,
    Order,
    Place,
    Position,
    errors,
    open_market,
    parse_amount,
)
from worldgate.worlds.market.kernel import (
    Account,
    Incomparable,
    MissingPeer,
    Standing,
    Trade,
    Walk,
    differences,
    distance,
    peer,
    walk,
)
from worldgate.worlds.market.measures import MEASURES
from worldgate.worlds.market.schema import Journal

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "worlds" / "market.md").read_text(encoding="utf-8")
CENT = ONE // 100
installed = pytest.mark.skipif(
    find_spec("backtesting") is None, reason="needs backtesting.py: install worldgate[market]"
)


def bars(*rows: str) -> list[Bar]:
    """One bar a day: open, high, low and close, or one price for all four."""
    prices = [[parse_amount(part) for part in row.split()] for row in rows]
    return [Bar(f"2024-01-{day:02}", *(four if len(four) == 4 else four * 4), 0) for day, four in enumerate(prices, 1)]


def market(cash: int = 1000, margin: int = ONE, **costs: int) -> State:
    instruments = {"A": Instrument("USD", CENT, ONE, margin)}
    return open_market(instruments, cash={"main": {"USD": cash * ONE}}, costs=Costs(**costs), shorting=["main"])


def buy(units: int, kind: str = "market", price: int = 0, tif: str = "gtc") -> Place:
    return Place("buy", units * ONE, "A", kind, price * ONE, tif)


def sell(units: int, kind: str = "market", price: int = 0, tif: str = "gtc") -> Place:
    return buy(units, kind, price, tif)._replace(side="sell")


def both(first: State, given: Sequence[Bar], **orders: Place | Cancel) -> tuple[Walk, Account]:
    """Our side and theirs; `b2=...` is ordered after bar 2."""
    waiting = dict(orders)

    def decide(state: State) -> Place | Cancel | None:
        return waiting.pop(f"b{state.get('clock', ()) - 1}", None)

    went = walk(first, given, decide)
    assert not waiting
    return went, peer(first, given, went.orders)


PRICES = bars("100", "100 110 95 105", "105 106 99 100", "100 120 100 115", "115 118 90 95", "95 100 94 99", "99")
PROGRAM = {"b1": buy(3), "b2": buy(2, "limit", 101, "day"), "b3": sell(7, "stop", 99), "b4": buy(2), "b5": buy(1)}


# --- it agrees --------------------------------------------------------------------------------------


@installed
def test_random_programs_and_strategies_agree() -> None:
    script = str(ROOT / "bench" / "market_kernel.py")
    command = [sys.executable, script, "--programs", "120", "--seed", "5000", "--strategies", "9", "--json"]
    found = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    programs, orders, rules = map(json.loads, found.stdout.splitlines())
    assert programs["runs"] == 120
    assert programs["orders"] > 5000
    assert programs["uncovered"] > 400
    assert orders["runs"] == rules["runs"] == 13
    assert orders["trades"] == rules["trades"] > 200


@installed
def test_one_program_in_full() -> None:
    went, theirs = both(market(rate=ONE // 1000), PRICES, **PROGRAM)
    assert not differences(went.account, theirs)
    assert distance(went.account, theirs) <= 1
    assert theirs.trades == [
        Trade(3 * ONE, 2, 105 * ONE, 4, 99 * ONE),
        Trade(2 * ONE, 3, 100 * ONE, 4, 99 * ONE),
        Trade(-2 * ONE, 4, 99 * ONE, 5, 95 * ONE),
        Trade(ONE, 6, 99 * ONE),
    ]
    assert theirs.standings[2].working == (2 * ONE,)
    assert theirs.standings[6].quantity == ONE
    assert theirs.standings[6].realised == went.account.standings[6].realised == -12 * ONE


@installed
def test_orders_end_as_they_are_good_for() -> None:
    orders = {"b1": buy(1, "limit", 50, "ioc"), "b2": buy(1, "limit", 50, "day"), "b3": buy(1, "limit", 50)}
    went, theirs = both(market(), PRICES, **orders, b5=Cancel(3))
    assert not differences(went.account, theirs)
    assert went.ended == {"cancelled": 1, "expired": 1}
    assert [len(theirs.standings[bar].working) for bar in range(1, 7)] == [1, 1, 2, 1, 0, 0]


@installed
def test_a_spread_is_paid_by_a_trader_on_either_side() -> None:
    went, theirs = both(market(spread=ONE // 50), PRICES, b1=buy(3), b4=sell(3))
    assert not differences(went.account, theirs)
    assert theirs.trades == [Trade(3 * ONE, 2, 10600 * CENT, 5, 9405 * CENT)]


def test_units_are_paired_first_in_first_out() -> None:
    account = Account("A", "USD")
    for bar, change in enumerate((5, 2, -6, -4, 3)):
        account._pair(bar, change, 10 + bar)
    assert account.closed == [
        Trade(5, 0, 10, 2, 12),
        Trade(1, 1, 11, 2, 12),
        Trade(1, 1, 11, 3, 13),
        Trade(-3, 3, 13, 4, 14),
    ]
    assert not account.open


# --- it finds what is wrong -------------------------------------------------------------------------

FAULTS: dict[str, Callable[[Any], Any]] = {
    "fill_price": lambda right: lambda *given: price + CENT if (price := right(*given)) else price,
    "commission": lambda right: lambda *given: right(*given) + CENT,
    "traded": lambda right: lambda quantity, cost, change, price: (*right(quantity, cost, change, price)[:2], 0),
    "capacity": lambda right: lambda *given: ONE,
}


@installed
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_our_rules_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from worldgate.worlds.market import ticks

    monkeypatch.setattr(ticks, name, FAULTS[name](getattr(ticks, name)))
    went, theirs = both(market(), PRICES, b1=buy(3), b4=sell(3))
    assert differences(went.account, theirs)


@installed
def test_a_rule_of_cover_that_is_not_kept_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    given = bars("100", "100", "101", "101")
    assert both(market(), given, b1=buy(10))[0].ended == {"rejected": 1}
    assert not differences(*_accounts(both(market(), given, b1=buy(10))))
    monkeypatch.setattr("worldgate.worlds.market.power.Power.take", lambda *_: True)
    assert differences(*_accounts(both(market(), given, b1=buy(10))))


def test_differences_are_told_by_bar_and_by_trade() -> None:
    one, two = Standing(100 * ONE, ONE, 0, 0, ()), Standing(100 * ONE, 0, 0, 0, ())
    ours, theirs = Account("A", "USD", {1: one, 2: one}), Account("A", "USD", {1: one, 2: two})
    ours._pair(2, ONE, ONE)
    found = differences(ours, theirs)
    assert [line.split(":")[0] for line in found] == ["bar 2", "trade 0"]
    assert differences(ours, Account("A", "USD", {2: one}))[0].endswith("before they began")
    assert differences(ours, Account("A", "USD", {1: one}))[0].endswith("nothing there")


def test_half_a_cent_of_money_is_no_difference() -> None:
    def with_equity(equity: int) -> Account:
        return Account("A", "USD", {1: Standing(equity, 0, 0, 0, ())})

    assert not differences(with_equity(0), with_equity(CENT // 2))
    assert differences(with_equity(0), with_equity(CENT // 2 + 1))
    assert distance(with_equity(0), with_equity(7)) == 7


# --- where it differs, as the page says -------------------------------------------------------------


def _accounts(pair: tuple[Walk, Account]) -> tuple[Account, Account]:
    return pair[0].account, pair[1]


def _last(first: State, given: Sequence[Bar], **orders: Place) -> tuple[Standing, Standing]:
    ours, theirs = _accounts(both(first, given, **orders))
    assert differences(ours, theirs)
    bar = max(ours.standings)
    return ours.standings[bar], theirs.standings[bar]


@installed
def test_cover_is_judged_at_the_open_here_and_at_the_close_there() -> None:
    given = bars("100", "100", "100", "100 100 60 60")
    ours, theirs = _last(market(margin=ONE // 2), given, b1=buy(10), b2=buy(9))
    assert (ours.quantity, theirs.quantity) == (19 * ONE, 10 * ONE)


@installed
def test_an_order_through_nothing_that_is_not_covered_is_rejected_here_and_closes_there() -> None:
    given = bars("100", "100", "100", "120")
    ours, theirs = _last(market(), given, b1=sell(6), b2=buy(15))
    assert (ours.quantity, theirs.quantity) == (-6 * ONE, 0)


@installed
def test_a_fee_is_paid_by_order_here_and_by_trade_there() -> None:
    ours, theirs = _last(
        market(per_order=ONE), bars("100", "100", "100", "100", "100"), b1=buy(1), b2=buy(1), b3=sell(2)
    )
    assert (ours.fees, theirs.fees) == (3 * ONE, 4 * ONE)


@installed
def test_an_account_that_is_worth_nothing_is_closed_there() -> None:
    given = bars("100", "100", "100", "250")
    went, theirs = both(market(), given, b1=sell(10))
    assert max(went.account.standings) == 2
    assert 3 not in theirs.standings
    went, theirs = both(market(), bars("100", "100", "100", "150"), b1=sell(10))
    assert went.account.standings[3].equity == theirs.standings[3].equity == 500 * ONE


@installed
@pytest.mark.parametrize(
    ("first", "orders", "why"),
    [
        (market(spread=CENT), {1: [buy(1, "limit", 90)]}, "market orders of one side"),
        (market(spread=CENT), {1: [buy(1), buy(1, "stop", 110)]}, "market orders of one side"),
        (market(slippage=CENT), {1: [buy(1), sell(1)]}, "market orders of one side"),
        (market(volume_share=ONE // 2), {}, "no volume_share"),
        (market(rate=ONE // 10), {}, "a rate below a tenth"),
        (market(), {0: [buy(1)]}, "none before the second"),
        (open_market({s: Instrument("USD", CENT, ONE, ONE) for s in "AB"}, cash={"main": {"USD": ONE}}), {}, "one"),
        (open_market({"A": Instrument("USD", ONE, CENT, ONE)}, cash={"main": {"USD": ONE}}), {}, "whole units"),
        (open_market({"A": Instrument("USD", CENT, ONE, ONE)}, cash={"bob": {"USD": ONE}}), {}, "account main"),
    ],
)
def test_what_has_no_like_there_is_not_run(first: State, orders: Any, why: str) -> None:
    with pytest.raises(Incomparable, match=f"WG284.*{why}"):
        peer(first, PRICES, orders)


@pytest.mark.parametrize(
    ("given", "order", "why"),
    [
        (bars("100", "100 90 95 100"), None, "bars that the market takes"),
        (PRICES, buy(1)._replace(symbol="B"), "actions that the market takes"),
    ],
)
def test_what_our_market_refuses_is_not_walked(given: Sequence[Bar], order: Place | None, why: str) -> None:
    with pytest.raises(Incomparable, match=why):
        walk(market(), given, lambda _: order)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "backtesting", None)
    with pytest.raises(MissingPeer, match=r"WG283.*worldgate\[market\]"):
        peer(market(), PRICES, {})


# --- the page ---------------------------------------------------------------------------------------


def test_the_page_has_every_measure_and_every_refusal() -> None:
    rows = {tuple(cell.strip(" `") for cell in row.split("|")[1:3]) for row in PAGE.splitlines() if row.startswith("|")}
    assert {(name, measure.number) for name, measure in MEASURES.items()} <= rows
    refusals = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.Refused)}
    assert {(kind.number, kind.title) for kind in refusals - {errors.Refused}} <= rows


def test_the_page_has_every_field_of_the_facts() -> None:
    for kind in (Instrument, Costs, Bar, Position, Book, Order, Fill, Journal):
        row = next(row for row in PAGE.splitlines() if row.startswith("|") and f"`{kind.__name__}(" in row)
        assert f"`{kind.__name__}({', '.join(kind._fields)})`" in row


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_examples_of_the_page_hold(code: str) -> None:
    exec(code, {})

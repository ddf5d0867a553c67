"""The world as a whole: the contract, and laws over random walks."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.worlds import check_world, get
from worldgate.worlds.check import walk
from worldgate.worlds.market import LIVE, ONE, Tick

from .markets import WORLD, holds

SEEDS = st.integers(0, 10**6)
DRIVERS = st.sampled_from(sorted(WORLD.drivers))
ENDS = {"working", "partial", "filled", "cancelled", "expired", "rejected"}


def test_it_keeps_the_contract():
    report = check_world(get("market"), seeds=range(3), steps=40)
    assert report.steps == 120 * len(WORLD.drivers)
    assert report.succeeded > report.steps // 2


@settings(max_examples=25, deadline=None)
@given(DRIVERS, SEEDS)
def test_the_properties_hold_on_every_walk(driver, seed):
    for _, _, moved in walk(WORLD, driver, seed, 50):
        holds(moved.state)


@settings(max_examples=25, deadline=None)
@given(DRIVERS, SEEDS)
def test_orders_move_only_forward(driver, seed):
    for _, before, moved in walk(WORLD, driver, seed, 50):
        assert len({edit[:2] for edit in moved.delta}) == len(moved.delta), "no fact changes twice in a step"
        for edit in moved.delta:
            if edit.relation == "order":
                old, new = edit.before, edit.after
                if old is None:
                    assert (new.status, new.filled) == ("working", 0)
                elif new is None:
                    assert old.status not in LIVE
                else:
                    assert old.status in LIVE
                    assert old.filled <= new.filled <= new.quantity
                    assert old[:7] == new[:7]
        for _, (account, id_), fill in moved.state.facts("fill"):
            if before.get("fill", (account, id_)) != fill:
                order = before.get("order", (account, id_))
                assert moved.state.get("order", (account, id_)).filled - order.filled == fill.quantity
                assert order.kind != "limit" or fill.price * _sign(order) <= order.price * _sign(order)


def _sign(order) -> int:
    return 1 if order.side == "buy" else -1


@settings(max_examples=15, deadline=None)
@given(DRIVERS, SEEDS)
def test_cash_moves_by_what_was_filled_and_transferred(driver, seed):
    """An account of the whole walk that knows only the fills and the transfers."""
    random = Random(seed)
    state = WORLD.initial(seed)
    purses = {key: amount for _, key, amount in state.facts("cash")}
    held: Counter[tuple[str, str]] = Counter()
    for _ in range(50):
        action = WORLD.parse(WORLD.drivers[driver](state, random))
        state, _, seen, _ = WORLD.step(state, action)
        if seen["ok"] and hasattr(action, "verb"):
            purses[action.account, action.currency] += action.amount * (1 if action.verb == "deposit" else -1)
        for _, (account, _), fill in state.facts("fill") if isinstance(action, Tick) and seen["ok"] else ():
            change = fill.quantity * _sign(fill)
            held[account, fill.symbol] += change
            currency = state.get("instrument", (fill.symbol,)).currency
            purses[account, currency] -= change * fill.price // ONE + fill.commission
    assert purses == {key: amount for _, key, amount in state.facts("cash")}
    positions = {key: found.quantity for _, key, found in state.facts("position")}
    assert {key: amount for key, amount in held.items() if amount} == {k: v for k, v in positions.items() if v}


def test_the_workloads_do_what_a_market_is_for():
    seen: Counter[str] = Counter()
    for driver in WORLD.drivers:
        for seed in range(6):
            for _, _, moved in walk(WORLD, driver, seed, 120):
                refused = moved.observation.get("refused")
                seen[refused["number"] if refused else f"{driver} ok"] += 1
                seen.update(order.status for _, _, order in moved.state.facts("order"))
                seen["short"] += any(found.quantity < 0 for _, _, found in moved.state.facts("position"))
                seen["fills"] += len(moved.observation.get("fills", ()))
    assert all(seen[name] for name in ENDS | {"short"}), seen
    assert seen["everyday ok"] > 0.9 * 720
    assert seen["turns ok"] > 0.8 * 720
    assert 0.4 * 720 < seen["adversarial ok"] < 0.8 * 720
    assert seen["fills"] > 400
    assert len([name for name in seen if name.startswith("WG")]) >= 12

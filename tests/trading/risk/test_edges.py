"""Where one unit decides: exact cover, ties, ruin, limits that are met, amounts at the end of int64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.trading.risk.test_bulk import assert_same
from tests.worlds.market.markets import flat, market, run
from worldgate.facts import State
from worldgate.gate.measured import Bound
from worldgate.trading.risk.arrays import ceil_of, even_of, even_share, floor_of, ratio
from worldgate.trading.risk.limits import limits_of
from worldgate.trading.risk.plan import load_risk_plan
from worldgate.trading.risk.play import REFUSED, Futures, alone, begin, play
from worldgate.worlds.market import ONE, Costs
from worldgate.worlds.market.measures import MEASURES
from worldgate.worlds.market.units import ceil, fraction_of, share

USD = ("main", "USD")
CENT = ONE // 100


class Fixed:
    """Futures that are written down: the closes and opens (by default the closes) of each future, in cents."""

    name = "fixed"

    def __init__(
        self, closes: Mapping[str, Sequence[Sequence[int]]], opens: Mapping[str, Sequence[Sequence[int]]] | None = None
    ) -> None:
        self.closes, self.opens = closes, opens or closes

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.closes)

    def times(self, steps: int) -> list[str]:
        return [f"2024-02-{1 + step:02}" for step in range(steps)]

    def paths(self, n: int, steps: int, seed: int) -> Mapping[str, Any]:
        return {symbol: self._bars(symbol) for symbol in self.closes}

    def _bars(self, symbol: str) -> Any:
        opened, close = (np.array(rows[symbol], np.int64) * CENT for rows in (self.opens, self.closes))
        prices = [opened, np.maximum(opened, close), np.minimum(opened, close), close]
        return np.stack([*prices, np.full(close.shape, 10**6 * ONE)])


def ready(*texts: str, **how: Any) -> State:
    """A market in which A and B cost 100."""
    return run(market(**how), flat(2, "100"), flat(3, "100", "B"), *texts)[0]


def both(state: State, text: str, closes: Any, bounds: Mapping[str, Bound], opens: Any = None) -> Any:
    """What bulk says, after it was compared with the world fact by fact and limit by limit."""
    plan = load_risk_plan(text, 1)
    futures = Futures.of(state, Fixed(closes, opens), len(next(iter(closes.values()))), plan.steps, 0)
    assert_same(state, plan, futures)
    found = play(state, plan, futures, bounds, USD)
    for at in range(futures.n):
        again = alone(state, plan.walk(futures.ticks(at)), bounds, USD)
        assert again.breached == {name for name, breached in found.breached.items() if breached[at]}
        assert again.profit == found.profit[at]
    return found


def test_all_the_money_is_enough_and_one_cent_less_is_not() -> None:
    found = both(ready(), "[buy 10 A limit 100, tick, sell 10 A, tick]", {"A": [[10000, 10000]]}, {})
    assert not found.breached[REFUSED].any()
    assert both(ready(cash=999), "[buy 10 A limit 100, tick]", {"A": [[10000]]}, {}).breached[REFUSED].all()
    dear = Costs(per_order=1)
    assert both(ready(costs=dear), "[buy 10 A limit 100, tick]", {"A": [[10000]]}, {}).breached[REFUSED].all()
    assert not both(ready(cash=1001, costs=dear), "[buy 10 A, tick]", {"A": [[10000]]}, {}).breached[REFUSED].any()


def test_cover_at_the_fill_counts_holdings_at_their_opens() -> None:
    """A falls, and what is held no longer covers the buy of B; where it does not fall, it does, to the cent."""
    state = ready("buy 10 A", flat(4, "100"), cash=1000, margin=ONE // 2)
    closes = {"A": [[n, n] for n in (10000, 9999, 10001, 5000)], "B": [[10000, 10000]] * 4}
    still = {"A": [[10000, 10000]] * 4, "B": [[10000, 10000]] * 4}
    text = "[buy 10 B, tick, sell 10 B, tick]"
    found = both(state, text, still, {}, opens=closes)
    assert found.breached[REFUSED].tolist() == [False, True, False, True], "what was rejected cannot be sold"
    assert not both(state, text, closes, {}, opens=still).breached[REFUSED].any(), "closes come too late to matter"


def test_a_second_trade_in_a_bar_is_covered_from_the_price_of_the_first() -> None:
    seen = {"filled": 0, "rejected": 0}
    for cash in range(1020, 1090, 5):
        state = ready(cash=cash, margin=ONE // 2, shorting=True)
        plan = load_risk_plan("[sell 10 A limit 101, sell 10 A limit 103, tick]", 1)
        found = assert_same(state, plan, Futures.of(state, Fixed({"A": [[10300]]}, {"A": [[10000]]}), 1, 1, 0))
        seen = {name: count + found[name] for name, count in seen.items()}
    assert seen == {"filled": 14 + 8, "rejected": 6}, "sold at 101, so 20 are lost at 103: 1030 + 20 is needed"


def test_random_walks_on_the_edge_of_equity() -> None:
    """Two symbols on margin, long and short, bought with all there is: rejected here, filled there."""
    rejected = filled = 0
    for seed in range(14):
        random = Random(seed)
        state = ready("buy 15 A", flat(4, "100"), margin=ONE // 2, shorting=True, costs=Costs(rate=ONE // 1000))
        closes, opens = (
            {s: [[10000 + random.randint(-150, 150) for _ in range(4)] for _ in range(8)] for s in "AB"}
            for _ in range(2)
        )
        text = "[sell 4 B, tick, buy 8 B, buy 1 A, tick, sell 24 A, tick, buy 20 B limit 99.5, tick]"
        plan = load_risk_plan(text, 1)
        seen = assert_same(state, plan, Futures.of(state, Fixed(closes, opens), 8, 4, 0))
        rejected, filled = rejected + seen["rejected"], filled + seen["filled"]
    assert rejected > 20
    assert filled > 20


def test_random_walks_of_orders_that_cost_more_than_they_trade_for() -> None:
    """A minimum of 150 on shares of some 100, in parts: bought with all there is, sold one by one, short and long."""
    filled = 0
    for seed in range(8):
        random = Random(seed)
        costs = Costs(rate=ONE // 100, per_order=ONE, minimum=150 * ONE, volume_share=ONE // 2)
        state = ready("buy 5 A", flat(4, "100"), "sell 2 A limit 102", margin=ONE // 2, shorting=True, costs=costs)
        closes, opens = (
            {s: [[10000 + random.randint(-150, 150) for _ in range(4)] for _ in range(8)] for s in "AB"}
            for _ in range(2)
        )
        text = "[sell 1 A, tick, buy 3 A limit 99.5, sell 1 A, tick, sell 9 A, sell 1 B, tick, buy 1 A, buy 1 B, tick]"
        plan = load_risk_plan(text, 1)
        filled += assert_same(state, plan, Futures.of(state, Fixed(closes, opens), 8, 4, 0))["filled"]
    assert filled > 100


def test_ruin_is_the_worst_of_ratios() -> None:
    state = ready("sell 15 A", flat(4, "100"), margin=ONE // 2, shorting=True)
    bounds = {name: Bound(max=Decimal(most)) for name, most in (("leverage", 10**6), ("drawdown", 1), ("turnover", 9))}
    found = both(state, "[tick, buy 1 A, tick]", {"A": [[90000, 90000], [11000, 11000]]}, bounds)
    assert found.equity[0].tolist() == [2500 * ONE - 15 * 900 * ONE, 2500 * ONE - 15 * 110 * ONE]
    assert found.breached["leverage"].tolist() == [True, False]
    assert found.breached["drawdown"].tolist() == [True, False]
    above = {"leverage": Bound(max=Decimal(10**15))}
    assert not both(state, "[tick]", {"A": [[90000]]}, above).breached["leverage"].any(), "over one unit, not over none"


def test_a_peak_beyond_int64() -> None:
    """A deposit into next to nothing moves the peak, in proportion, as far as it takes."""
    state = run(market(cash=1000), flat(2, "100"), "buy 10 A", flat(3, "100"))[0]
    text = "[tick, deposit 1000000000 USD, tick, deposit 1 USD, tick]"
    found = both(state, text, {"A": [[1, 1, 2], [9000, 9000, 9000]]}, {"drawdown": Bound(max=Decimal("0.5"))})
    assert found.breached["drawdown"].tolist() == [True, False]


@pytest.mark.parametrize("lots", [2**power for power in range(18, 32)])
def test_int64_is_right_up_to_where_it_is_given_up(lots: int) -> None:
    state = ready(cash=10**9)
    text = f"[tick, buy {lots} A, tick, sell {lots} A, tick]"
    both(state, text, {"A": [[10**9, 10**9 + 1, 10**9], [300, 301, 299]]}, {"cash": Bound(min=Decimal(1))})


def test_both_kinds_of_array_are_used_for_that() -> None:
    kinds = set()
    for lots in (2, 2**31):
        state, plan = ready(cash=10**9), load_risk_plan(f"[buy {lots} A, tick]", 1)
        kinds.add(begin(state, plan, Futures.of(state, Fixed({"A": [[10**9]]}), 1, 1, 0))[0].dtype)
    assert kinds == {np.int64, object}


@pytest.mark.parametrize(("most", "beyond"), [("0.5", False), ("0.49999999", True), ("0.500000000000000000001", False)])
def test_a_limit_that_is_met_is_kept(most: str, beyond: bool) -> None:
    found = both(ready(), "[buy 5 A, tick]", {"A": [[10000]]}, {"leverage": Bound(max=Decimal(most))})
    assert found.breached["leverage"].tolist() == [beyond]
    found = both(ready(), "[buy 5 A, tick]", {"A": [[10000]]}, {"gross_exposure": Bound(max=Decimal(most) * 1000)})
    assert found.breached["gross_exposure"].tolist() == [beyond]


@pytest.mark.parametrize("most", [10**8, 3 * 10**8, 7 * 10**8, 999_999_937])
def test_a_limit_far_above_is_not_passed_by_overflow(most: int) -> None:
    found = both(ready(cash=10**9), "[buy 5 A, tick]", {"A": [[10000]]}, {"leverage": Bound(max=Decimal(most))})
    assert not found.breached["leverage"].any()


def test_very_many_lots_at_next_to_nothing() -> None:
    """Their number, and not their value, is what would overflow where the cost of a part is taken out."""
    state = run(market(cash=10**8, lot=CENT), flat(2, "0.03"))[0]
    text = "[buy 85899345.92 A, tick, buy 1234567.03 A, tick, sell 28633115.11 A, tick, sell 0.01 A, tick]"
    both(state, text, {"A": [[3, 4, 5, 5], [2, 1, 1, 2]]}, {})


def test_limits_from_where_the_plan_starts() -> None:
    state = ready("buy 5 A", flat(4, "100"))
    exposure, value = MEASURES["gross_exposure"], MEASURES["position_value"]
    assert limits_of(exposure, Bound(max=Decimal(300)), state, USD) == (500 * ONE, None)
    assert limits_of(exposure, Bound(max=Decimal(700), min=Decimal(600)), state, USD) == (700 * ONE, 500 * ONE)
    named = Bound(max=Decimal(700), only={"symbol": ("B",)})
    assert limits_of(value, named, state, ("main", "B")) == (700 * ONE, None)
    assert limits_of(value, named, state, ("main", "A")) == (500 * ONE, None), "0 for the others; 500 was there before"
    assert limits_of(value, Bound(only={"symbol": ("B",)}), state, ("alice", "A")) == (0, None)
    assert limits_of(MEASURES["leverage"], Bound(max=Decimal("0.1")), state, USD) == (Fraction(1, 2), None)
    found = both(state, "[tick]", {"A": [[10000], [10001]]}, {"gross_exposure": Bound(max=Decimal(300))})
    assert found.breached["gross_exposure"].tolist() == [False, True]


def test_rounding_of_arrays_is_the_markets() -> None:
    random = Random(1)
    for _ in range(300):
        rate = random.choice((1, ONE // 2, ONE // 4, ONE // 8, 12345, ONE, 3 * ONE // 8, random.randint(0, ONE)))
        amounts = [random.randint(-(10**17), 10**17) for _ in range(20)]
        amounts += [*(n * ONE // 8 for n in range(-20, 20)), *range(-9, 9)]
        by = ratio(rate)
        for kind in (np.int64, object):
            given = np.array(amounts, kind)
            assert even_of(given, by).tolist() == [fraction_of(amount, rate) for amount in amounts]
            assert ceil_of(given, by).tolist() == [ceil(amount, rate) for amount in amounts]
            assert floor_of(given, by).tolist() == [amount * rate // ONE for amount in amounts]
            whole = np.array([random.randint(1, random.choice((9, 2**29))) for _ in amounts], kind)
            parts = np.array([random.randint(0, int(one)) for one in whole], kind)
            rows = zip(amounts, parts.tolist(), whole.tolist(), strict=True)
            assert even_share(given, parts, whole).tolist() == [share(*row) for row in rows]

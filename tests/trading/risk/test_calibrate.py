"""Calibration: predictions of a sampler that is right come true, those of one that is wrong do not."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from worldgate.trading.inputs import Market
from worldgate.trading.risk.calibrate import Calibration, calibrate, parted
from worldgate.trading.risk.errors import BadHistory
from worldgate.trading.risk.futures import Bootstrap, starts
from worldgate.trading.risk.plan import load_risk_plan
from worldgate.trading.risk.run import opened
from worldgate.worlds.market import ONE
from worldgate.worlds.market.bars import Bars
from worldgate.worlds.market.generator import Model, Regime, generate

QUIET = Model((Regime("quiet", 0.0, 0.01, 1e9),), 0.0001, 0.0, 0.0)
STORMY = Model((Regime("stormy", 0.0, 0.03, 1e9),), 0.0001, 0.0, 0.0)
PLAN = load_risk_plan("[buy 8 A, tick 5]", 5)


def found(first: Bars, rest: Bars) -> list[Calibration]:
    state = opened(Market(cash=Decimal(1000)), first)
    sampler = Bootstrap(first, starts(state, ["A"]), first.times[-1])
    return calibrate(state, PLAN, sampler, rest, ("main", "USD"), futures=3000)


def test_what_follows_as_it_was_is_calibrated() -> None:
    first, rest = parted(generate(["A"], 1600, 5, model=QUIET), Fraction(1, 2))
    assert (len(first), len(rest)) == (800, 800)
    rows = found(first, rest)
    assert [row.verdict for row in rows] == ["calibrated"] * 4
    for row in rows:
        assert float(row.predicted) <= float(row.alpha)
        assert float(row.predicted) == pytest.approx(float(row.alpha), abs=0.01)
        assert float(row.low) <= float(row.observed) <= float(row.high)
        assert (row.windows, row.disjoint) == (795, 159)


def test_another_regime_is_not() -> None:
    first, rest = (generate(["A"], 600, 5, model=model) for model in (QUIET, STORMY))
    rows = found(first, rest)
    assert [row.verdict for row in rows[1:]] == ["bold"] * 3
    assert all(float(row.observed) > 2 * float(row.predicted) for row in rows[1:])

    rows = found(*(generate(["A"], 600, 5, model=model) for model in (STORMY, QUIET)))
    assert [row.verdict for row in rows[2:]] == ["cautious"] * 2


def test_windows_are_the_bars_as_they_happened() -> None:
    """One window whose fall is known: the limit is passed in the windows that hold it, and in no other."""
    first = generate(["A"], 300, 5, model=QUIET)
    closes = [100 * ONE] * 50 + [80 * ONE] * 50
    rest = Bars.of(generate(["A"], 100, 1).times, {"A": [closes] * 4 + [[ONE * 1000] * 100]})
    rows = found(first, rest)
    assert [row.observed for row in rows] == ["0.042105"] * 4  # 4 of 95: bought one to four bars before the fall
    assert [row.beyond for row in rows] == [1] * 4


def test_too_few_bars_held_out() -> None:
    first, rest = parted(generate(["A"], 200, 5), Fraction(39, 40))
    with pytest.raises(BadHistory, match="WG395"):
        found(first, rest)

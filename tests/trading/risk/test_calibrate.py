"""Calibration: predictions of a sampler that is right come true, those of one that is wrong do not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from worldgate.trading.inputs import Market
from worldgate.trading.risk.calibrate import Calibration, calibrate
from worldgate.trading.risk.errors import BadHistory
from worldgate.trading.risk.filtered import Filtered
from worldgate.trading.risk.futures import Bootstrap, Sampler, starts
from worldgate.trading.risk.plan import load_risk_plan
from worldgate.trading.risk.run import opened
from worldgate.worlds.market import ONE
from worldgate.worlds.market.bars import FIELDS, Bars, part
from worldgate.worlds.market.generator import Model, Regime, generate

QUIET = Model((Regime("quiet", 0.0, 0.01, 1e9),), 0.0001, 0.0, 0.0)
STORMY = Model((Regime("stormy", 0.0, 0.03, 1e9),), 0.0001, 0.0, 0.0)
CENT = ONE // 100
PLAN = load_risk_plan("[buy 8 A, tick 5]", 5)


Kind = Callable[..., Sampler]


def found(bars: Bars, first: int, kind: Kind = Bootstrap) -> list[Calibration]:
    state = opened(Market(cash=Decimal(1000)), part(bars, 0, first))
    begin, last = starts(state, ["A"]), state.get("time", ())

    def sampler(history: Bars) -> Sampler:
        assert history.times == bars.times[: len(history)], "what has passed"
        return kind(history, begin, last)

    return calibrate(state, PLAN, sampler, bars, first, ("main", "USD"), futures=1000)


def joined(*parts: Bars) -> Bars:
    """One after the other, each going on at the price where the one before ended."""
    columns: list[list[int]] = [[], [], [], [], []]
    for bars in parts:
        *prices, volume = (list(bars.column("A", name)) for name in FIELDS)
        up, down = (columns[3][-1], prices[3][0]) if columns[3] else (1, 1)
        for column, price in zip(columns, prices, strict=False):
            column += [round(one * up / down / CENT) * CENT for one in price]
        columns[4] += volume
    return Bars.of(generate(["A"], len(columns[0]), 1).times, {"A": columns})


def test_what_follows_as_it_was_is_calibrated() -> None:
    for kind in (Bootstrap, Filtered):
        rows = found(generate(["A"], 1600, 5, model=QUIET), 800, kind)
        assert [row.verdict for row in rows] == ["calibrated"] * 4
        assert [row.alpha for row in rows] == ["0.01", "0.05", "0.1", "0.25"]
        for row in rows:
            assert float(row.low) <= float(row.observed) <= float(row.high)
            assert float(row.observed) == pytest.approx(row.beyond / 160, abs=1e-6)
            assert row.windows == 160


def test_another_regime_is_not_unless_volatility_is_followed() -> None:
    calm, wild = (generate(["A"], 600, 5, model=model) for model in (QUIET, STORMY))
    rows = found(joined(calm, wild), 600)
    assert [row.verdict for row in rows] == ["bold"] * 4
    assert all(float(row.observed) > 1.3 * float(row.alpha) for row in rows)
    assert [row.verdict for row in found(joined(wild, calm), 600)][2:] == ["cautious"] * 2
    for bars in (joined(calm, wild), joined(wild, calm)):
        assert [row.verdict for row in found(bars, 600, Filtered)] == ["calibrated"] * 4


def test_windows_are_the_bars_as_they_happened() -> None:
    """One window in which the price falls: it is beyond every limit, and the others beyond none."""
    closes = [100 * ONE + i % 2 * CENT for i in range(152)] + [80 * ONE] * 48
    bars = Bars.of(generate(["A"], 200, 1).times, {"A": [closes] * 4 + [[ONE * 1000] * 200]})
    rows = found(bars, 100)
    assert [(row.beyond, row.windows, row.observed) for row in rows] == [(1, 20, "0.050000")] * 4


def test_no_window_left() -> None:
    bars = generate(["A"], 200, 5)
    assert found(bars, 195)[0].windows == 1
    with pytest.raises(BadHistory, match="WG395"):
        found(bars, 196)

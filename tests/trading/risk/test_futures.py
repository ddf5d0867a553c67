"""Samplers: bars the market takes, drawn as they say, the same for the same seed."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from math import log, sqrt
from typing import Any

import numpy as np
import pytest

from tests.trading.risk.learned import Garch
from tests.trading.risk.markets import WORLD, begun
from worldgate.trading.risk.errors import BadFutures, BadHistory
from worldgate.trading.risk.filtered import DECAY, Filtered, deviations
from worldgate.trading.risk.futures import (
    Bootstrap,
    Calendar,
    Recorded,
    Sampler,
    Start,
    Stream,
    starts,
)
from worldgate.trading.risk.generated import Generated
from worldgate.trading.risk.play import Futures
from worldgate.worlds.market import ONE, Instrument, open_market
from worldgate.worlds.market.bars import FIELDS, Bars, part
from worldgate.worlds.market.generator import Model, Regime, generate

CENT = ONE // 100
HISTORY = generate(["A", "B"], 200, 3, correlation=0.8)
LAST = HISTORY.times[-1]
STARTS = {symbol: Start(HISTORY.column(symbol, "close")[-1], CENT) for symbol in "AB"}
SAMPLERS: list[Sampler] = [
    Bootstrap(HISTORY, STARTS, LAST),
    Generated(STARTS, Calendar.of(HISTORY.times, LAST)),
    Garch(HISTORY, STARTS, LAST),
    Recorded(HISTORY, STARTS, LAST, range(100)),
    Filtered(HISTORY, STARTS, LAST),
]
names = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda one: one.name)


def market() -> Any:
    """A and B, after their history."""
    state = open_market({s: Instrument("USD", CENT, ONE, ONE) for s in "AB"}, cash={"main": {"USD": 1000 * ONE}})
    for tick in part(HISTORY, len(HISTORY) - 1, len(HISTORY)).ticks():
        state = WORLD.step(state, tick).state
    return state


@names
def test_the_market_takes_every_bar(sampler: Sampler) -> None:
    futures, first = Futures.of(market(), sampler, 20, 30, 7), market()
    for at in range(20):
        state = first
        for tick in futures.ticks(at):
            state, _, seen, _ = WORLD.step(state, tick)
            assert seen["ok"], seen
        assert state.get("clock", ()) == 31


@names
def test_the_same_seed_gives_the_same_bars(sampler: Sampler) -> None:
    one, again, other = (sampler.paths(10, 15, seed)["A"] for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one == other).all() == (sampler.name == "recorded")


@pytest.mark.parametrize(
    ("sampler", "digest"),
    [(SAMPLERS[0], "91b101f94cc1993d"), (SAMPLERS[1], "cfbeb5b22cc49088"), (SAMPLERS[4], "20fa148572c7b327")],
    ids=["bootstrap", "generator", "filtered"],
)
def test_the_bars_of_a_seed_are_known(sampler: Sampler, digest: str) -> None:
    """Whatever machine, numpy or Python it is."""
    found = sha256(np.stack([sampler.paths(8, 40, 5)[symbol] for symbol in "AB"]).astype("<i8").tobytes()).hexdigest()
    assert found[:16] == digest


def test_a_bootstrapped_bar_is_one_of_history_in_its_proportions() -> None:
    close = HISTORY.column("A", "close")
    known = {Fraction(after, before) for before, after in pairwise(close)}
    shapes = {tuple(Fraction(HISTORY.column("A", name)[i], close[i]) for name in FIELDS[:3]) for i in range(1, 200)}
    volumes = set(HISTORY.column("A", "volume"))
    fine = Bootstrap(HISTORY, {"A": Start(10**15, 1)}, LAST)  # so fine a tick that rounding hardly shows
    bars = fine.paths(20, 10, 1)["A"]
    for path in bars.transpose(1, 2, 0):
        before = 10**15
        for opened, high, low, close_, volume in path.tolist():
            assert min(abs(close_ / before - ratio) for ratio in known) < 1e-12
            assert min(max(abs(part / close_ - s) for part, s in zip((opened, high, low), shape, strict=True))
                       for shape in shapes) < 1e-12  # fmt: skip
            assert volume in volumes
            before = close_


def test_symbols_move_together_as_they_did() -> None:
    def correlation(one: Any, other: Any) -> float:
        return float(np.corrcoef(np.diff(np.log(one)).ravel(), np.diff(np.log(other)).ravel())[0, 1])

    was = correlation(*(np.array(HISTORY.column(symbol, "close"), float) for symbol in "AB"))
    paths = SAMPLERS[0].paths(500, 40, 1)
    assert was > 0.5
    assert correlation(paths["A"][3], paths["B"][3]) == pytest.approx(was, abs=0.1)


def test_a_filtered_bar_is_one_of_history_scaled_to_the_volatility_it_meets() -> None:
    """The moves of one future, taken back to history by the volatility that the future itself had at each bar."""
    close = np.array(HISTORY.column("A", "close"), float)
    moves = close[1:] / close[:-1] - 1
    deviation = deviations(moves.tolist())
    known = moves / deviation[:-1]
    path = Filtered(HISTORY, {"A": Start(10**15, 1)}, LAST).paths(1, 60, 1)["A"][:, 0]
    before, variance = 10**15, deviation[-1] ** 2
    for opened, high, low, close_, _ in path.T.tolist():
        move = close_ / before - 1
        at = int(np.argmin(np.abs(known - move / sqrt(variance))))
        assert known[at] * sqrt(variance) == pytest.approx(move, abs=1e-12)
        scale = sqrt(variance) / deviation[at]
        for name, price in zip(FIELDS[:3], (opened, high, low), strict=True):
            shape = HISTORY.column("A", name)[at + 1] / close[at + 1] - 1
            assert price / close_ - 1 == pytest.approx(shape * scale, abs=1e-12)
        before, variance = close_, DECAY * variance + (1 - DECAY) * move * move


def test_filtered_futures_are_as_wild_as_the_latest_bars() -> None:
    calm, wild = ([100 * ONE + (i * i % 7 - 3) * move * ONE for i in range(100)] for move in (1, 6))
    times = Calendar.of(HISTORY.times, LAST).times(200)
    spreads = []
    for closes in (calm + wild, wild + calm):
        bars = Bars.of(times, {"A": [closes] * 4 + [[ONE] * 200]})
        moved = np.log(Filtered(bars, {"A": Start(closes[-1], CENT)}, times[-1]).paths(500, 3, 1)["A"][3, :, 0])
        spreads.append(moved.std())
        assert bars.whole
    assert spreads[0] > 4 * spreads[1]


def test_a_history_without_any_change_has_futures_without_any() -> None:
    bars = Bars.of(HISTORY.times, {"A": [[100 * ONE] * 200] * 4 + [[ONE] * 200]})
    found = Filtered(bars, {"A": Start(70 * ONE, CENT)}, LAST).paths(5, 9, 1)["A"]
    assert (found[:4] == 70 * ONE).all()


def test_blocks_have_the_length_they_should_on_average() -> None:
    times = [f"2024-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(101)]
    prices, numbers = [100 * ONE] * 101, [i * ONE for i in range(101)]  # the volume says which bar it is
    bars = Bars.of(times, {"A": [*[prices] * 4, numbers]})
    for block in (1, 4, 25):
        volume = Bootstrap(bars, {"A": Start(ONE, 1)}, bars.times[-1], block).paths(400, 50, 1)["A"][4] // ONE
        joined = (volume[:, 1:] - 1) % 100 == volume[:, :-1] % 100  # the next bar of history, around its end
        assert (1 - joined.mean()) == pytest.approx(1 / block * 0.99, abs=0.02)


def ks(one: Any, other: Any) -> float:
    """The largest distance of two empirical distributions, over its critical value at 0.001 (Smirnov 1939)."""
    one, other = np.sort(one), np.sort(other)
    at = np.concatenate([one, other])
    apart = np.abs(np.searchsorted(one, at, "right") / len(one) - np.searchsorted(other, at, "right") / len(other))
    return float(apart.max() / (1.95 * sqrt((len(one) + len(other)) / (len(one) * len(other)))))


def test_the_generator_in_bulk_is_the_generator_in_distribution() -> None:
    steps, runs = 30, 500
    model = Model((Regime("calm", 0.001, 0.01, 12), Regime("wild", -0.003, 0.04, 6)), 0.05, 0.1, 0.08)
    slow = [generate(["A", "B"], steps, seed, model=model, correlation=0.6) for seed in range(runs)]
    starts = {symbol: Start(100 * ONE, CENT) for symbol in "AB"}
    fast = Generated(starts, Calendar.of(HISTORY.times, LAST), model, 0.6).paths(5000, steps, 1)
    column = {name: np.array([bars.column("A", name) for bars in slow], float) for name in FIELDS}
    for at in (0, 4, steps - 1):
        for place, name in enumerate(FIELDS):
            assert ks(column[name][:, at], fast["A"][place, :, at]) < 1, (name, at)
        assert ks((column["high"] / column["low"])[:, at], fast["A"][1, :, at] / fast["A"][2, :, at]) < 1
    spread = np.array([bars.column("B", "close")[-1] for bars in slow]) / column["close"][:, -1]
    assert ks(spread, fast["B"][3, :, -1] / fast["A"][3, :, -1]) < 1
    deepest = column["close"].min(axis=1)
    assert ks(deepest, fast["A"][3].min(axis=1)) < 1
    assert ks(column["close"][:, -1] * 1.05, fast["A"][3, :, -1]) > 1, "the test can tell"


def test_a_matrix_of_correlations_and_a_baseline() -> None:
    sampler = Generated(STARTS, Calendar.of(HISTORY.times, LAST), Model(reversion=0.5), [[1, -0.9], [-0.9, 1]],
                        {"A": STARTS["A"].close * 2})  # fmt: skip
    paths = sampler.paths(400, 60, 1)
    assert np.log(paths["A"][3, :, -1] / STARTS["A"].close).mean() == pytest.approx(log(2), abs=0.05)
    moves = [np.diff(np.log(paths[symbol][3]), axis=1)[:, 30:].ravel() for symbol in "AB"]
    assert np.corrcoef(*moves)[0, 1] < -0.6


def test_normal_numbers() -> None:
    found = Stream(1, "x").normal(200_000)
    assert abs(found.mean()) < 0.01
    assert found.var() == pytest.approx(1, abs=0.01)
    assert np.abs(found).max() <= 6


def test_windows_of_what_happened_are_scaled_to_the_present() -> None:
    window = SAMPLERS[3].paths(3, 5, 0)["A"][:, 2]
    close = HISTORY.column("A", "close")
    exact = [STARTS["A"].close * close[3 + i] / close[2] for i in range(5)]
    assert np.abs(window[3] - exact).max() <= CENT / 2
    with pytest.raises(BadHistory, match="WG395"):
        SAMPLERS[3].paths(101, 5, 0)
    with pytest.raises(BadHistory, match="WG395"):
        Recorded(HISTORY, STARTS, LAST, [196]).paths(1, 5, 0)


def test_prices_stay_on_the_tick_and_in_range_however_wild() -> None:
    exploding = [ONE * 2**i for i in range(36)]
    volume = [ONE] * 36
    times = [f"2024-01-{1 + i:02}" if i < 31 else f"2024-02-{i - 30:02}" for i in range(36)]
    for closes in (exploding, exploding[::-1]):
        bars = Bars.of(times, {"A": [closes, closes, closes, closes, volume]})
        for kind in (Bootstrap, Filtered):
            found = kind(bars, {"A": Start(ONE, CENT)}, times[-1]).paths(10, 300, 1)["A"]
            assert found.min() >= CENT
            assert not (found[:4] % CENT).any()


def test_times_follow_the_latest_distances() -> None:
    days = Calendar.of(("2024-01-04", "2024-01-05", "2024-01-08"), "2024-01-08")
    assert days.times(3) == ["2024-01-09", "2024-01-12", "2024-01-13"]
    hours = Calendar.of(("2024-01-01T00:00:00Z", "2024-01-01T06:30:00Z"), "2024-01-08T20:00:00+02:00")
    assert hours.times(2) == ["2024-01-09T00:30:00Z", "2024-01-09T07:00:00Z"]
    with pytest.raises(BadFutures, match="WG392"):
        Calendar.of(("2024-01-04", "2030-01-05"), "9998-01-01").times(9)


@pytest.mark.parametrize(
    "bars",
    [part(HISTORY, 0, 20), Bars.of(HISTORY.times, {"A": [HISTORY.column("A", name) for name in FIELDS]})],
    ids=["short", "another symbol"],
)
def test_a_history_that_will_not_do(bars: Bars) -> None:
    with pytest.raises(BadHistory, match="WG395"):
        Bootstrap(bars, STARTS, LAST)


def test_volumes_that_do_not_fit() -> None:
    columns = [list(HISTORY.column("A", name)) for name in FIELDS]
    columns[4][7] = 2**70
    with pytest.raises(BadHistory, match=r"WG395.*volume"):
        Bootstrap(Bars.of(HISTORY.times, {"A": columns}), {"A": STARTS["A"]}, LAST)


def test_without_numpy_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['numpy'] = None\nimport worldgate.trading.risk.assess"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "WG394" in done.stderr
    assert "worldgate[market]" in done.stderr


def test_settings_and_plans_need_no_numpy() -> None:
    code = "import sys; sys.modules['numpy'] = None\nfrom worldgate.trading.risk import answer, errors, estimate, plan"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_symbol_without_a_price_has_no_futures() -> None:
    state = open_market({"A": Instrument("USD", CENT, ONE, ONE)}, cash={"main": {"USD": 0}})
    for symbol in ("A", "Z"):
        with pytest.raises(BadFutures, match="WG392"):
            starts(state, [symbol])


def test_a_market_in_the_middle_has_futures_of_all_its_symbols() -> None:
    state = begun(1)
    last = state.get("time", ())
    begins = {symbol: Start(state.get("bar", (symbol,)).close, CENT) for symbol in ("ACME", "COIN")}
    assert Futures.of(state, Generated(begins, Calendar(last, Calendar.of(HISTORY.times, LAST).gaps)), 5, 5, 1).n == 5

"""Generated bars: bounded, correlated as asked, with regimes and jumps, and the same everywhere."""

from __future__ import annotations

import math
from datetime import timedelta
from itertools import pairwise
from statistics import correlation, mean, stdev
from typing import Any

import pytest

from tests.reference import ROOT
from worldgate.worlds.market.bars import BadBars, BadRequest, Bars, read_bars
from worldgate.worlds.market.generator import CALM, STORM, Model, Regime, generate, regimes
from worldgate.worlds.market.units import ONE

EXAMPLES = ROOT / "examples" / "bars"
PLAIN = Model(regimes=(CALM,), jumps=0)
HOURLY = timedelta(hours=1)


def moves(bars: Bars, symbol: str) -> list[float]:
    """Log of close over open."""
    pairs = zip(bars.column(symbol, "open"), bars.column(symbol, "close"), strict=True)
    return [math.log(close / open_) for open_, close in pairs]


def gaps(bars: Bars, symbol: str) -> list[float]:
    """Log of open over the close before."""
    closes, opens = bars.column(symbol, "close"), bars.column(symbol, "open")
    return [math.log(after / before) for before, after in zip(closes, opens[1:], strict=False)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_prices_stay_within_the_stated_bounds_for_100_000_steps(seed: int) -> None:
    bars = generate(["A"], 100_000, seed, every=HOURLY)
    assert len(bars) == 100_000
    assert min(bars.column("A", "low")) >= 100 * math.exp(-2) * ONE
    assert max(bars.column("A", "high")) <= 100 * math.exp(2) * ONE
    closes = bars.column("A", "close")
    assert 90 * ONE < mean(closes[50_000:]) < 110 * ONE


def test_the_bounds_hold_when_everything_pushes_against_them() -> None:
    model = Model((Regime("up", 0.0125, 0.0125, 10),), reversion=0.0001, jumps=1, jump=0.0625, width=0.5)
    bars = generate(["A"], 2_000, 1, model=model)
    high, low = max(bars.column("A", "high")), min(bars.column("A", "low"))
    assert 164 * ONE < high <= math.ceil(100 * math.exp(0.5) * 100) * ONE // 100
    assert low >= math.floor(100 * math.exp(-0.5) * 100) * ONE // 100


def test_prices_lie_on_the_tick_and_volume_is_whole() -> None:
    bars = generate(["A"], 300, 5, tick=ONE // 4)
    assert all(price % (ONE // 4) == 0 for name in ("open", "high", "low", "close") for price in bars.column("A", name))
    assert all(volume % ONE == 0 and volume > 0 for volume in bars.column("A", "volume"))


def test_the_same_arguments_give_the_same_bars_and_others_do_not() -> None:
    one = generate(["A", "B"], 50, 7)
    assert one == generate(["A", "B"], 50, 7)
    assert one != generate(["A", "B"], 50, 8)


@pytest.mark.parametrize("asked", [0, 0.5, 0.9])
def test_the_correlation_is_near_the_one_asked_for(asked: float) -> None:
    bars = generate(["A", "B"], 4_000, 11, correlation=asked, model=PLAIN)
    assert correlation(moves(bars, "A"), moves(bars, "B")) == pytest.approx(asked, abs=0.05)


def test_a_matrix_of_correlations_is_kept() -> None:
    matrix = [[1, 0.8, -0.3], [0.8, 1, 0], [-0.3, 0, 1]]
    bars = generate(["C", "A", "B"], 4_000, 3, correlation=matrix, model=PLAIN)
    for i, one in enumerate("CAB"):
        for j, other in enumerate("CAB"):
            assert correlation(moves(bars, one), moves(bars, other)) == pytest.approx(matrix[i][j], abs=0.05)


@pytest.mark.parametrize("correlation", [0.5, None])
def test_a_further_symbol_leaves_the_others_as_they_are(correlation: float | None) -> None:
    asked: list[Any] = [0.5, 0.5] if correlation else [[[1, 0.4], [0.4, 1]], [[1, 0.4, 0], [0.4, 1, 0.2], [0, 0.2, 1]]]
    two = generate(["A", "B"], 60, 1, correlation=asked[0])
    three = generate(["A", "B", "C"], 60, 1, correlation=asked[1])
    for symbol in two.symbols:
        assert list(two.column(symbol, "close")) == list(three.column(symbol, "close"))
        assert list(two.column(symbol, "volume")) == list(three.column(symbol, "volume"))


def test_regimes_change_and_show_in_the_volatility() -> None:
    path = regimes(6_000, 2)
    changes = sum(before is not after for before, after in pairwise(path))
    assert {regime.name for regime in path} == {"calm", "falling", "storm"}
    assert 60 < changes < 180
    by_regime: dict[str, list[float]] = {}
    for regime, move in zip(path, moves(generate(["A"], 6_000, 2), "A"), strict=True):
        by_regime.setdefault(regime.name, []).append(move)
    assert stdev(by_regime["storm"]) > 2.5 * stdev(by_regime["calm"])
    assert stdev(by_regime["calm"]) == pytest.approx(CALM.volatility, rel=0.1)
    assert stdev(by_regime["storm"]) == pytest.approx(STORM.volatility, rel=0.1)


def test_jumps_are_as_frequent_as_asked_and_are_gaps_at_the_open() -> None:
    jumping = gaps(generate(["A"], 5_000, 4, model=Model(jumps=0.02)), "A")
    large = [gap for gap in jumping if abs(gap) > 0.002]
    assert 60 < len(large) < 140
    assert max(map(abs, large)) > 0.1
    assert not any(gaps(generate(["A"], 500, 4, model=PLAIN), "A"))


def test_log_prices_return_to_the_baseline_at_the_rate_asked() -> None:
    model = Model((Regime("flat", 0, 0.01, 10),), reversion=0.05, jumps=0)
    closes = [math.log(close / (100 * ONE)) for close in generate(["A"], 8_000, 6, model=model).column("A", "close")]
    assert correlation(closes, closes[1:] + closes[:1]) == pytest.approx(0.95, abs=0.01)
    assert stdev(closes) == pytest.approx(0.01 / math.sqrt(1 - 0.95**2), rel=0.1)


def test_times_are_dates_or_moments() -> None:
    assert generate(["A"], 2, 1).times == ("2000-01-03", "2000-01-04")
    assert generate(["A"], 2, 1, every=HOURLY).times == ("2000-01-03T00:00:00Z", "2000-01-03T01:00:00Z")
    assert generate(["A"], 1, 1, start="2000-01-03T01:00:00+02:00").times == ("2000-01-02T23:00:00Z",)


@pytest.mark.parametrize(
    "options",
    [
        {"symbols": []}, {"symbols": ["A", "A"]}, {"steps": 0}, {"steps": 1.5}, {"steps": 10**9}, {"seed": 0.5},
        {"tick": 0}, {"tick": 100 * ONE}, {"baseline": {"A": "1"}}, {"start": "soon"}, {"start": "9999-12-31"},
        {"every": timedelta(0)}, {"correlation": 1.5}, {"correlation": math.nan}, {"correlation": [[1]]},
        {"correlation": [[1, 0.5], [0.4, 1]]}, {"correlation": [[1, 2], [2, 1]]}, {"correlation": [[0.9, 0], [0, 1]]},
        {"symbols": ["A", "B", "C"], "correlation": [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]},
        {"symbols": ["A", "B", "C"], "correlation": [[1, 1, 0.5], [1, 1, 0.4], [0.5, 0.4, 1]]},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_generated_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="WG220"):
        generate(**{"symbols": ["A", "B"], "steps": 3, "seed": 1, **options})


@pytest.mark.parametrize(
    "options",
    [{"reversion": 0}, {"jumps": 2}, {"jump": math.inf}, {"width": 9}, {"regimes": ()}, {"jump": True},
     {"regimes": (Regime("wild", 0, 9, 9),)}, {"regimes": (Regime("brief", 0, 0.01, 0.5),)}],
    ids=str,
)  # fmt: skip
def test_a_model_out_of_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="WG220"):
        Model(**options)


def test_a_symbol_the_market_cannot_name_is_refused() -> None:
    with pytest.raises(BadBars, match="WG212"):
        generate(["two words"], 3, 1)


def test_the_examples_are_what_their_seeds_give() -> None:
    """On every machine and Python: nothing of the platform goes into them."""
    baselines = {"ALFA": "120", "BRAVO": "45.5", "CHARLIE": "8.25"}
    daily = generate(list(baselines), 250, 42, baseline=baselines, correlation=0.6)
    assert daily == read_bars(EXAMPLES / "daily.csv")
    hourly = generate(["ALFA"], 200, 42, baseline="120", every=HOURLY)
    assert hourly == read_bars(EXAMPLES / "hourly.csv")

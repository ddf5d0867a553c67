"""The numbers of a session: by hand, and against the state that the session leads to."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.trading.metrics import OTHER, REASONS, summarise
from worldgate.trading.ratios import Drawdowns, Returns, annual_return, span
from worldgate.trading.recount import NotReconciled
from worldgate.trading.samples import Ends, Every, Line
from worldgate.worlds.market.bars import read_bars
from worldgate.worlds.market.generator import generate
from worldgate.worlds.market.units import ONE, show

from .sessions import Run, run, six, threshold

EQUITIES = (1000, 1000, 999, 1029, 1038, 1038)
RETURNS = (0, -1 / 1000, 30 / 999, 9 / 1029, 0)


def test_six_bars_by_hand() -> None:
    summary = six().summary()
    found = summary.metrics
    assert [point.value for point in summary.equity] == [equity * ONE for equity in EQUITIES]
    assert (found.cash, found.equity, found.profit) == ("1000", "1038", "38")
    assert (found.realised, found.unrealised, found.fees, found.traded) == ("40", "0", "2", "220")
    assert (found.fills, found.orders, found.approved, found.rejected, found.holds) == (2, 2, 2, 0, 4)
    assert (found.round_trips, found.wins, found.losses, found.win_rate) == (1, 1, 0, 1.0)
    assert found.total_return == 0.038
    assert found.turnover == round(220 * 6 / sum(EQUITIES), 6)
    assert found.invested == round(2 / 6, 6)
    assert found.mean_exposure == pytest.approx((90 / 999 + 120 / 1029) / 6, abs=1e-6)
    assert found.largest_exposure == round(120 / 1029, 6)


def test_ratios_by_the_definitions() -> None:
    found = six().summary().metrics
    assert found.periods_per_year is None
    assert found.annual_return is None
    assert found.volatility == round(stdev(RETURNS), 6)
    assert found.sharpe == round(mean(RETURNS) / stdev(RETURNS), 6)
    assert found.sortino == round(mean(RETURNS) / (0.001**2 / 5) ** 0.5, 6)


def test_the_largest_fall_has_its_dates() -> None:
    fall = six().summary().metrics.drawdown
    assert (fall.fraction, fall.amount) == (0.001, "1")
    assert (fall.peak, fall.low, fall.recovered) == ("2013-01-02", "2013-01-03", "2013-01-04")


def test_skipped_signals_by_reason() -> None:
    found = six().summary().metrics.skipped
    assert found == {"at the position cap #: with what is on order it would be # long": 1}


def test_a_refused_plan_leaves_its_numbers() -> None:
    summary = six(policy={"leverage": {"max": "0.05"}}).summary()
    (first, *_) = summary.refusals
    assert summary.metrics.rejected == summary.refusals.count == 2
    assert summary.metrics.fills == 0
    assert summary.metrics.sharpe is None
    assert (first.step, first.actions, first.symbols) == (2, ("buy 10 ACME ioc",), ("ACME",))
    (breach,) = first.breaches
    assert (breach.found, breach.allowed, breach.margin) == ("0.1", "0.05", "0.05")


def test_the_headline() -> None:
    found = six(policy={"leverage": {"max": "0.05"}}).summary().headline()
    assert (found["equity"], found["return"], found["max_drawdown"], found["rejected"]) == ("1000", 0.0, 0.0, 2)
    assert found["refusals"][0] == "2013-01-02: leverage of main, USD is 0.1, 0.05 more than 0.05"


def test_shadow_is_neither_refused_nor_silent() -> None:
    found = six(policy={"leverage": {"max": "0.05"}}, mode="shadow").summary().metrics
    assert (found.rejected, found.shadow, found.approved, found.fills) == (0, 1, 2, 2)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    short=st.booleans(),
    quantity=st.integers(1, 7),
    rate=st.sampled_from(["0", "0.001", "0.0333"]),
    spread=st.sampled_from(["0", "0.01"]),
    leverage=st.sampled_from(["0.1", "0.9", "2"]),
)
def test_counted_again_it_is_the_state(
    seed: int, short: bool, quantity: int, rate: str, spread: str, leverage: str
) -> None:
    bars = generate(["A", "B"], 40, seed)
    last = run(
        bars,
        [threshold("A", "99.5", "100.5"), threshold("B", "98", "103")],
        quantity=quantity,
        most=quantity * 3,
        short=short,
        policy={"leverage": {"max": leverage}},
        rate=rate,
        spread=spread,
        minimum="1",
    )
    found = last.summary().metrics
    held = [position for _, _, position in last.state.facts("position")]
    assert found.equity == show(last.state.get("book", ("main", "USD")).equity)
    assert found.realised == show(sum(position.realised for position in held))
    assert found.fees == show(sum(position.fees for position in held))
    amounts = [round(float(text) * ONE) for text in (found.realised, found.unrealised, found.fees, found.profit)]
    assert amounts[0] + amounts[1] - amounts[2] == amounts[3]
    assert found.bars == found.holds + found.approved + found.rejected == 40


@pytest.fixture(scope="module")
def done() -> Run:
    return six()


def changed(rows: list[dict[str, Any]], at: int, **values: Any) -> list[dict[str, Any]]:
    return [row | values if index == at % len(rows) else row for index, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("tape", "executions"),
    [
        pytest.param(lambda rows: changed(rows, -1, equity="1038.00000001"), list, id="equity"),
        pytest.param(lambda rows: changed(rows, 2, cash="908"), list, id="cash"),
        pytest.param(lambda rows: changed(rows, 2, exposure={"gross": "91"}), list, id="exposure"),
        pytest.param(lambda rows: changed(rows, 2, time="2013-01-09"), list, id="time"),
        pytest.param(lambda rows: rows[1:], list, id="first row gone"),
        pytest.param(lambda rows: [*rows, rows[-1]], list, id="last row twice"),
        pytest.param(lambda rows: [], list, id="no tape"),
        pytest.param(lambda rows: changed(rows, 0, step="1"), list, id="not a step"),
        pytest.param(list, lambda rows: [], id="no fills"),
        pytest.param(list, lambda rows: rows[1:], id="first fill gone"),
        pytest.param(list, lambda rows: [*rows, rows[0]], id="a fill twice"),
        pytest.param(list, lambda rows: changed(rows, 0, price="9.01"), id="price"),
        pytest.param(list, lambda rows: changed(rows, 1, commission="0"), id="commission"),
        pytest.param(list, lambda rows: changed(rows, 1, realised="41"), id="realised"),
        pytest.param(list, lambda rows: changed(rows, 0, side="hold"), id="side"),
        pytest.param(list, lambda rows: changed(rows, 0, quantity="0.123", price="9.00000001"), id="not exact"),
    ],
)
def test_what_does_not_add_up_is_refused(done: Run, tape: Any, executions: Any) -> None:
    with pytest.raises(NotReconciled, match="WG384"):
        summarise(done.inputs, done.bars, tape(done.tape), executions(done.executions))


def test_a_session_half_way_has_a_summary(done: Run) -> None:
    tape = [row for row in done.tape if row["step"] <= 3]
    found = summarise(done.inputs, done.bars, tape, done.executions[:1]).metrics
    assert (found.bars, found.equity, found.unrealised, found.last) == (3, "999", "0", "2013-01-03")


def test_a_symbol_without_a_bar_keeps_its_close(tmp_path: Path) -> None:
    closes = {"A": ("11", "10", "9", "", "", "14", ""), "B": ("50",) * 7}
    rows = [
        f"2013-01-0{day},{symbol},{close},{close},{close},{close},1000"
        for symbol, column in closes.items()
        for day, close in enumerate(column, 1)
        if close
    ]
    file = tmp_path / "bars.csv"
    file.write_text("\n".join(["Time,Symbol,Open,High,Low,Close,Volume", *rows]) + "\n")
    last = run(read_bars(file, gaps="leave"), [threshold("A", "10", "12")])
    summary = last.summary()
    assert [point.value // ONE for point in summary.equity] == [1000, 1000, 1000, 1000, 1000, 1050, 1050]
    assert summary.holdings["A"].close == 14 * ONE
    assert summary.metrics.invested == round(5 / 7, 6)


def test_reasons_are_bounded(done: Run) -> None:
    said = [{"why": f"reason {chr(0x4E00 + at)}"} for at in range(REASONS + 20)]
    found = summarise(done.inputs, done.bars, changed(done.tape, 0, skipped=said), done.executions).metrics.skipped
    assert len(found) <= REASONS + 1
    assert sum(found.values()) == REASONS + 21
    assert found[OTHER] == 21


# --- ratios ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "bars", "periods"),
    [
        ("2013-01-02", "2014-01-01", 253, None),
        ("2013-01-02", "2014-01-02", 253, 252 / (365 / 365.25)),
        ("2004-08-19", "2013-03-01", 2148, 2147 / (3116 / 365.25)),
        ("2013-01-02T00:00:00Z", "2015-01-02T00:00:00Z", 17521, 17520 / (730 / 365.25)),
    ],
)
def test_a_year_of_bars_tells_how_many_it_has(first: str, last: str, bars: int, periods: float | None) -> None:
    assert span(first, last, bars)[1] == (periods and round(periods, 6))


def test_annual_return() -> None:
    assert annual_return(100, 121, 2.0) == 0.1
    assert annual_return(100, 121, 0.5) is None
    assert annual_return(100, -1, 2.0) is None
    assert annual_return(100, 100, 2.0) == 0.0


def test_ratios_are_undefined_once_everything_is_lost() -> None:
    returns = Returns()
    for equity in (100, 50, -1, 100, 120):
        returns.add(equity)
    assert returns.sharpe(None) is returns.sortino(252) is returns.volatility(None) is None


@given(st.lists(st.integers(1, 10**6), min_size=3, max_size=50))
def test_returns_in_one_pass_are_those_of_two(equities: list[int]) -> None:
    returns = Returns()
    for equity in equities:
        returns.add(equity)
    plain = [new / old - 1 for old, new in pairwise(equities)]
    assert returns.volatility(None) == pytest.approx(stdev(plain), rel=1e-6, abs=2e-6)
    assert returns.mean == pytest.approx(mean(plain), rel=1e-9, abs=1e-9)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40))
def test_the_largest_fall_is_that_of_all_pairs(equities: list[int]) -> None:
    times = [f"t{at}" for at in range(len(equities))]
    falls = Drawdowns(equities[0])
    for at, equity in enumerate(equities):
        assert falls.add(at, equity) == (max(equities[: at + 1]) - equity) * ONE // max(equities[: at + 1])
    found = falls.largest(times)
    pairs = [(high - low) / high for at, high in enumerate(equities) for low in equities[at:]]
    assert found.fraction == round(max(pairs), 6)
    if found.low:
        high, low = (equities[times.index(text)] for text in (found.peak, found.low))
        assert show(high - low) == found.amount
        after = range(times.index(found.low), len(times))
        assert found.recovered == next((times[at] for at in after if equities[at] >= high), "")


# --- samples --------------------------------------------------------------------------------------


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=300), st.sampled_from([4, 20, 100]))
def test_a_line_keeps_its_ends_and_extremes(values: list[int], most: int) -> None:
    line = Line(len(values), most)
    for at, value in enumerate(values):
        line.add(at, value)
    points = line.points()
    assert len(points) <= max(most, 4)
    assert all(values[at] == value for at, value in points)
    assert [at for at, _ in points] == sorted({at for at, _ in points})
    assert (points[0].at, points[-1].at) == (0, len(values) - 1)
    assert {min(values), max(values)} <= {value for _, value in points}
    if len(values) <= most:
        assert len(points) == len(values)


@given(st.integers(0, 200), st.integers(1, 20))
def test_ends_and_every(count: int, most: int) -> None:
    ends, every = Ends[int](most), Every[int](most)
    for item in range(count):
        ends.add(item)
        every.add(item)
    assert list(ends) == sorted({*range(count)[:most], *range(count)[-most:]})
    assert list(every) == list(range(0, count, every.step))
    assert len(list(every)) <= most
    assert ends.omitted == count - len(list(ends))
    assert every.omitted == count - len(list(every))

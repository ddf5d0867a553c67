"""What rules say, bar by bar, and in which words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.planners.strategy import View

from .markets import ABOVE, BAND, BELOW, CROSS, SMA, Z, strategy, tick, ticks


def said(rule, closes, **sections) -> list[tuple[str, str]]:
    """What one rule says after each close."""
    view, found = View(strategy(rule, **sections)), []
    for bars in ticks(closes):
        view.observe(bars)
        ((signal,),) = view.signals().values()
        found.append((signal.side, signal.rationale))
    return found


def sides(rule, closes, **sections) -> str:
    """B, S and H, one letter a close."""
    return "".join(side[0] for side, _ in said(rule, closes, **sections))


@pytest.mark.parametrize(
    ("rule", "close", "side", "text"),
    [
        (BAND, "100", "BUY", "close 100 <= buy_below 100"),
        (BAND, "100.00000001", "HOLD", "buy_below 100 < close 100.00000001 < sell_above 110"),
        (BAND, "109.99999999", "HOLD", "buy_below 100 < close 109.99999999 < sell_above 110"),
        (BAND, "110", "SELL", "close 110 >= sell_above 110"),
        (BELOW, "1", "BUY", "close 1 <= buy_below 100"),
        (BELOW, "1000", "HOLD", "buy_below 100 < close 1000"),
        (ABOVE, "1000", "SELL", "close 1000 >= sell_above 110"),
        (ABOVE, "1", "HOLD", "close 1 < sell_above 110"),
    ],
)
def test_thresholds_are_inclusive_and_say_so(rule, close, side, text):
    assert said(rule, [close]) == [(side, text)]


def test_a_mean_above_the_other_as_a_level():
    assert said(SMA, ["10", "10", "10", "11", "9", "8.5"]) == [
        ("HOLD", "warming up 1 of 3"),
        ("HOLD", "warming up 2 of 3"),
        ("HOLD", "SMA(2) 10 = SMA(3) 10"),
        ("BUY", "SMA(2) 10.5 > SMA(3) 10.33333333.."),
        ("HOLD", "SMA(2) 10 = SMA(3) 10"),
        ("SELL", "SMA(2) 8.75 < SMA(3) 9.5"),
    ]


def test_means_that_differ_beyond_the_last_place_are_told_apart():
    assert said(SMA, ["0.00000001", "0.00000001", "0.00000002"])[-1] == (
        "BUY",
        "SMA(2) 0.00000001.. > SMA(3) 0.00000001..",
    )


def test_a_crossing_is_said_once():
    closes = [10, 10, 10, 11, 12, 13, 5, 4, 20]
    assert sides(SMA, closes) == "HHHBBBSSB"
    assert sides(CROSS, closes) == "HHHHHHSHB"
    assert said(CROSS, closes)[6][1] == "SMA(2) 9 < SMA(3) 10, > before"
    assert said(CROSS, closes)[7][1] == "SMA(2) 4.5 < SMA(3) 7.33333333.., not crossed"


@pytest.mark.parametrize(
    ("closes", "marks", "found"),
    [([10, 10, 13, 7, 20], [">", "=", ">"], "HHHHH"), ([13, 13, 10, 16, 5], ["<", "=", ">"], "HHHHB")],
)
def test_equal_means_are_on_neither_side(closes, marks, found):
    """Above, equal, above is no crossing; below, equal, above is one, when it is above."""
    assert [text.split()[2] for _, text in said(SMA, closes)[2:]] == marks
    assert sides(CROSS, closes) == found


def test_a_crossing_between_two_evaluations_is_found_at_the_next():
    closes = [10, 11, 12, 5, 4, 3, 2]
    assert sides(CROSS, closes) == "HHHSHHH"
    every_third = {"timing": {"evaluate_every": 3, "start": 3}}
    assert sides(CROSS, closes, **every_third) == "HHHSSSH"  # evaluated at 3 (above) and 6 (below)


def test_z_scores_are_inclusive_and_say_so():
    rule = {"type": "mean_reversion_zscore", "window": 2, "z_buy_below": "-1", "z_sell_above": "1"}
    assert said(rule, ["10", "9", "9", "9.5"]) == [
        ("HOLD", "warming up 1 of 2"),
        ("BUY", "z(2) -1 <= z_buy_below -1"),
        ("HOLD", "the last 2 closes are equal"),
        ("SELL", "z(2) 1 >= z_sell_above 1"),
    ]


def test_a_z_score_by_hand():
    """Closes 2, 4, 4, 6: mean 4, variance 2, z of the last 2 / sqrt 2."""
    assert said({**Z, "z_sell_above": "1.41421356"}, [2, 4, 4, 6])[-1] == (
        "SELL",
        "z(4) 1.41421356.. >= z_sell_above 1.41421356",
    )
    assert said({**Z, "z_sell_above": "1.41421357"}, [2, 4, 4, 6])[-1] == (
        "HOLD",
        "z_buy_below -1.5 < z(4) 1.41421356.. < z_sell_above 1.41421357",
    )


def test_bounds_may_have_either_sign():
    assert sides({**Z, "z_buy_below": "0.5", "z_sell_above": "1"}, [2, 4, 4, 2]) == "HHHB"
    assert sides({**Z, "z_buy_below": "-1", "z_sell_above": "-0.5"}, [2, 4, 4, 4]) == "HHHS"


def test_a_symbol_without_a_bar_keeps_what_it_had():
    view = View(strategy(SMA, BELOW, symbols=["A", "B"]))
    for bars in (tick(A=10, B=99), tick(A=11), tick(B=99, C=1), tick(A=12)):
        view.observe(bars)
    signals = view.signals()
    assert signals["A"][0].rationale == "SMA(2) 11.5 > SMA(3) 11"
    assert signals["B"][0][2:] == ("HOLD", "no bar in this tick")
    assert list(view.bars) == ["A"]
    assert view.clock == 4


@pytest.mark.parametrize(
    ("timing", "due"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"evaluate_every": 3}, [1, 4, 7]),
        ({"evaluate_every": 3, "start": 5}, [5, 8]),
        ({"start": 7}, [7, 8]),
    ],
)
def test_when_a_strategy_is_evaluated(timing, due):
    view = View(strategy(BELOW, timing=timing))
    found, expected = [], []
    for bars in ticks([1] * 8):
        before = view.next_due
        view.observe(bars)
        if view.due:
            found.append(view.clock)
            expected.append(before)
    assert found == expected == due


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=25),
    st.sampled_from([BAND, SMA, CROSS, Z]),
    st.integers(1, 4),
)
def test_a_view_is_made_again_from_the_same_bars(closes, rule, every):
    """And asking it changes nothing."""
    chosen = strategy(rule, timing={"evaluate_every": every})
    asked, again = View(chosen), View(chosen)
    for bars in ticks(closes):
        asked.observe(bars)
        asked.signals()
        again.observe(bars)
    assert asked.signals() == asked.signals() == again.signals()


def test_memory_is_the_window():
    view = View(strategy({**SMA, "long_window": 50}))
    for bars in ticks(range(1, 500)):
        view.observe(bars)
    ((_, rule),) = view._rules["A"]
    assert (len(rule.short.values), len(rule.long.values)) == (2, 50)

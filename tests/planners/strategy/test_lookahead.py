"""No strategy decides by what has not happened yet; ways of deciding that do are caught."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.planners.strategy import OutOfStep, Proposal, Signal, StrategyPlanner, View

from .lookahead import assert_no_lookahead
from .markets import BAND, CROSS, SMA, Bars, Z, follow, happened, market, strategy, ticks

RISING = ticks([105, 104, 103, 102, 106, 110, 108, 99, 98, 112])
OTHER = ticks([101, 109, 99, 120, 90, 95, 130, 70, 125, 60])
RULES = {"threshold": BAND, "level": SMA, "cross": CROSS, "z": {**Z, "z_buy_below": "-1", "z_sell_above": "1"}}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def honest(rule):
    """The planner as it is meant to be run, its orders placed in the market."""

    def decide(path: Sequence[Bars]) -> list[Proposal]:
        return follow(StrategyPlanner(strategy(rule)), market(), path)[0]

    return decide


def shifted(rule):
    """A mutant: each tick is decided with the bars of the next (the last one with its own)."""

    def decide(path: Sequence[Bars]) -> list[list[Signal]]:
        view, found = View(strategy(rule)), []
        for bars in [*path[1:], path[-1]]:
            view.observe(bars)
            found.append(view.signals()["A"])
        return found

    return decide


def warmed(rule):
    """A mutant: the view has seen the whole path once before it begins, as statistics over all the data have."""

    def decide(path: Sequence[Bars]) -> list[list[Signal]]:
        view, found = View(strategy(rule)), []
        for bars in path:
            view.observe(bars)
        for bars in path:
            view.observe(bars)
            found.append(view.signals()["A"])
        return found

    return decide


@every_rule
def test_strategies_do_not_look_ahead(rule):
    assert any(proposal.actions for proposal in honest(rule)(RISING))
    assert_no_lookahead(honest(rule), RISING, OTHER)


@every_rule
def test_a_mutant_that_is_fed_the_next_bar_is_caught(rule):
    with pytest.raises(AssertionError, match="another future"):
        assert_no_lookahead(shifted(rule), RISING, OTHER)


@pytest.mark.parametrize("rule", [SMA, CROSS, RULES["z"]], ids=["level", "cross", "z"])
def test_a_mutant_that_has_seen_the_data_is_caught(rule):
    with pytest.raises(AssertionError, match="another future"):
        assert_no_lookahead(warmed(rule), RISING, OTHER)


@every_rule
def test_a_planner_that_is_fed_the_next_bar_refuses(rule):
    """Before any test: a planner compares what it observed with the state it is asked about."""
    planner, state = StrategyPlanner(strategy(rule)), happened(market(), RISING[0])
    planner.observe(RISING[1])
    with pytest.raises(OutOfStep):
        planner.propose(state)


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(90, 120), st.integers(90, 120)), min_size=1, max_size=9),
    st.sampled_from(list(RULES)),
)
def test_no_path_is_looked_ahead_in(closes, name):
    path, other = (ticks(one) for one in zip(*closes, strict=True))
    assert_no_lookahead(honest(RULES[name]), path, other)

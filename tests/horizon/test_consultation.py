"""Policies: when they ask, what they learn from a look, and what conformal inference promises."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from tests.horizon.drafts import Exact, Forgetful, Script, walk
from worldgate.horizon import POLICIES, Moment, Setting, Settings, rollout
from worldgate.horizon.consultation import Conformal, Schedule, policy
from worldgate.horizon.costs import calls_at
from worldgate.horizon.errors import BadSettings, NoUncertainty

SIGNALS = (0.1, 0.9, 0.4, 0.8, 0.2, 0.3, 0.7, 0.6, 0.5, 1.0)


def steps_of(name: str, steps: int, rho: float, seed: int = 0) -> list[int]:
    made = policy(name, Setting(steps, rho, seed), {})
    assert isinstance(made, Schedule)
    return sorted(made.steps)


def test_the_published_interval_looks_first() -> None:
    assert steps_of("fixed", 24, 0.3) == [0, 3, 6, 9, 12, 15, 18, 21]
    assert steps_of("fixed", 24, 0.1) == [0, 10, 20]
    assert steps_of("fixed", 24, 0.0) == []
    assert steps_of("fixed", 4, 1e-320) == [0]


def test_looks_are_spread_evenly_and_not_wasted_on_the_ends() -> None:
    assert steps_of("evenly", 24, 0.1) == [8, 16]
    assert steps_of("evenly", 9, 1 / 9) == [4]
    assert steps_of("evenly", 5, 1.0) == [0, 1, 2, 3, 4]


@given(st.integers(0, 60), st.integers(0, 100))
@hypothesis(max_examples=50, deadline=None)
def test_schedules_ask_for_the_share_they_may_spend(steps: int, hundredths: int) -> None:
    calls = calls_at(hundredths / 100, steps)
    assert calls == hundredths * steps // 100
    even, random = steps_of("evenly", steps, hundredths / 100), steps_of("random", steps, hundredths / 100)
    assert len(even) == len(random) == calls
    gaps = [two - one for one, two in zip([-1, *even], [*even, steps], strict=True)]
    assert max(gaps) - min(gaps) <= 1


def test_random_steps_depend_on_the_seed_alone() -> None:
    assert steps_of("random", 40, 0.25, 1) == steps_of("random", 40, 0.25, 1) != steps_of("random", 40, 0.25, 2)


def looked(name: str, options: dict[str, float], **more) -> list[int]:
    true = walk("market", "everyday", steps=len(SIGNALS))
    script = Script(true, set(), dict(enumerate(SIGNALS)))
    return [look.step for look in rollout(true, script, Settings(name, options, **more)).looks]


def test_thresholds_on_uncertainty_and_on_what_adds_up() -> None:
    assert looked("uncertainty", {"threshold": 0.65}) == [1, 3, 6, 9]
    assert looked("drift", {"threshold": 1.2}) == [2, 5, 7, 9]  # 1.4, 1.3, 1.3, 1.5


def test_thresholds_calibrated_on_the_rollouts_own_unaided_signals() -> None:
    given = {"calibration": "own_unaided_signals"}
    assert looked("uncertainty", {}, rho=0.3, **given) == [1, 3, 9]  # above 0.7, the 7th of 10
    assert looked("drift", {}, rho=0.2, **given) == [6]  # above 5.5 / 2
    assert looked("drift", {}, rho=0.0, **given) == []
    assert looked("uncertainty", {}, rho=1.0, **given) == list(range(10))


def test_a_policy_that_weighs_uncertainty_needs_some() -> None:
    true = walk("market", "everyday", steps=4)
    for options, more in (({"threshold": 0.1}, {}), ({}, {"rho": 0.5, "calibration": "own_unaided_signals"})):
        with pytest.raises(NoUncertainty):
            rollout(true, Exact(true.world), Settings("uncertainty", options, **more))


def conformal(**options: float) -> Conformal:
    made = policy("conformal", Setting(0, None, 0), {"tolerance": 0.1} | options)
    assert isinstance(made, Conformal)
    return made


def assert_promise_is_kept(made: Conformal) -> None:
    """Proposition 4.1 of Gibbs and Candes (2021)."""
    bound = (max(made.alpha, 1 - made.alpha) + made.gamma) / (made.looks * made.gamma)
    assert abs(made.misses / made.looks - made.alpha) <= bound + 1e-9


@given(
    st.lists(st.tuples(st.floats(0, 1), st.none() | st.floats(-1, 10)), min_size=1, max_size=200),
    st.floats(0.01, 0.99),
    st.floats(0.005, 0.5),
)
@hypothesis(max_examples=50, deadline=None)
def test_observed_misses_are_as_many_as_promised_whatever_comes(rows, alpha: float, gamma: float) -> None:
    made = conformal(alpha=alpha, gamma=gamma)
    for error, uncertainty in rows:
        made.asks(Moment(0, 0, uncertainty, 0.0, 1))
        made.seen(error)
        assert -gamma <= made.level <= 1 + gamma
        assert_promise_is_kept(made)


def test_an_adversary_who_knows_the_bound_gains_nothing() -> None:
    made, random = conformal(alpha=0.2, gamma=0.02), Random(1)
    for _ in range(3000):
        made.asks(Moment(0, 0, None, 0.0, 1))
        made.seen(min(1.0, made.quantile + 0.01) if random.random() < 0.9 and math.isfinite(made.quantile) else 0.0)
    assert_promise_is_kept(made)
    assert abs(made.misses / made.looks - 0.2) < 0.02


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("semantics", ["coupled", "reanchor"])
def test_what_nobody_looks_at_teaches_nothing(free: bool, semantics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With truth at looks alone, the promise is about looks; free truth is told at each step."""
    true, made = walk("market", "everyday", steps=40), conformal(free=free)
    monkeypatch.setitem(POLICIES, "one more", lambda _setting: made)
    record = rollout(true, Forgetful(true), Settings("one more", semantics=semantics))
    assert made.looks == (40 if free else len(record.looks))
    assert_promise_is_kept(made)
    assert 0 < len(record.looks) < 40


def test_a_policy_is_known_by_its_name_and_options() -> None:
    for name, options in (("nobody", {}), ("never", {"k": 1.0}), ("look-ahead", {}), ("conformal", {"gamma": 0.1})):
        with pytest.raises(BadSettings):
            policy(name, Setting(4, 0.5, 0), options)

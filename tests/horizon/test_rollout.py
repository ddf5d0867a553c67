"""The loop, over every registered world and driver: what a look corrects, what it costs, and who sees what."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_settings

from tests.horizon.drafts import WALKS, Exact, Forgetful, Script, walk
from worldgate.facts import SYMBOL_BITS, Edit, distance, symbols
from worldgate.horizon import Budget, Cost, Prediction, Prices, Settings, roll, rollout, to_json
from worldgate.horizon.consultation import POLICIES
from worldgate.horizon.costs import CURRENCIES
from worldgate.horizon.errors import BadPrediction, BadSettings, NoTrajectory
from worldgate.horizon.measures import horizon
from worldgate.horizon.operators import OPERATORS
from worldgate.worlds import get, names

OPTIONS = {
    "uncertainty": {"threshold": 0.5},
    "drift": {"threshold": 1.0},
    "conformal": {"tolerance": 0.01},
    "look-ahead": {"k": 4.0},
}
SHARES = {"fixed", "evenly", "random"}
BOTH = ("coupled", "reanchor")


def settings(policy: str, **more) -> Settings:
    return Settings(policy=policy, options=OPTIONS.get(policy, {}), **({"rho": 0.3} if policy in SHARES else {}) | more)


@pytest.mark.parametrize(("name", "driver"), WALKS)
def test_a_look_at_every_step_is_exact(name: str, driver: str) -> None:
    true = walk(name, driver)
    for semantics in BOTH:
        record = rollout(true, Forgetful(true), Settings("fixed", rho=1.0, semantics=semantics))
        assert record.divergences == (0.0,) * 24
        assert record.spent.calls == 24
        assert any(record.proposed)


@pytest.mark.parametrize(("name", "driver"), WALKS)
def test_an_exact_predictor_never_drifts(name: str, driver: str) -> None:
    true = walk(name, driver)
    record = rollout(true, Exact(true.world))
    assert not any(record.divergences)
    assert not any(record.bits)
    assert not record.drift
    assert all(edits.found == edits.true and not edits.false for edits in record.edits.values())
    assert record.spent.calls == 0


class Watching(Forgetful):
    """Notes how far each state it is shown is from the true one; of a step that is asked twice, the last time."""

    def __init__(self, trajectory) -> None:
        super().__init__(trajectory)
        self.before = {id(step.action): (at, step.before) for at, step in enumerate(trajectory.steps)}
        self.apart = {}

    def predict(self, state, action):
        at, true = self.before[id(action)]
        self.apart[at] = distance(state, true)
        return super().predict(state, action)


@pytest.mark.parametrize(("name", "driver"), WALKS)
def test_divergence_is_the_distance_of_facts(name: str, driver: str) -> None:
    """The incremental one against the one over whole states, at each step, for every way to correct."""
    true = walk(name, driver)
    for policy in POLICIES:
        for semantics in BOTH:
            watching = Watching(true)
            record = rollout(true, watching, settings(policy, semantics=semantics))
            assert [watching.apart[at] for at in range(1, 24)] == list(record.divergences[:-1])
            assert all(0 <= apart <= 1 for apart in record.divergences)


@pytest.mark.parametrize("name", list(names()))
@pytest.mark.parametrize("currency", CURRENCIES)
def test_no_ceiling_is_ever_passed(name: str, currency: str) -> None:
    true = walk(name, next(iter(get(name).drivers)), steps=12)
    prices = Prices(calls=7, facts=2, bits=1)
    for policy in POLICIES:
        for probe in (None, "stalest"):
            if policy == "look-ahead" and probe:
                continue
            free = rollout(true, Forgetful(true), settings(policy, probe=probe, prices=prices, probe_global=True))
            most = getattr(free.spent, currency)
            for limit in {0, most // 3, most - 1, most} - {-1}:
                budget = Budget(**{currency: limit})
                given = settings(policy, probe=probe, prices=prices, budget=budget, spend_down=True, probe_global=True)
                record = rollout(true, Forgetful(true), given)
                assert getattr(record.spent, currency) <= limit
                assert sum(getattr(look.cost, currency) for look in record.looks) == getattr(record.spent, currency)


@pytest.mark.parametrize(("name", "driver"), WALKS)
def test_a_look_at_the_whole_costs_what_its_facts_take_to_say(name: str, driver: str) -> None:
    true = walk(name, driver)
    prices = Prices(calls=100, facts=3, bits=1)
    record = rollout(true, Forgetful(true), Settings("random", rho=0.5, prices=prices))
    assert len(record.looks) == 12
    for look in record.looks:
        shown = list(true.steps[look.step].state.facts())
        bits = SYMBOL_BITS * symbols(true.world.schema, shown)
        money = 100 + 3 * len(shown) + bits
        assert look.cost == Cost(calls=1, steps=1, facts=len(shown), bits=bits, money=money)


def test_rho_and_the_budget_are_both_ceilings() -> None:
    true = walk("market", "everyday")
    for rho, calls, most in ((0.5, 2, 2), (0.5, None, 12), (0.25, 9, 6)):
        given = Settings("look-ahead", {"k": 1}, rho=rho, budget=Budget(calls=calls))
        assert rollout(true, Forgetful(true), given).spent.calls == most


def test_a_call_is_declined_whole_by_the_last_fact() -> None:
    true = walk("market", "everyday")
    first = rollout(true, Forgetful(true), Settings("fixed", rho=1.0, budget=Budget(calls=1)))
    cost = first.spent
    for currency in ("facts", "bits"):
        enough = Budget(**{currency: getattr(cost, currency)})
        record = rollout(true, Forgetful(true), Settings("fixed", rho=1.0, budget=enough))
        assert record.looks[0] == first.looks[0]
        short = Budget(**{currency: getattr(cost, currency) - 1})
        record = rollout(true, Forgetful(true), Settings("fixed", rho=1.0, budget=short))
        assert record.declined
        assert not record.looks or record.looks[0].step > 0


@pytest.mark.parametrize(("name", "driver"), WALKS)
def test_only_reanchoring_repairs_what_went_wrong_before(name: str, driver: str) -> None:
    """A wrong first step, everything after it predicted by the oracle's own deltas, one look at the end."""
    true = walk(name, driver)
    wrong = next((at for at, step in enumerate(true.steps) if step.net), None)
    if wrong is None or wrong > 20:
        pytest.fail("a walk in which nothing happens")
    given = {"policy": "evenly", "rho": 1 / 24}
    free = rollout(true, Script(true, {wrong}))
    anchored = rollout(true, Script(true, {wrong}), Settings(**given))
    coupled = rollout(true, Script(true, {wrong}), Settings(**given, semantics="coupled"))
    look = anchored.looks[0].step
    assert horizon(anchored, 0) == horizon(coupled, 0) == horizon(free, 0)
    assert anchored.divergences[look] == 0.0
    assert anchored.looks[0].error == pytest.approx(free.divergences[look])
    stands = true.initial
    for at, step in enumerate(true.steps[:look]):
        stands = stands if at == wrong else stands.force(step.delta)
    there = true.world.step(stands, true.steps[look].action).state  # the step is right; what was wrong stays wrong
    assert coupled.divergences[look] == distance(there, true.steps[look].state)


def test_a_coupled_look_does_not_bring_back_what_is_lost() -> None:
    true = walk("filesystem", "structural")
    given = {"policy": "evenly", "rho": 0.9}
    anchored, coupled = (
        rollout(true, Script(true, {0}), Settings(**given, semantics=semantics))
        for semantics in ("reanchor", "coupled")
    )
    assert [look.step for look in coupled.looks][:2] == [1, 2]
    assert anchored.divergences[-1] == 0 < min(coupled.divergences)


@pytest.mark.parametrize(("name", "driver"), WALKS)
def test_operators_differ_in_cost_and_measure_only(name: str, driver: str) -> None:
    true = walk(name, driver)
    for probe in (None, "round_robin"):
        records = [
            rollout(true, Forgetful(true), Settings("evenly", rho=0.4, operator=operator, probe=probe))
            for operator in OPERATORS
        ]
        reset, projection, residual = records
        assert reset.divergences == projection.divergences == residual.divergences
        assert reset.spent == projection.spent
        assert residual.spent.calls == reset.spent.calls
        for one, two, three in zip(reset.looks, projection.looks, residual.looks, strict=True):
            assert one.measured is None
            assert 0 <= two.measured <= 1
            assert (two.measured == 0) == (three.measured == 0) == (one.edits == 0)
            assert three.cost.facts == one.edits


@pytest.mark.parametrize("name", ["filesystem", "market", "network", "robot-cell", "support-desk"])
def test_one_entity_is_no_better_than_all(name: str) -> None:
    """On fixed examples (it is no theorem: a wrong whole may hide a wrong part)."""
    for driver in get(name).drivers:
        true = walk(name, driver)
        for choice in ("random", "round_robin", "stalest", "most_uncertain"):
            full, probe = (
                rollout(true, Forgetful(true), Settings("fixed", rho=0.5, probe=each)) for each in (None, choice)
            )
            for epsilon in (0.0, 0.05):
                assert horizon(probe, epsilon) <= horizon(full, epsilon)
            assert probe.spent.calls == full.spent.calls
            assert probe.spent.facts < full.spent.facts


@pytest.mark.parametrize(("name", "driver"), WALKS)
@pytest.mark.parametrize("semantics", BOTH)
def test_looking_ahead_keeps_exactly_the_true_prefix(name: str, driver: str, semantics: str) -> None:
    true = walk(name, driver, steps=12)
    wrong = {at for at in (1, 2, 6, 7) if true.steps[at].net}
    script = Script(true, wrong)
    record = rollout(true, script, Settings("look-ahead", {"k": 4.0}, semantics=semantics))
    assert not any(record.divergences)
    asked, looks, at = [], [], 0
    while at < 12:
        window = range(at, min(at + 4, 12))
        asked += window
        end = next((step for step in window if step in wrong), window[-1])
        looks.append((end, window[-1], end - at + 1))
        at = end + 1
    assert script.asked == asked
    assert [(look.step, look.end, look.cost.steps) for look in record.looks] == looks
    assert [at for at, apart in enumerate(record.proposed) if apart] == sorted(wrong)


def test_looking_ahead_without_budget_goes_on_unchecked() -> None:
    true = walk("market", "everyday", steps=12)
    record = rollout(true, Script(true, {0}), Settings("look-ahead", {"k": 4.0}, budget=Budget(calls=0)))
    assert all(record.divergences)
    assert record.predictions == 12


class Eager(Forgetful):
    """Remembers what it was taught."""

    def __init__(self, trajectory) -> None:
        super().__init__(trajectory, rate=1.0)
        self.lessons = []

    def learn(self, state, action, delta) -> None:
        self.lessons.append((state, action, delta))


@pytest.mark.parametrize("semantics", BOTH)
def test_a_learner_is_shown_the_steps_that_were_looked_at_and_no_other(semantics: str) -> None:
    true = walk("market", "everyday")
    learner = Eager(true)
    record = rollout(true, learner, Settings("evenly", rho=0.25, learning=True, semantics=semantics))
    looked = [look.step for look in record.looks]
    assert [action for _, action, _ in learner.lessons] == [true.steps[at].action for at in looked]
    assert record.learned == len(looked) == 6
    for state, action, delta in learner.lessons:
        assert true.world.step(state, action).delta == delta
    rollout(true, learner, Settings("evenly", rho=0.25))
    assert len(learner.lessons) == 6


def test_spending_down_is_a_choice() -> None:
    true = walk("market", "everyday")
    given = {"policy": "never", "rho": 0.25}
    assert rollout(true, Forgetful(true), Settings(**given)).spent.calls == 0
    record = rollout(true, Forgetful(true), Settings(**given, spend_down=True))
    assert [look.step for look in record.looks] == [18, 19, 20, 21, 22, 23]


def test_an_oracle_without_an_answer_is_recorded_and_paid() -> None:
    true = walk("market", "everyday")

    class Closed:
        def __getattr__(self, name):
            return getattr(true.world, name)

        def step(self, state, action):
            raise RuntimeError("no such state")

    shut = replace(true, world=Closed())
    made = Settings("look-ahead", {"k": 4}, semantics="coupled")
    assert [look.cost.calls for look in rollout(shut, Forgetful(true), made).looks] == [1] * 6
    few = Budget(calls=4, money=21)
    paid = replace_settings(made, budget=few, prices=Prices(calls=5, steps=2), policy="random", options={}, rho=1.0)
    assert rollout(shut, Forgetful(true), paid).spent == Cost(calls=3, steps=3, money=21)
    free = Settings("conformal", {"tolerance": 0.5, "free": True}, semantics="coupled")
    assert not any(look.answered for look in rollout(shut, Forgetful(true), free).looks)
    record = rollout(shut, Forgetful(true), Settings("evenly", rho=0.25, semantics="coupled"))
    assert record.spent.calls == 6
    assert not any(look.answered for look in record.looks)
    assert record.divergences == rollout(true, Forgetful(true)).divergences


@pytest.mark.parametrize(
    "prediction",
    [
        Prediction((), float("nan")),
        Prediction((), float("inf")),
        Prediction((Edit("no such relation", (), None, True),)),
        Prediction((Edit("order", (1, 2, 3), None, True),)),
        Prediction(5),
        Prediction(("text",)),
        "text",
    ],
    ids=repr,
)
def test_what_is_no_prediction_is_refused(prediction) -> None:
    class Broken:
        name = "broken"

        def predict(self, state, action):
            return prediction

    with pytest.raises(BadPrediction):
        rollout(walk("market", "everyday", steps=2), Broken())


@pytest.mark.parametrize(
    "given",
    [
        Settings("no such policy"),
        Settings("fixed"),
        Settings("fixed", rho=1.5),
        Settings("fixed", rho=float("nan")),
        Settings("fixed", {"k": 3.0}, rho=0.2),
        Settings("uncertainty"),
        Settings("uncertainty", {"threshold": float("nan")}),
        Settings("uncertainty", {"threshold": 1.0}, rho=0.2, calibration="own_unaided_signals"),
        Settings("evenly", rho=0.2, calibration="own_unaided_signals"),
        Settings("conformal"),
        Settings("conformal", {"tolerance": 0.1, "alpha": 2.0}),
        Settings("look-ahead", {"k": 0.5}),
        Settings("look-ahead", {"k": 2.0}, probe="random"),
        Settings(probe="no such probe"),
        Settings(operator="no such operator"),
        Settings(semantics="free"),
        Settings(learning=True),
        Settings(rho="0.2"),
    ],
    ids=repr,
)
def test_settings_that_no_rollout_can_follow_are_refused(given: Settings) -> None:
    true = walk("market", "everyday", steps=4)
    with pytest.raises(BadSettings):
        rollout(true, Forgetful(true), given)


def test_settings_and_predictors_that_do_not_fit_are_refused() -> None:
    true = walk("market", "everyday", steps=4)
    with pytest.raises(BadSettings):
        rollout(true, Eager(true), Settings(learning=True, probe="random"))
    for made in (Budget, Prices):
        with pytest.raises(BadSettings):
            made(calls=-1)


def test_there_is_a_trajectory_for_known_drivers_only() -> None:
    with pytest.raises(NoTrajectory):
        roll(get("market"), "nobody", 1, 4)
    with pytest.raises(NoTrajectory):
        roll(get("market"), "everyday", 1, -1)
    assert rollout(roll(get("market"), "everyday", 1, 0), Exact(get("market"))).steps == 0


def records() -> dict[str, str]:
    """A digest of every policy's record in every world."""
    found = {}
    for name in names():
        true = walk(name, next(iter(get(name).drivers)), steps=12)
        for policy in POLICIES:
            for probe in (None,) if policy == "look-ahead" else (None, "random", "most_uncertain"):
                record = rollout(true, Forgetful(true), settings(policy, semantics="coupled", probe=probe))
                found[f"{name}/{policy}/{probe}"] = hashlib.sha256(to_json(record)).hexdigest()
    return found


def test_records_are_the_same_bytes_in_every_process() -> None:
    code = "import json; from tests.horizon.test_rollout import records; print(json.dumps(records()))"
    for seed in ("1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert json.loads(ran.stdout) == records()

"""The loop: what is asked, what is accepted, what goes back, and what it may cost, over both dialects."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.gate.houses import House, assert_whole
from worldgate.facts import canonical_json
from worldgate.gate.budget import Budget, Meter
from worldgate.gate.decision import Breach, Decision
from worldgate.gate.plan import Provenance
from worldgate.gate.policy import make_policy
from worldgate.planners.llm import Message, Price, Reply, Usage, describe, plan_with_repairs, prompt, verifier
from worldgate.planners.llm.errors import BadSetting
from worldgate.planners.llm.prompt import digest
from worldgate.planners.llm.repair import MAX_BREACHES, repair
from worldgate.planners.script import NotApproved, Proposed
from worldgate.worlds import get

from .desk import GOOD, TOO_MUCH, VERIFY, propose, task
from .endpoint import Endpoint, Said, call, completion, conversation, plan, serving

Dialect = tuple[Callable[[Endpoint], Any], Callable[[str], Said]]
DIALECTS: dict[str, Dialect] = {
    "openai": (lambda endpoint: endpoint.openai(), completion),
    "bedrock": (lambda endpoint: endpoint.bedrock(), lambda text: conversation(call(json.loads(text)))),
    "bedrock-text": (
        lambda endpoint: endpoint.bedrock(tool=False), lambda text: conversation({"text": text}, stop="end_turn"),
    ),
}  # fmt: skip


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


def number(proposed: Proposed) -> str:
    assert proposed.plan is None
    assert proposed.rejection is not None
    return proposed.rejection.number


def test_an_approved_plan_is_returned_with_its_provenance(dialect: Dialect) -> None:
    model, says = dialect
    with serving(says(plan(GOOD))) as endpoint:
        asked = model(endpoint)
        proposed = propose(asked)
    assert proposed.plan is not None
    assert [step.do for step in proposed.plan.steps] == [GOOD]
    assert proposed.plan.world == "support-desk"
    assert proposed.plan.note == "why"
    prompted = digest(prompt(task()))
    assert proposed.plan.planner == Provenance(name=asked.name, model=asked.model, prompt=prompted, attempts=1)
    assert proposed.provenance == proposed.plan.planner
    assert {**proposed.usage, "seconds": 0} == {"model_calls": 1, "tokens": 120, "seconds": 0}
    assert 0 < float(proposed.usage["seconds"]) < 10
    assert len(endpoint.asked) == 1


def test_a_refusal_goes_back_with_its_breaches_and_is_repaired(dialect: Dialect) -> None:
    model, says = dialect
    with serving(says(plan(TOO_MUCH)), says(plan(GOOD))) as endpoint:
        proposed = propose(model(endpoint))
    assert proposed.plan is not None
    assert proposed.provenance.attempts == 2
    *before, mine, told = endpoint.texts(1)
    assert before == endpoint.texts(0)
    assert json.loads(mine) == json.loads(plan(TOO_MUCH))
    reasons = json.loads(told.splitlines()[1])
    assert reasons["verdict"] == "reject"
    breach = reasons["breaches"][0]
    assert (breach["number"], breach["step"]) == ("WG266", "s1")
    assert "amount" in breach["message"]
    conversation_sent = (*prompt(task()), Message("assistant", mine), Message("user", told))
    assert proposed.provenance.prompt == digest(conversation_sent)


def test_an_unknown_action_is_refused_and_never_dropped(dialect: Dialect) -> None:
    model, says = dialect
    with serving(says(plan(GOOD, "wipe_everything()"))) as endpoint:
        proposed = propose(model(endpoint), repairs=1)
    assert number(proposed) == "WG366"
    assert isinstance(proposed.rejection, NotApproved)
    assert [(breach.number, breach.step) for breach in proposed.rejection.breaches] == [("WG257", "s2")]
    assert len(endpoint.asked) == 2
    assert json.loads(canonical_json(proposed.to_json()))["rejection"]["breaches"][0]["number"] == "WG257"


@pytest.mark.parametrize(
    ("answer", "number_"),
    [
        ("", "WG362"),
        (" \n", "WG362"),
        ("I would refund it.", "WG363"),
        ('{"steps": []}', "WG365"),
        (plan(GOOD, engine="kernel"), "WG364"),
        (plan(TOO_MUCH), "WG366"),
    ],
)
def test_attempts_are_bounded(answer: str, number_: str) -> None:
    with serving(completion(answer)) as endpoint:
        proposed = propose(endpoint.openai(), repairs=3)
    assert number(proposed) == number_
    assert len(endpoint.asked) == proposed.provenance.attempts == proposed.usage["model_calls"] == 4
    assert proposed.usage["tokens"] == 480
    if number_ != "WG366":
        assert json.loads(endpoint.texts(1)[-1].splitlines()[1])["number"] == number_


def test_a_cut_off_answer_is_no_plan_even_when_it_parses() -> None:
    for said in (completion(plan(GOOD), "length"), conversation(call(json.loads(plan(GOOD))), stop="max_tokens")):
        with serving(said) as endpoint:
            model = endpoint.openai() if b"choices" in said.body else endpoint.bedrock()
            assert number(propose(model, repairs=0)) == "WG360"


@pytest.mark.parametrize("verdict", ["modify", "reject", "escalate", "terminate"])
def test_only_approve_approves_and_terminate_ends(verdict: Any) -> None:
    with serving(completion(plan(GOOD))) as endpoint:
        proposed = propose(endpoint.openai(), verify=lambda _: Decision(verdict=verdict, stage="final"))
    assert number(proposed) == "WG366"
    assert len(endpoint.asked) == (1 if verdict == "terminate" else 3)


def test_what_goes_back_is_bounded_and_says_so() -> None:
    breaches = tuple(Breach(number="WG321", rule="exit", message="x" * 5000, step=f"s{n}") for n in range(50))
    reason = NotApproved(Decision(verdict="reject", stage="final", breaches=breaches), 1)
    said, told = repair("y" * 10**6 + "\ud800", reason)
    assert len(said.content) < 17_000
    assert "more characters left out" in said.content
    data = json.loads(told.content.splitlines()[1])
    assert len(data["breaches"]) == MAX_BREACHES
    assert data["left_out"] == "30 more breaches"
    assert "4500 more characters left out" in data["breaches"][0]["message"]
    canonical_json([said.content, told.content])
    assert repair(" ", reason)[0].content == "(no text)"


# --- budgets --------------------------------------------------------------------------------------


class Canned:
    """A model in this process, for what only needs its replies."""

    name, model = "canned", "m"

    def __init__(self, meter: Meter, usage: Usage | None, *answers: str) -> None:
        self.meter, self.usage, self.answers, self.calls = meter, usage, list(answers), 0
        self.held: list[dict[str, Any]] = []

    def ask(self, messages: Any, *, max_tokens: int, seconds: float) -> Reply:
        self.calls += 1
        self.held.append({name: self.meter.reserved(name) for name in ("model_calls", "tokens", "seconds", "money")})
        self.held[-1]["allowed"] = seconds
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Reply(answer, "stop", self.usage)


def planned(budget: dict[str, Any], usage: Usage | None, *answers: str, **options: Any) -> tuple[Proposed, Canned]:
    meter = Meter(Budget.of(budget))
    model = Canned(meter, usage, *answers)
    ticks = iter(range(1000))
    proposed = plan_with_repairs(model, task(), VERIFY, meter, clock=lambda: next(ticks) / 4, **options)
    assert meter.reserved("tokens") == meter.reserved("model_calls") == 0
    for name, limit in meter.budget.limits.items():
        assert limit is None or meter._used[name] <= limit
    return proposed, model


def test_a_call_is_reserved_before_it_and_settled_after() -> None:
    price = Price(Decimal(2), Decimal(8), "EUR")
    proposed, model = planned({"money": "1 EUR"}, Usage(1000, 50), plan(GOOD), price=price, max_tokens=100)
    held = model.held[0]
    assert held["model_calls"] == 1
    assert held["tokens"] >= sum(len(one.content) for one in prompt(task())) + 100
    assert held["seconds"] == "60"
    assert float(held["money"].split()[0]) >= 2 * (held["tokens"] - 100) / 10**6
    assert proposed.usage == {"model_calls": 1, "tokens": 1050, "seconds": "0.250", "money": "0.002400 EUR"}


@pytest.mark.parametrize(
    ("budget", "options"),
    [
        ({"model_calls": 0}, {}),
        ({"tokens": 3000}, {}),
        ({"tokens": 40_000}, {"max_tokens": 40_000}),
        ({"seconds": 0}, {}),
        ({}, {"price": Price(Decimal(1), Decimal(1), "EUR")}),
        ({"money": "0.001 EUR"}, {"price": Price(Decimal(1), Decimal(1), "EUR")}),
        ({"money": "9 USD"}, {"price": Price(Decimal(1), Decimal(1), "EUR")}),
    ],
)
def test_a_call_that_does_not_fit_is_not_made(budget: dict[str, Any], options: dict[str, Any]) -> None:
    proposed, model = planned(budget, None, plan(GOOD), **options)
    assert number(proposed) == "WG367"
    assert model.calls == 0
    assert proposed.usage["model_calls"] == 0


def test_repairs_end_with_the_budget() -> None:
    proposed, model = planned({"model_calls": 2}, Usage(10, 10), plan(TOO_MUCH), repairs=9)
    assert (number(proposed), model.calls) == ("WG367", 2)


def test_what_is_not_reported_counts_in_full() -> None:
    proposed, model = planned({}, None, plan(GOOD))
    assert proposed.usage["tokens"] == model.held[0]["tokens"]


def test_more_than_was_reserved_is_no_plan() -> None:
    proposed, _ = planned({}, Usage(10, 900_000), plan(GOOD))
    assert number(proposed) == "WG368"
    proposed, _ = planned({"tokens": 100_000}, Usage(10, 900_000), plan(GOOD))
    assert number(proposed) == "WG368"


def test_the_time_of_a_call_is_what_is_left() -> None:
    _, model = planned({"seconds": "12.345"}, None, plan(GOOD))
    assert model.held[0]["allowed"] == 12.345
    assert model.held[0]["seconds"] == "12.345"


def test_whatever_a_model_raises_is_a_rejection_that_counts() -> None:
    class Broken(Canned):
        def ask(self, *_: Any, **__: Any) -> Reply:
            raise KeyError("surprise")

    meter = Meter(Budget.of({}))
    proposed = plan_with_repairs(Broken(meter, None, ""), task(), VERIFY, meter)
    assert number(proposed) == "WG350"
    assert meter.used("model_calls") == 1
    assert meter.used("tokens") > 4096


@pytest.mark.parametrize("options", [{"repairs": -1}, {"repairs": 99}, {"max_tokens": 0}, {"seconds": float("nan")}])
def test_settings_of_a_planning_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(BadSetting):
        planned({}, None, plan(GOOD), **options)


@pytest.mark.parametrize("given", [(Decimal("nan"), "EUR"), (Decimal(-1), "EUR"), (0.5, "EUR"), (Decimal(1), "euro")])
def test_prices_are_checked(given: tuple[Any, str]) -> None:
    with pytest.raises(BadSetting):
        Price(given[0], Decimal(0), given[1])


# --- the whole way --------------------------------------------------------------------------------


def test_a_proposed_plan_goes_through_the_gate_and_its_provenance_is_in_the_run(tmp_path: Path) -> None:
    house = House(tmp_path / "w", {}, "support-desk")
    with serving(completion(plan(GOOD))) as endpoint:
        proposed = propose(endpoint.openai())
    assert proposed.plan is not None
    run = house.commit(house.workspace.plan(proposed.plan, house.policy(), Budget.of({})))
    doc = house.workspace.runs.load(run, "run")
    assert doc.plan == proposed.plan
    assert doc.plan.planner == proposed.provenance
    assert_whole(house)


def test_the_market_is_one_world_among_others() -> None:
    world = get("market")
    start = world.initial(0)
    tick = world.parse("tick 2024-01-02T10:00:00Z ACME 60 61 59 60 1000")
    state = world.step(start, tick).state
    rules = {"version": 1, "world": "market", "measures": {"order_value": {"max": "500"}}}
    policy = make_policy(rules, "small orders", world.schema)
    judge = verifier(world, state, policy, Budget.of({}))
    asked = describe(world, state, policy, "buy some ACME")
    answers = [completion(plan(step)) for step in ("buy 100 NOPE", "hold", "buy 20 ACME", "buy 5 ACME")]
    with serving(*answers) as endpoint:
        proposed = plan_with_repairs(endpoint.openai(), asked, judge, Meter(Budget.of({})), repairs=3)
    assert proposed.plan is not None
    assert [step.do for step in proposed.plan.steps] == ["buy 5 ACME"]
    told = [json.loads(endpoint.texts(number)[-1].splitlines()[1])["breaches"][0]["number"] for number in (1, 2, 3)]
    assert told == ["WG234", "WG201", world.measures["order_value"].number]  # type: ignore[attr-defined]

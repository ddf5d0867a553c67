"""What a policy asks about futures: part of the policy, well-formed or an error, and never left unanswered."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from worldgate.facts import State, canonical_json
from worldgate.gate.budget import Budget, Meter
from worldgate.gate.decision import Breach
from worldgate.gate.plan import Plan, make_plan
from worldgate.gate.policy import BadPolicy, Policy, explain, load_policy, make_policy
from worldgate.gate.risk import Assess, Risk
from worldgate.gate.run import plain
from worldgate.gate.verify import Verification, Verified
from worldgate.gate.workspace import NotApprovedRun, Workspace
from worldgate.worlds.market import ONE, Instrument, MarketWorld, open_market

ASKING = "risk: {max_probability: 0.1, futures: 500}"
PLAN = make_plan(["deposit 5 USD"], world="market")
OTHER = Breach(number="WG463", rule="risk.max_probability", message="too likely")


def rules(more: str = ASKING) -> Policy:
    return load_policy(f"version: 1\nworld: market\n{more}")


def market() -> State:
    return open_market({"A": Instrument("USD", ONE, ONE, ONE)}, cash={"main": {"USD": 1000 * ONE}})


def buying(world: MarketWorld) -> State:
    """A market after a bar, so that orders are taken."""
    return world.step(market(), world.parse("tick 2020-01-01 A 10 10 10 10 9")).state


def verified(policy: Policy, assess: Assess | None = None, plan: str = "buy 1 A") -> Verified:
    world = MarketWorld()
    steps = make_plan([plan], world="market")
    return Verification(world, buying(world), steps, policy, Meter(Budget.of({})), assess=assess).of_plan()


def test_the_question_is_part_of_the_policy() -> None:
    found = rules()
    assert found.risk == Risk(max_probability=Decimal("0.1"), futures=500)
    assert found.digest != rules("").digest
    assert found.digest != rules("risk: {max_probability: 0.2, futures: 500}").digest
    assert found.digest == make_policy(plain(found.document), "recorded").digest
    assert "P(breach) at most 0.1 at confidence 0.95, over 500 futures" in explain(found)
    assert rules("risk: {}").risk == Risk()


def test_a_policy_that_asks_nothing_has_the_digest_that_it_always_had() -> None:
    assert rules("").risk is None
    assert b"risk" not in canonical_json(rules("").document)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("max_probability: 1.5", "$.risk.max_probability"),
        ("max_probability: -0.1", "$.risk.max_probability"),
        ("max_probability: .nan", "$.risk.max_probability"),
        ("max_probability: rarely", "$.risk.max_probability"),
        ("confidence: 1", "$.risk.confidence"),
        ("level: 0", "$.risk.level"),
        ("futures: 0", "$.risk.futures"),
        ("futures: 1000001", "$.risk.futures"),
        ("futures: many", "$.risk.futures"),
        ("steps: 0", "$.risk.steps"),
        ("seed: -1", "$.risk.seed"),
        ("block: -1", "$.risk.block"),
        ("sampler: oracle", "$.risk.sampler"),
        ("alpha: 0.05", "alpha"),
    ],
)
def test_a_bad_question_is_an_error_with_its_place(text: str, place: str) -> None:
    with pytest.raises(BadPolicy, match="WG400") as caught:
        rules(f"risk: {{{text}}}")
    assert place in caught.value.found


@pytest.mark.parametrize("text", ["risk: 0.05", "risk: [0.05]", "risk: null"])
def test_a_question_is_a_mapping(text: str) -> None:
    with pytest.raises(BadPolicy, match=r"WG400.*risk"):
        rules(text)


def test_only_a_world_with_futures_can_be_asked() -> None:
    for world in ("filesystem", "support-desk"):
        with pytest.raises(BadPolicy, match=r"WG400.*risk"):
            load_policy(f"version: 1\nworld: {world}\n{ASKING}")


def test_a_question_that_nobody_answers_refuses() -> None:
    found = verified(rules())
    assert (found.decision.verdict, found.decision.stage) == ("reject", "risk")
    (breach,) = found.decision.breaches
    assert breach.number == "WG465"
    assert "worldgate market open" in breach.message
    assert found.shrunk is None
    assert verified(rules("")).decision.verdict == "approve"


def test_in_shadow_mode_that_is_reported() -> None:
    found = verified(rules(f"mode: shadow\n{ASKING}"))
    assert found.decision.verdict == "approve"
    assert [breach.number for breach in found.warnings] == ["WG465"]
    found = verified(rules(f"mode: shadow\n{ASKING}"), raising)
    assert [breach.number for breach in found.warnings] == ["WG399"]


def raising(*_: Any) -> Iterable[Breach]:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("assess", "numbers"), [(lambda *_: (), []), (lambda *_: (OTHER,), ["WG463"]), (raising, ["WG399"])]
)
def test_the_answer_decides(assess: Assess, numbers: list[str]) -> None:
    found = verified(rules(), assess)
    assert [breach.number for breach in found.decision.breaches] == numbers
    assert (found.decision.verdict, found.decision.stage) == ("reject" if numbers else "approve", "risk")


def test_the_question_is_asked_once_about_the_plan_from_its_state_and_only_when_all_else_holds() -> None:
    asked: list[tuple[State, Plan, Policy]] = []

    def assess(state: State, plan: Plan, policy: Policy) -> list[Breach]:
        asked.append((state, plan, policy))
        return []

    policy = rules(f"measures: {{order_quantity: {{max: 5}}}}\n{ASKING}")
    assert verified(policy, assess, "buy 9 A").decision.stage == "transitions"
    assert asked == []
    assert verified(policy, assess, "buy 5 A").decision.verdict == "approve"
    ((state, plan, given),) = asked
    assert state == buying(MarketWorld())
    assert [step.do for step in plan.steps] == ["buy 5 A"]
    assert given is policy


def test_a_workspace_refuses_what_it_cannot_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = tmp_path / "account"
    root.mkdir()
    workspace = Workspace.make(root, "market", first=buying(MarketWorld()))
    plan = make_plan(["buy 1 A"], world="market")
    refused = workspace.plan(plan, rules(), Budget.of({}))
    assert [breach.number for breach in refused.decision.breaches] == ["WG465"]
    with pytest.raises(NotApprovedRun, match="WG622"):
        workspace.commit(refused.id)
    done = workspace.plan(plan, rules(""), Budget.of({}))
    workspace.commit(done.id)
    assert [breach.number for breach in workspace.undo(done.id, rules()).decision.breaches] == ["WG465"]

"""Sessions under a policy that asks about futures: each plan is judged over the bars that had passed by then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trading.sessions import RULES, inputs_for
from worldgate.facts import canonical_json
from worldgate.gate.policy import make_policy
from worldgate.trading.desk import session
from worldgate.trading.inputs import Inputs
from worldgate.trading.session import Step
from worldgate.worlds.market.bars import FIELDS, Bars, part
from worldgate.worlds.market.generator import generate

BARS = generate(["A", "B"], 120, 11, volume="60")


def asking(bars: Bars = BARS, most: int = 20, **risk: Any) -> Inputs:
    policy = {"drawdown": {"max": "0.1"}}
    inputs = inputs_for(bars, RULES["threshold"], quantity=4, most=most, cash=str(150 * most), policy=policy)
    inputs.policy["risk"] = {"futures": 200, "steps": 5} | risk
    return inputs


def steps(inputs: Inputs, bars: Bars = BARS) -> list[Step]:
    return [advanced.step for advanced in session(inputs, bars)]


def decided(found: list[Step]) -> list[tuple[int, str]]:
    return [(step.step, step.verdict) for step in found if step.verdict != "hold"]


def test_every_plan_is_asked_about() -> None:
    easy, hard = steps(asking(max_probability="0.9")), steps(asking(max_probability="0"))
    early = [step for step in easy if step.verdict == "reject"]
    assert {breach.number for step in early for breach in step.breaches} == {"WG395"}, "no history yet"
    assert early[-1].step <= 21 < max(step.step for step in easy if step.verdict == "approve")
    assert {verdict for _, verdict in decided(hard)} == {"reject"}
    assert {breach.number for step in hard for breach in step.breaches} == {"WG395", "WG463"}


def test_shadow_mode_reports() -> None:
    inputs = asking(most=200, max_probability="0")
    inputs.policy["mode"] = "shadow"
    found = steps(inputs)
    assert {verdict for _, verdict in decided(found)} == {"approve"}
    assert {breach.number for step in found for breach in step.breaches} > {"WG395", "WG463"}


def test_the_same_session_is_decided_alike_and_later_bars_make_no_difference() -> None:
    inputs = asking(max_probability="0.05")
    found = steps(inputs)
    assert canonical_json(found) == canonical_json(steps(inputs))
    columns = {
        symbol: [list(BARS.column(symbol, name)[:70]) + [BARS.column(symbol, name)[70]] * 50 for name in FIELDS]
        for symbol in "AB"
    }
    other = Bars.of(BARS.times, columns)
    assert part(other, 0, 70).digest == part(BARS, 0, 70).digest
    upto = [step for step in found if step.step <= 70]
    assert decided(upto)
    assert [step for step in steps(asking(other, max_probability="0.05"), other) if step.step <= 70][:-1] == upto[:-1]


def test_the_question_names_the_session() -> None:
    assert len({asking(seed=1).digest, asking(seed=2).digest, asking(seed=1).digest}) == 2
    assert make_policy(asking(seed=2).policy, "recorded").risk.seed == 2  # type: ignore[union-attr]


def test_without_numpy_a_session_that_asks_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("worldgate.trading.risk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(Exception, match="WG394"):
        next(session(asking(), BARS))

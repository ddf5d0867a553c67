"""Assessments: the decision, what it rests on, and a counterexample that the world replays."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.trading.risk.learned import Garch
from tests.trading.risk.test_futures import HISTORY, LAST, STARTS, WORLD, market
from worldgate.facts import Error, State, canonical_json, json_decode
from worldgate.gate.plan import load_plan
from worldgate.gate.policy import Policy, load_policy
from worldgate.gate.risk import BadRisk, Risk
from worldgate.trading.inputs import Listing, Market
from worldgate.trading.risk import assess as assessing
from worldgate.trading.risk.answer import Assessment
from worldgate.trading.risk.assess import assess
from worldgate.trading.risk.errors import BadFutures, BadHistory, BadRiskPlan, Disagreement
from worldgate.trading.risk.estimate import interval
from worldgate.trading.risk.futures import Bootstrap, Calendar, Sampler
from worldgate.trading.risk.plan import load_risk_plan
from worldgate.trading.risk.run import opened, run_risk
from worldgate.worlds.market import ONE, parse_amount, show
from worldgate.worlds.market.bars import FIELDS, Bars, part

SAMPLER = Bootstrap(HISTORY, STARTS, LAST)
RISK = Risk(futures=600, steps=20)
PLAN = "[buy 6 A, buy 2 B limit 124.5 day, tick 20]"
USD = ("main", "USD")


def policy(measures: str = "{drawdown: {max: 0.06}, leverage: {max: 0.95}}", more: str = "") -> Policy:
    return load_policy(f"version: 1\nworld: market\nmeasures: {measures}\n{more}")


def asked(plan: str = PLAN, rules: Policy | None = None, risk: Risk = RISK, sampler: Sampler = SAMPLER) -> Assessment:
    return assess(market(), load_risk_plan(plan, risk.steps), rules or policy(), risk, sampler)


def test_the_same_question_gets_the_same_bytes() -> None:
    one, again = canonical_json(asked()), canonical_json(asked())
    assert one == again
    assert json_decode(one)["overall"]["name"] == "overall"
    other = asked(risk=Risk(futures=600, steps=20, seed=2))
    assert other.worst != asked().worst


def test_blocks_make_one_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assessing, "BLOCK", 100)
    found = asked()
    profits, seen = [], []
    for number, n in enumerate([100] * 6):
        futures = assessing.Futures.of(market(), SAMPLER, n, 20, 1 << 20 | number)
        played = assessing.play(market(), load_risk_plan(PLAN, 20), futures, policy().document.measures, USD)
        profits += played.profit.tolist()
        seen += played.breached["drawdown"].tolist()
    limit = next(row for row in found.limits if row.name == "drawdown")
    assert 0 < limit.breaches == sum(seen) < 600
    assert found.profit.largest_loss == show(-min(profits))
    low, high = interval(limit.breaches, 600, Decimal("0.95"))
    assert (limit.low, limit.high) == (str(low), str(high))
    assert found.worst.future >= 100, "it is not in the first block, so that the number counts"
    assert profits[found.worst.future] == parse_amount(found.worst.profit)


@pytest.mark.parametrize(
    "plan", [PLAN, "[sell 5 A, deposit 100 USD, tick 3, buy 2 A stop 118, tick 9, cancel 2]", "[tick 5]"]
)
def test_the_worst_future_replays_through_the_world_with_the_same_loss(plan: str) -> None:
    state = short()
    found = assess(state, load_risk_plan(plan, 20), policy(), RISK, SAMPLER)
    written = load_plan(found.worst.script, world="filesystem")
    assert written.world == "market"
    paid = 0
    for step in written.order:
        moved = WORLD.step(state, WORLD.parse(step.do))
        paid += 100 * ONE if step.do.startswith("deposit") and moved.observation["ok"] else 0
        state = moved.state
    profit = state.get("book", USD).equity - short().get("book", USD).equity - paid
    assert show(profit) == found.worst.profit
    if not found.overall.breaches:
        assert found.worst.profit == "-" + found.profit.largest_loss or found.profit.largest_loss == "0"


def short() -> State:
    """The market in which the account may sell short."""
    state = market()
    return state.set("shorting", ("main",), True)


def test_only_the_upper_end_decides() -> None:
    found = asked()
    assert Decimal(found.overall.probability) < Decimal(found.overall.high)
    at = Decimal(found.overall.high)
    for allowed, verdict in ((at, "approve"), (at - Decimal("0.000001"), "reject"), (Decimal(0), "reject")):
        risk = Risk(futures=600, steps=20, max_probability=allowed)
        decided = asked(risk=risk).decision
        assert decided.verdict == verdict
        assert [breach.number for breach in decided.breaches] == (["WG463"] if verdict == "reject" else [])
    assert asked(rules=policy("{equity: {min: 1}}"), risk=Risk(futures=20, steps=5)).decision.verdict == "reject", (
        "no breach in 20 futures is no proof of 0.05"
    )


def test_a_shadow_policy_reports_and_lets_pass() -> None:
    found = asked(rules=policy(more="mode: shadow\n"), risk=Risk(futures=100, steps=9, max_probability=Decimal(0)))
    assert found.decision.verdict == "approve"
    assert found.decision.breaches[0].number == "WG463"


def test_what_the_market_refuses_counts() -> None:
    found = asked("[buy 6 A, tick 5, sell 7 A, tick]")
    refused = next(row for row in found.limits if row.name == "refused")
    assert refused.breaches == found.overall.breaches == 600
    assert found.decision.breaches[0].message.endswith("mostly by refused")


def test_overall_counts_a_future_once() -> None:
    found = asked(rules=policy("{drawdown: {max: 0.02}, equity: {min: 980}}"))
    counts = [row.breaches for row in found.limits]
    assert max(counts) <= found.overall.breaches < sum(counts)


def test_lines_say_it_all() -> None:
    text = "\n".join(asked().lines())
    for part_ in ("P(breach)", "drawdown", "leverage", "refused", "expected shortfall", "worst future: number"):
        assert part_ in text


def test_a_learned_sampler_is_as_good_as_any() -> None:
    found = asked(sampler=Garch(HISTORY, STARTS, LAST))
    assert found.sampler == "garch"
    assert found == asked(sampler=Garch(HISTORY, STARTS, LAST))


class Broken:
    """Hands out bars that are wrong in one way."""

    name = "broken"

    def __init__(self, spoil: Any, times: Any = None) -> None:
        self.spoil, self._times = spoil, times

    @property
    def symbols(self) -> tuple[str, ...]:
        return SAMPLER.symbols

    def times(self, steps: int) -> Any:
        return SAMPLER.times(steps) if self._times is None else self._times

    def paths(self, n: int, steps: int, seed: int) -> Mapping[str, Any]:
        return self.spoil({symbol: bars.copy() for symbol, bars in SAMPLER.paths(n, steps, seed).items()})


def spoiled(place: Any, value: int) -> Any:
    def spoil(bars: dict[str, Any]) -> dict[str, Any]:
        bars["A"][place] = value
        return bars

    return spoil


@pytest.mark.parametrize(
    "sampler",
    [
        Broken(spoiled((2, 3, 4), 0)),
        Broken(spoiled((0, 3, 4), 11192000001)),
        Broken(spoiled((1, 3, 4), ONE // 100)),
        Broken(spoiled((4, 3, 4), -1)),
        Broken(spoiled((4, 3, 4), 2**62)),
        Broken(lambda bars: {symbol: bar.astype(float) for symbol, bar in bars.items()}),
        Broken(lambda bars: {symbol: bar[:, :, 1:] for symbol, bar in bars.items()}),
        Broken(lambda bars: {**bars, "C": bars["A"]}),
        Broken(lambda bars: {"A": bars["A"].tolist()}),
        Broken(lambda bars: bars, ["2030-01-01"] * 20),
        Broken(lambda bars: bars, ["1999-01-01"]),
        Broken(lambda bars: bars, ["noon"] * 20),
    ],
)
def test_bars_that_cannot_be_are_refused(sampler: Any) -> None:
    with pytest.raises(BadFutures, match="WG392"):
        asked(sampler=sampler)


def test_everything_held_or_wanted_needs_futures() -> None:
    alone = Bootstrap(HISTORY, {"A": STARTS["A"]}, LAST)
    with pytest.raises(BadFutures, match=r"WG392.* B"):
        asked(sampler=alone)
    assert asked("[buy 1 A, tick 3]", sampler=alone).steps == 3


def test_a_bulk_evaluation_that_errs_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*given: Any) -> Any:
        played = play(*given)
        return played._replace(profit=played.profit - 1)

    play = assessing.play
    monkeypatch.setattr(assessing, "play", wrong)
    with pytest.raises(Disagreement, match="WG393"):
        asked()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[buy 1 A, tick 2000-08-01 A 1 1 1 1 1]", BadRiskPlan),
        ("{world: filesystem, steps: [mkdir a]}", BadRiskPlan),
        ("[{do: buy 1 A, when: 'true'}, tick]", BadRiskPlan),
        ("[{id: a, do: buy 1 A}, {id: b, do: buy 1 A, needs: []}]", BadRiskPlan),
        ("[buy 1 A, tick 99999]", BadRiskPlan),
        ("[buy one A]", Error),
        ("[tick 0]", Error),
        ("tick 3", Error),
        ("[]", Error),
    ],
)
def test_plans_that_cannot_be_asked_about(text: str, error: type[Error]) -> None:
    with pytest.raises(error, match="WG"):
        load_risk_plan(text, 50)


def test_bars_pass_where_the_plan_says_or_at_its_end() -> None:
    assert load_risk_plan("[buy 1 A]", 50).entries[1] == 50
    entries = load_risk_plan("{world: market, steps: [tick, buy 1 A, tick 7]}", 50).entries
    assert (entries[0], entries[2]) == (1, 7)


def test_the_policy_says_what_is_asked_and_nothing_beside_it_does() -> None:
    rules = policy(more="risk: {max_probability: 0.5, futures: 60, steps: 9, sampler: bootstrap}")
    found = run_risk("[buy 2 A]", HISTORY, rules, market=Market(cash=Decimal(1000)))
    assert (found.settings, found.steps, found.sampler) == (rules.risk, 9, "bootstrap")
    with pytest.raises(BadRisk, match="WG390"):
        run_risk("[buy 2 A]", HISTORY, rules, RISK)
    assert run_risk("[buy 2 A]", HISTORY, policy()).settings == Risk()


@pytest.mark.parametrize(
    "risk",
    [
        Risk(account="nobody"),
        Risk(currency="EUR"),
        Risk(futures=1_000_000, steps=9000),
        Risk(confidence=Decimal(2)),
    ],
)
def test_questions_that_do_not_fit_the_market(risk: Risk) -> None:
    with pytest.raises(BadRisk, match="WG390"):
        asked("[buy 1 A]", risk=risk)


def test_a_policy_for_another_world() -> None:
    with pytest.raises(BadRisk, match=r"WG390.*filesystem"):
        asked(rules=Policy.default())


def test_a_run_from_files_looks_at_no_bar_that_has_not_passed(tmp_path: Path) -> None:
    state = opened(Market(cash=Decimal(1000)), part(HISTORY, 0, 150))
    columns = {
        symbol: [list(HISTORY.column(symbol, name)[:150]) + [77 * ONE] * 50 for name in FIELDS] for symbol in "AB"
    }
    other = Bars.of(HISTORY.times, columns)
    for sampler in ("filtered", "bootstrap", "generator"):
        risk = Risk(futures=50, steps=9, sampler=sampler)  # type: ignore[arg-type]
        file = tmp_path / "worst.yaml"
        found = run_risk("[buy 2 A]", HISTORY, policy(), risk, state=state, worst=file)
        assert found == run_risk("[buy 2 A]", other, policy(), risk, state=state)
        assert file.read_text() == found.worst.script
        assert "B " not in found.worst.script, "only what is held or wanted has futures"
    assert run_risk("[buy 2 A]", part(HISTORY, 0, 150), policy(), risk, market=Market(cash=Decimal(1000))) == found


def test_a_run_without_history() -> None:
    with pytest.raises(BadHistory, match="WG395"):
        run_risk("[buy 2 A]", HISTORY, policy(), RISK, state=Market().begin(HISTORY.symbols))
    with pytest.raises(BadHistory, match="WG395"):
        run_risk("[buy 2 A]", part(HISTORY, 0, 9), policy(), RISK)
    coarse = Market(symbols={"A": Listing(tick=Decimal("0.5"))})
    with pytest.raises(BadHistory, match="WG395"):
        run_risk("[buy 2 A]", HISTORY, policy(), RISK, market=coarse)


def test_calm_bars_are_safe_and_wild_ones_are_not() -> None:
    """What it is for: the same plan, told apart by the bars that came before."""
    verdicts = []
    for move in (1, 9):
        closes = [(100 + (i * i % 7 - 3) * move) * ONE for i in range(120)]
        times = Calendar.of(HISTORY.times, LAST).times(120)
        bars = Bars.of(times, {"A": [closes] * 4 + [[ONE * 1000] * 120]})
        rules, risk, rich = policy("{drawdown: {max: 0.2}}"), Risk(futures=400, steps=5), Market(cash=Decimal(1000))
        found = run_risk("[buy 9 A]", bars, rules, risk, market=rich)
        verdicts.append(found.decision.verdict)
    assert verdicts == ["approve", "reject"]


def test_the_page_has_every_setting_and_a_plan_that_loads() -> None:
    page = (Path(__file__).parents[3] / "docs" / "risk.md").read_text()
    for name in Risk.__struct_fields__:
        assert f"`{name}`" in page
    assert load_risk_plan(page.partition("```yaml\n")[2].partition("```")[0], 1).steps == 50

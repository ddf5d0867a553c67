"""Limits on measures: what a step newly puts beyond a limit is a breach, with how far; easing never is."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from tests.worlds.market import markets
from worldgate.facts import INT, TEXT, Relation, Schema, State, diff
from worldgate.gate.measured import Bound, measured, show
from worldgate.gate.policy import BadPolicy, Judged, Policy, explain, load_policy
from worldgate.gate.rules import Subject
from worldgate.worlds import Measure

TANKS = Schema(
    "tanks",
    "1",
    [
        Relation("litres", (("site", TEXT), ("tank", TEXT)), INT),
        Relation("seal", (("site", TEXT), ("tank", TEXT)), INT),
        Relation("alarm", (("site", TEXT),), INT),
    ],
)
LITRES = Measure("WG450", "litres", "litre", "what a tank holds", lambda state, key: state.get("litres", key), scale=10)
SHARE = Measure(
    "WG451", "litres", "1", "share of 30", lambda state, key: Fraction(state.get("litres", key) or 0, 30), scale=1
)
ALARM = Measure(
    "WG452",
    "litres",
    "1",
    "an alarm of the site",
    lambda state, key: state.get("alarm", key[:1]),
    eases=lambda before, after, key: (after.get("litres", key) or 0) < (before.get("litres", key) or 0),
)


def state(alarm: int = 0, **litres: int) -> State:
    return State.of(
        TANKS, [("alarm", ("east",), alarm), *(("litres", ("east", tank), n) for tank, n in litres.items())]
    )


def judge(measure: Measure, bound: Bound, before: State, after: State, step: str = "1"):
    rule = measured("held", measure, bound, TANKS)
    return list(rule.check(Subject(Judged(before, after, diff(before, after), (), step))))


def test_a_breach_says_observed_limit_and_margin():
    (breach,) = judge(LITRES, Bound(max=Decimal("2.5")), state(a=20), state(a=27))
    assert (breach.number, breach.rule, breach.step) == ("WG450", "measures.held", "1")
    assert (breach.found, breach.allowed, breach.margin) == ("2.7", "2.5", "0.2")
    assert breach.message == "held of east, a is 2.7, 0.2 more than 2.5"
    assert breach.fact == 'held("east", "a") = 2.7'
    (breach,) = judge(LITRES, Bound(min=Decimal(1)), state(a=20), state(a=7))
    assert (breach.found, breach.allowed, breach.margin) == ("0.7", "1", "0.3")
    assert "less than" in breach.message


def test_limits_are_exact():
    assert not judge(SHARE, Bound(max=Decimal("0.1")), state(), state(a=3))
    (breach,) = judge(SHARE, Bound(max=Decimal("0.3333333333333333")), state(), state(a=10))
    assert breach.margin == "0"  # a third is more, by less than can be shown


@pytest.mark.parametrize(
    ("was", "becomes", "refused"),
    [(40, 35, False), (40, 40, False), (40, 41, True), (30, 31, True), (31, 30, False), (0, 31, True)],
)
def test_reducing_a_breach_is_never_refused(was, becomes, refused):
    before, after = state(a=was, b=1), state(a=becomes, b=2)
    assert bool(judge(LITRES, Bound(max=Decimal(3)), before, after)) is refused
    low, down = state(a=100 - was), state(a=100 - becomes)
    assert bool(judge(LITRES, Bound(min=Decimal(7)), low, down)) is refused


def test_a_value_at_its_limit_is_no_breach():
    bound = Bound(min=Decimal(1), max=Decimal(3))
    assert not judge(LITRES, bound, state(a=20), state(a=30))
    assert not judge(LITRES, bound, state(a=20), state(a=10))
    assert not judge(LITRES, Bound(min=Decimal(3), max=Decimal(3)), state(a=20), state(a=30))


@pytest.mark.parametrize("bound", [Bound(max=Decimal(0)), Bound(min=Decimal(2))])
def test_a_breach_that_a_step_leaves_as_it_is_does_not_refuse_it(bound):
    alarm = ALARM._replace(eases=None)
    assert not judge(alarm, bound, state(1, a=5), state(1, a=6))


def test_only_keys_the_step_edits_are_asked_for():
    before = state(a=40, b=40)
    assert [
        breach.fact for breach in judge(LITRES, Bound(max=Decimal(3)), before, before.set("litres", ("east", "b"), 41))
    ] == ['held("east", "b") = 4.1']
    assert not judge(LITRES, Bound(max=Decimal(3)), before, before.set("alarm", ("east",), 1))
    sealed = state(1, a=5).set("seal", ("east", "a"), 1)
    assert not judge(ALARM, Bound(max=Decimal(0)), state(1, a=5), sealed), "a key of another relation is not one"


def test_only_allows_the_named_and_nothing_else():
    bound = Bound(max=Decimal(3), only={"tank": ("a", "b")})
    assert not judge(LITRES, bound, state(), state(a=30))
    (breach,) = judge(LITRES, bound, state(), state(c=1))
    assert (breach.found, breach.allowed) == ("0.1", "0")
    for left in (8, 0):
        assert not judge(LITRES, bound, state(c=9), state(c=left)), "emptying it is no breach"


def test_a_standing_measure_refuses_all_but_what_eases():
    bound = Bound(max=Decimal(0))
    assert judge(ALARM, bound, state(1, a=5), state(1, a=6))
    assert judge(ALARM, bound, state(1, a=5), state(1, a=5, b=1))
    assert not judge(ALARM, bound, state(1, a=5), state(1, a=4))
    assert not judge(ALARM, bound, state(0, a=5), state(0, a=6))


def test_a_whole_run_was_judged_step_by_step():
    before, after = state(a=1), state(a=99)
    assert judge(LITRES, Bound(max=Decimal(3)), before, after)
    assert not judge(LITRES, Bound(max=Decimal(3)), before, after, step="")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("measures: {speed: {max: 1}}", "one of cash"),
        ("measures: {leverage: {}}", "without max, min or only"),
        ("measures: {leverage: {max: true}}", "Expected `decimal"),
        ("measures: {leverage: {max: NaN}}", "not finite"),
        ("measures: {leverage: {max: 1, most: 2}}", "unknown field"),
        ("measures: {leverage: {min: 2, max: 1}}", "min 2 above max 1"),
        ("measures: {leverage: {only: {symbol: [ACME]}}}", "where its keys have account, currency"),
        ("measures: {leverage: 2}", "Expected `object`"),
    ],
)
def test_a_limit_that_cannot_hold_is_refused_at_load(text, says):
    with pytest.raises(BadPolicy) as caught:
        load_policy(f"version: 1\nworld: market\n{text}")
    assert says in str(caught.value)


def market(measures: str) -> Policy:
    return load_policy(f"version: 1\nworld: market\nmeasures: {measures}")


def test_a_policy_judges_each_step_by_its_measures():
    policy = market("{order_quantity: {max: 5}, drawdown: {max: 1}}")
    before, _ = markets.run(markets.market(), markets.flat(1, "10"))
    for quantity, found in ((5, []), (6, ["WG457"])):
        moved = markets.WORLD.step(before, markets.WORLD.parse(f"buy {quantity} A"))
        judged = Judged(before, moved.state, moved.delta, step="s1")
        assert [breach.number for breach in policy.judge(judged)] == found


def test_a_policy_says_its_limits():
    said = explain(market("{leverage: {max: 1.5}, cash: {min: 0}, position_value: {max: 9, only: {symbol: [A, B]}}}"))
    assert said.splitlines()[-3:] == [
        "leverage: at most 1.5",
        "cash: at least 0",
        "position_value: at most 9, nothing where symbol is not A or B",
    ]
    assert "position_value: nothing where" in explain(market("{position_value: {only: {symbol: [A]}}}"))


def test_limits_that_meet_leave_one_value():
    assert market("{leverage: {min: 1, max: 1}}").document.measures["leverage"].max == 1


def test_a_world_without_measures_has_none_to_limit():
    with pytest.raises(BadPolicy, match="this world has none"):
        load_policy("version: 1\nworld: support-desk\nmeasures: {leverage: {max: 1}}")


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [(150, 100, "1.5"), (100, 1, "100"), (0, 7, "0"), (-150, 100, "-1.5"), (Fraction(2, 3), 1, "0.66666667")],
)
def test_values_are_shown_as_decimals(value, scale, text):
    assert show(value, scale) == text

"""Budgets: what is accepted, what a ceiling does, and that no counter ever passes its limit."""

from __future__ import annotations

import json
import threading
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from worldgate.gate.budget import (
    RESOURCES,
    BadAmount,
    BadBudget,
    Budget,
    BudgetExceeded,
    Meter,
    NotOpen,
    Overrun,
    Reservation,
    UnknownResource,
    load_budget,
)


def assert_refused_unchanged(meter, error, name, amount):
    """The reservation raises that error, and no counter moved."""
    before = {name: (meter.used(name), meter.reserved(name), meter.left(name)) for name in RESOURCES}
    with pytest.raises(error) as caught:
        meter.reserve(name, amount)
    assert before == {name: (meter.used(name), meter.reserved(name), meter.left(name)) for name in RESOURCES}
    return caught.value


# --- limits -----------------------------------------------------------------------------------------


def test_what_a_budget_does_not_mention_has_a_finite_limit():
    budget = Budget.of({})
    assert set(budget.limits) == set(RESOURCES)
    assert None not in budget.limits.values()
    assert budget.to_json()["steps"] == 10_000
    assert budget.to_json()["money"] == "0"


def test_a_budget_is_read_from_yaml_and_written_back():
    budget = load_budget("steps: 5\nseconds: '1.5'\nmoney: 0.25 EUR\ntokens: unlimited\n")
    written = budget.to_json()
    assert (written["steps"], written["seconds"], written["money"]) == (5, "1.5", "0.25 EUR")
    assert written["tokens"] == "unlimited"
    assert Budget.of(written) == budget
    assert load_budget(json.dumps(written)).digest == budget.digest
    assert Budget.of({"steps": 6}).digest != Budget.of({"steps": 7}).digest
    assert Budget.of({"money": "unlimited EUR"}).to_json()["money"] == "unlimited EUR"


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ("- steps", BadBudget),
        ("steps: 5\nsteps: 6", BadBudget),
        ("hops: 5", UnknownResource),
        ("5: 5", UnknownResource),
        ("steps: -1", BadAmount),
        ("steps: 1.0", BadAmount),
        ("steps: .inf", BadAmount),
        ("steps: .nan", BadAmount),
        ("steps: true", BadAmount),
        ("steps: null", BadAmount),
        ("steps: [1]", BadAmount),
        ("steps: '1.5'", BadAmount),
        ("steps: many", BadAmount),
        ("steps: '1e3'", BadAmount),
        ("steps: '５'", BadAmount),
        ("steps: ' 5'", BadAmount),
        ("steps: Unlimited", BadAmount),
        ("steps: unlimited EUR", BadAmount),
        ("steps: 5 EUR", BadAmount),
        ("steps: 1000000000000000001", BadAmount),
        ("seconds: 1.5", BadAmount),
        ("seconds: '0.0001'", BadAmount),
        ("money: 5", BadAmount),
        ("money: '5'", BadAmount),
        ("money: 5 eur", BadAmount),
        ("money: unlimited", BadAmount),
        ("money: unlimited EUR EUR", BadAmount),
        ("money: 0.0000001 EUR", BadAmount),
    ],
)
def test_malformed_budgets_are_refused(limits, error):
    with pytest.raises(error):
        load_budget(limits)


def test_numbers_that_are_no_amount_are_refused():
    far = "999999999999999999"
    huge = [10**18, 10**9999, -(10**9999), Decimal(f"1E+{far}"), Decimal(f"1E-{far}")]
    for amount in (Decimal("NaN"), Decimal("Infinity"), Decimal("-0.5"), Decimal("-0"), float("nan"), b"1", *huge):
        for name in ("seconds", "steps"):
            assert_refused_unchanged(Meter(Budget.of({})), BadAmount, name, amount)


@pytest.mark.parametrize(
    ("name", "amount", "says"),
    [
        ("money", 5, "found money: 5; expected its currency too"),
        ("steps", -1, "found steps: -1; expected a number of 0 or more"),
        ("steps", 10**18, "found steps: a number too large"),
    ],
)
def test_what_is_no_amount_is_told_what_is_one(name, amount, says):
    with pytest.raises(BadAmount, match=says):
        Budget.of({name: amount})


def test_decimals_and_whole_numbers_are_amounts():
    meter = Meter(Budget.of({"seconds": Decimal("2.50")}))
    meter.settle(meter.reserve("seconds", Decimal("1.250")))
    meter.settle(meter.reserve("seconds", 1))
    assert (meter.used("seconds"), meter.left("seconds")) == ("2.25", "0.25")


def test_a_ceiling_lowers_and_says_what():
    wish = Budget.of({"steps": 50, "tokens": "unlimited", "files": 3, "money": "2 EUR"})
    ceiling = Budget.of({"steps": 20, "tokens": 1000, "files": 9, "money": "1.50 EUR"})
    got, lowered = wish.under(ceiling)
    assert lowered == ("steps", "tokens", "money")
    shown = got.to_json()
    assert (shown["steps"], shown["tokens"], shown["files"], shown["money"]) == (20, 1000, 3, "1.5 EUR")
    assert got.under(ceiling) == (got, ())
    assert Budget.of({"steps": "unlimited"}).under(Budget.of({}))[0].to_json()["steps"] == 10_000
    assert wish.under(Budget.of({}))[0].to_json()["money"] == "0"
    with pytest.raises(BadBudget):
        wish.under(Budget.of({"money": "9 USD"}))
    without = Budget.of({})
    assert wish.under(without)[0].currency == without.under(wish)[0].currency == "EUR"


budgets = st.fixed_dictionaries(
    {}, optional={name: st.integers(0, 9) | st.just("unlimited") for name in RESOURCES if name != "money"}
).map(Budget.of)


def assert_is_a_lower_bound(got, *others):
    for name, limit in got.limits.items():
        for other in others:
            above = other.limits[name]
            assert above is None or (limit is not None and limit <= above)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(budgets, budgets, budgets)
def test_a_ceiling_never_raises_and_the_order_does_not_matter(left, right, third):
    assert_is_a_lower_bound(left.under(right)[0], left, right)
    assert left.under(right)[0] == right.under(left)[0]
    assert left.under(right)[0].under(third)[0] == left.under(right.under(third)[0])[0]
    assert left.under(left) == (left, ())


# --- the error ----------------------------------------------------------------------------------------


def test_the_error_has_the_shape_that_agents_expect():
    meter = Meter(Budget.of({"tool_calls": 2, "seconds": "1.5", "money": "1 EUR"}))
    meter.settle(meter.reserve("tool_calls", 2))
    meter.settle(meter.reserve("seconds", "0.25"))
    error = assert_refused_unchanged(meter, BudgetExceeded, "tool_calls", 1)
    data = error.to_json()
    assert list(data) == ["code", "limiter", "budgets"]
    assert (data["code"], data["limiter"]) == ("budget_exceeded", "tool_calls")
    assert set(data["budgets"]) == {"budget", "budget_state"}
    assert data["budgets"]["budget"] == meter.budget.to_json()
    assert data["budgets"]["budget_state"] == meter.to_json()
    assert data["budgets"]["budget_state"]["tool_calls"] == 2
    assert data["budgets"]["budget_state"]["seconds"] == "0.25"
    assert json.loads(json.dumps(data)) == data
    assert "WG501" in str(error)
    assert "1 more tool_calls, 2 used and 0 reserved" in str(error)


# --- metering -------------------------------------------------------------------------------------------


def test_a_reservation_is_settled_for_what_was_used():
    meter = Meter(Budget.of({"tokens": 100}))
    reservation = meter.reserve("tokens", 80)
    assert (meter.used("tokens"), meter.reserved("tokens"), meter.left("tokens")) == (0, 80, 20)
    meter.settle(reservation, 30)
    assert (meter.used("tokens"), meter.reserved("tokens"), meter.left("tokens")) == (30, 0, 70)
    meter.cancel(meter.reserve("tokens", 70))
    assert (meter.used("tokens"), meter.reserved("tokens"), meter.left("tokens")) == (30, 0, 70)
    assert meter.overruns() == ()


def test_more_than_was_reserved_is_recorded_and_raised_and_never_passes_the_limit():
    meter = Meter(Budget.of({"tokens": 100}))
    first, other = meter.reserve("tokens", 10), meter.reserve("tokens", 50)
    with pytest.raises(Overrun, match="found 25 tokens; expected at most 10"):
        meter.settle(first, 25)
    assert (meter.used("tokens"), meter.reserved("tokens")) == (25, 50)
    with pytest.raises(Overrun, match="145 of it is beyond the budget"):
        meter.settle(other, 220)
    assert (meter.used("tokens"), meter.reserved("tokens"), meter.left("tokens")) == (100, 0, 0)
    assert len(meter.overruns()) == 2
    assert_refused_unchanged(meter, BudgetExceeded, "tokens", 1)


def test_a_reservation_ends_once():
    meter, other = Meter(Budget.of({})), Meter(Budget.of({}))
    for first in (meter.settle, meter.cancel):
        for second in (meter.settle, meter.cancel):
            reservation = meter.reserve("steps", 2)
            first(reservation)
            with pytest.raises(NotOpen):
                second(reservation)
    with pytest.raises(NotOpen):
        other.settle(reservation)
    open_one = meter.reserve("steps", 2)
    with pytest.raises(NotOpen):
        meter.cancel(Reservation(open_one.number, "steps", 9))
    assert (meter.used("steps"), meter.reserved("steps")) == (4, 2)


def test_a_malformed_actual_leaves_the_reservation_open():
    meter = Meter(Budget.of({}))
    reservation = meter.reserve("steps", 2)
    with pytest.raises(BadAmount):
        meter.settle(reservation, -1)
    assert meter.reserved("steps") == 2
    meter.settle(reservation)


def test_unlimited_is_counted_but_does_not_end():
    meter = Meter(Budget.of({"tokens": "unlimited", "money": "unlimited EUR"}))
    meter.settle(meter.reserve("tokens", 10**18 - 1), 5)
    meter.settle(meter.reserve("money", "2.50 EUR"))
    assert (meter.used("tokens"), meter.left("tokens")) == (5, "unlimited")
    assert (meter.used("money"), meter.left("money")) == ("2.5 EUR", "unlimited EUR")


def test_money_is_exact_and_of_one_currency():
    meter = Meter(Budget.of({"money": "0.30 EUR"}))
    for _ in range(3):
        meter.settle(meter.reserve("money", "0.10 EUR"))
    assert meter.left("money") == "0"
    assert_refused_unchanged(meter, BudgetExceeded, "money", "0.000001 EUR")
    assert_refused_unchanged(meter, BadAmount, "money", "0.1 USD")
    assert_refused_unchanged(meter, BadAmount, "money", Decimal("0.1"))
    assert_refused_unchanged(Meter(Budget.of({})), BudgetExceeded, "money", "0.01 EUR")


def test_an_unknown_resource_is_refused_everywhere():
    meter = Meter(Budget.of({}))
    for ask in (meter.reserve, meter.used, meter.reserved, meter.left):
        with pytest.raises(UnknownResource):
            ask("hops")


def test_threads_together_never_pass_the_limit():
    meter = Meter(Budget.of({"steps": 500}))
    got, barrier, seen = [], threading.Barrier(8), []

    def work():
        barrier.wait()
        for _ in range(100):
            try:
                reservation = meter.reserve("steps", 1)
            except BudgetExceeded:
                continue
            seen.append(meter.used("steps") + meter.reserved("steps"))
            meter.settle(reservation)
            got.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == meter.used("steps") == 500
    assert (meter.reserved("steps"), meter.left("steps")) == (0, 0)


class Metering(RuleBasedStateMachine):
    """Against a model that knows only a sum of what was settled and a list of what is open."""

    reservations = Bundle("reservations")

    @initialize(limit=st.integers(0, 30) | st.just("unlimited"))
    def begin(self, limit):
        self.meter = Meter(Budget.of({"tokens": limit}))
        self.limit, self.settled, self.beyond, self.open, self.overruns = limit, 0, 0, {}, 0

    @rule(target=reservations, amount=st.integers(0, 15))
    def reserve(self, amount):
        fits = self.limit == "unlimited" or self.settled + sum(self.open.values()) + amount <= self.limit
        try:
            reservation = self.meter.reserve("tokens", amount)
        except BudgetExceeded:
            assert not fits
            return None
        assert fits
        self.open[reservation.number] = amount
        return reservation

    @rule(reservation=consumes(reservations), actual=st.none() | st.integers(0, 20))
    def settle(self, reservation, actual):
        if reservation is None:
            return
        amount = self.open.pop(reservation.number)
        used = amount if actual is None else actual
        free = used if self.limit == "unlimited" else self.limit - self.settled - sum(self.open.values())
        self.settled += min(used, free)
        self.beyond += used - min(used, free)
        if used > amount:
            self.overruns += 1
            with pytest.raises(Overrun):
                self.meter.settle(reservation, actual)
        else:
            self.meter.settle(reservation, actual)
        for end in (self.meter.settle, self.meter.cancel):
            with pytest.raises(NotOpen):
                end(reservation)

    @rule(reservation=consumes(reservations))
    def cancel(self, reservation):
        if reservation is not None:
            del self.open[reservation.number]
            self.meter.cancel(reservation)
            with pytest.raises(NotOpen):
                self.meter.cancel(reservation)

    @invariant()
    def the_sum_is_kept_and_no_limit_is_passed(self):
        if not hasattr(self, "meter"):
            return
        used, reserved, left = (ask("tokens") for ask in (self.meter.used, self.meter.reserved, self.meter.left))
        assert (used, reserved) == (self.settled, sum(self.open.values()))
        assert left == "unlimited" if self.limit == "unlimited" else used + reserved + left == self.limit and left >= 0
        assert len(self.meter.overruns()) == self.overruns


TestMetering = Metering.TestCase
TestMetering.settings = settings(
    max_examples=150, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

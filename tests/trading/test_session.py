"""The loop: one account whichever way it is counted, the same steps from wherever it goes on, plans all or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import msgspec
import pytest

from worldgate.facts import Error, State, compose
from worldgate.gate.budget import Budget
from worldgate.gate.policy import make_policy
from worldgate.gate.targets.broker import PaperBroker
from worldgate.planners.strategy import OutOfStep, Proposal
from worldgate.trading import session as module
from worldgate.trading.desk import Desk, session
from worldgate.trading.inputs import Inputs
from worldgate.trading.session import Advanced, BadFeed, Session, Step
from worldgate.worlds.market import Bar, MarketWorld, parse
from worldgate.worlds.market.bars import Bars, read_bars, write_csv
from worldgate.worlds.market.generator import generate
from worldgate.worlds.market.schema import SCHEMA
from worldgate.worlds.market.units import notional, parse_amount

from ..worlds.market.markets import holds
from .sessions import RULES, SIX, bars_of, eventful, inputs_for, threshold

WORLD = MarketWorld()
THOUSAND = generate(["A", "B"], 1000, 11, volume="60")
SHORT = generate(["A", "B"], 50, 3, volume="60")
PURSE = ("main", "USD")


def steps_of(advanced: Iterable[Advanced]) -> list[tuple[bytes, Any, str]]:
    """All that can be compared of steps: what is recorded, the delta, and the state's fingerprint."""
    return [(msgspec.json.encode(one.step), one.delta, one.state.fingerprint) for one in advanced]


# --- one account, counted in every way ------------------------------------------------------------


class Counted:
    """An account that knows only fills as they were recorded."""

    def __init__(self, cash: int) -> None:
        self.cash, self.held = cash, Counter[str]()

    def take(self, step: Step) -> None:
        for fill in step.fills:
            quantity, price, fee = map(parse_amount, (fill.quantity, fill.price, fill.commission))
            sign = 1 if fill.side == "buy" else -1
            self.held[fill.symbol] += sign * quantity
            self.cash -= sign * notional(price, quantity) + fee
            assert fill.placed < fill.at <= step.step
            assert parse_amount(fill.low) <= price <= parse_amount(fill.high)


def assert_one_account(state: State, counted: Counted) -> None:
    """The state, the journal in it, and what was recorded say the same, exactly."""
    (journal, positions) = ({key: value for _, key, value in state.facts(name)} for name in ("journal", "position"))
    ledgers = journal[PURSE]
    assert counted.cash == state.get("cash", PURSE) == ledgers.cash
    held = {symbol: position.quantity for (_, symbol), position in positions.items() if position.quantity}
    assert held == {symbol: quantity for symbol, quantity in counted.held.items() if quantity}
    assert sum(ledgers) == 0
    assert ledgers.inventory == sum(position.cost for position in positions.values())
    assert -ledgers.realised == sum(position.realised for position in positions.values())
    assert ledgers.fees == sum(position.fees for position in positions.values())
    worth = sum(notional(state.get("bar", (symbol,)).close, quantity) for symbol, quantity in held.items())
    assert state.get("book", PURSE).equity == counted.cash + worth


@pytest.mark.parametrize("kind", RULES)
def test_state_record_and_journal_are_one_account(kind: str, tmp_path: Any) -> None:
    inputs = eventful(kind, THOUSAND)
    with Desk.at(tmp_path / "out", inputs, THOUSAND) as desk:
        desk.run()
        last = desk.broker.state
        assert desk.broker._ledger.verify() == []
        records = list(desk.broker.records())
    state, seen, bars = inputs.parts()[3], Counter[str](), 0
    counted = Counted(state.get("cash", PURSE))
    for number, (step, delta) in enumerate(read(records)):
        state = state.apply(delta)
        counted.take(step)
        assert_one_account(state, counted)
        bars += step.bars
        assert step.step == bars == state.get("clock", ())
        if number % 50 == 0:
            holds(state)
        seen.update((step.verdict, *(breach.number for breach in step.breaches), *("fill" for _ in step.fills)))
    holds(state)
    assert bars == 1000
    assert state == last
    assert all(seen[name] >= least for name, least in {"fill": 60, "approve": 60, "reject": 40, "hold": 20}.items()), (
        seen
    )
    assert {"WG452", "WG456", "WG459"} <= seen.keys()


def read(records: Iterable[Any]) -> Iterator[tuple[Step, Any]]:
    from worldgate.trading.files import recorded

    return recorded(records)


# --- the same from everywhere ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", RULES)
def test_the_same_inputs_give_the_same_steps(kind: str) -> None:
    inputs = eventful(kind, SHORT)
    assert steps_of(session(inputs, SHORT)) == steps_of(session(inputs, generate(["A", "B"], 50, 3, volume="60")))


def gappy() -> Bars:
    """`SHORT` without some bars of B: read with `gaps="leave"`."""
    columns = {symbol: [list(SHORT.column(symbol, name)) for name in module.FIELDS] for symbol in "AB"}
    for at in range(10, 50, 7):
        for column in columns["B"]:
            column[at] = 0
    return replace(SHORT, _columns=columns)


@pytest.mark.parametrize("bars", [SHORT, gappy()], ids=["whole", "with gaps"])
@pytest.mark.parametrize("kind", RULES)
def test_it_goes_on_from_any_step(kind: str, bars: Bars) -> None:
    inputs = eventful(kind, bars)
    whole = list(session(inputs, bars))
    wanted = steps_of(whole)
    assert sum(one.step.bars for one in whole) == 50
    assert {one.step.verdict for one in whole} >= {"approve", "reject"}
    for number, one in enumerate(whole):
        kept = State.of(SCHEMA, one.state.facts())  # as a store would give it back
        assert steps_of(session(inputs, bars, kept)) == wanted[number + 1 :]


def test_gaps_are_those_of_a_file(tmp_path: Any) -> None:
    """The bars with gaps above are bars that can be read."""
    write_csv(gappy(), tmp_path / "bars.csv")
    found = read_bars([tmp_path / "bars.csv"], gaps="leave")
    assert found.digest == gappy().digest
    assert not found.whole


def test_how_far_silence_is_summed_up_changes_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = eventful("reversion", SHORT)
    long = list(session(inputs, SHORT))
    monkeypatch.setattr(module, "SPAN", 3)
    short = list(session(inputs, SHORT))
    assert len(short) > len(long)
    assert short[-1].state == long[-1].state
    said = [[msgspec.structs.replace(one.step, bars=1) for one in run if one.step.signals] for run in (short, long)]
    assert said[0] == said[1]


def test_the_state_is_that_of_stepping_through_it_all() -> None:
    """Each bar and each approved order through the world itself, and nothing else."""
    state, bars = (inputs := eventful("crossover", SHORT)).parts()[3], SHORT.ticks()
    for one in session(inputs, SHORT):
        actions = [*islice(bars, one.step.bars), *map(parse, one.step.actions if one.step.verdict == "approve" else ())]
        for action in actions:
            moved = WORLD.step(state, action)
            assert moved.observation["ok"]
            state = moved.state
        assert state == one.state


# --- plans ----------------------------------------------------------------------------------------


class Script:
    """Proposes texts as actions at given clocks."""

    def __init__(self, **actions: Sequence[str]) -> None:
        self.clock, self.actions = 0, {int(at.removeprefix("at")): texts for at, texts in actions.items()}

    def observe(self, bars: Iterable[tuple[str, Bar]]) -> None:
        self.clock += 1

    def skim(self, rows: Iterable[Sequence[int]]) -> tuple[int, bool]:
        taken = 0
        for taken, _ in enumerate(rows, 1):
            self.clock += 1
            if self.clock in self.actions:
                return taken, True
        return taken, False

    def look(self, bars: Iterable[tuple[str, Bar]]) -> None:
        pass

    def propose(self, state: State) -> Proposal:
        assert state.get("clock", ()) == self.clock
        return Proposal(tuple(self.actions[self.clock]), (), ())


def played(
    bars: Bars, script: Any, *, mode: str = "enforce", budget: dict[str, Any] | None = None, **measures: Any
) -> list[Advanced]:
    """The session of a script, under these limits."""
    policy = make_policy({"version": 1, "world": "market", "mode": mode, "measures": measures}, "a test")
    first = inputs_for(bars, [threshold(bars.symbols[0], "1", "9000")], short=True).parts()[3]
    return list(Session(first, script, bars.symbols, policy, Budget.of(budget or {})).run(bars))


def both(*rows: str) -> Bars:
    """The same bars for A and B."""
    a, b = (bars_of(symbol, *rows) for symbol in "AB")
    return Bars.of(a.times, {**a._columns, **b._columns})


TEN = both(*["10 10 10 10"] * 4)


def decided(advanced: list[Advanced]) -> Advanced:
    """The first step with orders."""
    return next(one for one in advanced if one.step.actions)


def test_orders_are_placed_together_or_not_at_all() -> None:
    plan = ("buy 10 A", "buy 50 B")
    one = decided(played(TEN, Script(at2=plan), position_share={"max": "0.4"}))
    assert one.step.verdict == "reject"
    assert one.step.actions == plan
    assert [(breach.number, breach.step) for breach in one.step.breaches] == [("WG456", "s2")]
    state = inputs_for(TEN, [threshold("A", "1", "9000")], short=True).parts()[3]
    for tick in islice(TEN.ticks(), 2):
        state = WORLD.step(state, tick).state
    assert one.state == state, "nothing but the bars has happened"
    assert not state.select("order")

    one = decided(played(TEN, Script(at2=plan), position_share={"max": "0.5"}))
    assert one.step.verdict == "approve"
    assert sorted(order.symbol for _, _, order in one.state.facts("order")) == ["A", "B"]


def test_a_rejected_plan_does_not_stop_the_session() -> None:
    found = played(TEN, Script(at1=["buy 90 A"], at3=["buy 1 A"]), position_share={"max": "0.5"})
    assert [one.step.verdict for one in found] == ["reject", "approve", "hold"]
    assert [fill.quantity for fill in found[-1].step.fills] == ["1"]


def test_a_later_order_of_a_plan_sees_the_earlier_ones() -> None:
    """Each of two orders alone is within the limit; both are not."""
    limits = {"gross_exposure": {"max": "100"}}
    assert decided(played(TEN, Script(at1=["buy 6 A"]), **limits)).step.verdict == "approve"
    assert decided(played(TEN, Script(at1=["buy 6 B"]), **limits)).step.verdict == "approve"
    (breach,) = decided(played(TEN, Script(at1=["buy 6 A", "buy 6 B"]), **limits)).step.breaches
    assert (breach.found, breach.allowed, breach.margin, breach.step) == ("120", "100", "20", "s2")


LIMITS = {
    "cash": ("WG450", {"min": "500"}, "buy 60 A", ("400", "500", "100")),
    "leverage": ("WG452", {"max": "0.5"}, "buy 60 A", ("0.6", "0.5", "0.1")),
    "gross_exposure": ("WG453", {"max": "500"}, "sell 60 A", ("600", "500", "100")),
    "net_short": ("WG464", {"max": "500"}, "sell 60 A", ("600", "500", "100")),
    "position_value": ("WG455", {"max": "99.99"}, "buy 10 A", ("100", "99.99", "0.01")),
    "position_share": ("WG456", {"max": "0.1"}, "buy 11 A", ("0.11", "0.1", "0.01")),
    "order_quantity": ("WG457", {"max": "9"}, "buy 10 A", ("10", "9", "1")),
    "order_value": ("WG458", {"max": "100"}, "buy 10 A limit 11", ("110", "100", "10")),
    "turnover": ("WG459", {"max": "0.05"}, "buy 6 A", ("0.06", "0.05", "0.01")),
    "price_deviation": ("WG461", {"max": "0.05"}, "buy 1 A limit 9", ("0.1", "0.05", "0.05")),
    "opening": ("WG462", {"max": "0"}, "buy 1 A", ("10", "0", "10")),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_refusal_says_what_was_found_what_is_allowed_and_by_how_much(name: str) -> None:
    number, limit, action, amounts = LIMITS[name]
    (breach,) = decided(played(TEN, Script(at1=[action]), **{name: limit})).step.breaches
    assert (breach.number, breach.rule) == (number, f"measures.{name}")
    assert (breach.found, breach.allowed, breach.margin) == amounts
    assert breach.message
    allowed = dict.fromkeys(limit, amounts[0])
    assert decided(played(TEN, Script(at1=[action]), **{name: allowed})).step.verdict == "approve", "up to it"


def test_a_standing_limit_refuses_what_opens_and_lets_out() -> None:
    bars = bars_of("A", "10 10 10 10", "10 10 10 10", "5 5 5 5", "5 5 5 5", "5 5 5 5", "5 5 5 5")
    script = Script(at1=["buy 60 A"], at3=["buy 1 A"], at4=["sell 60 A"], at5=["buy 1 A"])
    found = [one.step for one in played(bars, script, drawdown={"max": "0.2"}) if one.step.actions]
    assert [step.verdict for step in found] == ["approve", "reject", "approve", "reject"]
    (breach,) = found[1].breaches
    assert (breach.number, breach.found, breach.allowed, breach.margin) == ("WG460", "0.3", "0.2", "0.1")


def test_shadow_lets_it_happen_and_says_so() -> None:
    one = decided(played(TEN, Script(at1=["buy 60 A"]), mode="shadow", leverage={"max": "0.5"}))
    assert one.step.verdict == "approve"
    assert {breach.number for breach in one.step.breaches} == {"WG452"}
    assert one.state.select("order")


@pytest.mark.parametrize(
    ("actions", "number"),
    [
        (["tick 2013-01-09 A 1 1 1 1 1"], "WG327"),
        (["deposit 1000000 USD"], "WG327"),
        (["buy 1 A", "deposit 1000000 USD"], "WG327"),
        (["hold everything"], "WG201"),
        (["buy nan A"], "WG201"),
        (["buy 1 C"], "WG234"),
        (["buy 0.5 A"], "WG236"),
        (["buy 1 A id 3", "buy 1 A id 3"], "WG238"),
        (["buy 100000 A"], "WG240"),
        (["cancel 7"], "WG242"),
        ([""], "WG201"),
    ],
)
def test_what_no_plan_may_do_is_rejected_whole(actions: list[str], number: str) -> None:
    """Whatever a planner says: it is refused with a number, and only the bars happen."""
    found = played(TEN, Script(at2=actions))
    one = decided(found)
    assert one.step.verdict == "reject"
    assert one.step.breaches[0].number == number
    assert found[-1].state == played(TEN, Script())[-1].state


def test_a_plan_beyond_its_budget_is_rejected_and_the_next_has_its_own() -> None:
    script = Script(at1=["buy 1 A", "buy 1 B"], at2=["buy 1 A"], at3=["buy 1 A"])
    found = [one.step for one in played(TEN, script, budget={"steps": 1}) if one.step.actions]
    assert [step.verdict for step in found] == ["reject", "approve", "approve"]
    (breach,) = found[0].breaches
    assert breach.number == "WG501"
    assert "at most 1" in str(breach.allowed)


def test_a_planner_that_fails_ends_the_session_before_anything_is_placed() -> None:
    class Failing(Script):
        def propose(self, state: State) -> Proposal:
            raise OutOfStep("a view at 1", "another clock")

    with pytest.raises(OutOfStep):
        played(TEN, Failing(at2=["buy 1 A"]))


# --- bars that do not follow ----------------------------------------------------------------------


def test_a_bar_that_the_market_refuses_ends_the_session_with_its_number() -> None:
    bars = bars_of("A", "10 10 10 10", "10.005 10.005 10.005 10.005", "10 10 10 10")
    for actions in ({}, {"at1": ["buy 1 A"]}):
        with pytest.raises(BadFeed, match=r"WG380.*WG244"):
            played(bars, Script(**actions))


def test_every_refusal_of_inputs_is_numbered() -> None:
    inputs = eventful("threshold", SHORT)
    other: list[Inputs] = [
        msgspec.structs.replace(inputs, strategy={}),
        msgspec.structs.replace(inputs, policy={"version": 1, "world": "market", "measures": {"luck": {"max": 1}}}),
        msgspec.structs.replace(inputs, budget={"steps": -1}),
        msgspec.structs.replace(inputs, market=msgspec.structs.replace(inputs.market, cash="x")),
        msgspec.structs.replace(inputs, bars=msgspec.structs.replace(inputs.bars, symbols=("A",))),
    ]
    for one in other:
        with pytest.raises(Error, match=r"WG\d{3}"):
            list(session(one, SHORT))


def test_fills_happen_after_the_bar_that_was_seen() -> None:
    """Bought at the next open, not at the close that gave the signal."""
    rows = inputs_for(SIX, [threshold("ACME", "10", "12")])
    fills = [fill for one in session(rows, SIX) for fill in one.step.fills]
    said = [(fill.side, fill.price, fill.placed, fill.at) for fill in fills]
    assert said == [("buy", "9", 2, 3), ("sell", "13", 4, 5)]


def test_a_delta_is_the_way_from_one_step_to_the_next() -> None:
    inputs = eventful("threshold", SHORT)
    first, steps = inputs.parts()[3], list(session(inputs, SHORT))
    assert first.apply(compose(*(one.delta for one in steps))) == steps[-1].state


def test_the_broker_is_one(tmp_path: Any) -> None:
    """What a session leads to is what its broker holds when it is opened again."""
    inputs = eventful("threshold", SHORT)
    with Desk.at(tmp_path, inputs, SHORT) as desk:
        desk.run()
    *_, last = session(inputs, SHORT)
    with PaperBroker.open(tmp_path, SCHEMA, inputs.parts()[3], inputs.digest, lambda: "2030-01-01T00:00:00Z") as again:
        assert again.state == last.state

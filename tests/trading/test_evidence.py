"""Evidence: one unbroken account from the first row to the last, exact, and the same in every file."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from worldgate.facts import State
from worldgate.trading import files
from worldgate.trading.desk import Desk, session
from worldgate.trading.evidence import COLUMNS, Evidence
from worldgate.worlds.market.generator import generate
from worldgate.worlds.market.units import show

from .sessions import RULES, Run, eventful, six

BARS = generate(["A", "B"], 200, 8, volume="60")


@pytest.fixture(scope="module", params=RULES)
def done(request: pytest.FixtureRequest) -> Run:
    """A session of each kind, with its rows."""
    inputs = eventful(request.param, BARS)
    tape, executions, state = [], [], inputs.parts()[3]
    evidence = Evidence(inputs.digest, state, "USD", BARS)
    for advanced in session(inputs, BARS):
        for row, events in evidence.rows([(advanced.step, advanced.delta)]):
            tape.append(row)
            executions += events
        state = advanced.state
    return Run(inputs, BARS, tape, executions, state)


def assert_adds_up(moved: dict[str, str]) -> None:
    assert Decimal(moved["after"]) - Decimal(moved["before"]) == Decimal(moved["delta"])


# --- the tape -------------------------------------------------------------------------------------


def test_each_row_begins_where_the_one_before_ended(done: Run) -> None:
    for before, after in pairwise(done.tape):
        assert after["step"] == before["step"] + after["bars"]
        for name in ("cash", "equity"):
            assert after["delta"][name]["before"] == before["delta"][name]["after"] == before[name]
        assert after["delta"]["exposure"]["before"] == before["exposure"]["gross"]
        held = Counter({symbol: Decimal(text) for symbol, text in before["positions"].items()})
        for symbol, moved in after["delta"]["positions"].items():
            assert Decimal(moved["before"]) == held[symbol]
            held[symbol] = Decimal(moved["after"])
        assert {symbol: amount for symbol, amount in held.items() if amount} == {
            symbol: Decimal(text) for symbol, text in after["positions"].items()
        }
    first, last = done.tape[0], done.tape[-1]
    assert first["step"] == first["bars"]
    assert first["delta"]["cash"]["before"] == "3000"
    assert (last["step"], last["time"]) == (200, BARS.times[-1])


def test_changes_add_up_and_worth_is_of_the_whole_book(done: Run) -> None:
    for row in done.tape:
        moved = row["delta"]
        for one in (moved["cash"], moved["equity"], moved["exposure"], *moved["positions"].values()):
            assert_adds_up(one)
        worth = {symbol: Decimal(q) * Decimal(row["prices"][symbol]) for symbol, q in row["positions"].items()}
        assert Decimal(row["equity"]) == Decimal(row["cash"]) + sum(worth.values())
        assert Decimal(row["exposure"]["gross"]) == sum(map(abs, worth.values()))
        assert Decimal(row["exposure"]["net"]) == sum(worth.values())


def test_cash_moves_by_the_fills_alone(done: Run) -> None:
    for row in done.tape:
        paid = sum(
            (1 if fill["side"] == "sell" else -1) * Decimal(fill["quantity"]) * Decimal(fill["price"])
            - Decimal(fill["commission"])
            for fill in row["fills"]
        )
        assert Decimal(row["delta"]["cash"]["delta"]) == paid


def test_a_decision_says_why(done: Run) -> None:
    seen = Counter(row["decision"] for row in done.tape)
    assert seen.keys() == {"HOLD", "APPROVED", "REJECTED"}
    for row in done.tape:
        assert bool(row["breaches"]) == (row["decision"] == "REJECTED")
        assert bool(row["actions"]) == (row["decision"] != "HOLD")
        spoken = [
            f"{said['symbol']} {said['side']}: {said['why']}" for said in row["signals"] if said["side"] != "HOLD"
        ]
        assert all(text in row["why"] for text in spoken)
        assert all(f"{skip['side']} skipped: {skip['why']}" in row["why"] for skip in row["skipped"])
        assert all(breach["message"] in row["why"] for breach in row["breaches"])
        assert len(spoken) >= len(row["skipped"])
        assert all(breach["number"].startswith("WG") for breach in row["breaches"])


# --- executions -----------------------------------------------------------------------------------


def test_executions_run_through_the_steps_book(done: Run) -> None:
    seen = 0
    for row in done.tape:
        events = done.executions[seen : seen + len(row["fills"])]
        seen += len(events)
        assert all(row["step"] - row["bars"] < event["step"] <= row["step"] for event in events)
        if not events:
            continue
        assert events[0]["cash"]["before"] == row["delta"]["cash"]["before"]
        assert events[-1]["cash"]["after"] == row["cash"]
        assert events[-1]["positions"]["after"] == row["positions"]
        if events[-1]["step"] == row["step"]:
            assert events[-1]["equity"]["after"] == row["equity"]
            assert events[-1]["exposure"]["after"] == row["exposure"]["gross"]
        for before, after in pairwise(events):
            same_bar = before["step"] == after["step"]
            for name in ("cash", "equity", "exposure") if same_bar else ("cash",):
                assert before[name]["after"] == after[name]["before"]
            assert before["positions"]["after"] == after["positions"]["before"]
        for event in events:
            closes = {s: Decimal(show(BARS.column(s, "close")[event["step"] - 1])) for s in BARS.symbols}
            worth = [Decimal(quantity) * closes[symbol] for symbol, quantity in event["positions"]["after"].items()]
            assert Decimal(event["equity"]["after"]) == Decimal(event["cash"]["after"]) + sum(worth)
            assert Decimal(event["exposure"]["after"]) == sum(map(abs, worth))
            for name in ("cash", "equity", "exposure"):
                assert_adds_up(event[name])
    assert seen == len(done.executions)


def test_a_fill_carries_its_proof(done: Run) -> None:
    for event in done.executions:
        assert event["placed"] < event["at"] == event["step"]
        assert event["time"] == BARS.times[event["at"] - 1]
        low, high = (Decimal(show(BARS.column(event["symbol"], name)[event["at"] - 1])) for name in ("low", "high"))
        assert (low, high) == (Decimal(event["low"]), Decimal(event["high"]))
        assert low <= Decimal(event["price"]) <= high
    assert len({event["event"] for event in done.executions}) == len(done.executions)
    assert {event["event"].partition(":")[0] for event in done.executions} == {done.inputs.digest[:12]}


def test_the_journal_of_all_executions_is_the_states(done: Run) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for event in done.executions:
        assert sum(Decimal(entry["amount"]) for entry in event["journal"]) == 0
        for entry in event["journal"]:
            sums[entry["ledger"]] += Decimal(entry["amount"])
    sums["cash"] += 3000
    sums["capital"] -= 3000
    found = {
        name: Decimal(show(amount)) for name, amount in done.state.get("journal", ("main", "USD"))._asdict().items()
    }
    assert {name: amount for name, amount in sums.items() if amount} == {name: a for name, a in found.items() if a}


# --- the files ------------------------------------------------------------------------------------


def floats(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(floats, value.values()))
    return any(map(floats, value)) if isinstance(value, (list, tuple)) else isinstance(value, float)


def test_amounts_are_exact_text(done: Run) -> None:
    assert not floats(done.tape)
    assert not floats(done.executions)


def test_the_three_files_say_the_same(done: Run, tmp_path: Path) -> None:
    with Desk.at(tmp_path, done.inputs, BARS, lambda: "2030-01-01T00:00:00Z") as desk:
        desk.run()
        desk.report()
    tape = json.loads((tmp_path / "tape.json").read_text())
    executions = json.loads((tmp_path / "executions.json").read_text())
    assert tape["kind"] == "tape"
    assert executions["kind"] == "executions"
    assert tape["session"] == executions["session"] == done.inputs.digest
    assert tape["inputs"] == executions["inputs"] == json.loads((tmp_path / "inputs.json").read_text())
    assert tape["rows"] == json.loads(json.dumps(done.tape))
    assert executions["rows"] == json.loads(json.dumps(done.executions))
    assert list(files.read(tmp_path / "tape.json")) == tape["rows"]
    with (tmp_path / "tape.csv").open(newline="", encoding="utf-8") as file:
        header, *cells = csv.reader(file)
    assert tuple(header) == ("schema_version", *COLUMNS)
    assert tuple(tape["rows"][0]) == COLUMNS
    plain = ("time", "decision", "why", "cash", "equity")
    for row, line in zip(tape["rows"], cells, strict=True):
        named = dict(zip(header, line, strict=True))
        assert {name: text if name in plain else json.loads(text) for name, text in named.items()} == {
            "schema_version": tape["schema_version"], **row
        }  # fmt: skip
    assert not list(tmp_path.glob("*.new"))


def test_six_bars_by_hand() -> None:
    run = six()
    assert [(row["step"], row["bars"], row["decision"]) for row in run.tape] == [
        (2, 2, "APPROVED"), (3, 1, "HOLD"), (4, 1, "APPROVED"), (6, 2, "HOLD"),
    ]  # fmt: skip
    buy, sell = run.executions
    assert (buy["symbol"], buy["side"], buy["quantity"], buy["price"], buy["commission"]) == (
        "ACME",
        "buy",
        "10",
        "9",
        "1",
    )
    assert (buy["placed"], buy["at"], buy["low"], buy["high"], buy["realised"]) == (2, 3, "9", "10", "0")
    assert buy["cash"] == {"before": "1000", "after": "909", "delta": "-91"}
    assert buy["equity"] == {"before": "1000", "after": "999", "delta": "-1"}
    assert buy["exposure"] == {"before": "0", "after": "90", "delta": "90"}
    assert buy["positions"] == {"before": {}, "after": {"ACME": "10"}}
    assert buy["journal"] == [
        {"ledger": "cash", "amount": "-91"}, {"ledger": "inventory", "amount": "90"}, {"ledger": "fees", "amount": "1"},
    ]  # fmt: skip
    assert (sell["step"], sell["time"], sell["realised"]) == (5, run.bars.times[4], "40"), "of its bar, not of its row"
    assert sell["equity"]["after"] == sell["cash"]["after"]
    assert sell["cash"] == {"before": "909", "after": "1038", "delta": "129"}
    assert sell["positions"] == {"before": {"ACME": "10"}, "after": {}}
    assert sell["journal"] == [
        {"ledger": "cash", "amount": "129"}, {"ledger": "inventory", "amount": "-90"},
        {"ledger": "realised", "amount": "-40"}, {"ledger": "fees", "amount": "1"},
    ]  # fmt: skip


def test_rows_are_a_function_of_the_record(done: Run) -> None:
    """From the steps as they are recorded and read again, the same rows."""
    first: State = done.inputs.parts()[3]
    steps = [(advanced.step, advanced.delta) for advanced in session(done.inputs, BARS)]
    rows = [row for row, _ in Evidence(done.inputs.digest, first, "USD", done.bars).rows(steps)]
    assert rows == done.tape

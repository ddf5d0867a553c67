"""Known defects of similar systems, none of which may be here: one test each, named by what must not happen."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import grimp
import pytest

from worldgate import cli
from worldgate.facts import Error, State
from worldgate.gate.budget import Budget, BudgetExceeded, Meter
from worldgate.gate.plan import make_plan
from worldgate.gate.policy import make_policy
from worldgate.gate.run import replace
from worldgate.gate.targets.broker import Entry, PaperBroker
from worldgate.gate.targets.stale import Stale
from worldgate.gate.verify import Verification
from worldgate.gate.workspace import Workspace
from worldgate.planners.strategy import StrategyPlanner, load_strategy
from worldgate.trading.desk import AnotherSession, Desk, describe, session
from worldgate.trading.inputs import load_market
from worldgate.trading.report import markdown
from worldgate.worlds.market import ONE, Bar, MarketWorld, Place, Tick
from worldgate.worlds.market.bars import BadRequest, Bars, read_bars, write_csv
from worldgate.worlds.market.generator import generate
from worldgate.worlds.market.schema import SCHEMA, Journal
from worldgate.worlds.market.units import parse_amount

from ..worlds.market.markets import flat, market
from ..worlds.market.markets import run as stepped
from .sessions import RULES, SIX, bars_of, eventful, inputs_for, run, threshold

ROOT = Path(__file__).resolve().parents[2]
WORLD = MarketWorld()
BARS = generate(["A", "B"], 60, 5, volume="60")
AT = "2030-01-01T00:00:00Z"
FREE = make_policy({"version": 1, "world": "market"}, "none")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def judged(state: State, *actions: str, **measures: Any) -> list[str]:
    """The numbers of the breaches of a plan under these limits."""
    policy = make_policy({"version": 1, "world": "market", "measures": measures}, "a test")
    plan = make_plan(actions, world="market")
    found = Verification(WORLD, state, plan, policy, Meter(Budget.of({}))).of_plan()
    return [breach.number for breach in found.decision.breaches]


def holding(cash: int = 1000, **quantities: int) -> State:
    """An account that bought so much of A and B at 100, with both at 100 now."""
    state, _ = stepped(market(cash), "tick 2024-01-01 A 100 100 100 100 9; B 100 100 100 100 9")
    for symbol, quantity in quantities.items():
        state, _ = stepped(state, f"buy {quantity} {symbol}")
    return stepped(state, "tick 2024-01-02 A 100 100 100 100 9; B 100 100 100 100 9")[0]


# --- one account ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RULES)
def test_d1_state_and_record_are_not_two_accounts(kind: str) -> None:
    """Orders priced at another bar than the one they fill at, so that what is recorded and the state drift apart."""
    found = run(
        generate(["A", "B"], 1000, 42), RULES[kind], quantity=1, most=5, cash="1000", policy={"leverage": {"max": "2"}}
    )
    assert len(found.executions) > 10
    broken = [
        after["step"]
        for before, after in pairwise(found.executions)
        if before["cash"]["after"] != after["cash"]["before"]
    ]
    assert broken == []
    last = found.executions[-1]["cash"]["after"]
    assert parse_amount(last) == found.state.get("cash", ("main", "USD")) == parse_amount(found.tape[-1]["cash"])
    assert parse_amount(found.tape[-1]["equity"]) == found.state.get("book", ("main", "USD")).equity
    posted = Counter(capital=-1000 * ONE, cash=1000 * ONE)
    for event in found.executions:
        entries = {entry["ledger"]: parse_amount(entry["amount"]) for entry in event["journal"]}
        assert sum(entries.values()) == 0
        posted.update(entries)
    assert found.state.get("journal", ("main", "USD"))._asdict() == {name: posted[name] for name in Journal._fields}
    assert [problem for holds in WORLD.properties().values() if (problem := holds(found.state))] == []


def test_d2_exposure_is_not_of_the_traded_symbol_alone() -> None:
    """A leverage of 0.6 in two symbols passing a limit of 0.5, because each is looked at by itself."""
    assert judged(holding(), "buy 3 A", leverage={"max": "0.5"}) == []
    assert judged(holding(A=3), "buy 3 B", leverage={"max": "0.5"}) == ["WG452"]
    assert judged(holding(), "buy 3 A", "buy 3 B", leverage={"max": "0.5"}) == ["WG452"]
    assert holding(A=3, B=3).get("book", ("main", "USD")).long == 600 * ONE


def test_d3_what_is_held_of_others_counts_as_worth() -> None:
    """An order refused for a share of 0.8 of the account, where the whole account makes it 0.6."""
    state = holding(A=5, B=4)
    assert state.get("cash", ("main", "USD")) == 100 * ONE
    assert judged(state, "buy 1 A", position_share={"max": "0.8"}) == []
    assert judged(state, "buy 1 A", position_share={"max": "0.59"}) == ["WG456"]


NOT_NUMBERS = ("NaN", "nan", "inf", "-inf", "Infinity", "sNaN", "true", "")


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_d4_no_amount_is_not_a_number(text: str, tmp_path: Path) -> None:
    """NaN as a quantity or a price, which passes every comparison and makes the state NaN."""
    with pytest.raises(Error, match=r"WG\d{3}"):
        parse_amount(text)
    with pytest.raises(Error, match="WG201"):
        WORLD.parse(f"buy {text} A")
    (tmp_path / "bars.csv").write_text(f"Time,Symbol,Open,High,Low,Close,Volume\n2024-01-01,A,1,1,1,{text},1\n")
    with pytest.raises(Error, match=r"WG2\d\d"):
        read_bars([tmp_path / "bars.csv"])
    with pytest.raises(Error, match=r"WG(204|381)"):
        load_market(f'{{"cash": "{text}"}}').begin(("A",))
    document = {"version": 1, "world": "market", "measures": {"leverage": {"max": text}}}
    with pytest.raises(Error, match=r"WG4\d\d"):
        make_policy(document, "a test")
    with pytest.raises(Error, match=r"WG34\d"):
        load_strategy((ROOT / "examples/strategies/threshold.json").read_text().replace('"99.5"', f'"{text}"'))


def test_d4_nor_does_it_come_in_by_the_back_door() -> None:
    state = holding()
    bar = Bar("2024-01-03", *[100 * ONE] * 4, ONE)
    for action in (
        Place("buy", float("nan"), "A"),  # type: ignore[arg-type]
        Place("buy", 1.0, "A"),  # type: ignore[arg-type]
        Place("buy", True, "A"),
        Place("buy", ONE, "A", "limit", float("inf")),  # type: ignore[arg-type]
        Tick("2024-01-03", (("A", bar._replace(close=float("nan"))),)),  # type: ignore[arg-type]
        Tick("2024-01-03", (("A", bar._replace(volume=Decimal("NaN"))),)),  # type: ignore[arg-type]
    ):
        moved = WORLD.step(state, action)
        assert moved.state is state
        assert moved.observation["refused"]["number"] == "WG246"


def test_d5_what_reduces_a_risk_is_not_refused_for_it() -> None:
    """Held beyond a limit (a price rose, a limit fell), and the sale that mends it refused by that very limit."""
    state = holding(A=10)
    limits = {
        "position_share": {"max": "0.5"}, "position_value": {"max": "200"}, "leverage": {"max": "0.1"},
        "gross_exposure": {"max": "1"}, "drawdown": {"max": "0"}, "opening": {"max": "0"}, "cash": {"min": "500"},
    }  # fmt: skip
    for sold in (1, 5, 10):
        assert judged(state, f"sell {sold} A", **limits) == []
    assert set(judged(holding(2000, A=10), "buy 1 A", **limits)) >= {"WG452", "WG453", "WG455", "WG456", "WG462"}


# --- committing -----------------------------------------------------------------------------------


def workspace(folder: Path) -> Workspace:
    folder.mkdir()
    return Workspace.make(folder, "market", first=holding())


def test_d6_a_run_is_not_carried_out_on_another_state(tmp_path: Path) -> None:
    """Two runs simulated from one state: the second overwrites the first, the first again undoes the second."""
    place = workspace(tmp_path / "it")
    one, two = (place.plan(make_plan([f"buy {n} A"], world="market"), FREE, Budget.of({})) for n in (1, 2))
    place.commit(one.id)
    after = place.state()
    with pytest.raises(Stale, match="WG601"):
        place.commit(two.id)
    with pytest.raises(Error, match=r"WG\d{3}"):
        place.commit(one.id)
    assert place.state() == after
    assert [order.quantity for _, _, order in after.facts("order")] == [ONE]


def test_d7_a_run_is_not_carried_out_elsewhere(tmp_path: Path) -> None:
    """Simulated on one account, committed into another one."""
    here, there = workspace(tmp_path / "here"), workspace(tmp_path / "there")
    proposal = here.plan(make_plan(["buy 1 A"], world="market"), FREE, Budget.of({}))
    before = there.state()
    with pytest.raises(Error, match=r"WG\d{3}"):
        there.commit(proposal.id)
    assert there.state() == before


def keep_saving(folder: str, times: int) -> None:
    """One of several processes: each save goes on from what it has seen, and is tried until it is in."""
    saved = 0
    while saved < times:
        with suppress(Error), PaperBroker.open(Path(folder), SCHEMA, holding(), "run", lambda: AT) as broker:
            moved = WORLD.step(broker.state, WORLD.parse("deposit 1 USD"))
            broker.commit([Entry("committed", {}, moved.delta)])
            saved += 1


def test_d8_processes_that_save_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each rewriting the whole store from what it read before, so that most of what was saved is gone."""
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=keep_saving, args=(str(tmp_path / "it"), 6)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with PaperBroker.open(tmp_path / "it", SCHEMA, holding(), "run", lambda: AT) as broker:
        assert len(list(broker.records())) == 18
        assert broker.state.get("cash", ("main", "USD")) == 1018 * ONE
        assert broker._ledger.verify() == []


def ran(folder: Path, inputs: Any = None, bars: Bars = BARS) -> Path:
    """A session that was run in a folder."""
    with Desk.at(folder, inputs or eventful("crossover", bars), bars, lambda: AT) as desk:
        desk.run()
        desk.report()
    return folder


def test_d9_a_file_cut_short_does_not_brick_what_was_saved(tmp_path: Path) -> None:
    """A crash in the middle of a write, and from then on every call fails in the decoder."""
    whole = ran(tmp_path / "whole")
    wanted = sha256((whole / "tape.json").read_bytes()).hexdigest()
    outcomes = set()
    for name in ("inputs.json", "bars.csv", "ledger.head", "ledger.db", "store.db", "tape.json", "executions.json"):
        for part in (0, 1, 2):
            folder = tmp_path / "cut"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(whole, folder)
            content = (folder / name).read_bytes()
            (folder / name).write_bytes(content[: len(content) * part // 3])
            try:
                ran(folder)
                assert sha256((folder / "tape.json").read_bytes()).hexdigest() == wanted
                outcomes.add((name, "mended"))
            except Error as error:
                outcomes.add((name, error.number))
    assert {name for name, how in outcomes if how == "mended"} >= {"tape.json", "executions.json", "bars.csv"}
    refused = {number for _, number in outcomes if number != "mended"}
    assert refused == {"WG381", "WG703", "WG704"}


def test_d9_nor_does_a_write_leave_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "it"
    replace(place, b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace(place, b"after")
    assert place.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


# --- who decides ----------------------------------------------------------------------------------


def test_d10_a_plan_does_not_bring_its_own_state_or_limits(tmp_path: Path) -> None:
    """A caller who sends a starting state with a million in cash and no limits, and has it committed."""
    assert not {"limit", "limits", "policy", "risk"} & set(SCHEMA.relations), "limits are not facts"
    for action in ("deposit 999999900 USD", "withdraw 1 USD", "tick 2024-01-09 A 1 1 1 1 1"):
        assert judged(holding(), action) == ["WG327"]
        place = workspace(tmp_path / action.split()[0])
        before = place.state()
        proposal = place.plan(make_plan([action, "buy 1 A"], world="market"), FREE, Budget.of({}))
        assert not proposal.approved
        with pytest.raises(Error, match=r"WG\d{3}"):
            place.commit(proposal.id)
        assert place.state() == before
    assert judged(holding(), "set cash 1") == ["WG201"]


def test_d11_a_policy_holds_whatever_state_there_is(tmp_path: Path) -> None:
    """Limits copied into the first state, so that a tighter policy later is ignored, under its old hash."""
    state = holding(A=1)
    assert judged(state, "buy 1 A", leverage={"max": "2"}) == []
    assert judged(state, "buy 1 A", leverage={"max": "0.01"}) == ["WG452"]
    loose, tight = (eventful("crossover", BARS, policy={"leverage": {"max": limit}}) for limit in ("2", "0.01"))
    assert loose.digest != tight.digest
    ran(tmp_path / "it", loose)
    with pytest.raises(AnotherSession):
        ran(tmp_path / "it", tight)
    edited = (tmp_path / "it" / "inputs.json").read_text().replace('"max": "2"', '"max": "9"')
    (tmp_path / "it" / "inputs.json").write_text(edited)
    with pytest.raises(AnotherSession):
        ran(tmp_path / "it", loose)


def test_d12_nothing_is_not_approved() -> None:
    """A planner that failed, or whose actions nobody knows, giving an empty plan, which passes."""
    with pytest.raises(Error, match=r"WG\d{3}"):
        make_plan([], world="market")
    assert judged(holding(), "wish 1 A") == ["WG201"]
    assert judged(holding(), "buy 1 A", "wish 1 A") == ["WG201"], "what is known is not done without what is not"


def test_d13_a_budget_is_never_overshot_and_never_the_callers_alone() -> None:
    """Limits that the caller sets without a ceiling, work that is done before it is counted, counters beyond limits."""
    wish, ceiling = Budget.of({"steps": 10**9, "money": "unlimited EUR"}), Budget.of({"steps": 2, "money": "1 EUR"})
    budget, lowered = wish.under(ceiling)
    assert {"steps", "money"} <= set(lowered)
    meter = Meter(budget)
    for _ in range(2):
        meter.settle(meter.reserve("steps"))
    with pytest.raises(BudgetExceeded) as caught:
        meter.reserve("steps")
    assert meter.used("steps") == 2
    shape = caught.value.to_json()
    assert (shape["code"], shape["limiter"]) == ("budget_exceeded", "steps")
    assert shape["budgets"]["budget"]["steps"] == shape["budgets"]["budget_state"]["steps"] == 2
    plan = make_plan(["buy 1 A"] * 3, world="market")
    found = Verification(WORLD, holding(), plan, FREE, Meter(ceiling)).of_plan()
    assert [breach.number for breach in found.decision.breaches] == ["WG501"]
    assert found.simulation.steps == (), "refused before any of it was simulated"


# --- failing --------------------------------------------------------------------------------------


SERVERS = {"asyncio", "fastapi", "flask", "http.server", "socketserver", "starlette", "uvicorn", "wsgiref", "xmlrpc"}
BUSY = """
import sys
from pathlib import Path
from tests.trading.test_defects import *
opened = []
sys.addaudithook(lambda event, args: opened.append(args) if event == "socket.bind" else None)
folder = Path(sys.argv[1])
place = workspace(ran(folder / "session") / "account")
place.commit(place.plan(make_plan(["buy 1 A"], world="market"), FREE, Budget.of({})).id)
import socket; socket.socket().bind(("127.0.0.1", 0))
print(len(opened))
"""


def test_d14_there_is_no_door_that_anyone_may_use(tmp_path: Path) -> None:
    """A service that answers whoever asks, with one store for all who do: what is here listens to nobody, and what a
    workspace keeps is its owner's alone. Whoever lets it listen must say here who may."""
    done = subprocess.run(
        [sys.executable, "-c", BUSY, str(tmp_path)], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60,
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}, umask=0,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "1\n"), f"that of the test itself is seen, and no other {done.stderr}"
    kept = tmp_path / "session" / "account" / ".worldgate"
    assert kept.stat().st_mode & 0o077 == 0
    graph = grimp.build_graph("worldgate", include_external_packages=True)
    found = {(name, used) for used in SERVERS & graph.modules for name in graph.find_modules_that_directly_import(used)}
    assert found == set()
    assert "socket" in graph.modules, "what is imported is seen"


Told = Callable[..., tuple[int, Any]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Told:
    """The command line, in an empty directory: its exit code and the JSON that it prints."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, Any]:
        monkeypatch.setattr(sys, "argv", ["worldgate", *words, "--json"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return int(ended.value.code or 0), json.loads(out)

    return call


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A strategy and bars that fit, and things that do not."""
    write_csv(BARS, tmp_path / "bars.csv")
    strategy = inputs_for(BARS, RULES["threshold"]).strategy
    (tmp_path / "good.json").write_text(json.dumps(strategy))
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "text.csv").write_text("nothing\nof use\n")
    (tmp_path / "bytes").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "policy.yaml").write_text("version: 1\nworld: filesystem\n")
    (tmp_path / "market.yaml").write_text("cash: a lot\n")
    return tmp_path


def test_d15_no_store_is_not_a_store_that_says_ok(told: Told, files: Path) -> None:
    """A store that could not be opened, and every save answered with success."""
    (files / "out").mkdir()
    (files / "out" / "store.db").mkdir()
    (files / "file").touch()
    run_ = ("market", "run", "good.json", "--bars", "bars.csv", "--out")
    for out in ("out", "file", "file/below", "/proc/none"):
        code, said = told(*run_, out)
        assert code == 1
        assert said["error"]["number"].startswith("WG")
        assert said["error"]["number"] != "WG999"
    code, said = told(*run_, "fine")
    assert code == 0
    shutil.rmtree(files / "fine" / "store.db", ignore_errors=True)
    for path in (files / "fine").glob("store.db*"):
        path.unlink()
    (files / "fine" / "store.db").mkdir()
    code, said = told(*run_, "fine")
    assert (code, "error" in said) == (1, True)
    assert said["error"]["number"] != "WG999"


BAD: Iterable[tuple[str, ...]] = (
    ("market", "run", "none.json", "--bars", "bars.csv"),
    ("market", "run", "bad.json", "--bars", "bars.csv"),
    ("market", "run", "bytes", "--bars", "bars.csv"),
    ("market", "run", "good.json"),
    ("market", "run", "good.json", "--bars", "none.csv"),
    ("market", "run", "good.json", "--bars", "text.csv"),
    ("market", "run", "good.json", "--bars", "bytes"),
    ("market", "run", "good.json", "--bars", "."),
    ("market", "run", "good.json", "--bars", "bars.csv", "--policy", "policy.yaml"),
    ("market", "run", "good.json", "--bars", "bars.csv", "--policy", "bytes"),
    ("market", "run", "good.json", "--bars", "bars.csv", "--market", "market.yaml"),
    ("market", "run", "good.json", "--bars", "bars.csv", "--market", "bytes"),
    ("market", "run", "good.json", "--bars", "bars.csv", "--budget", "steps=NaN"),
    ("market", "run", "good.json", "--bars", "bars.csv", "--budget", "luck=1"),
    ("market", "run", "good.json", "--bars", "bars.csv", "--out", "bars.csv"),
    ("market", "run", "good.json", "--bars", "bars.csv", "--out", "."),
    ("market", "open", "--bars", "bars.csv", "--at", "61", "place"),
    ("market", "feed", "--bars", "bars.csv"),
    ("replay", "none.json"),
    ("replay", "bytes"),
    ("replay", "bars.csv"),
    ("replay", "."),
)


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_d16_bad_input_is_an_error_with_a_number(told: Told, files: Path, words: tuple[str, ...]) -> None:
    """An exception's own text for what a caller got wrong, or an answer that says all is well."""
    before = {path.name for path in files.iterdir()}
    code, said = told(*words)
    assert code == 1
    assert set(said) == {"error"}
    assert {"number", "title", "found", "expected"} <= set(said["error"])
    assert said["error"]["number"] != "WG999"
    assert {path.name for path in files.iterdir()} == before


@pytest.mark.parametrize("spoil", [b"\xff", b"\n", b"\x1b[2J"])
def test_d16_what_replay_finds_can_be_said(told: Told, files: Path, spoil: bytes) -> None:
    assert told("market", "run", "good.json", "--bars", "bars.csv", "--out", "out")[0] == 0
    assert told("replay", "out/tape.json")[0] == 0
    content = (files / "out" / "tape.json").read_bytes()
    (files / "out" / "tape.json").write_bytes(content[:-200] + spoil + content[-200:])
    code, said = told("replay", "out/tape.json")
    assert code == 2
    assert said["line"] > 2
    assert said["found"] != said["expected"]


# --- the same for everyone ------------------------------------------------------------------------


def test_d17_nothing_depends_on_hashes_or_chance(tmp_path: Path) -> None:
    """Random ids, and positions in the order of a set: other bytes in every process."""
    code = (
        "import sys; from pathlib import Path; from hashlib import sha256; from tests.trading.test_defects import *\n"
        "folder = ran(Path(sys.argv[1]))\n"
        "names = sorted(path for path in folder.iterdir() if not path.name.startswith(('ledger', 'store')))\n"
        "print(sha256(b''.join(path.name.encode() + path.read_bytes() for path in names)).hexdigest())"
    )
    found = set()
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / seed)], cwd=ROOT, check=False, capture_output=True, text=True,
            env=os.environ | {"PYTHONHASHSEED": seed}, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1


SETTINGS: dict[str, dict[str, Any]] = {
    "evaluate_every": {"timing": {"evaluate_every": 2}},
    "start": {"timing": {"start": 9}},
    "order_quantity": {"sizing": {"order_quantity": 2, "max_position": 4}},
    "max_position": {"sizing": {"order_quantity": 1, "max_position": 2}},
    "max_position_by_symbol": {"sizing": {"order_quantity": 1, "max_position": 4, "max_position_by_symbol": {"A": 1}}},
    "max_new_exposure": {"sizing": {"order_quantity": 1, "max_position": 4, "max_new_exposure": 1}},
    "allow_short": {"sizing": {"order_quantity": 1, "max_position": 4, "allow_short": True}},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_d18_no_setting_is_without_effect(name: str) -> None:
    """A frequency, a limit or a size that is read, checked and never used."""

    def orders(**changed: Any) -> list[tuple[int, tuple[str, ...]]]:
        inputs = inputs_for(BARS, [threshold("A", "99", "101")], quantity=1, most=4, short=True)
        strategy = (
            inputs.strategy | {"sizing": {"order_quantity": 1, "max_position": 4, "allow_short": False}} | changed
        )
        made = describe(load_strategy(json.dumps(strategy)), FREE, Budget.of({}), inputs.market, BARS)
        return [(one.step.step, one.step.actions) for one in session(made, BARS) if one.step.actions]

    plain, other = orders(), orders(**SETTINGS[name])
    assert plain
    assert other != plain
    if name == "evaluate_every":
        assert {step % 2 for step, _ in other} == {1}, "at the first tick and every second one after it"


def test_d19_bars_are_known_by_what_they_are(tmp_path: Path) -> None:
    """Two data sets under one name, and a generator that overwrites the one that others use."""
    one, other = generate(["A"], 5, 1), generate(["A"], 5, 2)
    write_csv(one, tmp_path / "bars.csv")
    with pytest.raises(BadRequest):
        write_csv(other, tmp_path / "bars.csv")
    assert read_bars([tmp_path / "bars.csv"]).digest == one.digest != other.digest
    found = ran(tmp_path / "out")
    with pytest.raises(Error, match="WG382"):
        ran(found, eventful("crossover", BARS), generate(["A", "B"], 60, 6, volume="60"))


def test_d20_a_table_of_the_report_has_as_many_cells_as_columns() -> None:
    """A bar in a reason, which ends the cell and shifts all that follow."""
    found = run(SIX, [threshold("ACME", "10", "12")], name="a|b|c", policy={"leverage": {"max": "0.05"}}, minimum="1")
    lines = markdown(found.summary()).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert len(tables) > 5
    for before, after in pairwise(lines):
        if before.startswith("|") and after.startswith("|"):
            assert len(cells(before)) == len(cells(after)) > 1


def cells(line: str) -> list[str]:
    """The cells of a line of a table: a bar that is escaped ends none."""
    return line.replace("\\\\", "").replace("\\|", "").strip().strip("|").split("|")


def test_d21_cash_is_not_spent_twice_in_one_step() -> None:
    """Two orders of one bar, each of them affordable, together not; left to others to refuse both."""
    a, b = (bars_of(symbol, "60 60 60 60", "60 60 60 60") for symbol in "AB")
    both = Bars.of(a.times, {**a._columns, **b._columns})
    inputs = inputs_for(both, [threshold("A", "70", "90"), threshold("B", "70", "90")], quantity=1, cash="100")
    strategy, _, _, state = inputs.parts()
    planner, tick = StrategyPlanner(strategy), both.at(0)
    planner.observe(tick.bars)
    proposal = planner.propose(WORLD.step(state, tick).state)
    assert [str(action) for action in proposal.actions] == ["buy 1 A ioc"]
    (skipped,) = proposal.skipped
    assert (skipped.symbol, skipped.reason) == ("B", "cash left 40 < 60 needed")
    found = run(both, [threshold("A", "70", "90"), threshold("B", "70", "90")], quantity=1, cash="100")
    assert next(row["decision"] for row in found.tape if row["actions"]) == "APPROVED"
    assert [event["symbol"] for event in found.executions] == ["A"]


def test_a_price_before_the_first_bar_is_none_and_not_zero() -> None:
    """What is held and has no price valued at nothing."""
    state, _ = stepped(market(), flat(1, "10"))
    assert WORLD.step(state, WORLD.parse("buy 1 B")).observation["refused"]["number"] == "WG239"

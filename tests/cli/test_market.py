"""The market's commands, and asking a model for a plan, as a trader types them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.planners.llm.endpoint import completion, conversation, serving

EXAMPLES = Path(__file__).parents[2] / "examples"
POLICY, MARKET = str(EXAMPLES / "market" / "policy.yaml"), str(EXAMPLES / "market" / "small.yaml")
RARE = str(EXAMPLES / "market" / "rare.yaml")
BARS = str(EXAMPLES / "bars" / "tech.csv")
STRATEGIES = sorted((EXAMPLES / "strategies").glob("[!g]*.json"))


@pytest.fixture
def account(worldgate: Shell) -> Shell:
    """A small paper account after twenty bars."""
    worldgate("market", "generate", "AAPL=100", "MSFT=198", "--seed", "42", "--out", "bars.csv")
    worldgate("market", "open", "--bars", "bars.csv", "--market", MARKET, "--at", "20")
    return worldgate


def plan(shell: Shell, *steps: str) -> str:
    (shell.root / "plan.yaml").write_text(json.dumps({"world": "market", "steps": steps}))
    return "plan.yaml"


def test_generated_bars_are_the_same_again_and_replace_nothing(worldgate: Shell) -> None:
    said = worldgate("market", "generate", "A", "--steps", "30", "--seed", "1", "--out", "a.csv", "--json").json
    assert (said["bars"], said["symbols"]) == (30, ["A"])
    assert (
        worldgate("market", "generate", "A", "--steps", "30", "--seed", "1", "--out", "b.csv", "--json").json["digest"]
        == said["digest"]
    )
    assert "WG220" in worldgate("market", "generate", "A", "--out", "a.csv", code=1).err
    assert "WG901" in worldgate("market", "generate", "A", "--out", "a.parquet", code=1).err
    assert "WG901" in worldgate("market", "generate", "A=1", "A=2", "--out", "b.csv", code=1).err


def test_the_rejected_and_the_approved_scenario(account: Shell) -> None:
    reject, approve = (str(EXAMPLES / "scenarios" / f"{name}.yaml") for name in ("reject", "approve"))
    refused = account("plan", reject, "--policy", POLICY, code=2).out
    assert "(WG240) at step s2" in refused
    assert "shortest prefix refused: s1, s2" in refused
    assert "approved" in account("plan", approve, "--policy", POLICY, "--commit").out
    fed = account("market", "feed", "--bars", "bars.csv").out
    assert '~ cash("main", "USD"): 1000 -> ' in fed
    assert '~ order("main", 2): filled 0 -> 1, status "working" -> "filled"' in fed
    assert "whole: 12 records, 3 runs executed again" in account("verify").out


def test_what_comes_from_outside_is_in_no_plan(account: Shell) -> None:
    for step in ("tick 2030-01-01 AAPL 1 1 1 1 1; MSFT 1 1 1 1 1", "deposit 1000 USD", "withdraw 1 USD"):
        assert "(WG327)" in account("plan", plan(account, step), code=2).out
    moved = account("market", "transfer", "withdraw", "250.5").out
    assert '~ cash("main", "USD"): 1000 -> 749.5' in moved
    refused = account("market", "transfer", "withdraw", "750", code=2).out
    assert "(WG245)" in refused
    assert refused.endswith("nothing was done\n")
    assert "WG901" in account("market", "open", "--bars", "bars.csv", code=1).err, "it is an account already"


def test_the_kill_switch_lets_positions_be_closed_and_nothing_opened(account: Shell) -> None:
    account("plan", plan(account, "buy 2 AAPL"), "--commit")
    account("market", "feed", "--bars", "bars.csv")
    halt = str(EXAMPLES / "market" / "halt.yaml")
    assert "(WG462)" in account("plan", plan(account, "buy 1 AAPL"), "--policy", halt, code=2).out
    assert "approved" in account("plan", plan(account, "sell 2 AAPL"), "--policy", halt).out


def test_feeding_ends_with_the_bars(account: Shell) -> None:
    account("market", "generate", "AAPL=100", "MSFT=198", "--seed", "7", "--out", "others.csv")
    assert "WG901" in account("market", "feed", "--bars", "others.csv", code=1).err, "another series"
    assert "WG901" in account("market", "open", "other", "--bars", "bars.csv", "--at", "999", code=1).err
    account("market", "feed", "--bars", "bars.csv", "-n", "230")
    assert "WG901" in account("market", "feed", "--bars", "bars.csv", code=1).err


@pytest.mark.parametrize("strategy", STRATEGIES, ids=[path.stem for path in STRATEGIES])
def test_a_run_is_taken_up_replayed_and_a_changed_byte_is_found(worldgate: Shell, strategy: Path) -> None:
    run = ("market", "run", str(strategy), "--bars", BARS, "--market", MARKET, "--policy", POLICY, "--out", "out")
    first = worldgate(*run, "--json").json
    assert first["bars"] == 500
    assert worldgate(*run, "--json").json == first, "nothing is done twice"
    for name in ("tape.json", "executions.json"):
        assert worldgate("replay", f"out/{name}").out.startswith("the same: ")
    tape = worldgate.root / "out" / "tape.json"
    text = tape.read_text()
    place = text.index('"cash":"') + len('"cash":"')
    tape.write_text(text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :])
    changed = worldgate("replay", "out/tape.json", code=2).out
    assert changed.startswith("different at line ")
    assert {"report.html", "report.md", "tape.csv"} <= {path.name for path in (worldgate.root / "out").iterdir()}


def test_a_market_file_says_what_differs_and_bars_keep_to_its_ticks(worldgate: Shell) -> None:
    worldgate.write(
        market_yaml="default: {tick: 0.05, margin: 0.5}\nsymbols: {MSFT: {tick: 0.01, costs: {rate: 0.01}}}\n"
    )
    (worldgate.root / "bars.csv").write_text(
        "Date,Symbol,Close\n2020-01-01,AAPL,10.033\n2020-01-01,MSFT,10.03\n2020-01-02,AAPL,10\n2020-01-03,AAPL,11\n"
    )
    opening = ("market", "open", "--bars", "bars.csv", "--market", "market.yaml", "--at", "2")
    assert "WG215" in worldgate(*opening, "--rounding", "nearest", code=1).err
    assert "WG217" in worldgate(*opening, "--gaps", "leave", code=1).err
    worldgate(*opening, "--rounding", "nearest", "--gaps", "leave")
    plan(worldgate, "buy 1 AAPL limit 10.05", "buy 1 MSFT limit 10.02")
    changes = worldgate("plan", "plan.yaml", "--json").json["decision"]["changes"]
    assert "reserve 0 -> 10.04" in changes[0]["line"], "half of 20.08: MSFT has the default's margin"
    fed = ("market", "feed", "--bars", "bars.csv", "--gaps", "leave", "--rounding", "nearest")
    assert "clock(): 2 -> 3" in worldgate(*fed).out


def test_what_drifted_is_told_in_amounts_for_people(account: Shell) -> None:
    run = account("plan", plan(account, "buy 2 AAPL"), "--commit", "--json").json["run"]
    account("market", "feed", "--bars", "bars.csv")
    said = account("undo", run, code=2).err
    assert 'order("main", 1) was filled 0, status "working"' in said
    assert "undo that first" in said
    assert "00000000" not in said


def test_a_record_that_is_not_there_or_not_whole_says_what_to_do(worldgate: Shell) -> None:
    run = ("market", "run", str(STRATEGIES[0]), "--bars", BARS, "--out", "out")
    worldgate(*run)
    (worldgate.root / "out" / "tape.json").unlink()
    said = " ".join(worldgate("replay", "out/tape.json", code=1).err.split())
    assert "WG385" in said
    assert "has not ended" in said
    assert "Run the same `worldgate market run` again" in said
    assert "has not ended" not in worldgate("replay", "elsewhere/tape.json", code=1).err
    worldgate(*run)
    assert worldgate("replay", "out/tape.json").out.startswith("the same: ")
    (worldgate.root / "out" / "ledger.head").write_text("{}")
    said = worldgate(*run, code=1).err
    assert "WG704" in said
    assert "Restore the whole folder" in said
    assert "adopt" not in said


def test_a_strategy_that_is_none_is_named(worldgate: Shell) -> None:
    worldgate.write(bad_json="{")
    said = worldgate("market", "run", "bad.json", "--bars", BARS, code=1).err
    assert "WG340" in said
    assert "found bad.json: $: " in said


def test_a_folder_keeps_one_session(worldgate: Shell) -> None:
    worldgate("market", "generate", "AAPL", "MSFT", "--steps", "30", "--out", "bars.csv")
    run = ("market", "run", str(STRATEGIES[0]), "--bars", "bars.csv", "--out", "out")
    worldgate(*run)
    assert "WG383" in worldgate(*run, "--market", MARKET, code=1).err
    assert "WG385" in worldgate("replay", "bars.csv", code=1).err


def test_a_plan_is_played_over_futures_and_the_worst_is_a_plan(account: Shell) -> None:
    plan(account, "buy 3 AAPL", "buy 2 MSFT", "tick 50")
    ask = (
        "market",
        "risk",
        "plan.yaml",
        "--bars",
        "bars.csv",
        "--market",
        MARKET,
        "--policy",
        POLICY,
        "--futures",
        "500",
    )
    said = account(*ask, "--worst", "worst.yaml").out
    assert said.startswith("approved: P(breach) ")
    assert account(*ask).out == said, "one seed, one answer"
    assert account(*ask, "--seed", "2").out != said
    assert "tick 2000-09-09 AAPL " in (account.root / "worst.yaml").read_text()
    worst = next(line for line in said.splitlines() if "worst future" in line)
    loss = worst.split("profit and loss ")[1].split(",")[0]
    again = ("market", "risk", "worst.yaml", "--bars", "bars.csv", "--market", MARKET, "--policy", POLICY, "--replay")
    breached = "breaches" in worst
    played = account(*again, code=2 if breached else 0).out
    assert played.startswith(f"profit and loss {loss} USD of main after 50 bars, breaches ")
    assert (worst.split("breaches ")[1] if breached else "nothing") in played
    assert "WG39" in account(*ask[:3], "--bars", "bars.csv", "-C", ".", "--futures", "0", code=1).err


def test_a_policy_that_asks_about_futures_is_answered_or_refuses(account: Shell) -> None:
    account("market", "feed", "--bars", "bars.csv", "-n", "40")
    plan(account, "buy 2 AAPL", "buy 1 MSFT")
    ask = ("market", "risk", "plan.yaml", "--bars", "bars.csv", "-C", ".", "--policy")
    assert account(*ask, RARE).out.startswith("approved: P(breach) ")
    text = Path(RARE).read_text()
    (account.root / "never.yaml").write_text(text.replace("max_probability: 0.05", "max_probability: 0.0001"))
    found = account(*ask, "never.yaml", "--json", code=2).json
    assert [breach["number"] for breach in found["decision"]["breaches"]] == ["WG463"]
    assert account(*ask, "never.yaml", code=2).out.startswith("rejected: P(breach) ")
    assert "WG901" in account(*ask, RARE, "--seed", "2", code=1).err, "the policy says it"
    (account.root / "bad.yaml").write_text("version: 1\nworld: market\nrisk: {max_probability: 2}\n")
    assert "`$.risk.max_probability`" in account(*ask, "bad.yaml", code=1).err


def test_a_plan_by_hand_is_judged_by_the_bars_that_the_account_has_had(account: Shell) -> None:
    account("market", "feed", "--bars", "bars.csv", "-n", "40")
    plan(account, "buy 2 AAPL", "buy 1 MSFT")
    never = Path(RARE).read_text().replace("max_probability: 0.05", "max_probability: 0.0001")
    (account.root / "never.yaml").write_text(never)
    refused = account("plan", "plan.yaml", "--policy", "never.yaml", "--commit", code=2)
    assert "refused by risk.max_probability (WG463)" in refused.out
    run = account("plan", "plan.yaml", "--policy", RARE, "--commit", "--json").json["run"]
    with serving(completion(answer("buy 1 AAPL"))) as endpoint:
        where = ("--model", "m", "--url", f"{endpoint.url}/v1", "--repairs", "0", "--policy", "never.yaml")
        assert "P(breach) is" in account("ask", "x", *where, code=2, OPENAI_API_KEY="k").err
    assert "undone" in account("undo", run).out
    (account.root / ".worldgate" / "bars.csv").unlink()
    assert "refused by risk (WG465)" in account("plan", "plan.yaml", "--policy", RARE, code=2).out
    assert "WG901" in account("ask", "x", "--model", "m", "--policy", RARE, code=1, OPENAI_API_KEY="k").err


def test_a_session_under_a_policy_that_asks_is_judged_and_replayed(worldgate: Shell) -> None:
    worldgate.write(bars_csv="".join(Path(BARS).read_text().splitlines(keepends=True)[:301]))  # 150 of each symbol
    run = ("market", "run", str(EXAMPLES / "strategies" / "threshold.json"), "--bars", "bars.csv", "--market", MARKET)
    said = worldgate(*run, "--policy", RARE, "--out", "out").out
    assert re.match(r"done: 150 bars, [1-9]\d* plans approved, [1-9]\d* rejected\n", said)
    assert "P(breach) at most 0.05" in said
    assert worldgate("replay", "out/tape.json").out.startswith("the same: ")


def answer(*steps: str) -> str:
    return json.dumps({"steps": [{"do": step} for step in steps], "rationale": "as asked"})


def test_a_model_is_asked_and_its_refused_plan_goes_back_to_it(account: Shell) -> None:
    with serving(completion(answer("buy 20 AAPL")), completion(answer("buy 1 AAPL"))) as endpoint:
        said = account(
            "ask", "own a share of AAPL", "--model", "some-model", "--url", f"{endpoint.url}/v1", "--policy", POLICY,
            OPENAI_API_KEY="sk-secret",
        ).out  # fmt: skip
        assert "approved  run" in said
        assert "WG240" in endpoint.texts(1)[-1]
        assert len(endpoint.asked) == 2
    with serving(
        conversation(
            {"toolUse": {"toolUseId": "1", "name": "propose_plan", "input": json.loads(answer("buy 20 AAPL"))}}
        )
    ) as endpoint:
        said = account(
            "ask", "own much", "--bedrock", "--model", "some.model-v1:0", "--url", endpoint.url, "--repairs", "0",
            code=2, AWS_ACCESS_KEY_ID="AKID", AWS_SECRET_ACCESS_KEY="secret", AWS_DEFAULT_REGION="eu-central-1",
        ).err  # fmt: skip
        assert "WG366" in said
    assert "opened" in account("log", "--all").out
    assert "committed" not in account("log", "--all").out


def test_a_dead_endpoint_is_an_error(account: Shell) -> None:
    said = account("ask", "x", "--model", "m", "--url", "http://127.0.0.1:9/v1", code=1, OPENAI_API_KEY="k").err
    assert "WG353" in said

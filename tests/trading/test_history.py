"""Plans by hand under a policy that asks about futures: judged by the bars that the account has had, now and later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from worldgate.gate.audit import audit
from worldgate.gate.budget import Budget
from worldgate.gate.plan import make_plan
from worldgate.gate.policy import Policy, make_policy
from worldgate.gate.proposal import Proposal
from worldgate.gate.workspace import NotApprovedRun, Workspace
from worldgate.trading.history import History
from worldgate.trading.inputs import Market
from worldgate.trading.risk.run import opened
from worldgate.worlds.market.bars import Bars, part, read_bars
from worldgate.worlds.market.generator import generate

BARS = generate(["A", "B"], 80, 11, volume="60")
PASSED = 60


def asking(most: str = "0.9", **limits: Any) -> Policy:
    risk = {"max_probability": most, "futures": 40, "steps": 5, "block": 5}
    measures = limits or {"drawdown": {"max": "0.1"}}
    return make_policy({"version": 1, "world": "market", "measures": measures, "risk": risk}, "a test")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An account after sixty bars, which are kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "account").mkdir()
    made = Workspace.make(tmp_path / "account", "market", first=opened(Market(), part(BARS, 0, PASSED)))
    made.answers = History(made.gate)
    made.answers.keep(BARS, PASSED)
    return made


def history(place: Workspace) -> History:
    assert isinstance(place.answers, History)
    return place.answers


def planned(place: Workspace, *actions: str, policy: Policy | None = None) -> Proposal:
    return place.plan(make_plan(actions or ("buy 9 A",), world="market"), policy or asking(), Budget.of({}))


def numbers(proposal: Proposal) -> list[str]:
    return [breach.number for breach in proposal.decision.breaches]


def fed(place: Workspace, count: int) -> None:
    now = place.state().get("clock", ())
    history(place).keep(BARS, now + count)
    place.commit(place.happen([str(tick) for tick in BARS.ticks()][now : now + count]).id)


def problems(place: Workspace) -> list[str]:
    return [problem.what for problem in audit(place).problems]


def test_what_is_likely_to_breach_is_refused_and_what_is_not_is_committed(place: Workspace) -> None:
    often = {"price_deviation": {"max": 1}, "drawdown": {"max": "0.00001"}}
    assert numbers(planned(place, policy=asking("0.05", **often))) == ["WG463"]
    done = planned(place)
    place.commit(done.id)
    assert place.state().get("order", ("main", 1)).status == "working"
    back = place.undo(done.id)
    place.commit(back.id)
    assert place.state().get("order", ("main", 1)) is None
    assert problems(place) == []


def test_later_bars_change_no_judgement_of_before(place: Workspace) -> None:
    run = planned(place)
    place.commit(run.id)
    fed(place, 3)
    assert problems(place) == []
    assert history(place).rests(place.state()) == part(BARS, 0, PASSED + 3).digest
    assert place.runs.load(run.id, "run").rests == part(BARS, 0, PASSED).digest


def test_the_same_plan_over_other_bars_is_another_run(place: Workspace) -> None:
    one = planned(place)
    columns = {symbol: list(BARS._columns[symbol]) for symbol in "AB"}
    columns["A"][4] = [volume + 1 for volume in columns["A"][4][: PASSED - 1]] + columns["A"][4][PASSED - 1 :].tolist()
    history(place).keep(Bars.of(BARS.times, columns), PASSED)
    assert planned(place).id != one.id
    assert "what its futures were drawn from is not what was recorded" in problems(place)
    assert not history(place).agrees(BARS, PASSED)


@pytest.mark.parametrize("bars", ["none", "half", "one too few", "no table", "other ends"])
def test_without_the_accounts_bars_nothing_is_approved(place: Workspace, bars: str) -> None:
    run, kept = planned(place), history(place).path
    whole = kept.read_bytes()
    lines = whole.splitlines(keepends=True)
    last = lines[-1].split(b",")
    found = {
        "none": None, "half": whole[: len(whole) // 2], "one too few": b"".join(lines[:-2]), "no table": b"\xff",
        "other ends": b"".join([*lines[:-1], *[b",".join([*last[:-1], b"1\n"])]]),
    }[bars]  # fmt: skip
    kept.unlink() if found is None else kept.write_bytes(found)
    assert numbers(planned(place)) == ["WG465"]
    with pytest.raises(NotApprovedRun, match="no bars to draw them from"):
        place.commit(run.id)
    assert "judged again it is reject, recorded approve" in problems(place)
    kept.unlink(missing_ok=True)
    assert history(place).agrees(BARS, PASSED)
    history(place).keep(BARS, PASSED)
    assert problems(place) == [], "what nobody answered then is refused again as it was"
    place.commit(run.id)


def test_who_brings_no_answers_has_none(place: Workspace) -> None:
    run = planned(place)
    place.answers = None
    assert numbers(planned(place)) == ["WG465"]
    with pytest.raises(NotApprovedRun):
        place.commit(run.id)


def test_bars_are_kept_from_the_first_one_on(place: Workspace) -> None:
    bare = History(place.gate / "nowhere")
    bare.keep(BARS, 0)
    assert not bare.path.exists()
    assert read_bars(history(place).path).digest == part(BARS, 0, PASSED).digest
    for clock in (1, PASSED, PASSED + 5):
        assert history(place).agrees(BARS, clock)

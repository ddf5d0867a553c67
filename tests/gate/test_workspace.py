"""A workspace end to end: approval, compare-and-swap, undo, and everything that must fail closed."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.gate.houses import START, House, assert_whole, numbers
from tests.gate.targets.trees import Node, Symlink, assert_same_photo, photograph
from worldgate.facts import Error
from worldgate.gate.approvals import AlreadySpent, ApprovalExpired, ClockError, NotApproved, OtherDelta
from worldgate.gate.audit import audit
from worldgate.gate.budget import Budget
from worldgate.gate.ledger import LedgerDamaged, LedgerMissing
from worldgate.gate.plan import BadPlan, make_plan
from worldgate.gate.policy import Policy
from worldgate.gate.proposal import Proposal
from worldgate.gate.run import UnknownRun
from worldgate.gate.targets.refusals import CommitFailed, OutcomeUnknown
from worldgate.gate.targets.stale import Stale
from worldgate.gate.workspace import NotApprovedRun, NotAWorkspace, NothingToUndo, Tampered, Workspace

COMMITTED = ["simulated", "approved", "spent", "started", "committed"]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "w")


@pytest.fixture
def desk(tmp_path: Path) -> House:
    return House(tmp_path / "desk", {}, "support-desk")


def assert_not_committed(house: House, proposal: Proposal, error: type[Error], match: str | None = None) -> Error:
    """Committing raises that error, and changes nothing in the directory."""
    before = photograph(house.root)
    with pytest.raises(error, match=match) as found:
        house.commit(proposal)
    assert_same_photo(photograph(house.root), before)
    return found.value


# --- the way through -------------------------------------------------------------------------------


def test_simulating_changes_nothing_and_committing_does_exactly_what_was_shown(house: House) -> None:
    before = photograph(house.root)
    proposal = house.plan("mkdir build", "cp a build/a", "rm b")
    assert_same_photo(photograph(house.root), before)
    run = house.commit(proposal)
    assert (house.root / "build/a").read_bytes() == b"one\n"
    assert not (house.root / "b").exists()
    assert house.kinds(run) == COMMITTED
    assert_whole(house)


def test_a_command_goes_the_same_way(house: House) -> None:
    proposal = house.command("printf new > c; rm -r d")
    assert (house.root / "d").exists()
    assert house.kinds(house.commit(proposal)) == COMMITTED
    assert (house.root / "c").read_bytes() == b"new"
    assert not (house.root / "d").exists()
    assert_whole(house)


def test_a_desk_goes_the_same_way(desk: House) -> None:
    before = desk.state()
    run = desk.do('block(customer: "ada")')
    assert desk.kinds(run) == COMMITTED
    assert desk.state().get("customer_blocked", ("ada",)) is True
    assert desk.kinds(desk.undo(run)) == COMMITTED
    assert desk.state() == before
    assert desk.kinds(run) == [*COMMITTED, "undone"]
    assert_whole(desk)


def test_a_refused_run_cannot_be_committed(house: House) -> None:
    proposal = house.plan("rm a", protect=["a"])
    assert not proposal.approved
    assert_not_committed(house, proposal, NotApprovedRun, "reject")
    assert house.kinds(proposal.id) == ["refused"]
    assert_whole(house)


def test_what_is_not_a_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAWorkspace):
        Workspace.find(tmp_path)
    with pytest.raises(NotAWorkspace):
        Workspace.make(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NotAWorkspace):
        Workspace.make(tmp_path / "file")


def test_a_workspace_is_found_from_inside_and_keeps_its_world(desk: House) -> None:
    (desk.root / "in/side").mkdir(parents=True)
    found = Workspace.find(desk.root / "in/side")
    assert found.root == desk.root
    assert Workspace.make(desk.root, "filesystem").guarded.world.name == "support-desk"


# --- approvals -------------------------------------------------------------------------------------


def test_an_approval_is_spent_by_one_commit(house: House) -> None:
    proposal = house.plan("rm a")
    house.commit(proposal)
    assert_not_committed(house, proposal, AlreadySpent)


def test_an_approval_is_spent_although_the_directory_is_put_back(house: House) -> None:
    proposal = house.plan("rm a")
    copy = house.root.parent / "copy"
    shutil.copytree(house.root, copy, symlinks=True, ignore=shutil.ignore_patterns(".worldgate"))
    house.commit(proposal)
    shutil.copy2(copy / "a", house.root / "a")
    assert_not_committed(house, proposal, AlreadySpent)
    again = house.plan("rm a")
    assert again.id == proposal.id  # the same base, plan and effect: the same run, with a new approval
    house.commit(again)
    assert house.kinds(proposal.id) == COMMITTED * 2
    assert_whole(house)


@pytest.mark.parametrize("what", ["everything", "ledger only", "empty"])
def test_an_approval_is_spent_although_the_ledger_is_put_back(house: House, what: str) -> None:
    proposal = house.plan("rm a")
    copy = house.root.parent / "copy"
    shutil.copytree(house.root, copy, symlinks=True)
    house.commit(proposal)
    gate = house.root / ".worldgate"
    for path in gate.glob("ledger.db*"):
        path.unlink()
    if what != "empty":
        for path in (copy / ".worldgate").glob("ledger.db*"):
            shutil.copy2(path, gate / path.name)
    if what != "ledger only":
        shutil.copy2(copy / "a", house.root / "a")
    assert_not_committed(house, proposal, LedgerMissing if what == "empty" else LedgerDamaged)
    with pytest.raises((LedgerMissing, LedgerDamaged)):
        house.plan("rm b")  # nor is anything else approved before a person has looked


def test_an_approval_expires(house: House) -> None:
    proposal = house.plan("rm a")
    house.clock.now += timedelta(hours=25)
    assert_not_committed(house, proposal, ApprovalExpired)
    house.do("rm a")


def test_an_approval_may_be_used_at_once_and_until_it_expires(house: House) -> None:
    stopped = Workspace(house.root, lambda: "2026-01-01T00:00:00.000000Z")
    stopped.commit(stopped.plan(house.planned("rm a"), house.policy(), Budget.of({})).id)
    proposal = stopped.plan(house.planned("rm b"), house.policy(), Budget.of({}))
    late = Workspace(house.root, lambda: "2026-01-02T00:00:00.000000Z")
    with pytest.raises(ApprovalExpired):
        late.commit(proposal.id)


def test_a_clock_that_goes_back_ends_approvals(house: House) -> None:
    proposal = house.plan("rm a")
    house.clock.now = START - timedelta(days=1)
    assert_not_committed(house, proposal, ClockError)


def test_an_approval_covers_the_delta_that_was_shown(house: House) -> None:
    """Documents that were changed are refused, whether the ledger has their digests or not."""
    proposal, other = house.plan("rm a"), house.plan("rm b")
    runs = house.root / ".worldgate" / "runs"
    for name in ("deltas", "decision", "trajectory", "run"):
        path = runs / proposal.id / f"{name}.json"
        whole = path.read_bytes()
        path.write_bytes((runs / other.id / f"{name}.json").read_bytes())
        assert_not_committed(house, proposal, Tampered)
        path.unlink()
        assert_not_committed(house, proposal, Tampered)
        path.write_bytes(whole)
    (runs / proposal.id / "more.json").write_bytes(b"{}")
    assert_not_committed(house, proposal, Tampered)
    (runs / proposal.id / "more.json").unlink()
    with house.workspace.ledger() as ledger:  # somebody records other documents as the run's
        path.write_bytes(whole)
        deltas = runs / proposal.id / "deltas.json"
        deltas.write_bytes(deltas.read_bytes().replace(b'"a"', b'"b"'))
        digests = house.workspace.digests(proposal.id)
        ledger.append("simulated", proposal.id, {"documents": digests}, at=house.clock())
    assert_not_committed(house, proposal, OtherDelta)


def test_simulating_again_puts_changed_documents_right(house: House) -> None:
    proposal = house.plan("rm a")
    path = house.root / ".worldgate" / "runs" / proposal.id / "run.json"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"base": [', b'"base": [], "x": ['))
    assert_not_committed(house, proposal, Tampered)
    assert house.plan("rm a").id == proposal.id
    assert path.read_bytes() == whole
    house.commit(proposal)


def test_a_run_that_was_never_approved_is_not_committed(house: House) -> None:
    """The documents alone, copied into another workspace, are worth nothing."""
    proposal = house.plan("rm a")
    other = House(house.root.parent / "other")
    shutil.copytree(house.root / ".worldgate/runs", other.root / ".worldgate/runs")
    assert_not_committed(other, proposal, Tampered)
    with other.workspace.ledger() as ledger:
        digests = other.workspace.digests(proposal.id)
        ledger.append("simulated", proposal.id, {"documents": digests}, at=other.clock())
    assert_not_committed(other, proposal, NotApproved)


# --- compare and swap ------------------------------------------------------------------------------

TREE = {
    "f": b"same\n",
    "s": Symlink("f"),
    "d": None,
    "d/x": b"x",
    "other": b"?",
    "m": Node(b"meta", 0o644, {"user.k": b"v"}),
}
DRIFTS: dict[str, tuple[list[str], Callable[[Path], object]]] = {
    "content read": (["cp f new"], lambda root: (root / "f").write_bytes(b"SAME\n")),
    "content changed": (["rm f"], lambda root: (root / "f").write_bytes(b"SAME\n")),
    "content printed": (["cat f", "touch new"], lambda root: (root / "f").write_bytes(b"SAME\n")),
    "mode": (["cp f new"], lambda root: (root / "f").chmod(0o600)),
    "mode to change": (["chmod 640 f"], lambda root: (root / "f").chmod(0o600)),
    "mode of the directory": (["touch d/new"], lambda root: (root / "d").chmod(0o700)),
    "owner": (["rm f"], lambda root: os.chown(root / "f", 12, 12)),
    "group": (["rm f"], lambda root: os.chown(root / "f", -1, 12)),
    "attribute": (["rm m"], lambda root: os.setxattr(root / "m", "user.k", b"w")),
    "new attribute": (["rm f"], lambda root: os.setxattr(root / "f", "user.new", b"w")),
    "entry in a listed directory": (["ls d", "touch new"], lambda root: (root / "d/y").touch()),
    "entry gone from a listed directory": (["ls d", "touch new"], lambda root: (root / "d/x").unlink()),
    "entry in a removed directory": (["rm -r d"], lambda root: (root / "d/y").touch()),
    "name that was free": (["cp f new"], lambda root: (root / "new").write_bytes(b"mine")),
    "symlink target": (["rm s"], lambda root: ((root / "s").unlink(), (root / "s").symlink_to("d"))),
    "symlink followed": (["cat s", "touch new"], lambda root: ((root / "s").unlink(), (root / "s").symlink_to("d"))),
    "hard link": (["rm f"], lambda root: os.link(root / "f", root / "also")),
    "hard link from outside": (["rm f"], lambda root: os.link(root / "f", root.parent / "also")),
    "another inode of the same kind": (["mv d e"], lambda root: ((root / "d/x").unlink(), (root / "d").rmdir())),
    "taken back in the plan": (["chmod 600 f", "chmod 644 f", "touch new"], lambda root: (root / "f").chmod(0o640)),
}


@pytest.mark.parametrize("kind", DRIFTS)
def test_every_kind_of_fact_that_changed_makes_a_run_stale(tmp_path: Path, kind: str) -> None:
    steps, drift = DRIFTS[kind]
    house = House(tmp_path / "w", dict(TREE))
    proposal = house.plan(*steps)
    assert proposal.approved, proposal.decision
    drift(house.root)
    error = assert_not_committed(house, proposal, Stale)
    assert isinstance(error, Stale)
    assert error.differences
    assert str(error.differences[0]) in str(error)
    assert house.kinds(proposal.id) in (
        ["simulated", "approved"],
        ["simulated", "approved", "spent", "started", "failed"],
    )
    assert_whole(house)


@pytest.mark.parametrize("steps", [["cp f new"], ["rm f"], ["ls d", "mv d e"], ["chmod 600 m"]], ids=" ".join)
def test_a_change_elsewhere_does_not_hinder_a_plan(tmp_path: Path, steps: list[str]) -> None:
    house = House(tmp_path / "w", dict(TREE))
    proposal = house.plan(*steps)
    (house.root / "other").write_bytes(b"!")
    (house.root / "beside").mkdir()
    (house.root / "beside/more").touch()
    house.commit(proposal)
    assert (house.root / "other").read_bytes() == b"!"
    assert_whole(house)


@pytest.mark.parametrize(
    "drift",
    [
        lambda root: (root / "other").write_bytes(b"!!"),
        lambda root: (root / "d/y").touch(),
        lambda root: (root / "other").chmod(0o600),
    ],
)
def test_any_change_makes_a_command_s_run_stale(tmp_path: Path, drift: Callable[[Path], object]) -> None:
    house = House(tmp_path / "w", dict(TREE))
    proposal = house.command("cp f new")
    drift(house.root)
    assert_not_committed(house, proposal, Stale)
    assert house.commit(house.command("cp f new")) == proposal.id


def test_stale_says_what_would_be_decided_from_here(house: House) -> None:
    proposal = house.plan("rm d/x", "rm d/y", "rmdir d")
    (house.root / "d/x").write_bytes(b"other")
    assert "From here the same plan: approved." in str(assert_not_committed(house, proposal, Stale))
    (house.root / "d/z").touch()
    assert "From here the same plan: rejected: rmdir d fails" in str(assert_not_committed(house, proposal, Stale))


def test_a_stale_desk_says_the_same(desk: House) -> None:
    proposal = desk.plan('refund(refund: "r1", order: "o3", customer: "ben", amount: 100)')
    desk.do('block(customer: "ben")')
    with pytest.raises(Stale, match="From here the same plan: rejected"):
        desk.commit(proposal)


# --- a decision may rest on more than the plan looked at --------------------------------------------


def test_two_runs_that_are_each_right_and_together_wrong_do_not_both_commit(desk: House) -> None:
    """A customer gets 200 EUR back a day at most; the two refunds are of two orders."""
    first, second = (
        desk.plan(f'refund(refund: "r{n}", order: "o{n}", customer: "ada", amount: 12000)') for n in (1, 2)
    )
    assert first.approved
    assert second.approved
    desk.commit(first)
    before = desk.state()
    with pytest.raises((Stale, NotApprovedRun)):
        desk.commit(second)
    assert desk.state() == before
    assert_whole(desk)


def test_a_policy_s_invariant_must_hold_when_it_is_committed(house: House) -> None:
    proposal = house.plan("rm a", invariants={"not frozen": '!exists("FREEZE")'})
    assert proposal.approved
    (house.root / "FREEZE").touch()
    assert_not_committed(house, proposal, NotApprovedRun, "not frozen does not hold")
    assert house.kinds(proposal.id) == ["simulated", "approved"]  # the approval is not used up
    (house.root / "FREEZE").unlink()
    house.commit(proposal)


def test_protection_through_a_link_made_meanwhile_holds_when_it_is_committed(house: House) -> None:
    proposal = house.plan("rm d/x", protect=["/secrets/x"])
    assert proposal.approved
    (house.root / "secrets").symlink_to("d")
    assert_not_committed(house, proposal, NotApprovedRun, "protects")


# --- undo ------------------------------------------------------------------------------------------


def test_undo_leads_back_and_is_a_run_itself_and_so_is_its_undo(house: House) -> None:
    before = house.state()
    run = house.do("mkdir build", "mv a build/a", "rm -r d", "chmod 600 b")
    after = house.state()
    back = house.undo(run)
    assert house.state() == before
    assert house.kinds(run) == [*COMMITTED, "undone"]
    assert house.kinds(back) == COMMITTED
    forth = house.undo(back)
    assert house.state() == after
    assert house.kinds(back) == [*COMMITTED, "undone"]
    house.undo(forth)
    assert house.state() == before
    assert_whole(house)


@pytest.mark.parametrize(
    "steps",
    [
        ["rm a", "mv b a"],
        ["mv a t", "mv b a", "mv t b"],
        ["mv d e", "mkdir d", "mv e d/e"],
        ["ln a 0", "rm a"],
        ["ln b a2", "mv b z", "rm a"],
        ["rm -r d", "mv a d"],
        ["chmod 600 d/x", "rm d/y", "mv d e"],
        ["mv d/x x", "rm -r d", "mkdir -p d/x"],
    ],
    ids="; ".join,
)
def test_undo_leads_back_through_moves_and_links(house: House, steps: list[str]) -> None:
    before = house.state()
    run = house.do(*steps)
    after = house.state()
    back = house.undo(run)
    assert house.state() == before
    house.undo(back)
    assert house.state() == after
    assert_whole(house)


def test_undo_of_a_command(house: House) -> None:
    before = house.state()
    run = house.commit(house.command("rm -r d; echo more >> a; ln -s a link; mkdir -p x/y"))
    house.undo(run)
    assert house.state() == before
    assert_whole(house)


def test_undo_was_rehearsed(house: House) -> None:
    proposal = house.plan("cp a c")
    assert proposal.doc.undo is not None
    assert (proposal.doc.undo.approved, proposal.doc.undo.edits) == (True, len(proposal.docs["deltas"].net))  # type: ignore[attr-defined]
    refused = house.plan("cp a c", limits={"deleted": 0})
    assert refused.approved
    assert refused.doc.undo is not None
    assert not refused.doc.undo.approved
    assert refused.doc.undo.breaches[0].number == "WG430"
    run = house.commit(refused)
    assert numbers(house.workspace.undo(run)) == ["WG430"]


def test_undo_is_judged_by_the_policy_given(house: House) -> None:
    run = house.do("cp a c")
    refused = house.workspace.undo(run, house.policy(protect=["c"]))
    assert numbers(refused) == ["WG420"]
    assert_not_committed(house, refused, NotApprovedRun)


def test_undo_after_a_drift_is_stale(house: House) -> None:
    run = house.do("cp a c")
    (house.root / "c").write_bytes(b"worked on since")
    with pytest.raises(Stale) as found:
        house.workspace.undo(run)
    assert {mismatch.address for mismatch in found.value.differences} == {("size", ("c",)), ("content", ("c",))}
    (house.root / "c").write_bytes(b"one\n")
    proposal = house.workspace.undo(run)
    (house.root / "c").write_bytes(b"worked on since")
    assert_not_committed(house, proposal, Stale)


def test_only_what_was_committed_can_be_undone(house: House) -> None:
    proposal = house.plan("rm a")
    with pytest.raises(NothingToUndo):
        house.workspace.undo(proposal.id)
    with pytest.raises(UnknownRun):
        house.workspace.undo("f" * 64)


def test_an_undo_rests_on_the_ledger_and_not_on_documents(house: House) -> None:
    run = house.do("rm a")
    deltas = house.root / ".worldgate" / "runs" / run / "deltas.json"
    deltas.write_bytes(deltas.read_bytes().replace(b'"a"', b'"b"'))
    house.undo(run)
    assert (house.root / "a").read_bytes() == b"one\n"


def test_a_run_can_be_committed_undone_and_committed_again(house: House) -> None:
    run = house.do("rm a")
    house.undo(run)
    assert house.do("rm a") == run
    assert house.kinds(run) == [*COMMITTED, "undone", *COMMITTED]
    house.undo(run)
    assert (house.root / "a").exists()
    assert_whole(house)


# --- fails closed ----------------------------------------------------------------------------------


def as_nobody(act: Callable[[], Any]) -> Any:
    """Do it without root's rights: permissions count."""
    if os.geteuid() != 0:
        return act()
    os.seteuid(65534)
    try:
        return act()
    finally:
        os.seteuid(0)


def give(path: Path) -> None:
    """To nobody, where tests run as root."""
    if os.geteuid() == 0:
        for below in (path, *path.rglob("*")):
            os.chown(below, 65534, 65534, follow_symlinks=False)


def test_a_directory_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory() as place:
        monkeypatch.setenv("XDG_STATE_HOME", f"{place}/heads")
        house = House(Path(place) / "w")
        (house.root / "d").chmod(0)
        give(Path(place))
        proposal = as_nobody(lambda: house.plan("rm -r d"))
        assert not proposal.approved
        with pytest.raises(Error):
            as_nobody(lambda: house.command("ls"))
        (house.root / "d").chmod(0o755)


def test_a_ledger_that_cannot_be_written_approves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal = house.plan("rm a")
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/no")
    with pytest.raises(Error):
        house.plan("rm b")
    before = photograph(house.root)
    with pytest.raises(Error):
        house.commit(proposal)
    assert_same_photo(photograph(house.root), before)


def test_a_ledger_that_is_not_one_approves_nothing(house: House) -> None:
    (house.root / ".worldgate/ledger.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(Error, match="WG701"):
        house.plan("rm a")


def test_a_world_that_does_not_load_makes_no_workspace_usable(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "bad.yaml").write_text("world: [")
    with pytest.raises(Error):
        Workspace.make(tmp_path / "w", str(tmp_path / "bad.yaml"))
    with pytest.raises(Error):
        Workspace.find(tmp_path / "w").guarded  # noqa: B018
    (tmp_path / "v").mkdir()
    with pytest.raises(Error):
        Workspace.make(tmp_path / "v", "no-such-world")


# --- recovery of the ledger (with real kills: tests/faults/test_gate_crash.py) ------------------------


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ([], []),
        (["spent"], ["spent", "failed"]),
        (["spent", "started"], ["spent", "started", "failed"]),
        (["spent", "started", "unknown"], ["spent", "started", "unknown", "failed"]),
        (["spent", "started", "committed"], ["spent", "started", "committed"]),
        (["spent", "started", "failed"], ["spent", "started", "failed"]),
        (["spent", "started", "committed", "spent"], ["spent", "started", "committed", "spent", "failed"]),
    ],
)
def test_recovery_ends_what_began_and_nothing_else(house: House, found: list[str], left: list[str]) -> None:
    proposal = house.plan("rm a")
    pending = house.root / ".worldgate/pending"
    bodies = {"started": {"delta": proposal.docs["deltas"].net, "undoes": "", "places": {}, "one_way": []}}  # type: ignore[attr-defined]
    with house.workspace.ledger() as ledger:
        for kind in found:
            ledger.append(kind, proposal.id, bodies.get(kind, {}), at=house.clock())  # type: ignore[arg-type]
    pending.write_text(proposal.id)
    for _ in range(2):
        house.workspace.recover()
        assert house.kinds(proposal.id) == ["simulated", "approved", *left]
        assert not pending.exists()


@pytest.mark.parametrize("became", ["committed", "unknown"])
def test_recovery_looks_at_what_became_of_the_target(house: House, became: str) -> None:
    proposal = house.plan("rm a")
    with house.workspace.ledger() as ledger:
        body = {"delta": proposal.docs["deltas"].net, "undoes": "", "verdict": "approve", "budget": {}}  # type: ignore[attr-defined]
        ledger.append("spent", proposal.id, {}, at=house.clock())
        started = ledger.append("started", proposal.id, body, at=house.clock())
    (house.root / ".worldgate/pending").write_text(proposal.id)
    if became == "committed":
        guarded = house.workspace.guarded
        guarded.commit(f"{proposal.id}.{started.seq}", proposal.simulation.delta, (), seen="")
    else:
        (house.root / "a").write_bytes(b"neither before nor after")
    for _ in range(2):
        house.workspace.recover()
        assert house.kinds(proposal.id) == ["simulated", "approved", "spent", "started", became]
    house.do("rm b")  # other runs are not held up


@pytest.mark.parametrize("text", ["", "f" * 64, "not a run at all"])
def test_a_pending_file_that_names_no_run_is_dropped(house: House, text: str) -> None:
    (house.root / ".worldgate/pending").write_text(text)
    house.do("rm a")
    assert house.count() == Counter(["opened", *COMMITTED])


def test_a_commit_that_the_target_rolled_back_is_recorded_as_failed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal, workspace = house.plan("rm a"), house.workspace

    def fails(*_: Any, **__: Any) -> None:
        raise CommitFailed("the disk is full", "every write to succeed")

    monkeypatch.setattr(workspace.guarded, "commit", fails)
    with pytest.raises(CommitFailed):
        workspace.commit(proposal.id)
    with house.workspace.ledger() as ledger:
        last = ledger.find(proposal.id)[-1]
    assert (last.kind, last.data["number"]) == ("failed", "WG612")
    assert not (house.root / ".worldgate/pending").exists()
    assert_not_committed(house, proposal, AlreadySpent)
    with pytest.raises(NothingToUndo):
        house.workspace.undo(proposal.id)


def test_an_unknown_outcome_of_the_target_is_not_called_a_failure(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal, workspace, before = house.plan("rm a"), house.workspace, house.state()

    def lost(*_: Any, **__: Any) -> None:
        raise OutcomeUnknown("the disk went away", "an answer")

    monkeypatch.setattr(workspace.guarded, "commit", lost)
    with pytest.raises(OutcomeUnknown):
        workspace.commit(proposal.id)
    assert house.kinds(proposal.id)[-2:] == ["started", "unknown"]
    assert_not_committed(house, proposal, AlreadySpent)  # and it is not tried again: the approval is spent
    assert house.kinds(proposal.id)[-2:] == ["unknown", "failed"]  # what recovery found out
    assert house.state() == before


def test_commits_and_recoveries_wait_for_each_other(house: House) -> None:
    import fcntl
    import threading

    proposal = house.plan("rm a")
    with (house.root / ".worldgate/gate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=house.commit, args=(proposal,))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert (house.root / "a").exists()
    thread.join(60)
    assert not (house.root / "a").exists()


def test_a_workspace_with_a_key_signs_every_record_and_needs_it(tmp_path: Path) -> None:
    root, key = tmp_path / "root", tmp_path / "keys" / "gate.pem"
    root.mkdir()
    with pytest.raises(NotAWorkspace, match="outside the directory"):
        Workspace.make(root, key=root / "gate.pem")
    workspace = Workspace.make(root, key=key)
    proposal = workspace.plan(make_plan(["mkdir made"]), Policy.default(), Budget.of({}))
    Workspace.find(root).commit(proposal.id)
    assert all(record.signature for record in workspace.records())
    assert not audit(workspace).problems
    key.rename(tmp_path / "elsewhere")
    with pytest.raises(Error, match="WG709"):
        Workspace.find(root).plan(make_plan(["mkdir more"]), Policy.default(), Budget.of({}))


def test_the_seconds_a_command_took_are_recorded_and_change_no_document(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    first, second = (house.command(f"sleep 0.{pause}; echo hi > new").id for pause in (3, 3))
    assert first == second
    used = [record.data["used"]["seconds"] for record in house.workspace.records(first) if record.kind == "simulated"]
    assert [float(seconds) >= 0.3 for seconds in used] == [True, True]
    assert house.workspace.runs.load(first, "decision").budget["seconds"] == "0"


def test_only_events_and_undos_make_their_own_kinds_of_plan(tmp_path: Path) -> None:
    workspace = House(tmp_path / "w").workspace
    for engine in ("event", "undo"):
        with pytest.raises(BadPlan, match=engine):
            workspace.plan(make_plan(["touch x"], engine=engine), Policy.default(), Budget.of({}))

"""Approvals: one delta of one run, in time, once, ever."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from worldgate.gate.approvals import (
    AlreadySpent,
    ApprovalExpired,
    ClockError,
    NotApproved,
    OtherDelta,
    Revoked,
    approve,
    check,
    revoke,
    spend,
)
from worldgate.gate.chain import BadRecord
from worldgate.gate.ledger import Ledger, LedgerDamaged

from .ledger_asserts import AT, DELTA, EXPIRES, LATER, assert_whole, in_processes, open_ledger

OTHER = "cd" * 32


@pytest.fixture
def ledger(tmp_path):
    with open_ledger(tmp_path) as ledger:
        yield ledger


def assert_not_spendable(ledger, error, run="run", delta=DELTA, now=LATER, **options):
    """`spend` raises that error, and so does `check`, and nothing is recorded."""
    before = ledger._store.last()
    with pytest.raises(error):
        check(ledger, run, delta, now=now, **options)
    with pytest.raises(error):
        spend(ledger, run, delta, now=now, **options)
    assert ledger._store.last() == before


def test_an_approval_is_spent_once(ledger):
    token = approve(ledger, "run", DELTA, at=AT, expires=EXPIRES, by="ann")
    assert check(ledger, "run", DELTA, now=LATER, token=token).hash == token
    record = spend(ledger, "run", DELTA, now=LATER, token=token)
    assert record.data == {"approval": token, "delta": DELTA}
    assert ledger.find("run")[0].data == {"by": "ann", "delta": DELTA, "expires": EXPIRES}
    assert_not_spendable(ledger, AlreadySpent)
    assert_whole(ledger)


def test_what_was_not_approved_is_not_spendable(ledger):
    assert_not_spendable(ledger, NotApproved)
    approve(ledger, "run", DELTA, at=AT, expires=EXPIRES)
    assert_not_spendable(ledger, NotApproved, run="another")
    assert_not_spendable(ledger, NotApproved, token="ab" * 32)
    assert_not_spendable(ledger, OtherDelta, delta=OTHER)
    spend(ledger, "run", DELTA, now=LATER)


def test_an_approval_holds_from_its_moment_until_before_its_end(ledger):
    approve(ledger, "run", DELTA, at=AT, expires=EXPIRES)
    assert_not_spendable(ledger, ClockError, now="2029-12-31T23:59:59.999999Z")
    assert_not_spendable(ledger, ApprovalExpired, now=EXPIRES)
    assert_not_spendable(ledger, ApprovalExpired, now="2030-01-02T00:00:00.000001Z")
    spend(ledger, "run", DELTA, now="2030-01-01T23:59:59.999999Z")


def test_a_moment_with_a_fraction_is_compared_as_a_moment(ledger):
    approve(ledger, "run", DELTA, at="2030-01-01T00:00:00.5Z", expires="2030-01-01T00:00:01Z")
    assert_not_spendable(ledger, ClockError, now="2030-01-01T00:00:00Z")
    spend(ledger, "run", DELTA, now="2030-01-01T00:00:00.75Z")


def test_a_revoked_approval_is_gone_until_a_new_one(ledger):
    with pytest.raises(NotApproved):
        revoke(ledger, "run", at=AT)
    first = approve(ledger, "run", DELTA, at=AT, expires=EXPIRES)
    assert revoke(ledger, "run", at=LATER, why="changed my mind").data == {"approval": first, "why": "changed my mind"}
    assert_not_spendable(ledger, Revoked)
    with pytest.raises(Revoked):
        revoke(ledger, "run", at=LATER)
    second = approve(ledger, "run", DELTA, at=AT, expires=EXPIRES)
    assert_not_spendable(ledger, NotApproved, token=first)
    assert spend(ledger, "run", DELTA, now=LATER).data["approval"] == second
    with pytest.raises(AlreadySpent):
        revoke(ledger, "run", at=LATER)
    assert_not_spendable(ledger, AlreadySpent)


def test_a_new_approval_replaces_the_one_before(ledger):
    approve(ledger, "run", DELTA, at=AT, expires=EXPIRES)
    approve(ledger, "run", OTHER, at=AT, expires=EXPIRES)
    assert_not_spendable(ledger, OtherDelta)
    spend(ledger, "run", OTHER, now=LATER)
    assert_not_spendable(ledger, AlreadySpent, delta=OTHER)


@pytest.mark.parametrize(
    ("run", "delta", "at", "expires"),
    [
        ("", DELTA, AT, EXPIRES),
        ("run", "", AT, EXPIRES),
        ("run", DELTA.upper(), AT, EXPIRES),
        ("run", DELTA + "\n", AT, EXPIRES),
        ("run", DELTA, AT, AT),
        ("run", DELTA, EXPIRES, AT),
        ("run", DELTA, AT, "tomorrow"),
    ],
)
def test_malformed_approvals_are_refused(ledger, run, delta, at, expires):
    with pytest.raises(BadRecord):
        approve(ledger, run, delta, at=at, expires=expires)
    assert list(ledger.records()) == []


@pytest.mark.parametrize("malformed", [{"run": ""}, {"delta": ""}, {"delta": DELTA.upper()}])
def test_what_can_have_no_approval_is_told_so(ledger, malformed):
    approve(ledger, "run", DELTA, at=AT, expires=EXPIRES)
    assert_not_spendable(ledger, BadRecord, **malformed)


# --- once, ever -------------------------------------------------------------------------------------


def put_back(tmp_path, how):
    """Undo the spending behind the ledger's back, in one of the ways there are."""
    file = tmp_path / "work" / "ledger.db"
    if how == "older copy":
        shutil.copy(tmp_path / "older.db", file)
        return
    database = sqlite3.connect(file)
    trigger = "record_stays" if how.startswith("UPDATE") else "record_remains"
    (sql,) = database.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (trigger,)).fetchone()
    database.execute(f"DROP TRIGGER {trigger}")
    database.execute(how)
    database.execute(sql)
    database.commit()
    database.close()


@pytest.mark.parametrize(
    "how",
    [
        "older copy",
        "DELETE FROM record WHERE kind = 'spent'",
        "UPDATE record SET kind = 'failed' WHERE kind = 'spent'",
        "UPDATE record SET run = 'other' WHERE kind = 'spent'",
        "UPDATE record SET seq = -seq WHERE kind = 'spent'",
        "DELETE FROM record WHERE kind <> 'approved'",
    ],
)
@pytest.mark.parametrize("last", [True, False])
def test_a_spent_approval_stays_spent_when_the_database_is_put_back(tmp_path, how, last):
    with open_ledger(tmp_path) as ledger:
        approve(ledger, "run", DELTA, at=AT, expires=EXPIRES)
    shutil.copy(tmp_path / "work" / "ledger.db", tmp_path / "older.db")
    with open_ledger(tmp_path) as ledger:
        spend(ledger, "run", DELTA, now=LATER)
        if not last:
            ledger.append("committed", "run", {}, at=LATER)
    put_back(tmp_path, how)
    with open_ledger(tmp_path) as ledger:
        assert_not_spendable(ledger, LedgerDamaged)
        assert ledger.verify()


def test_a_lying_index_does_not_bring_an_approval_back(tmp_path):
    """The spent record is there but the index no longer has it: the chain is what counts."""
    with open_ledger(tmp_path) as ledger:
        approve(ledger, "run", DELTA, at=AT, expires=EXPIRES)
        spend(ledger, "run", DELTA, now=LATER)
    file = tmp_path / "work" / "ledger.db"
    data = file.read_bytes()
    # Only the index keeps run and kind side by side in this order.
    at = data.index(b"runspent")
    file.write_bytes(data[:at] + b"runspenu" + data[at + 8 :])
    with open_ledger(tmp_path) as ledger:
        assert_not_spendable(ledger, AlreadySpent)
        assert "database" in [damage.kind for damage in ledger.verify()]


SPENDER = f"""
import sys
from pathlib import Path
from worldgate.gate.approvals import AlreadySpent, spend
from worldgate.gate.ledger import Ledger
with Ledger.open(Path(sys.argv[2]), head=Path(sys.argv[3])) as ledger:
    try:
        spend(ledger, "run", "{DELTA}", now="{LATER}")
        print("spent")
    except AlreadySpent:
        print("late")
"""


def test_of_twenty_processes_one_spends(tmp_path):
    path, head = tmp_path / "ledger.db", tmp_path / "head.json"
    with Ledger.open(path, head=head) as ledger:
        approve(ledger, "run", DELTA, at=AT, expires=EXPIRES)
    outputs = in_processes(20, SPENDER, str(path), str(head))
    assert sorted(outputs) == ["late\n"] * 19 + ["spent\n"]
    with Ledger.open(path, head=head) as ledger:
        assert [record.kind for record in ledger.find("run")] == ["approved", "spent"]
        assert_whole(ledger)


class Approving(RuleBasedStateMachine):
    """Against a model of three variables: what the latest approval is for, and how it ended."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = open_ledger(Path(self.folder.name))
        self.live, self.spent, self.approved = {}, [], 0

    @rule(run=st.sampled_from("ab"), delta=st.sampled_from([DELTA, OTHER]))
    def approve(self, run, delta):
        self.live[run] = approve(self.ledger, run, delta, at=AT, expires=EXPIRES), delta
        self.approved += 1

    @rule(run=st.sampled_from("ab"), delta=st.sampled_from([DELTA, OTHER]))
    def spend(self, run, delta):
        token, wanted = self.live.get(run, (None, None))
        if token and wanted == delta:
            self.spent.append(spend(self.ledger, run, delta, now=LATER).data["approval"])
            assert self.spent[-1] == token
            del self.live[run]
        else:
            with pytest.raises((NotApproved, OtherDelta, AlreadySpent, Revoked)):
                spend(self.ledger, run, delta, now=LATER)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def revoke(self, data):
        run = data.draw(st.sampled_from(sorted(self.live)))
        assert revoke(self.ledger, run, at=LATER).data["approval"] == self.live.pop(run)[0]

    @invariant()
    def every_approval_is_spent_at_most_once(self):
        assert len(set(self.spent)) == len(self.spent) <= self.approved

    def teardown(self):
        assert_whole(self.ledger)
        self.ledger.close()
        self.folder.cleanup()


TestApproving = Approving.TestCase
TestApproving.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

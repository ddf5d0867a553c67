"""Checks of the gate, taken away one at a time: each time a test notices. (bench/mutation.py does it to all of them.)

A row names a module, the check, what stands in its place, and the test that fails for it. When a check is
written anew, its row is too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.mutation import GATE, ROOT, Bed

WORKSPACE, VERIFY = "tests/gate/test_workspace.py::test_", "tests/gate/test_verify.py::test_"
RISK = "tests/gate/test_risk.py::test_"
POLICY, MEASURED = "tests/gate/test_policy.py::test_", "tests/gate/test_measured.py::test_"
ROWS = [
    (
        "committing",
        "if differences := mismatches(state, base):",
        "if differences := []:",
        f"{WORKSPACE}stale_says_what_would_be_decided_from_here",
    ),
    (
        "committing",
        "approvals.check(ledger, run, covered, now=workspace.clock())",
        "pass",
        f"{WORKSPACE}an_approval_is_spent_by_one_commit",
    ),
    (
        "committing",
        'if decision.decision.verdict != "approve":',
        "if False:",
        f"{WORKSPACE}a_refused_run_cannot_be_committed",
    ),
    (
        "committing",
        'if verified.decision.verdict != "approve":',
        "if False:",
        f"{WORKSPACE}a_policy_s_invariant_must_hold_when_it_is_committed",
    ),
    (
        "committing",
        "_check_documents(workspace, ledger, run)",
        "pass",
        f"{WORKSPACE}an_approval_covers_the_delta_that_was_shown",
    ),
    ("proposing", "if drifted:", "if False:", f"{WORKSPACE}undo_after_a_drift_is_stale"),
    ("approvals", 'if moment >= parse_time(terms["expires"]):', "if False:", f"{WORKSPACE}an_approval_expires"),
    ("approvals", "if ended is not None:", "if False:", f"{WORKSPACE}an_approval_is_spent_by_one_commit"),
    (
        "verify",
        "breaches += self.transition(did)",
        "self.transition(did)",
        f"{VERIFY}the_first_stage_that_fails_is_the_one_reported",
    ),
    ("verify", "if not breaches and self.policy.risk:", "if False:", f"{RISK}a_question_that_nobody_answers_refuses"),
    ("policy", "document.risk.check()", "pass", f"{RISK}a_bad_question_is_an_error_with_its_place"),
    ("verify", "breaches += self.complete(done)", "pass", f"{VERIFY}a_simulation_that_leaves_steps_out_refuses"),
    ("verify", "if not isinstance(error, Exception):", "if True:", f"{VERIFY}a_world_that_raises_is_refused"),
    ("verify", "if name != self.world.name:", "if False:", f"{VERIFY}policy_and_plan_must_be_for_the_world"),
    ("policy", "except Exception as error:", "except BufferError as error:", f"{VERIFY}a_rule_that_raises_refuses"),
    ("policy", "transition += bounds(", "bounds(", f"{MEASURED}a_policy_judges_each_step_by_its_measures"),
    ("rules", "if found > most:", "if False:", f"{POLICY}limits"),
    ("rules", "yield from _redirected(subject, ways, globs)", "pass", f"{POLICY}a_link_on_the_way_to_a_protected_path"),
    ("measured", "if not eased:", "if False:", f"{MEASURED}limits_are_exact"),
    (
        "intent",
        "found += _undeclared(undeclared, field, said, mine)",
        "pass",
        "tests/gate/test_intent.py::test_every_path_must_be_declared",
    ),
    (
        "budget",
        "self._used[name] + self._reserved[name] + units > limit",
        "False",
        "tests/gate/test_budget.py::test_money_is_exact_and_of_one_currency",
    ),
    (
        "audit",
        "if spent.pop(record.run, None) != started[record.run]:",
        "if False:",
        "tests/gate/test_audit.py::test_a_commit_without_an_approval_is_found",
    ),
    (
        "run",
        "if not path.is_file() or path.read_bytes() != content:",
        "if not path.is_file():",
        f"{WORKSPACE}simulating_again_puts_changed_documents_right",
    ),
]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Bed:
    return Bed(tmp_path_factory.mktemp("bed"))


@pytest.mark.parametrize(("module", "check", "instead", "test"), ROWS, ids=[f"{row[0]}: {row[1][:40]}" for row in ROWS])
def test_taking_a_check_away_makes_a_test_fail(bed: Bed, module: str, check: str, instead: str, test: str) -> None:
    text = (ROOT / GATE / f"{module}.py").read_text(encoding="utf-8")
    assert text.count(check) >= 1, "the check is written otherwise by now: so must this row be"
    assert bed.kills(module, text.replace(check, instead), (test,)) == "killed"


def test_the_tests_pass_on_the_code_as_it_is(bed: Bed) -> None:
    assert bed.run(tuple(sorted({row[3] for row in ROWS}))) == "survived"


def test_the_bed_is_a_copy(bed: Bed) -> None:
    assert Path(bed.place).resolve() != ROOT

"""A fixed share of the mutation run of bench/mutations.py: every spoiled plan is refused, by the right number."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from worldgate.worlds import get

from .mutants import MUTATORS, Case, cases, every_order, judged, verdict

SHARE = 24


@pytest.fixture(scope="module")
def valid() -> list[Case]:
    desk, cell = (list(islice(cases(get(name), 7), SHARE)) for name in ("support-desk", "robot-cell"))
    return desk + cell


def test_generated_plans_are_valid_and_some_are_parallel(valid: list[Case]) -> None:
    for case in valid:
        faults, results = every_order(case.world, case.state, case.steps)
        assert (verdict(case.world, case.state, case.steps), faults, len(results)) == (set(), set(), 1)
    assert sum(len(step.needs or ()) == 0 for case in valid for step in case.steps) > 1.5 * len(valid)


@pytest.mark.parametrize("name", MUTATORS)
def test_every_mutant_is_refused_or_means_the_same(name: str, valid: list[Case]) -> None:
    random = Random(name)
    mutants = [(case, MUTATORS[name](case, random)) for case in valid]
    outcomes = [judged(case, mutant) for case, mutant in mutants if mutant is not None]
    assert [outcome for outcome in outcomes if outcome.startswith("missed")] == []
    assert sum(outcome != "same" for outcome in outcomes) >= SHARE // 4

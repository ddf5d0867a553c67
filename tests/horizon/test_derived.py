"""A derived relation as a judge, and as a second oracle that is asked first."""

from __future__ import annotations

import pytest

from tests.horizon.drafts import Exact, Forgetful, walk
from worldgate.horizon import Budget, Derived, Settings, faithfulness, rollout
from worldgate.horizon.derived import differing, glance
from worldgate.horizon.errors import BadSettings

PLACES = Derived(
    "places", "which directory holds which name", lambda state: {key: True for _, key, _ in state.facts("entry")}
)
NOTHING = Derived("nothing", "no entry at all", lambda state: {})
TRUE = walk("filesystem", "everyday")


def test_faithfulness_is_agreement_over_both() -> None:
    assert faithfulness({}, {}) == 1
    assert faithfulness({"a": True, "b": False}, {"a": True}) == 1
    assert faithfulness({"a": True}, {"a": True, "b": True, "c": None, "d": 0}) == pytest.approx(2 / 4)
    assert differing({"a": 1, "b": 2}, {"b": 3, "c": 4}) == 3


def test_a_judge_is_recorded_at_each_step() -> None:
    record = rollout(TRUE, Forgetful(TRUE), judges=(PLACES, NOTHING))
    assert record.derived["nothing"] == (1.0,) * 24
    places = record.derived["places"]
    assert min(places) < 1
    stands = TRUE.initial
    predictor = Forgetful(TRUE)
    for at, step in enumerate(TRUE.steps):
        stands = stands.force(predictor.predict(stands, step.action).delta)
        assert places[at] == faithfulness(PLACES.of(stands), PLACES.of(step.state))
    assert set(rollout(TRUE, Exact(TRUE.world), judges=(PLACES,)).derived["places"]) == {1.0}
    with pytest.raises(BadSettings):
        rollout(TRUE, Forgetful(TRUE), judges=(PLACES, PLACES))


def test_the_full_oracle_is_asked_where_the_second_disagrees() -> None:
    record = rollout(TRUE, Forgetful(TRUE), Settings("fixed", rho=1.0), second=PLACES, judges=(PLACES,))
    assert record.derived["places"] == (1.0,) * 24
    assert any(record.divergences)  # what is not about places drifts on
    assert len(record.looks) == 24
    for look in record.looks:
        state = TRUE.steps[look.step].state
        assert look.by == "places"
        assert look.cost.entries == len(PLACES.of(state))
        assert look.full == (look.cost.calls == 1) == (look.cost.facts > 0)
    assert 0 < record.spent.calls < 24
    assert rollout(TRUE, Forgetful(TRUE), Settings("fixed", rho=1.0), second=NOTHING).spent.calls == 0


def test_the_second_oracle_is_paid_from_the_same_budget() -> None:
    free = rollout(TRUE, Forgetful(TRUE), Settings("fixed", rho=1.0), second=PLACES)
    for entries in (0, 10, free.spent.entries - 1):
        given = Settings("fixed", rho=1.0, budget=Budget(entries=entries))
        record = rollout(TRUE, Forgetful(TRUE), given, second=PLACES)
        assert record.spent.entries <= entries
        assert record.declined
    few = rollout(TRUE, Forgetful(TRUE), Settings("fixed", rho=1.0, budget=Budget(facts=1)), second=PLACES)
    assert few.spent.facts == 0 < few.declined
    assert all(not look.full for look in few.looks)
    with pytest.raises(BadSettings):
        rollout(TRUE, Forgetful(TRUE), Settings("look-ahead", {"k": 2.0}), second=PLACES)


def test_a_look_that_the_budget_cuts_short_settles_nothing() -> None:
    given = Settings("drift", {"threshold": 1.0}, budget=Budget(facts=1))
    record = rollout(TRUE, Forgetful(TRUE), given, second=PLACES, judges=(PLACES,))
    looks = {look.step: look for look in record.looks}
    assert {look.agreed for look in looks.values()} == {True, False}
    for step, look in looks.items():
        assert look.agreed == (record.derived["places"][step] == 1)
        assert look.agreed or step + 1 in looks or step == 23  # what summed up is still there
    assert record.declined == sum(not look.agreed for look in looks.values())
    assert record.spent.entries == sum(look.cost.entries for look in looks.values()) > 0
    full = rollout(TRUE, Forgetful(TRUE), Settings("fixed", rho=1.0), second=PLACES)
    assert [look.agreed for look in full.looks] == [not look.full for look in full.looks]
    assert not any(look.agreed for look in rollout(TRUE, Forgetful(TRUE), Settings("fixed", rho=1.0)).looks)


@pytest.mark.parametrize("semantics", ["coupled", "reanchor"])
def test_a_relation_that_the_true_state_does_not_have_settles_nothing(semantics: str) -> None:
    def broken(state):
        raise KeyError("such a thing")

    derived = Derived("broken", "", broken)
    assert not glance(derived, TRUE.initial, TRUE.initial).agrees
    given = Settings("fixed", rho=1.0, semantics=semantics)
    record = rollout(TRUE, Forgetful(TRUE), given, second=derived)
    assert record.spent.calls == 24
    assert all(look.full for look in record.looks)
    none = rollout(TRUE, Forgetful(TRUE), Settings("fixed", rho=1.0, budget=Budget(calls=0)), second=derived)
    assert len(none.looks) == 24
    assert not any(look.agreed for look in none.looks)


def test_a_relation_that_an_impossible_state_does_not_have_is_empty() -> None:
    def strict(state):
        if len(state) != len(TRUE.initial):
            raise KeyError("such a thing")
        return {"a": True}

    derived = Derived("strict", "", strict)
    assert derived.predicted(TRUE.steps[-1].state) == {}
    assert derived.predicted(TRUE.initial) == {"a": True}

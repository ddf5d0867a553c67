"""Which entity a probe looks at."""

from __future__ import annotations

from random import Random

import pytest

from tests.horizon.drafts import Forgetful, Script, walk
from worldgate.facts import BadKey, Edit, State, references
from worldgate.horizon import Settings, rollout
from worldgate.horizon.predictor import Prediction
from worldgate.horizon.probes import GLOBAL, Probes, told_entity

TRUE = walk("robot-cell", "everyday")
SCHEMA = TRUE.world.schema
ALL = sorted(references(SCHEMA).among(TRUE.initial.facts()))


def probes(choice: str, **more) -> Probes:
    return Probes(SCHEMA, choice, more.get("kinds", ()), more.get("globally", False), Random(1))


def chosen(made: Probes, times: int) -> list[tuple[str, str]]:
    found = []
    for _ in range(times):
        found.append(made.choose(TRUE.initial))
        made.looked(found[-1])
    return found


def test_in_turn() -> None:
    assert chosen(probes("round_robin"), len(ALL) + 1) == [*ALL, ALL[0]]
    assert chosen(probes("stalest"), len(ALL) + 1) == [*ALL, ALL[0]]
    assert set(chosen(probes("random"), 200)) == set(ALL)
    assert chosen(probes("random"), 20) == chosen(probes("random"), 20)


def test_where_predictions_were_uncertain() -> None:
    made = probes("most_uncertain")
    first, second = ALL[-1], ALL[-2]
    one, two = (Edit("part_bin", (part,), None, None) for _, part in (first, second))
    assert references(SCHEMA).among((one, two)) == {first, second}
    made.predicted(Prediction((one, two), 0.25))
    made.predicted(Prediction((one,), 0.5))
    made.predicted(Prediction((two,)))  # without an uncertainty: 1
    assert chosen(made, 3) == [second, first, ALL[0]]
    assert not made.attention.uncertain


def test_kinds_and_global_facts() -> None:
    kind = ALL[0][0]
    assert {one for one, _ in chosen(probes("stalest", kinds=(kind,)), 20)} == {kind}
    assert chosen(probes("stalest", globally=True), 2) == [GLOBAL, ALL[0]]
    assert probes("random").choose(State.of(SCHEMA)) == GLOBAL
    assert told_entity(GLOBAL) == "global()"
    with pytest.raises(BadKey):
        rollout(TRUE, Forgetful(TRUE), Settings(probe="random", probe_kinds=("no such kind",)))


@pytest.mark.parametrize("name", ["filesystem", "network", "robot-cell", "support-desk"])
def test_probing_everything_restores_the_truth(name: str) -> None:
    """A wrong first step, then exact ones, and a probe of one entity or of the global facts at each."""
    true = walk(name, "adversarial", steps=150, seed=2)
    given = Settings("fixed", rho=1.0, probe="most_uncertain", probe_global=True)
    wrong = next(at for at, step in enumerate(true.steps) if step.net)
    record = rollout(true, Script(true, {wrong}), given)
    assert record.proposed[wrong] > 0 == record.divergences[-1]
    assert {look.entity for look in record.looks} > {"global()"}

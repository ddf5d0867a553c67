"""Self-forcing: what a model is asked where its own rollouts lead, and what is right there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from msgspec.structs import replace

from worldgate.facts import State, diff
from worldgate.horizon.predictor import Prediction
from worldgate.horizon.trajectory import Step, net
from worldgate.models.document import Loop, Training
from worldgate.models.family import FAMILIES
from worldgate.models.forcing import SelfForcing, forced
from worldgate.models.source import Place, Source
from worldgate.models.training import train
from worldgate.worlds import world_of

OPTIONS: dict[str, int | str] = {"hosts": 4, "services": 2, "start": "scattered"}
SOURCE = Source(places=(Place("network", ("everyday",), OPTIONS),), batch=4, walks_each=2, episode=12, sample=4)
HOW = SelfForcing(1.0, 0.0, 0.0, horizon=4, walks=3)


class _Asked:
    """An encoder that keeps the steps it is asked about."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def questions(self, step: Step) -> Sequence[Any]:
        self.steps.append(step)
        return [type("Asked", (), {"outcome": "one"})()]

    def batch(self, questions: Sequence[Any]) -> dict[str, Any]:
        return {"count": numpy.array(len(questions))}


class _Silent:
    """A net to which nothing ever changes."""

    def predict(self, pairs: Sequence[tuple[State, Any]]) -> list[Prediction]:
        return [Prediction((), 0.0) for _ in pairs]


def rollouts(how: SelfForcing) -> list[list[Step]]:
    """The steps asked about, by rollout: of each depth those of all that go on."""
    asked = _Asked()
    forced(how, _Silent(), SOURCE, asked, 0, 0)  # type: ignore[arg-type]
    found: list[list[Step]] = []
    for step in asked.steps:
        same = next((row for row in found if row[0].before.fingerprint == step.before.fingerprint), None)
        found.append([step]) if same is None else same.append(step)
    return found


def test_labelled_by_the_oracle_a_step_does_what_its_action_does_where_the_model_is() -> None:
    world = world_of("network", OPTIONS)
    for row in rollouts(HOW):
        for step in row:
            assert step.delta == world.step(step.before, step.action).delta


def test_labelled_by_the_walk_a_step_makes_up_for_all_that_was_missed() -> None:
    world = world_of("network", OPTIONS)
    missed = 0
    for row in rollouts(replace(HOW, label="walk")):
        true = row[0].before  # the model stays there, and the walk goes on
        for step in row:
            assert step.before.fingerprint == row[0].before.fingerprint
            true = world.step(true, step.action).state
            assert step.state.fingerprint == true.fingerprint
            assert step.net == net(diff(step.before, true))
            missed += len(step.net) > len(net(world.step(step.before, step.action).delta))
    assert missed


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"language"}))
def test_every_family_learns_from_an_unrolled_loss(family: str, tmp_path: Any) -> None:
    loop = Loop(steps=3, rate=0.003, self_forcing=replace(HOW, label="walk"))
    trained = train(Training(family, SOURCE, loop=loop), tmp_path / "a.safetensors")
    assert trained

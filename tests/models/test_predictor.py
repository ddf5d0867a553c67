"""A checkpoint as a predictor: it predicts the same alone and together, and learns on the way only where told to."""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.models import bag
from worldgate.facts import Edit
from worldgate.horizon import Prediction, Settings, Trajectory, roll, rollout
from worldgate.models.document import Loop, load_training
from worldgate.models.errors import BadCheckpoint, BadTraining
from worldgate.models.predictor import Committee, Learning, learned
from worldgate.models.training import train
from worldgate.worlds import get, world_of

torch = pytest.importorskip("torch", reason="torch is not installed (extra learn)")

WORLD = world_of("network", {"hosts": 4, "start": "scattered"})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    training = replace(load_training(bag.TRAINING, "bag.yaml"), loop=Loop(steps=40, rate=0.05))
    return train(training, tmp_path_factory.mktemp("predictor") / "a.safetensors")


@pytest.fixture(scope="module")
def trajectory() -> Trajectory:
    return roll(WORLD, "everyday", 1000, 40)


def test_it_predicts_better_than_nothing_and_says_how_sure_it_is(path: Path, trajectory: Trajectory) -> None:
    predictor = learned(path, WORLD.schema)
    said = [predictor.predict(step.before, step.action) for step in trajectory.steps]
    right = [step.before.force(one.delta) == step.state for one, step in zip(said, trajectory.steps, strict=True)]
    unchanged = [step.before == step.state for step in trajectory.steps]
    assert sum(right) > sum(unchanged) + 4
    assert all(0.0 <= one.uncertainty <= 1.0 for one in said)
    assert predictor.name == f"bag {predictor.checkpoint.digest[:12]}"
    pairs = [(step.before, step.action) for step in trajectory.steps]
    assert [one.delta for one in predictor.predict_all(pairs)] == [one.delta for one in said]
    assert predictor.predict_all([]) == []


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_is_collected_afterwards_as_before(collects: bool, path: Path, trajectory: Trajectory) -> None:
    predictor, step = learned(path, WORLD.schema), trajectory.steps[0]
    try:
        gc.enable() if collects else gc.disable()
        predictor.predict(step.before, step.action)
        assert gc.isenabled() == collects
    finally:
        gc.enable()


def test_it_is_rolled_out_as_any_other(path: Path, trajectory: Trajectory) -> None:
    settings = Settings(policy="fixed", rho=0.25)
    record = rollout(trajectory, learned(path, WORLD.schema, name="mine"), settings)
    assert record.predictor == "mine"
    assert record == rollout(trajectory, learned(path, WORLD.schema, name="mine"), settings)
    assert not hasattr(learned(path, WORLD.schema), "learn")


@pytest.mark.parametrize("learning", [Learning(rate=0.05), Learning(rate=0.05, steps=2, buffer=8, batch=4)])
def test_it_learns_what_it_is_shown(learning: Learning, path: Path, trajectory: Trajectory) -> None:
    plain, one, other = (learned(path, WORLD.schema, how) for how in (None, learning, learning))
    wrong = next(
        step for step in trajectory.steps
        if step.before.force(plain.predict(step.before, step.action).delta) != step.state
        and one.checkpoint.encoder.questions(step)[0].answer
    )  # fmt: skip
    for predictor in (one, other):
        for _ in range(15):
            predictor.learn(wrong.before, wrong.action, wrong.delta)
    said = [predictor.predict(wrong.before, wrong.action) for predictor in (one, other)]
    assert said[0] == said[1]
    assert wrong.before.force(said[0].delta) == wrong.state


def test_learning_in_a_rollout_is_the_same_each_time(path: Path, trajectory: Trajectory) -> None:
    settings = Settings(policy="fixed", rho=0.5, learning=True)
    records = [rollout(trajectory, learned(path, WORLD.schema, Learning(buffer=4), "a"), settings) for _ in range(2)]
    assert records[0] == records[1]
    assert records[0].learned > 0


class Says:
    """A member that says one thing."""

    def __init__(self, delta: tuple[Edit, ...], uncertainty: float | None) -> None:
        self.name = self.digest = f"{delta} {uncertainty}"
        self.said = Prediction(delta, uncertainty, origins=("net",) * len(delta))

    def predict_all(self, pairs: Sequence[object]) -> list[Prediction]:
        return [self.said] * len(pairs)


ON, OFF = Edit("up", ("h0",), None, True), Edit("up", ("h0",), None, False)
MIDDLE = Edit("up", ("h0",), None, True), Edit("up", ("h0",), True, False)
VOTES = {
    "all alike": ([((ON,), 0.2)] * 3, 0, 0.2),
    "most": ([((ON,), 0.1), ((OFF,), 0.3), ((OFF,), 0.5)], 1, (0.9 + 0.3 + 0.5) / 3),
    "the surest of most": ([((OFF,), 0.5), ((ON,), 0.0), ((OFF,), 0.3)], 2, (0.5 + 1.0 + 0.3) / 3),
    "the same by another way": ([((ON,), 0.0), ((OFF,), 0.3), (MIDDLE, 0.2)], 2, (1.0 + 0.3 + 0.2) / 3),
    "as many: the surest": ([((ON,), 0.4), ((OFF,), 0.3)], 1, (0.6 + 0.3) / 2),
    "in any order": ([((OFF,), 0.3), ((ON,), 0.4)], 0, (0.6 + 0.3) / 2),
    "none agree": ([((ON,), 0.8), ((OFF,), 0.9), ((), 0.7)], 2, (0.8 + 0.9 + 0.7) / 3),
    "no uncertainty": ([((ON,), None), ((ON,), None), ((OFF,), None)], 0, 1 / 3),
    "some none": ([((ON,), None), ((OFF,), 0.9)], 1, (1.0 + 0.9) / 2),
    "above 1": ([((ON,), 2.9), ((OFF,), 1.1)], 1, 1.0),
}


@pytest.mark.parametrize("case", VOTES)
def test_a_committee_says_what_most_say_and_how_wrong_they_hold_it(case: str) -> None:
    said, best, uncertainty = VOTES[case]
    members = [Says(*one) for one in said]
    committee, pair = Committee(members), (WORLD.initial(0), WORLD.parse("advance"))
    found = committee.predict(*pair)
    assert committee.predict_all([pair, pair]) == [found, found]
    assert (found.delta, found.origins) == (members[best].said.delta, members[best].said.origins)
    assert found.uncertainty == pytest.approx(uncertainty)
    agreeing = Committee([Says((ON,), one) for _, one in said]).predict(*pair)
    assert found.uncertainty >= agreeing.uncertainty - 1e-12


def test_a_committee_is_known_by_its_members(path: Path, trajectory: Trajectory) -> None:
    one = learned(path, WORLD.schema)
    both = Committee([one, one])
    assert both.name == f"{one.name}, {one.name}"
    assert len({both.digest, one.digest, Committee([one] * 3).digest}) == 3
    alone = [rollout(trajectory, who).divergences for who in (one, both)]
    assert alone[0] == alone[1]
    with pytest.raises(BadTraining, match=r"WG510.*a committee of none"):
        Committee([])


def test_wrong_use_is_refused(path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="WG512"):
        learned(path, get("support-desk").schema)
    for wrong in ({"rate": 0.0}, {"rate": math.inf}, {"steps": 0}, {"buffer": -1}, {"batch": 0}):
        with pytest.raises(BadTraining, match="WG510"):
            learned(path, WORLD.schema, Learning(**wrong))

"""A checkpoint as a predictor: it predicts the same alone and together, and learns on the way only where told to."""

from __future__ import annotations

import gc
import math
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.models import bag
from worldgate.horizon import Settings, Trajectory, roll, rollout
from worldgate.horizon.trajectory import net
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


def test_a_committee_says_what_most_say_and_how_probable_they_hold_it(
    path: Path, trajectory: Trajectory, tmp_path: Path
) -> None:
    hasty = load_training(bag.TRAINING.replace("steps: 30", "steps: 3"), "bag.yaml")
    one, other = learned(path, WORLD.schema), learned(train(hasty, tmp_path / "b.safetensors"), WORLD.schema)
    pairs = [(step.before, step.action) for step in trajectory.steps]
    firsts, others = one.predict_all(pairs), other.predict_all(pairs)
    apart = [net(mine.delta) != net(theirs.delta) for mine, theirs in zip(firsts, others, strict=True)]
    assert 5 < sum(apart) < len(pairs)
    for members, most in (((one, other, one), firsts), ((other, one, other), others)):
        for said, wanted in zip(Committee(members).predict_all(pairs), most, strict=True):
            assert net(said.delta) == net(wanted.delta)
    for said, mine, theirs, differ in zip(
        Committee([one, other]).predict_all(pairs), firsts, others, apart, strict=True
    ):
        surer, less = sorted((mine, theirs), key=lambda each: each.uncertainty)
        assert net(said.delta) == net(surer.delta)
        wrong = 1 - less.uncertainty if differ else less.uncertainty
        assert said.uncertainty == pytest.approx((surer.uncertainty + wrong) / 2)
    both = Committee([one, other])
    assert both.predict(*pairs[0]) == both.predict_all(pairs)[0]
    assert (both.name, len({both.digest, one.digest, other.digest})) == (f"{one.name}, {other.name}", 3)
    with pytest.raises(BadTraining, match=r"WG510.*a committee of none"):
        Committee([])


def test_wrong_use_is_refused(path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="WG512"):
        learned(path, get("support-desk").schema)
    for wrong in ({"rate": 0.0}, {"rate": math.inf}, {"steps": 0}, {"buffer": -1}, {"batch": 0}):
        with pytest.raises(BadTraining, match="WG510"):
            learned(path, WORLD.schema, Learning(**wrong))

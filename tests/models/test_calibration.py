"""Calibration: what a net says of being wrong comes to how often it is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from tests.models import bag
from worldgate.horizon import Prediction
from worldgate.horizon.trajectory import Step, net
from worldgate.models.calibration import Calibration, calibrate, fresh
from worldgate.models.checkpoint import load
from worldgate.models.document import Loop, load_training
from worldgate.models.errors import BadTraining, Diverged
from worldgate.models.predictor import Learned, Learner, Learning
from worldgate.models.source import Source, Walks, world
from worldgate.models.training import train

pytest.importorskip("torch", reason="torch is not installed (extra learn)")

PLAIN = replace(load_training(bag.TRAINING, "bag.yaml"), loop=Loop(steps=30, rate=0.05))
SCHEMA = world(PLAIN.source).schema


class Saying:
    """Says what it is told to, in order."""

    def __init__(self, said: list[Prediction]) -> None:
        self.said = iter(said)

    def predict(self, pairs: list[object]) -> list[Prediction]:
        return [next(self.said) for _ in pairs]


def surprise(model: Learned, steps: list[Step]) -> tuple[float, float, float]:
    """(mean surprise in nats at what is wrong and right, mean that is said of being wrong, share that is)."""
    said = model.predict_all([(step.before, step.action) for step in steps])
    chances = [min(max(one.uncertainty or 0.0, 1e-9), 1 - 1e-9) for one in said]
    wrong = [net(one.delta) != step.net for one, step in zip(said, steps, strict=True)]
    total = -sum(math.log(chance if is_wrong else 1 - chance) for chance, is_wrong in zip(chances, wrong, strict=True))
    return total / len(steps), sum(chances) / len(steps), sum(wrong) / len(steps)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(replace(PLAIN, calibrate=20), tmp_path_factory.mktemp("calibrated") / "a")


def test_what_is_said_of_being_wrong_comes_nearer_to_how_often_it_is(tmp_path: Path) -> None:
    by_heart = Source(16, walks=(Walks("network", "everyday", (0, 1), 20, {"hosts": 4, "start": "scattered"}),))
    training = replace(PLAIN, source=by_heart, loop=Loop(steps=200, rate=0.05), calibrate=40)
    calibrated, steps = load(train(training, tmp_path / "a"), SCHEMA), fresh(by_heart, 99, 40)
    as_said = calibrated._replace(card=replace(calibrated.card, calibration=UNSET))
    (after, mean, wrong), (before, raw, _) = (surprise(Learned(one), steps) for one in (calibrated, as_said))
    assert after < before
    assert abs(mean - wrong) < 0.05 < abs(raw - wrong)


def test_which_is_the_more_certain_stays_and_so_does_what_is_predicted(path: Path) -> None:
    calibrated, steps = load(path, SCHEMA), fresh(PLAIN.source, 99, 4)
    pairs = [(step.before, step.action) for step in steps]
    said = Learned(calibrated).predict_all(pairs)
    raw = calibrated.net.predict(pairs)
    assert [one.delta for one in said] == [one.delta for one in raw]
    order = sorted(range(len(raw)), key=lambda at: raw[at].uncertainty)
    assert [said[at].uncertainty for at in order] == sorted(one.uncertainty for one in said)
    assert Learner(calibrated, Learning()).predict_all(pairs) == said


def test_a_checkpoint_that_is_calibrated_has_the_weights_of_one_that_is_not(path: Path, tmp_path: Path) -> None:
    plain = load(train(PLAIN, tmp_path / "a"), SCHEMA)
    calibrated = load(path, SCHEMA)
    assert plain.card.calibration is UNSET
    assert calibrated.card.calibration.asked == 20 * PLAIN.source.episode
    assert all((value == plain.net.state_dict()[name]).all() for name, value in calibrated.net.state_dict().items())
    assert train(replace(PLAIN, calibrate=20), path, resume=True).read_bytes() == path.read_bytes()


def test_an_uncertainty_that_ranks_nothing_says_how_often_it_is_wrong() -> None:
    steps = fresh(PLAIN.source, 1, 10)
    backwards = [
        Prediction((), 0.1) if step.net else Prediction(step.delta, 0.9) for step in steps
    ]  # more certain where it is wrong
    wrong = sum(bool(step.net) for step in steps)
    found = calibrate(Saying(backwards), steps)
    odds = math.log((wrong + 1) / (len(steps) - wrong + 1))
    assert found == Calibration(0.0, pytest.approx(odds), 1.0, 0.9, len(steps), wrong)
    assert found.of(Prediction((), 0.3)).uncertainty == pytest.approx((wrong + 1) / (len(steps) + 2))


def test_never_wrong_is_no_certainty_and_a_doubt_that_no_walk_raised_stays_one() -> None:
    steps = fresh(PLAIN.source, 1, 10)
    found = calibrate(Saying([Prediction(step.delta, 0.01) for step in steps]), steps)
    assert found.wrong == 0
    said = [found.of(Prediction((), one)).uncertainty for one in (0.01, 0.5, 1.0, 7.0)]
    assert said == [pytest.approx(1 / (len(steps) + 2), rel=0.2), pytest.approx(0.5, abs=0.02), 1.0, 1.0]
    assert found.of(Prediction(())).uncertainty is None


def test_what_says_no_uncertainty_is_not_calibrated() -> None:
    steps = fresh(PLAIN.source, 1, 1)
    assert calibrate(Saying([Prediction(()) for _ in steps]), steps) is None


def test_where_walks_are_given_it_is_held_against_others_of_their_kind() -> None:
    given = Walks("network", "everyday", (1, 2), 7, {"hosts": 4})
    steps = fresh(Source(walks=(given,)), 0, 3)
    assert len(steps) == 21
    assert steps == fresh(Source(walks=(given,)), 0, 3) != fresh(Source(walks=(given,)), 1, 3)


def test_it_takes_one_walk_at_least() -> None:
    with pytest.raises(BadTraining, match="calibrate"):
        load_training(bag.TRAINING + "calibrate: 0\n", "bag.yaml")


def test_what_may_be_more_than_1_keeps_its_order() -> None:
    steps = fresh(PLAIN.source, 1, 10)
    said = [Prediction(() if step.net and at % 2 else step.delta, 0.5 + at % 2) for at, step in enumerate(steps)]
    found = calibrate(Saying(said), steps)
    low, high, more, most = (found.of(Prediction((), one)).uncertainty for one in (0.5, 1.5, 2.0, 3.0))
    assert low < 0.05 < found.wrong / found.asked < high < more < most == 1.0
    with pytest.raises(Diverged, match="uncertainty nan"):
        calibrate(Saying([Prediction((), math.nan)]), steps[:1])

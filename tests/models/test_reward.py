"""Learning from the faithful horizon: what is drawn, what is lowered, and that it ends the same wherever stopped."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.models import bag
from worldgate.facts import canonical_json
from worldgate.horizon import roll, rollout
from worldgate.models.document import Loop, Training, load_training, proven
from worldgate.models.errors import BadTraining
from worldgate.models.family import family_of
from worldgate.models.forcing import SelfForcing
from worldgate.models.predictor import learned
from worldgate.models.reward import Reward, rewarded
from worldgate.models.source import Source, Walks
from worldgate.models.training import train
from worldgate.worlds.network import Network

torch = pytest.importorskip("torch", reason="torch is not installed (extra learn)")

WORLD = Network("network", hosts=4, start="scattered")
WALK = Source(walks=(Walks("network", "everyday", (1,), 24, {"hosts": 4, "start": "scattered"}),))
ALONE = Reward(share=1.0, begin=0.0, full=0.0, horizon=6, walks=8)
SOME = load_training(bag.TRAINING, "bag.yaml")
SOME = replace(
    SOME,
    loop=Loop(
        steps=12,
        rate=0.05,
        clip=0.0,
        ema=0.9,
        self_forcing=SelfForcing(0.3, 0.0, 0.0, horizon=3, walks=2),
        reward=Reward(0.7, 0.0, 0.0, horizon=4, walks=6),
    ),
)


class Scripted:
    """Says the truth but where it is told not to."""

    def __init__(self, wrong: set[int]) -> None:
        self.wrong, self.logs = wrong, torch.zeros(24, requires_grad=True)

    def drawn(self, pairs: Any) -> Any:
        said = [() if at in self.wrong else WORLD.step(*pair).delta for at, pair in enumerate(pairs)]
        self.changes = [bool(WORLD.step(*pair).delta) for pair in pairs]
        return said, self.logs[: len(pairs)]


def test_what_was_drawn_up_to_the_end_of_a_horizon_is_raised_by_the_reward() -> None:
    how = Reward(horizon=24, walks=1, average=0.75)
    true = Scripted(set())
    loss, baseline = rewarded(how, true, WALK, 0, 0, 4.0)
    loss.backward()
    assert true.logs.grad.tolist() == [-(24 - 4.0)] * 24
    assert baseline == 0.75 * 4.0 + 0.25 * 24
    wrong = [at for at, changes in enumerate(true.changes) if changes][3]
    false = Scripted({wrong, 23})
    loss, baseline = rewarded(how, false, WALK, 0, 0, baseline)
    loss.backward()
    assert false.logs.grad.tolist() == [9.0 - wrong] * (wrong + 1) + [0.0] * (23 - wrong)
    assert baseline == 0.75 * 9.0 + 0.25 * wrong


def test_the_baseline_begins_with_the_first_reward() -> None:
    net = Scripted(set())
    loss, baseline = rewarded(replace(ALONE, horizon=3), net, WALK, 0, 0, math.nan)
    loss.backward()
    assert baseline == 3.0
    assert not net.logs.grad.any()


def test_the_reward_alone_makes_more_steps_exact(tmp_path: Path) -> None:
    loop, true = Loop(steps=40, rate=0.05, reward=ALONE), roll(WORLD, "everyday", 1, 24)

    def exact(steps: int) -> int:
        training = Training("bag", WALK, {"features": 128}, replace(loop, steps=steps), 3)
        return rollout(true, learned(train(training, tmp_path / str(steps)), WORLD.schema)).divergences.count(0.0)

    assert exact(40) > 2 * exact(1)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return train(SOME, tmp_path_factory.mktemp("some") / "a").read_bytes()


def test_the_same_document_gives_the_same_checkpoint(some: bytes, tmp_path: Path) -> None:
    assert train(SOME, tmp_path / "a", workers=1).read_bytes() == some
    assert train(replace(SOME, seed=4), tmp_path / "b").read_bytes() != some
    without = replace(SOME, loop=replace(SOME.loop, reward=Loop().reward))
    assert train(without, tmp_path / "c").read_bytes() != some


class Stopped(Exception):
    """Where a training is stopped."""


@pytest.mark.parametrize("at", [2, 7, 11])
def test_resumed_anywhere_it_ends_the_same(at: int, some: bytes, tmp_path: Path) -> None:
    def stop(done: int, _: float) -> None:
        if done == at + 1:
            raise Stopped

    with pytest.raises(Stopped):
        train(SOME, tmp_path / "a", save_every=1, step=stop)
    assert train(SOME, tmp_path / "a", resume=True).read_bytes() == some


FAMILIES = {
    "relational": {"width": 8, "head": 8, "hard_at": 1},
    "neurosymbolic": {"width": 8, "head": 8, "hard_at": 1},
    "graph": {"width": 16, "rounds": 1, "layers": 1, "block": 12},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_drawn_has_the_probability_that_is_told(name: str) -> None:
    family, steps = family_of(name), roll(WORLD, "everyday", 1, 24).steps
    config = family.config(**FAMILIES[name])
    torch.manual_seed(1)
    net = family.net(config, family.encoder(config, WORLD.schema, steps)).eval()
    pairs = [(step.before, step.action) for step in steps if step.net]
    said, logs = net.drawn([pairs[0]] * 500)
    drawn = Counter(said)
    delta, often = drawn.most_common(1)[0]
    told = {round(log, 3) for one, log in zip(said, logs.tolist(), strict=True) if one == delta}
    assert len(drawn) > 1
    assert sum(map(math.exp, told)) == pytest.approx(often / 500, abs=0.08)
    for one in drawn:
        pairs[0][0].force(one)
    _, logs = net.train().drawn(pairs)
    assert logs.shape == (len(pairs),)
    logs.sum().backward()
    moved = [float(weight.grad.abs().max()) for weight in net.parameters() if weight.grad is not None]
    assert all(map(math.isfinite, moved))
    assert max(moved) > 0


@pytest.mark.parametrize("name", FAMILIES)
def test_families_that_draw_learn_from_it(name: str, tmp_path: Path) -> None:
    loop = Loop(steps=2, reward=replace(ALONE, horizon=3, walks=2))
    training = Training(name, WALK, FAMILIES[name], loop)
    first = train(training, tmp_path / "a").read_bytes()
    assert train(training, tmp_path / "b").read_bytes() == first
    rollout(roll(WORLD, "everyday", 2, 4), learned(tmp_path / "a", WORLD.schema))


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        (Reward(share=2), "reward with a share"),
        (Reward(begin=0.9, full=0.5), "reward with a share"),
        (Reward(walks=0), "walks"),
        (Reward(average=1.0), "average"),
    ],
)
def test_a_wrong_reward_is_refused(reward: Reward, said: str) -> None:
    with pytest.raises(BadTraining, match=f"WG510.*{said}"):
        proven(replace(SOME, loop=Loop(reward=reward)))


def test_a_family_that_does_not_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTraining, match=r"WG510.*reward with family flat"):
        train(Training("flat", WALK, {"width": 8}, Loop(reward=Reward())), tmp_path / "a")


def test_where_it_is_absent_documents_are_as_they_were() -> None:
    plain = canonical_json(load_training(bag.TRAINING, "bag.yaml"))
    assert b"reward" not in plain
    assert b"look" not in plain
    assert canonical_json(SOME).count(b'"reward":{') == 1

"""Grounding studies: exact negatives, measures of health that mean something, and numbers that come again."""

from __future__ import annotations

import msgspec
import pytest

from worldgate.horizon import roll
from worldgate.models.graph.config import NotGraphable
from worldgate.models.grounding import Study, run
from worldgate.models.grounding.examples import branches, examples
from worldgate.worlds import get

torch = pytest.importorskip("torch")

TINY = Study(
    "network", "everyday", (0, 1), (100,), options={"hosts": 6, "start": "empty"}, steps=16, held_steps=12,
    width=16, rounds=2, iterations=20, batch=16,
)  # fmt: skip


@pytest.mark.parametrize("world", ["network-0", "support-desk", "market"])
def test_a_negative_is_never_the_truth_and_branches_are_true(world: str) -> None:
    made = get(world)
    driver = min(made.drivers)
    steps = list(roll(made, driver, 1, 12).steps)
    found = examples(made, driver, steps, 6, 0)
    assert sum(len(example.wrong) for example in found) >= 5 * len(found)
    for example in found:
        states = [example.after, *example.wrong]
        assert len({state.fingerprint for state in states}) == len(states) <= 7
    several = branches(made, driver, steps, 6, 0)
    assert several
    for state, actions, after in several:
        assert len({one.fingerprint for one in after}) == len(actions) >= 2
        assert all(made.step(state, action).state == one for action, one in zip(actions, after, strict=True))


def test_health_tells_collapse_from_spread() -> None:
    from worldgate.models.grounding.objectives import deviation, effective_rank, unspread

    torch.manual_seed(0)
    spread = torch.randn(400, 8)
    line = spread[:, :1] * torch.ones(8)
    assert effective_rank(spread) == pytest.approx(8, abs=0.2)
    assert effective_rank(line) == pytest.approx(1, abs=1e-3)
    assert effective_rank(torch.ones(5, 8)) == deviation(torch.ones(5, 8)) == 0
    assert deviation(spread) == pytest.approx(1, abs=0.1)
    assert float(unspread(spread)) < 0.1 < float(unspread(line)) < float(unspread(torch.ones(400, 8)))


def test_the_contrast_is_the_chance_to_pick_the_truth() -> None:
    from worldgate.models.grounding.objectives import contrast

    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[[0.0, 1.0], [0.0, 2.0]]])
    there = torch.tensor([[True, True]])
    expected = -torch.log_softmax(torch.tensor([10.0, 0.0, 0.0]), 0)[0]
    assert contrast(one, one, other, there, 0.1) == pytest.approx(float(expected))
    alone = contrast(one, one, other, torch.tensor([[False, False]]), 0.1)
    assert float(alone) == 0


@pytest.mark.parametrize(
    "arm", [{"machinery": True}, {"target": "oracle"}, {"negatives": 4}], ids=["machinery", "oracle", "negatives"]
)
def test_the_same_study_gives_the_same_numbers(arm: dict[str, object]) -> None:
    study = msgspec.structs.replace(TINY, iterations=3, **arm)
    first, again = run(study), run(study)
    assert first == again != run(msgspec.structs.replace(study, seed=1))
    assert 0 < first.first <= first.mrr <= 1 < first.rank


def test_exact_negatives_teach_what_an_action_does() -> None:
    found = run(msgspec.structs.replace(TINY, negatives=6))
    assert found.first > 2 * found.chance


def test_negatives_shape_a_learned_target_only() -> None:
    with pytest.raises(NotGraphable, match="negatives"):
        run(msgspec.structs.replace(TINY, target="oracle", negatives=2))

"""What is trained on: the levers do what they say, and wrong sources are one numbered error."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import pytest
from msgspec.structs import replace

from tests.models import bag
from worldgate.facts import diff
from worldgate.horizon import roll
from worldgate.models.document import Training
from worldgate.models.errors import BadTraining
from worldgate.models.pools import FRESH, Balanced, Classed, pool, sample, steps, walks
from worldgate.models.source import Place, Source, Walks, checked, world
from worldgate.models.training import train
from worldgate.worlds import get

NETWORK = Place("network", ("everyday", "outages"), {"hosts": 4, "start": "scattered"})
FREE = Source(places=(NETWORK,), episode=10, walks_each=3)
FIXED = Source(walks=(Walks("robot-cell", "everyday", (4, 5), 7),))


class Seen:
    """Keeps the steps that a source asks about."""

    def __init__(self) -> None:
        self.steps: list = []

    def questions(self, step):
        self.steps.append(step)
        return [bag.Asked(str(len(self.steps)), step, 0)]


def asked(source: Source, seed: int = 1, number: int = 0) -> list:
    seen = Seen()
    pool(source, seen, seed, number)
    return seen.steps


def test_given_walks_are_the_labs_trajectories() -> None:
    taken = asked(FIXED)
    true = [step for seed in (4, 5) for step in roll(get("robot-cell"), "everyday", seed, 7).steps]
    assert [(step.before, step.text, step.delta, step.net) for step in taken] == [
        (step.before, step.text, step.delta, step.net) for step in true
    ]
    assert sample(FIXED, 9) == taken


def test_fresh_walks_differ_by_number_and_seed_and_are_no_walks_that_people_name() -> None:
    found = [walk for seed in (1, 2) for number in range(20) for walk in walks(FREE, seed, number)]
    assert len({walk.seed for walk in found}) == len(found) == 120
    assert all(FRESH <= walk.seed < 2**63 for walk in found)
    assert {walk.driver for walk in found} == {"everyday", "outages"}
    assert list(walks(FREE, 1, 3)) == list(walks(FREE, 1, 3))


def test_a_burn_in_shows_late_states() -> None:
    late = replace(FREE, burn_in=50)
    made = list(walks(late, 1, 0))
    assert len({walk.burn_in for walk in made}) > 1
    one = max(made, key=lambda walk: walk.burn_in)
    whole = list(steps(one._replace(burn_in=0, steps=one.burn_in + one.steps)))
    assert list(steps(one)) == whole[one.burn_in :]


def test_weights_choose_places() -> None:
    cell = Place("robot-cell", ("everyday",), weight=3.0)
    both = Source(places=(cell, replace(cell, weight=1.0, drivers=tuple(get("robot-cell").drivers))), walks_each=400)
    share = Counter(len(walk.drivers) for walk in walks(both, 0, 0))[1] / 400
    assert 0.68 < share < 0.82


def test_noise_puts_wrong_facts_into_a_state_that_the_oracle_labels() -> None:
    plain, noisy = asked(FREE), asked(replace(FREE, noise=0.5, noise_facts=2))
    assert [step.text for step in noisy] == [step.text for step in plain]
    changed = [(one, other) for one, other in zip(plain, noisy, strict=True) if one.before != other.before]
    assert 5 < len(changed) < 25
    assert all(world(FREE).step(step.before, step.action).delta == step.delta for _, step in changed)


def test_counterfactuals_ask_other_actions_in_the_same_state() -> None:
    plain, more = asked(FREE), asked(replace(FREE, counterfactuals=3))
    assert len(plain) * 2 < len(more) <= len(plain) * 4
    groups: list[list] = []
    for step in more:
        if len(groups) < len(plain) and (step.before, step.text) == (
            plain[len(groups)].before,
            plain[len(groups)].text,
        ):
            groups.append([])
        groups[-1].append(step)
    assert len(groups) == len(plain)
    for group in groups:
        assert len({step.text for step in group}) == len(group)
        assert all(step.before is group[0].before for step in group)
    assert all(world(FREE).step(step.before, step.action).delta == step.delta for step in more)


def test_where_walks_have_no_question_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Choosy(Seen):
        def questions(self, step):
            return super().questions(step) if step.text.startswith("close") else []

    short = replace(FREE, walks_each=1, episode=4)
    found = [pool(short, Choosy(), 0, number) for number in range(12)]
    assert all(found)
    assert [len(one) for one in found] == [len(pool(short, Choosy(), 0, number)) for number in range(12)]
    monkeypatch.setattr("worldgate.models.pools.TRIES", 1)
    assert not all(pool(short, Choosy(), 0, number) for number in range(12))


def test_a_driver_that_says_no_action_of_a_wrong_state_is_passed_over() -> None:
    wrong = Source(places=(Place("market", ("adversarial",)),), noise=0.3, noise_facts=20, counterfactuals=2)
    assert all(pool(wrong, Seen(), 0, number) for number in range(4))


def test_contrasts_ask_two_states_a_fact_apart_in_which_an_action_does_not_do_the_same() -> None:
    seen = Seen()
    plain = asked(FREE)
    classes = [one.outcome.partition("/")[2] for one in pool(replace(FREE, contrasts=6), seen, 1, 0)]
    others = [(step, name) for step, name in zip(seen.steps, classes, strict=True) if name]
    assert [step for step, name in zip(seen.steps, classes, strict=True) if not name] == plain
    assert len(others) > 10
    for (same, name), (turned, of) in zip(others[::2], others[1::2], strict=True):
        assert (name, same.text) == (of, turned.text)
        assert same.net != turned.net
        assert [edit.relation for edit in diff(same.before, turned.before)] == [name]
        assert any(step.text == same.text and step.net == same.net for step in plain)
        for step in (same, turned):
            assert world(FREE).step(step.before, step.action).delta == step.delta
    assert {"link", "service"} <= set(classes)


def test_unroll_asks_steps_in_a_row_where_the_family_can() -> None:
    encoder = bag.made(bag.Config(), world(FIXED).schema, sample(FIXED, 0))
    found = pool(replace(FIXED, unroll=3), encoder, 0, 0)
    assert [one.outcome for one in found] == ["after 3"] * (2 * 5)
    with pytest.raises(BadTraining, match="unroll with Seen"):
        pool(replace(FIXED, unroll=3), Seen(), 0, 0)


@pytest.mark.parametrize(("balance", "share"), [(1.0, 0.9), (0.0, 0.5), (0.5, 0.75)])
def test_balance_is_a_power_of_frequency(balance: float, share: float) -> None:
    questions = [Classed("rare" if at % 10 == 0 else "common", at) for at in range(200)]
    drawn = Balanced(questions, balance).draw(6000, Random(0))
    assert sum(at % 10 > 0 for at in drawn) / 6000 == pytest.approx(share, abs=0.02)
    assert len(set(drawn)) == 200


WRONG = [
    {"places": ()},
    {"walks": FIXED.walks},
    {"batch": 0},
    {"share": 0},
    {"sample": 0},
    {"burn_in": -1},
    {"balance": 1.5},
    {"noise": -0.1},
    {"noise": 0.1, "unroll": 2},
    {"unroll": 11},
    {"places": (replace(NETWORK, drivers=()),)},
    {"places": (replace(NETWORK, drivers=("weekends",)),)},
    {"places": (replace(NETWORK, weight=0.0),)},
    {"places": (replace(NETWORK, weight=float("inf")),)},
    {"places": (replace(NETWORK, options={"guests": 4}),)},
    {"places": (replace(NETWORK, world="nowhere"),)},
    {"places": (NETWORK, Place("robot-cell", ("everyday",)))},
    {"places": (), "walks": (Walks("robot-cell", "everyday", (), 7),)},
    {"places": (), "walks": (Walks("robot-cell", "everyday", (1,), 0),)},
]


@pytest.mark.parametrize("change", WRONG, ids=lambda change: str(change)[:40])
def test_a_wrong_source_is_refused(change: dict) -> None:
    assert checked(FREE) is FREE
    with pytest.raises(BadTraining, match="WG510"):
        checked(replace(FREE, **change))


def test_the_family_is_named_that_has_no_windows(tmp_path: Path) -> None:
    unrolled = Training("relational", replace(FIXED, unroll=2))
    with pytest.raises(BadTraining, match="unroll with family relational"):
        train(unrolled, tmp_path / "a")


def test_a_source_is_plain_data() -> None:
    assert msgspec.convert(msgspec.to_builtins(FREE), Source) == FREE

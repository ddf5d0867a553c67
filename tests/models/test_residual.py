"""Residual questions: what a look at a part of the entities decides is not learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from worldgate.facts import references
from worldgate.horizon import roll
from worldgate.models.document import Loop, Training, proven
from worldgate.models.errors import BadTraining
from worldgate.models.family import family_of
from worldgate.models.forcing import SelfForcing
from worldgate.models.pools import pool, sample
from worldgate.models.residual import Look, asked
from worldgate.models.reward import Reward
from worldgate.models.source import Source, Walks, checked, world
from worldgate.models.training import train
from worldgate.worlds.network import Network

torch = pytest.importorskip("torch", reason="torch is not installed (extra learn)")

WORLD = Network("network", hosts=4, start="scattered")
SOURCE = Source(8, walks=(Walks("network", "everyday", (1, 2), 24, {"hosts": 4, "start": "scattered"}),))
HALF = replace(SOURCE, look=Look(0.5, ("host",)))
HOSTS = references(WORLD.schema, frozenset({"host"}))
UNSEEN = {("host", "h2"), ("host", "h3")}
SMALL = {
    "relational": {"width": 8, "head": 8, "hard_at": 1},
    "neurosymbolic": {"width": 8, "head": 8, "hard_at": 1},
    "graph": {"width": 16, "rounds": 1, "layers": 1},
}


def encoder(name: str, source: Source = SOURCE) -> Any:
    family = family_of(name)
    return family.encoder(family.config(**SMALL[name]), world(source).schema, sample(source, 0))


def test_questions_about_observed_hosts_alone_are_left_out() -> None:
    made = encoder("relational")
    every, left = ([one.question for one in pool(source, made, 0, 0)] for source in (SOURCE, HALF))

    def unseen(question: Any) -> bool:
        row = (question.ask.template.relation, question.ask.key, question.ask.now, question.after)
        return not UNSEEN.isdisjoint(HOSTS.of(row))

    assert left == [question for question in every if unseen(question)]
    assert 0.3 * len(every) < len(left) < len(every)


@pytest.mark.parametrize("name", SMALL)
def test_a_share_of_nothing_leaves_out_global_facts_and_of_everything_all(name: str) -> None:
    made, steps = encoder(name), roll(WORLD, "everyday", 3, 24).steps
    counts = [
        sum(len(asked(made, step, look)) for step in steps)
        for look in (SOURCE.look, Look(0.0, ("host",)), Look(0.5, ("host",)), Look(1.0, ("host",)))
    ]
    if name == "graph":  # whose one question of a step has parts
        assert counts == [len(steps), len(steps), len(steps), 0]
        assert any(not step.net for step in steps)
    else:
        assert counts == sorted(counts, reverse=True)
        assert counts[0] > counts[1] > counts[2] > counts[3] == 0


def test_a_graph_learns_no_token_of_what_is_decided() -> None:
    made, cut = encoder("graph"), 0
    for step in roll(WORLD, "everyday", 3, 24).steps:
        for question in asked(made, step, HALF.look):
            plain, masked = (made.batch([one])["right"][0] for one in (question._replace(decided=()), question))
            learned = masked.any(-1)
            assert (masked[learned] == plain[learned]).all()
            assert learned[-1]
            rows = [(*place, *change) for place, change in made.tokens.every(step.before, step.net).items()]
            open_ = [row for row in rows if not UNSEEN.isdisjoint(HOSTS.of(row))]
            assert set(question.decided) == {row[:2] for row in rows if row not in open_}
            assert bool(len(open_) < len(rows)) == bool(not learned.all())
            cut += int((~learned).sum())
    assert cut > 20


def test_what_is_decided_is_not_learned(tmp_path: Path) -> None:
    """Without global facts, the heads of templates about them stay as they began."""
    from safetensors.torch import load_file

    source = replace(SOURCE, look=Look(0.0, ("host",)))
    loop = Loop(steps=4, self_forcing=SelfForcing(0.5, 0.0, 0.0, horizon=2, walks=1))
    training = Training("relational", source, SMALL["relational"], loop)
    prior = load_file(train(training, tmp_path / "a"))["prior"]
    whole = load_file(train(replace(training, source=SOURCE), tmp_path / "b"))["prior"]
    templates = [one for group in encoder("relational").templates.values() for one in group]
    global_ = [one.number for one in templates if not HOSTS.relations[one.relation].kinds()]
    others = [one.number for one in templates if one.number not in global_]
    assert not prior[global_].any()
    assert whole[global_].any()
    assert prior[others].any()


def test_batches_with_a_look_are_the_same_in_any_process(tmp_path: Path) -> None:
    training = Training("relational", HALF, SMALL["relational"], Loop(steps=2))
    assert train(training, tmp_path / "a").read_bytes() == train(training, tmp_path / "b", workers=1).read_bytes()


@pytest.mark.parametrize(
    "change",
    [{"look": Look(1.5)}, {"look": Look(-0.1)}, {"look": Look(0.5, ("dog",))}, {"look": Look(0.5), "unroll": 2}],
    ids=str,
)
def test_a_wrong_look_is_refused(change: dict[str, Any]) -> None:
    assert checked(HALF) is HALF
    with pytest.raises(BadTraining, match=r"WG510.*look"):
        checked(replace(SOURCE, **change))


def test_a_look_is_refused_where_all_facts_count() -> None:
    with pytest.raises(BadTraining, match=r"WG510.*reward beside a look"):
        proven(Training("relational", HALF, SMALL["relational"], Loop(reward=Reward())))


def test_a_family_that_asks_whole_transitions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTraining, match=r"WG510.*look with family flat"):
        train(Training("flat", HALF, {"width": 8}), tmp_path / "a")

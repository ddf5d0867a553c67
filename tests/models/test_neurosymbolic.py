"""The neurosymbolic family: what rules settle, what the net is asked, and which edits come from which."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from worldgate.horizon import roll
from worldgate.horizon.trajectory import Step, net
from worldgate.models.document import load_training
from worldgate.models.neurosymbolic import FAMILY
from worldgate.models.neurosymbolic.encoder import Encoder
from worldgate.models.neurosymbolic.rulebook import Document
from worldgate.worlds import get
from worldgate.worlds.network import Network

torch = pytest.importorskip("torch", reason="torch is not installed (extra learn)")

PLAIN = Network("network", hosts=5, start="empty")
CONFIG = FAMILY.config(width=8, head=8, hard_at=1)


def steps(world: Network, driver: str, seeds: Sequence[int], length: int = 60) -> list[Step]:
    return [step for seed in seeds for step in roll(world, driver, seed, length).steps]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return FAMILY.encoder(CONFIG, PLAIN.schema, steps(PLAIN, "weighted", range(20)))


TRAINING = """
family: neurosymbolic
config: {width: 8, head: 8, hard_at: 1}
source:
  places: [{world: network, options: {hosts: 5, start: empty}, drivers: [weighted]}]
  batch: 8
  walks_each: 2
  episode: 50
  sample: 30
loop: {steps: 2}
"""


def test_where_rules_are_right_all_edits_are_theirs_and_exact(tmp_path: Path) -> None:
    from worldgate.models.checkpoint import describe, notes
    from worldgate.models.predictor import learned
    from worldgate.models.training import train

    path = train(load_training(TRAINING, "rules.yaml"), tmp_path / "a.safetensors")
    world = Network("network", hosts=9, start="empty")
    rows, origins = steps(world, "weighted", (7001, 7002)), Counter[str]()
    said = learned(path, world.schema).predict_all([(step.before, step.action) for step in rows])
    for one, step in zip(said, rows, strict=True):
        assert net(one.delta) == step.net, step.text
        assert len(one.origins) == len(one.delta)
        assert one.uncertainty is not None
        assert 0.0 <= one.uncertainty < 1.0
        origins.update(one.origins)
    assert set(origins) == {"rules"}
    assert notes(describe(path))["by rules"].startswith("100.0% of ")


def test_a_document_is_data_and_says_the_same(encoder: Encoder) -> None:
    document = msgspec.json.decode(msgspec.json.encode(encoder.document()), type=Document)
    assert document == encoder.document()
    again = FAMILY.restored(document, PLAIN.schema)
    for step in steps(PLAIN, "weighted", (91,), 40):
        pair = step.before, step.action
        assert again.rulebook.verdict(*pair) == encoder.rulebook.verdict(*pair)


def test_rules_of_another_schema_or_cut_short_are_refused(encoder: Encoder) -> None:
    document = encoder.document()
    with pytest.raises(Exception, match="WG510"):
        FAMILY.restored(document, get("robot-cell").schema)
    with pytest.raises(Exception, match="WG510"):
        FAMILY.restored(msgspec.structs.replace(document, terms=document.terms[:3]), PLAIN.schema)


def test_the_net_is_asked_about_what_is_left_open_and_hears_the_rules() -> None:
    world = PLAIN
    few = steps(world, "weighted", range(4), 30)
    open_ = FAMILY.encoder(FAMILY.config(width=8, head=8, hard_at=1, least=10**6), world.schema, few)
    torch.manual_seed(0)
    made = FAMILY.net(CONFIG, open_).eval()
    rows = steps(world, "weighted", (81,), 40)
    with torch.no_grad():
        said = made.predict([(step.before, step.action) for step in rows])
    assert {origin for one in said for origin in one.origins} == {"net"}
    asked = [(step, ask) for step in rows for ask in open_.asks(step.before, step.action)[2]]
    assert asked
    for step, ask in asked:
        verdict = open_.rulebook.verdict(step.before, step.action)
        assert ask.values[-1] == verdict.values.get((ask.template.relation, ask.key), ask.now)
        assert ask.template.relation not in verdict.settled


def test_the_net_begins_by_believing_the_rules_however_actions_are_spelled() -> None:
    market = get("market")  # whose actions are records: `place`, which begins with `buy` or `sell` as text
    some = [step for seed in range(3) for step in roll(market, "everyday", seed, 20).steps if step.text[:3] == "buy"]
    open_ = FAMILY.encoder(FAMILY.config(width=8, head=8, hard_at=1, least=10**6), market.schema, some)
    document = open_.document()
    assert {one.name for one in document.worth} == {"place"}
    assert {(one.name, one.words) for one in document.spoken} <= open_.templates.keys()
    for count in ("wrong", "edits", "facts", "errors"):
        both = [sum(getattr(one, count) for one in rows) for rows in (document.worth, document.spoken)]
        assert both[0] == both[1]
    net = FAMILY.net(CONFIG, open_)
    worths = {(one.name, one.words, one.relation): one for one in document.spoken}
    believed = 0
    for shape, group in open_.templates.items():
        for template in group:
            worth, said = worths.get((*shape, template.relation)), float(net.prior.detach()[template.number].max())
            right = (worth.facts - worth.errors + 1) / (worth.errors + 1) if worth else 1.0
            assert said == pytest.approx(max(0.0, math.log(right)))
            believed += said > 0
    assert believed

"""The graph family: what it sees, what it can say, and that it names entities by pointing at them."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from worldgate.facts import State
from worldgate.horizon import Trajectory, roll
from worldgate.horizon.trajectory import Step, net
from worldgate.models.document import Loop, Training
from worldgate.models.graph import FAMILY, Document, Encoder, GraphConfig
from worldgate.models.graph.config import NotGraphable
from worldgate.models.graph.features import graph_of, pointable
from worldgate.models.predictor import learned
from worldgate.models.source import Source, Walks
from worldgate.models.training import train
from worldgate.worlds import get
from worldgate.worlds.network import Network

torch = pytest.importorskip("torch")

WALKS = {
    "network-0": "everyday",
    "network": "routed",
    "market": "",
    "robot-cell": "",
    "support-desk": "",
    "filesystem": "",
}
SMALL = Network("network-0", hosts=5, start="empty")
IDENTITIES = ("none", "onehot", "pointer")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def walked(world: str, steps: int = 24) -> Trajectory:
    made = get(world)
    return roll(made, WALKS[world] or min(made.drivers), 3, steps)


def tiny(steps: list[Step] | tuple[Step, ...], **config: Any) -> tuple[Encoder, Any]:
    given = GraphConfig(**{"width": 16, "rounds": 2, "layers": 1, **config})
    encoder = FAMILY.encoder(given, steps[0].before.schema, steps)
    return encoder, FAMILY.net(given, encoder).eval()


def tensors(arrays: Any) -> dict[str, Any]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def batch_of(encoder: Encoder, steps: Any) -> dict[str, Any]:
    return encoder.batch([question for step in steps for question in encoder.questions(step)])


def assert_well_formed(state: State, delta: Any) -> None:
    """It can be checked, each fact is edited once, and each edit changes what is there."""
    assert len({edit[:2] for edit in delta}) == len(delta)
    for relation, key, before, after in delta:
        state.schema.check(relation, key, after)
        assert before == state.get(relation, key) != after
    assert state.apply(delta) == state.force(delta)


# --- deltas as tokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("world", sorted(WALKS))
@pytest.mark.parametrize("identity", IDENTITIES)
def test_what_is_said_of_a_delta_means_that_delta(world: str, identity: str) -> None:
    steps = walked(world).steps
    encoder, _ = tiny(steps, identity=identity)
    said = 0
    for step in steps:
        graph = graph_of(encoder.layout, step.before, step.action)
        names = {kind: pointable(graph, kind) for kind in encoder.tokens.kinds}
        for turned in (False, True):
            points = encoder.tokens.example(step.before, step.net, names, turned)
            meaning = {kind: {node: value for value, node in some.items()} for kind, some in names.items()}
            delta = encoder.tokens.delta(step.before, [point.said for point in points], meaning)
            assert_well_formed(step.before, delta)
            assert net(delta).items() <= step.net.items()
            said += net(delta) == step.net
    assert said or world in ("filesystem", "market")  # a shell's answers and sums of money are not seen before


@pytest.mark.parametrize("world", sorted(WALKS))
@pytest.mark.parametrize("identity", ["onehot", "pointer"])
def test_no_weights_say_a_malformed_delta(world: str, identity: str) -> None:
    steps = walked(world, 12).steps
    _, model = tiny(steps, identity=identity, block=24)
    for seed in range(2):
        for weights in model.parameters():
            torch.nn.init.normal_(weights, std=1.0 + seed)
        found = model.predict([(step.before, step.action) for step in steps])
        for step, prediction in zip(steps, found, strict=True):
            assert_well_formed(step.before, prediction.delta)
            assert prediction.uncertainty > 0


def test_right_answers_are_legal() -> None:
    steps = walked("network-0").steps
    for identity in IDENTITIES:
        encoder, model = tiny(steps, identity=identity)
        batch = tensors(batch_of(encoder, steps))
        nodes, vector, _ = model._read(batch)
        scores = model._scores(batch, nodes, vector, batch["slot"], batch["said"])
        assert batch["right"].any(dim=-1).sum() > len(steps)
        assert torch.isfinite(scores[batch["right"]]).all()


def test_arrays_become_tensors_where_the_weights_are(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = walked("network-0", 4).steps
    _, model = tiny(steps)
    pairs, devices = [(step.before, step.action) for step in steps], []
    said = model.predict(pairs)
    monkeypatch.setattr(
        "worldgate.models.graph.net.tensors", lambda arrays, device: devices.append(device) or tensors(arrays)
    )
    with torch.device("meta"):  # where a tensor is made that nobody says the device of
        assert model.predict(pairs) == said
    assert set(devices) == {torch.device("cpu")}


# --- what it sees -------------------------------------------------------------------------------------


def test_the_order_of_facts_does_not_matter() -> None:
    steps = walked("network").steps[-4:]
    encoder, _ = tiny(steps)
    for step in steps:
        facts = sorted(step.before.facts(), reverse=True)
        Random(1).shuffle(facts)
        again = step._replace(before=State.of(step.before.schema, facts))
        one, other = batch_of(encoder, [step]), batch_of(encoder, [again])
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


def renamed(state: State, names: dict[str, str]) -> State:
    """The same network with other names of hosts; links keep their ends in order."""
    facts = []
    for relation, key, value in state.facts():
        new = tuple(names.get(part, part) for part in key)
        facts.append((relation, tuple(sorted(new)) if relation == "link" else new, value))
    return State.of(state.schema, facts)


def test_what_it_sees_is_equivariant_to_names() -> None:
    """Other names, and so another order of facts and nodes: the same vectors, under the other names."""
    steps = [step for seed in range(2) for step in roll(SMALL, "everyday", seed, 24).steps]
    encoder, model = tiny(steps)
    names = {"h0": "h3", "h1": "db", "h2": "h0", "h3": "h1", "h4": "zz"}
    for step in steps[::6]:
        text = " ".join(names.get(word, word) for word in step.text.split())
        pairs = (step.before, step.action), (renamed(step.before, names), SMALL.parse(text))
        graphs = [graph_of(encoder.layout, *pair) for pair in pairs]
        nodes, vectors, _ = model._read(tensors(encoder.graphs(graphs)[0]))
        torch.testing.assert_close(vectors[0], vectors[1], atol=1e-4, rtol=1e-4)
        place = {node: at for at, node in enumerate(graphs[1].nodes)}
        turned = [place[kind, names.get(value, value)] for kind, value in graphs[0].nodes]
        torch.testing.assert_close(nodes[0, : len(turned)], nodes[1, turned], atol=1e-4, rtol=1e-4)


def test_without_identity_hosts_are_one_and_the_same() -> None:
    steps = roll(SMALL, "weighted", 0, 40).steps
    asked = [SMALL.parse(f"host_down h{number}") for number in range(5)]
    spread = {}
    for identity in ("none", "onehot"):
        encoder, model = tiny(steps, identity=identity, closed=("port",))
        graphs = [graph_of(encoder.layout, steps[0].before, action) for action in asked]
        _, vectors, _ = model._read(tensors(encoder.graphs(graphs)[0]))
        spread[identity] = float((vectors - vectors[0]).detach().abs().max())
    assert spread["none"] < 1e-5 < spread["onehot"]


def test_a_pass_costs_what_there_are_facts() -> None:
    sizes = {}
    encoder, _ = tiny(roll(SMALL, "everyday", 0, 24).steps)
    for hosts in (25, 200):
        state = Network("network-0", hosts=hosts, start="campus").initial(0)
        arrays, _ = encoder.graphs([graph_of(encoder.layout, state, SMALL.parse("host_down h1"))])
        sizes[hosts] = sum(array.size for array in arrays.values()) / len(state)
    assert sizes[200] < 1.5 * sizes[25]


def test_predictions_do_not_depend_on_their_company() -> None:
    steps = walked("network-0", 12).steps
    _, model = tiny(steps, identity="onehot")  # nothing else tells all hosts apart
    pairs = [(step.before, step.action) for step in steps]
    together, alone = model.predict(pairs), [model.predict([pair])[0] for pair in pairs]
    assert [one.delta for one in together] == [one.delta for one in alone]
    assert [one.uncertainty for one in together] == pytest.approx([one.uncertainty for one in alone])


# --- documents and errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("world", ["network", "market"])
def test_its_document_makes_it_again(world: str) -> None:
    steps = walked(world, 12).steps
    encoder, _ = tiny(steps)
    text = msgspec.json.encode(encoder.document())
    again = FAMILY.restored(msgspec.json.decode(text, type=Document), encoder.schema)
    for other in (again, pickle.loads(pickle.dumps(encoder))):
        assert other.tokens.tokens == encoder.tokens.tokens
        one, two = batch_of(encoder, steps), batch_of(other, steps)
        assert all(np.array_equal(one[name], two[name]) for name in one)


def test_what_does_not_fit_is_refused() -> None:
    steps = walked("network-0", 4).steps
    encoder, _ = tiny(steps)
    with pytest.raises(NotGraphable, match="schema market"):
        FAMILY.restored(encoder.document(), get("market").schema)
    with pytest.raises(NotGraphable, match="dragon"):
        tiny(steps, closed=("dragon",))
    with pytest.raises(NotGraphable, match="multiple of the heads"):
        GraphConfig(width=9)


def test_it_is_trained_kept_and_asked_as_any_family(tmp_path: Path) -> None:
    walks = Walks("network", "everyday", (0, 1), 12, options={"hosts": 4, "start": "empty"})
    config = {"width": 8, "rounds": 1, "layers": 1, "latent": 4}
    training = Training("graph", Source(walks=(walks,), batch=4), config, Loop(steps=3))
    path = train(training, tmp_path / "a")
    assert train(training, tmp_path / "b", workers=1).read_bytes() == path.read_bytes()
    predictor, step = learned(path, SMALL.schema), roll(SMALL, "everyday", 5, 1).steps[0]
    assert_well_formed(step.before, predictor.predict(step.before, step.action).delta)


# --- learning -----------------------------------------------------------------------------------------


def test_it_learns_to_point_where_the_published_network_guesses() -> None:
    steps = [step for seed in range(2) for step in roll(SMALL, "weighted", seed, 40).steps]
    held = [step for seed in (100, 101) for step in roll(SMALL, "weighted", seed, 24).steps]
    exact = {}
    for identity in ("none", "pointer"):
        torch.manual_seed(0)
        encoder, model = tiny(steps, identity=identity, closed=("port",), width=32)
        questions = [question for step in steps for question in encoder.questions(step)]
        optimizer, random = torch.optim.AdamW(model.parameters(), lr=5e-3), Random(0)
        model.train()
        for _ in range(100):
            loss = model.loss(tensors(encoder.batch(random.choices(questions, k=16))))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        found = model.predict([(step.before, step.action) for step in held])
        exact[identity] = sum(net(one.delta) == step.net for one, step in zip(found, held, strict=True)) / len(held)
    assert exact["pointer"] > exact["none"] + 0.1, exact

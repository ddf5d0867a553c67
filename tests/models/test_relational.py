"""The relational family: templates, graphs, the automaton, and what a short training learns."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import msgspec
import pytest

from worldgate.facts import State
from worldgate.horizon import Prediction, roll
from worldgate.horizon.induction.coding import from_data, to_data
from worldgate.horizon.trajectory import Step, net
from worldgate.models.document import load_training
from worldgate.models.family import tensors
from worldgate.models.relational import FAMILY
from worldgate.models.relational.automaton import Automaton
from worldgate.models.relational.encoder import Encoder, Lanes
from worldgate.models.relational.templates import Document, mined
from worldgate.models.training import train
from worldgate.worlds import get, names
from worldgate.worlds.network import Network

torch = pytest.importorskip("torch", reason="torch is not installed (extra learn)")

NETWORK = Network("network", hosts=6, start="scattered")
HARD = FAMILY.config(width=8, head=8, hard_at=1)


def steps(world: Network, seeds: Sequence[int] = (1, 2, 3), length: int = 80) -> list[Step]:
    drivers = [driver for driver in world.drivers if driver != "adversarial"]
    return [step for driver in drivers for seed in seeds for step in roll(world, driver, seed, length).steps]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return FAMILY.encoder(HARD, NETWORK.schema, steps(NETWORK))


def random_net(encoder: Encoder, seed: int = 0):
    """A net whose messages spread far, since its weights are large."""
    torch.manual_seed(seed)
    made = FAMILY.net(HARD, encoder).eval()
    with torch.no_grad():
        for weight in made.tell.parameters():
            weight.mul_(3.0)
    return made


def asked(encoder: Encoder, some: Sequence[Step]) -> Lanes:
    lanes = Lanes(encoder)
    for step in some:
        shape, words, asks = encoder.asks(step.before, step.action)
        for ask in asks:
            lanes.add(step.before, shape, words, ask)
    return lanes


def close(net, lanes: Lanes, looked_up: Sequence[Sequence[float]]) -> bool:
    """Whether what was looked up is what the net computes of the same lanes."""
    with torch.no_grad():
        computed = net(tensors(lanes.arrays())).softmax(-1)
    rows = zip(looked_up, computed.tolist(), strict=True)
    return all(max(abs(one - other) for one, other in zip(*row, strict=False)) < 1e-5 for row in rows)


@pytest.mark.parametrize("name", list(names()))
def test_templates_are_data(name: str) -> None:
    world = get(name)
    document = mined(world.schema, roll(world, next(iter(world.drivers)), 5, 60).steps)
    again = msgspec.json.decode(msgspec.json.encode(document), type=Document)
    assert again == document
    assert any(shape.templates for shape in document.shapes)
    for shape in again.shapes:
        for template in shape.templates:
            for data in (*template.keys, *template.answers):
                assert to_data(from_data(data, world.schema), world.schema) == data


def test_actions_of_many_words_are_one_shape() -> None:
    market = get("market")  # a tick has seven words for each of its symbols
    encoder = FAMILY.encoder(HARD, market.schema, roll(market, "everyday", 1, 40).steps)
    shapes = [(shape.name, len(shape.words)) for shape in encoder.document().shapes]
    assert len(set(shapes)) == len(shapes)
    assert [template.number for group in encoder.templates.values() for template in group] == list(
        range(len(encoder.answers))
    )


def test_pairs_that_are_always_in_order_are_read_both_ways() -> None:
    encoder = FAMILY.encoder(FAMILY.config(both_ways=True), NETWORK.schema, steps(NETWORK))
    assert encoder.document().unordered == ("link",)
    assert mined(NETWORK.schema, steps(NETWORK)).unordered == ()
    state = NETWORK.initial(3)
    graph = encoder.graph(state)
    at = next(number for number, layout in enumerate(encoder.layouts) if layout.name == "link")
    names = {node: value for (_, value), node in graph.numbers.items()}
    read = [
        (tuple(names[node] for node in row), sort[0])
        for row, sort in zip(*encoder.layouts[at].both_ways(graph.joins[at], graph.sorts[at]), strict=True)
    ]
    links = sorted(key for relation, key, _ in state.facts() if relation == "link")
    turned = encoder.layouts[at].turned
    assert read == [*((key, 0) for key in links), *((key[::-1], turned) for key in links)]
    assert turned == encoder.layouts[at].width - 1


def test_few_pairs_or_some_out_of_order_are_read_as_written() -> None:
    few = Network("network", hosts=4, start="ring")
    assert mined(few.schema, steps(few), both_ways=True).unordered == ()
    some = steps(NETWORK)
    link = next(fact for fact in some[0].before.facts() if fact[0] == "link")
    turned = State.of(NETWORK.schema, [("link", link[1][::-1], link[2])])
    assert mined(NETWORK.schema, [*some, some[0]._replace(before=turned, delta=())], both_ways=True).unordered == ()


def test_templates_of_another_schema_are_refused() -> None:
    document = mined(get("market").schema, roll(get("market"), "everyday", 5, 60).steps)
    with pytest.raises(Exception, match=r"WG\d+"):
        FAMILY.restored(document, get("robot-cell").schema)


def test_right_answers_come_to_the_true_delta(encoder: Encoder) -> None:
    for step in steps(NETWORK, (11, 12), 60):
        found = {}
        for one in encoder.questions(step):
            value = one.ask.values[one.right.index(True)]
            if value != one.ask.now:
                found[one.ask.template.relation, one.ask.key] = (one.ask.now, value)
        assert found == step.net, step.text


@pytest.mark.parametrize("both_ways", [False, True])
def test_the_automaton_says_what_the_net_does(both_ways: bool) -> None:
    encoder = FAMILY.encoder(FAMILY.config(both_ways=both_ways), NETWORK.schema, steps(NETWORK))
    assert any(encoder.turned) == both_ways
    for seed in range(2):
        net = random_net(encoder, seed)
        automaton = Automaton(net.state_dict(), encoder.answers, encoder.turned)
        for again in (21, 22, 21):
            lanes = asked(encoder, steps(NETWORK, (again,), 20))
            assert close(net, lanes, automaton.chances(lanes))


def test_an_automaton_that_is_full_begins_anew(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    net, lanes = random_net(encoder), asked(encoder, steps(NETWORK, (21,), 20))
    automaton = Automaton(net.state_dict(), encoder.answers, encoder.turned)
    first = automaton.chances(lanes)
    monkeypatch.setattr("worldgate.models.relational.automaton.MOST", 1)
    assert automaton.chances(lanes) == first


def test_a_net_that_has_learned_says_something_else(encoder: Encoder) -> None:
    net, some = random_net(encoder), steps(NETWORK, (21,), 20)
    before = net.predict([(step.before, step.action) for step in some])
    with torch.no_grad():
        net.read.weight.neg_()
        after = net.predict([(step.before, step.action) for step in some])
    assert before != after


def test_a_copy_says_what_its_own_weights_say(encoder: Encoder) -> None:
    def version(net) -> int:
        return sum(weight._version for weight in net.parameters())

    net, some = random_net(encoder), steps(NETWORK, (21,), 20)
    pairs = [(step.before, step.action) for step in some]
    with torch.no_grad():
        net.predict(pairs)
        copied = deepcopy(net)
        while version(copied) < version(net):  # as if it had learned as often as the first
            copied.read.weight.mul_(-1.1)
        fresh = FAMILY.net(HARD, encoder).eval()
        fresh.load_state_dict(copied.state_dict())
        assert copied.predict(pairs) == fresh.predict(pairs) != net.predict(pairs)


@pytest.mark.parametrize("hard_at", [0, 1])
def test_tensors_are_made_where_the_weights_are(
    hard_at: int, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is made anywhere but on the device of the weights does not fit to what they say."""
    torch.manual_seed(0)
    net = FAMILY.net(FAMILY.config(width=8, head=8, hard_at=hard_at), encoder).eval()
    some = steps(NETWORK, (21,), 4)
    pairs, asked = [(step.before, step.action) for step in some], encoder.batch(questions(encoder))
    with torch.no_grad():
        said, loss = net.predict(pairs), net.loss(tensors(asked))
        monkeypatch.setattr("worldgate.models.relational.net.tensors", lambda arrays, device: tensors(arrays, device))
        with torch.device("meta"):  # where a tensor is made that nobody says the device of
            assert net.predict(pairs) == said
            assert torch.equal(net.loss(tensors(asked)), loss)


def test_names_do_not_matter_but_for_their_order(encoder: Encoder) -> None:
    world, net = NETWORK, random_net(encoder)
    names = {host: f"x-{host}" for host in world.hosts}

    def renamed(state: State) -> State:
        def other(key):
            return tuple(names.get(part, part) for part in key)

        return State.of(state.schema, ((name, other(key), value) for name, key, value in state.facts()))

    some = steps(world, (31,), 40)
    texts = [" ".join(names.get(word, word) for word in step.text.split()) for step in some]
    mine = net.predict([(step.before, step.action) for step in some])
    other = net.predict([(renamed(step.before), world.parse(text)) for step, text in zip(some, texts, strict=True)])
    for one, also in zip(mine, other, strict=True):
        said = [
            (edit.relation, tuple(names.get(part, part) for part in edit.key), edit.before, edit.after)
            for edit in one.delta
        ]
        assert said == [tuple(edit) for edit in also.delta]
        assert one.uncertainty == pytest.approx(also.uncertainty, abs=1e-6)


def test_a_shape_never_seen_is_wholly_uncertain(encoder: Encoder) -> None:
    net = random_net(encoder)
    state = NETWORK.initial(0)
    said = net.predict([(state, NETWORK.parse("zone h1 clients")), (state, NETWORK.parse("host_down h1"))])
    assert said[0] == Prediction((), 1.0)
    assert said[1].uncertainty < 1.0


def test_what_was_seldom_or_never_seen_is_less_certain(encoder: Encoder) -> None:
    net, state = random_net(encoder), NETWORK.initial(0)
    unknown = state.set("zone", ("h2",), "clients")
    seen = {shape.name: shape.seen for shape in encoder.document().shapes}
    down, connect = (NETWORK.parse(text) for text in ("host_down h1", "connect h0 h1 22"))
    assert 0 < seen["host_down"] < seen["connect"]
    assert encoder.doubt(state, connect) < encoder.doubt(state, down) == 1 / (2 + seen["host_down"])
    assert encoder.doubt(unknown, down) == 0.5
    assert encoder.doubt(state, NETWORK.parse("zone h1 clients")) == 1.0
    known, less = net.predict([(state, down), (unknown, down)])
    assert known.uncertainty < 0.5 <= less.uncertainty
    assert known.delta == less.delta  # no weight has learned what it says, so it says nothing
    assert encoder.graph(state).joins == encoder.graph(unknown).joins


def test_hard_messages_are_the_same_in_training_and_after(encoder: Encoder) -> None:
    batch = {name: torch.from_numpy(array) for name, array in encoder.batch(questions(encoder)).items()}
    net = random_net(encoder)
    net.step += 5
    net.train()
    trained = net(batch)
    trained.logsumexp(-1).sum().backward()
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in net.tell.parameters())
    with torch.no_grad():
        assert torch.allclose(net.eval()(batch), trained, atol=1e-5)


def test_what_is_said_costs_and_is_said_less(encoder: Encoder) -> None:
    batch = {name: torch.from_numpy(array) for name, array in encoder.batch(questions(encoder)).items()}

    def after(weight: float, hard_at: int = 0) -> tuple[float, float]:
        """The first loss, and how much is said after some steps with this weight of it."""
        torch.manual_seed(0)
        net = FAMILY.net(FAMILY.config(width=8, head=8, hard_at=hard_at, activity=weight), encoder)
        optimizer, first = torch.optim.AdamW(net.parameters(), 0.003), None
        for _ in range(12):
            loss = net.train().loss(batch)
            first = float(loss.detach()) if first is None else first
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        said: list[torch.Tensor] = []
        with torch.no_grad():
            net.forward(batch, said)
        return first, float(torch.stack(said).mean())

    (free, much), (charged, little) = after(0.0), after(1.0)
    assert charged > free
    assert little < 0.8 * much
    assert after(1.0, hard_at=1) == after(0.0, hard_at=1)


def questions(encoder: Encoder):
    return [question for step in steps(NETWORK, (41,), 20) for question in encoder.questions(step)]


TRAINING = """
family: relational
config: {width: 16, head: 16, hard_from: 42, hard_at: 98, rounds: 8}
source:
  places: [{world: network, options: {hosts: 4, services: 2, start: scattered}, drivers: [weighted, outages]}]
  batch: 96
  walks_each: 4
  burn_in: 20
  share: 3
  balance: 0.4
loop: {steps: 140, rate: 0.006}
"""


def test_a_short_training_predicts_other_seeds_and_sizes(tmp_path: Path) -> None:
    from worldgate.models.predictor import learned

    path = train(load_training(TRAINING, "relational.yaml"), tmp_path / "a.safetensors")
    right = total = 0
    world = Network("network", hosts=9, services=3, start="scattered")
    predictor = learned(path, world.schema)
    for seed in (1, 2):
        rows = roll(world, "outages", seed, 100).steps
        said = predictor.predict_all([(step.before, step.action) for step in rows])
        right += sum(net(one.delta) == step.net for one, step in zip(said, rows, strict=True))
        total += len(rows)
    assert right > 0.6 * total

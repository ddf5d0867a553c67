"""The relational family with formats: what follows from values, ordered facts, joins, and level 0 as it was."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.facts import INT, Relation, Schema, State, Type
from worldgate.horizon import roll
from worldgate.horizon.induction import formats
from worldgate.horizon.induction.joins import Join
from worldgate.horizon.induction.mining import Edited, Miner
from worldgate.horizon.trajectory import Step
from worldgate.models.errors import BadTraining
from worldgate.models.family import tensors
from worldgate.models.relational import FAMILY, valued
from worldgate.models.relational.automaton import Automaton
from worldgate.models.relational.encoder import Encoder, Lanes
from worldgate.models.relational.templates import Document, mined, spoken
from worldgate.worlds import get
from worldgate.worlds.network import Network
from worldgate.worlds.network.schema import SCHEMA

torch = pytest.importorskip("torch", reason="torch is not installed (extra learn)")

CAMPUS = Network("network", hosts=6, start="campus")
CONFIG = FAMILY.config(width=6, head=8, rounds=6, hard_at=1, formats=True)


def walked(seeds: Sequence[int], length: int) -> list[Step]:
    return [
        step for driver in ("routed", "outages") for seed in seeds for step in roll(CAMPUS, driver, seed, length).steps
    ]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return FAMILY.encoder(CONFIG, SCHEMA, walked((1, 2, 3), 50))


PREFIXES = st.builds(
    lambda number, length: str(ip_network((number >> (32 - length) << (32 - length), length))),
    st.integers(0, 7).map(lambda bits: bits << 29),
    st.integers(0, 3),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(PREFIXES, max_size=8, unique=True))
def test_a_prefix_lies_in_the_longest_other_one_around_it(texts: list[str]) -> None:
    found = dict(formats.within([(formats.span("ip-prefix", text), at) for at, text in enumerate(texts)]))
    for at, text in enumerate(texts):
        around = [other for other in texts if other != text and ip_network(text).subnet_of(ip_network(other))]
        best = max(around, key=lambda other: ip_network(other).prefixlen, default=None)
        assert (texts[found[at]] if at in found else None) == best


def test_what_is_not_of_its_format_has_no_parts_and_lies_nowhere() -> None:
    assert formats.parts("ip-interface", "10.1.0.1/24") == ("10.1.0.1", "10.1.0.0/24")
    assert formats.parts("ip-port", "53/udp") == (53,)
    assert formats.parts("ip-interface", "here") == (None, None)
    assert formats.span("ip-prefix", "10.1.0.1/24") is None
    assert formats.span("no such format", "10.1.0.0/24") is None


def test_a_format_is_no_part_of_a_schema() -> None:
    def schema(type_: Type) -> Schema:
        return Schema("s", "1", [Relation("r", (("k", type_),), INT)])

    plain, formatted = Type("text"), Type("text", format="ip-prefix")
    assert plain == formatted
    assert schema(plain).digest == schema(formatted).digest


def joined(graph: valued.Graph, name: str) -> set[tuple[object, ...]]:
    """The joins of a layout, by the values of their nodes."""
    values = {node: value for (_, value), node in graph.numbers.items()}
    return {tuple(values[node] for node in row) for row in graph.joins[graph.reading.at[name]]}


def test_values_and_facts_are_ordered() -> None:
    graph = valued.Graph(CAMPUS.initial(0).facts(), valued.Reading(SCHEMA))
    assert ("10.1.0.1/24", "10.1.0.0/24") in joined(graph, "ip-interface network")
    assert ("10.255.0.1", "10.255.0.0/30") in joined(graph, "within")
    assert ("10.1.0.0/24", "10.0.0.0/8") in joined(graph, "within")
    assert ("80", 80) in joined(graph, "ref port number")
    assert (10, 20) in joined(graph, "next int")
    order = joined(graph, "next rule")
    assert order == {(("r3", "forward", one), ("r3", "forward", one + 10)) for one in (10, 20, 30)}
    routes = joined(graph, "next route")
    assert (("r2", "10.1.0.0/24"), ("r2", "0.0.0.0/0")) in routes
    assert all(inner[0] == outer[0] for inner, outer in routes)


def test_graphs_do_not_depend_on_the_order_of_facts() -> None:
    state, reading = walked((4,), 30)[-1].state, valued.Reading(SCHEMA)
    facts = list(state.facts())
    one, other = (valued.Graph(State.of(SCHEMA, some).facts(), reading) for some in (facts, facts[::-1]))
    assert one.numbers.keys() == other.numbers.keys()
    assert (one.joins, one.sorts) == (other.joins, other.sorts)


def test_words_that_are_keywords_make_the_shape(encoder: Encoder) -> None:
    assert {"to", "proto", "port"} <= encoder.keywords <= {"from", "to", "proto", "port", "leaving"}
    keywords = frozenset({"from", "to", "proto", "port"})
    action = CAMPUS.parse("rule_add h1 input 7 drop from 10.1.0.0/24 proto tcp port 80")
    assert spoken(action, keywords) == (
        "rule_add+from+proto+port",
        ("h1", "input", "7", "drop", "10.1.0.0/24", "tcp", "80"),
    )


def test_joins_say_the_routes_that_hosts_learn(encoder: Encoder) -> None:
    """Of the routes that change in walks of other seeds, nearly all are said; without joins, less than half are."""
    shares = []
    for joins in (False, True):
        said = changed = 0
        for step in walked((11, 12), 50):
            asked = encoder.asks(step.before, step.action)
            about: dict[object, set[object]] = {}
            for ask in asked[2] if asked else ():
                if joins or ask.template.join is None:
                    about.setdefault((ask.template.relation, ask.key), set()).update(ask.values)
            routes = {place: after for place, (_, after) in step.net.items() if place[0] == "route"}
            changed += len(routes)
            said += sum(after in about.get(place, ()) for place, after in routes.items())
        shares.append(said / changed)
    assert shares[0] < 0.5
    assert shares[1] > 0.85


def test_of_a_join_another_value_is_right_unless_it_is_this_one(encoder: Encoder) -> None:
    right = 0
    for step in walked((13,), 40):
        for one in encoder.questions(step):
            if one.ask.template.join is not None:
                after = step.net.get((one.ask.template.relation, one.ask.key), (None, one.ask.now))[1]
                assert one.right == (after != one.ask.values[1], after == one.ask.values[1])
                right += one.right[1]
    assert right > 0


def test_the_automaton_says_what_the_net_does(encoder: Encoder) -> None:
    lanes = Lanes(encoder)
    for step in walked((14,), 3):
        shape, words, asks = encoder.asks(step.before, step.action) or ((), (), ())
        for ask in asks[-4:]:
            lanes.add(step.before, shape, words, ask)
    torch.manual_seed(0)
    net = FAMILY.net(CONFIG, encoder).eval()
    with torch.no_grad():
        for weight in net.tell.parameters():
            weight.mul_(3.0)
        looked_up = Automaton(net.state_dict(), encoder.answers, encoder.turned).chances(lanes)
        computed = net(tensors(lanes.arrays())).softmax(-1).tolist()
    for row, other in zip(looked_up, computed, strict=True):
        assert row == pytest.approx(other[: len(row)], abs=1e-5)


def test_it_predicts_what_the_schema_allows(encoder: Encoder) -> None:
    torch.manual_seed(1)
    net = FAMILY.net(FAMILY.config(width=6, head=8, rounds=6, formats=True), encoder).eval()
    some = walked((15,), 5)
    with torch.no_grad():
        together = net.predict([(step.before, step.action) for step in some])
        alone = [net.predict([(step.before, step.action)])[0] for step in some]
    assert [one.delta for one in together] == [one.delta for one in alone]
    for step, one in zip(some, together, strict=True):
        step.before.apply(one.delta)


def test_the_document_makes_it_again(encoder: Encoder) -> None:
    data = msgspec.json.encode(encoder.document())
    again = FAMILY.restored(msgspec.json.decode(data, type=Document), SCHEMA)
    assert msgspec.json.encode(again.document()) == data
    assert again.layouts == encoder.layouts
    assert again.marks == encoder.marks
    with pytest.raises(BadTraining):
        FAMILY.restored(encoder.document(), get("market").schema)


def test_a_word_that_is_no_number_says_nothing(encoder: Encoder) -> None:
    (written,) = [join for shape in encoder.document().shapes if shape.name == "route_add" for join in shape.joins[:1]]
    words = ("r1", "10.9.0.0/16", "10.255.0.1", "many")
    said = {Join(written, SCHEMA).said((words, *rows)) for rows in [(("r1", "edge", True),) * len(written.facts)]}
    assert said == {None}


def test_of_what_too_many_joins_say_none_is_mined() -> None:
    world = get("network")
    route = SCHEMA.relations["route"]
    edits = [
        Edited(step.before, (), "route", key, after)
        for step in roll(world, "routed", 1, 30).steps
        for (relation, key), (_, after) in step.net.items()
        if relation == "route" and after is not None
    ]
    assert Miner(SCHEMA).mined(route, edits)
    assert not Miner(SCHEMA).mined(route, edits, most=10)


def test_without_formats_all_is_as_it_was() -> None:
    world = Network("network", hosts=4, start="scattered")
    document = mined(SCHEMA, roll(world, "everyday", 1, 60).steps)
    assert not document.formats
    written = msgspec.to_builtins(document)
    assert set(written) == {"shapes", "seen"}
    assert all(set(shape) == {"name", "words", "templates", "seen"} for shape in written["shapes"])

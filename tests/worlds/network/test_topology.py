"""The kept view of who is joined to whom is the one from scratch, whatever was edited in whatever order."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.facts import Edit, State
from worldgate.worlds import get
from worldgate.worlds.network import Network
from worldgate.worlds.network.properties import components_are_those_from_scratch, the_forest_spans_the_components
from worldgate.worlds.network.schema import Route
from worldgate.worlds.network.topology import TOPOLOGY, Topology

from .networks import act, bare


def groups(view: Topology) -> set[frozenset[str]]:
    found: dict[int, set[str]] = {}
    for host, label in view.label.items():
        found.setdefault(label, set()).add(host)
    return {frozenset(group) for group in found.values()}


def assert_same(kept: Topology, anew: Topology) -> None:
    assert groups(kept) == groups(anew)
    assert dict(kept.up) == dict(anew.up)
    assert dict(kept.addresses) == dict(anew.addresses)
    assert {host: near for host, near in kept.near.items() if near} == dict(anew.near)
    assert {label: list(kept.label.values()).count(label) for label in kept.size} == dict(kept.size)
    assert set(kept.label.values()) == set(kept.size)
    assert all(label < kept.fresh for label in kept.size)
    for name in ("services", "denied", "flows", "broken"):
        assert dict(getattr(kept, name)) == dict(getattr(anew, name)), name


def edit(state: State, hosts: list[str], random: Random) -> State:
    """Something that changes who is joined to whom, or what is open; with addresses, bridges become hosts and back."""
    one, other = random.choice(hosts), random.choice(hosts)
    if random.random() < 0.4:
        verbs = (
            "svc_up {} 80",
            "svc_up {} 80",
            "svc_down {} 80",
            "fw_deny {} {}",
            "fw_allow {} {}",
            "connect {} {} 80",
        )
        return act(state, random.choice((*verbs, verbs[-1], "close {} {} 80", "advance")).format(one, other))[0]
    kind = random.random()
    if kind < 0.35:
        return act(state, f"link_up {one} {other}")[0]
    if kind < 0.6:
        links = sorted(state.facts("link"))
        return act(state, "link_down {} {}".format(*random.choice(links)[1]))[0] if links else state
    if kind < 0.75:
        return act(state, f"host_{random.choice(('up', 'down'))} {one}")[0]
    number = random.randrange(3)
    if kind < 0.88:
        return act(state, f"addr_add {one} {random.choice((one, other))} 10.0.{number}.1/24")[0]
    held = sorted(state.facts("address"))
    return act(state, "addr_del {} {} {}".format(*random.choice(held)[1]))[0] if held else state


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(0, 10**6), st.integers(1, 7))
def test_kept_is_from_scratch(size: int, seed: int, stride: int) -> None:
    """Asked for at every `stride`-th state, so that several edits are taken in at once."""
    random, hosts = Random(seed), [f"n{number}" for number in range(size)]
    state, past = bare(*hosts), []
    for number in range(120):
        state = edit(state, hosts, random)
        if number % stride == 0:
            assert_same(state.view(TOPOLOGY), TOPOLOGY.derive(state))
            past.append(state)
    for old in past:  # what came later left it as it was
        assert_same(old.view(TOPOLOGY), TOPOLOGY.derive(old))
    fork = random.choice(past)
    for _ in range(5):
        fork = edit(fork, hosts, random)
    assert_same(fork.view(TOPOLOGY), TOPOLOGY.derive(fork))


@pytest.mark.parametrize("size", [2, 3, 60])
def test_a_ring_that_is_cut_once_holds_and_cut_twice_parts(size: int) -> None:
    hosts = [f"n{number:02}" for number in range(size)]
    state = bare(*hosts)
    for one, other in zip(hosts, (*hosts[1:], hosts[0]), strict=True):
        state, _ = act(state, f"link_up {one} {other}")
    assert len(groups(state.view(TOPOLOGY))) == 1
    state, _ = act(state, f"link_down {hosts[0]} {hosts[-1]}")
    assert len(groups(state.view(TOPOLOGY))) == (1 if size > 2 else 2)
    state, _ = act(state, f"link_down {hosts[0]} {hosts[1]}")
    assert len(groups(state.view(TOPOLOGY))) == 2


def test_an_address_takes_a_host_out_of_its_component_and_its_last_one_puts_it_back() -> None:
    state = bare("a", "b", "c")
    for text in ("link_up a b", "link_up b c", "addr_add b a 10.0.0.1/24", "addr_add b c 10.0.1.1/24"):
        state, _ = act(state, text)
    assert groups(state.view(TOPOLOGY)) == {frozenset("a"), frozenset("c")}
    state, _ = act(state, "addr_del b a 10.0.0.1/24")
    assert groups(state.view(TOPOLOGY)) == {frozenset("a"), frozenset("c")}
    state, _ = act(state, "addr_del b c 10.0.1.1/24")
    assert groups(state.view(TOPOLOGY)) == {frozenset("abc")}


def test_what_is_attached_is_behind_any_number_of_bridges() -> None:
    state = bare("a", "b", "c", "s", "t")
    texts = ("link_up a s", "link_up s t", "link_up t b", "link_up t c", "link_up t s", "addr_add a s 10.0.0.1/24")
    for text in (*texts, "addr_add b t 10.0.0.2/24", "addr_add c t 10.0.0.3/24"):
        state, _ = act(state, text)
    joins = state.view(TOPOLOGY)
    assert sorted(joins.attached("a", "s")) == [("b", "t"), ("c", "t")]
    assert sorted(joins.attached("b", "t")) == [("a", "s"), ("c", "t")]
    assert list(joins.attached("a", "b")) == []
    down, _ = act(state, "host_down t")
    assert list(down.view(TOPOLOGY).attached("a", "s")) == []


WILD = st.lists(
    st.tuples(st.sampled_from(["link", "up", "service", "deny"]), st.sampled_from("abcd"), st.sampled_from("abcd"),
              st.sampled_from([True, False, None])),
    max_size=30,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(WILD)
def test_the_view_is_that_from_scratch_whatever_a_prediction_says(edits):
    """Links the wrong way round, to oneself or said to be false, and facts of hosts that are not there."""
    state = Network(hosts=3, start="empty").initial(0)
    for relation, one, other, value in edits:
        key = (one,) if relation == "up" else (one, "80") if relation == "service" else (one, other)
        state = state.force((Edit(relation, key, None, value),))
        for prove in (components_are_those_from_scratch, the_forest_spans_the_components):
            assert prove(state) is None
        for text in ("advance", "connect a b 80", "link_down a b", "host_down a"):
            world = get("network-0")
            kept, fresh = (world.step(one, world.parse(text)) for one in (state, State.of(state.schema, state.facts())))
            assert kept.delta == fresh.delta


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (("clock", (), None), "advance"),
        (("address", ("h1", "s1", "junk"), True), "addr_add h1 s1 10.1.0.99/24"),
        (("route", ("h1", "junk"), Route("", "s1", 0, False)), "connect h1 h2 80"),
        (("flow", ("h1", "h2", "x"), True), "advance"),
    ],
)
def test_a_step_answers_in_states_that_no_step_leads_to(fact, text):
    world = get("network")
    state = world.initial(0).force((Edit(fact[0], fact[1], None, fact[2]),))
    assert world.step(state, world.parse(text)).observation["exit"] in (0, 1)

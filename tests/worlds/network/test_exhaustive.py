"""Level 0 against a second implementation: on random walks, and over every action in every state of a small network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from worldgate.facts import State
from worldgate.worlds.check import walk
from worldgate.worlds.network import Network
from worldgate.worlds.network.actions import parse
from worldgate.worlds.network.rules import step

from .naive import FAULTS, Naive
from .networks import LEVEL_0_DRIVERS, LEVEL_0_STARTS, bare, facts, run

HOSTS, STRANGER, PORTS = ("h0", "h1", "h2"), "hx", ("80", "443")
STATES = 200


def every_action() -> list[str]:
    """All that can be said of three hosts, one that is not there, and two ports."""
    named = (*HOSTS, STRANGER)
    arguments = {
        ("host_up", "host_down"): product(named),
        ("link_up", "link_down", "fw_deny", "fw_allow"): product(named, named),
        ("svc_up", "svc_down"): product(named, PORTS),
        ("connect", "close"): product(named, named, PORTS),
        ("advance",): [()],
    }
    return [" ".join((verb, *words)) for verbs, rows in arguments.items() for words in list(rows) for verb in verbs]


ACTIONS = every_action()
BUSY = run(
    bare(*HOSTS),
    "link_up h0 h1", "link_up h1 h2", "svc_up h2 80", "svc_up h1 443", "svc_up h0 80",
    "connect h0 h2 80", "connect h2 h0 80", "connect h1 h1 443", "connect h0 h1 443",
)  # fmt: skip
"""Its flows are a few actions away from being broken, which from the empty network takes many."""


def reached(root: State, most: int) -> Iterator[State]:
    """The states a breadth-first walk over all actions comes to, the clock and the code left out."""
    seen, ends = set(), [root]
    for state in ends:
        for text in ACTIONS:
            if len(ends) == most:
                break
            after = step(state, parse(text)).state.set("clock", (), 0).set("exit", (), 0)
            if after.fingerprint not in seen:
                seen.add(after.fingerprint)
                ends.append(after)
    return iter(ends)


def difference(state: State, naive: Naive, text: str) -> str | None:
    """What the two do differently with one action; the naive one is left after it."""
    moved, code = step(state, parse(text)), naive.step(text)
    if moved.observation != {"exit": code}:
        return f"{text}: exit {moved.observation} is not {code}"
    if facts(moved.state) != naive.facts():
        return f"{text}: {facts(moved.state).items() ^ naive.facts().items()}"
    return None


@pytest.mark.parametrize("root", [bare(*HOSTS), BUSY], ids=["empty", "busy"])
def test_every_action_in_every_state_within_reach(root: State) -> None:
    count = 0
    for state in reached(root, STATES):
        before = Naive.of(facts(state))
        for text in ACTIONS:
            assert difference(state, before.copy(), text) is None
            count += 1
    assert count == STATES * len(ACTIONS)
    assert len(ACTIONS) == len(set(ACTIONS)) == 153


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_seen(fault: type[Naive]) -> None:
    for state in (*reached(BUSY, 40), *reached(run(BUSY, "fw_deny h0 h0", "fw_deny h2 h0", "host_down h1"), 40)):
        before = fault.of(facts(state))
        for text in ACTIONS:
            if difference(state, before.copy(), text):
                return
    pytest.fail("not seen")


@pytest.mark.parametrize("start", LEVEL_0_STARTS)
@pytest.mark.parametrize("hosts", [2, 5, 17])
def test_random_walks_agree(start: str, hosts: int) -> None:
    world = Network(hosts=hosts, services=4, start=start)
    assert set(world.drivers) == set(LEVEL_0_DRIVERS)
    for driver in world.drivers:
        naive = Naive.of(facts(world.initial(hosts)))
        for text, before, moved in walk(world, driver, hosts, 120):
            assert difference(before, naive, text) is None
            assert facts(moved.state) == naive.facts()

"""Who reaches what: one question, the whole relation, what a change opens, and the reason when nothing does."""

from __future__ import annotations

import pytest

from worldgate.facts import Draft, State
from worldgate.worlds.check import walk
from worldgate.worlds.network import Network, explain, matrix, opened, reachable
from worldgate.worlds.network.reachability import reach

from .networks import LEVEL_0_STARTS, bare, path, run, settled, why

CHAIN = run(bare("a", "b", "c", "d"), "link_up a b", "link_up b c", "svc_up c 80", "svc_up a 22")


def asked(state: State) -> dict[tuple[str, str, str], bool]:
    """Every (source, target, port) that is reached, a question each."""
    net, hosts = Draft(state), sorted(host for _, (host,), _ in state.facts("up"))
    services = sorted(key for _, key, _ in state.facts("service"))
    return {
        (source, target, port): True
        for target, port in services
        for source in hosts
        if reachable(net, source, target, port)
    }


@pytest.mark.parametrize(("start", "hosts"), [*((start, 7) for start in LEVEL_0_STARTS), ("campus", 6)])
def test_the_relation_is_one_question_each(start: str, hosts: int) -> None:
    world = Network(hosts=hosts, services=3, start=start)
    for driver in world.drivers:
        for number, (_, _, moved) in enumerate(walk(world, driver, 3, 41)):
            if number % 8 == 0:
                found = asked(moved.state)
                assert dict(matrix(moved.state)) == found
                pairs = {(target, port): frozenset() for _, (target, port), _ in moved.state.facts("service")}
                for source, target, port in found:
                    pairs[target, port] |= {source}
                    assert explain(moved.state, source, target, port).reached
                assert reach(moved.state) == pairs


def test_an_answer_has_a_path_or_a_reason() -> None:
    world = Network(hosts=6, start="campus")
    for number, (_, _, moved) in enumerate(walk(world, "routed", 5, 60)):
        hosts = sorted(host for _, (host,), _ in moved.state.facts("up"))
        for target, port in sorted(key for _, key, _ in moved.state.facts("service"))[number % 3 :: 3]:
            for source in hosts:
                answer = explain(moved.state, source, target, port)
                assert answer.reached is bool(answer.path) is not bool(answer.why)
                assert answer.path[:1] == ((source,) if answer.reached else ())


@pytest.mark.parametrize(("texts", "source", "target", "port", "reason"), [
    ((), "a", "x", "80", "there is no host x"),
    ((), "x", "c", "80", "there is no host x"),
    ((), "10.0.0.1", "c", "80", "there is no host 10.0.0.1"),
    (("host_down a",), "a", "c", "80", "a is down"),
    (("host_down c",), "a", "c", "80", "c is down"),
    (("host_down c",), "c", "c", "80", "c is down"),
    ((), "a", "c", "443", "c has no service on 443"),
    ((), "a", "c", "80/udp", "c has no service on 80/udp"),
    (("fw_deny c a",), "a", "c", "80", "c denies a"),
    (("host_down b",), "a", "c", "80", "no path of links between hosts that are up leads from a to c"),
    (("link_down b c",), "a", "c", "80", "no path of links between hosts that are up leads from a to c"),
    ((), "d", "a", "22", "no path of links between hosts that are up leads from d to a"),
    ((), "a", "10.0.0.1", "80", "a has no route to 10.0.0.1"),
    (("addr_add c b 10.0.0.3/24",), "a", "c", "80", "no path of links between hosts that are up leads from a to c"),
    (("addr_add c b 10.0.0.3/24",), "a", "10.0.0.3", "80", "a has no route to 10.0.0.3"),
    (("addr_add a b 10.0.0.1/24",), "a", "c", "80", "c has no address of a family that a has"),
    (("addr_add a b 10.0.0.1/24", "addr_add c b 2001:db8::1/64"), "a", "c", "80",
     "c has no address of a family that a has"),
    (("addr_add a b 10.0.0.1/24",), "a", "10.0.0.9", "80", "nobody answers for 10.0.0.9 on a's interface to b"),
    (("addr_add a b 10.0.0.1/24",), "a", "10.9.0.9", "80", "a has no route to 10.9.0.9"),
    (("addr_add a a 10.0.0.1/24", "addr_add c b 10.0.0.3/24"), "a", "c", "80", "a has no route to 10.0.0.3"),
    (("addr_add a b 10.0.0.1/24", "addr_add c b 10.0.0.3/24", "svc_down c 80"), "a", "c", "80",
     "c has no service on 80"),
    (("addr_add a b 10.0.0.1/24", "addr_add c b 10.0.0.3/24", "fw_deny c a"), "a", "c", "80", "c denies a"),
])  # fmt: skip
def test_the_reason(texts: tuple[str, ...], source: str, target: str, port: str, reason: str) -> None:
    assert why(run(CHAIN, *texts), source, target, port) == reason


def test_the_path_is_a_shortest_one() -> None:
    state = run(CHAIN, "link_up a d", "link_up d c")
    assert path(state, "a", "c") == "a b c"
    assert path(run(state, "host_down b"), "a", "c") == "a d c"
    assert path(run(state, "link_up a c"), "a", "c") == "a c"
    assert path(state, "c", "c") == "c"


def witness(before: State, after: State, sources: str, targets: str) -> str:
    return str(opened(before, after, sources.split(), targets.split()))


def test_what_a_change_opens() -> None:
    cut = run(CHAIN, "link_down b c")
    assert witness(cut, CHAIN, "a b c d", "c") == "a reaches c 80 by a, b, c"
    assert witness(cut, CHAIN, "b d", "c") == "b reaches c 80 by b, c"
    assert witness(cut, CHAIN, "d", "c") == "None"
    assert witness(cut, CHAIN, "a", "a b") == "None"
    assert witness(CHAIN, cut, "a b c d", "a b c d") == "None"
    assert witness(CHAIN, CHAIN, "a", "c") == "None"
    assert witness(CHAIN, run(CHAIN, "svc_up c 443"), "a", "c") == "a reaches c 443 by a, b, c"
    assert witness(run(CHAIN, "fw_deny c a"), CHAIN, "a", "c") == "a reaches c 80 by a, b, c"


def test_what_is_opened_is_what_a_whole_comparison_finds() -> None:
    """Of a level without addresses, where a name is the only way to ask."""
    world = Network(hosts=6, services=2, start="scattered")
    found = set()
    for driver in ("everyday", "outages"):
        for _, before, moved in walk(world, driver, 11, 80):
            new = matrix(moved.state).keys() - matrix(before).keys()
            hosts = [host for _, (host,), _ in before.facts("up")]
            flow = opened(before, moved.state, hosts, hosts)
            assert (flow is not None) is bool({row for row in new if row[0] != row[1]})
            assert flow is None or (flow.source, flow.target, flow.service) in new
            found.add(flow is None)
    assert found == {True, False}


def test_an_exposure_by_another_address_or_by_translation_is_a_path_that_was_opened() -> None:
    """The target's own lowest address stays out of reach; what is opened leads to it all the same."""
    campus, _ = settled(Network(hosts=4, start="campus").initial(1))
    state = run(campus, "svc_up h3 5432")
    assert witness(campus, state, "h0", "h3") == "None", "the database's router lets nobody in"
    exposed = run(
        state, "rule_add r3 forward 1 accept to 10.3.0.0/24 port 5432",
        "nat_add edge 5 destination 10.3.0.10@5432 to 198.51.100.1 proto tcp port 15432",
    )  # fmt: skip
    assert explain(exposed, "h0", "198.51.100.1", "15432").reached
    assert witness(state, exposed, "h0", "h3") == "h0 reaches h3 5432 at 198.51.100.1 15432 by h0, edge, r1, r3, h3"

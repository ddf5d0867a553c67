"""Routes that are learned: when they are known, what they come to, and that they go."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worldgate.facts import State
from worldgate.worlds.network.schema import INFINITY, Route

from .networks import act, bare, exit_of, holds, path, run, settled, why


def routers(count: int, *lines: tuple[int, int]) -> State:
    """Routers r0, r1, ... with a network 10.N.0.0/24 each, on a stub t0, t1, ...; and lines between some of them."""
    state = bare(*(f"{kind}{number}" for number in range(count) for kind in "rt"))
    ways = ("forward_on r{0}", "dynamic_on r{0}", "svc_up r{0} 80")
    texts = [text for number in range(count) for text in (*_stub(number), *(way.format(number) for way in ways))]
    return run(state, *texts, *(text for line in lines for text in _line(*line)))


def _stub(number: int) -> tuple[str, ...]:
    return f"link_up r{number} t{number}", f"addr_add r{number} t{number} 10.{number}.0.1/24"


def _line(one: int, other: int) -> tuple[str, ...]:
    one, other = sorted((one, other))
    net = f"10.{100 + one}.{other}"
    return (
        f"link_up r{one} r{other}", f"addr_add r{one} r{other} {net}.1/30", f"addr_add r{other} r{one} {net}.2/30"
    )  # fmt: skip


def chain(count: int) -> State:
    return routers(count, *((number, number + 1) for number in range(count - 1)))


def metric(state: State, host: int, network: int) -> int | None:
    """How far a router believes another's network to be."""
    found = state.get("route", (f"r{host}", f"10.{network}.0.0/24"))
    return None if found is None else found.metric


def distances(state: State, count: int) -> dict[tuple[int, int], int]:
    """Of (router, network): hops, by a search over lines that are up; the networks without a stub are left out."""
    links = {key for _, key, _ in state.facts("link")}
    found = {}
    for start in range(count):
        seen, ends = {start: 0}, [start]
        for here in ends:
            for near in range(count):
                if near not in seen and (f"r{min(here, near)}", f"r{max(here, near)}") in links:
                    seen[near] = seen[here] + 1
                    ends.append(near)
        for network, hops in seen.items():
            if hops and (f"r{network}", f"t{network}") in links:
                found[start, network] = hops
    return found


def believed(state: State, count: int) -> dict[tuple[int, int], int]:
    pairs = ((one, other) for one in range(count) for other in range(count))
    return {pair: found for pair in pairs if (found := metric(state, *pair)) is not None}


def test_news_travels_a_hop_an_advance() -> None:
    state, _ = settled(chain(5))
    state = run(state, "addr_add r0 t0 10.99.0.1/24")
    for number in range(1, 5):
        assert state.get("route", (f"r{number}", "10.99.0.0/24")) is None
        state = run(state, "advance")
        assert state.get("route", (f"r{number}", "10.99.0.0/24")).metric == number
    state, more = settled(state)
    assert more == 1, "the last one has still to find that nobody listens"


@pytest.mark.parametrize(("count", "advances"), [(2, 2), (3, 3), (6, 6)])
def test_a_chain_settles_in_as_many_advances_as_it_has_routers(count: int, advances: int) -> None:
    state, taken = settled(chain(count))
    assert taken == advances
    assert believed(state, count) == distances(state, count)


def test_a_connection_waits_for_the_routes() -> None:
    state = chain(4)
    assert why(state, "r0", "r3") == "r0 has no route to 10.3.0.1"
    state, _ = settled(state)
    assert path(state, "r0", "r3") == "r0 r1 r2 r3"


def test_a_learned_route_names_the_neighbour_it_came_from() -> None:
    state, _ = settled(chain(3))
    assert state.get("route", ("r0", "10.2.0.0/24")) == Route("10.100.1.2", "r1", 2, True)


def test_a_network_that_goes_is_forgotten_everywhere() -> None:
    state, _ = settled(chain(5))
    for loss in ("link_down r0 t0", "addr_del r0 t0 10.0.0.1/24"):
        after, _ = settled(run(state, loss))
        assert [metric(after, host, 0) for host in range(5)] == [None] * 5, loss


def test_a_cut_forgets_what_is_beyond_and_its_repair_brings_it_back() -> None:
    state, _ = settled(chain(5))
    for cut, mend in (("link_down r1 r2", "link_up r1 r2"), ("host_down r2", "host_up r2")):
        parted, _ = settled(run(state, cut))
        assert metric(parted, 0, 4) is metric(parted, 4, 0) is metric(parted, 3, 1) is None
        assert (metric(parted, 0, 1), metric(parted, 4, 3)) == (1, 1)
        whole, _ = settled(run(parted, mend))
        assert believed(whole, 5) == distances(whole, 5)


def test_a_detour_is_found_by_whoever_knows_one() -> None:
    state, _ = settled(routers(5, (0, 1), (1, 2), (2, 3), (3, 4), (4, 0)))
    assert path(state, "r0", "r2") == "r0 r1 r2"
    state = run(state, "link_down r1 r2")
    assert why(state, "r0", "r2") == "r1 has no route to 10.2.0.1" or "nobody answers" in why(state, "r0", "r2")
    state, taken = settled(state)
    assert path(state, "r0", "r2") == "r0 r4 r3 r2"
    assert believed(state, 5) == distances(state, 5)
    assert 2 <= taken <= 8


def test_a_lost_network_in_a_ring_is_given_up_and_not_counted_for_ever() -> None:
    state, _ = settled(routers(4, (0, 1), (1, 2), (2, 3), (3, 0)))
    state, taken = settled(run(state, "link_down r0 t0"))
    assert all(metric(state, host, 0) is None for host in range(4))
    assert taken <= 2 * INFINITY


def test_who_stops_to_listen_is_no_longer_believed() -> None:
    state, _ = settled(chain(4))
    state, _ = settled(run(state, "dynamic_off r2"))
    assert metric(state, 1, 3) is metric(state, 1, 2) is metric(state, 0, 2) is metric(state, 3, 0) is None
    assert metric(state, 0, 1) == 1
    assert metric(state, 2, 0) == 2, "what it had learned stays as it is"


def test_who_leaves_a_shared_network_no_longer_routes_over_it() -> None:
    state, _ = settled(chain(3))
    state, _ = settled(run(state, "addr_del r0 r1 10.100.1.1/30"))
    assert metric(state, 0, 2) is metric(state, 2, 0) is None


def test_a_route_by_hand_is_told_and_taken_back() -> None:
    state, _ = settled(run(chain(3), "link_up r0 t1", "addr_add t1 r0 10.50.0.2/24", "addr_add r0 t1 10.50.0.1/24"))
    state, _ = settled(run(state, "route_add r0 default 10.50.0.2"))
    assert state.get("route", ("r2", "0.0.0.0/0")) == Route("10.101.2.1", "r1", 2, True)
    state, _ = settled(run(state, "route_del r0 default"))
    assert state.get("route", ("r2", "0.0.0.0/0")) is None


def test_a_route_by_hand_and_a_connected_network_stand_before_a_learned_one() -> None:
    state, _ = settled(routers(3, (0, 1), (1, 2), (0, 2)))
    assert state.get("route", ("r0", "10.2.0.0/24")).via == "10.100.2.2"
    state, _ = settled(run(state, "route_add r0 10.2.0.0/24 10.100.1.2"))
    assert state.get("route", ("r0", "10.2.0.0/24")) == Route("10.100.1.2", "r1", 0, False)
    assert path(state, "r0", "r2") == "r0 r1 r2"
    assert exit_of(state, "route_add r0 10.2.0.0/24 10.100.2.2") == 1
    state, _ = settled(run(state, "route_del r0 10.2.0.0/24"))
    assert state.get("route", ("r0", "10.2.0.0/24")) == Route("10.100.2.2", "r2", 1, True)


def test_sixteen_hops_are_too_far() -> None:
    state, _ = settled(chain(18))
    assert metric(state, 0, 15) == 15
    assert metric(state, 0, 16) is metric(state, 17, 0) is None


def test_settling_costs_what_is_unsettled() -> None:
    state, _ = settled(chain(6))
    moved = run(state, "advance")
    assert {edit[0] for edit in _edits(state, moved)} == {"clock"}


def _edits(before: State, after: State) -> list:
    return [one for one in after.facts() if before.get(one[0], one[1]) != one[2]]


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10**6))
def test_what_is_believed_comes_to_be_what_is_so(count: int, seed: int) -> None:
    """Lines, networks and routers go and come while the routers talk; when nobody has anything to tell, every router
    knows every network that is there, at its distance, and none that is not."""
    random, pairs = Random(seed), list(combinations(range(count), 2))
    state = routers(count, *random.sample(pairs, min(len(pairs), count + 1)))
    for _ in range(14):
        one, other = random.choice(pairs)
        number = random.randrange(count)
        text = random.choice((
            f"link_down r{one} r{other}", f"link_up r{number} t{number}", f"link_down r{number} t{number}", "advance",
            "advance",
        ))  # fmt: skip
        state, _ = act(state, text)
        if random.random() < 0.5:
            for line in _line(one, other):
                state, _ = act(state, line)
        holds(state)
    state, _ = settled(state, 60)
    assert believed(state, count) == distances(state, count)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10**6))
@example(5, 3)
@example(6, 3)
@example(8, 189)
def test_of_several_origins_the_nearest_is_found(count: int, seed: int) -> None:
    """Defaults are set and taken back here and there: no network goes with them, so nothing else makes anyone speak."""
    random, pairs = Random(seed), list(combinations(range(count), 2))
    lines = random.sample(pairs, min(len(pairs), count))
    state, _ = settled(routers(count, *lines))
    origins: set[int] = set()
    for _ in range(8):
        number = random.randrange(count)
        text = f"route_del r{number} default" if number in origins else f"route_add r{number} default 10.{number}.0.9"
        origins ^= {number}
        state = run(state, text, *["advance"] * random.randrange(3))
    state, _ = settled(state, 60)
    hops = distances(state, count) | {(one, one): 0 for one in range(count)}
    for one in range(count):
        found, reached = (
            state.get("route", (f"r{one}", "0.0.0.0/0")),
            [hops[one, to] for to in origins if (one, to) in hops],
        )
        assert (found and found.metric) == min(reached, default=None)

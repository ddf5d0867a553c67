"""Questions: what a world can be asked in an invariant about what it derives, and what the answers show."""

from __future__ import annotations

import pytest

from worldgate.facts import State
from worldgate.gate.budget import Budget, Meter
from worldgate.gate.plan import load_plan
from worldgate.gate.policy import BadInvariant, load_policy
from worldgate.gate.verify import Verification
from worldgate.worlds import get

OPENS = ["nat_add edge 5 destination 10.3.0.11 to 198.51.100.1/32 proto tcp port 443",
         "rule_add r3 forward 50 accept to 10.3.0.0/24 proto tcp port 443"]  # fmt: skip
INSIDE = ["rule_add r3 forward 50 accept from 10.1.0.0/24 to 10.3.0.0/24 proto tcp port 443"]
WITNESS = "h0 reaches h6 443 at 198.51.100.1 443 by h0, edge, r1, r3, h6"


def judged(steps, *invariants, state=None):
    """The verdict of a plan from the campus under these invariants, and its breaches."""
    world = get("network")
    lines = "\n".join(f"  n{number}: '{text}'" for number, text in enumerate(invariants))
    policy = load_policy(f"version: 1\nworld: network\ninvariants:\n{lines}", world="network")
    plan = load_plan("world: network\nsteps:\n" + "".join(f"  - {step}\n" for step in steps), world="network")
    state = world.initial(0) if state is None else state
    verified = Verification(world, state, plan, policy, Meter(Budget.of({}))).of_plan()
    return verified.decision.verdict, [breach.fact for breach in verified.decision.breaches]


def test_a_plan_that_opens_a_path_is_refused_with_the_flow_that_shows_it():
    assert judged(OPENS, '!opens_path("untrusted", "database")') == ("reject", [WITNESS])


@pytest.mark.parametrize("step", OPENS)
def test_half_of_it_opens_nothing(step):
    assert judged([step], '!opens_path("untrusted", "database")')[0] == "approve"


def test_an_equivalent_safe_plan_passes():
    verdict, _ = judged(INSIDE, '!opens_path("untrusted", "database")', 'reachable("h1", "h6", "443")')
    assert verdict == "approve"


def test_a_path_that_was_there_before_is_not_opened():
    world, state = get("network"), get("network").initial(0)
    for step in OPENS:
        state = world.step(state, world.parse(step)).state
    assert judged(["svc_up h1 22"], '!opens_path("untrusted", "database")', state=state)[0] == "approve"
    assert judged(["svc_up h1 22"], 'isolated("untrusted", "database")', state=state) == ("reject", [WITNESS])


@pytest.mark.parametrize("question", ['!opens_path("{}", "database")', 'isolated("database", "{}")'])
def test_a_name_that_is_no_zone_and_no_host_refuses(question):
    verdict, facts = judged(["svc_up h1 22"], question.format("untrustd"))
    assert verdict == "reject"
    assert facts == [question.format("untrustd")]


def test_a_refusal_says_which_rule_stands_in_the_way():
    verdict, facts = judged(["svc_up h1 22"], 'reachable("h0", "h6", "443")')
    assert verdict == "reject"
    assert facts == ["h0 h6 443: h0 has no route to 10.3.0.11"]


HIDDEN = {
    "a range whose first port goes elsewhere": [
        "nat_add edge 4 destination 10.9.9.9 port 8000",
        "nat_add edge 5 destination 10.3.0.11@443 to 198.51.100.1/32 port 8000-8001",
    ],
    "a range that begins at a translated service": [
        "nat_add edge 25 destination 10.3.0.11@443 to 198.51.100.1/32 proto tcp port 22-25",
    ],
    "a network of which nobody has an address": [
        "route_add h0 203.0.113.0/24 198.51.100.1",
        "nat_add edge 5 destination 10.3.0.11 to 203.0.113.0/24 proto tcp",
    ],
    "two translations in a row": [
        "nat_add edge 5 destination 10.3.0.1 to 198.51.100.1/32 port 9000",
        "nat_add r3 5 destination 10.3.0.11@443 to 10.3.0.1/32 port 9000",
    ],
    "any port at all": ["nat_add edge 5 destination 10.3.0.11@443 to 198.51.100.1/32"],
    "a host that leaves its zone": [OPENS[0], "zone h6 elsewhere"],
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_path_is_found_however_it_is_hidden(name):
    steps = [*HIDDEN[name], OPENS[1], "rule_add r3 forward 51 accept to 10.3.0.0/16 port 9000"]
    for question in ('!opens_path("untrusted", "database")', 'isolated("untrusted", "database")'):
        verdict, (shown,) = judged(steps, question)
        assert verdict == "reject"
        assert shown.startswith("h0 reaches h6 443 at ")


def test_a_host_that_joins_a_zone_brings_its_paths_along():
    state = get("network").initial(0)
    assert judged(["zone h2 untrusted"], '!opens_path("untrusted", "database")', state=state)[0] == "reject"


@pytest.mark.parametrize(
    "slip", ['"h00", "h6", "443"', '"h0", "h66", "443"', '"h0", "h6", "https"', '"h0", "h6", "22/x"']
)
def test_a_slip_in_a_question_refuses_whichever_way_it_is_asked(slip):
    for question in (f"reachable({slip})", f"!reachable({slip})"):
        assert judged(["svc_up h1 22"], question) == ("reject", [question])


def test_a_port_is_the_same_however_it_is_spelled():
    for port in ("443", "443/tcp"):
        assert judged(OPENS, f'!reachable("h0", "198.51.100.1", "{port}")')[0] == "reject"


def test_a_path_that_moves_to_another_port_is_not_opened():
    world, state = get("network"), get("network").initial(0)
    for step in [*HIDDEN["a range whose first port goes elsewhere"], OPENS[1]]:
        state = world.step(state, world.parse(step)).state
    assert judged(["nat_del edge 4"], '!opens_path("untrusted", "database")', state=state)[0] == "approve"


def test_questions_are_typed_when_the_policy_loads():
    for text in ('opens_path("a")', 'reachable("a", "b", 443)', 'opened("a", "b")'):
        with pytest.raises(BadInvariant, match="WG402"):
            judged([], text)


def test_a_world_without_questions_has_none():
    with pytest.raises(BadInvariant, match="opens_path"):
        load_policy('version: 1\nworld: market\ninvariants: {x: \'!opens_path("a", "b")\'}', world="market")


def test_level_0_is_asked_the_same():
    world = get("network-0")
    state = State.of(world.schema, [*world.initial(0).facts(), ("service", ("h1", "80"), True)])
    lines = 'version: 1\nworld: network-0\ninvariants: {apart: \'isolated("h0", "h1")\'}'
    policy = load_policy(lines, world="network-0")
    for steps, verdict in (("[link_up h0 h2, link_up h1 h2]", "reject"), ("[link_up h0 h2]", "approve")):
        plan = load_plan(steps, world="network-0")
        verified = Verification(world, state, plan, policy, Meter(Budget.of({}))).of_plan()
        assert verified.decision.verdict == verdict

"""One text form: what parses prints as itself, and whatever else is said is `Outside`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worldgate.worlds import Outside
from worldgate.worlds.network.actions import GRAMMAR, VERBS, Command, parse
from worldgate.worlds.network.schema import Match

HOSTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,20}", fullmatch=True)
PORTS = st.integers(0, 65535).map(str)
V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(str)


@st.composite
def prefixes(draw: st.DrawFn) -> str:
    version = draw(st.sampled_from((4, 6)))
    width = 32 if version == 4 else 128
    length = draw(st.integers(0, width))
    number = draw(st.integers(0, 2**width - 1)) >> (width - length) << (width - length)
    return str((IPv4Network if version == 4 else IPv6Network)((number, length)))


@st.composite
def matches(draw: st.DrawFn) -> str:
    low = draw(st.integers(1, 65535))
    said = {
        "from": draw(prefixes()),
        "to": draw(prefixes()),
        "proto": draw(st.sampled_from(("tcp", "udp"))),
        "port": draw(st.sampled_from((str(low), f"{low}-{min(low + 9, 65535)}"))),
        "state": draw(st.sampled_from(("new", "established"))),
    }
    names = draw(st.permutations(sorted(said)))[: draw(st.integers(0, 5))]
    return " ".join(f"{name} {said[name]}" for name in names)


WORDS: dict[str, st.SearchStrategy[str]] = {
    "HOST": HOSTS, "OTHER": HOSTS, "SOURCE": HOSTS, "TO": st.one_of(HOSTS, V4), "INTERFACE": HOSTS, "ZONE": HOSTS,
    "PORT": st.one_of(PORTS, PORTS.map("{}/udp".format), PORTS.map("{}/tcp".format)),
    "ADDRESS/LENGTH": st.one_of(
        st.tuples(V4, st.integers(0, 32)).map("{0[0]}/{0[1]}".format),
        st.tuples(V6, st.integers(0, 128)).map("{0[0]}/{0[1]}".format),
    ),
    "PREFIX": st.one_of(prefixes(), st.just("default"), st.just("default6")),
    "VIA": st.one_of(V4, V6), "METRIC": PORTS, "HOOK": st.sampled_from(("input", "forward", "output")),
    "ORDER": st.integers(0, 10**9 - 1).map(str), "VERDICT": st.sampled_from(("accept", "drop")),
    "KIND": st.sampled_from(("source", "destination")),
    "NEW": st.one_of(st.just("leaving"), V4, V6, st.tuples(V4, st.integers(1, 65535)).map("{0[0]}@{0[1]}".format)),
    "MATCH": matches(),
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_what_parses_prints_as_itself(verb: str, data: st.DataObject) -> None:
    text = " ".join(filter(None, (verb, *(data.draw(WORDS[name]) for name in VERBS[verb]))))
    action = parse(text)
    assert action.verb == verb
    assert parse(str(action)) == action
    assert str(parse(str(action))) == str(action)


@pytest.mark.parametrize(("text", "canonical"), [
    ("svc_up h1 443/tcp", "svc_up h1 443"),
    ("addr_add a b 2001:DB8::0:1/64", "addr_add a b 2001:db8::1/64"),
    ("addr_add a b 10.0.0.1", "addr_add a b 10.0.0.1/32"),
    ("route_add a default 10.0.0.1", "route_add a 0.0.0.0/0 10.0.0.1 0"),
    ("route_del a default6", "route_del a ::/0"),
    ("rule_add a input 1 drop port 80-80 from 10.0.0.0/8", "rule_add a input 1 drop from 10.0.0.0/8 port 80"),
    ("rule_add a input 1 drop", "rule_add a input 1 drop"),
    ("nat_add a 1 destination 10.0.0.2@80", "nat_add a 1 destination 10.0.0.2@80"),
])  # fmt: skip
def test_the_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical


def test_an_action_is_its_words() -> None:
    assert parse("connect h1 h2 443") == Command("connect", ("h1", "h2", "443"))
    assert parse("rule_add r forward 7 accept to 10.0.0.0/8 proto udp port 53-60 state new") == Command(
        "rule_add", ("r", "forward", "7", "accept"), Match("", "10.0.0.0/8", "udp", 53, 60, "new")
    )


GARBAGE = (
    "", " ", "advance ", " advance", "advance now", "ADVANCE", "link_up a", "link_up a b c", "link_up a  b",
    "link_up a\tb", "link_up a b\n", "host_up -a", "host_up é", "host_up " + "a" * 64, "svc_up a 65536",
    "svc_up a 080", "svc_up a -1", "svc_up a 80/sctp", "svc_up a 80/udp/tcp", "svc_up a 80/tcp/tcp", "svc_up a /tcp",
    "svc_up a 80/", "svc_up a ٣", "addr_add a b 10.0.0.256/24", "addr_add a b 10.0.0.1/33", "addr_add a b 10.0.0.1/",
    "addr_add a b fe80::1%eth0/64", "addr_add a b 010.0.0.1/24", "route_add a 10.0.0.1/8 10.0.0.1",
    "route_add a 10.0.0.0/8", "route_add a 10.0.0.0/8 fe80::1%b", "route_add a 10.0.0.0/8 10.0.0.1 65536",
    "route_add a 10.0.0.0/8 10.0.0.1 1 2", "rule_add a middle 1 drop", "rule_add a input 01 drop",
    "rule_add a input 1 reject", "rule_add a input 1 drop from", "rule_add a input 1 drop from ",
    "rule_add a input 1 drop to  port 80", "rule_add a input 1 drop from 10.0.0.1/8",
    "rule_add a input 1 drop port 0", "rule_add a input 1 drop port 90-80", "rule_add a input 1 drop port 1-65536",
    "rule_add a input 1 drop proto icmp", "rule_add a input 1 drop state invalid",
    "rule_add a input 1 drop from 10.0.0.0/8 from 10.0.0.0/8", "rule_add a input 1 drop iif b", "rule_add a input 1",
    "rule_add a input 1000000000 drop", "nat_add a 1 both leaving", "nat_add a 1 source leaving@80",
    "nat_add a 1 destination 10.0.0.1@0", "nat_add a 1 destination 10.0.0.1@1-2", "nat_add a 1 destination @80",
    "nat_add a 1 destination 10.0.0.1@", "fallback a input reject", "zone a",
)  # fmt: skip


@pytest.mark.parametrize("text", GARBAGE)
def test_garbage_is_outside(text: str) -> None:
    with pytest.raises(Outside, match="WG201"):
        parse(text)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60), st.sampled_from(sorted(VERBS)))
@example("\ud800", "advance")
def test_whatever_is_said_is_an_action_or_outside(text: str, verb: str) -> None:
    for said in (text, f"{verb} {text}", f"{verb}{text}"):
        try:
            action = parse(said)
        except Outside:
            continue
        assert parse(str(action)) == action


def test_a_refusal_shows_the_form_of_its_verb() -> None:
    with pytest.raises(Outside, match=r"expected route_add HOST PREFIX VIA \[METRIC\]"):
        parse("route_add a")
    with pytest.raises(Outside, match="one of host_up, host_down"):
        parse("ping a b")


def test_the_grammar_has_a_line_for_every_verb() -> None:
    assert [line.split(" ")[0] for line in GRAMMAR.splitlines()[:-1]] == list(VERBS)

"""A network from what its hosts print: what is taken over, what is left out, and that nothing is guessed."""

from __future__ import annotations

import json
import shutil
import subprocess
from copy import deepcopy
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import ROOT
from worldgate.worlds.network import explain
from worldgate.worlds.network.importing import BadDocuments, Imported, Inexact, imported
from worldgate.worlds.network.schema import Route

from .networks import facts, holds, path, run, why

OFFICE = ROOT / "examples/network/office"


# --- documents in the form of the tools ----------------------------------------------------------------


def device(name: str, *own: str, up: bool = True, kind: str = "ether", **more: Any) -> dict[str, Any]:
    rows = [
        {"local": text.partition("/")[0], "prefixlen": int(text.partition("/")[2]), "scope": "global"} for text in own
    ]
    return {"ifname": name, "flags": ["UP"] if up else [], "link_type": kind, "addr_info": rows, **more}


def chain(
    name: str, hook: str, *, policy: str = "accept", kind: str = "filter", family: str = "inet", prio: int = 0
) -> dict:
    row = {"family": family, "table": "t", "name": name, "type": kind, "hook": hook, "prio": prio, "policy": policy}
    return {"chain": row}


def rule(name: str, *expression: Any, family: str = "inet") -> dict:
    return {"rule": {"family": family, "table": "t", "chain": name, "handle": 7, "expr": list(expression)}}


def match(left: dict, right: Any, op: str = "==") -> dict:
    return {"match": {"op": op, "left": left, "right": right}}


def payload(protocol: str, field: str, right: Any, op: str = "==") -> dict:
    return match({"payload": {"protocol": protocol, "field": field}}, right, op)


ACCEPT, DROP, STATE = {"accept": None}, {"drop": None}, {"ct": {"key": "state"}}


def written(folder: Path, hosts: dict[str, dict[str, Any]]) -> Path:
    """A folder of these documents: `addr`, `route`, `route6`, `nft` as JSON, `sysctl` and `ss` as text."""
    for name, documents in hosts.items():
        (folder / name).mkdir(parents=True)
        for document, value in documents.items():
            text = value if isinstance(value, str) else json.dumps({"nftables": value} if document == "nft" else value)
            ending = "txt" if document in ("sysctl", "ss") else "json"
            (folder / name / f"{document}.{ending}").write_text(text)
    return folder


def host(*devices: dict, **more: Any) -> dict[str, Any]:
    """Of a host that told everything, and does nothing."""
    forwarding = "net.ipv4.ip_forward = 0\nnet.ipv6.conf.all.forwarding = 0\n"
    rest = {"route": [], "route6": [], "nft": [], "sysctl": forwarding, "ss": ""}
    return {"addr": list(devices), **rest, **more}


def of(found: Imported, relation: str) -> list[Any]:
    """The keys of a relation."""
    holds(found.state)
    return sorted(key for _, key, _ in found.state.facts(relation))


def left(found: Imported) -> list[str]:
    return [str(one) for one in found.left_out]


# --- the example -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target", "port", "answer"), [
    ("laptop", "web", "80", "laptop edge core web"),
    ("laptop", "web", "443", "laptop edge core web"),
    ("laptop", "2001:db8:3::10", "8000", "laptop edge core web"),
    ("web", "db", "5432", "web db"),
    ("outside", "198.51.100.1", "80", "outside edge core web"),
    ("outside", "198.51.100.1", "8443", "outside edge core web"),
    ("laptop", "edge", "53/udp", "laptop edge"),
    ("db", "printer", "631", "db core edge printer"),
    ("laptop", "10.255.0.1", "22", "no service"),
    ("laptop", "db", "5432", "core's forward drops what no rule accepts"),
    ("laptop", "2001:db8:3::10", "80", "core's forward drops what no rule accepts"),
    ("web", "db", "22", "rule 50 of db's input drops"),
    ("core", "db", "5432", "rule 50 of db's input drops"),
    ("outside", "web", "80", "outside has no route"),
    ("web", "outside", "80", "no service"),
])  # fmt: skip
def test_the_example_answers(source: str, target: str, port: str, answer: str) -> None:
    state = imported(OFFICE).state
    if explain(state, source, target, port).reached:
        assert path(state, source, target, port) == answer
    else:
        assert answer in why(state, source, target, port)


def test_the_example_reaches_what_its_namespaces_reached() -> None:
    """Against every TCP connection that was tried between them when the documents were taken. Only where something
    was left out (all about port 22) does the world reach less; it never reaches more."""
    state = imported(OFFICE).state
    tried = json.loads((ROOT / "tests/worlds/network/fixtures/office.json").read_text())
    missed, same = set(), 0
    for source, reached in tried["reached"].items():
        for address, port in product(tried["addresses"], map(str, tried["ports"])):
            here, there = explain(state, source, address, port).reached, f"{address} {port}" in reached
            assert here <= there, (source, address, port)
            same += here is there
            missed |= {port} if there and not here else set()
    assert missed == {"22"}
    assert same == 952 - 43


def test_what_the_example_leaves_out() -> None:
    found = imported(OFFICE)
    holds(found.state)
    assert sorted(left(found)) == [
        "core: rule 10 of inet filter forward: a match on meta iifname",
        "core: rule 4 of inet filter forward: a state that is none here: invalid",
        "core: service 22: it listens on 0.0.0.0 only",
        "db: rule 4 of ip filter input, at invalid: a state that is none here: invalid",
        "edge: route 10.0.0.0/8: it is of type blackhole",
        "edge: rule 6 of ip nat postrouting: a match on meta oifname",
        "edge: service 22: it listens on 0.0.0.0 only",
        "web: service 22: it listens on 0.0.0.0 only",
        "web: service 9000: it listens on 127.0.0.1 only",
    ]
    with pytest.raises(Inexact, match=r"WG291 .* \(9 in all\)"):
        imported(OFFICE, strict=True)


def test_the_example_can_be_walked_on() -> None:
    state = run(imported(OFFICE).state, "connect laptop web 443", "link_down core edge", "advance")
    assert not list(state.facts("flow"))
    assert "nobody answers" in why(state, "laptop", "web", "443") or "no route" in why(state, "laptop", "web", "443")


def test_the_same_documents_give_the_same_state(tmp_path: Path) -> None:
    copy = shutil.copytree(OFFICE, tmp_path / "office")
    (copy / "README").write_text("what is no folder is no host")
    assert imported(copy).state == imported(OFFICE).state
    assert imported(copy).left_out == imported(OFFICE).left_out


# --- links -----------------------------------------------------------------------------------------------


def test_two_hosts_in_a_network_have_a_link_and_more_have_a_switch(tmp_path: Path) -> None:
    hosts = {name: host(device("eth0", f"10.0.0.{number}/24")) for number, name in enumerate("abc", 1)}
    hosts["a"]["addr"].append(device("eth1", "10.0.1.1/30"))
    found = imported(written(tmp_path, {**hosts, "d": host(device("x", "10.0.1.2/30"))}))
    assert of(found, "link") == [("10.0.0.0-24", "a"), ("10.0.0.0-24", "b"), ("10.0.0.0-24", "c"), ("a", "d")]
    assert of(found, "up") == [("10.0.0.0-24",), ("a",), ("b",), ("c",), ("d",)]
    assert ("d", "a", "10.0.1.2/30") in of(found, "address")
    assert not found.left_out


def test_a_network_with_one_host_keeps_its_address(tmp_path: Path) -> None:
    found = imported(written(tmp_path, {"a": host(device("eth0", "10.0.0.1/24"))}), strict=True)
    assert of(found, "address") == [("a", "10.0.0.0-24", "10.0.0.1/24")]


def test_a_second_line_between_two_hosts_has_a_switch(tmp_path: Path) -> None:
    a = host(device("eth0", "10.0.0.1/24"), device("eth1", "10.0.1.1/24"))
    b = host(device("eth0", "10.0.0.2/24"), device("eth1", "10.0.1.2/24"))
    found = imported(written(tmp_path, {"a": a, "b": b}), strict=True)
    assert of(found, "link") == [("10.0.1.0-24", "a"), ("10.0.1.0-24", "b"), ("a", "b")]


def test_networks_of_one_interface_are_one_segment(tmp_path: Path) -> None:
    """c shares only the second network with a, and none with b: they are on one wire all the same."""
    hosts = {
        "a": host(device("eth0", "10.0.0.1/24", "2001:db8::1/64")),
        "b": host(device("eth0", "10.0.0.2/24")),
        "c": host(device("eth0", "2001:db8::3/64")),
    }
    found = imported(written(tmp_path, hosts), strict=True)
    assert of(found, "link") == [("10.0.0.0-24", "a"), ("10.0.0.0-24", "b"), ("10.0.0.0-24", "c")]


def test_a_loopback_address_is_the_hosts_own(tmp_path: Path) -> None:
    lo = device("lo", "10.255.0.1/32", kind="loopback")
    lo["addr_info"].append({"local": "127.0.0.1", "prefixlen": 8, "scope": "host"})
    found = imported(written(tmp_path, {"a": host(lo)}), strict=True)
    assert of(found, "address") == [("a", "a", "10.255.0.1/32")]


NOWHERE = "it has no address in a network, which would say where it leads"


@pytest.mark.parametrize(("devices", "reason"), [
    ([device("eth0", "10.0.0.1/24", up=False)], "a: interface eth0: it is down"),
    ([device("eth0", "10.0.0.1/24", master="blue")], "a: interface eth0: it belongs to blue"),
    ([device("eth0")], f"a: interface eth0: {NOWHERE}"),
    ([device("eth0", "10.0.0.1/32")], f"a: interface eth0: {NOWHERE}"),
    ([device("eth0", "10.0.0.1/24"), device("eth1", "10.0.0.9/24")], "a: interface eth1: eth0 is in the same network"),
    ([device("eth0", "10.0.0.1/24", "10.0.0.1/25")], "a: address 10.0.0.1/25: it is there with another length"),
    ([device("eth0", "10.0.0.1/24"), device("eth1", "10.0.0.1/8")],
     "a: address 10.0.0.1: another interface of the host has it"),
])  # fmt: skip
def test_interfaces_that_are_left_out(tmp_path: Path, devices: list[dict], reason: str) -> None:
    found = imported(written(tmp_path, {"a": host(*devices)}))
    assert left(found) == [reason]
    holds(found.state)


def test_nothing_is_lost_with_a_port_of_a_bridge_or_an_unused_interface(tmp_path: Path) -> None:
    devices = device("br0", "10.0.0.1/24"), device("eth0", master="br0"), device("eth1", up=False)
    assert not imported(written(tmp_path, {"a": host(*devices)}), strict=True).left_out


def test_an_address_that_two_hosts_have(tmp_path: Path) -> None:
    hosts = {name: host(device("eth0", "192.168.1.1/24")) for name in "ab"}
    found = imported(written(tmp_path, hosts))
    assert left(found) == ["b: address 192.168.1.1: a has it too; are these two places with one network?"]
    assert of(found, "address") == [("a", "b", "192.168.1.1/24")]


def test_an_address_of_a_line_to_a_peer(tmp_path: Path) -> None:
    ppp = device("ppp0", "10.0.0.1/32")
    ppp["addr_info"][0]["address"] = "10.0.0.2"
    assert left(imported(written(tmp_path, {"a": host(ppp)})))[0].endswith("it is of a line to one peer, 10.0.0.2")


# --- routes, forwarding, services ------------------------------------------------------------------------


def routed(tmp_path: Path, *hops: dict, version: int = 4, **more: Any) -> Imported:
    eth = device("eth0", "10.0.0.1/24", "2001:db8::1/64"), device("eth1", "10.0.1.1/24")
    lists = {"route" if version == 4 else "route6": list(hops)}
    return imported(written(tmp_path, {"a": host(*eth, **lists, **more), "b": host(device("x", "10.0.0.2/24"))}))


def test_a_route_goes_over_the_neighbour(tmp_path: Path) -> None:
    hops = (
        {
            "dst": "10.0.0.0/24",
            "dev": "eth0",
            "protocol": "kernel",
            "scope": "link",
            "prefsrc": "10.0.0.1",
            "flags": [],
        },
        {"dst": "default", "gateway": "10.0.0.2", "dev": "eth0", "metric": 100, "prefsrc": "10.0.0.1"},
        {"dst": "10.7.0.1", "gateway": "10.0.1.9", "dev": "eth1"},
    )
    found = routed(tmp_path, *hops)
    assert not found.left_out
    assert found.state.get("route", ("a", "0.0.0.0/0")) == Route("10.0.0.2", "b", 100, False)
    assert found.state.get("route", ("a", "10.7.0.1/32")) == Route("10.0.1.9", "10.0.1.0-24", 0, False)


def test_of_one_prefix_the_lowest_metric_counts(tmp_path: Path) -> None:
    hops = [
        {"dst": "default", "gateway": f"10.0.0.{last}", "dev": "eth0", "metric": metric}
        for last, metric in ((3, 200), (2, 100))
    ]
    found = routed(tmp_path, *hops)
    assert found.state.get("route", ("a", "0.0.0.0/0")).via == "10.0.0.2"
    assert left(found) == ["a: route default: a network of the host, or a route of a metric not higher, has the prefix"]


def test_version_6_has_its_own_document(tmp_path: Path) -> None:
    hops = (
        {"dst": "fe80::/64", "dev": "eth0", "protocol": "kernel"},
        {"dst": "default", "gateway": "2001:db8::2", "dev": "eth0", "metric": 1024},
        {"dst": "2001:db8:9::/48", "gateway": "fe80::1", "dev": "eth0"},
    )
    found = routed(tmp_path, *hops, version=6)
    assert of(found, "route") == [("a", "::/0")]
    assert left(found) == ["a: route 2001:db8:9::/48: its next hop fe80::1 is in no imported network of eth0"]


@pytest.mark.parametrize(("hop", "reason"), [
    ({"dst": "10.9.0.0/16", "dev": "eth0"}, "it has no next hop"),
    ({"type": "unreachable", "dst": "10.9.0.0/16"}, "it is of type unreachable"),
    ({"dst": "10.9.0.0/16", "nexthops": [{"gateway": "10.0.0.2", "dev": "eth0"}]},
     "it has several next hops, or one of another family"),
    ({"dst": "10.9.0.0/16", "via": {"family": "inet6", "host": "fe80::1"}, "dev": "eth0"},
     "it has several next hops, or one of another family"),
    ({"dst": "10.9.0.0/16", "gateway": "10.0.0.2", "dev": "eth0", "flags": ["linkdown"]}, "its interface is down"),
    ({"dst": "10.9.0.0/16", "gateway": "10.0.0.2", "dev": "wg0"},
     "its next hop 10.0.0.2 is in no imported network of wg0"),
    ({"dst": "10.9.0.0/16", "gateway": "192.0.2.1", "dev": "eth0", "flags": ["onlink"]},
     "its next hop 192.0.2.1 is in no imported network of eth0"),
    ({"dst": "10.0.1.0/24", "gateway": "10.0.0.2", "dev": "eth0"},
     "a network of the host, or a route of a metric not higher, has the prefix"),
    ({"dst": "10.9.0.0/16", "gateway": "10.0.0.2", "dev": "eth0", "prefsrc": "10.0.1.1"},
     "it has packets speak from 10.0.1.1"),
])  # fmt: skip
def test_routes_that_are_left_out(tmp_path: Path, hop: dict, reason: str) -> None:
    found = routed(tmp_path, hop)
    assert left(found) == [f"a: route {hop['dst']}: {reason}"]
    assert of(found, "route") == []


@pytest.mark.parametrize(("sysctl", "forwards", "reason"), [
    ("net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\nvm.swappiness = 60\n", True, ""),
    ("net.ipv4.ip_forward = 0\nnet.ipv6.conf.all.forwarding = 0\n", False, ""),
    ("net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 0\n", False, "on for one version of IP"),
    ("net.ipv4.ip_forward = 1\n", False, "on for one version of IP"),
    ("", False, "`sysctl` was not given"),
])  # fmt: skip
def test_forwarding_is_not_guessed(tmp_path: Path, sysctl: str, forwards: bool, reason: str) -> None:
    found = routed(tmp_path, sysctl=sysctl)
    assert of(found, "forwards") == ([("a",)] if forwards else [])
    assert left(found) == ([f"a: forwarding: {reason}: it is taken to be off"] if reason else [])


def test_a_service_listens_on_all_that_the_host_has(tmp_path: Path) -> None:
    lines = [
        "tcp LISTEN 0 128 *:80 *:*", "udp UNCONN 0 0 *:53 *:*", "tcp LISTEN 0 128 0.0.0.0:443 0.0.0.0:*",
        "tcp LISTEN 0 128 [::]:443 [::]:*", "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*", "tcp LISTEN 0 1 [::1]:631 [::]:*",
        "udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*", "udp UNCONN 0 0 0.0.0.0%eth0:68 0.0.0.0:*", "",
    ]  # fmt: skip
    found = routed(tmp_path, ss="\n".join(lines))
    assert of(found, "service") == [("a", "443"), ("a", "53/udp"), ("a", "80")]
    assert left(found) == [
        "a: service 22: it listens on 0.0.0.0 only",
        "a: service 631: it listens on [::1] only",
        "a: service 68/udp: it listens on 0.0.0.0%eth0 only",
    ]


def test_a_host_of_one_version_needs_to_listen_on_that(tmp_path: Path) -> None:
    a = host(device("eth0", "10.0.0.1/24"), ss="tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n")
    assert of(imported(written(tmp_path, {"a": a}), strict=True), "service") == [("a", "22")]


def test_what_was_not_given_is_told(tmp_path: Path) -> None:
    devices = [device("eth0", "10.0.0.1/24"), device("eth1", "10.0.1.1/24")]
    found = imported(written(tmp_path, {"a": {"addr": devices}}))
    assert left(found) == [
        "a: routes of IPv4: `ip -j route` was not given",
        "a: forwarding: `sysctl` was not given: it is taken to be off",
        "a: services: `ss -Hltun` was not given",
        "a: filters and translations: `nft -j list ruleset` was not given",
    ]


# --- filters and translations ----------------------------------------------------------------------------


def filtered(tmp_path: Path, *objects: dict) -> Imported:
    return imported(written(tmp_path, {"a": host(device("eth0", "10.0.0.1/24"), nft=list(objects))}))


def said(found: Imported) -> list[str]:
    """The rules and translations, in the words of their actions."""
    texts = []
    for relation in ("rule", "nat"):
        for key in of(found, relation):
            one = found.state.get(relation, key)
            words = [str(part) for part in key[1:]]
            port = f"@{one.port}" if relation == "nat" and one.port else ""
            words += [one.verdict] if relation == "rule" else [one.kind, (one.to or "leaving") + port]
            words += ["from", one.source] if one.source else []
            words += ["to", one.destination] if one.destination else []
            words += ["proto", one.protocol] if one.protocol != "any" else []
            words += ["port", str(one.low) if one.low == one.high else f"{one.low}-{one.high}"] if one.low else []
            words += ["state", one.state] if relation == "rule" and one.state != "any" else []
            texts.append(" ".join(words))
    return texts


S, D = ("ip", "saddr"), ("ip", "daddr")
RULES: list[tuple[str, list[Any], list[str]]] = [
    ("inet", [ACCEPT], ["accept"]),
    ("ip", [DROP], ["drop from 0.0.0.0/0"]),
    ("ip6", [{"reject": None}], ["drop from ::/0"]),
    ("inet", [payload(*S, "10.0.0.2"), ACCEPT], ["accept from 10.0.0.2/32"]),
    ("inet", [payload(*D, {"prefix": {"addr": "10.0.0.0", "len": 8}}), DROP], ["drop to 10.0.0.0/8"]),
    ("inet", [payload(*S, {"set": ["10.0.0.1", {"prefix": {"addr": "10.9.0.0", "len": 16}}]}), ACCEPT],
     ["accept from 10.0.0.1/32", "accept from 10.9.0.0/16"]),
    ("inet", [payload(*S, {"range": ["10.0.0.1", "10.0.0.4"]}), ACCEPT],
     ["accept from 10.0.0.1/32", "accept from 10.0.0.2/31", "accept from 10.0.0.4/32"]),
    ("inet", [payload(*S, "@named"), ACCEPT], ["accept from 10.1.0.0/16", "accept from 10.2.0.2/32"]),
    ("inet", [payload("ip6", "saddr", "2001:db8::1"), payload("tcp", "dport", 22), ACCEPT],
     ["accept from 2001:db8::1/128 proto tcp port 22"]),
    ("inet", [payload("tcp", "dport", {"set": [80, {"range": [8000, 8010]}]}), ACCEPT],
     ["accept proto tcp port 80", "accept proto tcp port 8000-8010"]),
    ("inet", [payload("udp", "dport", 53), ACCEPT], ["accept proto udp port 53"]),
    ("inet", [match({"meta": {"key": "l4proto"}}, {"set": ["tcp", "udp"]}), payload("th", "dport", 53), ACCEPT],
     ["accept port 53"]),
    ("inet", [match({"meta": {"key": "l4proto"}}, "udp"), ACCEPT], ["accept proto udp"]),
    ("ip", [payload("ip", "protocol", "tcp"), DROP], ["drop from 0.0.0.0/0 proto tcp"]),
    ("inet", [payload("ip", "protocol", "tcp"), DROP], ["drop from 0.0.0.0/0 proto tcp"]),
    ("inet", [match({"meta": {"key": "nfproto"}}, "ipv6"), DROP], ["drop from ::/0"]),
    ("inet", [match(STATE, "established", "in"), ACCEPT], ["accept state established"]),
    ("inet", [match(STATE, ["established", "related"], "in"), ACCEPT], ["accept state established"]),
    ("inet", [match(STATE, {"set": ["established", "new"]}), ACCEPT], ["accept state new", "accept state established"]),
    ("inet", [match(STATE, "related", "in"), ACCEPT], []),
    ("inet", [{"counter": {"packets": 1, "bytes": 2}}, {"log": {"prefix": "x"}}, ACCEPT], ["accept"]),
    ("inet", [{"counter": None}], []),
    ("inet", [{"vmap": {"key": STATE, "data": {"set": [["established", ACCEPT], ["new", DROP]]}}}],
     ["accept state established", "drop state new"]),
    ("inet", [payload(*S, "10.0.0.2"), {"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}},
                                                "data": {"set": [[22, ACCEPT], [{"range": [80, 90]}, DROP]]}}}],
     ["accept from 10.0.0.2/32 proto tcp port 22", "drop from 10.0.0.2/32 proto tcp port 80-90"]),
    # what concerns no packet of this world
    ("inet", [match({"meta": {"key": "iifname"}}, "lo"), ACCEPT], []),
    ("inet", [match({"meta": {"key": "l4proto"}}, "ipv6-icmp"), ACCEPT], []),
    ("inet", [payload("icmp", "type", {"set": ["echo-request"]}), {"limit": {"rate": 4, "per": "second"}}, ACCEPT], []),
    ("inet", [match({"meta": {"key": "iifname"}}, "eth0"), payload("icmpv6", "type", "echo-request"), ACCEPT], []),
    ("inet", [payload(*S, "10.0.0.1"), payload("ip6", "daddr", "::1"), ACCEPT], []),
    ("ip6", [payload(*S, "10.0.0.1"), ACCEPT], []),
    ("inet", [payload("tcp", "dport", 80), match({"meta": {"key": "l4proto"}}, "udp"), ACCEPT], []),
    ("inet", [payload(*S, {"set": []}), ACCEPT], []),
]  # fmt: skip
NAMED = {
    "set": {
        "family": "inet", "table": "t", "name": "named", "type": "ipv4_addr", "flags": ["interval"],
        "elem": [{"prefix": {"addr": "10.1.0.0", "len": 16}}, "10.2.0.2"],
    }
}  # fmt: skip


@pytest.mark.parametrize(("family", "expression", "rules"), RULES)
def test_a_rule_is_taken_over(tmp_path: Path, family: str, expression: list[Any], rules: list[str]) -> None:
    objects = chain("c", "input", family=family), NAMED, rule("c", *expression, family=family)
    found = filtered(tmp_path, *objects)
    assert said(found) == [f"input {10 * number} {text}" for number, text in enumerate(rules, 1)]
    assert left(found) == []


UNSAID: list[tuple[Any, str]] = [
    (match({"meta": {"key": "iifname"}}, "eth0"), "a match on meta iifname"),
    (match({"meta": {"key": "oif"}}, "eth0"), "a match on meta oif"),
    (match({"meta": {"key": "mark"}}, 1), "a match on meta mark"),
    (payload("tcp", "sport", 80), "a match on tcp sport"),
    (payload("tcp", "flags", "syn"), "a match on tcp flags"),
    (payload("ether", "saddr", "00:00:00:00:00:01"), "a match on ether saddr"),
    (payload(*S, "10.0.0.1", "!="), "a match with !="),
    (payload("tcp", "dport", 80, ">"), "a match with >"),
    (payload(*S, "@nobody"), "the set @nobody, whose elements are not given or come and go"),
    (payload(*S, "@moving"), "the set @moving, whose elements are not given or come and go"),
    (payload(*S, {"set": [{"elem": {"val": "10.0.0.1", "timeout": 60}}]}), "an address: "),
    (payload(*S, {"range": ["10.0.0.9", "10.0.0.1"]}), "an address: "),
    (payload(*S, "somewhere"), "an address: 'somewhere'"),
    (payload("tcp", "dport", 0), "a port: 0"),
    (payload("tcp", "dport", {"range": [0, 1023]}), "a port: "),
    (payload("tcp", "dport", "ssh"), "a port: 'ssh'"),
    (match({"&": [{"payload": {"protocol": "ip", "field": "saddr"}}, "0.0.0.1"]}, "0.0.0.1"), "a match on &"),
    (match(STATE, "invalid", "in"), "a state that is none here: invalid"),
    (match(STATE, ["new", "untracked"], "in"), "a state that is none here: new, untracked"),
    (match(STATE, [{"x": 1}], "in"), "a state that is none here: "),
    (match(STATE, ["new", "established"]), "a state that is none here: "),
    (match({"ct": {"key": "mark"}}, 1), "a match on ct mark"),
    (match({"meta": {"key": "l4proto"}}, 6), "a protocol that is not named"),
    ({"limit": {"rate": 4, "per": "second"}}, "what it does: accept, limit"),
    ({"jump": {"target": "other"}}, "what it does: accept, jump"),
    ({"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}, "what it does: accept, mangle"),
    ({"counter": None, "drop": None}, "a part of it: "),
    ({}, "a part of it: {}"),
    ("accept", "a part of it: 'accept'"),
]
MOVING = {"set": {"family": "inet", "table": "t", "name": "moving", "flags": ["timeout"], "elem": ["10.0.0.1"]}}


@pytest.mark.parametrize(("part", "reason"), UNSAID)
def test_a_rule_with_a_part_that_cannot_be_said_is_left_out_whole(tmp_path: Path, part: Any, reason: str) -> None:
    """Before, between and behind parts that can be said; the rules around it stay."""
    known = [] if "dport" in str(part) else [payload("ip6", "daddr", "2001:db8::9"), payload("udp", "dport", 53)]
    for place in range(len(known) + 1):
        parts = [*known[:place], part, *known[place:], ACCEPT]
        objects = chain("c", "input"), MOVING, rule("c", DROP), rule("c", *parts), rule("c", ACCEPT)
        found = filtered(tmp_path / str(place), *objects)
        assert said(found) == ["input 10 drop", "input 20 accept"]
        (one,) = left(found)
        assert one.startswith(f"a: rule 7 of inet t c: {reason}")


def test_two_matches_on_one_field_are_left_out(tmp_path: Path) -> None:
    found = filtered(tmp_path, chain("c", "input"), rule("c", payload(*S, "10.0.0.1"), payload(*S, "10.0.0.2"), ACCEPT))
    assert left(found) == ["a: rule 7 of inet t c: two matches on sources"]


@pytest.mark.parametrize(("family", "fallback", "rules"), [
    ("inet", "drop", []), ("ip", None, ["input 10 drop from 0.0.0.0/0"]), ("ip6", None, ["input 10 drop from ::/0"]),
])  # fmt: skip
def test_a_policy_is_a_fallback_or_of_one_version_a_last_rule(
    tmp_path: Path, family: str, fallback: str | None, rules: list[str]
) -> None:
    found = filtered(tmp_path, chain("c", "input", policy="drop", family=family))
    assert found.state.get("fallback", ("a", "input")) == fallback
    assert said(found) == rules


def test_chains_of_different_versions_stand_side_by_side_and_of_one_behind_another(tmp_path: Path) -> None:
    four, six = chain("c", "input", family="ip", policy="drop"), chain("d", "input", family="ip6", policy="drop")
    found = filtered(tmp_path / "1", four, six, chain("e", "input", prio=5))
    assert said(found) == ["input 10 drop from 0.0.0.0/0", "input 20 drop from ::/0"]
    assert left(found) == []
    second = chain("late", "input", prio=5), rule("late", DROP)
    found = filtered(tmp_path / "2", *second, chain("c", "input"), rule("c", ACCEPT))
    assert said(found) == ["input 10 accept"]
    assert left(found) == ["a: chain inet t late: another chain judges the same packets before it"]


@pytest.mark.parametrize("objects", [
    [chain("c", "prerouting", kind="filter", prio=-300), rule("c", DROP)],
    [chain("c", "output", kind="nat"), rule("c", {"dnat": {"addr": "10.0.0.9"}})],
    [chain("c", "output", kind="route"), rule("c", DROP)],
    [chain("c", "forward", family="bridge", policy="drop")],
    [chain("c", "ingress", family="netdev"), rule("c", DROP, family="netdev")],
    [chain("c", "postrouting", kind="nat", policy="drop")],
])  # fmt: skip
def test_chains_that_are_not_of_this_world(tmp_path: Path, objects: list[dict]) -> None:
    found = filtered(tmp_path, *objects)
    assert said(found) == []
    assert [one.what.split(" ")[0] for one in found.left_out] == ["chain"]
    assert found.left_out[0].reason.endswith("is not of this world")


def test_a_chain_or_rule_in_another_form_is_told(tmp_path: Path) -> None:
    named = chain("c", "input")
    named["chain"]["prio"] = "filter"
    found = filtered(tmp_path, named, {"rule": {"expr": []}}, {"metainfo": {}}, {"chain": {"family": "inet"}})
    assert [one.reason for one in found.left_out] == ["it is not in the form that nft prints"] * 2


TRANSLATIONS: list[tuple[str, str, list[Any], list[str]]] = [
    ("prerouting", "ip",
     [payload(*D, "10.0.0.1"), payload("tcp", "dport", 8080), {"dnat": {"addr": "10.0.0.9", "port": 80}}],
     ["destination 10.0.0.9@80 to 10.0.0.1/32 proto tcp port 8080"]),
    ("prerouting", "inet", [{"dnat": {"family": "ip", "addr": "10.0.0.9"}}], ["destination 10.0.0.9 from 0.0.0.0/0"]),
    ("prerouting", "inet", [payload("ip6", "daddr", "2001:db8::1"), {"dnat": {"addr": "2001:db8::2"}}],
     ["destination 2001:db8::2 to 2001:db8::1/128"]),
    ("prerouting", "inet", [payload("ip6", "daddr", "2001:db8::1"), {"dnat": {"addr": "10.0.0.9"}}], []),
    ("postrouting", "ip", [payload(*S, {"prefix": {"addr": "10.0.0.0", "len": 8}}), {"masquerade": None}],
     ["source leaving from 10.0.0.0/8"]),
    ("postrouting", "ip", [{"snat": {"addr": "192.0.2.1"}}], ["source 192.0.2.1 from 0.0.0.0/0"]),
    ("postrouting", "inet", [{"masquerade": None}], ["source leaving"]),
    ("postrouting", "inet", [match(STATE, "new", "in"), {"masquerade": None}], ["source leaving"]),
    ("postrouting", "inet", [match(STATE, "established", "in"), {"masquerade": None}], []),
]  # fmt: skip


@pytest.mark.parametrize(("hook", "family", "expression", "texts"), TRANSLATIONS)
def test_a_translation_is_taken_over(
    tmp_path: Path, hook: str, family: str, expression: list, texts: list[str]
) -> None:
    found = filtered(tmp_path, chain("c", hook, kind="nat", family=family), rule("c", *expression, family=family))
    assert said(found) == [f"{10 * number} {text}" for number, text in enumerate(texts, 1)]
    assert left(found) == []


@pytest.mark.parametrize("statement", [
    {"masquerade": {"flags": "random"}}, {"masquerade": {"port": 1024}}, {"snat": {"addr": "192.0.2.1", "port": 1024}},
    {"snat": {"addr": {"range": ["192.0.2.1", "192.0.2.9"]}}}, {"snat": {"addr": "here"}}, {"redirect": {"port": 80}},
    {"dnat": {"addr": "10.0.0.9", "port": {"range": [80, 90]}}}, {"dnat": {"addr": "10.0.0.9", "flags": "persistent"}},
    {"dnat": {"addr": "10.0.0.9", "port": 0}}, {"accept": None}, {"return": None},
])  # fmt: skip
def test_a_translation_that_cannot_be_said_is_left_out(tmp_path: Path, statement: dict) -> None:
    found = filtered(tmp_path, chain("c", "prerouting", kind="nat", family="ip"), rule("c", statement, family="ip"))
    assert said(found) == []
    assert [one.what for one in found.left_out] == ["rule 7 of ip t c"]


# --- what cannot be read ---------------------------------------------------------------------------------


NEAR = device("e", "10.0.0.1/24")


@pytest.mark.parametrize(("documents", "found"), [
    ({"addr": "{"}, "addr.json"), ({"addr": "{}"}, "addr.json"), ({"addr": "[{}]"}, "ifname"),
    ({"route": []}, "no .*addr.json"), ({"addr": "[" * 100_000}, "addr.json"), ({"addr": [], "nft": "[]"}, "nft.json"),
    ({"addr": [device("e", "10.0.0.256/24")]}, "10.0.0.256"), ({"addr": [device("e", "10.0.0.1/64")]}, "10.0.0.1/64"),
    ({"addr": [], "ss": "tcp LISTEN"}, "ss.txt"), ({"addr": [], "ss": "tcp LISTEN 0 1 *:http *:*"}, "ss.txt"),
    ({"addr": [], "sysctl": "net.ipv4.ip_forward = on"}, "sysctl.txt"),
    ({"addr": [NEAR], "route": [{"dst": "nowhere", "gateway": "10.0.0.2", "dev": "e"}]}, "nowhere"),
    ({"addr": [NEAR], "route": [{"dst": "default", "gateway": "x", "dev": "e"}]}, "route default"),
])  # fmt: skip
def test_documents_that_are_none(tmp_path: Path, documents: dict[str, Any], found: str) -> None:
    with pytest.raises(BadDocuments, match=f"WG290 .*{found}"):
        imported(written(tmp_path, {"a": documents}))


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadDocuments, match="No such file"):
        imported(tmp_path / "nothing")
    with pytest.raises(BadDocuments, match="no folder in"):
        imported(tmp_path)
    (tmp_path / "a b").mkdir()
    with pytest.raises(BadDocuments, match="a folder named 'a b'"):
        imported(tmp_path)


def test_a_host_has_another_name_than_a_switch(tmp_path: Path) -> None:
    hosts = {"10.0.0.0-24": host(), "a": host(device("eth0", "10.0.0.1/24"))}
    with pytest.raises(BadDocuments, match=r"a host named 10\.0\.0\.0-24"):
        imported(written(tmp_path, hosts))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**9))
def test_whatever_a_document_says_is_taken_left_out_or_refused(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Real documents with a few values replaced."""
    random, folder = Random(seed), tmp_path_factory.mktemp("office")
    shutil.copytree(OFFICE, folder, dirs_exist_ok=True)
    for _ in range(4):
        file = random.choice(sorted(folder.glob("*/*.json")))
        document = json.loads(file.read_text())
        for _ in range(3):
            _spoil(document, random)
        file.write_text(json.dumps(document))
    try:
        found = imported(folder)
    except BadDocuments:
        return
    holds(found.state)


STRANGE = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "x",
    "10.0.0.1",
    "::1",
    [],
    [[]],
    {},
    {"set": [{}]},
    {"prefix": {}},
    "@web",
    "ip6",
)


def _spoil(document: Any, random: Random) -> None:
    """Replace or remove something in it."""
    while isinstance(document, dict | list) and document:
        key = random.choice(sorted(document)) if isinstance(document, dict) else random.randrange(len(document))
        if not isinstance(document[key], dict | list) or random.random() < 0.2:
            if random.random() < 0.3:
                del document[key]
            else:
                document[key] = deepcopy(random.choice(STRANGE))
            return
        document = document[key]


# --- the tools of this machine ---------------------------------------------------------------------------

SCRIPT = """set -e
ip link set lo up
ip link add eth0 type veth peer name eth9; ip link add br0 type bridge; ip link set eth9 master br0
ip link set eth0 up; ip link set eth9 up
ip addr add 10.0.0.1/24 dev eth0; ip addr add 2001:db8::1/64 dev eth0 nodad
ip route add default via 10.0.0.254 metric 50; ip route add 2001:db8:9::/48 via 2001:db8::9
nft -f - <<'END'
table inet f {
  set admins { type ipv4_addr; flags interval; elements = { 10.0.9.0/24, 10.0.8.1 } }
  chain input { type filter hook input priority filter; policy drop;
    ct state established,related accept
    iif lo accept
    ip saddr @admins tcp dport { 22, 8000-8010 } accept
    meta l4proto { tcp, udp } th dport 53 accept
    iifname "eth0" udp dport 123 accept
  }
}
END
ip -j addr > addr.json; ip -j route > route.json; ip -j -6 route > route6.json; nft -j list ruleset > nft.json
sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding > sysctl.txt; ss -Hltun > ss.txt
"""


def _namespaces() -> bool:
    tools = all(shutil.which(tool) for tool in ("ip", "nft", "ss", "sysctl", "unshare"))
    return tools and subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _namespaces(), reason="needs ip, nft, ss and sysctl, and network namespaces of one's own")
def test_what_the_tools_of_this_machine_print(tmp_path: Path) -> None:
    place = tmp_path / "box"
    place.mkdir()
    ran = subprocess.run(
        ["unshare", "-Urn", "sh", "-c", SCRIPT], cwd=place, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found = imported(tmp_path)
    assert [one.reason for one in found.left_out] == ["a match on meta iifname"]
    assert said(found) == [
        "input 10 accept state established",
        "input 20 accept from 10.0.8.1/32 proto tcp port 22",
        "input 30 accept from 10.0.8.1/32 proto tcp port 8000-8010",
        "input 40 accept from 10.0.9.0/24 proto tcp port 22",
        "input 50 accept from 10.0.9.0/24 proto tcp port 8000-8010",
        "input 60 accept port 53",
    ]
    known = facts(found.state)
    assert known["fallback", ("box", "input")] == "drop"
    assert known["route", ("box", "0.0.0.0/0")] == Route("10.0.0.254", "10.0.0.0-24", 50, False)
    assert known["route", ("box", "2001:db8:9::/48")] == Route("2001:db8::9", "10.0.0.0-24", 1024, False)
    assert of(found, "address") == [("box", "10.0.0.0-24", "10.0.0.1/24"), ("box", "10.0.0.0-24", "2001:db8::1/64")]

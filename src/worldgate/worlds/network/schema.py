"""The network's facts.

Level 0 is hosts, links, services, deny lists, flows and a clock. Level 1 adds addresses, routes, filter rules and
address translation. They are one world: a host without an address hands on whatever reaches it, as a switch does, so
a network in which nobody has an address is level 0, and in one with addresses the hosts without are its switches.

A port is a text: `80` is TCP, `53/udp` is UDP. A link joins two hosts; an interface of a host is named by the
host at the other end of its link, and the one named by the host itself is its loopback.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...facts import BOOL, INT, TEXT, Draft, Relation, Schema, State, Type, enum, record, ref

HOST = ref("host")
PORT = Type("ref", entity="port", format="ip-port")
ADDRESS, INTERFACE, PREFIX = (Type("text", format=f"ip-{name}") for name in ("address", "interface", "prefix"))
HOOK = enum("input", "forward", "output")
INFINITY = 16
"""The metric of a route that leads nowhere any more (RFC 2453, 3.6)."""

_PORT_NUMBER = Type("int", low=0, high=65535, format="port-number")


class Route(NamedTuple):
    """Where to send what is for a prefix. `via` is the next hop's address; a learned route came from a neighbour."""

    via: str
    interface: str
    metric: int
    learned: bool


class Match(NamedTuple):
    """What a rule speaks of. Prefixes are texts, empty for any; `low` 0 is any port; `state` is of the connection."""

    source: str = ""
    destination: str = ""
    protocol: str = "any"
    low: int = 0
    high: int = 0
    state: str = "any"


class Rule(NamedTuple):
    """A filter rule: what it matches, and the verdict."""

    source: str
    destination: str
    protocol: str
    low: int
    high: int
    state: str
    verdict: str


class Translation(NamedTuple):
    """A rule of address translation. `to` is an address, or empty for that of the interface a packet leaves by."""

    source: str
    destination: str
    protocol: str
    low: int
    high: int
    kind: str
    to: str
    port: int


_MATCH = {
    "source": PREFIX,
    "destination": PREFIX,
    "protocol": enum("any", "tcp", "udp"),
    "low": _PORT_NUMBER,
    "high": _PORT_NUMBER,
    "state": enum("any", "new", "established"),
}
_RULE = record(Rule, **_MATCH, verdict=enum("accept", "drop"))
_TRANSLATION = record(
    Translation,
    **{name: type_ for name, type_ in _MATCH.items() if name != "state"},
    kind=enum("source", "destination"),
    to=ADDRESS,
    port=_PORT_NUMBER,
)
_ON_HOST = ("host", HOST)

SCHEMA = Schema(
    "network",
    "1",
    [
        Relation("up", (_ON_HOST,), BOOL),
        Relation("link", (("a", HOST), ("b", HOST)), BOOL),  # a < b
        Relation("service", (_ON_HOST, ("port", PORT)), BOOL),
        Relation("deny", (_ON_HOST, ("source", HOST)), BOOL, index=(1,)),
        Relation("flow", (("source", HOST), ("destination", HOST), ("port", PORT)), BOOL, index=(0,)),
        Relation("clock", (), INT),
        # level 1
        Relation("address", (_ON_HOST, ("interface", HOST), ("address", INTERFACE)), BOOL, index=(1,)),
        Relation("forwards", (_ON_HOST,), BOOL),
        Relation("route", (_ON_HOST, ("prefix", PREFIX)), record(Route, via=ADDRESS, interface=HOST), index=(1,)),
        Relation("dynamic", (_ON_HOST,), BOOL, index=(0,)),  # learns routes from its neighbours and tells them its own
        Relation("unsettled", (_ON_HOST,), BOOL, index=(0,)),  # has something to tell them at the next advance
        Relation("rule", (_ON_HOST, ("hook", HOOK), ("order", INT)), _RULE, index=(2,)),
        Relation("fallback", (_ON_HOST, ("hook", HOOK)), enum("accept", "drop")),  # absent: accept
        Relation("nat", (_ON_HOST, ("order", INT)), _TRANSLATION, index=(1,)),
        Relation("zone", (_ON_HOST,), TEXT, inverse=True),  # for people and policies; nothing depends on it
        # the actor
        Relation("exit", (), INT, local=True),
    ],
)


def keys(state: State, relation: str) -> list[Any]:
    """The keys of a relation, sorted; O(state)."""
    return sorted(key for _, key, _ in state.facts(relation))


def below(net: Draft | State, relation: str, prefix: tuple[str, ...] = ()) -> list[Any]:
    """(rest of the key, value) of the facts under a prefix, sorted by key."""
    return sorted(net.select(relation, prefix).items())

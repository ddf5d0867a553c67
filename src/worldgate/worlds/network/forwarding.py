"""The way of a packet at level 1: routes, filters, translation, and the reply that has to come back.

A connection is opened when its first packet reaches a listening service and the reply reaches the client. Both walk
hop by hop: the longest matching prefix (a connected network before a route of the same length, then the lower metric),
the neighbour that owns the next hop's address, the filter hooks in the order in which Linux has them (output; forward;
input), destination translation before routing and source translation after it. A host remembers a connection
whose first packet it saw; the reply is `established` there, and what was translated is turned back.

What is not here: fragments, ICMP, address resolution that takes time, several routes of one prefix.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ...facts import Draft
from . import addresses
from .addresses import Address
from .schema import INFINITY, below
from .topology import topology

HOP_LIMIT = 64
"""Hosts a packet may be handed to (RFC 1700; the default of Linux)."""
CLIENT_PORT = 40000
"""The port a client speaks from. Rules match a reply's destination port, so it must be some port."""


class Packet(NamedTuple):
    source: Address
    source_port: int
    destination: Address
    port: int
    protocol: str

    def reply(self) -> Packet:
        return Packet(self.destination, self.port, self.source, self.source_port, self.protocol)

    def __str__(self) -> str:
        return f"{self.source} -> {self.destination} {self.protocol}/{self.port}"


class Dropped(Exception):
    """Where a packet ends, and why: an outcome that no other room sees."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Arrival(NamedTuple):
    """Where a packet came to: the host, the packet as it is there, and every host on the way."""

    host: str
    packet: Packet
    path: tuple[str, ...]


Tracked = dict[str, list[tuple[Packet, Packet]]]
"""Of each host, the connections it saw: the packet as it came and as it left."""


class _Matching(Protocol):
    source: str
    destination: str
    protocol: str
    low: int
    high: int


def own_addresses(net: Draft, host: str) -> list[tuple[Address, str, addresses.Interface]]:
    """(address, interface, address with its prefix) of a host, lowest address first."""
    found = ((addresses.interface(text), near) for (near, text), _ in below(net, "address", (host,)))
    return sorted((one.address, near, one) for one, near in found)


def connect(net: Draft, client: str, to: Address, protocol: str, port: int) -> tuple[Arrival, Arrival]:
    """Where the first packet and its reply arrive; raises `Dropped`. Whether something listens is not asked."""
    own = [one for one, _, _ in own_addresses(net, client)]
    if to in own:
        packet = Packet(to, CLIENT_PORT, to, port, protocol)
        return Arrival(client, packet, (client,)), Arrival(client, packet.reply(), (client,))
    tracked: Tracked = {}
    interface, hop = _way(net, client, to)
    source = _speaks_as(net, client, interface, hop, to)
    if source is None:
        raise Dropped(f"{client} has no address of IPv{to.version}")
    packet = Packet(source, CLIENT_PORT, to, port, protocol)
    there = _travel(net, client, packet, tracked, first=True)
    _not_denied(net, there)
    back = _travel(net, there.host, there.packet.reply(), tracked, first=False)
    if back.host != client:
        raise Dropped(f"the reply goes to {back.host}")
    if back.packet != packet.reply():
        raise Dropped(f"the reply comes as {back.packet}")
    return there, back


def _speaks_as(net: Draft, host: str, interface: str, hop: Address, to: Address) -> Address | None:
    """The address a host speaks from on an interface: in IPv4 the one in the next hop's network, in IPv6 the one that
    has the most leading bits of its prefix in common with the destination (RFC 6724, 5, rule 8), else the lowest.
    An interface without one borrows: from the loopback first."""

    def rank(own: tuple[Address, str, addresses.Interface]) -> tuple[bool, int]:
        address, near, one = own
        if to.version == 6:
            return near == interface, min(one.prefix.length, 128 - (address.number ^ to.number).bit_length())
        return near == interface, one.prefix.covers(hop) if near == interface else near == host

    own = (one for one in own_addresses(net, host) if one[0].version == to.version)
    found = max(own, key=rank, default=None)
    return found and found[0]


def _travel(net: Draft, start: str, packet: Packet, tracked: Tracked, first: bool) -> Arrival:
    here, path = start, [start]
    came, packet, state = _arrived(net, here, packet, tracked, first, local=True)
    interface, hop = _way(net, here, packet.destination)
    _allowed(net, here, "output", packet, state)
    while True:
        packet = _leaves(net, here, (interface, hop), came, packet, tracked, state)
        here, by = _neighbour(net, here, interface, hop)
        path.append(here)
        if len(path) - 1 > HOP_LIMIT:
            raise Dropped("the hop limit: a loop of routes, or a way of more than 64")
        came, packet, state = _arrived(net, here, packet, tracked, first)
        if any(one == packet.destination for one, _, _ in own_addresses(net, here)):
            _allowed(net, here, "input", packet, state)
            tracked.setdefault(here, []).append((came, packet))
            return Arrival(here, packet, tuple(path))
        if not net.get("forwards", (here,)):
            raise Dropped(f"{here} does not forward")
        interface, hop = _way(net, here, packet.destination, by)
        _allowed(net, here, "forward", packet, state)


# --- one host ----------------------------------------------------------------------------------------


def _way(net: Draft, host: str, to: Address, by: str = "") -> tuple[str, Address]:
    """(interface, next hop): the longest prefix, then a connected network, then the lower metric.

    Of interfaces in one network, in IPv6 the one that the packet came by, else that with the lowest address.
    """
    linked = topology(net).neighbours(host)
    best: tuple[tuple[int, int, int], str, Address] | None = None
    for _, near, one in own_addresses(net, host):
        rank = (-one.prefix.length, 0, int(to.version == 6 and near != by))
        if near not in linked or not one.prefix.covers(to):
            continue
        if _broadcast(one.prefix) == to:
            raise Dropped(f"{to} is the broadcast address of a network of {host}")
        if best is None or rank < best[0]:
            best = rank, near, to
    for (text,), route in below(net, "route", (host,)):
        prefix = addresses.prefix(text)
        rank = (-prefix.length, 1, route.metric)
        lost = route.learned and route.metric == INFINITY
        if not lost and route.interface in linked and prefix.covers(to) and (best is None or rank < best[0]):
            best = rank, route.interface, addresses.address(route.via)
    if best is None:
        raise Dropped(f"{host} has no route to {to}")
    return best[1], best[2]


def _broadcast(prefix: addresses.Prefix) -> Address | None:
    """The last address of an IPv4 network, which is nobody's for others (RFC 922); none where there are only two."""
    if prefix.version == 6 or prefix.length >= 31:
        return None
    return Address(4, prefix.network | (1 << 32 - prefix.length) - 1)


def _neighbour(net: Draft, host: str, interface: str, hop: Address) -> tuple[str, str]:
    """Who answers for an address, and by which interface: in IPv6 only one on the interface that is asked."""
    if any(near == interface and _broadcast(own.prefix) == hop for _, near, own in own_addresses(net, host)):
        raise Dropped(f"the next hop {hop} is the broadcast address of a network of {host}")
    for near, there in sorted(topology(net).attached(host, interface)):
        if any(one == hop and (hop.version == 4 or at == there) for one, at, _ in own_addresses(net, near)):
            return near, there
    raise Dropped(f"nobody answers for {hop} on {host}'s interface to {interface}")


def _allowed(net: Draft, host: str, hook: str, packet: Packet, state: str) -> None:
    """Raise unless the first rule that matches, else the fallback, accepts."""
    for (order,), rule in below(net, "rule", (host, hook)):
        if rule.state in ("any", state) and _matches(rule, packet):
            if rule.verdict == "drop":
                raise Dropped(f"rule {order} of {host}'s {hook} drops {packet}")
            return
    if net.get("fallback", (host, hook)) == "drop":
        raise Dropped(f"{host}'s {hook} drops what no rule accepts: {packet}")


def _not_denied(net: Draft, there: Arrival) -> None:
    for (source,), _ in below(net, "deny", (there.host,)):
        if any(one == there.packet.source for one, _, _ in own_addresses(net, source)):
            raise Dropped(f"{there.host} denies {source}")


def _matches(rule: _Matching, packet: Packet) -> bool:
    return (
        (not rule.source or addresses.prefix(rule.source).covers(packet.source))
        and (not rule.destination or addresses.prefix(rule.destination).covers(packet.destination))
        and rule.protocol in ("any", packet.protocol)
        and (not rule.low or rule.low <= packet.port <= rule.high)
    )


# --- translation ---------------------------------------------------------------------------------------


def _arrived(
    net: Draft, host: str, packet: Packet, tracked: Tracked, first: bool, local: bool = False
) -> tuple[Packet, Packet, str]:
    """(the packet as it came, as it is routed, the connection's state there)."""
    if not first:
        for came, left in tracked.get(host, ()):
            if packet == left.reply():
                return packet, packet._replace(destination=came.source, port=came.source_port), "established"
        if packet.protocol == "tcp":
            return packet, packet, "invalid"
    if local:  # what a host says itself is translated only when it leaves
        return packet, packet, "new"
    return packet, _translated(net, host, "destination", packet, None), "new"


def _leaves(
    net: Draft, host: str, way: tuple[str, Address], came: Packet, packet: Packet, tracked: Tracked, state: str
) -> Packet:
    if state == "established":
        original = next(one for one, left in tracked[host] if left.reply() == came)
        return packet._replace(source=original.destination, source_port=original.port)
    if state == "new":
        packet = _translated(net, host, "source", packet, way)
        tracked.setdefault(host, []).append((came, packet))
    return packet


def _translated(net: Draft, host: str, kind: str, packet: Packet, way: tuple[str, Address] | None) -> Packet:
    for _, rule in below(net, "nat", (host,)):
        other_family = rule.to and addresses.address(rule.to).version != packet.destination.version
        if rule.kind != kind or other_family or not _matches(rule, packet):
            continue
        if kind == "destination":
            return packet._replace(destination=addresses.address(rule.to), port=rule.port or packet.port)
        to = addresses.address(rule.to) if rule.to else way and _speaks_as(net, host, *way, packet.destination)
        return packet._replace(source=to or packet.source)
    return packet

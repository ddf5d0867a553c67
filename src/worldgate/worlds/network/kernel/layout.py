"""What the namespace of each host shall be, from the facts alone, by a way of its own.

Nothing here asks the oracle: no view of the topology is used, no route is looked up, no packet is walked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ....facts import Error, State
from .. import addresses
from ..addresses import Address
from ..forwarding import CLIENT_PORT
from ..schema import INFINITY
from .ruleset import ruleset

PRIVATE = addresses.prefix("198.18.0.0/15")
"""Addresses of hosts that have none: a range for tests of networks (RFC 2544), of which a state may have none."""
LARGEST = 1000
"""Hosts."""
_FAR_METRIC = 1024
"""Added to a route's metric, so that connected networks come before (as IPv6 does by itself)."""
_CONNECTED_METRIC = 256
_CLIENT_PORTS = range(32768, 61000)

Rows = Sequence[tuple[Any, Any]]
Facts = dict[str, dict[str, list[tuple[Any, Any]]]]
"""Of a relation and a host, the rest of each key with its value, sorted."""


class NotReal(Error):
    number, title = "WG286", "no real network can be like this state"


class Node(NamedTuple):
    """A namespace. Devices are named by the host at the other end, or by the host itself: its own, without a link."""

    up: bool = False
    bridge: bool = False
    devices: tuple[str, ...] = ()
    addresses: tuple[tuple[str, str], ...] = ()
    routes: tuple[tuple[str, str, str, int], ...] = ()
    forwards: bool = False
    rules: str = ""
    listens: tuple[str, ...] = ()


class Ask(NamedTuple):
    """A connection to try: the host, the port it speaks from, and to what."""

    host: str
    client: int
    address: str
    protocol: str
    port: int


class Layout(NamedTuple):
    """The nodes by host, the addresses each speaks as (lowest first), and ports that no rule tells from 40000."""

    nodes: Mapping[str, Node]
    speaks: Mapping[str, tuple[Address, ...]]
    clients: range


def _by_host(state: State) -> Facts:
    """Everything that a host has."""
    found: Facts = {}
    for relation, key, value in sorted(state.facts(), key=lambda fact: fact[:2]):
        if relation not in ("flow", "clock", "exit"):
            found.setdefault(relation, {}).setdefault(str(key[0]), []).append((key[1:], value))
    return found


def layout(state: State) -> Layout:
    """Raises `NotReal`."""
    facts = _by_host(state)
    hosts = sorted(facts.get("up", ()))
    if len(hosts) > LARGEST:
        raise NotReal(f"{len(hosts)} hosts", f"at most {LARGEST}")
    up = {host for host in hosts if facts["up"][host][0][1]}
    own = {host: _own(rows) for host, rows in facts.get("address", {}).items()}
    links = {(one, other) for one, rows in facts.get("link", {}).items() for (other,), _ in rows}
    links -= _loops(up - own.keys(), sorted(links))
    speaks = {host: tuple(one for one, _, _ in own.get(host, ())) for host in hosts}
    for number, host in enumerate(hosts, 1):
        speaks[host] = speaks[host] or (Address(4, PRIVATE.network + number),)
    near: dict[str, list[str]] = {host: [] for host in hosts}
    for one, other in links:
        near[one].append(other)
        near[other].append(one)
    nodes = {host: Node() for host in hosts}
    for host in sorted(up):
        mine = {relation: rows[host] for relation, rows in facts.items() if host in rows}
        nodes[host] = _node(mine, host, sorted(near[host]), own.get(host, []), speaks)
    return Layout(nodes, speaks, _clients(facts))


def _own(rows: Rows) -> list[tuple[Address, str, str]]:
    """(address, interface, text) of a host, lowest address first."""
    found = sorted((addresses.interface(text).address, near, text) for (near, text), _ in rows)
    for one, _, text in found:
        if PRIVATE.covers(one):
            raise NotReal(f"the address {text}", "none of 198.18.0.0/15, which stand for hosts without one")
    return found


def _node(
    facts: Mapping[str, Rows],
    host: str,
    near: Sequence[str],
    own: Sequence[tuple[Address, str, str]],
    speaks: Mapping[str, tuple[Address, ...]],
) -> Node:
    placed = []
    for one, device, text in sorted(own, key=_preferred):
        whole = ("32" if one.version == 4 else "128") if device not in near else text.partition("/")[2]
        placed.append((device if device in near else host, f"{one}/{whole}"))
    routes = [
        (route.interface, prefix, route.via, route.metric + _FAR_METRIC)
        for (prefix,), route in facts.get("route", ())
        if route.interface in near and not (route.learned and route.metric == INFINITY)
    ]
    connected = dict.fromkeys(
        (device, addresses.interface(text).prefix_text, "", _CONNECTED_METRIC)
        for one, device, text in own
        if one.version == 6 and device in near
    )
    listens = [port for (port,), _ in facts.get("service", ())]
    if any(port.partition("/")[0] == "0" for port in listens):
        raise NotReal(f"a service of {host} on port 0", "ports from 1 to 65535")
    denied = {one for (source,), _ in facts.get("deny", ()) for one in speaks[source]}
    return Node(
        up=True,
        bridge=not own,
        devices=tuple(near),
        addresses=tuple(placed) or ((host, f"{speaks[host][0]}/{PRIVATE.length}"),),
        routes=(*_addable(host, routes), *connected),
        forwards="forwards" in facts,
        rules=ruleset(facts if own else {}, denied),
        listens=tuple(listens),
    )


def _preferred(one: tuple[Address, str, str]) -> int:
    """An order in which the lowest address comes to be preferred: in IPv4 the first that is added, in IPv6 the last."""
    return one[0].number if one[0].version == 4 else -one[0].number


def _addable(host: str, routes: list[tuple[str, str, str, int]]) -> Iterator[tuple[str, str, str, int]]:
    """In an order that Linux takes: over an IPv6 next hop that a route leads to by another device it lets none be."""

    def hides(one: tuple[str, str, str, int], other: tuple[str, str, str, int]) -> bool:
        prefix, via = addresses.prefix(one[1]), addresses.address(other[2])
        return prefix.version == 6 and prefix.length > 0 and one[0] != other[0] and prefix.covers(via)

    while routes:
        free = next((one for one in routes if not any(hides(one, other) for other in routes)), None)
        if free is None:
            raise NotReal(f"routes of {host} over next hops that they lead elsewhere", "an order to add them in")
        routes.remove(free)
        yield free


def _loops(bridges: Iterable[str], links: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Links of two bridges beyond a spanning forest: those that a spanning tree protocol turns off."""
    parent = {host: host for host in bridges}
    found = set()

    def root(host: str) -> str:
        while parent[host] != host:
            host = parent[host]
        return host

    for one, other in links:
        if one in parent and other in parent:
            first, second = root(one), root(other)
            if first == second:
                found.add((one, other))
            parent[first] = second
    return found


def _clients(facts: Facts) -> range:
    """Ports around `CLIENT_PORT` that every rule treats alike and no service has: one for each connection."""
    cuts = []
    for rows in facts.get("service", {}).values():
        ports = [int(port.partition("/")[0]) for (port,), _ in rows]
        cuts += [edge for port in ports for edge in (port, port + 1)]
    for relation in ("rule", "nat"):
        for rows in facts.get(relation, {}).values():
            cuts += [edge for _, one in rows if one.low for edge in (one.low, one.high + 1)]
    low = max([_CLIENT_PORTS.start, *(cut for cut in cuts if cut <= CLIENT_PORT)])
    return range(low, min([_CLIENT_PORTS.stop, *(cut for cut in cuts if cut > CLIENT_PORT)]))


def undetermined(wanted: Layout) -> str:
    """Why Linux might do this or that in such a network, empty where it cannot.

    Two hosts with one address race to answer for it. A host that leaves by a device without an address borrows one of
    another: of the device that was made first, which no state tells.
    """
    seen: dict[str, str] = {}
    for host, node in wanted.nodes.items():
        placed = [(device, text.partition("/")[0]) for device, text in node.addresses]
        for _, address in placed:
            if seen.setdefault(address, host) != host:
                return f"{address} of {seen[address]} and {host}"
        for interface, _, via, _ in node.routes:
            alike = [device for device, address in placed if (":" in address) == (":" in via)]
            if via and interface not in alike and len(set(alike)) > 1:
                return f"what {host} speaks as by its interface to {interface}"
    return ""

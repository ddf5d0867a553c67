"""Reachability: which client reaches which service, and what stands in the way when it does not.

A derived relation: nothing of it is stored. Between hosts without addresses a question costs a look at two labels of
the topology; between addressed hosts it costs the way of one packet and its reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ...facts import Draft, State
from . import addresses, forwarding
from .addresses import Address
from .schema import keys
from .topology import TOPOLOGY, Topology, topology


class Answer(NamedTuple):
    """Whether a service is reached. `path`: the hosts on the way, and the `service` where it ends; `why`: what blocks
    it, empty when nothing does."""

    reached: bool
    path: tuple[str, ...]
    why: str
    service: str = ""

    @property
    def hops(self) -> int:
        """How often the first packet is handed on to another host that looks at its address."""
        return max(0, len(self.path) - 1)


def reachable(net: Draft, source: str, target: str, port: str) -> bool:
    """Whether a connection from `source` to `port` of `target` (a host, or an address) would open now."""
    if net.get("up", (source,)) is not True:
        return False
    joins = topology(net)
    if source in joins.addresses or target not in joins.up:
        return _routed(net, joins, source, target, port).reached
    if net.get("up", (target,)) is not True or net.get("service", (target, port)) is None:
        return False
    if source == target:
        return True
    return net.get("deny", (target, source)) is None and joins.bridged(source, target)


def explain(state: State, source: str, target: str, port: str) -> Answer:
    """As `reachable`, with a shortest path or the reason. O(the component) where hosts have no addresses."""
    net, joins = Draft(state), state.view(TOPOLOGY)
    for host in (source, target):
        if host not in joins.up and (host == source or not literal(host)):
            return Answer(False, (), f"there is no host {host}")
        if joins.up.get(host) is False:
            return Answer(False, (), f"{host} is down")
    if source in joins.addresses or target not in joins.up:
        return _routed(net, joins, source, target, port)
    if net.get("service", (target, port)) is None:
        return Answer(False, (), f"{target} has no service on {port}")
    if source == target:
        return Answer(True, (source,), "", port)
    if net.get("deny", (target, source)) is not None:
        return Answer(False, (), f"{target} denies {source}")
    if not joins.bridged(source, target):
        return Answer(False, (), f"no path of links between hosts that are up leads from {source} to {target}")
    return Answer(True, _shortest(joins, source, target), "", port)


def _shortest(joins: Topology, source: str, target: str) -> tuple[str, ...]:
    came: dict[str, str] = {source: source}
    ends = [source]
    for here in ends:
        if here == target:
            break
        for near in sorted(joins.neighbours(here)):
            if near not in came and near in joins.label:
                came[near] = here
                ends.append(near)
    path = [target]
    while path[-1] != source:
        path.append(came[path[-1]])
    return tuple(reversed(path))


def _routed(net: Draft, joins: Topology, source: str, target: str, port: str) -> Answer:
    number, _, protocol = port.partition("/")
    try:
        to = _meant(net, joins, source, target)
        there, _ = forwarding.connect(net, source, to, protocol or "tcp", int(number))
        listens = f"{there.packet.port}/udp" if protocol else str(there.packet.port)
        if net.get("service", (there.host, listens)) is None:
            raise forwarding.Dropped(f"{there.host} has no service on {listens}")
    except forwarding.Dropped as dropped:
        return Answer(False, (), dropped.why)
    return Answer(True, there.path, "", listens)


def _meant(net: Draft, joins: Topology, source: str, target: str) -> Address:
    """The address that a name stands for: the lowest of a family that the client has too, or an address itself."""
    if target not in joins.up:
        if not literal(target):
            raise forwarding.Dropped(f"there is no host {target}")
        return addresses.address(target)
    families = {one.version for one, _, _ in forwarding.own_addresses(net, source)}
    for one, _, _ in forwarding.own_addresses(net, target):
        if one.version in families:
            return one
    raise forwarding.Dropped(f"{target} has no address of a family that {source} has")


def literal(text: str) -> bool:
    """Whether it is an address."""
    try:
        addresses.address(text)
    except ValueError:
        return False
    return True


# --- the whole relation ------------------------------------------------------------------------------


def matrix(state: State) -> Mapping[tuple[str, str, str], bool]:
    """Of every (source, target, port) that is reached: true. O(hosts + links + services x their reach)."""
    return {(source, target, port): True for (target, port), sources in reach(state).items() for source in sources}


def reach(state: State) -> dict[tuple[str, str], frozenset[str]]:
    """Of every service, the hosts that reach it. O(hosts + services + denials), and a question for each addressed host.

    Services in one component that deny nobody share one set.
    """
    joins, net = state.view(TOPOLOGY), Draft(state)
    grouped: dict[int, list[str]] = {}
    for host, label in joins.label.items():
        grouped.setdefault(label, []).append(host)
    members = {label: frozenset(hosts) for label, hosts in grouped.items()}
    denied: dict[str, set[str]] = {}
    for host, source in joins.denied:
        denied.setdefault(host, set()).add(source)
    addressed = [host for host in joins.addresses if joins.up.get(host)]
    found = {}
    for target, port in joins.services:
        sources = members[joins.label[target]] if target in joins.label else _NOBODY
        if target in denied:
            sources = sources - (denied[target] - {target})
        if addressed:
            sources = sources.union(one for one in addressed if reachable(net, one, target, port))
        found[target, port] = sources
    return found


_NOBODY: frozenset[str] = frozenset()


class Flow(NamedTuple):
    """A connection that opens: who speaks, to what, and the service where it ends."""

    source: str
    to: str
    port: str
    target: str
    service: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        at = "" if (self.to, self.port) == (self.target, self.service) else f" at {self.to} {self.port}"
        return f"{self.source} reaches {self.target} {self.service}{at} by {', '.join(self.path)}"


def flows(state: State, sources: Iterable[str], targets: Iterable[str]) -> Iterator[Flow]:
    """The ways in which `sources` reach services of `targets`, one a pair: by name, by an address of the target or by
    an address and port that somebody translates. Lazy, in order.

    Of a translated prefix that is wider than one address, the addresses that its host has are tried.
    """
    net, wanted = Draft(state), set(targets)
    services = [key for key in keys(state, "service") if key[0] in wanted]
    entrances = sorted(_entrances(state, {port for _, port in services})) if services else []
    for source in sorted(set(sources)):
        for target, port in services:
            own = [(str(one), port) for one, _, _ in forwarding.own_addresses(net, target)]
            for to, at in [(target, port)] if not own else [*own, *entrances]:
                found = explain(state, source, to, at) if source != target else None
                if found is not None and found.reached and (found.path[-1], found.service) == (target, port):
                    yield Flow(source, to, at, target, port, found.path)
                    break


def _entrances(state: State, services: set[str]) -> Iterator[tuple[str, str]]:
    """(address, port) pairs that a translation of destinations may lead elsewhere."""
    net = Draft(state)
    for host, order in keys(state, "nat"):
        rule = state.get("nat", (host, order))
        if rule.kind != "destination":
            continue
        only = addresses.prefix(rule.destination) if rule.destination else None
        single = only is not None and only.length == (32 if only.version == 4 else 128)
        own = [one for one, _, _ in forwarding.own_addresses(net, host) if only is None or only.covers(one)]
        for to in [Address(only.version, only.network)] if only is not None and single else own:
            for protocol in ("", "/udp"):
                if rule.protocol == ("udp" if not protocol else "tcp"):
                    continue
                ports = {port for port in services if port.endswith("/udp") == bool(protocol)}
                if rule.low:
                    ports = {port for port in ports if rule.low <= int(port.partition("/")[0]) <= rule.high}
                    ports.add(f"{rule.low}{protocol}")
                for port in ports:
                    yield str(to), port


def opened(before: State, after: State, sources: Iterable[str], targets: Iterable[str]) -> Flow | None:
    """The first service that is reached after and was not before; None when a change opens no path."""
    sources, targets = set(sources), set(targets)
    new = flows(after, sources, targets)
    for flow in new:
        if not any(one.service == flow.service for one in flows(before, [flow.source], [flow.target])):
            return flow
    return None

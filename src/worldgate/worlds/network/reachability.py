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
    net.get("service", (target, port))  # what the view answers from counts as read
    net.get("deny", (target, source))
    return joins.opens(source, target, port)


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
    try:
        return _connected(net, source, _meant(net, joins, source, target), port)
    except forwarding.Dropped as dropped:
        return Answer(False, (), dropped.why)


def _connected(net: Draft, source: str, to: Address, port: str) -> Answer:
    """What becomes of a connection to an address; raises `Dropped`."""
    number, _, protocol = port.partition("/")
    there, _ = forwarding.connect(net, source, to, protocol or "tcp", int(number))
    listens = f"{there.packet.port}/udp" if protocol else str(there.packet.port)
    if net.get("service", (there.host, listens)) is None:
        raise forwarding.Dropped(f"{there.host} has no service on {listens}")
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
        by = f" by {', '.join(self.path)}" if self.path else ""
        return f"{self.source} reaches {self.target} {self.service}{at}{by}"


def flows(state: State, sources: Iterable[str], targets: Iterable[str]) -> Iterator[Flow]:
    """The services of `targets` that `sources` reach, each pair once, in order: by name where there are no addresses,
    else by any address and port there are.

    Every prefix and range that is written anywhere cuts the addresses and ports into cells in which all are treated
    alike; one of each cell that somebody translates is tried, and every service at its host's own addresses. Raises
    `ValueError` where that would be more than a million connections. A client speaks from one address and port.
    """
    net, joins = Draft(state), state.view(TOPOLOGY)
    wanted = set(targets)
    services = [key for key in keys(state, "service") if key[0] in wanted]
    ends = [(one, port, target) for target, port in services for one, _, _ in forwarding.own_addresses(net, target)]
    cells = _translated(state, net) if services else []
    clients = sorted(set(sources))
    if len(clients) * (len(ends) + len(cells)) > MOST:
        raise ValueError(f"{len(clients)} clients and {len(ends) + len(cells)} addresses and ports are too many to try")
    for source in clients:
        if source not in joins.addresses:
            for target, port in services:
                if source != target and reachable(net, source, target, port):
                    yield Flow(source, target, port, target, port, ())
            continue
        found = set()
        for to, port in [*((to, port) for to, port, target in ends if target != source), *cells]:
            try:
                answer = _connected(net, source, to, port)
            except forwarding.Dropped:
                continue
            end = answer.path[-1], answer.service
            if end[0] in wanted and end[0] != source and end not in found:
                found.add(end)
                yield Flow(source, str(to), port, *end, answer.path)


MOST = 1_000_000


def _translated(state: State, net: Draft) -> list[tuple[Address, str]]:
    """One address and port of every cell in which some host translates destinations."""
    rules = [state.get("nat", key) for key in keys(state, "nat")]
    turned = [rule for rule in rules if rule.kind == "destination"]
    if not turned:
        return []
    filters = [state.get("rule", key) for key in keys(state, "rule")]
    cuts = {prefix for one in (*rules, *filters) for prefix in (one.destination,) if prefix}
    cuts.update(prefix for _, prefix in keys(state, "route"))
    networks = {addresses.prefix(text) for text in cuts}
    for (host,) in keys(state, "up"):
        for one, _, own in forwarding.own_addresses(net, host):
            networks |= {own.prefix, addresses.Prefix(one.version, one.number, 32 if one.version == 4 else 128)}
    places = {Address(version, number) for one in networks for version, number in one.ends()}
    ranges = [(one.low, one.high) for one in (*rules, *filters) if one.low]
    ranges += [(number, number) for _, port in keys(state, "service") for number in [int(port.partition("/")[0])]]
    ports = sorted({1, *(low for low, _ in ranges), *(high + 1 for _, high in ranges)} & set(range(1, 65536)))
    return [
        (place, f"{port}{suffix}")
        for place in sorted(places)
        for suffix, protocol in (("", "tcp"), ("/udp", "udp"))
        for port in ports
        if any(
            one.protocol in ("any", protocol)
            and (not one.low or one.low <= port <= one.high)
            and (not one.destination or addresses.prefix(one.destination).covers(place))
            for one in turned
        )
    ]


def opened(
    before: State,
    after: State,
    sources: Iterable[str],
    targets: Iterable[str],
    *,
    then: tuple[Iterable[str], Iterable[str]] | None = None,
) -> Flow | None:
    """The first service that is reached after and was not before; None when a change opens no path.

    `then`: the sources and targets before, where they were others.
    """
    new = list(flows(after, sources, targets))
    if new:
        old = {(one.source, one.target, one.service) for one in flows(before, *(then or (sources, targets)))}
        for flow in new:
            if (flow.source, flow.target, flow.service) not in old:
                return walked(after, flow)
    return None


def walked(state: State, flow: Flow) -> Flow:
    """The flow with its path."""
    return flow if flow.path else flow._replace(path=explain(state, flow.source, flow.to, flow.port).path)

"""Routes that hosts learn from one another, and the time that takes.

A distance-vector protocol after RFC 2453, one round an advance: every unsettled host tells its neighbours the
networks it reaches and how far they are, all at once; a neighbour that learns something is unsettled for the
next round. A route is not told to whom it was learned from (split horizon); one that is lost is told as 16 hops
away, once, and whoever knows another way answers. Until the network has settled, packets follow what their hosts
believe. A round costs what is unsettled, not the network.
"""

from __future__ import annotations

from typing import Any

from ...facts import Draft
from . import addresses
from .forwarding import own_addresses
from .schema import INFINITY, Route, below
from .topology import topology

_Advert = tuple[str, str, int, str, str]
"""(receiver, prefix, metric, sender's address, the receiver's interface)."""


def disturb(net: Draft, *hosts: str) -> None:
    """What these hosts are joined to changed: those of them that learn routes, and their neighbours, are unsettled."""
    if not net.select("dynamic"):
        return
    joins = topology(net)
    around = set(hosts)
    for host in hosts:
        for near in joins.neighbours(host):
            around.add(near)
            around.update(other for other, _ in joins.attached(host, near))
            around.update(other for other, _ in joins.attached(near, host))
    net.write(("unsettled", (host,), True) for host in sorted(around) if net.get("dynamic", (host,)))


def settle(net: Draft) -> None:
    """One round."""
    senders = [host for (host,), _ in below(net, "unsettled")]
    adverts: list[_Advert] = []
    for host in senders:
        if net.get("up", (host,)) and net.get("dynamic", (host,)):
            _forget(net, host)
            adverts += _told(net, host)
    unsettled = {advert[0] for advert in sorted(adverts) if _hear(net, *advert)}
    for host in senders:
        for (prefix,), route in below(net, "route", (host,)):
            if route.learned and route.metric == INFINITY:
                net.set("route", (host, prefix), None)
        if host not in unsettled:
            net.set("unsettled", (host,), None)
    net.write(("unsettled", (host,), True) for host in sorted(unsettled))


def _forget(net: Draft, host: str) -> None:
    """Routes learned from a neighbour that is no longer there are lost."""
    joins = topology(net)
    for (prefix,), route in below(net, "route", (host,)):
        via = addresses.address(route.via)
        near = joins.attached(host, route.interface)
        there = any(one == via for other, _ in near for one, _, _ in own_addresses(net, other))
        if route.learned and route.metric < INFINITY and not there:
            net.set("route", (host, prefix), route._replace(metric=INFINITY))


def _told(net: Draft, host: str) -> list[_Advert]:
    """What a host tells each neighbour that listens."""
    joins = topology(net)
    own = [one for one in own_addresses(net, host) if one[1] in joins.neighbours(host)]
    table = {one.prefix_text: (0, "") for _, _, one in own}
    for (prefix,), route in below(net, "route", (host,)):
        table.setdefault(prefix, (route.metric, route.via) if route.learned else (0, ""))
    adverts = []
    for address, interface, one in own:
        for near, there in sorted(joins.attached(host, interface)):
            if not net.get("dynamic", (near,)):
                continue
            theirs = {str(found) for found, _, _ in own_addresses(net, near)}
            joined = any(other == there and one.prefix.covers(found) for found, other, _ in own_addresses(net, near))
            if joined:
                adverts += [
                    (near, prefix, min(metric + 1, INFINITY), str(address), there)
                    for prefix, (metric, via) in table.items()
                    if via not in theirs and addresses.prefix(prefix).version == address.version
                ]
    return adverts


def _hear(net: Draft, host: str, prefix: str, metric: int, via: str, interface: str) -> bool:
    """Take in one advert; whether the host has something to tell for it."""
    joins = topology(net)
    for _, near, one in own_addresses(net, host):
        if near in joins.neighbours(host) and one.prefix_text == prefix:
            return metric == INFINITY
    current: Any = net.get("route", (host, prefix))
    heard = Route(via, interface, metric, True)
    if current is None:
        if metric < INFINITY:
            net.set("route", (host, prefix), heard)
        return metric < INFINITY
    if not current.learned:
        return metric == INFINITY
    if current.via == via:
        net.set("route", (host, prefix), heard)
        return bool(current.metric != metric)
    if metric < current.metric:
        net.set("route", (host, prefix), heard)
        return True
    return metric == INFINITY and bool(current.metric < INFINITY)

"""Routes that hosts learn from one another, and the time that takes.

A distance-vector protocol after RFC 2453, one round an advance: every unsettled host tells its neighbours all the
networks it reaches and how far they are, all at once; a neighbour that learns something is unsettled for the next
round, and one that knows a way shorter by more than a hop answers in it. A route is not told to whom it was learned
from (split horizon). One that is lost is told as 16 hops away, once; what a neighbour no longer tells is lost too.
Until the network has settled, packets follow what their hosts believe. A round costs what is unsettled, not the
network.
"""

from __future__ import annotations

from typing import NamedTuple

from ...facts import Draft
from . import addresses
from .addresses import Interface
from .forwarding import own_addresses
from .schema import INFINITY, Route, below
from .topology import topology


class _Advert(NamedTuple):
    """What a host tells one neighbour: `metrics` of prefixes. `via` is the sender's address."""

    receiver: str
    interface: str
    via: str
    metrics: tuple[tuple[str, int], ...]


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
    for host in senders:  # what was lost has been told; what is lost from here on is told in the next round
        for (prefix,), route in below(net, "route", (host,)):
            if route.learned and route.metric == INFINITY:
                net.set("route", (host, prefix), None)
    unsettled = {advert.receiver for advert in sorted(adverts) if _hear(net, advert)}
    net.write(("unsettled", (host,), None) for host in senders if host not in unsettled)
    net.write(("unsettled", (host,), True) for host in sorted(unsettled))


def _listens(net: Draft, host: str, interface: str, sender: Interface) -> bool:
    """Whether a host hears what is said from an address behind one of its interfaces."""
    own = own_addresses(net, host)
    return bool(net.get("dynamic", (host,))) and any(
        near == interface and sender.prefix.covers(address) for address, near, _ in own
    )


def _forget(net: Draft, host: str) -> None:
    """Routes learned from a neighbour that no longer tells any are lost."""
    joins = topology(net)
    for (prefix,), route in below(net, "route", (host,)):
        if not route.learned or route.metric == INFINITY:
            continue
        via = addresses.address(route.via)
        tells = (
            one
            for other, there in joins.attached(host, route.interface)
            if net.get("dynamic", (other,))
            for address, near, one in own_addresses(net, other)
            if near == there and address == via
        )
        if not any(_listens(net, host, route.interface, one) for one in tells):
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
            if _listens(net, near, there, one):
                theirs = {str(found) for found, _, _ in own_addresses(net, near)}
                metrics = (
                    (prefix, min(metric + 1, INFINITY))
                    for prefix, (metric, via) in sorted(table.items())
                    if via not in theirs and addresses.prefix(prefix).version == address.version
                )
                adverts.append(_Advert(near, there, str(address), tuple(metrics)))
    return adverts


def _hear(net: Draft, advert: _Advert) -> bool:
    """Take in an advert; whether the host has something to tell for it."""
    host, interface, via, metrics = advert
    news, said = False, dict(metrics)
    for (prefix,), route in below(net, "route", (host,)):
        if route.learned and route.via == via and route.metric < INFINITY and prefix not in said:
            net.set("route", (host, prefix), route._replace(metric=INFINITY))
            news = True
    near = topology(net).neighbours(host)
    fixed = {one.prefix_text for _, there, one in own_addresses(net, host) if there in near}
    for prefix, metric in metrics:
        current = net.get("route", (host, prefix))
        own = INFINITY if current is None else current.metric
        if prefix in fixed or (current is not None and not current.learned):
            own = 0
        if own and (metric < own or (current is not None and current.via == via and metric != own)):
            net.set("route", (host, prefix), Route(via, interface, metric, True))
            news = True
        elif own + 2 < metric or own < metric == INFINITY:
            news = True
    return news

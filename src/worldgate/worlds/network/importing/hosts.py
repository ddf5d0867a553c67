"""The facts of one host: its links, addresses, routes, forwarding and services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from ....facts import Fact
from .. import addresses
from ..addresses import Address, Prefix
from ..schema import Route
from .documents import BadDocuments, Hop, Host, Left
from .layout import Place

_ANY = {4: "0.0.0.0", 6: "[::]"}


def facts(host: Host, where: Mapping[str, Place], left: list[Left]) -> Iterator[Fact]:
    """Of a host whose interfaces are there."""
    yield "up", (host.name,), True
    known = set[Address]()
    for place in where.values():
        if place.name != host.name:
            yield "up", (place.name,), True
            yield "link", (min(place.name, host.name), max(place.name, host.name)), True
        for one in place.own:
            if one.address in known:
                left.append(Left(host.name, f"address {one.address}", "another interface of the host has it"))
                continue
            known.add(one.address)
            yield "address", (host.name, place.name, f"{one.address}/{one.prefix.length}"), True
    versions = sorted({one.version for one in known})
    for version in versions:
        yield from _routes(host, version, where, left)
    yield from _forwards(host, versions, sum(place.name != host.name for place in where.values()), left)
    yield from _services(host, versions, left)


def _routes(host: Host, version: int, where: Mapping[str, Place], left: list[Left]) -> Iterator[Fact]:
    """Those over a next hop; the ones that follow from an address are not facts."""
    hops = host.routes[version]
    if hops is None:
        command = "ip -j route" if version == 4 else "ip -j -6 route"
        left.append(Left(host.name, f"routes of IPv{version}", f"`{command}` was not given"))
    connected = {one.prefix for place in where.values() for one in place.own}
    best = set[Prefix]()
    for hop in sorted(hops or (), key=lambda hop: hop.metric):
        try:
            prefix, reason = _route(hop, version, where, connected | best)
        except ValueError as error:
            raise BadDocuments(f"{host.name}, route {hop.dst}: {error}", "what `ip -j route` prints") from error
        if reason:
            left.append(Left(host.name, f"route {hop.dst}", reason))
        elif reason is None:
            best.add(prefix)
            text = f"{Address(prefix.version, prefix.network)}/{prefix.length}"
            via = str(addresses.address(hop.gateway))
            yield "route", (host.name, text), Route(via, where[hop.dev].name, hop.metric, False)


def _route(hop: Hop, version: int, where: Mapping[str, Place], taken: set[Prefix]) -> tuple[Prefix, str | None]:
    """(the prefix, why it is left out: None where it is not, empty where nothing is lost by it)."""
    text = {"default": "0.0.0.0/0" if version == 4 else "::/0"}.get(hop.dst, hop.dst)
    prefix, net = addresses.prefix(text), ip_network(text)
    own = where[hop.dev].own if hop.dev in where else []
    if hop.type != "unicast":
        return prefix, f"it is of type {hop.type}"
    if hop.nexthops or hop.via is not None:
        return prefix, "it has several next hops, or one of another family"
    if not hop.gateway:
        follows = net.is_link_local or net.is_multicast or hop.dev == "lo" or any(one.prefix == prefix for one in own)
        return prefix, "" if follows else "it has no next hop"
    gateway = addresses.address(hop.gateway)
    near = sorted(one.address for one in own if one.prefix.covers(gateway))
    if {"dead", "linkdown"} & set(hop.flags):
        return prefix, "its interface is down"
    if not near:
        return prefix, f"its next hop {hop.gateway} is in no imported network of {hop.dev}"
    if prefix in taken:
        return prefix, "a network of the host, or a route of a metric not higher, has the prefix"
    if hop.prefsrc and addresses.address(hop.prefsrc) != near[0]:
        return prefix, f"it has packets speak from {hop.prefsrc}"
    return prefix, None


def _forwards(host: Host, versions: list[int], ways: int, left: list[Left]) -> Iterator[Fact]:
    said = {host.forwarding.get(version) for version in versions}
    if said == {True}:
        yield "forwards", (host.name,), True
    elif True in said:
        left.append(Left(host.name, "forwarding", "on for one version of IP: it is taken to be off"))
    elif None in said and ways > 1:
        left.append(Left(host.name, "forwarding", "`sysctl` was not given: it is taken to be off"))


def _services(host: Host, versions: list[int], left: list[Left]) -> Iterator[Fact]:
    """A socket that listens on every address the host has is a service."""
    if host.sockets is None:
        left.append(Left(host.name, "services", "`ss -Hltun` was not given"))
        return
    bound: dict[tuple[str, int], set[str]] = {}
    for socket in host.sockets:
        bound.setdefault((socket.protocol, socket.port), set()).add(socket.address)
    for (protocol, port), at in bound.items():
        text = str(port) if protocol == "tcp" else f"{port}/{protocol}"
        if protocol not in ("tcp", "udp"):
            left.append(Left(host.name, f"service {text}", f"{protocol} is not of this world"))
        elif not ("*" in at or at >= {_ANY[version] for version in versions}):
            left.append(Left(host.name, f"service {text}", f"it listens on {', '.join(sorted(at))} only"))
        else:
            yield "service", (host.name, text), True

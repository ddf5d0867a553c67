"""Which interfaces share a link, and what they are called here.

Interfaces with an address in one network share a segment. One of two hosts is a link between them; any other is a
switch named after its lowest network, such as `10.1.0.0-24`. So two places that use one network look like one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .. import addresses
from ..addresses import Interface
from .documents import BadDocuments, Device, Host, Left

_FULL = {4: 32, 6: 128}


class Place(NamedTuple):
    """Where an interface is: its name in this world, and its addresses."""

    name: str
    own: list[Interface]


Placed = dict[str, dict[str, Place]]
"""By host and by the name of the interface there."""
_End = tuple[str, str]
_Held = dict[_End, list[Interface]]


class _Network(NamedTuple):
    version: int
    number: int
    length: int

    def __str__(self) -> str:
        return f"{addresses.Address(self.version, self.number)}-{self.length}"


def placed(hosts: Iterable[Host], left: list[Left]) -> Placed:
    """Every interface that leads somewhere."""
    held: _Held = {}
    found: Placed = {}
    for host in hosts:
        found[host.name] = {}
        for device in host.devices:
            own = _addresses(host.name, device, left)
            if own and device.link_type == "loopback":
                found[host.name][device.ifname] = Place(host.name, own)
            elif own:
                held[host.name, device.ifname] = own
    joined = set[frozenset[str]]()
    for network, segment in _segments(held):
        ends = _distinct(segment, held, left)
        pair = frozenset(host for host, _ in ends)
        switch = str(network)
        if len(pair) == 2 and pair not in joined:
            joined.add(pair)
            names = [host for host, _ in reversed(ends)]
        elif switch in found:
            raise BadDocuments(f"a host named {switch}", "another name: the switch of that network is called so")
        else:
            names = [switch] * len(ends)
        for end, name in zip(ends, names, strict=True):
            found[end[0]][end[1]] = Place(name, held[end])
    return found


def _addresses(host: str, device: Device, left: list[Left]) -> list[Interface]:
    """Those by which others can reach it; none where it leads nowhere. What is only of a link or of the host is not
    looked at."""
    what, found, known = f"interface {device.ifname}", [], set[addresses.Address]()
    for info in device.addr_info:
        if info.scope in ("host", "link"):
            continue
        try:
            one = addresses.interface(f"{info.local}/{info.prefixlen}")
        except ValueError as error:
            raise BadDocuments(f"{host}, {what}: {error}", "an address as `ip -j addr` prints it") from error
        if info.address:
            left.append(Left(host, f"address {info.local}", f"it is of a line to one peer, {info.address}"))
        elif one.address in known:
            left.append(Left(host, f"address {info.local}/{info.prefixlen}", "it is there with another length"))
        else:
            known.add(one.address)
            found.append(one)
    if device.link_type == "loopback":
        return found
    reason = ""
    if "UP" not in device.flags or device.master:
        if found:
            reason = f"it belongs to {device.master}" if device.master else "it is down"
    elif not _networks(found):
        reason = "it has no address in a network, which would say where it leads"
    else:
        return found
    if reason:
        left.append(Left(host, what, reason))
    return []


def _networks(own: Iterable[Interface]) -> list[_Network]:
    """Those in which there may be others, lowest first."""
    return sorted({_Network(*one.prefix) for one in own if one.prefix.length < _FULL[one.prefix.version]})


def _segments(held: _Held) -> Iterator[tuple[_Network, list[_End]]]:
    """Interfaces that share networks, directly or over one another, by their lowest network."""
    members: dict[_Network, list[_End]] = {}
    for end, own in held.items():
        for network in _networks(own):
            members.setdefault(network, []).append(end)
    seen = set[_Network]()
    for network in sorted(members):
        if network in seen:
            continue
        seen.add(network)
        joined, segment = [network], set[_End]()
        for one in joined:
            for end in members[one]:
                if end not in segment:
                    segment.add(end)
                    fresh = [other for other in _networks(held[end]) if other not in seen]
                    seen.update(fresh)
                    joined += fresh
        yield network, sorted(segment)


def _distinct(segment: list[_End], held: _Held, left: list[Left]) -> list[_End]:
    """One interface a host, and each address once."""
    ends: dict[str, str] = {}
    owner: dict[addresses.Address, str] = {}
    for host, device in segment:
        if host in ends:
            left.append(Left(host, f"interface {device}", f"{ends[host]} is in the same network"))
            continue
        ends[host] = device
        for one in list(held[host, device]):
            if owner.setdefault(one.address, host) != host:
                reason = f"{owner[one.address]} has it too; are these two places with one network?"
                left.append(Left(host, f"address {one.address}", reason))
                held[host, device].remove(one)
    return list(ends.items())

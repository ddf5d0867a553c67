"""What an nftables rule matches, as the matches of this world; what it translates to.

`Cannot` names the part that cannot be said.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, summarize_address_range
from itertools import product
from typing import Any, NamedTuple

from .. import addresses
from ..addresses import Address, Prefix
from ..schema import Match

FAMILIES = {"ip": frozenset((4,)), "ip6": frozenset((6,)), "inet": frozenset((4, 6))}
_ANYTHING = {4: Prefix(4, 0, 0), 6: Prefix(6, 0, 0)}
_BOTH = frozenset(("tcp", "udp"))
_LARGEST_PORT = 65535


class Cannot(Exception):
    """Why a rule cannot be said."""


class Said(NamedTuple):
    """What a rule matches so far: each field one of several values, None for any."""

    versions: frozenset[int]
    protocols: frozenset[str] = _BOTH
    sources: tuple[Prefix, ...] | None = None
    destinations: tuple[Prefix, ...] | None = None
    ports: tuple[tuple[int, int], ...] | None = None
    states: tuple[str, ...] | None = None

    def matches(self) -> Iterator[Match]:
        """Each way to match, as one rule."""
        if not self.protocols:
            return
        protocol = "any" if self.protocols == _BOTH else next(iter(self.protocols))
        for source, destination in product(self.sources or (None,), self.destinations or (None,)):
            versions = self.versions & {side.version for side in (source, destination) if side} or self.versions
            if (source and source.version not in versions) or (destination and destination.version not in versions):
                continue
            if source and destination and source.version != destination.version:
                continue
            sides = [source] if source or destination or len(versions) == 2 else [_ANYTHING[one] for one in versions]
            for side, (low, high), state in product(sides, self.ports or ((0, 0),), self.states or ("any",)):
                yield Match(_text(side), _text(destination), protocol, low, high, state)


def _text(prefix: Prefix | None) -> str:
    return f"{Address(prefix.version, prefix.network)}/{prefix.length}" if prefix else ""


def narrowed(said: Said, left: dict[str, Any], values: list[Any]) -> Said:
    """A match more."""
    match left:
        case {"payload": {"protocol": "ip" | "ip6", "field": "saddr" | "daddr" as field}}:
            sides = tuple(prefix for value in values for prefix in _prefixes(value))
            name = "sources" if field == "saddr" else "destinations"
            return _set(said, name, sides)
        case {"payload": {"protocol": "tcp" | "udp" | "th" as protocol, "field": "dport"}}:
            protocols = said.protocols & ({protocol} if protocol != "th" else _BOTH)
            return _set(said._replace(protocols=protocols), "ports", tuple(map(_span, values)))
        case {"meta": {"key": "l4proto"}} | {"payload": {"protocol": "ip" | "ip6", "field": "protocol" | "nexthdr"}}:
            if not all(isinstance(value, str) for value in values):
                raise Cannot("a protocol that is not named")
            family = left.get("payload", {}).get("protocol", "inet")
            return said._replace(protocols=said.protocols & set(values), versions=said.versions & FAMILIES[family])
        case {"payload": {"protocol": "icmp" | "icmpv6"}}:
            return said._replace(protocols=frozenset())
        case {"meta": {"key": "iif" | "oif" | "iifname" | "oifname"}} if values == ["lo"]:
            return said._replace(protocols=frozenset())
        case {"meta": {"key": "nfproto"}} if values in (["ipv4"], ["ipv6"]):
            return said._replace(versions=said.versions & {4 if values == ["ipv4"] else 6})
        case {"ct": {"key": "state"}}:
            if not all(value in ("new", "established", "related") for value in values):
                raise Cannot(f"a state that is none here: {', '.join(map(str, values))}")
            states = tuple(state for state in ("new", "established") if state in values)
            return _set(said, "states", states)
    raise Cannot(f"a match on {_about(left)}")


def _about(left: dict[str, Any]) -> str:
    match left:
        case {"meta": {"key": str(key)}} | {"ct": {"key": str(key)}}:
            return f"{next(iter(left))} {key}"
        case {"payload": {"protocol": str(protocol), "field": str(field)}}:
            return f"{protocol} {field}"
    return ", ".join(map(str, left))


def _set(said: Said, name: str, values: tuple[Any, ...]) -> Said:
    if getattr(said, name) is not None:
        raise Cannot(f"two matches on {name}")
    more: dict[str, Any] = {name: values}
    if not values:  # what is one of none is nothing
        more = {"protocols": frozenset()}
    return said._replace(**more)


def _prefixes(value: Any) -> list[Prefix]:
    try:
        match value:
            case str():
                return [addresses.prefix(value)]
            case {"prefix": {"addr": str(text), "len": int(length)}}:
                return [addresses.prefix(f"{text}/{length}")]
            case {"range": [str(low), str(high)]}:
                first, last = ip_address(low), ip_address(high)
                return [addresses.prefix(str(one)) for one in summarize_address_range(first, last)]
    except (ValueError, TypeError):
        pass
    raise Cannot(f"an address: {value!r:.60}")


def _span(value: Any) -> tuple[int, int]:
    match value:
        case int(port) if 0 < port <= _LARGEST_PORT:
            return port, port
        case {"range": [int(low), int(high)]} if 0 < low <= high <= _LARGEST_PORT:
            return low, high
    raise Cannot(f"a port: {value!r:.60}")


def translated(rest: list[dict[str, Any]]) -> tuple[str, Address | None, int]:
    """(kind, the new address, the new port) of a translation."""
    match rest:
        case [{"masquerade": None}]:
            return "source", None, 0
        case [{"snat": {"addr": str(text)} as to}] if to.keys() <= {"addr", "family"}:
            return "source", _one(text), 0
        case [{"dnat": {"addr": str(text)} as to}] if to.keys() <= {"addr", "family", "port"}:
            low, high = _span(to["port"]) if "port" in to else (0, 0)
            if low == high:
                return "destination", _one(text), low
    raise Cannot(f"what it does: {statements(rest)}")


def _one(text: str) -> Address:
    try:
        return addresses.address(text)
    except ValueError:
        raise Cannot(f"an address: {text!r:.60}") from None


def statements(rest: list[dict[str, Any]]) -> str:
    return ", ".join(sorted({str(key) for part in rest for key in part}))

"""Who can hand a frame to whom: the view under reachability, kept from state to state.

Bridges are the hosts that are up and have no address; they hand on what reaches them. `label` names the connected
component of each bridge. A new link relabels the smaller of two components; a link that goes costs a search from both
of its ends at once, which stops when they meet or when the smaller side is exhausted. So an edit costs at most the
smaller part of what it joins or parts, and a change that parts nothing costs about the detour around it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from immutables import Map

from ...facts import Draft, State, View
from .schema import keys

_NONE: frozenset[str] = frozenset()


class Topology(NamedTuple):
    """`near`: the other ends of a host's links. `size`: bridges by label. `fresh`: the next label."""

    near: Map[str, frozenset[str]]
    up: Map[str, bool]
    addresses: Map[str, int]
    label: Map[str, int]
    size: Map[int, int]
    fresh: int

    def neighbours(self, host: str) -> frozenset[str]:
        """The other ends of its links, up or down."""
        return self.near.get(host, _NONE)

    def bridged(self, one: str, other: str) -> bool:
        """Whether two bridges are in one component."""
        label = self.label.get(one)
        return label is not None and label == self.label.get(other)

    def attached(self, host: str, interface: str) -> Iterator[tuple[str, str]]:
        """(host, interface) of every addressed host that is up in the segment behind an interface, its own left out.

        O(the segment).
        """
        seen, ends = set(), deque([(host, interface)])
        if interface not in self.neighbours(host):
            return
        while ends:
            before, here = ends.popleft()
            if here in self.label:
                if here not in seen:
                    seen.add(here)
                    ends.extend((here, near) for near in sorted(self.neighbours(here)))
            elif self.up.get(here) and (here, before) != (host, interface):
                yield here, before


def _derive(state: State) -> Topology:
    near: dict[str, set[str]] = {}
    for one, other in keys(state, "link"):
        near.setdefault(one, set()).add(other)
        near.setdefault(other, set()).add(one)
    up = {host: state.get("up", (host,)) for (host,) in keys(state, "up")}
    addresses = Counter(host for host, _, _ in keys(state, "address"))
    label: dict[str, int] = {}
    size: dict[int, int] = {}
    for host in up:
        if host in label or not up[host] or host in addresses:
            continue
        number = len(size)
        label[host], found = number, [host]
        for one in found:
            for other in near.get(one, ()):
                if other not in label and up.get(other) and other not in addresses:
                    label[other] = number
                    found.append(other)
        size[number] = len(found)
    links = Map({host: frozenset(others) for host, others in near.items()})
    return Topology(links, Map(up), Map(addresses), Map(label), Map(size), len(size))


def _moved(value: Topology, edits: Iterable[Any]) -> Topology:
    for relation, key, before, after in edits:
        if relation == "link":
            value = _linked(value, *key) if after else _unlinked(value, *key)
        elif relation == "up":
            value = _changed(value, key[0], up=value.up.set(key[0], after) if after is not None else None)
        elif relation == "address":
            count = value.addresses.get(key[0], 0) + (after is not None) - (before is not None)
            some = value.addresses.set(key[0], count) if count else value.addresses.delete(key[0])
            value = _changed(value, key[0], addresses=some)
    return value


def _changed(value: Topology, host: str, **facts: Any) -> Topology:
    """After an edit of one host: it may have begun or ceased to be a bridge."""
    if "up" in facts and facts["up"] is None:
        facts["up"] = value.up.delete(host)
    bridge = host in value.label
    value = value._replace(**facts)
    if bridge == bool(value.up.get(host) and host not in value.addresses):
        return value
    others = [other for other in sorted(value.neighbours(host)) if other in value.label]
    if bridge:
        near = value.near
        for other in others:
            value = _unlinked(value, host, other)
        alone = value.label[host]
        return value._replace(near=near, label=value.label.delete(host), size=value.size.delete(alone))
    fresh = value.fresh
    value = value._replace(label=value.label.set(host, fresh), size=value.size.set(fresh, 1), fresh=fresh + 1)
    for other in others:
        value = _joined(value, host, other)
    return value


def _linked(value: Topology, one: str, other: str) -> Topology:
    value = value._replace(near=_more(_more(value.near, one, other), other, one))
    return _joined(value, one, other)


def _unlinked(value: Topology, one: str, other: str) -> Topology:
    value = value._replace(near=_less(_less(value.near, one, other), other, one))
    return _parted(value, one, other) if one in value.label and other in value.label else value


def _more(near: Map[str, frozenset[str]], host: str, other: str) -> Map[str, frozenset[str]]:
    return near.set(host, near.get(host, _NONE) | {other})


def _less(near: Map[str, frozenset[str]], host: str, other: str) -> Map[str, frozenset[str]]:
    return near.set(host, near[host] - {other})


def _joined(value: Topology, one: str, other: str) -> Topology:
    """Two hosts have a link: when both are bridges, their components are one."""
    first, second = value.label.get(one), value.label.get(other)
    if first is None or second is None or first == second:
        return value
    less = value.size[first] < value.size[second]
    start, smaller, larger = (one, first, second) if less else (other, second, first)
    found, label = [start], value.label.mutate()
    label[start] = larger
    for host in found:
        for near in value.near[host]:
            if label.get(near) == smaller:
                label[near] = larger
                found.append(near)
    size = value.size.delete(smaller).set(larger, value.size[larger] + len(found))
    return value._replace(label=label.finish(), size=size)


def _parted(value: Topology, one: str, other: str) -> Topology:
    """The link of two bridges is gone: unless there is a way around it, the smaller side gets its own label."""
    sides = ({one: None}, {other: None})
    ways = [_walk(value, side) for side in sides]
    while True:
        for way, side, opposite in zip(ways, sides, reversed(sides), strict=True):
            host = next(way, None)
            if host is None:
                label = value.label.mutate()
                for member in side:
                    label[member] = value.fresh
                old = value.label[one]
                size = value.size.set(value.fresh, len(side)).set(old, value.size[old] - len(side))
                return value._replace(label=label.finish(), size=size, fresh=value.fresh + 1)
            if host in opposite:
                return value


def _walk(value: Topology, seen: dict[str, None]) -> Iterator[str]:
    """Breadth-first over bridges, a host at a time; `seen` grows with it."""
    ends = deque(seen)
    while ends:
        here = ends.popleft()
        for near in value.near[here]:
            if near in value.label and near not in seen:
                seen[near] = None
                ends.append(near)
                yield near


TOPOLOGY: View[Topology] = View(_derive, _moved)

_READS = (("up", ()), ("link", ()), ("address", ()))


def topology(net: Draft) -> Topology:
    """Of a draft; everything it depends on counts as read."""
    net.reads.update(_READS)
    return net.now().view(TOPOLOGY)

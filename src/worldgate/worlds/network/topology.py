"""Who can hand a frame to whom, and which flows no longer reach: the view under reachability, kept from state to state.

Bridges are the hosts that are up and have no address; they hand on what reaches them. `label` names the connected
component of each bridge, and `parent` is a spanning forest of them. A new link relabels the smaller of two components.
A link that goes matters only if it is in the forest: then the tree below it looks for another link that leads out of
it, and the rest is searched at the same time, so that what is parted costs its smaller side. Where trees are shallow,
what is below a link is small, and where it is not the first link looked at mostly leads out.

`broken` are the flows from bridges that would not open now; an edit asks again about the flows of the hosts it touches,
so that time passing costs what broke and not every flow there is.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from copy import copy
from typing import Any

import msgspec
from immutables import Map

from ...facts import Draft, State, View
from .schema import keys

_NONE: frozenset[str] = frozenset()
_NO_FLOWS: frozenset[Any] = frozenset()


_Flow = tuple[str, str, str]


class Topology(msgspec.Struct, eq=False):
    """What is known of a state; changed in place only while a new one is made of an old one.

    `near`: the other ends of a host's links. `parent`: of bridges that are no root. `size`: bridges by label. `fresh`:
    the next label. `flows`: those of a host at either end. `touched`: hosts whose flows are to be asked about again.
    """

    near: Map[str, frozenset[str]]
    up: Map[str, bool]
    addresses: Map[str, int]
    services: Map[tuple[str, str], bool]
    denied: Map[tuple[str, str], bool]
    parent: Map[str, str]
    label: Map[str, int]
    size: Map[int, int]
    fresh: int
    flows: Map[str, frozenset[_Flow]]
    broken: Map[_Flow, bool]
    touched: list[str]

    def neighbours(self, host: str) -> frozenset[str]:
        """The other ends of its links, up or down."""
        return self.near.get(host, _NONE)

    def bridged(self, one: str, other: str) -> bool:
        """Whether two bridges are in one component."""
        label = self.label.get(one)
        return label is not None and label == self.label.get(other)

    def opens(self, source: str, target: str, port: str) -> bool:
        """Whether a connection from a bridge would open: both up, the service there, no denial, and a path.

        To itself the service is enough.
        """
        if not self.up.get(source) or not self.up.get(target) or (target, port) not in self.services:
            return False
        return source == target or ((target, source) not in self.denied and self.bridged(source, target))

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
        if one < other and state.get("link", (one, other)):  # a prediction may say otherwise
            near.setdefault(one, set()).add(other)
            near.setdefault(other, set()).add(one)
    up = {host: state.get("up", (host,)) for (host,) in keys(state, "up")}
    addresses = Counter(host for host, _, _ in keys(state, "address"))
    parent: dict[str, str] = {}
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
                    label[other], parent[other] = number, one
                    found.append(other)
        size[number] = len(found)
    ends: dict[str, list[_Flow]] = {}
    for flow in keys(state, "flow"):
        for host in set(flow[:2]):
            ends.setdefault(host, []).append(flow)
    value = Topology(
        Map({host: frozenset(others) for host, others in near.items()}),
        Map(up),
        Map(addresses),
        Map(dict.fromkeys(keys(state, "service"), True)),
        Map(dict.fromkeys(keys(state, "deny"), True)),
        Map(parent),
        Map(label),
        Map(size),
        len(size),
        Map({host: frozenset(flows) for host, flows in ends.items()}),
        Map(),
        list(ends),
    )
    _ask(value)
    return value


def _moved(old: Topology, edits: Iterable[Any]) -> Topology:
    value = old
    for relation, key, before, after in edits:
        edit = _EDITS.get(relation)
        if edit is not None:
            if value is old:
                value = copy(old)
                value.touched = []
            edit(value, key, before, after)
            if value.touched:
                _ask(value)
    return value


def _ask(value: Topology) -> None:
    """Asks again about the flows of the hosts that were touched."""
    for host in value.touched:
        for flow in value.flows.get(host, ()):
            _ask_one(value, flow)
    value.touched.clear()


def _ask_one(value: Topology, flow: _Flow) -> None:
    if flow[0] in value.addresses or value.opens(*flow):
        if flow in value.broken:
            value.broken = value.broken.delete(flow)
    elif flow not in value.broken:
        value.broken = value.broken.set(flow, True)


def _link(value: Topology, key: Any, before: Any, after: Any) -> None:
    one, other = key
    if (before is True) == (after is True) or not one < other:
        return
    if after:
        value.near = _more(_more(value.near, one, other), other, one)
        _join(value, one, other)
    else:
        _unlink(value, one, other)


def _up(value: Topology, key: Any, _: Any, after: Any) -> None:
    (host,) = key
    value.up = value.up.delete(host) if after is None else value.up.set(host, after)
    _change(value, host)


def _address(value: Topology, key: Any, before: Any, after: Any) -> None:
    host = key[0]
    count = value.addresses.get(host, 0) + (after is not None) - (before is not None)
    value.addresses = value.addresses.set(host, count) if count else value.addresses.delete(host)
    _change(value, host)


def _service(value: Topology, key: Any, _: Any, after: Any) -> None:
    value.services = value.services.delete(key) if after is None else value.services.set(key, True)
    for flow in value.flows.get(key[0], ()):
        if flow[1:] == key:
            _ask_one(value, flow)


def _deny(value: Topology, key: Any, _: Any, after: Any) -> None:
    value.denied = value.denied.delete(key) if after is None else value.denied.set(key, True)
    for flow in value.flows.get(key[0], ()):
        if flow[:2] == (key[1], key[0]):
            _ask_one(value, flow)


def _flow(value: Topology, key: Any, _: Any, after: Any) -> None:
    for host in set(key[:2]):
        now = value.flows.get(host, _NO_FLOWS)
        now = now - {key} if after is None else now | {key}
        value.flows = value.flows.set(host, now) if now else value.flows.delete(host)
    if after is not None:
        _ask_one(value, key)
    elif key in value.broken:
        value.broken = value.broken.delete(key)


_EDITS: dict[str, Callable[[Topology, Any, Any, Any], None]] = {
    "link": _link,
    "up": _up,
    "address": _address,
    "service": _service,
    "deny": _deny,
    "flow": _flow,
}


def _change(value: Topology, host: str) -> None:
    """After an edit of one host: it may have begun or ceased to be a bridge."""
    value.touched.append(host)
    bridge = host in value.label
    if bridge == bool(value.up.get(host) and host not in value.addresses):
        return
    others = [other for other in sorted(value.neighbours(host)) if other in value.label]
    if bridge:
        near = value.near
        for other in others:
            _unlink(value, host, other)
        value.near, alone = near, value.label[host]
        value.label, value.size = value.label.delete(host), value.size.delete(alone)
        return
    value.label, value.size = value.label.set(host, value.fresh), value.size.set(value.fresh, 1)
    value.fresh += 1
    for other in others:
        _join(value, host, other)


def _unlink(value: Topology, one: str, other: str) -> None:
    value.near = _less(_less(value.near, one, other), other, one)
    if one in value.label and other in value.label:
        _part(value, one, other)


def _more(near: Map[str, frozenset[str]], host: str, other: str) -> Map[str, frozenset[str]]:
    return near.set(host, near.get(host, _NONE) | {other})


def _less(near: Map[str, frozenset[str]], host: str, other: str) -> Map[str, frozenset[str]]:
    return near.set(host, near[host] - {other})


def _join(value: Topology, one: str, other: str) -> None:
    """Two hosts have a link: when both are bridges, their components are one."""
    first, second = value.label.get(one), value.label.get(other)
    if first is None or second is None or first == second:
        return
    less = value.size[first] < value.size[second]
    start, smaller, larger = (one, first, second) if less else (other, second, first)
    found, label = [start], value.label.mutate()
    label[start] = larger
    for host in found:
        for near in value.near[host]:
            if label.get(near) == smaller:
                label[near] = larger
                found.append(near)
    value.label = label.finish()
    value.size = value.size.delete(smaller).set(larger, value.size[larger] + len(found))
    value.touched += found
    _hang(value, start, other if start == one else one)


def _hang(value: Topology, host: str, under: str) -> None:
    """The tree of a host becomes part of another, its links upward from that host turned round."""
    parent = value.parent.mutate()
    while True:
        above = parent.get(host)
        parent[host] = under
        if above is None:
            break
        host, under = above, host
    value.parent = parent.finish()


def _part(value: Topology, one: str, other: str) -> None:
    """The link of two bridges is gone: unless another holds them together, the smaller side gets its own label."""
    if value.parent.get(other) == one:
        one, other = other, one
    elif value.parent.get(one) != other:
        return  # it was not in the forest
    value.parent = value.parent.delete(one)
    below, rest = {one: None}, {other: None}
    links, walk = _links_out(value, one, below), _walk(value, rest)
    while True:
        found = next(links, None)
        if found is None:
            _relabel(value, one, below)
            return
        inside, outside = found
        if outside:
            _hang(value, inside, outside)
            return
        if next(walk, None) is None:
            _relabel(value, one, rest)
            return


def _relabel(value: Topology, one: str, side: Collection[str]) -> None:
    label, old = value.label.mutate(), value.label[one]
    for member in side:
        label[member] = value.fresh
    value.label = label.finish()
    value.size = value.size.set(value.fresh, len(side)).set(old, value.size[old] - len(side))
    value.fresh += 1
    value.touched += side


def _links_out(value: Topology, root: str, below: dict[str, None]) -> Iterator[tuple[str, str]]:
    """(host, other end) of a link that leads out of a tree, or (host, "") for each host without one; `below` grows."""
    parent, ends = value.parent, deque([root])
    while ends:
        here = ends.popleft()
        for near in value.near[here]:
            if near not in value.label or near in below:
                continue
            if parent.get(near) == here:
                below[near] = None
                ends.append(near)
            elif _root(parent, near) != root:
                yield here, near
        yield here, ""


def _root(parent: Map[str, str], host: str) -> str:
    above = parent.get(host)
    while above is not None:
        host, above = above, parent.get(above)
    return host


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


def topology(net: Draft) -> Topology:
    """Of a draft; everything it depends on counts as read."""
    for relation in ("up", "link", "address"):
        net.note(relation, ())
    return net.now().view(TOPOLOGY)

"""The oracle of the network: one action on one state. Exit 0: done, or already so; 1: it failed; 2: bad arguments.

What is asked first is asked first here too: unknown hosts before anything else, reachability before whether a flow is
already open. Flows do not break with their path: the next `advance` finds those that no longer reach, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...facts import Draft, State, Value
from ..contract import Observation, Transition, transition
from . import addresses
from .actions import Command
from .forwarding import own_addresses
from .reachability import literal, reachable
from .routing import disturb, settle
from .schema import Match, Route, Rule, Translation
from .topology import topology

DONE, FAILED, UNKNOWN = 0, 1, 2
_SEEN: tuple[Observation, ...] = ({"exit": DONE}, {"exit": FAILED}, {"exit": UNKNOWN})


def step(state: State, action: Command) -> Transition:
    """What the action does."""
    net, rule = Draft(state), _RULES[action.verb]
    try:
        code = rule(net, *action.arguments) if action.match is None else rule(net, *action.arguments, action.match)
    except (TypeError, ValueError):  # facts that no step leads to: a prediction's address that is none
        net, code = Draft(state), FAILED
    net.write((("exit", (), code),))
    return transition(net, _SEEN[code])


def _known(net: Draft, *hosts: str) -> bool:
    return all(net.get("up", (host,)) is not None for host in hosts)


def _on_host(relation: str, value: Value | None, *, hosts: int = 1) -> Callable[..., int]:
    """Sets one fact; the first `hosts` of its key must be known."""

    def rule(net: Draft, *key: str) -> int:
        if not _known(net, *key[:hosts]):
            return UNKNOWN
        net.write(((relation, key, value),))
        return DONE

    return rule


def _joined(relation: str, value: Value | None) -> Callable[..., int]:
    """As `_on_host`, of what decides who is next to whom."""
    put = _on_host(relation, value)

    def rule(net: Draft, host: str) -> int:
        if not _known(net, host):
            return UNKNOWN
        disturb(net, host)
        put(net, host)
        disturb(net, host)
        return DONE

    return rule


def _link(value: Value | None) -> Callable[..., int]:
    def rule(net: Draft, one: str, other: str) -> int:
        if not _known(net, one, other) or one == other:
            return UNKNOWN
        disturb(net, one, other)
        net.write((("link", (one, other) if one < other else (other, one), value),))
        disturb(net, one, other)
        return DONE

    return rule


def _connect(net: Draft, source: str, target: str, port: str) -> int:
    if not _known(net, source) or not (_known(net, target) or literal(target)):
        return UNKNOWN
    if not reachable(net, source, target, port):
        return FAILED
    net.write((("flow", (source, target, port), True),))
    return DONE


def _close(net: Draft, source: str, target: str, port: str) -> int:
    if net.get("flow", (source, target, port)) is None:
        return FAILED
    net.set("flow", (source, target, port), None)
    return DONE


def _advance(net: Draft) -> int:
    net.set("clock", (), net.get("clock", ()) + 1)
    if net.select("unsettled"):
        settle(net)
    for relation in ("flow", "service", "deny"):
        net.note(relation, ())
    joins = topology(net)
    for flow in sorted(joins.broken):
        net.set("flow", flow, None)
    for host in sorted(joins.addresses):
        for flow in sorted(joins.flows.get(host, ())):
            if flow[0] == host and not reachable(net, *flow):
                net.set("flow", flow, None)
    return DONE


# --- level 1 -------------------------------------------------------------------------------------------


def _addr_add(net: Draft, host: str, interface: str, text: str) -> int:
    if not _known(net, host, interface):
        return UNKNOWN
    if net.get("address", (host, interface, text)):
        return DONE
    here = addresses.interface(text).address
    joined = interface == host or net.get("link", (min(host, interface), max(host, interface)))
    if not joined or any(one == here for one, _, _ in own_addresses(net, host)):
        return FAILED
    disturb(net, host)
    net.set("address", (host, interface, text), True)
    disturb(net, host)
    return DONE


def _addr_del(net: Draft, host: str, interface: str, text: str) -> int:
    if not _known(net, host, interface):
        return UNKNOWN
    if not net.get("address", (host, interface, text)):
        return FAILED
    disturb(net, host)
    net.set("address", (host, interface, text), None)
    disturb(net, host)
    return DONE


def _route_add(net: Draft, host: str, prefix: str, via: str, metric: str) -> int:
    """A next hop must be in a network that the host is connected to; a prefix has one route that was set by hand."""
    if not _known(net, host):
        return UNKNOWN
    hop, linked = addresses.address(via), topology(net).neighbours(host)
    ways = [
        near for one, near, own in own_addresses(net, host) if near in linked and own.prefix.covers(hop) and one != hop
    ]
    if addresses.prefix(prefix).version != hop.version or not ways:
        return FAILED
    route, current = Route(via, ways[0], int(metric), False), net.get("route", (host, prefix))
    if current is not None and not current.learned and current != route:
        return FAILED
    net.write((("route", (host, prefix), route),))
    disturb(net, host)
    return DONE


def _removal(relation: str, columns: int, number: bool = False) -> Callable[..., int]:
    """Removes one fact, and fails when there is none. `number`: the last word of the key is one."""

    def rule(net: Draft, *words: str) -> int:
        key: tuple[Any, ...] = (*words[: columns - 1], int(words[columns - 1])) if number else words[:columns]
        if not _known(net, words[0]):
            return UNKNOWN
        if net.get(relation, key) is None:
            return FAILED
        net.set(relation, key, None)
        disturb(net, words[0])
        return DONE

    return rule


def _numbered(net: Draft, relation: str, key: tuple[Any, ...], value: Value) -> int:
    """Puts a rule in a place that is free, or holds the same."""
    if not _known(net, key[0]):
        return UNKNOWN
    current = net.get(relation, key)
    if current is not None and current != value:
        return FAILED
    net.write(((relation, key, value),))
    return DONE


def _rule_add(net: Draft, host: str, hook: str, order: str, verdict: str, match: Match) -> int:
    return _numbered(net, "rule", (host, hook, int(order)), Rule(*match, verdict=verdict))


def _nat_add(net: Draft, host: str, order: str, kind: str, new: str, match: Match) -> int:
    to, _, port = ("", "", "") if new == "leaving" else new.partition("@")
    if match.state != "any" or (kind == "destination" and not to) or (kind == "source" and port):
        return UNKNOWN
    return _numbered(net, "nat", (host, int(order)), Translation(*match[:-1], kind, to, int(port or 0)))


def _fallback(net: Draft, host: str, hook: str, verdict: str) -> int:
    if not _known(net, host):
        return UNKNOWN
    net.write((("fallback", (host, hook), verdict if verdict == "drop" else None),))
    return DONE


def _zone(net: Draft, host: str, zone: str) -> int:
    if not _known(net, host):
        return UNKNOWN
    net.write((("zone", (host,), zone),))
    return DONE


_RULES: dict[str, Callable[..., int]] = {
    "host_up": _joined("up", True),
    "host_down": _joined("up", False),
    "link_up": _link(True),
    "link_down": _link(None),
    "svc_up": _on_host("service", True),
    "svc_down": _on_host("service", None),
    "fw_deny": _on_host("deny", True, hosts=2),
    "fw_allow": _on_host("deny", None, hosts=2),
    "connect": _connect,
    "close": _close,
    "advance": _advance,
    "addr_add": _addr_add,
    "addr_del": _addr_del,
    "forward_on": _on_host("forwards", True),
    "forward_off": _on_host("forwards", None),
    "route_add": _route_add,
    "route_del": _removal("route", 2),
    "dynamic_on": _joined("dynamic", True),
    "dynamic_off": _joined("dynamic", None),
    "rule_add": _rule_add,
    "rule_del": _removal("rule", 3, number=True),
    "fallback": _fallback,
    "nat_add": _nat_add,
    "nat_del": _removal("nat", 2, number=True),
    "zone": _zone,
}

"""Invariants of every state that the network can reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...facts import State
from ..contract import Property
from . import addresses
from .reachability import explain, reach
from .schema import INFINITY, keys
from .topology import TOPOLOGY


def links_join_two_known_hosts(state: State) -> str | None:
    """In canonical order; none to itself."""
    for one, other in keys(state, "link"):
        if not one < other or state.get("up", (one,)) is None or state.get("up", (other,)) is None:
            return f"link {one} {other}"
    return None


def what_stands_on_a_host_has_one(state: State) -> str | None:
    """Every fact of a host is of a known host."""
    for relation in ("service", "deny", "address", "forwards", "route", "dynamic", "rule", "fallback", "nat", "zone"):
        for key in keys(state, relation):
            if state.get("up", (key[0],)) is None:
                return f"{relation}{key}"
    return None


def addresses_are_canonical(state: State) -> str | None:
    """One host does not have one address twice; texts are canonical."""
    seen = set()
    for host, near, text in keys(state, "address"):
        found = addresses.interface(text)
        if f"{found.address}/{found.prefix.length}" != text or (host, found.address) in seen:
            return f"address {host} {near} {text}"
        seen.add((host, found.address))
    return None


def only_the_unsettled_tell_of_lost_routes(state: State) -> str | None:
    """A route that leads nowhere belongs to a host that has still to tell of it."""
    for host, prefix in keys(state, "route"):
        route = state.get("route", (host, prefix))
        if route.learned and (route.metric > INFINITY or (route.metric == INFINITY and not _unsettled(state, host))):
            return f"route {host} {prefix} {route}"
    return None


def _unsettled(state: State, host: str) -> bool:
    return state.get("unsettled", (host,)) is not None


def components_are_those_from_scratch(state: State) -> str | None:
    """The kept view says of every two bridges what deriving it anew says."""

    def groups(labels: Mapping[str, int]) -> set[frozenset[str]]:
        found: dict[int, set[str]] = {}
        for host, label in labels.items():
            found.setdefault(label, set()).add(host)
        return {frozenset(group) for group in found.values()}

    kept, anew = state.view(TOPOLOGY), TOPOLOGY.derive(state)
    if groups(kept.label) != groups(anew.label):
        return f"components {sorted(map(sorted, groups(kept.label) ^ groups(anew.label)))}"
    sizes = sorted(kept.size.values())
    if sizes != sorted(anew.size.values()):
        return f"sizes {sizes}"
    return None if kept.broken == anew.broken else f"broken {sorted(kept.broken)}"


def the_forest_spans_the_components(state: State) -> str | None:
    """Parents are neighbours in the same component, which each have one root that all lead to."""
    kept = state.view(TOPOLOGY)
    roots = {host for host in kept.label if host not in kept.parent}
    if len(roots) != len(kept.size) or any(host not in kept.label for host in kept.parent):
        return f"roots {sorted(roots)}"
    for host in kept.label:
        here, steps = host, 0
        while here not in roots and steps <= len(kept.label):
            above = kept.parent[here]
            if above not in kept.neighbours(here) or not kept.bridged(here, above):
                return f"{above} above {here}"
            here, steps = above, steps + 1
        if here not in roots:
            return f"{host} leads to no root"
    return None


def the_relation_says_what_each_question_says(state: State) -> str | None:
    """Of a few pairs: the relation in bulk against one question each. With addresses both are the same."""
    if state.view(TOPOLOGY).addresses:
        return None
    hosts = [host for (host,) in keys(state, "up")][:6]
    for (target, port), sources in sorted(reach(state).items())[:4]:
        for source in hosts:
            if explain(state, source, target, port).reached != (source in sources):
                return f"reachable {source} {target} {port}"
    return None


def _all() -> Iterator[tuple[str, Property]]:
    for one in (
        links_join_two_known_hosts,
        what_stands_on_a_host_has_one,
        addresses_are_canonical,
        only_the_unsettled_tell_of_lost_routes,
        components_are_those_from_scratch,
        the_forest_spans_the_components,
        the_relation_says_what_each_question_says,
    ):
        yield one.__name__, one


PROPERTIES: Mapping[str, Property] = dict(_all())

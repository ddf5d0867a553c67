"""Level 0 once more, naively: dictionaries, sets and a breadth-first search, sharing no code with the oracle."""

from __future__ import annotations

import copy
from typing import Any


class Naive:
    """The published semantics of level 0, a method a rule. `step` returns the exit code."""

    def __init__(self, hosts: list[str]) -> None:
        self.up = dict.fromkeys(hosts, True)
        self.links: set[tuple[str, str]] = set()
        self.services: set[tuple[str, str]] = set()
        self.denies: set[tuple[str, str]] = set()
        self.flows: set[tuple[str, str, str]] = set()
        self.clock, self.exit = 0, 0

    @classmethod
    def of(cls, facts: dict[tuple[str, Any], Any]) -> Naive:
        """As a state of the world says."""
        found = cls([])
        sets = {"link": found.links, "service": found.services, "deny": found.denies, "flow": found.flows}
        for (relation, key), value in facts.items():
            if relation == "up":
                found.up[key[0]] = value
            elif relation in sets:
                sets[relation].add(key)
        found.clock, found.exit = facts["clock", ()], facts["exit", ()]
        return found

    def copy(self) -> Naive:
        return copy.deepcopy(self)

    def facts(self) -> dict[tuple[str, Any], Any]:
        sets = {"link": self.links, "service": self.services, "deny": self.denies, "flow": self.flows}
        held = {(relation, key): True for relation, keys in sets.items() for key in keys}
        known = {("up", (host,)): up for host, up in self.up.items()}
        return held | known | {("clock", ()): self.clock, ("exit", ()): self.exit}

    def near(self, host: str) -> list[str]:
        ends = [b if a == host else a for a, b in self.links if host in (a, b)]
        return [one for one in ends if self.up[one]]

    def path(self, source: str, target: str) -> bool:
        seen = [source]
        for host in seen:
            seen += [one for one in self.near(host) if one not in seen]
        return target in seen

    def reach(self, source: str, target: str, port: str) -> bool:
        if not self.up[source] or not self.up[target] or (target, port) not in self.services:
            return False
        return source == target or ((target, source) not in self.denies and self.path(source, target))

    def step(self, text: str) -> int:
        verb, *words = text.split(" ")
        self.exit = getattr(self, verb)(*words)
        return self.exit

    def _put(self, held: set[Any], key: Any, there: bool, *hosts: str) -> int:
        if any(host not in self.up for host in hosts):
            return 2
        (held.add if there else held.discard)(key)
        return 0

    def _power(self, host: str, up: bool) -> int:
        if host not in self.up:
            return 2
        self.up[host] = up
        return 0

    def host_up(self, host: str) -> int:
        return self._power(host, True)

    def host_down(self, host: str) -> int:
        return self._power(host, False)

    def _join(self, a: str, b: str, there: bool) -> int:
        return 2 if a == b else self._put(self.links, (min(a, b), max(a, b)), there, a, b)

    def link_up(self, a: str, b: str) -> int:
        return self._join(a, b, True)

    def link_down(self, a: str, b: str) -> int:
        return self._join(a, b, False)

    def svc_up(self, host: str, port: str) -> int:
        return self._put(self.services, (host, port), True, host)

    def svc_down(self, host: str, port: str) -> int:
        return self._put(self.services, (host, port), False, host)

    def fw_deny(self, host: str, source: str) -> int:
        return self._put(self.denies, (host, source), True, host, source)

    def fw_allow(self, host: str, source: str) -> int:
        return self._put(self.denies, (host, source), False, host, source)

    def connect(self, source: str, target: str, port: str) -> int:
        if source not in self.up or target not in self.up:
            return 2
        if not self.reach(source, target, port):
            return 1
        self.flows.add((source, target, port))
        return 0

    def close(self, *flow: str) -> int:
        if flow not in self.flows:
            return 1
        self.flows.remove(flow)
        return 0

    def advance(self) -> int:
        self.clock += 1
        self.flows = {flow for flow in self.flows if self.reach(*flow)}
        return 0


# --- the same with one fault each: what the comparison must see ----------------------------------------


class NothingDropped(Naive):
    def advance(self) -> int:
        self.clock += 1
        return 0


class DroppedAtOnce(Naive):
    def step(self, text: str) -> int:
        code = super().step(text)
        self.flows = {flow for flow in self.flows if self.reach(*flow)}
        return code


class OpenIsDone(Naive):
    """Asks whether a flow is open before whether it is reached."""

    def connect(self, source: str, target: str, port: str) -> int:
        return 0 if (source, target, port) in self.flows else super().connect(source, target, port)


class DeniesItself(Naive):
    def reach(self, source: str, target: str, port: str) -> bool:
        return (target, source) not in self.denies and super().reach(source, target, port)


class DeniesBothWays(Naive):
    def reach(self, source: str, target: str, port: str) -> bool:
        return (source, target) not in self.denies and super().reach(source, target, port)


class ThroughTheDead(Naive):
    def near(self, host: str) -> list[str]:
        return [b if a == host else a for a, b in self.links if host in (a, b)]


class NeighboursOnly(Naive):
    def path(self, source: str, target: str) -> bool:
        return target in self.near(source)


class CloseNamesHosts(Naive):
    def close(self, *flow: str) -> int:
        return 2 if flow[0] not in self.up or flow[1] not in self.up else super().close(*flow)


class NoServiceOnTheDead(Naive):
    def svc_up(self, host: str, port: str) -> int:
        return 1 if self.up.get(host) is False else super().svc_up(host, port)


class LinkToItself(Naive):
    def _join(self, a: str, b: str, there: bool) -> int:
        return 0 if a == b and a in self.up else super()._join(a, b, there)


class AlreadySoFails(Naive):
    def host_up(self, host: str) -> int:
        return 1 if self.up.get(host) else super().host_up(host)


class CloseTheUnreached(Naive):
    """Lets only a flow be closed that still reaches."""

    def close(self, *flow: str) -> int:
        return super().close(*flow) if flow in self.flows and self.reach(*flow) else 1


FAULTS = (
    NothingDropped, DroppedAtOnce, OpenIsDone, DeniesItself, DeniesBothWays, ThroughTheDead, NeighboursOnly,
    CloseNamesHosts, NoServiceOnTheDead, LinkToItself, AlreadySoFails, CloseTheUnreached,
)  # fmt: skip

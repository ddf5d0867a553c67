"""Random workloads of a network.

`uniform`, `weighted` and `adversarial` draw an action by weight and its arguments from all hosts and ports, without a
look at the state, as published studies of such worlds have; their worlds stay nearly empty. `everyday`,
`outages` and `routed` look: what a network is for happens in them. They find things by asking for one at random until
it fits, so a step of theirs costs what it asks and not the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate, permutations, product
from random import Random
from typing import Any, TypeVar

from ...facts import Draft, State
from ..contract import Driver
from . import addresses
from .actions import VERBS
from .reachability import reachable
from .topology import TOPOLOGY

LEVEL_0 = tuple(VERBS)[:11]
_PUBLISHED: Mapping[str, tuple[float, ...]] = {
    #              host up, down, link up, down, svc up, down, deny, allow, connect, close, advance
    "uniform": (1,) * 11,
    "weighted": (0.5, 0.5, 3, 1, 3, 1, 1, 0.5, 3, 1, 1.5),
    "adversarial": (0.5, 2, 1, 3, 1, 2, 3, 0.5, 1.5, 1, 3),
}
HOOKS = ("input", "forward", "output")
_VERDICTS = ("accept", "accept", "accept", "accept", "drop")
_TRIES = 24
_T = TypeVar("_T")


def drivers(hosts: Sequence[str], ports: Sequence[str]) -> Mapping[str, Driver]:
    """The drivers over these hosts and ports, by name."""
    found: dict[str, Driver] = {}
    for name, weights in _PUBLISHED.items():
        found[name] = partial(_blind, tuple(accumulate(weights)), hosts, ports)
    for name, mix in _MIXES.items():
        found[name] = partial(_look, tuple(mix), tuple(accumulate(mix.values())), hosts, ports)
    return found


def _blind(weights: tuple[float, ...], hosts: Sequence[str], ports: Sequence[str], state: State, random: Random) -> str:
    verb = random.choices(LEVEL_0, cum_weights=weights)[0]
    if verb == "close" and (flows := _flows(state)):
        return " ".join((verb, *random.choice(flows)))
    if verb == "advance":
        return verb
    form = VERBS[verb]
    named = random.sample(hosts, 2) if len(form) > 1 and form[1] != "PORT" else [random.choice(hosts)]
    return " ".join((verb, *named, *([random.choice(ports)] if form[-1] == "PORT" else ())))


def _flows(state: State) -> list[Any]:
    """The flows, in order."""
    return sorted(state.select("flow"))


def every_action(hosts: Sequence[str], ports: Sequence[str]) -> list[str]:
    """Every action of level 0 over these hosts and ports: 241 of five hosts and three ports."""
    pairs: list[tuple[str, ...]] = list(permutations(hosts, 2))
    words: dict[tuple[str, ...], list[tuple[str, ...]]] = {
        (): [()],
        ("HOST",): [(host,) for host in hosts],
        ("HOST", "OTHER"): pairs,
        ("HOST", "PORT"): list(product(hosts, ports)),
        ("HOST", "SOURCE"): pairs,
        ("SOURCE", "TO", "PORT"): [(*pair, port) for pair in pairs for port in ports],
    }
    return [" ".join((verb, *given)) for verb in LEVEL_0 for given in words[VERBS[verb]]]


# --- drivers that look -------------------------------------------------------------------------------


class _Look:
    """What a driver can ask of a state. Each question may find nothing: then it is None."""

    def __init__(self, hosts: Sequence[str], ports: Sequence[str], state: State, random: Random) -> None:
        self.hosts, self.ports, self.state, self.random = hosts, ports, state, random

    def host(self) -> str:
        return self.random.choice(self.hosts)

    def down(self) -> str | None:
        return self._find(self.host, lambda host: self.state.get("up", (host,)) is False)

    def link(self) -> tuple[str, str] | None:
        topology = self.state.view(TOPOLOGY)
        here = self._find(self.host, lambda host: bool(topology.neighbours(host)))
        return None if here is None else (here, self.random.choice(sorted(topology.neighbours(here))))

    def service(self) -> tuple[str, str] | None:
        def one() -> tuple[str, str]:
            return self.host(), self.random.choice(self.ports)

        return self._find(one, lambda key: self.state.get("service", key) is not None)

    def connection(self) -> tuple[str, str, str] | None:
        """One that would open."""
        net = Draft(self.state)
        for _ in range(3):
            service = self.service()
            if service is None:
                return None
            if (source := self._find(self.host, lambda one: reachable(net, one, *service), 6)) is not None:  # noqa: B023
                return source, *service
        return None

    def flow(self) -> tuple[str, str, str] | None:
        flows = _flows(self.state)
        return self.random.choice(flows) if flows else None

    def denial(self) -> tuple[str, str] | None:
        return self._of("deny")

    def _of(self, relation: str) -> tuple[Any, ...] | None:
        """A key of a relation, by a host that has one."""
        host = self._find(self.host, lambda one: bool(self.state.select(relation, (one,))))
        return None if host is None else (host, *self.random.choice(sorted(self.state.select(relation, (host,)))))

    def route(self) -> tuple[Any, ...] | None:
        return self._of("route")

    def address(self) -> tuple[Any, ...] | None:
        return self._of("address")

    def translation(self) -> tuple[Any, ...] | None:
        return self._of("nat")

    def rule(self) -> tuple[Any, ...] | None:
        def rules(where: tuple[str, str]) -> bool:
            return bool(self.state.select("rule", where))

        found = self._find(lambda: (self.host(), self.random.choice(HOOKS)), rules)
        return None if found is None else (*found, *self.random.choice(sorted(self.state.select("rule", found))))

    def network(self) -> str:
        """The prefix of an address somebody has, or one host of it."""
        found = self.address()
        own = addresses.interface(found[2] if found else "10.1.0.0/24")
        return str(own.address) if self.random.random() < 0.3 else own.prefix_text

    def match(self) -> str:
        sides = self.random.choice((("from",), ("to",), ("from", "to"), ()))
        said = [f"{side} {self.network()}" for side in sides]
        if self.random.random() < 0.4:
            said.append(f"proto tcp port {self.random.choice(self.ports)}")
        return " ".join(said)

    def _find(self, draw: Callable[[], _T], fits: Callable[[_T], bool], tries: int = _TRIES) -> _T | None:
        return next((found for found in (draw() for _ in range(tries)) if fits(found)), None)


def _of(verb: str, ask: Callable[[_Look], tuple[Any, ...] | str | None]) -> Callable[[_Look], str | None]:
    """The action on what is found, if it is."""

    def say(look: _Look) -> str | None:
        found = ask(look)
        if found is None:
            return None
        return " ".join((verb, *map(str, (found,) if isinstance(found, str) else found)))

    return say


def _two(look: _Look) -> tuple[str, ...]:
    return tuple(look.random.sample(look.hosts, 2))


def _harm(look: _Look) -> str | None:
    """Something that a flow stands on goes."""
    flow = look.flow()
    if flow is None:
        return None
    source, target, port = flow
    known = [host for host in (source, target) if look.state.get("up", (host,))]
    actions = [f"svc_down {target} {port}", f"fw_deny {target} {source}", *(f"host_down {host}" for host in known)]
    return look.random.choice(actions)


def _gateway(look: _Look) -> str | None:
    """A route by hand, over a neighbour."""
    found = look.address()
    if found is None:
        return None
    host, near, text = found
    own = addresses.interface(text)
    there = [one for one, _ in look.state.view(TOPOLOGY).attached(host, near)]
    hops = [addresses.interface(other) for one in there for _, other in look.state.select("address", (one,))]
    fitting = sorted(str(one.address) for one in hops if own.prefix.covers(one.address))
    if not fitting:
        return None
    return f"route_add {host} {look.network()} {look.random.choice(fitting)} {look.random.randrange(3)}"


def _filter(look: _Look) -> str:
    order, verdict = look.random.randrange(1, 60), look.random.choice(("accept", "drop"))
    return f"rule_add {look.host()} {look.random.choice(HOOKS)} {order} {verdict} {look.match()}".rstrip()


def _translate(look: _Look) -> str:
    kind, new = look.random.choice((("source", "leaving"), ("destination", f"{look.network()}".partition("/")[0])))
    return f"nat_add {look.host()} {look.random.randrange(1, 60)} {kind} {new} {look.match()}".rstrip()


def _readdress(look: _Look) -> str | None:
    found = look.address()
    if found is None:
        return None
    host, near, text = found
    own = addresses.interface(text)
    step = addresses.Address(own.address.version, own.address.number + look.random.choice((0, 1, 16)))
    return f"addr_add {host} {near} {step}/{own.prefix.length}"


_SAYS: Mapping[str, Callable[[_Look], str | None]] = {
    "connect": _of("connect", _Look.connection),
    "connect somewhere": _of("connect", lambda look: (*_two(look), look.random.choice(look.ports))),
    "close": _of("close", _Look.flow),
    "harm a flow": _harm,
    "link_up": _of("link_up", _two),
    "link_down": _of("link_down", _Look.link),
    "host_up": _of("host_up", _Look.down),
    "host_down": _of("host_down", _Look.host),
    "svc_up": _of("svc_up", lambda look: (look.host(), look.random.choice(look.ports))),
    "svc_down": _of("svc_down", _Look.service),
    "fw_deny": _of("fw_deny", _two),
    "fw_allow": _of("fw_allow", _Look.denial),
    "addr_add": _readdress,
    "addr_del": _of("addr_del", _Look.address),
    "route_add": _gateway,
    "route_del": _of("route_del", _Look.route),
    "forward_on": _of("forward_on", _Look.host),
    "forward_off": _of("forward_off", _Look.host),
    "dynamic_on": _of("dynamic_on", _Look.host),
    "dynamic_off": _of("dynamic_off", _Look.host),
    "rule_add": _filter,
    "rule_del": _of("rule_del", _Look.rule),
    "fallback": _of(
        "fallback",
        lambda look: (look.host(), look.random.choice(HOOKS), look.random.choice(("accept",) * 4 + ("drop",))),
    ),
    "nat_add": _translate,
    "nat_del": _of("nat_del", _Look.translation),
    "zone": _of("zone", lambda look: (look.host(), look.random.choice(("clients", "servers", "database")))),
}
"""What a driver may set out to do. When there is nothing to do it to, time passes."""

_EVERYDAY = {
    "connect": 7, "connect somewhere": 2, "close": 0.6, "harm a flow": 1.2, "link_up": 1.2, "link_down": 0.8,
    "host_up": 1, "host_down": 0.3, "svc_up": 1.5, "svc_down": 0.4, "fw_deny": 0.5, "fw_allow": 0.8, "advance": 2.5,
}  # fmt: skip
_MIXES: Mapping[str, Mapping[str, float]] = {
    "everyday": _EVERYDAY,
    "outages": {**_EVERYDAY, "connect": 5, "harm a flow": 2.5, "link_down": 1.5, "link_up": 2, "host_up": 2},
    "routed": {
        **_EVERYDAY, "addr_add": 0.4, "addr_del": 0.2, "route_add": 0.8, "route_del": 0.4, "forward_on": 0.4,
        "forward_off": 0.1, "dynamic_on": 0.4, "dynamic_off": 0.1, "rule_add": 0.8, "rule_del": 1.2, "fallback": 0.4,
        "nat_add": 0.3, "nat_del": 0.4, "zone": 0.2,
    },
}  # fmt: skip


def _look(
    names: tuple[str, ...], weights: tuple[float, ...], hosts: Sequence[str], ports: Sequence[str],
    state: State, random: Random,
) -> str:  # fmt: skip
    name = random.choices(names, cum_weights=weights)[0]
    if name == "advance":
        return name
    return _SAYS[name](_Look(hosts, ports, state, random)) or "advance"

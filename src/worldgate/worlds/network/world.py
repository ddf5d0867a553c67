"""The network world: hosts, links, services and flows, with addresses, routes and filters where there are any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Annotated

import msgspec

from ...facts import Draft, Fact, State
from ..contract import Driver, Property, Question, Transition
from . import rules
from .actions import GRAMMAR, Command, parse
from .drivers import drivers
from .properties import PROPERTIES
from .questions import QUESTIONS
from .routing import settle
from .schema import SCHEMA, keys
from .starts import STARTS, host_names, ports

CAMPUS = 739
"""Hosts of a campus at most: its networks have no more addresses."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file may say of a network."""

    hosts: Annotated[int, msgspec.Meta(ge=2, le=100_000)] = 8
    services: Annotated[int, msgspec.Meta(ge=1, le=50_000)] = 3
    start: str = "campus"

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise ValueError(f"start {self.start!r}, not one of {', '.join(STARTS)}")
        if self.start == "campus" and self.hosts > CAMPUS:
            raise ValueError(f"{self.hosts} hosts of a campus, which has at most {CAMPUS}")


USUAL = Options()


class Network:
    """`hosts` hosts and `services` ports, beginning as `start` says (`starts.STARTS`)."""

    Options = Options
    version, schema = SCHEMA.version, SCHEMA
    grammar = GRAMMAR
    questions: Mapping[str, Question] = QUESTIONS

    def __init__(
        self,
        name: str = "network",
        *,
        hosts: int = USUAL.hosts,
        services: int = USUAL.services,
        start: str = USUAL.start,
    ) -> None:
        self.name, self._start = name, STARTS[start]
        self.hosts, self.ports = host_names(hosts), ports(services)
        named = [host for (host,) in keys(self.initial(0), "up")]
        every = drivers(named, self.ports)
        level_0 = ("uniform", "weighted", "adversarial", "everyday", "outages")
        self.drivers: Mapping[str, Driver] = every if start == "campus" else {one: every[one] for one in level_0}

    def _facts(self, seed: int) -> Iterator[Fact]:
        return self._start(self.hosts, self.ports, Random(seed))

    def initial(self, seed: int) -> State:
        """The beginning, its routes settled; of `empty`, the same for every seed."""
        state = State.of(SCHEMA, self._facts(seed))
        while state.select("unsettled"):
            net = Draft(state)
            settle(net)
            state = net.now()
        return state

    def parse(self, text: str) -> Command:
        """The action of a text such as `connect h1 h2 443`."""
        return parse(text)

    def step(self, state: State, action: Command) -> Transition:
        """What the action does; its exit code is 0, 1 (it failed) or 2 (bad arguments)."""
        return rules.step(state, action)

    def properties(self) -> Mapping[str, Property]:
        """Links, keys, addresses and routes are well formed; what is kept is what it is from scratch."""
        return PROPERTIES

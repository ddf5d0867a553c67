"""A world of a user: ten lamps, whose relation takes the numbers from 0 to 9 alone, and actions that name others.

Importing it registers the world, so tests do that in processes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from worldgate.facts import BOOL, Draft, Relation, Schema, State, Type
from worldgate.worlds import Driver, Outside, Transition, register, transition

SCHEMA = Schema("lamps", "1", [Relation("lit", (("lamp", Type("int", low=0, high=9)),), BOOL, index=(0,))])

TRAINING = """
family: relational
source:
  places: [{world: lamps, drivers: [any]}]
  walks_each: 2
  episode: 16
  sample: 16
loop: {steps: 120, rate: 3e-3}
"""


class Turn(NamedTuple):
    way: str
    lamp: int

    def __str__(self) -> str:
        return f"{self.way} {self.lamp}"


class Lamps:
    name, version, schema = "lamps", "1", SCHEMA

    def __init__(self) -> None:
        self.drivers: Mapping[str, Driver] = {"any": _any}

    def initial(self, seed: int) -> State:
        return State.of(SCHEMA, [("lit", (lamp,), False) for lamp in range(10)])

    def parse(self, text: str) -> Turn:
        way, _, lamp = text.partition(" ")
        if way not in ("on", "off") or not lamp.isdecimal():
            raise Outside(text[:40], "on N or off N")
        return Turn(way, int(lamp))

    def step(self, state: State, action: Turn) -> Transition:
        draft = Draft(state)
        if action.lamp > 9:
            return transition(draft, {"exit": 2})
        draft.set("lit", (action.lamp,), action.way == "on")
        return transition(draft, {"exit": 0})

    def properties(self) -> Mapping[str, object]:
        return {}


def _any(_: State, random: Random) -> str:
    return f"{random.choice(['on', 'off'])} {random.randint(0, 13)}"


register("lamps", Lamps)

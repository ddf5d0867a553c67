"""States that no step leads to, such as a mistake makes: which facts should never be put there, how to ask of them, and
walks that begin in one.

Of such a state the contract promises nothing. Not covered: a world that does not come back from one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from itertools import chain
from random import Random
from typing import Any, NamedTuple

from ..facts import Address, Admit, Edit, Error, Pool, State
from .check import walk
from .contract import Driver, Property, Transition, World

WALKED = 100
"""Steps of a walk of each driver by which it is told what facts may be."""


def admitted(world: World) -> Admit | None:
    """Facts that no mistake should put into a state: a link has its two ends in order, as every link has."""
    return {"network": lambda relation, key, _: relation != "link" or key[0] < key[1]}.get(world.schema.name)


class Answering(NamedTuple):
    """The step of a world in any state: where the world has no answer, nothing changes."""

    world: World

    def step(self, state: State, action: Any) -> Transition:
        """The world's step, or no change."""
        return labelled(self.world, state, action) or Transition(state, (), {}, frozenset())


def labelled(world: World, state: State, action: Any) -> Transition | None:
    """The world's step from any state; None where it raises."""
    try:
        return world.step(state, action)
    except Exception:  # of such a state nothing is promised
        return None


class TooFew(Error):
    """Walks that begin with more wrong facts than there can be."""

    number, title = "WG223", "too few facts to be wrong"


class Mistaken:
    """A world whose walks begin with `facts` wrong facts of `relations` (None: of any that may have facts).

    Of one seed the wrong facts of a smaller number are among those of a larger one. They stay until an action changes
    them. Where the world has no answer, nothing changes; a driver that says nothing, or nothing of the grammar, says
    what it would at the beginning of seed 0.
    """

    def __init__(self, world: World, facts: int, relations: Collection[str] | None = None) -> None:
        self.name, self.version, self.schema = world.name, world.version, world.schema
        self.parse, self.step = world.parse, Answering(world).step
        self.drivers: Mapping[str, Driver] = {name: partial(self._says, one) for name, one in world.drivers.items()}
        self._world, self._facts, self._relations = world, facts, relations

    def initial(self, seed: int) -> State:
        """The world's, with wrong facts, such as walks have: what is never absent or never false stays so. `TooFew`
        where not so many can be wrong."""
        state = self._world.initial(seed)
        walks = (walk(self._world, driver, seed, WALKED) for driver in self._world.drivers)
        seen = (moved.delta for *_, moved in chain(*walks))
        pool = Pool.of(state, seen, relations=self._relations, admit=admitted(self._world))
        wrong: dict[Address, Edit] = {}
        for edit in pool.flips(state, Random(f"wrong/{seed}"), 2 * self._facts):  # some are of one fact
            wrong.setdefault((edit.relation, edit.key), edit)
        if len(wrong) < self._facts:
            which = ", ".join(self._relations or ("any relation",))
            raise TooFew(f"{len(wrong)} facts of {which} that can be wrong in {self.name}", f"{self._facts}")
        return state.force(tuple(wrong.values())[: self._facts])

    def properties(self) -> Mapping[str, Property]:
        """None: nothing is promised of such states."""
        return {}

    def _says(self, driver: Driver, state: State, random: Random) -> str:
        try:
            text = driver(state, random)
            self.parse(text)
        except Exception:  # as above
            return driver(self._world.initial(0), random)
        return text

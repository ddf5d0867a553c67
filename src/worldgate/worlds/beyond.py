"""States that no step leads to, such as a mistake makes: which facts should never be put there, and how to ask of them.

Of such a state the contract promises nothing. Not covered: a world that does not come back from one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..facts import Admit, State
from .contract import Transition, World


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

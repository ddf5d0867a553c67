"""What an experiment may name: worlds with options, predictors, derived relations. One table each; add a row.

Policies, operators and probes have their tables in `horizon`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from random import Random
from typing import Any, NamedTuple

import msgspec

from ..facts import Delta, Pool, State
from ..horizon import Derived, Predictor
from ..horizon.baselines import CopyOracle, Flaw, Null
from ..horizon.induction import Induction
from ..horizon.lookup import Lookup
from ..worlds import World
from ..worlds.beyond import Answering, admitted
from .errors import BadExperiment

DERIVED = {"network": {"reachability": "worldgate.worlds.network:matrix"}}
"""Derived relations by world, for a second oracle and for judges."""


class Predicting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A predictor by name. `error`: how often the oracle is wrong, by one mistake in its delta."""

    name: str
    error: float = 0.0

    @property
    def label(self) -> str:
        """As it stands in tables."""
        return f"{self.name} wrong at {self.error:g}" if self.error else self.name


class Kind(NamedTuple):
    """How a predictor is made, whether it learns, and whether it says how uncertain it is."""

    make: Callable[[World, Predicting], Predictor]
    learns: bool = False
    uncertain: bool = False


def _oracle(world: World, asked: Predicting) -> Predictor:
    admit = admitted(world)
    answering: Any = Answering(world)

    def mistaken(state: State, _: Any, delta: Delta, random: Random) -> Delta:
        wrong = Pool.of(state, (delta,), admit=admit).wrong(state, delta, random, 1)
        return wrong[0] if wrong else ()

    return CopyOracle(answering, Flaw(asked.error, mistaken) if asked.error else None)


PREDICTORS: Mapping[str, Kind] = {
    "null": Kind(lambda _, __: Null()),
    "oracle": Kind(_oracle),
    "lookup": Kind(lambda world, _: Lookup(world.schema), learns=True, uncertain=True),
    "induction": Kind(lambda world, _: Induction(world.schema), learns=True, uncertain=True),
    "induction without paths": Kind(lambda world, _: Induction(world.schema, paths=False), learns=True, uncertain=True),
}

NEED_UNCERTAINTY = frozenset({"uncertainty", "drift"})
"""Policies that cannot do without the predictor's uncertainty."""


def derived_of(world: str, name: str) -> Derived:
    """The derived relation of that name."""
    known = DERIVED.get(world, {})
    if name not in known:
        raise BadExperiment(f"derived relation {name!r} of {world}", f"one of {', '.join(known) or 'none'}")
    module, _, attribute = known[name].partition(":")
    return Derived(name, f"{name} of a {world}", getattr(import_module(module), attribute))

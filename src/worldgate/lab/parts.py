"""What an experiment may name: worlds with options, predictors, derived relations. One table each; add a row.

Policies, operators and probes have their tables in `horizon`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from random import Random
from typing import Any, NamedTuple

import msgspec

from ..facts import Admit, Delta, Pool, State, json_decode
from ..horizon import Derived, Predictor
from ..horizon.baselines import CopyOracle, Flaw, Null
from ..horizon.induction import Induction
from ..horizon.lookup import Lookup
from ..worlds import Transition, World, get
from .errors import BadExperiment

WITH_OPTIONS = {"network": "worldgate.worlds.network:Network"}
"""Worlds that are made anew with options; all others are those that are registered."""

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


def admitted(world: World) -> Admit | None:
    """Facts that no mistake should put into a state: a link has its two ends in order, as every link has."""
    return {"network": lambda relation, key, _: relation != "link" or key[0] < key[1]}.get(world.schema.name)


class _Answering(NamedTuple):
    """The step of a world, which a mistake may lead into states that no step leads to: no answer there is no change."""

    world: World

    def step(self, state: State, action: Any) -> Transition:
        try:
            return self.world.step(state, action)
        except Exception:  # of such a state nothing is promised
            return Transition(state, (), {}, frozenset())


def _oracle(world: World, asked: Predicting) -> Predictor:
    admit = admitted(world)
    answering: Any = _Answering(world)

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


@lru_cache(maxsize=16)
def _world(name: str, options: bytes) -> World:
    given = json_decode(options)
    maker = WITH_OPTIONS.get(name)
    if maker is None:
        if given:
            raise BadExperiment(f"options {given} of {name}", f"none; options are for {', '.join(WITH_OPTIONS)}")
        return get(name)
    module, _, attribute = maker.partition(":")
    try:
        return getattr(import_module(module), attribute)(name, **given)  # type: ignore[no-any-return]
    except (TypeError, KeyError, ValueError, IndexError) as error:
        raise BadExperiment(f"options {given} of {name}: {error!r:.80}", "options that the world takes") from error


def world_of(name: str, options: Mapping[str, Any]) -> World:
    """The world of that name with these options, made once a process."""
    return _world(name, msgspec.json.encode(options, order="sorted"))


def derived_of(world: str, name: str) -> Derived:
    """The derived relation of that name."""
    known = DERIVED.get(world, {})
    if name not in known:
        raise BadExperiment(f"derived relation {name!r} of {world}", f"one of {', '.join(known) or 'none'}")
    module, _, attribute = known[name].partition(":")
    return Derived(name, f"{name} of a {world}", getattr(import_module(module), attribute))

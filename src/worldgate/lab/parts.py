"""What an experiment may name: worlds with options, predictors, derived relations. One table each; add a row.

Policies, operators and probes have their tables in `horizon`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from ..facts import Delta, Pool, Schema, State
from ..horizon import Derived, Predictor
from ..horizon.baselines import CopyOracle, Flaw, Null
from ..horizon.induction import Induction
from ..horizon.lookup import Lookup
from ..models.checkpoint import digest
from ..models.document import Loop
from ..models.family import Size
from ..models.predictor import Committee, Learning, learned
from ..models.source import Source
from ..worlds import World
from ..worlds.beyond import Answering, admitted
from .errors import BadExperiment

DERIVED = {"network": {"reachability": "worldgate.worlds.network:matrix"}}
"""Derived relations by world, for a second oracle and for judges."""


class Taking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model is trained. Without places, the source's walks are those of the experiment's training sets."""

    source: Source = Source()
    loop: Loop = Loop()
    calibrate: Size | UnsetType = UNSET


class Predicting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A predictor by name. `error`: how often the oracle is wrong, by one mistake in its delta.

    What only models have is left out of the ids of all other runs. Of what learns: the `counts` of walks it learns
    from, if not all. Of `learned`: `family`, `config`, `train`, the `seed` of the first training set, each next having
    the next, and how many make a `committee`, of a set's seed and those after it. Of `checkpoint`: the `path` of its
    file, and its SHA-256 `digest`, which the file is asked for without. Of both: `learn`, how it learns during
    rollouts, and a `label`.
    """

    name: str
    error: float = 0.0
    family: str | UnsetType = UNSET
    config: dict[str, Any] | UnsetType = UNSET
    train: Taking | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    path: str | UnsetType = UNSET
    digest: str | UnsetType = UNSET
    learn: Learning | UnsetType = UNSET
    given: str | UnsetType = msgspec.field(default=UNSET, name="label")
    counts: tuple[int, ...] | UnsetType = UNSET
    committee: Annotated[int, msgspec.Meta(ge=2)] | UnsetType = UNSET

    @property
    def teachable(self) -> bool:
        """Whether it can go on learning in a rollout."""
        kind = PREDICTORS[self.name]
        return bool(self.learn) if kind.model else kind.learns

    @property
    def label(self) -> str:
        """As it stands in tables."""
        if self.given:
            return self.given
        which = self.family or self.path or (self.digest or "")[:12]
        online = ", learning" if self.learn else f", committee of {self.committee}" if self.committee else ""
        return f"{self.name} wrong at {self.error:g}" if self.error else f"{self.name} {which}".strip() + online

    @property
    def sha256(self) -> str:
        """The digest of a checkpoint; `BadCheckpoint` where its file must be asked and cannot be read."""
        return self.digest or digest(Path(self.path or ""))

    def trained(self, number: int) -> Predicting:
        """What decides the runs of training set `number`: no words; of a checkpoint not where it is, but what."""
        kept = msgspec.structs.replace(self, given=UNSET, path=UNSET, counts=UNSET)
        if not PREDICTORS[self.name].model:
            return kept
        if self.name == "checkpoint":
            return msgspec.structs.replace(kept, digest=self.sha256)
        return msgspec.structs.replace(kept, seed=(self.seed or 0) + number)


class Kind(NamedTuple):
    """How a predictor is made (of a world, what was asked for, and the files of its models), whether it learns from the
    experiment's walks, whether it says how uncertain it is, whether it has a model, and which fields it takes."""

    make: Callable[[World, Predicting, Sequence[Path]], Predictor]
    learns: bool = False
    uncertain: bool = False
    model: bool = False
    takes: tuple[str, ...] = ()


def _oracle(world: World, asked: Predicting, _: Sequence[Path]) -> Predictor:
    admit = admitted(world)
    answering: Any = Answering(world)

    def mistaken(state: State, _: Any, delta: Delta, random: Random) -> Delta:
        wrong = Pool.of(state, (delta,), admit=admit).wrong(state, delta, random, 1)
        return wrong[0] if wrong else ()

    return CopyOracle(answering, Flaw(asked.error, mistaken) if asked.error else None)


def _modelled(world: World, asked: Predicting, files: Sequence[Path]) -> Predictor:
    models = [learned(file, world.schema, asked.learn or None) for file in files]
    return Committee(models) if asked.committee else models[0]


def _rules(make: Callable[[Schema], Predictor]) -> Kind:
    return Kind(lambda world, *_: make(world.schema), learns=True, uncertain=True, takes=("counts",))


PREDICTORS: dict[str, Kind] = {
    "null": Kind(lambda *_: Null()),
    "oracle": Kind(_oracle, takes=("error",)),
    "lookup": _rules(Lookup),
    "induction": _rules(Induction),
    "induction without paths": _rules(partial(Induction, paths=False)),
    "learned": Kind(
        _modelled,
        learns=True,
        uncertain=True,
        model=True,
        takes=("family", "config", "train", "seed", "learn", "given", "counts", "committee"),
    ),
    "checkpoint": Kind(_modelled, uncertain=True, model=True, takes=("path", "digest", "learn", "given")),
}

NEED_UNCERTAINTY = {"uncertainty", "drift"}
"""Policies that cannot do without the predictor's uncertainty."""


def derived_of(world: str, name: str) -> Derived:
    """The derived relation of that name."""
    known = DERIVED.get(world, {})
    if name not in known:
        raise BadExperiment(f"derived relation {name!r} of {world}", f"one of {', '.join(known) or 'none'}")
    module, _, attribute = known[name].partition(":")
    return Derived(name, f"{name} of a {world}", getattr(import_module(module), attribute))

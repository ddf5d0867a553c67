"""An experiment as a data file, and the cells that it comes to.

A file lists worlds with their drivers, predictors, policies, budgets and ways to correct; its *cells* are the product
of all that is listed. A cell with a seed is one *run*. Cells that cannot run are left out, and told: a policy that
weighs uncertainty with a predictor that has none, or settings that contradict one another. Nothing of a file's words
(title, labels, figures) changes what a run is. Reading a file, and all that can be wrong with one, is in `loading`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from ..facts import canonical_json
from ..horizon import Budget, Prices, Settings, consultation
from ..horizon.errors import BadSettings
from ..horizon.settings import agreeing
from ..worlds import World, world_of
from ..worlds.beyond import Mistaken
from .parts import NEED_UNCERTAINTY, PREDICTORS, Predicting

FORMAT = 1
DIMENSIONS = (
    "place", "world", "driver", "predictor", "policy", "rho", "semantics", "correction", "oracle", "budget", "data",
)  # fmt: skip
"""What tells the cells of an experiment apart, besides the training set, over which figures average. A place is a world
with a driver, data are the transitions of the training set that were learned from."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Elsewhere(_Strict, frozen=True):
    """A world with options."""

    world: str
    options: dict[str, int | str] = {}

    def __hash__(self) -> int:
        return hash(canonical_json(self))


class Wrong(_Strict, frozen=True):
    """So many wrong facts in the state that a rollout begins with, and its truth: of these relations; unless given, of
    any."""

    facts: Annotated[int, msgspec.Meta(ge=1)]
    relations: tuple[str, ...] | UnsetType = UNSET

    def begins(self, world: World) -> World:
        """The world, its walks beginning so."""
        return Mistaken(world, self.facts, self.relations or None)


class Place(_Strict, frozen=True):
    """A world with options, under a name of its own in tables. `trained_on` and `trained_in`: the driver whose walks
    predictors learn from, and the world, of the same schema, in which it walks; unless given, those they are judged on.
    `wrong`: what is wrong in the beginning, where it is not learned from.
    """

    world: str
    drivers: tuple[str, ...]
    options: dict[str, int | str] = {}
    label: str = ""
    trained_on: str = ""
    trained_in: Elsewhere | UnsetType = UNSET
    wrong: Wrong | UnsetType = UNSET


class Seeds(_Strict, frozen=True):
    """`count` seeds from `first` on."""

    first: int
    count: int

    @property
    def all(self) -> range:
        return range(self.first, self.first + self.count)


class Training(_Strict, frozen=True):
    """`sets` training sets of `count` walks each; the first set is of the seeds `first` to `first + count - 1`. Of
    several counts each set has them all, the smaller ones being the beginning of the largest."""

    first: int
    count: int | tuple[int, ...]
    steps: int
    sets: int = 1

    @property
    def counts(self) -> tuple[int, ...]:
        return (self.count,) if isinstance(self.count, int) else self.count

    @property
    def seeds(self) -> range:
        """Those of all sets."""
        return range(self.first, self.first + self.sets * max(self.counts))

    def of(self, count: int) -> list[range]:
        """The sets of so many walks."""
        return [range(start, start + count) for start in self.seeds[:: max(self.counts)]]


class Policy(_Strict, frozen=True):
    """A policy of consultation with its options, as in `Settings`."""

    name: str
    options: dict[str, float | bool] = {}
    calibration: Literal["", "own_unaided_signals"] = ""
    label: str = ""


class Correction(_Strict, frozen=True):
    """An operator, and what a look shows: an entity chosen by `probe`, or all."""

    operator: str = "hard_reset"
    probe: str | None = None
    probe_kinds: tuple[str, ...] = ()
    probe_global: bool = False

    @property
    def label(self) -> str:
        if self.probe is None:
            return self.operator
        return f"probe {self.probe}" if self.operator == "hard_reset" else f"{self.operator}, probe {self.probe}"


class Drawing(_Strict, frozen=True):
    """One figure with its table: a measure over `x`, a line for each of `lines`, a panel for each pair of the last two.

    `where` keeps only these values of a dimension. Every dimension that varies must be named or kept to one value.
    `marks` are values that others have found, by name, each a line across.
    """

    name: str
    measure: str
    title: str = ""
    epsilon: float | None = None
    x: str = "rho"
    lines: str = "predictor"
    rows: str = "semantics"
    columns: str = "place"
    where: dict[str, tuple[str | float, ...]] = {}
    log: bool = False
    marks: dict[str, float] = {}


class Experiment(_Strict, frozen=True):
    """What an experiment file says; see `docs/lab/index.md`. `limits` is what it does not show, one item each; `uses`
    are modules of the user, imported first."""

    name: str
    title: str
    question: str
    expected: str
    limits: tuple[str, ...]
    worlds: tuple[Place, ...]
    steps: int
    seeds: Seeds
    predictors: tuple[Predicting, ...]
    policies: tuple[Policy, ...]
    drawings: tuple[Drawing, ...]
    uses: tuple[str, ...] = ()
    train: Training | None = None
    rho: tuple[float | None, ...] = (None,)
    semantics: tuple[Literal["coupled", "reanchor"], ...] = ("reanchor",)
    corrections: tuple[Correction, ...] = (Correction(),)
    oracles: tuple[str | None, ...] = (None,)
    budgets: tuple[Budget, ...] = (Budget(),)
    judges: tuple[str, ...] = ()
    prices: Prices = Prices()
    spend_down: bool = False
    learning: bool = False
    epsilon: tuple[float, ...] = (0.0,)
    measures: tuple[str, ...] = ("horizon",)


class Taught(_Strict, frozen=True):
    """The walks that a predictor learned from, and where, if not in the world of the cell."""

    driver: str
    seeds: tuple[int, ...]
    steps: int
    place: Elsewhere | UnsetType = UNSET  # not written where it is absent, nor are ids others


class Cell(_Strict, frozen=True):
    """All that decides what a run does, but for its seed and the world's version."""

    world: str
    options: dict[str, int | str]
    driver: str
    steps: int
    predictor: Predicting
    taught: Taught | None
    settings: Settings
    second: str | None
    judges: tuple[str, ...]
    wrong: Wrong | UnsetType = UNSET

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(canonical_json(self)).hexdigest()

    def run(self, seed: int) -> str:
        """The id of its run with that seed, under today's version of the world, and of the one it learned in."""
        version = world_of(self.world, self.options).version
        if self.taught and self.taught.place:
            version += f", {world_of(self.taught.place.world, self.taught.place.options).version}"
        return hashlib.sha256(canonical_json([FORMAT, self, seed, version])).hexdigest()


class Planned(_Strict, frozen=True):
    """A cell, where it stands in the experiment (a text or number for each of `DIMENSIONS`), and its training set."""

    cell: Cell
    at: dict[str, str | float]
    training: int


def expand(experiment: Experiment) -> tuple[list[Planned], list[str]]:
    """(the cells in order, what was left out and why)."""
    cells: list[Planned] = []
    left_out: dict[str, None] = {}
    for place in experiment.worlds:
        for driver, asked in product(place.drivers, experiment.predictors):
            for training, taught in _taught(experiment, place, driver, asked):
                kept = asked.trained(training)
                for at, settings, second in ways(experiment):
                    if settings.policy in NEED_UNCERTAINTY and not PREDICTORS[asked.name].uncertain:
                        left_out[f"{at['policy']} with {asked.label}, which says no uncertainty"] = None
                        continue
                    settings = msgspec.structs.replace(settings, learning=settings.learning and asked.teachable)
                    back = getattr(consulting(settings, experiment.steps), "back", False)
                    try:
                        agreeing(settings, back=back, second=second is not None)
                    except BadSettings as error:
                        left_out[error.found] = None
                        continue
                    cell = Cell(
                        place.world, place.options, driver, experiment.steps, kept, taught, settings, second,
                        experiment.judges, place.wrong,
                    )  # fmt: skip
                    label = place.label or place.world
                    where: dict[str, str | float] = {
                        "place": f"{label}, {driver}", "world": label, "driver": driver, "predictor": asked.label,
                        "data": len(taught.seeds) * taught.steps if taught else 0,
                    }  # fmt: skip
                    cells.append(Planned(cell, where | at, training))
    return cells, list(left_out)


def _taught(
    experiment: Experiment, place: Place, driver: str, asked: Predicting
) -> Iterator[tuple[int, Taught | None]]:
    """(number of the training set, what is learned from it)."""
    train = experiment.train
    if not PREDICTORS[asked.name].learns or train is None:
        yield 0, None
        return
    if asked.train and asked.train.source.places:
        yield from ((number, None) for number in range(train.sets))
        return
    for count in asked.counts or train.counts:
        for number, seeds in enumerate(train.of(count)):
            yield number, Taught(place.trained_on or driver, tuple(seeds), train.steps, place.trained_in)


def ways(experiment: Experiment) -> Iterator[tuple[dict[str, Any], Settings, str | None]]:
    """(where it stands, settings, second oracle) of every way in which a predictor is corrected."""
    listed = (
        experiment.policies, experiment.rho, experiment.semantics, experiment.corrections,
        experiment.oracles, experiment.budgets,
    )  # fmt: skip
    for policy, rho, semantics, correction, second, budget in product(*listed):
        at = {
            "policy": policy.label or policy.name,
            "rho": "none" if rho is None else rho,
            "semantics": semantics,
            "correction": correction.label,
            "oracle": second or "full",
            "budget": limits(budget),
        }
        settings = Settings(
            policy=policy.name, options=policy.options, calibration=policy.calibration, rho=rho, semantics=semantics,
            operator=correction.operator, probe=correction.probe, probe_kinds=correction.probe_kinds,
            probe_global=correction.probe_global, budget=budget, prices=experiment.prices,
            spend_down=experiment.spend_down, learning=experiment.learning,
        )  # fmt: skip
        yield at, settings, second


def consulting(settings: Settings, steps: int) -> consultation.Consultation:
    """The policy of a rollout; calibrated, where that is asked for, on signals that say nothing."""
    unaided = (0.0,) * steps if settings.calibration else None
    setting = consultation.Setting(steps, settings.rho, settings.seed, unaided)
    return consultation.policy(settings.policy, setting, settings.options)


def limits(budget: Budget) -> str:
    """A budget as it stands in tables: "7 calls, 900 bits", or "none"."""
    given = msgspec.structs.asdict(budget).items()
    return ", ".join(f"{limit} {name}" for name, limit in given if limit is not None) or "none"


def keeps(drawing: Drawing, at: Mapping[str, str | float]) -> bool:
    """Whether what stands there is in the figure."""
    return all(at[dimension] in values for dimension, values in drawing.where.items())

"""What a worker does: all runs of one cell that are asked for, in any process, with the same result in each.

Worlds, trained predictors and true trajectories are made once a process and kept for the next cells, and so is what a
model said: rollouts that differ in when they look go through many of the same states. A predictor that learns during
rollouts is made anew for each.
"""

from __future__ import annotations

import platform
import subprocess
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from .. import __version__
from ..facts import Error, canonical_json, json_decode
from ..horizon import Trajectory, roll, rollout, to_json
from ..models.predictor import Committee, Learned
from ..system import uncollected, use
from ..worlds import world_of
from .errors import RunFailed
from .experiment import Cell, Taught, Wrong
from .parts import PREDICTORS, Predicting, derived_of
from .records import Row
from .trained import file_of, members, train_for

MOST = 50_000
"""Predictions that are kept of a model."""


class Task(NamedTuple):
    """Runs of one cell: its canonical JSON, the seeds, the folder of the records, where its model is, and the modules
    that it uses. Without seeds the model is trained and nothing is run."""

    cell: bytes
    seeds: tuple[int, ...]
    folder: str = ""
    uses: tuple[str, ...] = ()


def work(task: Task) -> list[Row]:
    """The runs of a task, in the order of its seeds; `RunFailed` names the one that raised."""
    use(task.uses, RunFailed)
    cell = msgspec.json.decode(task.cell, type=Cell)
    if not task.seeds:
        train_for(cell, Path(task.folder))
    return [_run(cell, seed, Path(task.folder)) for seed in task.seeds]


def _run(cell: Cell, seed: int, folder: Path) -> Row:
    try:
        return _rolled(cell, seed, folder)
    except Exception as error:
        where = f"{cell.world}/{cell.driver}, {cell.predictor.label}, {cell.settings.policy}, seed {seed}"
        kept = "What was finished is kept"
        if isinstance(error, Error):
            raise RunFailed.within(where, error, "", kept) from error
        raise RunFailed(f"{where}: {error!r:.300}", "a record", kept) from error


def _rolled(cell: Cell, seed: int, folder: Path) -> Row:
    options, settings = canonical_json(cell.options), msgspec.structs.replace(cell.settings, seed=seed)
    world = world_of(cell.world, cell.options)
    teach = _taught if settings.learning else _taught_once
    models = members(cell) if PREDICTORS[cell.predictor.name].model else []
    files = tuple(file_of(one, folder) for one in models)
    predictor = teach(cell.world, options, canonical_json(cell.predictor), cell.taught, files)
    model = predictor.digest if isinstance(predictor, (Learned, Committee, Recalling)) else ""
    record = rollout(
        _trajectory(cell.world, options, cell.driver, seed, cell.steps, cell.wrong),
        predictor,
        settings,
        second=derived_of(world.schema.name, cell.second) if cell.second else None,
        judges=[derived_of(world.schema.name, name) for name in cell.judges],
    )
    return Row(
        cell.run(seed), canonical_json(cell).decode(), seed, cell.world, world.version, cell.driver,
        cell.predictor.label, settings.policy, settings.semantics, settings.rho, *made(),
        to_json(record).decode(), model,
    )  # fmt: skip


def lesson(cell: Cell) -> bytes:
    """What a predictor of a cell has learned from, and how."""
    return canonical_json((cell.world, cell.options, cell.predictor, cell.taught))


def _taught(world: str, options: bytes, asked: bytes, taught: Taught | None, files: tuple[Path, ...]) -> Any:
    """A new predictor that has learned what it is to learn; a model has."""
    found = msgspec.json.decode(asked, type=Predicting)
    kind = PREDICTORS[found.name]
    predictor: Any = kind.make(world_of(world, json_decode(options)), found, files)
    if taught and not kind.model:
        if taught.place:
            world, options = taught.place.world, canonical_json(taught.place.options)
        with uncollected():
            for seed in taught.seeds:
                for step in _trajectory(world, options, taught.driver, seed, taught.steps).steps:
                    predictor.learn(step.before, step.action, step.delta)
    return predictor


@lru_cache(maxsize=8)
def _taught_once(*how: Any) -> Any:
    found = _taught(*how)
    return Recalling(found) if isinstance(found, (Learned, Committee)) else found


class Recalling:
    """Predicts what a model does, which it asks once about each state and action."""

    def __init__(self, model: Learned | Committee) -> None:
        self.name, self.digest = model.name, model.digest
        # typed, since actions that are records of different types may be equal
        self.predict = lru_cache(maxsize=MOST, typed=True)(model.predict)


@lru_cache(maxsize=512)
def _trajectory(
    world: str, options: bytes, driver: str, seed: int, steps: int, wrong: Wrong | UnsetType = UNSET
) -> Trajectory:
    made = world_of(world, json_decode(options))
    return roll(wrong.begins(made) if wrong else made, driver, seed, steps)


@cache
def made() -> tuple[str, str, str, str]:
    """What runs here: revision (empty where the package is not a checkout), package, Python and platform."""
    return _revision(), __version__, platform.python_version(), f"{platform.system()}-{platform.machine()}"


def _revision() -> str:
    """The commit of the checkout that holds this file, `-dirty` if it has changes that are not committed."""
    here = Path(__file__)
    try:
        for command in (["ls-files", "--error-unmatch", here.name], ["describe", "--always", "--dirty", "--exclude=*"]):
            ran = subprocess.run(["git", *command], cwd=here.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return ran.stdout.strip()

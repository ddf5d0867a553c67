"""Models of an experiment: each is trained once, and found again by the digest of its training.

Checkpoints lie in the folder of the records, in `models/`. Killed at any moment, the same call goes on with the states
of trainings that were saved there. A digest does not know the code of families: after a change of one, start a new
folder.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from msgspec import UNSET
from msgspec.structs import replace

from ..facts import canonical_json
from ..models import checkpoint
from ..models.document import Training, proven
from ..models.errors import BadCheckpoint, BadTraining
from ..models.source import Walks, versions, world
from ..models.training import train
from ..system import replace as put
from ..worlds import world_of
from .errors import RunFailed
from .experiment import Cell, Experiment
from .parts import PREDICTORS


def training_of(cell: Cell) -> Training | None:
    """What the model of a cell is trained by; None where it is there already, or none."""
    asked, taught = cell.predictor, cell.taught
    if asked.name != "learned" or not asked.family:
        return None
    assert asked.train
    source = asked.train.source
    if taught is not None:
        place = taught.place or cell
        source = replace(source, walks=(Walks(place.world, taught.driver, taught.seeds, taught.steps, place.options),))
    how = asked.train
    return Training(asked.family, source, asked.config or {}, how.loop, asked.seed or 0, how.calibrate)


def members(cell: Cell) -> list[Cell]:
    """A cell for each model of a predictor: for each member of a committee one of the next seed; else it alone."""
    asked = cell.predictor
    each = (replace(asked, committee=UNSET, seed=(asked.seed or 0) + number) for number in range(asked.committee or 0))
    return [replace(cell, predictor=one) for one in each] or [cell]


def file_of(cell: Cell, folder: Path) -> Path:
    """Where the checkpoint of a cell lies among records."""
    training = training_of(cell)
    digest = cell.predictor.digest or ""
    if training is not None:
        told = [checkpoint.FORMAT, training, versions(training.source)]
        digest = hashlib.sha256(canonical_json(told)).hexdigest()
    return folder / "models" / f"{digest}.safetensors"


def prove(cell: Cell, path: str | None) -> None:
    """Raise where the model of a cell cannot be trained, or the one at `path` is not for its world."""
    training, schema = training_of(cell), world_of(cell.world, cell.options).schema
    if training is not None:
        found = world(proven(training).source).schema
        if found != schema:
            raise BadTraining(f"worlds of schema {found.name} {found.digest[:12]}", f"that of the world {cell.world}")
    elif path is not None:
        checkpoint.fits(Path(path), schema)


def lacking(experiment: Experiment, cells: Iterable[Cell], folder: Path) -> list[Cell]:
    """A cell for each model that is yet to be trained; those of given checkpoints are brought there at once."""
    missing = {}
    for cell in (one for each in cells if PREDICTORS[each.predictor.name].model for one in members(each)):
        if not _there(cell, file := file_of(cell, folder)):
            missing[file] = cell
    for asked in experiment.predictors:
        if asked.path and (file := folder / "models" / f"{asked.sha256}.safetensors") in missing:
            if (held := checkpoint.digest(Path(asked.path))) != asked.sha256:
                raise RunFailed(f"{asked.path}, which has changed to {held}", f"the checkpoint {asked.digest}")
            put(file, lambda path, given=asked.path: shutil.copyfile(given, path))
    for file, cell in missing.items():
        if cell.predictor.name == "checkpoint" and not _there(cell, file):
            found = f"{file}, which has changed" if file.exists() else f"no such file as {file}"
            raise RunFailed(found, "it, or the `path` of that checkpoint in the experiment")
    return [cell for cell in missing.values() if cell.predictor.name == "learned"]


def _there(cell: Cell, file: Path) -> bool:
    """Whether the model of a cell is among the records, a given checkpoint as it was given; `RunFailed` where it is not
    whole."""
    if not file.exists():
        return False
    try:
        checkpoint.describe(file)
    except BadCheckpoint as error:
        raise RunFailed.within("records", error, "", "Delete it; what is trained here is trained again") from error
    return cell.predictor.name != "checkpoint" or checkpoint.digest(file) == cell.predictor.digest


def train_for(cell: Cell, folder: Path) -> None:
    """Train the model of a cell, or go on with it."""
    if (training := training_of(cell)) is not None:
        train(training, file_of(cell, folder), resume=True)

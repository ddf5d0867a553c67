"""Grounding studies as data: a study, what varies in it, and training sets. Each is one run, recorded like any other.

What is listed under `vary` is multiplied out: a dimension has labels, each of which sets fields of the study. A
training set has walks of its own, and its number is the seed of all else that is drawn. All are measured on the same
held-out walks. A run's id does not know the code that trains: after a change of that, start a new folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..facts import Error, canonical_json, json_decode
from ..models.errors import library
from ..worlds import world_of
from ..worlds.documents import converted
from .checks import disjoint, drawable, plain
from .errors import BadExperiment, RunFailed
from .experiment import FORMAT, Drawing, Experiment, Seeds, Training
from .experiment import expand as expand_experiment
from .measures import Measure, one
from .records import Row
from .tables import Numbers
from .work import Task, made

if TYPE_CHECKING:
    from ..models.grounding import Study

GIVEN = {"seeds", "held", "steps", "held_steps", "seed"}
"""Fields of a study that `train`, `seeds` and `steps` say."""

MEASURES: Mapping[str, Measure] = {
    "rank": one("effective rank of the vectors of held-out states and actions", lambda found: found.rank),
    "deviation": one("standard deviation of these vectors, a mean over dimensions", lambda found: found.deviation),
    "top-1": one("how often the true successor's vector is the nearest among those of a branch", lambda m: m.first),
    "mrr": one("mean of 1 / the place of the true successor's vector, by nearness", lambda found: found.mrr),
    "chance": one("top-1 of one who guesses", lambda found: found.chance),
    "ceiling": one("top-1 of one who knows the target, whose vectors may coincide", lambda found: found.ceiling),
    "lift": one("top-1 less chance", lambda found: found.first - found.chance),
    "retrieved": Measure(
        "share of the way from chance to the ceiling that top-1 comes",
        lambda found, _: (found.first - found.chance, found.ceiling - found.chance),
    ),
    "asked": one("actions in branches of held-out states", lambda found: float(found.asked)),
    "loss": one("the last loss", lambda found: found.loss),
}


class Drawn(Drawing, frozen=True, kw_only=True):
    """A figure of studies, whose axes but the first show nothing unless they are named."""

    lines: str = "none"
    rows: str = "none"
    columns: str = "none"


class Studies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of studies says; see `docs/lab/index.md`. `seeds` and `steps` are those of the walks held out."""

    name: str
    title: str
    question: str
    expected: str
    limits: tuple[str, ...]
    study: dict[str, Any]
    vary: dict[str, dict[str | int, dict[str, Any]]]
    train: Training
    seeds: Seeds
    steps: int
    drawings: tuple[Drawn, ...]

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What tells runs apart, besides the training set; "none" is for an axis of a figure that shows nothing."""
        return ("none", *self.vary)


def _grounding() -> Any:
    """The room that studies; `MissingLearn` without its extra."""
    library("numpy")
    from ..models import grounding

    return grounding


def load_studies(data: Any, name: str) -> Studies:
    """The studies of a parsed file; `BadExperiment` with the place in it, or `SharedSeeds`."""
    try:
        found = converted(data, Studies)
        problem = next(_problems(found), None)
        asked = [] if problem else [(at, _grounding().checked(study)) for at, study in expand(found)]
    except (msgspec.ValidationError, Error) as error:
        raise BadExperiment.within(name, error, "studies, as docs/lab/index.md tells them") from error
    if problem:
        raise BadExperiment.within(name, problem[1], "what docs/lab/index.md tells", place=problem[0])
    if len({run_id(study) for _, study in asked}) < len(asked):
        raise BadExperiment(f"{name}: two studies that are the same at `$.vary`", "labels that differ in what they set")
    disjoint(found.train, found.seeds, name)
    for number, drawing in enumerate(found.drawings):
        where = f"{name}: `$.drawings[{number}]`"
        drawable(drawing, [at for at, _ in asked], found.dimensions, MEASURES, where)
    return found


def _problems(found: Studies) -> Iterator[tuple[str, str]]:
    """(place, what is wrong there)."""
    if not plain(found.name):
        yield "name", f"{found.name!r}, which is no plain name"
    train = found.train
    if len(train.counts) != 1 or min(found.steps, found.seeds.count, train.counts[0], train.steps, train.sets) < 1:
        yield "train", "several counts, or a count, steps or sets less than 1, here or in `seeds`"
    fields = {*found.study, *(field for one in found.vary.values() for given in one.values() for field in given)}
    if taken := GIVEN & fields:
        yield "study", f"{', '.join(sorted(taken))}, which `train`, `seeds` and `steps` say"


def expand(studies: Studies) -> Iterator[tuple[dict[str, str | float], Study]]:
    """(where it stands, the study) of every run, in order; msgspec's `ValidationError` for one that is none."""
    for labels in product(*(choices.items() for choices in studies.vary.values())):
        at: dict[str, str | float] = {"none": "none"}
        at.update(zip(studies.vary, (label for label, _ in labels), strict=True))
        fields = dict(studies.study)
        for _, given in labels:
            fields |= given
        for number, walks in enumerate(studies.train.of(studies.train.counts[0])):
            fields |= {"seeds": list(walks), "held": list(studies.seeds.all), "seed": number}
            fields |= {"steps": studies.train.steps, "held_steps": studies.steps}
            yield at, converted(fields, _grounding().Study, "$.study")


def total(document: Experiment | Studies) -> int:
    """How many runs there are."""
    if isinstance(document, Studies):
        return len(list(expand(document)))
    return len(expand_experiment(document)[0]) * document.seeds.count


def run_id(study: Study) -> str:
    """The id of the run under today's version of the world."""
    version = world_of(study.world, study.options).version
    return hashlib.sha256(canonical_json([FORMAT, study, version])).hexdigest()


def tasks_of(studies: Studies, there: Container[str]) -> list[Task]:
    """Of the runs that are not there."""
    listed = (study for _, study in expand(studies))
    return [Task(canonical_json(study), (study.seed,)) for study in listed if run_id(study) not in there]


def work(task: Task) -> list[Row]:
    """The one run of a task."""
    grounding = _grounding()
    study = msgspec.json.decode(task.cell, type=grounding.Study)
    try:
        record = canonical_json(grounding.run(study)._asdict()).decode()
    except Exception as error:
        where = f"{study.world}/{study.driver}, training set {study.seed}"
        raise RunFailed(f"{where}: {error!r:.300}", "a record", "What was finished is kept") from error
    what = study.world, world_of(study.world, study.options).version, study.driver
    return [Row(run_id(study), task.cell.decode(), study.seed, *what, "grounding", "", "", None, *made(), record)]


def numbers_of(studies: Studies, folder: Path) -> Numbers:
    """All runs, read from a folder."""
    planned = [(at, [run_id(study)]) for at, study in expand(studies)]
    shown = [(name, None) for name in MEASURES]
    measured = _grounding().Measured
    return Numbers(planned, folder, studies.dimensions, MEASURES, shown, lambda text: measured(**json_decode(text)))

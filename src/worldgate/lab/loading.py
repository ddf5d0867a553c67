"""Reading an experiment file: whatever is wrong with it is one numbered error, with the place in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from ..facts import Error
from ..horizon import POLICIES
from ..horizon.operators import OPERATORS
from ..horizon.probes import CHOICES
from ..horizon.settings import checked
from ..models.checkpoint import digest
from ..models.document import load_training
from ..system import unreadable, use
from ..worlds import World, world_of
from ..worlds.documents import converted, load_document
from .checks import disjoint, drawable, listed, plain
from .errors import BadExperiment
from .experiment import DIMENSIONS, Experiment, Place, Planned, consulting, expand, ways
from .measures import MEASURES
from .parts import PREDICTORS, Taking, derived_of
from .studies import Studies, load_studies
from .trained import file_of, prove


def load(text: str, name: str) -> Experiment | Studies:
    """What a YAML or JSON text says: an experiment, or grounding studies, which have a `study`."""
    data = load_document(text, name, BadExperiment)
    return load_studies(data, name) if isinstance(data, dict) and "study" in data else _experiment(data, name)


def load_experiment(text: str, name: str) -> Experiment:
    """The experiment of a YAML or JSON text; `BadExperiment` with the place in it, or `SharedSeeds`."""
    return _experiment(load_document(text, name, BadExperiment), name)


def _experiment(data: Any, name: str) -> Experiment:
    _use(data, name)
    _fetch_trainings(data, name)
    try:
        found = converted(data, Experiment)
    except (msgspec.ValidationError, Error) as error:
        raise BadExperiment.within(name, error, "an experiment, as docs/lab/index.md tells it") from error
    for place, said in _problems(found):
        raise BadExperiment.within(name, said, "what docs/lab/index.md tells", place=place)
    if found.train:
        disjoint(found.train, found.seeds, name)
    planned, left_out = expand(found)
    if not planned:
        why = "; ".join(left_out)
        raise BadExperiment(f"{name}: {why} at `$.policies` and `$.corrections`", "a cell that can run")
    for place, said in _about_models(planned, found):
        raise BadExperiment.within(name, said, "what docs/models.md tells", place=place)
    marks: list[Callable[[Planned], Any]] = [lambda one: one.cell.digest, lambda one: (*one.at.values(), one.training)]
    for mark in marks:
        for twice, count in Counter(map(mark, planned)).items():
            if count > 1:
                at = next(", ".join(map(str, one.at.values())) for one in planned if mark(one) == twice)
                said = f"two cells that are the same, or told apart by nothing: {at}"
                raise BadExperiment(f"{name}: {said}", "labels, each once")
    for number, drawing in enumerate(found.drawings):
        where = f"{name}: `$.drawings[{number}]`"
        drawable(drawing, [one.at for one in planned], DIMENSIONS, MEASURES, where)
    return found


def _use(data: Any, name: str) -> None:
    """Import the modules of the user, which what follows may name."""
    modules = data.get("uses", ()) if isinstance(data, dict) else ()
    if isinstance(modules, list) and all(isinstance(one, str) for one in modules):
        try:
            use(modules, BadExperiment)
        except BadExperiment as error:
            raise BadExperiment(f"{name}: {error.found} at `$.uses`", error.expected, error.do) from error


def _fetch_trainings(data: Any, name: str) -> None:
    """Put what training files say in their place; of given walks the experiment has its own."""
    listed = data.get("predictors") if isinstance(data, dict) else None
    for number, one in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(one, dict) or "training" not in one:
            continue
        where, path = f"{name}: `$.predictors[{number}].training`", one.pop("training")
        if {"family", "config", "train"} & one.keys():
            raise BadExperiment(f"{where} beside what it says", "either the file, or family, config and train")
        try:
            given = load_training(Path(path).read_text(encoding="utf-8"), path)
        except OSError as error:
            do = "Name it from the directory that the command runs in"
            raise BadExperiment(f"{where}: {unreadable(Path(path), error)}", "a training file", do) from error
        except (TypeError, UnicodeDecodeError, Error) as error:
            raise BadExperiment.within(where, error, "a training file") from error
        source = msgspec.structs.replace(given.source, walks=())
        one |= {"family": given.family, "config": given.config, "seed": one.get("seed", given.seed)}
        one["train"] = msgspec.to_builtins(Taking(source, given.loop, given.calibrate))


def _problems(found: Experiment) -> Iterator[tuple[str, str | Error]]:
    """(place, what is wrong there), those first that others stand on."""
    if not plain(found.name):
        yield "name", f"{found.name!r}, which is no plain name"
    for field in ("worlds", "predictors", "policies", "rho", "semantics", "corrections", "oracles", "budgets"):
        if not getattr(found, field):
            yield field, "an empty list"
    for field, number in (("steps", found.steps), ("seeds.count", found.seeds.count)):
        if number < 1:
            yield field, f"{number}, less than 1"
    if found.train and min(*(found.train.counts or (0,)), found.train.steps, found.train.sets) < 1:
        yield "train", "a count, steps or sets less than 1"
    tables = (
        ("predictors", "name", PREDICTORS), ("policies", "name", POLICIES), ("corrections", "operator", OPERATORS),
        ("corrections", "probe", {None, *CHOICES}),
    )  # fmt: skip
    for field, key, known in tables:
        for number, one in enumerate(getattr(found, field)):
            if getattr(one, key) not in known:
                yield f"{field}[{number}].{key}", f"{getattr(one, key)!r}, not one of {listed(known)}"
    yield from _about_worlds(found)
    yield from _about_predictors(found)
    for number, measure in enumerate(found.measures):
        if measure not in MEASURES:
            yield f"measures[{number}]", f"{measure!r}, not one of {listed(MEASURES)}"
    for number, epsilon in enumerate(found.epsilon):
        if not 0 <= epsilon <= 1:
            yield f"epsilon[{number}]", f"{epsilon}, not in [0, 1]"
    for at, settings, _ in ways(found):
        try:
            checked(settings)
            consulting(settings, found.steps)
        except Error as error:
            yield f"policies (rho {at['rho']})", error


def _about_worlds(found: Experiment) -> Iterator[tuple[str, str | Error]]:
    labels = [place.label or place.world for place in found.worlds]
    if len(set(labels)) < len(labels):
        yield "worlds", "two worlds of one label"
    for number, place in enumerate(found.worlds):
        try:
            world = world_of(place.world, place.options)
            for name in {*found.oracles, *found.judges} - {None}:
                derived_of(world.schema.name, str(name))
        except Error as error:
            yield f"worlds[{number}]", error
            return
        if not place.drivers:
            yield f"worlds[{number}].drivers", "an empty list"
        for driver in place.drivers:
            if driver not in world.drivers:
                yield f"worlds[{number}]", f"driver {driver!r}, not one of {listed(world.drivers)}"
        yield from ((f"worlds[{number}].{field}", said) for field, said in _about_school(place, world))
        yield from ((f"worlds[{number}].wrong", said) for said in _about_wrong(place, world, found.seeds.first))


def _about_wrong(place: Place, world: World, seed: int) -> Iterator[str | Error]:
    """What is wrong in how much is wrong; of too few facts the first seed tells, and a run where another has fewer."""
    relations = place.wrong.relations if place.wrong else UNSET
    if relations is not UNSET and (not relations or len(set(relations)) < len(relations)):
        yield "relations that are none, or one twice"
    elif place.wrong:
        try:
            place.wrong.begins(world).initial(seed)
        except Error as error:
            yield error


def _about_school(place: Place, world: World) -> Iterator[tuple[str, str | Error]]:
    """(field, what is wrong in it) of where predictors learn."""
    school = world
    if place.trained_in:
        try:
            school = world_of(place.trained_in.world, place.trained_in.options)
        except Error as error:
            yield "trained_in", error
            return
        if school.schema != world.schema:
            yield "trained_in", f"{place.trained_in.world!r}, which has another schema than {place.world}"
            return
    field = "trained_on" if place.trained_on else "trained_in"
    for driver in (place.trained_on,) if place.trained_on else place.drivers:
        if driver not in school.drivers and (place.trained_on or place.trained_in):
            yield field, f"driver {driver!r}, which {school.name} lacks; it has {listed(school.drivers)}"


def _about_predictors(found: Experiment) -> Iterator[tuple[str, str | Error]]:
    labels = [one.label for one in found.predictors]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        yield "predictors", f"two predictors labelled {twice!r}"
    for number, one in enumerate(found.predictors):
        kind, where = PREDICTORS[one.name], f"predictors[{number}]"
        for field in msgspec.structs.fields(one):
            if field.name not in {"name", *kind.takes} and getattr(one, field.name) != field.default:
                yield f"{where}.{field.encode_name}", f"{field.encode_name} of {one.name}"
        if not 0 <= one.error <= 1:
            yield f"{where}.error", f"{one.error}, not in [0, 1]"
        fresh = one.train and one.train.source.places
        if kind.learns and not found.train and not fresh:
            yield where, f"{one.name} without `train`, which it learns from"
        if one.counts and not set(one.counts) <= set(found.train.counts if found.train else ()):
            yield f"{where}.counts", "a count of walks that `train` does not have"
        if one.counts and fresh:
            yield f"{where}.counts", "counts of walks with a source that has places, which draws its own"
        if one.name == "learned" and not (one.family and one.train):
            yield where, "learned without `family` and `train`"
        if one.train and one.train.source.walks:
            yield f"{where}.train.source.walks", "walks, which those of the experiment's `train` are"
        if one.learn and one.committee:
            yield f"{where}.learn", "a committee that learns during rollouts"
        if one.learn:
            try:
                one.learn.check()
            except Error as error:
                yield f"{where}.learn", error
        if one.name == "checkpoint":
            try:
                held = digest(Path(one.path)) if one.path else one.digest
            except Error as error:
                error.do = error.do or "Its SHA-256 as `digest` will do where the records have it."
                yield where, error
                return
            if not held:
                yield where, "neither a path nor a digest"
            elif one.digest and one.digest != held:
                yield f"{where}.digest", f"{one.digest}, where {one.path} has {held}"


def _about_models(planned: list[Planned], found: Experiment) -> Iterator[tuple[str, str | Error]]:
    numbers = {one.label: number for number, one in enumerate(found.predictors)}
    for one in {(file_of(each.cell, Path()), each.at["world"]): each for each in planned if _modelled(each)}.values():
        number = numbers[str(one.at["predictor"])]
        try:
            prove(one.cell, found.predictors[number].path or None)
        except Error as error:
            yield f"predictors[{number}]", error


def _modelled(one: Planned) -> bool:
    return PREDICTORS[one.cell.predictor.name].model

"""The page of an experiment or of studies, its tables and figures: from its file and its records, nothing is run.

The page has a part between two marks that is written anew each time; what stands outside them is kept. It names the
question, what was expected, worlds, drivers, semantics, the number of rollouts, and what is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..system import replace
from .errors import BadExperiment
from .experiment import Drawing, Experiment, Training, Wrong, expand, limits
from .measures import CONFIDENCE, RESAMPLES, Measure
from .parts import PREDICTORS, Predicting
from .plots import draw
from .studies import Studies
from .studies import numbers_of as numbers_of_studies
from .tables import Numbers, markdown, numbers_of

BEGIN, END = "<!-- from records: begin -->", "<!-- from records: end -->"
SEMANTICS = {
    "coupled": "`coupled`: a look shows the oracle's step from where the rollout stands, so it repairs nothing before",
    "reanchor": "`reanchor`: a look shows the true trajectory's state, so the rollout is right again",
}


def report(experiment: Experiment | Studies, folder: Path, page: Path, file: str) -> list[Path]:
    """Write page, CSV and figures beside one another; their paths. `file`: how the page names the experiment's file.

    Raises `MissingRecords` and `BadRecords`, and `BadExperiment` for a page without its marks.
    """
    before, after = _around(experiment, page)
    if isinstance(experiment, Studies):
        numbers, left_out = numbers_of_studies(experiment, folder), list[str]()
    else:
        numbers, left_out = numbers_of(experiment, folder), expand(experiment)[1]
    table = replace(page.with_suffix(".csv"), lambda path: path.write_text(numbers.csv(), encoding="utf-8"))
    written = [table]
    for drawing in experiment.drawings:
        picture = draw(drawing, numbers.drawn(drawing))
        path = page.with_name(_picture(page, drawing))
        written.append(replace(path, lambda path, data=picture: path.write_bytes(data)))
    text = "\n".join([BEGIN, "", *_told(experiment, numbers, left_out, page, file), "", END])
    written.append(replace(page, lambda path: path.write_text(before + text + after, encoding="utf-8")))
    return written


def _picture(page: Path, drawing: Drawing) -> str:
    return f"{page.stem}-{drawing.name}.svg"


def _around(experiment: Experiment | Studies, page: Path) -> tuple[str, str]:
    """What stands before and after the written part; of a page that is not there, its beginning and an empty end."""
    if not page.exists():
        return f"# {experiment.title}\n\n", "\n\n## What came out\n\n"
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise BadExperiment(f"{page} without the marks of a page of records", f"{BEGIN} and {END}", "Name another page")
    return text[: text.index(BEGIN)], text[text.index(END) + len(END) :]


def _told(
    experiment: Experiment | Studies, numbers: Numbers, left_out: Sequence[str], page: Path, file: str
) -> Iterator[str]:
    yield from (f"**Question.** {experiment.question.strip()}", "", f"**Expected.** {experiment.expected.strip()}", "")
    yield from ("| | |", "| --- | --- |")
    rows = _studied(experiment) if isinstance(experiment, Studies) else setup(experiment)
    yield from (f"| {name} | {said} |" for name, said in (*rows, *_made(experiment, numbers)))
    if isinstance(experiment, Experiment):
        yield ""
        yield from (f"- {SEMANTICS[name]}." for name in experiment.semantics)
    for drawing in experiment.drawings:
        title = drawing.title or drawing.measure
        measure = numbers.measures[drawing.measure]
        at = "" if drawing.epsilon is None else f", epsilon {drawing.epsilon:g}"
        kept = "".join(f"; {name} {', '.join(map(str, values))}" for name, values in drawing.where.items())
        shown = f"Shown: {measure.about}{at}{kept}. {_over(experiment, measure)}"
        marked = ", ".join(f"{name} {value:g}" for name, value in drawing.marks.items())
        yield from ("", f"## {title}", "", f"{shown} Marked: {marked}." if marked else shown, "")
        yield from (f"![{title}]({_picture(page, drawing)})", "", *markdown(drawing, numbers.drawn(drawing)))
    yield from ("", "## What it does not show", "", *(f"- {limit.strip()}" for limit in experiment.limits))
    yield from (f"- Left out, since it cannot run: {one}." for one in left_out)
    yield from ("", "## To make it again", "", "```sh")
    yield from (f"worldgate lab run {file}", f"worldgate lab figure {file} --page {page}", "```", "")
    yield f"All numbers: [{page.stem}.csv]({page.stem}.csv)."


def _over(experiment: Experiment | Studies, measure: Measure) -> str:
    middle = "Median" if measure.median else "Mean"
    sets = experiment.train.sets if experiment.train else 1
    if isinstance(experiment, Studies):
        return f"{middle} over {sets} training sets, {CONFIDENCE:.0%} interval."
    trained = f", and {sets} training sets for predictors that learn" if sets > 1 else ""
    rollouts = f"{experiment.seeds.count} rollouts of {experiment.steps} steps"
    return f"{middle} over {rollouts}{trained}, {CONFIDENCE:.0%} interval."


def _studied(studies: Studies) -> Iterator[tuple[str, str]]:
    yield "study", _fields(studies.study)
    for dimension, choices in studies.vary.items():
        yield dimension, "; ".join(f"{label} ({_fields(given) or 'as it is'})" for label, given in choices.items())
    yield from _trained(studies.train)
    yield "held out", f"{studies.seeds.count} walks of {studies.steps} steps; seeds {_range(studies.seeds.all)}"


def _fields(given: dict[str, Any]) -> str:
    """Fields as a page tells them: "hosts 5, closed port"."""
    flat = given | given.get("options", {})
    told = ((name, ", ".join(map(str, said)) if isinstance(said, list) else said) for name, said in flat.items())
    return ", ".join(f"{name} {said}" for name, said in told if name != "options")


def setup(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """What a page's first table says of an experiment before it is run: (name, what)."""
    for place in experiment.worlds:
        label = f"({place.label})" if place.label else ""
        school = place.trained_in and f"`{place.trained_in.world}` {_fields(place.trained_in.options)}".rstrip()
        taught = ", ".join(one for one in (school, place.trained_on) if one) if experiment.train else ""
        what = " ".join(one for one in (f"`{place.world}`", label, _fields(place.options)) if one)
        more = (("; begins with wrong facts: ", place.wrong and _wrong(place.wrong)), ("; learned from: ", taught))
        told = "".join(f"{name}{said}" for name, said in more if said)
        yield "world", f"{what}; drivers: {', '.join(place.drivers)}{told}"
    seeds, train = experiment.seeds, experiment.train
    yield "rollouts", f"{seeds.count} a cell, of {experiment.steps} steps; seeds {_range(seeds.all)}"
    if train:
        fresh = [one for one in experiment.predictors if one.train and one.train.source.places]
        if any(PREDICTORS[one.name].learns and one not in fresh for one in experiment.predictors):
            yield from _trained(train)
        yield from ((f"training of {one.label}", _endless(one, train.sets)) for one in fresh)
        for one in experiment.predictors:
            if one.train and one.train.calibrate:
                yield f"calibration of {one.label}", f"{one.train.calibrate} fresh walks more"
    yield "predictors", ", ".join(one.label for one in experiment.predictors)
    for one in experiment.predictors:
        if one.committee:
            yield f"committee of {one.label}", f"{one.committee} nets vote: of a set's seed and of those after it"
    yield "policies", ", ".join(one.label or one.name for one in experiment.policies)
    yield "rho", ", ".join("none" if rho is None else f"{rho:g}" for rho in experiment.rho)
    yield "semantics", ", ".join(experiment.semantics)
    yield "correction", "; ".join(one.label for one in experiment.corrections)
    if any(experiment.oracles):
        yield "oracles", ", ".join(f"{one} first" if one else "full" for one in experiment.oracles)
    budgets = "; ".join(map(limits, experiment.budgets))
    if budgets != "none":
        yield "budgets", budgets
    if experiment.spend_down:
        yield "spending", "looks are spent down: as soon as as many are left as steps, each step is looked at"


def _wrong(wrong: Wrong) -> str:
    return f"{wrong.facts} of {', '.join(wrong.relations or ('any relation',))}"


def _trained(train: Training) -> Iterator[tuple[str, str]]:
    counts, totals = (
        ", ".join(map(str, row)) for row in zip(*((n, n * train.steps) for n in train.counts), strict=True)
    )
    said = f"{train.sets} sets of {counts} walks of {train.steps} steps ({totals} transitions)"
    yield "training", f"{said}; seeds {_range(train.seeds)}"


def _endless(asked: Predicting, sets: int) -> str:
    """How a model is trained that needs none of the experiment's walks."""
    assert asked.train
    loop, batch = asked.train.loop, asked.train.source.batch
    first = asked.seed or 0
    seeds = range(first, first + sets + (asked.committee or 1) - 1)
    return f"{len(seeds)} trainings of {loop.steps} steps of {batch} questions on fresh walks; seeds {_range(seeds)}"


def _made(experiment: Experiment | Studies, numbers: Numbers) -> Iterator[tuple[str, str]]:
    several = experiment.train and experiment.train.sets > 1
    method = "pigeonhole bootstrap over rollouts and training sets" if several else "bootstrap"
    if isinstance(experiment, Studies):
        method = "bootstrap over training sets"
    yield "intervals", f"{method}, percentile, {RESAMPLES} resamples"
    for revision, package, python, platform in numbers.made:
        yield "made by", f"worldgate {package} at {revision or 'no commit'}, Python {python}, {platform}"


def _range(seeds: range) -> str:
    return f"{seeds[0]} to {seeds[-1]}"

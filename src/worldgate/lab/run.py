"""Running an experiment or studies: the runs not yet recorded, each once, in any order, on one machine or many.

Models are trained first. Then workers compute and this process writes: one part for the missing runs of each cell,
whole or not at all. Killed at any moment, the same call goes on with the cells that have no part yet; at most the cells
in work are lost. The records are the same bytes whatever the number and kind of workers; only what they ran on is
recorded with them. Workers on other machines must see the folder, where the models are.

A run's id does not know the code of predictors: after a change of one, start a new folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from ..facts import canonical_json
from ..workers import Workers, end_with_parent
from .errors import RunFailed, library
from .experiment import Experiment, expand
from .records import Row, known, write_part
from .studies import Studies, tasks_of, total
from .studies import work as study
from .trained import lacking
from .work import Task, lesson, work

AHEAD = 4
"""Tasks given out for each worker: enough to keep it busy, few enough that their results fit in memory."""


class Ran(NamedTuple):
    """How many runs there are, how many of them were made now, and which cells were left out, with the reason."""

    runs: int
    new: int
    left_out: list[str]


def run(
    document: Experiment | Studies,
    folder: Path,
    *,
    workers: int = 1,
    ray: str | None = None,
    step: Callable[[int], None] = lambda _: None,
) -> Ran:
    """Make the runs that `folder` lacks; `step` is told how many there are.

    `workers` processes (1: this one), or as many Ray workers: of a new local cluster (`local`), of the one that is
    found (`auto`), or of the one at an address. Raises `RunFailed`, `BadRecords`, `MissingLibrary`.
    """
    left_out: list[str] = []
    if isinstance(document, Studies):
        rounds, of = [tasks_of(document, known(folder))], study
    else:
        (rounds, left_out), of = _rounds(document, folder), work
    runs, new = total(document), sum(len(task.seeds) for tasks in rounds for task in tasks)
    done = runs - new
    step(done)
    for rows in _spread(rounds, workers, ray, of):
        if rows:
            write_part(folder, rows)
        done += len(rows)
        step(done)
    return Ran(runs, new, left_out)


def _rounds(experiment: Experiment, folder: Path) -> tuple[list[list[Task]], list[str]]:
    """(models to train, and then the runs that the folder lacks; what was left out)."""
    planned, left_out = expand(experiment)
    there, where = known(folder), str(folder.absolute())
    missing = [(one.cell, tuple(s for s in experiment.seeds.all if one.cell.run(s) not in there)) for one in planned]
    lessons: dict[bytes, int] = {}  # what has learned the same comes together, since a worker keeps a few predictors
    missing.sort(key=lambda one: lessons.setdefault(lesson(one[0]), len(lessons)))
    tasks = [Task(canonical_json(cell), seeds, where, experiment.uses) for cell, seeds in missing if seeds]
    untrained = lacking(experiment, [cell for cell, seeds in missing if seeds], folder)
    return [[Task(canonical_json(cell), (), where, experiment.uses) for cell in untrained], tasks], left_out


def _spread(
    rounds: Sequence[Sequence[Task]], workers: int, ray: str | None, work: Callable[[Task], list[Row]]
) -> Iterator[list[Row]]:
    """The results of all tasks, as they come; a round begins when the one before it is done."""
    most = max(map(len, rounds))
    if not most:
        return
    if ray is not None:
        with _cluster(ray, workers, work) as give:
            for tasks in rounds:
                yield from _given(tasks, workers, *give)
    elif workers <= 1:
        yield from map(work, chain(*rounds))
    else:
        with Workers(min(workers, most), end_with_parent) as pool:
            try:
                for tasks in rounds:
                    yield from _given(tasks, workers, lambda task: pool.submit(work, task), _first, Future.result)
            except BrokenProcessPool as error:
                raise RunFailed("a worker that ended", "workers that go on", "Run it again to go on") from error
            finally:
                pool.shutdown(cancel_futures=True)


def _given(
    tasks: Sequence[Task],
    workers: int,
    give: Callable[[Task], Any],
    first: Callable[[list[Any]], tuple[list[Any], list[Any]]],
    result: Callable[[Any], list[Row]],
) -> Iterator[list[Row]]:
    """Results in the order in which they come, with a few tasks for each worker given out at a time."""
    rest = iter(tasks)
    waiting = [give(task) for task in islice(rest, AHEAD * max(1, workers))]
    while waiting:
        done, waiting = first(waiting)
        for one in done:
            waiting += [give(task) for task in islice(rest, 1)]
            yield result(one)


def _first(waiting: list[Any]) -> tuple[list[Any], list[Any]]:
    done, going = wait(waiting, return_when=FIRST_COMPLETED)
    return [one for one in waiting if one in done], [one for one in waiting if one in going]


@contextmanager
def _cluster(address: str, workers: int, work: Callable[[Task], list[Row]]) -> Iterator[tuple[Any, ...]]:
    """(give, first, result) of a Ray cluster, which is left as it was found."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = library("ray")
    local = {"num_cpus": max(1, workers), "include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False, **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise RunFailed(f"Ray at {address!r}: {error!s:.200}", "local, auto, or the address of a cluster") from error
    try:
        remote = ray.remote(num_cpus=1)(work)

        def result(reference: Any) -> list[Row]:
            try:
                return ray.get(reference)  # type: ignore[no-any-return]
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", None)
                raise cause if isinstance(cause, RunFailed) else RunFailed(f"{error!s:.300}", "a record") from error

        yield lambda task: remote.remote(task), lambda waiting: ray.wait(waiting, num_returns=1), result
    finally:
        ray.shutdown()

"""The numbers of an experiment, from its records: every measure of every cell, over seeds and training sets."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..horizon import from_json
from ..horizon.measures import Interval
from .errors import MissingRecords
from .experiment import DIMENSIONS, Drawing, Experiment, expand, keeps
from .measures import MEASURES, Measure, interval
from .records import Kept, read

Key = tuple[str | float, ...]
"""Where a cell stands: one entry for each dimension."""
At = Mapping[str, str | float]


class Numbers:
    """All runs that are planned, read from a folder; `MissingRecords` if some are not there.

    Of a cell is planned where it stands and the ids of its runs. `groups` are the cells that differ in their training
    set alone, by where they stand, in order. `shown` are the measures in the table of all numbers, with an epsilon.
    """

    def __init__(
        self,
        planned: Sequence[tuple[At, Sequence[str]]],
        folder: Path,
        dimensions: tuple[str, ...],
        measures: Mapping[str, Measure],
        shown: Sequence[tuple[str, float | None]],
        decode: Callable[[str], Any] = from_json,
    ) -> None:
        self.dimensions, self.measures, self.shown = dimensions, measures, shown
        wanted = [id_ for _, row in planned for id_ in row]
        self.records = read(folder, wanted, decode)
        if len(self.records) < len(wanted):
            missing = f"{len(wanted) - len(self.records)} of {len(wanted)} runs missing from {folder}"
            raise MissingRecords(missing, "none missing", "Run `worldgate lab run` with the same file and records")
        self.groups: dict[Key, list[list[Kept]]] = {}
        self.at: dict[Key, At] = {}
        for at, ids in planned:
            key = tuple(at[dimension] for dimension in dimensions)
            self.groups.setdefault(key, []).append([self.records[id_] for id_ in ids])
            self.at.setdefault(key, at)
        self._intervals: dict[tuple[Key, str, float | None], Interval | None] = {}

    def interval(self, key: Key, measure: str, epsilon: float | None) -> Interval | None:
        """The measure of a group; None where there is nothing to measure."""
        asked = key, measure, epsilon
        if asked not in self._intervals:
            about = self.measures[measure]
            rows = [[about.of(kept.record, epsilon or 0.0) for kept in row] for row in self.groups[key]]
            self._intervals[asked] = interval(rows, median=about.median)
        return self._intervals[asked]

    def drawn(self, drawing: Drawing) -> Mapping[tuple[Any, Any, Any], dict[str | float, Interval | None]]:
        """Of a figure: by (row, column, line), what stands at each x; all in the order of the experiment."""
        found: dict[tuple[Any, Any, Any], dict[str | float, Interval | None]] = {}
        for key, at in self.at.items():
            if keeps(drawing, at):
                line = at[drawing.rows], at[drawing.columns], at[drawing.lines]
                found.setdefault(line, {})[at[drawing.x]] = self.interval(key, drawing.measure, drawing.epsilon)
        return found

    @property
    def made(self) -> list[tuple[str, str, str, str]]:
        """What the runs were made by and on: revision, package, Python, platform; each once."""
        return sorted({kept.made for kept in self.records.values()})

    def csv(self) -> str:
        """One line for each group; for each measure (and epsilon) its mean or median and the ends of its interval."""
        out = io.StringIO()
        names = [name if epsilon is None else f"{name} at {epsilon:g}" for name, epsilon in self.shown]
        head = [f"{name}{part}" for name in names for part in ("", " low", " high")]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*self.dimensions[1:], "training_sets", "runs", *head])
        for key, sets in self.groups.items():
            found = [self.interval(key, *one) for one in self.shown]
            numbers = [part for one in found for part in (map(plain, one[:3]) if one else ("", "", ""))]
            writer.writerow([*key[1:], len(sets), sum(map(len, sets)), *numbers])
        return out.getvalue()


def numbers_of(experiment: Experiment, folder: Path) -> Numbers:
    """All runs of an experiment."""
    planned = [(one.at, [one.cell.run(seed) for seed in experiment.seeds.all]) for one in expand(experiment)[0]]
    shown = [
        (name, epsilon)
        for name in experiment.measures
        for epsilon in (experiment.epsilon if MEASURES[name].epsilon else (None,))
    ]
    return Numbers(planned, folder, DIMENSIONS, MEASURES, shown)


def plain(value: float) -> str:
    """Three significant digits, without an exponent where the number is neither huge nor tiny."""
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 or not value else 3 if size >= 0.01 else 5
    return f"{value:.{digits}f}"


def axis(lines: Mapping[Any, Mapping[str | float, Interval | None]]) -> tuple[list[Any], bool]:
    """What stands at the x of a figure, and whether these are numbers: sorted if so, else in the order of the file."""
    xs: list[Any] = list(dict.fromkeys(x for points in lines.values() for x in points))
    numbers = all(isinstance(x, float | int) for x in xs)
    return (sorted(xs) if numbers else xs), numbers


def markdown(drawing: Drawing, lines: Mapping[tuple[Any, Any, Any], dict[str | float, Interval | None]]) -> list[str]:
    """The table of a figure: a row a line, a column an x, each "mean [low, high]"."""
    xs, _ = axis(lines)
    axes = (drawing.columns, drawing.rows, drawing.lines)
    names = [axis for axis in axes if axis != "none"]
    head = [*names, *(f"{drawing.x} {x:g}" if isinstance(x, float | int) else str(x) for x in xs)]
    rows = [head, ["---"] * len(head)]
    for (row, column, line), points in lines.items():
        cells = []
        for x in xs:
            found = points.get(x)
            cells.append("" if found is None else _told(found))
        places = zip(axes, (column, row, line), strict=True)
        rows.append([*(str(place) for axis, place in places if axis != "none"), *cells])
    return ["| " + " | ".join(row) + " |" for row in rows]


def _told(found: Interval) -> str:
    mean, low, high = map(plain, found[:3])
    return mean if low == mean == high else f"{mean} [{low}, {high}]"

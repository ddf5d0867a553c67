"""The numbers of an experiment, from its records: every measure of every cell, over seeds and training sets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..horizon.measures import Interval
from .errors import MissingRecords
from .experiment import DIMENSIONS, Drawing, Experiment, Planned, expand, keeps
from .measures import MEASURES, interval
from .records import Kept, read

Key = tuple[str | float, ...]
"""Where a cell stands: one entry for each of `DIMENSIONS`."""


class Numbers:
    """All runs of an experiment, read from a folder; `MissingRecords` if some are not there.

    `groups` are the cells that differ in their training set alone, by where they stand, in order.
    """

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self.experiment = experiment
        planned, self.left_out = expand(experiment)
        ids = {one.cell.digest: [one.cell.run(seed) for seed in experiment.seeds.all] for one in planned}
        wanted = [id_ for row in ids.values() for id_ in row]
        self.records = read(folder, wanted)
        if len(self.records) < len(wanted):
            missing = f"{len(wanted) - len(self.records)} of {len(wanted)} runs in {folder}"
            raise MissingRecords(missing, "none missing", "Run `worldgate lab run` with the same file and records")
        self.groups: dict[Key, list[list[Kept]]] = {}
        self.at: dict[Key, Planned] = {}
        for one in planned:
            key = tuple(one.at[dimension] for dimension in DIMENSIONS)
            self.groups.setdefault(key, []).append([self.records[id_] for id_ in ids[one.cell.digest]])
            self.at.setdefault(key, one)
        self._intervals: dict[tuple[Key, str, float | None], Interval | None] = {}

    def interval(self, key: Key, measure: str, epsilon: float | None) -> Interval | None:
        """The measure of a group; None where there is nothing to measure."""
        asked = key, measure, epsilon
        if asked not in self._intervals:
            of = MEASURES[measure].of
            rows = [[of(kept.record, epsilon or 0.0) for kept in row] for row in self.groups[key]]
            self._intervals[asked] = interval(rows)
        return self._intervals[asked]

    def drawn(self, drawing: Drawing) -> Mapping[tuple[Any, Any, Any], dict[str | float, Interval | None]]:
        """Of a figure: by (row, column, line), what stands at each x; all in the order of the experiment."""
        found: dict[tuple[Any, Any, Any], dict[str | float, Interval | None]] = {}
        for key, one in self.at.items():
            if keeps(drawing, one):
                line = one.at[drawing.rows], one.at[drawing.columns], one.at[drawing.lines]
                found.setdefault(line, {})[one.at[drawing.x]] = self.interval(key, drawing.measure, drawing.epsilon)
        return found

    @property
    def made(self) -> list[tuple[str, str, str, str]]:
        """What the runs were made by and on: revision, package, Python, platform; each once."""
        return sorted({kept.made for kept in self.records.values()})

    def csv(self) -> str:
        """One line for each group; for each measure (and epsilon) its mean and the ends of its interval."""
        out, measured = io.StringIO(), list(self._measured())
        names = [name if epsilon is None else f"{name} at {epsilon:g}" for name, epsilon in measured]
        head = [f"{name}{part}" for name in names for part in ("", " low", " high")]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*DIMENSIONS[1:], "training_sets", "runs", *head])
        for key, sets in self.groups.items():
            found = [self.interval(key, *one) for one in measured]
            numbers = [part for one in found for part in (map(plain, one[:3]) if one else ("", "", ""))]
            writer.writerow([*key[1:], len(sets), sum(map(len, sets)), *numbers])
        return out.getvalue()

    def _measured(self) -> Iterator[tuple[str, float | None]]:
        for name in self.experiment.measures:
            for epsilon in self.experiment.epsilon if MEASURES[name].epsilon else (None,):
                yield name, epsilon


def plain(value: float) -> str:
    """Three significant digits, without an exponent where the number is neither huge nor tiny."""
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 or not value else 3 if size >= 0.01 else 5
    return f"{value:.{digits}f}"


def markdown(drawing: Drawing, lines: Mapping[tuple[Any, Any, Any], dict[str | float, Interval | None]]) -> list[str]:
    """The table of a figure: a row a line, a column an x, each "mean [low, high]"."""
    xs = list(dict.fromkeys(x for points in lines.values() for x in points))
    names = [drawing.columns, drawing.rows, drawing.lines]
    head = [*names, *(f"{drawing.x} {x:g}" if isinstance(x, float | int) else str(x) for x in xs)]
    rows = [head, ["---"] * len(head)]
    for (row, column, line), points in lines.items():
        cells = []
        for x in xs:
            found = points.get(x)
            cells.append("" if found is None else _told(found))
        rows.append([str(column), str(row), str(line), *cells])
    return ["| " + " | ".join(row) + " |" for row in rows]


def _told(found: Interval) -> str:
    mean, low, high = map(plain, found[:3])
    return mean if low == mean == high else f"{mean} [{low}, {high}]"

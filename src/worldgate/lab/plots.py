"""Figures as SVG, the same bytes for the same numbers: no dates, no random ids, text left as text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ..horizon.measures import Interval
from .errors import library
from .experiment import Drawing
from .tables import axis

MARKS = "osD^vPX*"
DASHES = ("--", ":", "-.")
FIXED = {
    "svg.hashsalt": "worldgate",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
WIDTH, HEIGHT = 2.7, 2.1
"""Of a panel, in inches."""


def draw(drawing: Drawing, lines: Mapping[tuple[Any, Any, Any], Mapping[Any, Interval | None]]) -> bytes:
    """The figure: panels by row and column, a line with its interval for each of `lines`; the same scales in all."""
    matplotlib, canvas = library("matplotlib"), library("matplotlib.backends.backend_svg")
    rows, columns, names = (list(dict.fromkeys(key[part] for key in lines)) for part in range(3))
    xs, numeric = axis(lines)
    with matplotlib.rc_context(matplotlib.rcParamsDefault | FIXED):
        figure = library("matplotlib.figure").Figure(
            figsize=(WIDTH * len(columns) + 0.6, HEIGHT * len(rows) + 0.7), layout="constrained"
        )
        panels = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
        for (row, column, name), points in lines.items():
            panel, which = panels[rows.index(row)][columns.index(column)], names.index(name)
            if drawing.x == "data" and not any(points) and (found := points[0]):  # the same, however much there is
                panel.axhline(found.mean, color=f"C{which}", linewidth=1, label=str(name))
                continue
            shift = 0.0 if numeric else 0.5 * (which - (len(names) - 1) / 2) / len(names)
            _line(panel, which, name, [(x if numeric else xs.index(x) + shift, points.get(x)) for x in xs], numeric)
        for at, panel in ((at, panel) for at, line in enumerate(panels) for panel in line):
            panel.grid(axis="y", linewidth=0.3)
            for which, (name, value) in enumerate(drawing.marks.items()):
                panel.axhline(value, color="0.4", linewidth=0.8, linestyle=DASHES[which % len(DASHES)], label=name)
            if drawing.log:
                panel.set_yscale("log")
            if drawing.x == "data":
                panel.set_xscale("log")
            if not numeric:
                panel.set_xticks(range(len(xs)), [str(x) for x in xs], rotation=40, ha="right")
            if at == len(rows) - 1:
                panel.set_xlabel(drawing.x)
        for row, line in zip(rows, panels, strict=True):
            for column, panel in zip(columns, line, strict=True):
                panel.set_title(", ".join(str(part) for part in (column, row) if part != "none"))
        figure.supylabel(
            drawing.measure if drawing.epsilon is None else f"{drawing.measure}, epsilon {drawing.epsilon:g}"
        )
        handles, labels = panels[0][0].get_legend_handles_labels()
        if drawing.lines != "none" or drawing.marks:
            figure.legend(handles, labels, loc="outside lower center", ncols=min(4, 2 * len(columns), len(labels)))
        out = io.BytesIO()
        canvas.FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": "worldgate"})
    return out.getvalue()


def _line(panel: Any, which: int, name: Any, points: list[tuple[Any, Interval | None]], joined: bool) -> None:
    """Means, and their intervals as one broken line, which keeps the file small."""
    there = [(x, found) for x, found in points if found is not None]
    colour, mark = f"C{which}", MARKS[which % len(MARKS)]
    ends = [(x, y) for x, found in there for y in (found.low, found.high, float("nan"))]
    panel.plot([x for x, _ in ends], [y for _, y in ends], color=colour, linewidth=0.7)
    means = [found.mean for _, found in there]
    style = {"color": colour, "marker": mark, "markersize": 3, "linewidth": 1 if joined else 0}
    panel.plot([x for x, _ in there], means, label=str(name), **style)

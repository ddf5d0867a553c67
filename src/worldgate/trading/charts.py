"""Line charts as inline SVG, drawn from ints; the same bytes for the same numbers.

A chart is as wide as its place: what is across is in per cent, what is up is in pixels, and only the lines are
stretched, so that text keeps its size and marks their shape on a telephone and on paper. Charts over the same bars
share their time axis. Colours and everything else that is style is the page's (`page.css`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from ..worlds.market.units import ONE
from .samples import Point

GRID = 10_000
"""The plot is so many units wide and high."""
TOP, BOTTOM = 8, 22
"""Pixels above and below the plot; the labels of the time axis are below."""
LABELS = 8
APART = GRID // 9
"""Labels on the time axis are at least so far apart."""


class Level(NamedTuple):
    """A unit of time, by its place in the text of one: what it is a part of, its first number and how many there are,
    what a label shows, and how many of the unit there may be from label to label."""

    unit: slice
    first: int
    total: int
    shown: slice
    steps: tuple[int, ...]

    def group(self, time: str, step: int) -> tuple[str, int]:
        """Times of one group have one label; what is left over at the end of a month belongs to its last group."""
        number = int(time[self.unit]) - self.first
        return time[: max(self.unit.start - 1, 0)], min(number // step, max(self.total // step - 1, 0))


LEVELS = (
    Level(slice(0, 4), 0, 10_000, slice(0, 4), (1, 2, 5, 10, 20, 50, 100, 500, 1000)),
    Level(slice(5, 7), 1, 12, slice(0, 7), (1, 2, 3, 6)),
    Level(slice(8, 10), 1, 30, slice(0, 10), (1, 2, 5, 10, 15)),
    Level(slice(11, 13), 0, 24, slice(5, 16), (1, 2, 3, 6, 12)),
    Level(slice(14, 16), 0, 60, slice(5, 16), (1, 2, 5, 10, 15, 30)),
    Level(slice(17, 19), 0, 60, slice(11, 19), (1, 2, 5, 10, 15, 30)),
)


class Mark(NamedTuple):
    """A sign at a point, by the id of its symbol in the page, and what it says when it is pointed at."""

    sign: str
    at: int
    value: int
    text: str


class Axis:
    """The time axis of charts over the same bars."""

    def __init__(self, times: Sequence[str]) -> None:
        self._last = max(len(times) - 1, 1)
        self.ticks = [(self.place(at), label) for at, label in _spread(times, self.place)]

    def place(self, at: int) -> int:
        """Where a bar is, from 0 to `GRID`."""
        return at * GRID // self._last


class Chart(NamedTuple):
    """What is drawn: a line, and the area between it and the first of `covers`, values that the axis has in any case.

    `shown` makes the text of a value.
    """

    name: str
    title: str
    about: str
    points: Sequence[Point]
    shown: Callable[[int], str]
    kind: str = "line"
    covers: tuple[int, ...] = ()
    marks: Sequence[Mark] = ()
    height: int = 200

    def svg(self, axis: Axis) -> str:
        """The chart over an axis."""
        values = [point.value for point in self.points] + [mark.value for mark in self.marks]
        ticks = levels([*values, *self.covers])
        room = self.height - TOP - BOTTOM

        def up(value: int) -> int:
            return GRID - (value - ticks[0]) * GRID // (ticks[-1] - ticks[0])

        def pixel(value: int) -> int:
            return TOP + up(value) * room // GRID

        names = f"{self.name}-title {self.name}-about"
        parts = [
            f'<svg class="chart" role="img" aria-labelledby="{names}" width="100%" height="{self.height}">',
            f'<title id="{self.name}-title">{escape(self.title)}</title>',
            f'<desc id="{self.name}-about">{escape(self.about)}</desc>',
            *(_time(place, label, self.height, index) for index, (place, label) in enumerate(axis.ticks)),
            *(f'<line class="grid" x2="100%" y1="{pixel(tick)}" y2="{pixel(tick)}"/>' for tick in ticks),
            f'<svg y="{TOP}" width="100%" height="{room}" viewBox="0 0 {GRID} {GRID}" preserveAspectRatio="none">',
            *self._paths(axis, up),
            "</svg>",
            *(f'<text class="value" x="-8" y="{pixel(tick) + 4}">{escape(self.shown(tick))}</text>' for tick in ticks),
            *(
                f'<use href="#{mark.sign}" class="{mark.sign}" x="{across(axis.place(mark.at))}" '
                f'y="{pixel(mark.value)}"><title>{escape(mark.text)}</title></use>'
                for mark in self.marks
            ),
            "</svg>",
        ]
        return "\n".join(parts)

    def _paths(self, axis: Axis, up: Callable[[int], int]) -> Iterator[str]:
        if not self.points:
            return
        corners = [f"{axis.place(point.at)} {up(point.value)}" for point in self.points]
        line = f"M{'L'.join(corners)}" + ("h1" if len(corners) == 1 else "")
        if self.covers:
            first, foot = axis.place(self.points[0].at), up(self.covers[0])
            yield f'<path class="area {self.kind}" d="M{first} {foot}L{line[1:]}V{foot}Z"/>'
        yield f'<path class="line {self.kind}" vector-effect="non-scaling-stroke" d="{line}"/>'


def across(place: int) -> str:
    """A place as a percentage."""
    return f"{place // 100}.{place % 100:02d}%"


def levels(values: Iterable[int], most: int = 5) -> list[int]:
    """Round levels in at most `most` steps, from at or below the least value to at or above the greatest."""
    found = list(values) or [0]
    least, greatest = min(found), max(found)
    if least == greatest:
        around = abs(least) // 20 or ONE // 10
        least, greatest = least - around, greatest + around
    step = 1
    while True:
        for factor in (1, 2, 5):
            size = factor * step
            first, last = least // size, -(-greatest // size)
            if last - first <= most:
                return [size * at for at in range(first, last + 1)]
        step *= 10


def _time(place: int, label: str, height: int, index: int) -> str:
    """A label of the time axis with its line; every second one gives way where there is little room."""
    side = " first" if place < GRID // 50 else " last" if place > GRID - GRID // 20 else ""
    kind = f"{side} minor" if index % 2 else side
    x = across(place)
    return (
        f'<line class="grid{kind}" x1="{x}" x2="{x}" y1="{TOP}" y2="{height - BOTTOM}"/>'
        f'<text class="time{kind}" x="{x}" y="{height - 6}">{escape(label)}</text>'
    )


def _spread(times: Sequence[str], place: Callable[[int], int]) -> Iterator[tuple[int, str]]:
    """Bars that begin a year, a month, a day... and their labels: as round as can be, few enough, and apart."""
    known = [level for level in LEVELS if level.unit.stop <= len(times[0])]
    for level in known:
        begins = list(_begins(times, level.unit.stop))
        if len(begins) >= 4:
            break
    for step in level.steps:
        groups = [level.group(times[at], step) for at in begins]
        kept = [begins[0], *(at for at, (old, new) in zip(begins[1:], pairwise(groups), strict=True) if old != new)]
        if len(kept) <= LABELS:
            break
    yield from _apart(kept, times, level.shown, place)


def _begins(times: Sequence[str], length: int) -> Iterator[int]:
    """The bars at which the first `length` characters of the time change."""
    at = 0
    while at < len(times):
        yield at
        at = bisect_left(times, times[at][:length] + "~", at)


def _apart(
    kept: Sequence[int], times: Sequence[str], shown: slice, place: Callable[[int], int]
) -> Iterator[tuple[int, str]]:
    """Those that leave each other room; the first is only a beginning by chance, and gives way to the second."""
    rest = kept[1:] if len(kept) > 2 and place(kept[1]) < APART else kept
    last = -APART
    for at in rest:
        if place(at) - last >= APART:
            last = place(at)
            yield at, times[at][shown].replace("T", " ")

"""Streams in bounded memory: a line of a few points, the two ends of a list, every n-th of many marks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

POINTS = 2_000
"""At most so many points a line."""

T = TypeVar("T")


class Point(NamedTuple):
    """The value at the close of bar `at`, counted from 0."""

    at: int
    value: int


class Line:
    """A line over `count` bars in at most `most` points, fed in their order.

    Bars fall into equal buckets; of each its first, last, lowest and highest point are kept, so that no extreme and
    no jump is lost. Where every bar has room, every bar is kept.
    """

    def __init__(self, count: int, most: int = POINTS) -> None:
        self._width = 1 if count <= most else -(-count * 4 // most)
        self._stop = 0
        self._kept: list[tuple[int, int]] = []
        self._bucket: list[tuple[int, int]] = []

    def add(self, at: int, value: int) -> None:
        point = (at, value)
        if at >= self._stop:
            self._kept += self._closed()
            self._stop = at - at % self._width + self._width
            self._bucket = [point] * 4
            return
        bucket = self._bucket
        bucket[3] = point
        if value < bucket[1][1]:
            bucket[1] = point
        if value > bucket[2][1]:
            bucket[2] = point

    def points(self) -> tuple[Point, ...]:
        return tuple(map(Point._make, (*self._kept, *self._closed())))

    def _closed(self) -> list[tuple[int, int]]:
        return sorted(set(self._bucket))


class Ends(Generic[T]):
    """The first and the last `most` of a stream, and how many there were."""

    def __init__(self, most: int) -> None:
        self.count = 0
        self._most = most
        self._first: list[T] = []
        self._last: deque[T] = deque(maxlen=most)

    def add(self, item: T) -> None:
        self.count += 1
        (self._first if len(self._first) < self._most else self._last).append(item)

    def __iter__(self) -> Iterator[T]:
        yield from self._first
        yield from self._last

    @property
    def omitted(self) -> int:
        """How many in the middle are not here."""
        return self.count - len(self._first) - len(self._last)


class Every(Generic[T]):
    """Every `step`-th of a stream from its first on; `step` doubles whenever there would be more than `most`."""

    def __init__(self, most: int) -> None:
        self.count, self.step = 0, 1
        self._most = most
        self._kept: list[T] = []

    def add(self, item: T) -> None:
        if self.count % self.step == 0:
            self._kept.append(item)
            if len(self._kept) > self._most:
                self._kept, self.step = self._kept[::2], self.step * 2
        self.count += 1

    def __iter__(self) -> Iterator[T]:
        return iter(self._kept)

    @property
    def omitted(self) -> int:
        return self.count - len(self._kept)

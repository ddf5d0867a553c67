"""Batches in order, made in this process or in others: the same whatever their number.

Batch t is a pure function of (source, encoder, seed, t). Workers make as many as a pool gives at a time, a few pools
ahead of what was asked for; each ends with the process that started it. A worker that dies is `WorkerEnded`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import groupby, islice
from random import Random
from typing import Any

from ..system import use
from ..workers import Workers, end_with_parent
from .errors import BadTraining, WorkerEnded
from .family import Arrays, Encoder
from .pools import Balanced, pool
from .source import Source

AHEAD = 2
"""Tasks given out for each worker."""
TASK = 8
"""Batches that are made at a time where one pool gives them all."""


class Stream:
    """Makes any batch of a training. The last pool is kept, so batches are made fastest in order."""

    def __init__(self, source: Source, encoder: Encoder, seed: int, uses: Sequence[str] = ()) -> None:
        use(uses, BadTraining)
        self.source, self.encoder, self.seed, self.uses = source, encoder, seed, uses
        self._pool: tuple[int, Balanced] | None = None

    def batch(self, number: int) -> Arrays:
        """Batch `number`, from 0 on."""
        at = 0 if self.source.walks else number // self.source.share
        if self._pool is None or self._pool[0] != at:
            self._pool = at, Balanced(pool(self.source, self.encoder, self.seed, at), self.source.balance)
        random = Random(f"batch/{self.seed}/{number}")
        return self.encoder.batch(self._pool[1].draw(self.source.batch, random))

    def batches(self, numbers: Iterable[int], workers: int = 0) -> Generator[Arrays, None, None]:
        """The batches of these numbers, made by so many processes (0: this one). Close it to end them."""
        if workers < 1:
            yield from map(self.batch, numbers)
            return
        size = TASK if self.source.walks else self.source.share
        tasks = (tuple(group) for _, group in groupby(numbers, lambda number: number // size))
        with (
            Workers(workers, _begin, (self,)) as made,
            closing(_ordered(made, tasks, workers * AHEAD)) as found,
        ):
            yield from found

    def __reduce__(self) -> tuple[type[Stream], tuple[Any, ...]]:
        return Stream, (self.source, self.encoder, self.seed, self.uses)


def _ordered(made: Workers, rest: Iterator[tuple[int, ...]], ahead: int) -> Generator[Arrays, None, None]:
    waiting: deque[Future[list[Arrays]]] = deque()
    try:
        while True:
            waiting.extend(made.submit(_make, task) for task in islice(rest, ahead - len(waiting)))
            if not waiting:
                return
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        do = "Resume the training, or begin it again where nothing was saved"
        raise WorkerEnded("a worker that ended", "workers that go on", do) from error
    finally:
        made.shutdown(cancel_futures=True)


_stream: Stream
"""The one that this worker serves."""


def _begin(stream: Stream) -> None:
    global _stream
    _stream = stream
    end_with_parent()


def _make(numbers: tuple[int, ...]) -> list[Arrays]:
    return [_stream.batch(number) for number in numbers]

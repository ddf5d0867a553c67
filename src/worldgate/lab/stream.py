"""Labelled transitions of a world as Parquet, for training: what happened, and deltas that are wrong by one mistake.

Random walks (*episodes*) follow one another, each from a seed of its own; the first row of each holds the state it
begins in, every row the action, the true delta, what the actor saw and `negatives` wrong deltas, so `transitions` gives
all states back. Memory holds one episode and one row group, whatever the number of steps. The same arguments give the
same bytes. States, edits and deltas are the project's JSON.

Not known here is which wrong deltas a world might reach: see `facts.flips`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from ..facts import Delta, Pool, State, canonical_json, delta_bytes, delta_from_json, encode, json_decode
from ..facts import decode as decode_state
from ..system import replace
from ..worlds import World
from ..worlds.beyond import admitted
from ..worlds.check import walk
from .errors import BadStream, library

EPISODE = 250
GROUP = 2000
"""Rows of a row group: what is written, and held, at a time."""


class Stream(NamedTuple):
    """What to write. The first episode has the seed `seed`, the next the one after it, and so on."""

    driver: str
    steps: int
    negatives: int = 0
    seed: int = 0
    episode: int = EPISODE


class Labelled(NamedTuple):
    """One transition, read back."""

    seed: int
    step: int
    before: State
    text: str
    delta: Delta
    negatives: tuple[Delta, ...]


def write(world: World, stream: Stream, path: Path, step: Callable[[int], None] = lambda _: None) -> int:
    """Write the transitions to a new file, whole or not at all; how many there are. `step` is told how many are done.

    `BadStream` for a driver that the world does not have, numbers that are too small, or a file that is there.
    """
    _check(world, stream, path)
    replace(path, lambda temporary: _write(world, stream, temporary, step))
    return stream.steps


def transitions(world: World, path: Path) -> Iterator[Labelled]:
    """The transitions of a file of that world, in order; `BadStream` for any other file."""
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError) as error:
        raise BadStream(f"{path}: {str(error).strip():.160}", "a Parquet file of transitions") from error
    if (file.schema_arrow.metadata or {}).get(b"worldgate.schema") != world.schema.digest.encode():
        raise BadStream(f"{path}, of another world or no stream", f"transitions of {world.name}")
    state: State | None = None
    for batch in file.iter_batches(GROUP):
        for row in batch.to_pylist():
            before = state if row["begin"] is None and state is not None else decode_state(world.schema, row["begin"])
            delta = delta_from_json(world.schema, json_decode(row["delta"]))
            wrong = tuple(delta_from_json(world.schema, one) for one in json_decode(row["negatives"]))
            yield Labelled(row["seed"], row["step"], before, row["action"], delta, wrong)
            state = before.apply(delta)


def _check(world: World, stream: Stream, path: Path) -> None:
    if stream.driver not in world.drivers:
        raise BadStream(f"driver {stream.driver!r} of {world.name}", f"one of {', '.join(sorted(world.drivers))}")
    if min(stream.steps, stream.episode) < 1 or stream.negatives < 0:
        raise BadStream(f"{stream}", "steps and an episode of 1 or more, negatives of 0 or more")
    if path.exists():
        raise BadStream(f"{path}, which is there already", "a new file")


def _write(world: World, stream: Stream, path: Path, step: Callable[[int], None]) -> None:
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    schema = arrow.schema(
        [
            ("seed", arrow.int64()), ("step", arrow.int32()), ("begin", arrow.binary()), ("action", arrow.string()),
            ("delta", arrow.binary()), ("observation", arrow.binary()), ("negatives", arrow.binary()),
        ],
        metadata={"worldgate.world": world.name, "worldgate.version": world.version,
                  "worldgate.schema": world.schema.digest, "worldgate.driver": stream.driver},
    )  # fmt: skip
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        rows: list[tuple[Any, ...]] = []
        for done, row in enumerate(_rows(world, stream), 1):
            rows.append(row)
            if len(rows) == GROUP or done == stream.steps:
                writer.write_batch(arrow.record_batch([list(part) for part in zip(*rows, strict=True)], schema=schema))
                rows.clear()
                step(done)


def _rows(world: World, stream: Stream) -> Iterator[tuple[Any, ...]]:
    left, admit = stream.steps, admitted(world)
    for seed in count(stream.seed):
        length = min(left, stream.episode)
        episode = list(walk(world, stream.driver, seed, length))
        begin, random = episode[0][1], Random(f"negatives/{seed}")
        pool = Pool.of(begin, [moved.delta for _, _, moved in episode], admit=admit) if stream.negatives else None
        for number, (text, before, moved) in enumerate(episode):
            wrong = pool.wrong(before, moved.delta, random, stream.negatives) if pool else []
            yield (
                seed, number, None if number else encode(begin), text, delta_bytes(world.schema, moved.delta),
                canonical_json(moved.observation), _listed([delta_bytes(world.schema, one) for one in wrong]),
            )  # fmt: skip
        left -= length
        if not left:
            return


def _listed(parts: list[bytes]) -> bytes:
    """A JSON list of parts that are JSON."""
    return b"[" + b",".join(parts) + b"]"

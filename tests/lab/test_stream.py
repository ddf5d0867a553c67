"""Streams of labelled transitions: they replay, their negatives are wrong, and memory does not grow with them."""

from __future__ import annotations

import tracemalloc
from itertools import groupby
from pathlib import Path

import pytest

from worldgate.lab import stream as streams
from worldgate.lab.errors import BadStream
from worldgate.lab.stream import Stream, transitions, write
from worldgate.worlds import get, world_of
from worldgate.worlds.check import walk

NETWORK = world_of("network", {"hosts": 6, "start": "scattered"})


@pytest.mark.parametrize(("world", "driver"), [(NETWORK, "everyday"), (get("filesystem"), "everyday")])
def test_what_is_read_is_what_happened(world, driver: str, tmp_path: Path) -> None:
    asked = Stream(driver, 70, 8, seed=5, episode=30)
    assert write(world, asked, tmp_path / "a.parquet") == 70
    found = list(transitions(world, tmp_path / "a.parquet"))
    assert [(seed, len(list(rows))) for seed, rows in groupby(found, lambda row: row.seed)] == [
        (5, 30),
        (6, 30),
        (7, 10),
    ]
    true = [row for seed, steps in ((5, 30), (6, 30), (7, 10)) for row in walk(world, driver, seed, steps)]
    for row, (text, before, moved) in zip(found, true, strict=True):
        assert (row.text, row.before, row.delta) == (text, before, moved.delta)
        assert len(set(row.negatives)) == len(row.negatives)
        for wrong in row.negatives:
            assert row.before.apply(wrong) != moved.state
    assert sum(len(row.negatives) for row in found) > 70 * 7


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write(NETWORK, Stream("outages", 40, 4), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_memory_does_not_grow_with_the_number_of_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "GROUP", 100)

    def peak(steps: int) -> int:
        tracemalloc.start()
        try:
            write(NETWORK, Stream("everyday", steps, 4, episode=50), tmp_path / str(steps))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(200)
    assert (peak(2000) - peak(400)) / 1600 < 150  # bytes a step; one row alone is some 800


@pytest.mark.parametrize(
    "asked", [Stream("weekends", 5), Stream("everyday", 0), Stream("everyday", 5, -1), Stream("everyday", 5, episode=0)]
)
def test_what_cannot_be_written_is_refused(asked: Stream, tmp_path: Path) -> None:
    with pytest.raises(BadStream, match="WG496"):
        write(NETWORK, asked, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_no_file_is_overwritten_and_no_other_file_is_read(tmp_path: Path) -> None:
    write(NETWORK, Stream("everyday", 5), tmp_path / "a")
    with pytest.raises(BadStream, match="there already"):
        write(NETWORK, Stream("everyday", 5), tmp_path / "a")
    with pytest.raises(BadStream, match="of another world"):
        list(transitions(get("filesystem"), tmp_path / "a"))
    (tmp_path / "b").write_bytes(b"no")
    with pytest.raises(BadStream, match="a Parquet file"):
        list(transitions(NETWORK, tmp_path / "b"))

"""A name that another program has taken is never replaced, on any filesystem."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from worldgate.gate.targets.writes import Writes

pytestmark = pytest.mark.usefixtures("platform")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """An open directory with the files a and b."""
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_a_rename_does_not_replace(directory: int, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        Writes().rename(directory, "a", directory, "b")
    Writes().rename(directory, "a", directory, "c")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"b": b"b", "c": b"a"}


def test_an_exchange_swaps_two_names(directory: int, tmp_path: Path) -> None:
    Writes().exchange(directory, "a", directory, "b")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"b", "b": b"a"}


def test_a_new_file_does_not_replace(directory: int) -> None:
    with pytest.raises(FileExistsError):
        Writes().create(directory, "a", b"new")


def test_every_call_is_counted_before_it_is_made(directory: int, tmp_path: Path) -> None:
    seen: list[tuple[int, str, bool]] = []
    wanted = Writes(lambda number, name: seen.append((number, name, (tmp_path / "n").exists())))
    wanted.mkdir(directory, "n")
    wanted.rmdir(directory, "n")
    assert seen == [(1, "mkdir", False), (2, "rmdir", True)]
    assert wanted.count == 2

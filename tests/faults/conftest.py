"""What the tests of interrupted commits share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.gate.targets.platforms import platform

__all__ = ["platform"]


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder with no disk behind it, where the system has one: what is killed is the process and not the machine, so
    that flushing to a disk proves nothing and takes most of the time."""
    place = Path("/dev/shm")
    with TemporaryDirectory(dir=place if place.is_dir() else None) as folder:
        yield Path(folder)

"""A directory on disk for a run's upper layer, for what is too large for memory.

Memory goes away with the run, whatever happens. A directory does not: each is locked by the run that
uses it, and every later run in the same place removes those that nobody holds any more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from .upper import soften

_PREFIX = "run-"


class Scratch:
    """A directory for one run beneath `place`, with what an overlay needs in it. Removed by `close`."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        sweep(place)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        for name in ("upper", "work"):
            (self.path / name).mkdir()

    def close(self) -> None:
        """Remove the directory."""
        _remove(self.path, self._lock)
        os.close(self._lock)


def sweep(place: Path) -> None:
    """Remove the directories of runs that were killed."""
    for path in place.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # another user's, or gone meanwhile
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path, lock)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def _remove(path: Path, descriptor: int) -> None:
    if os.geteuid() != 0:
        for _ in soften(descriptor, ""):  # a command may have left what its owner cannot list
            pass
    shutil.rmtree(path, ignore_errors=True)

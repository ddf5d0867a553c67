"""The real command, in a real directory, as a process of its own.

It is forked where it has been imported already (`nursery.py`), in turn under two hash seeds; `afresh` starts it anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.cli.nursery import Nursery

COMMAND = [sys.executable, "-P", "-c", "from worldgate.cli import main; main()"]


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    exit: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it is."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WORLDGATE_")}
    return kept | {"LC_ALL": "C.UTF-8"}


class Shell:
    """Runs `worldgate` in a directory; all its state is below `home`."""

    def __init__(self, home: Path, nurseries: Iterator[Nursery]) -> None:
        self.home, self.root, self.nurseries = home, home / "project", nurseries
        self.root.mkdir()
        self.environment = environment() | {"XDG_STATE_HOME": str(home / "state"), "COLUMNS": "80"}

    def __call__(
        self, *arguments: str | bytes, code: int = 0, stdin: str = "", cwd: Path | None = None, **environment: str
    ) -> Result:
        """Run it; the exit code must be `code`."""
        run = next(self.nurseries)
        ended, out, err = run(arguments, cwd or self.root, self.environment | environment, stdin.encode())
        result = Result(ended, out.decode(), err.decode())
        assert result.exit == code, result
        return result

    def afresh(self, *arguments: str) -> Result:
        """Run it in a Python of its own, which has a hash seed of its own."""
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=self.root, env=self.environment, input=b"", capture_output=True, timeout=120
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def write(self, **files: str) -> None:
        """Files of the project by name, with `__` for a slash and `_` for a dot."""
        for name, text in files.items():
            path = self.root / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def names(self) -> list[str]:
        """Every path in the project, the gate's own left out."""
        return sorted(
            str(path.relative_to(self.root)) for path in self.root.rglob("*") if ".worldgate" not in path.parts
        )

    def plan(self, text: str) -> str:
        """A plan file beside the project."""
        path = self.home / "plan.yaml"
        path.write_text(text)
        return str(path)


@pytest.fixture(scope="session")
def nurseries() -> Iterator[Iterator[Nursery]]:
    """Two in turn, whose sets and dicts of strings are of different orders."""
    both = [Nursery(environment() | {"PYTHONHASHSEED": seed}) for seed in ("1", "2")]
    yield cycle(both)
    for one in both:
        one.close()


@pytest.fixture
def worldgate(tmp_path: Path, nurseries: Iterator[Nursery]) -> Shell:
    """The command, in an empty directory."""
    return Shell(tmp_path, nurseries)


@pytest.fixture
def project(worldgate: Shell) -> Shell:
    """The command, in a directory with a few files."""
    worldgate.write(a_txt="one", b_txt="two", d__x_txt="x", d__y_txt="y")
    return worldgate

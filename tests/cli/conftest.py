"""The real command, in a real directory, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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


class Shell:
    """Runs `worldgate` in a directory; all its state is below `home`."""

    def __init__(self, home: Path) -> None:
        self.home, self.root = home, home / "project"
        self.root.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WORLDGATE_")}
        self.environment = kept | {"XDG_STATE_HOME": str(home / "state"), "COLUMNS": "80", "LC_ALL": "C.UTF-8"}

    def __call__(
        self, *arguments: str | bytes, code: int = 0, stdin: str = "", cwd: Path | None = None, **environment: str
    ) -> Result:
        """Run it; the exit code must be `code`."""
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=cwd or self.root, env=self.environment | environment,
            input=stdin.encode(), capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert result.exit == code, result
        return result

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


@pytest.fixture
def worldgate(tmp_path: Path) -> Shell:
    """The command, in an empty directory."""
    return Shell(tmp_path)


@pytest.fixture
def project(worldgate: Shell) -> Shell:
    """The command, in a directory with a few files."""
    worldgate.write(a_txt="one", b_txt="two", d__x_txt="x", d__y_txt="y")
    return worldgate

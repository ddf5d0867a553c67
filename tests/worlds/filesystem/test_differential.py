"""The oracle against real dash and coreutils: a few thousand commands of a fixed seed.

`bench/differential.py` does the work, in namespaces of its own; its figures for a hundred thousand commands are in
docs/worlds/filesystem.md.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "bench" / "differential.py"
COMMANDS = 3_000


def why_not() -> str:
    """What is missing for running real commands in isolation; empty when nothing is."""
    if platform.system() != "Linux":
        return "needs Linux namespaces"
    if not all(shutil.which(name) for name in ("dash", "cp", "ldd", "unshare")):
        return "needs dash, the coreutils, ldd and unshare"
    version = subprocess.run(["cp", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    if not version.endswith(" 9.1"):
        return f"the rules follow coreutils 9.1; here is {version}"
    if subprocess.run(["unshare", "--user", "--mount", "true"], capture_output=True, check=False).returncode:
        return "needs user namespaces"
    return ""


WHY_NOT = why_not()


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_the_rules_do_what_the_real_tools_do() -> None:
    found = subprocess.run(
        [sys.executable, str(SCRIPT), "--commands", str(COMMANDS), "--seed", "20000", "--json"],
        capture_output=True,
        text=True,
        errors="backslashreplace",
        env={**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace"},
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert sum(row["commands"] for row in rows) >= COMMANDS
    assert not any(row["different"] for row in rows)

"""A tiny experiment: two worlds, four predictors, every part of a cell; and a process that runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import sleep
from typing import Any

from worldgate.lab import Experiment, load_experiment

ROOT = Path(__file__).parents[2]

TINY = """
name: tiny
title: Tiny
question: Does it run?
expected: It does.
limits: [Anything else.]
worlds:
  - {world: network, options: {hosts: 4, start: scattered}, drivers: [everyday, outages], label: net}
  - {world: robot-cell, drivers: [everyday], trained_on: everyday}
steps: 6
seeds: {first: 100, count: 3}
train: {first: 0, count: 2, steps: 8, sets: 2}
predictors: [{name: "null"}, {name: induction}, {name: oracle, error: 0.3}]
policies: [{name: fixed}, {name: uncertainty, calibration: own_unaided_signals}]
rho: [0.5]
semantics: [coupled, reanchor]
epsilon: [0, 0.05]
measures: [horizon, area, exact, settled]
drawings:
  - {name: policies, measure: horizon, epsilon: 0, x: policy}
  - {name: area, measure: area, where: {policy: [fixed], world: [net]}}
"""


def tiny(old: str = "", new: str = "") -> Experiment:
    """The experiment, with one text replaced by another."""
    assert old in TINY
    return load_experiment(TINY.replace(old, new), "tiny.yaml")


def interrupted(command: Sequence[str | Path], when: Callable[[], Any], cwd: Path) -> str:
    """What `worldgate COMMAND` says to its errors when it and its processes are interrupted as soon as `when` holds."""
    with subprocess.Popen(
        [sys.executable, "-m", "worldgate", *command], cwd=cwd, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_hearing,
    ) as running:  # fmt: skip
        try:
            while not when() and running.poll() is None:
                sleep(0.05)
        finally:
            os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=100)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    return said


def _hearing() -> None:
    """Hear interrupts, also where a shell began these tests in the background, which does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder that count, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def elsewhere(code: str, *arguments: object, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )

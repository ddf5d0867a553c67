"""The numbered errors of experiments, and the one way to a library of the extra `lab`."""

from __future__ import annotations

from typing import Any

from .. import system
from ..facts import Error


class BadExperiment(Error):
    """The file does not load: a field, a type, a name that is not in a table, or a figure that cannot be drawn."""

    number, title = "WG490", "not an experiment"


class SharedSeeds(Error):
    """A rollout would be judged on a walk that a predictor learned from."""

    number, title = "WG491", "the same seed to train on and to judge by"


class MissingLibrary(Error):
    """A library of the extra `lab` is imported when it is needed, not before."""

    number, title = "WG492", "a library of the lab is not installed"


class BadRecords(Error):
    """A file among the records is none, or holds what no run of the lab wrote."""

    number, title = "WG493", "not records of runs"


class MissingRecords(Error):
    """Tables and figures are made of all runs of an experiment, or not at all."""

    number, title = "WG494", "runs are missing"


class RunFailed(Error):
    """A run raised, or the process that ran it ended. What was finished before is kept."""

    number, title = "WG495", "a run did not finish"


class BadStream(Error):
    """What was asked of a stream of transitions, or the file that was to hold one."""

    number, title = "WG496", "no such stream of transitions"


def library(name: str) -> Any:
    """The module of that name, which the extra `lab` brings; Ray has an extra of its own."""
    return system.library(name, MissingLibrary, "lab,ray" if name == "ray" else "lab")

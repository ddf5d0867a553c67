"""The numbered errors of training and checkpoints, and the one way to a library of the extra `learn`."""

from __future__ import annotations

from typing import Any

from .. import system
from ..facts import Error


class BadTraining(Error):
    """A training that does not load: a field, a family, a world, or what that family does not offer."""

    number, title = "WG510", "not a training"


class WorkerEnded(Error):
    """A process that made batches ended. What the loop had saved is kept."""

    number, title = "WG511", "a worker that made batches ended"


class BadCheckpoint(Error):
    """A file that is no checkpoint, is cut off, is the state of an unfinished training, or is of another format,
    family, schema or training."""

    number, title = "WG512", "not the checkpoint wanted"


class Diverged(Error):
    """The loss became infinite or no number at all; nothing is saved from there on."""

    number, title = "WG513", "training diverged"


class MissingLearn(Error):
    """A library of the extra `learn` is imported when it is needed, not before."""

    number, title = "WG514", "a library of models is not installed"


def library(name: str) -> Any:
    """The module of that name, which the extra `learn` brings."""
    return system.library(name, MissingLearn, "learn")

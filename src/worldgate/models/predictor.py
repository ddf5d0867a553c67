"""A checkpoint as a predictor, which may go on learning during a rollout.

`Learned` predicts; what it says is a function of the checkpoint, the state and the action. `Learner` also has `learn`:
it takes optimiser steps on each truth that it is shown, with or without a buffer of earlier ones, so that its
predictions are a function of what was shown so far as well. The same checkpoint, options and lessons give the same
predictions, on one device with one number of threads. Give each rollout that learns a fresh one. A `Committee` says
what most of several predictors say.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, deque
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from ..facts import Delta, Schema, State
from ..horizon.predictor import Prediction
from ..horizon.trajectory import Step, net
from ..system import uncollected
from .checkpoint import Checkpoint, load
from .errors import BadTraining, library
from .family import Question, tensors
from .training import one_step, torched


class Learning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`steps` steps of AdamW at `rate` for each truth shown, each on its questions and, of those of the last `buffer`
    truths, `batch` ones drawn at random."""

    rate: float = 1e-3
    steps: int = 1
    buffer: int = 0
    batch: int = 32

    def check(self) -> None:
        """Raise `BadTraining` for a number that is out of bounds."""
        if not 0 < self.rate < math.inf or min(self.steps, self.batch) < 1 or self.buffer < 0:
            raise BadTraining(f"{self}", "a finite rate above 0, steps and a batch of 1 or more, a buffer of 0 or more")


class Learned:
    """Predicts by a checkpoint. Uncertainty is the probability of being wrong where the checkpoint was calibrated, else
    what the family says."""

    def __init__(self, checkpoint: Checkpoint, name: str = "", *, device: str = "cpu", threads: int = 1) -> None:
        self.name = name or f"{checkpoint.card.family} {checkpoint.digest[:12]}"
        self.checkpoint, self.device, self.threads = checkpoint, device, threads
        self._net = checkpoint.net.to(device)

    @property
    def digest(self) -> str:
        """The SHA-256 of the checkpoint."""
        return self.checkpoint.digest

    def predict(self, state: State, action: Any) -> Prediction:
        """The delta expected of `action` in `state`."""
        return self.predict_all([(state, action)])[0]

    def predict_all(self, pairs: Sequence[tuple[State, Any]]) -> list[Prediction]:
        """A prediction for each state and action, computed together."""
        torch = library("torch")
        if not pairs:
            return []
        with torched(torch, self.threads, self.device), torch.no_grad(), uncollected():
            said = self._net.predict(pairs)
        calibration = self.checkpoint.card.calibration
        return [calibration.of(one) for one in said] if calibration else list(said)


class Learner(Learned):
    """Predicts by a checkpoint and by what it has been shown since."""

    def __init__(
        self, checkpoint: Checkpoint, learning: Learning, name: str = "", *, device: str = "cpu", threads: int = 1
    ) -> None:
        learning.check()
        super().__init__(checkpoint._replace(net=deepcopy(checkpoint.net)), name, device=device, threads=threads)
        self._learning, self._random, self._shown = learning, Random("learning"), 0
        self._buffer: deque[Sequence[Question]] = deque(maxlen=learning.buffer)
        self._optimizer = library("torch").optim.AdamW(self._net.parameters(), lr=learning.rate, weight_decay=0.0)

    def learn(self, state: State, action: Any, delta: Delta) -> None:
        """Take in the truth of one step."""
        torch, encoder = library("torch"), self.checkpoint.encoder
        step = Step(state, str(action), action, delta, state.force(delta), net(delta))
        new = encoder.questions(step)
        with torched(torch, self.threads, self.device):
            for number in range(self._learning.steps if new else 0):
                torch.manual_seed(self._shown * self._learning.steps + number)
                old = [question for questions in self._buffer for question in questions]
                drawn = self._random.choices(old, k=self._learning.batch) if old else []
                batch = tensors(encoder.batch([*new, *drawn]), self.device)
                one_step(torch, self._net, self._optimizer, self._net.train().loss(batch), clip=1.0)
        self._net.eval()
        self._shown += 1
        self._buffer.append(new)


class Committee:
    """Says what most of its members say; among as many, what the surest of them do. Nets trained from different seeds
    seldom make the same rare mistake (Lakshminarayanan, Pritzel and Blundell, 2017).

    Uncertainty is the mean of how wrong each member holds what is said: its own u where it agrees, the greater of u and
    1 - u where it does not, as it says of another delta only that its own is right with 1 - u. So disagreement never
    lowers it. A member that says no u has 0, and is the least sure. Raises `BadTraining` without members.
    """

    def __init__(self, members: Sequence[Learned], name: str = "") -> None:
        if not members:
            raise BadTraining("a committee of none", "one member or more")
        self.members = tuple(members)
        self.name = name or ", ".join(one.name for one in members)

    @property
    def digest(self) -> str:
        """The SHA-256 of the digests of its members."""
        return hashlib.sha256("".join(one.digest for one in self.members).encode()).hexdigest()

    def predict(self, state: State, action: Any) -> Prediction:
        """The delta expected of `action` in `state`."""
        return self.predict_all([(state, action)])[0]

    def predict_all(self, pairs: Sequence[tuple[State, Any]]) -> list[Prediction]:
        """A prediction for each state and action, computed together."""
        return [_most(said) for said in zip(*(one.predict_all(pairs) for one in self.members), strict=True)]


def _most(said: Sequence[Prediction]) -> Prediction:
    """What most say of one action; the first of those who are as sure."""
    comes_to = [frozenset(net(one.delta).items()) for one in said]
    votes, doubts = Counter(comes_to), [math.inf if one.uncertainty is None else one.uncertainty for one in said]
    best = min(range(len(said)), key=lambda at: (-votes[comes_to[at]], doubts[at]))
    held = (0.0 if doubt == math.inf else min(doubt, 1.0) for doubt in doubts)
    wrong = [u if each == comes_to[best] else max(u, 1.0 - u) for u, each in zip(held, comes_to, strict=True)]
    return said[best]._replace(uncertainty=math.fsum(wrong) / len(said))


def learned(path: str | Path, schema: Schema, learning: Learning | None = None, name: str = "") -> Learned:
    """The predictor of a checkpoint file for a world of that schema; `BadCheckpoint` as `load`."""
    found = load(Path(path), schema)
    return Learned(found, name) if learning is None else Learner(found, learning, name)

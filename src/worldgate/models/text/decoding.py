"""Greedy decoding under the grammar, several sequences at once, for any net that says logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import expm1
from typing import NamedTuple, Protocol

import numpy as np
import torch

from ...facts import Delta, Edit
from .grammar import Ids

Follow = Callable[[Sequence[int], Sequence[int]], torch.Tensor]
"""`follow(rows, tokens)`: of the sequences so far go on with these rows, each by one token; the logits that follow."""


class Cursor(Protocol):
    """A place in a delta: the tokens that may follow (None: it has ended), and the edits that are finished."""

    @property
    def allowed(self) -> Ids | None: ...

    @property
    def edits(self) -> Sequence[Edit]: ...

    def push(self, token: int) -> None:
        """Take one of the allowed tokens."""


class Said(NamedTuple):
    """A decoded delta. `wrong` is 1 - the probability of its tokens among those allowed, 1.0 where it had to be broken
    off; `entropy` is the mean over its tokens, in nats."""

    delta: Delta
    wrong: float
    entropy: float


def decode(cursors: Sequence[Cursor], logits: torch.Tensor, follow: Follow, room: int) -> list[Said]:
    """The most likely allowed token again and again, at most `room` of them; an edit that is not finished then is not
    said. `logits` (rows, vocabulary) are those of the first tokens."""
    rows = list(range(len(cursors)))
    certain, unsure, length = ([0.0] * len(rows) for _ in range(3))
    for number in range(room):
        tokens, chosen, entropies = choose(logits, [_allowed(cursors[row]) for row in rows])
        for row, token, log, entropy in zip(rows, tokens, chosen, entropies, strict=True):
            cursors[row].push(token)
            certain[row] += log
            unsure[row] += entropy
            length[row] += 1
        kept = [at for at, row in enumerate(rows) if cursors[row].allowed is not None]
        rows = [rows[at] for at in kept]
        if not rows or number + 1 == room:
            break
        logits = follow(kept, [tokens[at] for at in kept])
    broken = set(rows)
    return [
        Said(
            tuple(edit for edit in cursor.edits if edit.before != edit.after),
            1.0 if at in broken else -expm1(certain[at]),
            unsure[at] / length[at],
        )
        for at, cursor in enumerate(cursors)
    ]


def choose(logits: torch.Tensor, allowed: Sequence[Ids]) -> tuple[list[int], list[float], list[float]]:
    """For each row the most likely allowed token, its log probability among those allowed, and their entropy."""
    masked = torch.full_like(logits, -torch.inf)
    row = torch.from_numpy(np.repeat(np.arange(len(allowed)), [len(ids) for ids in allowed])).to(logits.device)
    column = torch.from_numpy(np.concatenate(allowed)).to(logits.device)
    masked[row, column] = logits[row, column]
    logs = masked.log_softmax(-1)
    best = logs.max(-1)
    entropy = torch.special.entr(logs.exp()).sum(-1)
    return best.indices.tolist(), best.values.tolist(), entropy.tolist()


def _allowed(cursor: Cursor) -> Ids:
    assert cursor.allowed is not None
    return cursor.allowed

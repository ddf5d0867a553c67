"""Self-forcing: questions asked where the model's own rollouts lead, labelled by the oracle from there.

A rollout goes through the actions of a true walk, as those of the lab do. It ends where the oracle has no answer or the
prediction does not fit the schema. The batch of a step is a pure function of (weights, source, encoder, seed, step).
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import msgspec

from ..facts import Error
from ..horizon.predictor import Prediction
from ..horizon.trajectory import Step
from ..worlds import World
from .family import Arrays, Encoder, Net
from .pools import Balanced, ask, classed, steps, walks
from .residual import asked
from .source import Source


class SelfForcing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share of steps whose batch comes from `walks` rollouts of `horizon` steps. It is 0 up to `begin`, a share of
    the training, and rises to `share` at `full`."""

    share: float = 0.5
    begin: float = 0.25
    full: float = 0.75
    horizon: int = 8
    walks: int = 4

    def at(self, done: float) -> float:
        """The probability at that share of the training."""
        rise = (done - self.begin) / (self.full - self.begin) if self.full > self.begin else float(done >= self.begin)
        return self.share * min(1.0, max(0.0, rise))


def problems(how: SelfForcing) -> Iterator[str]:
    """What is wrong in it."""
    if not 0 <= how.share <= 1 or not 0 <= how.begin <= how.full <= 1:
        yield "self_forcing with a share, begin or full not in [0, 1], or begin after full"
    if min(how.horizon, how.walks) < 1:
        yield "self_forcing with a horizon or walks less than 1"


def forced(how: SelfForcing, net: Net, source: Source, encoder: Encoder, seed: int, number: int) -> Arrays:
    """The batch of step `number`."""
    random = Random(f"forced/{seed}/{number}")
    later = source.burn_in + max(0, source.episode - how.horizon)  # a rollout begins anywhere in what is else asked
    short = msgspec.structs.replace(source, walks_each=how.walks, burn_in=later, episode=how.horizon)
    chosen = list(walks(short, f"forced/{seed}", number))
    if source.walks:
        chosen = random.choices(chosen, k=how.walks)
    rows = [_Row(walk.world, _stretch(list(steps(walk)), how.horizon, random)) for walk in chosen]
    questions = [one for step in _rolled(net, rows) for one in classed(asked(encoder, step, source.look))]
    return encoder.batch(Balanced(questions, source.balance).draw(source.batch, random))


class _Row(NamedTuple):
    """A world, and the true steps whose actions a rollout goes through."""

    world: World
    true: list[Step]


def _stretch(row: list[Step], length: int, random: Random) -> list[Step]:
    begin = random.randint(0, max(0, len(row) - length))
    return row[begin : begin + length]


def _rolled(net: Net, rows: list[_Row]) -> Iterator[Step]:
    """The oracle's steps along all rollouts, which are made together."""
    going = [(row, row.true[0]) for row in rows if row.true]
    for depth in range(1, max((len(row.true) for row in rows), default=0) + 1):
        yield from (step for _, step in going)
        going = [(row, step) for row, step in going if depth < len(row.true)]
        said = net.predict([(step.before, step.action) for _, step in going]) if going else []
        reached = (_next(row, step, one, depth) for (row, step), one in zip(going, said, strict=True))
        going = [found for found in reached if found]


def _next(row: _Row, step: Step, said: Prediction, depth: int) -> tuple[_Row, Step] | None:
    try:
        state = step.before.force(said.delta)
    except Error:
        return None
    asked = ask(row.world, state, row.true[depth].text)
    return (row, asked) if asked else None

"""Episodes of true walks, in which a step of the training lets the model itself act."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import msgspec

from ..facts import Delta, Error, State
from ..horizon.trajectory import Step
from ..worlds import World
from .pools import steps, walks
from .source import Source


class Episodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`walks` episodes of `horizon` steps, in a share of the steps of the training. It is 0 up to `begin`, a share of
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


def problems(how: Episodes, name: str) -> Iterator[str]:
    """What is wrong in it."""
    if not 0 <= how.share <= 1 or not 0 <= how.begin <= how.full <= 1:
        yield f"{name} with a share, begin or full not in [0, 1], or begin after full"
    if min(how.horizon, how.walks) < 1:
        yield f"{name} with a horizon or walks less than 1"


class Row(NamedTuple):
    """A world, and the true steps of an episode."""

    world: World
    true: list[Step]


def rows(how: Episodes, source: Source, seed: str, number: int | str, random: Random) -> list[Row]:
    """The episodes of step `number`."""
    later = source.burn_in + max(0, source.episode - how.horizon)  # one begins anywhere in what is else asked
    short = msgspec.structs.replace(source, walks_each=how.walks, burn_in=later, episode=how.horizon)
    chosen = list(walks(short, seed, number))
    if source.walks:
        chosen = random.choices(chosen, k=how.walks)
    return [Row(walk.world, _stretch(list(steps(walk)), how.horizon, random)) for walk in chosen]


def _stretch(row: list[Step], length: int, random: Random) -> list[Step]:
    begin = random.randint(0, max(0, len(row) - length))
    return row[begin : begin + length]


def reached(state: State, delta: Delta) -> State | None:
    """Where a predicted delta leads; None where it does not fit the schema."""
    try:
        return state.force(delta)
    except Error:
        return None

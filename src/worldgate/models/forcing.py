"""Self-forcing: questions asked where the model's own rollouts lead, labelled by the oracle from there, or by the walk.

A rollout goes through the actions of a true walk, as those of the lab do. It ends where the oracle has no answer or the
prediction does not fit the schema. Labelled by the walk, what is right is all that leads from where the model is to
where the walk goes: the loss is that of the rollout (an unrolled loss), and a mistake is to be taken back. The batch of
a step is a pure function of (weights, source, encoder, seed, step).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Literal

import msgspec

from ..facts import State, diff
from ..horizon.predictor import Prediction
from ..horizon.trajectory import Step
from ..horizon.trajectory import net as net_of
from ..worlds import World
from .episodes import Episodes, Row, reached, rows
from .family import Arrays, Encoder, Net
from .pools import Balanced, Classed, ask, classed, first
from .residual import asked
from .source import Source

Label = Callable[[World, State, Step], Step | None]
"""What is right in a state, of which a true step has the action."""


class SelfForcing(Episodes, frozen=True):
    """The share of steps whose batch comes from `walks` rollouts of `horizon` steps. It is 0 up to `begin`, a share of
    the training, and rises to `share` at `full`. Labelled by `label`, the oracle if it is not given."""

    label: Literal["oracle", "walk"] | msgspec.UnsetType = msgspec.UNSET  # not written where it is absent


def forced(how: SelfForcing, net: Net, source: Source, encoder: Encoder, seed: int, number: int) -> Arrays:
    """The batch of step `number`."""
    random = Random(f"forced/{seed}/{number}")

    def questions(number: int | str) -> list[Classed]:
        true = rows(how, source, f"forced/{seed}", number, random)
        rolled = _rolled(net, true, _back if how.label == "walk" else _answered)
        return [one for step in rolled for one in classed(asked(encoder, step, source.look))]

    return encoder.batch(Balanced(first(questions, number), source.balance).draw(source.batch, random))


def _rolled(net: Net, rows: list[Row], label: Label) -> Iterator[Step]:
    """The labelled steps along all rollouts, which are made together."""
    going = [(row, row.true[0]) for row in rows if row.true]
    for depth in range(1, max((len(row.true) for row in rows), default=0) + 1):
        yield from (step for _, step in going)
        going = [(row, step) for row, step in going if depth < len(row.true)]
        said = net.predict([(step.before, step.action) for _, step in going]) if going else []
        onward = (_next(row, step, one, depth, label) for (row, step), one in zip(going, said, strict=True))
        going = [found for found in onward if found]


def _next(row: Row, step: Step, said: Prediction, depth: int, label: Label) -> tuple[Row, Step] | None:
    state = reached(step.before, said.delta)
    following = None if state is None else label(row.world, state, row.true[depth])
    return (row, following) if following else None


def _answered(world: World, state: State, true: Step) -> Step | None:
    """What the action of a true step does in a state; None where the oracle has no answer."""
    return ask(world, state, true.text)


def _back(_: World, state: State, true: Step) -> Step:
    """The step from a state to where the true one leads."""
    delta = diff(state, true.state)
    return true._replace(before=state, delta=delta, net=net_of(delta))

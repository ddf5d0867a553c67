"""Self-forcing: questions asked where the model's own rollouts lead, labelled by the oracle from there, or by the walk.

A rollout goes through the actions of a true walk, as those of the lab do. It ends where the oracle has no answer or the
prediction does not fit the schema. Labelled by the walk, what is right is all that leads from where the model is to
where the walk goes: the loss is that of the rollout (an unrolled loss), and a mistake is to be taken back. The batch of
a step is a pure function of (weights, source, encoder, seed, step).
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Literal

import msgspec

from ..facts import State, diff
from ..horizon.predictor import Prediction
from ..horizon.trajectory import Step
from ..horizon.trajectory import net as net_of
from .episodes import Episodes, Row, reached, rows
from .family import Arrays, Encoder, Net
from .pools import Balanced, ask, classed
from .residual import asked
from .source import Source


class SelfForcing(Episodes, frozen=True):
    """The share of steps whose batch comes from `walks` rollouts of `horizon` steps. It is 0 up to `begin`, a share of
    the training, and rises to `share` at `full`. Labelled by `label`, the oracle if it is not given."""

    label: Literal["oracle", "walk"] | msgspec.UnsetType = msgspec.UNSET  # not written where it is absent


def forced(how: SelfForcing, net: Net, source: Source, encoder: Encoder, seed: int, number: int) -> Arrays:
    """The batch of step `number`."""
    random = Random(f"forced/{seed}/{number}")
    true = rows(how, source, f"forced/{seed}", number, random)
    questions = [
        one for step in _rolled(net, true, how.label == "walk") for one in classed(asked(encoder, step, source.look))
    ]
    return encoder.batch(Balanced(questions, source.balance).draw(source.batch, random))


def _rolled(net: Net, rows: list[Row], walked: bool) -> Iterator[Step]:
    """The steps along all rollouts, which are made together, by the oracle or, if `walked`, back to the walk."""
    going = [(row, row.true[0]) for row in rows if row.true]
    for depth in range(1, max((len(row.true) for row in rows), default=0) + 1):
        yield from (step for _, step in going)
        going = [(row, step) for row, step in going if depth < len(row.true)]
        said = net.predict([(step.before, step.action) for _, step in going]) if going else []
        onward = (_next(row, step, one, depth, walked) for (row, step), one in zip(going, said, strict=True))
        going = [found for found in onward if found]


def _next(row: Row, step: Step, said: Prediction, depth: int, walked: bool) -> tuple[Row, Step] | None:
    state, true = reached(step.before, said.delta), row.true[depth]
    if state is None:
        return None
    following = _back(state, true) if walked else ask(row.world, state, true.text)
    return (row, following) if following else None


def _back(state: State, true: Step) -> Step:
    """The step from a state to where the true one leads."""
    delta = diff(state, true.state)
    return true._replace(before=state, delta=delta, net=net_of(delta))

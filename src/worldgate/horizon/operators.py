"""How a truth that is shown corrects a prediction, and what showing it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ..facts import SYMBOL_BITS, Address, Delta, Edit, Entity, Schema, State, diff, symbols
from .observation import assimilate, probe
from .probes import GLOBAL
from .tally import Change


class Told(NamedTuple):
    """What a truth says of a prediction: the edits that correct it, how many facts are shown and what they take to say,
    how many facts are compared, counted on both sides, and the whole true state, if that is what is shown."""

    correction: Delta
    facts: int
    bits: int
    size: int
    state: State | None = None

    @property
    def error(self) -> float:
        """How far the prediction is from what is shown: |A △ B| / (|A| + |B|)."""
        return weight(self.correction) / self.size if self.correction else 0.0


class Operator(NamedTuple):
    """How a truth corrects: the state after it, and what is measured. With `difference`, only the edits are shown."""

    correct: Callable[[State, Told], tuple[State, float | None]]
    difference: bool = False


def _hard_reset(predicted: State, told: Told) -> tuple[State, float | None]:
    """The state becomes what was shown; of an entity, its whole view."""
    return (predicted.force(told.correction) if told.state is None else told.state), None


def _projection(predicted: State, told: Told) -> tuple[State, float | None]:
    """The nearest state that agrees with all that was shown. Measured: the share of compared facts that is repaired."""
    compared = told.facts + sum(edit.after is None for edit in told.correction)
    return predicted.force(told.correction), len(told.correction) / compared if compared else 0.0


def _residual(predicted: State, told: Told) -> tuple[State, float | None]:
    """The oracle is told the prediction and says the difference. Measured: the facts that only one of them has."""
    return predicted.force(told.correction), float(weight(told.correction))


OPERATORS: Mapping[str, Operator] = {
    "hard_reset": Operator(_hard_reset),
    "projection": Operator(_projection),
    "residual": Operator(_residual, difference=True),
}
"""All three lead to the same state, since a state is its facts; they differ in what they cost and measure."""


def of_entity(entity: Entity, predicted: State, true: State) -> Told:
    """What a probe says of a prediction."""
    view = probe(true, None if entity == GLOBAL else entity)
    correction = diff(predicted, assimilate(predicted, view))
    said = sum(edit.before is not None for edit in correction) - sum(edit.after is not None for edit in correction)
    return Told(correction, len(view.facts), view.bits, 2 * len(view.facts) + said)


def of_whole(schema: Schema, predicted: State, said: int, true: State, addresses: Iterable[Address]) -> Told:
    """What the whole truth says of a prediction that takes `said` symbols and may differ from it at `addresses`."""
    rows = ((address, predicted.get(*address), true.get(*address)) for address in sorted(addresses))
    changes = [row for row in rows if row[1] != row[2]]
    correction = tuple(Edit(*address, was, now) for address, was, now in changes)
    bits = SYMBOL_BITS * (said + growth(schema, changes))
    return Told(correction, len(true), bits, len(predicted) + len(true), true)


def growth(schema: Schema, changes: Iterable[Change]) -> int:
    """How many symbols more a state takes to say after these changes."""
    after = symbols(schema, ((*place, now) for place, _, now in changes if now is not None))
    return after - symbols(schema, ((*place, was) for place, was, _ in changes if was is not None))


def weight(correction: Delta) -> int:
    """|A △ B| of the states it leads between."""
    return sum((edit.before is not None) + (edit.after is not None) for edit in correction)

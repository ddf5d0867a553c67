"""What the oracle shows of a step, or of a window of steps, under either semantics."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from ..facts import Address, Delta, State
from ..worlds import Transition
from .tally import Judged
from .trajectory import Trajectory


class Row(NamedTuple):
    """A step as predicted: the states before and after it, how far the latter is from the true trajectory, what it
    takes to say it, and every address at which the prediction or the true step may have changed anything."""

    before: State
    state: State
    uncertainty: float | None
    proposed: float
    judged: Judged
    symbols: int
    touched: set[Address]


class Shown(NamedTuple):
    """A truth: the state after `step`, where it may differ from the prediction, and what can be learned from it."""

    step: int
    state: State
    addresses: Collection[Address]
    lessons: tuple[tuple[State, Any, Delta], ...]


class Oracle:
    """The truth about the steps of one trajectory."""

    def __init__(self, trajectory: Trajectory, semantics: str) -> None:
        self.trajectory, self.anchors = trajectory, semantics == "reanchor"

    def step(self, number: int, row: Row, differing: Collection[Address]) -> Shown | None:
        """Of one step; None where the oracle has no answer. `differing`: where rollout and trajectory now differ."""
        step = self.trajectory.steps[number]
        if self.anchors:
            return Shown(number, step.state, tuple(differing), ((step.before, step.action, step.delta),))
        moved = self._moved(row.before, step.action)
        if moved is None:
            return None
        addresses = row.touched.union((edit.relation, edit.key) for edit in moved.delta)
        return Shown(number, moved.state, addresses, ((row.before, step.action, moved.delta),))

    def window(self, first: int, state: State, rows: Sequence[Row]) -> Shown | None:
        """Of the first wrong step of `rows`, which began in `state` at step `first`; of the last if none is wrong."""
        addresses: set[Address] = set()
        lessons: list[tuple[State, Any, Delta]] = []
        for number, row in enumerate(rows, first):
            step = self.trajectory.steps[number]
            addresses |= row.touched
            if self.anchors:
                lessons.append((step.before, step.action, step.delta))
                true, wrong = step.state, row.proposed > 0
            else:
                moved = self._moved(state, step.action)
                if moved is None:
                    return None
                addresses.update((edit.relation, edit.key) for edit in moved.delta)
                lessons.append((state, step.action, moved.delta))
                true = state = moved.state
                wrong = any(row.state.get(*address) != true.get(*address) for address in addresses)
            if wrong:
                break
        return Shown(number, true, addresses, tuple(lessons))

    def _moved(self, state: State, action: Any) -> Transition | None:
        try:
            moved = self.trajectory.world.step(state, action)
            for relation, key, _, after in moved.delta:
                state.schema.check(relation, key, after)
        except Exception:  # of a state that no step leads to nothing is promised
            return None
        return moved

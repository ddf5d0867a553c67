"""The horizon's demonstration: predictors that come with the package, side by side and never shown the truth.

One is relational, the other has the published architecture, trained on the published amount of data (see
`models.trained`). Everything but the seconds is a function of world, driver, seed and steps; the seconds are those of
a clock on the wall. Needs the extra `learn`, and for a figure `lab`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from ..facts import State
from ..horizon import Prediction, RunRecord, measures, roll, rollout
from ..horizon.measures import Interval
from ..models.predictor import Learned, learned
from ..models.trained import GRAPH_PUBLISHED, NETWORK_0
from ..system import replace
from ..worlds import World
from .experiment import Drawing
from .plots import draw

SHIPPED = {"relational": NETWORK_0, "graph (as published)": GRAPH_PUBLISHED}
MARKS, BOTH = "ox", "*"
STRETCHES = 50
"""Points of a curve at most."""
ROWS = 5
"""Of a curve above 0."""


class Rolled(NamedTuple):
    """A predictor's rollout, the digest of its checkpoint, and how long it took."""

    predictor: str
    checkpoint: str
    record: RunRecord
    seconds: float

    def numbers(self) -> dict[str, Any]:
        """`first_wrong` is a step, counted from 0, or None; `mean_divergence` is over all steps."""
        first, steps = measures.horizon(self.record, 0.0), self.record.steps
        return {
            "first_wrong": None if first == steps else first,
            "exact_steps": measures.recovery(self.record, 0.0).faithful,
            "mean_divergence": measures.mean(self.record.divergences),
            "steps_per_second": round(steps / self.seconds, 1),
        }


def rolled(
    world: World, driver: str, seed: int, steps: int, step: Callable[[int], None] = lambda _: None
) -> list[Rolled]:
    """Each of `SHIPPED` along the same walk. `step` is told how many predictions are made.

    Raises `NoTrajectory` for a driver that the world does not have, `BadCheckpoint` for another schema than the
    network's, and `MissingLearn`.
    """
    true = roll(world, driver, seed, steps)
    predictors = [learned(path, world.schema, name=name) for name, path in SHIPPED.items()]
    found = []
    for number, predictor in enumerate(predictors):
        begun = perf_counter()
        record = rollout(true, _Watched(predictor, number * steps, step))
        found.append(Rolled(predictor.name, predictor.checkpoint.digest, record, perf_counter() - begun))
    return found


class _Watched:
    """Predicts as another does, and says when."""

    def __init__(self, predictor: Learned, done: int, step: Callable[[int], None]) -> None:
        self.name, self._predictor, self._done, self._step = predictor.name, predictor, done, step

    def predict(self, state: State, action: Any) -> Prediction:
        found = self._predictor.predict(state, action)
        self._done += 1
        self._step(self._done)
        return found


def stretches(divergences: Sequence[float]) -> dict[int, Interval]:
    """By the last step of each stretch: its mean divergence, with the least and the greatest as the ends."""
    size = ceil(len(divergences) / STRETCHES)
    parts = {at: divergences[at : at + size] for at in range(0, len(divergences), size)}
    return {
        at + len(part) - 1: Interval(sum(part) / len(part), min(part), max(part), len(part))
        for at, part in parts.items()
    }


def table(rows: Sequence[Rolled]) -> list[str]:
    """Lines of text: the numbers of each."""
    lines = ["predictor            first wrong  exact steps in all  mean divergence  steps/s"]
    for row in rows:
        first, exact, mean, pace = row.numbers().values()
        lines.append(f"{row.predictor:<19}{'none' if first is None else first:>13}{exact:>20}{mean:>17.3g}{pace:>9.0f}")
    return lines


def curve(rows: Sequence[Rolled]) -> list[str]:
    """Lines of text: divergence over time. A mark is in the lowest row that is at or above the mean of a stretch."""
    heights = [[ceil(one.mean * ROWS) for one in stretches(row.record.divergences).values()] for row in rows]
    steps, wide = rows[0].record.steps, len(heights[0])
    named = ", ".join(f"{mark} {row.predictor}" for mark, row in zip(MARKS, rows, strict=True))
    drawn = [f"mean divergence, at most; a column is {ceil(steps / STRETCHES)} steps; {named}"]
    for height in range(ROWS, -1, -1):
        here = [[at == height for at in one] for one in heights]
        marks = (
            BOTH if all(there) else MARKS[there.index(True)] if any(there) else " " for there in zip(*here, strict=True)
        )
        drawn.append(f"{height / ROWS:.1f} |{''.join(marks)}".rstrip())
    return [*drawn, f"     0{f'step {steps - 1}':>{max(wide, 11) - 1}}"]


def figure(rows: Sequence[Rolled], title: str, folder: Path) -> Path:
    """The same curve as `horizon-demo.svg` in the folder; vertical lines go from the least to the greatest."""
    drawing = Drawing("horizon-demo", "divergence", x="step")
    picture = draw(drawing, {("none", title, row.predictor): stretches(row.record.divergences) for row in rows})
    return replace(folder / f"{drawing.name}.svg", lambda path: path.write_bytes(picture))

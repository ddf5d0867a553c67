"""What predictors that are not neural get right, and what a rollout costs beside them. CPU time, one core.

One step is exact when the predicted edits come to what the true ones come to, nothing more and nothing less: of a fact
that a step edits twice only the last value counts. Training walks and test walks have seeds of their own. No figure
here is a claim about speed but the last: a rollout costs tens of microseconds a step beside its predictor and its
oracle, whatever the size of the state.

    python bench/horizon.py [--large]     # with --large also after 10,000 transitions, by rules without records
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import count, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import cpu, table

from worldgate.horizon import Prediction, Settings, roll, rollout
from worldgate.horizon.baselines import Null
from worldgate.horizon.induction import Induction
from worldgate.horizon.lookup import Lookup
from worldgate.horizon.trajectory import net
from worldgate.worlds import get
from worldgate.worlds.check import walk
from worldgate.worlds.network import Network

WALKS = [
    ("network-0", "weighted"),
    ("network-0", "everyday"),
    ("network", "everyday"),
    ("network", "routed"),
    ("robot-cell", "everyday"),
    ("support-desk", "everyday"),
    ("filesystem", "everyday"),
    ("market", "everyday"),
]
STEPS, TEST, HELD_OUT = 100, 1_000, 50_000
LARGE = 10_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true")
    head = ("world", "driver", "null", "lookup", "induction", "to fit, s")
    table("One step exact after 1,000 transitions, share of held-out steps", head, _exactness(1_000, records=True))
    if parser.parse_args().large:
        table(f"After {LARGE:,}, rules without records", head, _exactness(LARGE, records=False))
    _overhead()


def transitions(name: str, driver: str, first: int, size: int) -> list[tuple[Any, Any, Any]]:
    """(state, action, delta) of walks from seeds `first` on."""
    world = get(name)
    every = (step for seed in count(first) for step in walk(world, driver, seed, STEPS))
    return [(before, world.parse(text), moved.delta) for text, before, moved in islice(every, size)]


def _exactness(size: int, *, records: bool) -> Any:
    for name, driver in WALKS:
        schema, test = get(name).schema, transitions(name, driver, HELD_OUT, TEST)
        lookup, induction = Lookup(schema), Induction(schema, records=records)
        for lesson in transitions(name, driver, 0, size):
            lookup.learn(*lesson)
            induction.learn(*lesson)
        begun = time.process_time()
        induction.fit()
        fitted = time.process_time() - begun
        shares = [f"{_share(predictor, test):.3f}" for predictor in (Null(), lookup, induction)]
        yield name, driver, *shares, fitted


def _share(predictor: Any, test: list[tuple[Any, Any, Any]]) -> float:
    right = (net(predictor.predict(state, action).delta) == net(delta) for state, action, delta in test)
    return sum(right) / len(test)


class _Replay:
    """Says the true delta, at the cost of a look-up."""

    name = "replay"

    def __init__(self, trajectory: Any) -> None:
        self._deltas = iter([Prediction(step.delta) for step in trajectory.steps])

    def predict(self, state: Any, action: Any) -> Prediction:
        return next(self._deltas)


def _overhead() -> None:
    rows = []
    for hosts in (5, 400, 10_000):
        trajectory = roll(Network(hosts=hosts, start="scattered"), "everyday", 1, 1_000)
        alone = cpu(lambda _, t=trajectory: rollout(t, _Replay(t)), 1, 3) / 1_000
        looks = Settings(policy="evenly", rho=0.2, semantics="reanchor")
        asked = cpu(lambda _, t=trajectory, s=looks: rollout(t, _Replay(t), s), 1, 3) / 1_000
        rows.append((hosts, len(trajectory.initial), alone * 1e6, asked * 1e6))
    table(
        "A rollout beside its predictor, microseconds a step",
        ("hosts", "facts", "no looks", "looks at one in five"),
        rows,
    )


if __name__ == "__main__":
    main()

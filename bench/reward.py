"""Whether learning from the faithful horizon makes it longer, beside as many steps of batches.

Each net is trained three times from the same seed: with N steps of batches, with 2N, and with N followed by N steps
that learn from the reward alone. Told are, of walks held out and without a look at the truth, the share of steps that
are exact one at a time and the mean number of steps before the first wrong one; each a mean over seeds of training,
with the least and the greatest. As published (a text model of files), 0.07 and 0.15 of the steps of two drivers were
exact before such steps, and 0.07 and 0.13 after them.

    python bench/reward.py [N [FAMILY ...]]     # 80, relational and graph
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import table

from worldgate.horizon import Trajectory, roll, rollout
from worldgate.horizon.trajectory import net
from worldgate.models.document import Loop, Training
from worldgate.models.predictor import Learned, learned
from worldgate.models.reward import Reward
from worldgate.models.source import Place, Source
from worldgate.models.training import train
from worldgate.worlds import world_of

PLACE = Place("network", ("everyday",), {"hosts": 5, "start": "scattered"})
SOURCE = Source(32, (PLACE,), walks_each=3, episode=40, sample=12, share=4, balance=0.5)
NETS: dict[str, tuple[dict[str, Any], float]] = {
    "relational": ({"width": 12, "head": 12, "hard_at": 1}, 0.004),
    "graph": ({"width": 24, "rounds": 2, "layers": 1, "identity": "pointer"}, 0.004),
}
REWARD = Reward(share=1.0, begin=0.5, full=0.5, horizon=8, walks=4)
SEEDS, WALKS, LENGTH = range(3), range(7000, 7008), 40


def main() -> None:
    steps, families = int([*sys.argv, "80"][1]), sys.argv[2:] or list(NETS)
    head = ("family", "steps", "one step exact", "steps before the first wrong", "CPU s")
    table(f"{len(WALKS)} walks of {LENGTH} steps, {len(SEEDS)} seeds of training", head, _rows(steps, families))


def _rows(steps: int, families: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    world = world_of(PLACE.world, PLACE.options)
    true = [roll(world, PLACE.drivers[0], seed, LENGTH) for seed in WALKS]
    for family in families:
        config, rate = NETS[family]
        arms = {
            f"{steps} of batches": Loop(steps, rate),
            f"{2 * steps} of batches": Loop(2 * steps, rate),
            f"{steps} of batches, {steps} of reward": Loop(2 * steps, rate, reward=REWARD),
        }
        for name, loop in arms.items():
            found, start = [], time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                for seed in SEEDS:
                    path = train(Training(family, SOURCE, config, loop, seed), Path(folder) / str(seed))
                    found.append(_judged(learned(path, world.schema), true))
            took = time.process_time() - start
            yield family, name, *(_told(each) for each in zip(*found, strict=True)), took


def _judged(predictor: Learned, true: Sequence[Trajectory]) -> tuple[float, float]:
    """(the share of steps that are exact one at a time, the mean steps before the first wrong one)."""
    every = [step for walk in true for step in walk.steps]
    said = predictor.predict_all([(step.before, step.action) for step in every])
    exact = fmean(net(one.delta) == step.net for one, step in zip(said, every, strict=True))
    ends = ([*(value > 0 for value in rollout(walk, predictor).divergences), True].index(True) for walk in true)
    return exact, fmean(ends)


def _told(values: Sequence[float]) -> str:
    return f"{fmean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()

"""What a net gains that learns only what a look leaves open (a training's `look`), as published.

Three of five hosts are observed, and nothing that is decided by what is seen of them is asked.

Each of five training sets is 120 transitions, as published; each net is asked about the same walks that it was not
trained on. Open are the edits that refer to a host that is not observed: the share of the true ones that are predicted
(`recall`), and the share of all steps in which these are and no other (`exact`), each as the mean over the five sets
and the least and most of them.

    python bench/residual.py
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import table

from worldgate.facts import Delta, Edit, entities_of
from worldgate.horizon import roll
from worldgate.horizon.observation import split
from worldgate.horizon.trajectory import Step, net
from worldgate.models.document import Loop, Training, proven
from worldgate.models.predictor import learned
from worldgate.models.residual import Look
from worldgate.models.source import Source, Walks
from worldgate.models.training import train
from worldgate.worlds import world_of

OPTIONS: dict[str, int | str] = {"hosts": 5, "services": 3, "start": "empty"}
LOOK = Look(0.5, ("host",))
SETS, HELD_OUT = range(0, 15, 3), range(1000, 1006)
GRAPH = {"closed": ["port"], "width": 48, "rounds": 3, "latent": 16, "layers": 2, "heads": 2, "block": 64}


@dataclass(frozen=True)
class Arm:
    label: str
    family: str
    config: dict[str, Any]
    loop: Loop
    batch: int = 32
    balance: float = 1.0


ARMS = [
    Arm("graph, as published", "graph", {"identity": "none", **GRAPH}, Loop(600, rate=0.003)),
    Arm("graph that points", "graph", {"identity": "pointer", **GRAPH}, Loop(600, rate=0.003)),
    Arm("relational", "relational", {"width": 32}, Loop(800, rate=0.003), 64, 0.5),
]


def main() -> None:
    world = world_of("network", OPTIONS)
    steps = [step for seed in HELD_OUT for step in roll(world, "weighted", seed, 40).steps]
    head = ("net", "learns", "recall", "exact", "decided edits, recall")
    table("What is open with three of five hosts observed", head, _rows(world, steps))


def _rows(world: Any, steps: list[Step]) -> Iterator[tuple[str, ...]]:
    for arm in ARMS:
        for label, look in (("all", {}), ("what is open", {"look": LOOK})):
            found = [_judged(arm, first, look, world, steps) for first in SETS]
            yield (
                arm.label,
                label,
                *(f"{mean(one):.3f} ({min(one):.3f} to {max(one):.3f})" for one in zip(*found, strict=True)),
            )


def _judged(arm: Arm, first: int, look: dict[str, Look], world: Any, steps: list[Step]) -> tuple[float, float, float]:
    """(recall of open edits, exact open parts, recall of decided edits) of a net of one training set."""
    walks = (Walks("network", "weighted", tuple(range(first, first + 3)), 40, OPTIONS),)
    source = Source(arm.batch, walks=walks, balance=arm.balance, **look)
    with tempfile.TemporaryDirectory() as folder:
        path = train(proven(Training(arm.family, source, arm.config, arm.loop, first)), Path(folder) / "net")
        said = learned(path, world.schema).predict_all([(step.before, step.action) for step in steps])
    hosts = [entity for entity in entities_of(steps[0].before) if entity[0] == "host"]
    seen = hosts[: -(-len(hosts) // 2)]
    pairs = [
        [set(part) for part in split(world.schema, _edits(delta), seen, frozenset(LOOK.kinds))]
        for one, step in zip(said, steps, strict=True)
        for delta in (one.delta, step.delta)
    ]
    told, true = pairs[::2], pairs[1::2]
    decided, open_ = ([(one[at], other[at]) for one, other in zip(told, true, strict=True)] for at in (0, 1))
    return _recall(open_), mean(one == other for one, other in open_), _recall(decided)


def _edits(delta: Delta) -> list[Edit]:
    """What it comes to."""
    return [Edit(*address, *values) for address, values in net(delta).items()]


def _recall(pairs: list[tuple[set[Any], set[Any]]]) -> float:
    return sum(len(one & other) for one, other in pairs) / sum(len(other) for _, other in pairs)


if __name__ == "__main__":
    main()

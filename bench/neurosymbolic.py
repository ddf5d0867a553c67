"""Rules, a net, and both together: what each gets right on walks held out, after the same sample and training.

One step is exact when the predicted changes are the true ones. `by rules` is the share of the predicted edits that come
from rules; `settled` the share of changes held back that the rules settle.

    python bench/neurosymbolic.py [STEPS]     # of training; 150
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import table

from worldgate.horizon import roll
from worldgate.horizon.induction import Induction
from worldgate.horizon.trajectory import net
from worldgate.models.checkpoint import describe, notes
from worldgate.models.document import Loop, Training, proven
from worldgate.models.pools import sample
from worldgate.models.predictor import learned
from worldgate.models.source import Place, Source
from worldgate.models.training import train
from worldgate.worlds import world_of

PLACES = [
    Place("network", ("everyday",), {"hosts": 5, "start": "empty"}),
    Place("network", ("everyday", "routed")),
    Place("filesystem", ("everyday",)),
]
CONFIG = {"width": 16, "head": 16, "hard_at": 1}
WALKS, LENGTH = range(7000, 7004), 60


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    head = ("world", "drivers", "rules", "relational", "neurosymbolic", "by rules", "settled")
    table("One step exact on walks held out", head, (_row(place, steps) for place in PLACES))


def _row(place: Place, steps: int) -> tuple[Any, ...]:
    world = world_of(place.world, place.options)
    source = Source(32, (place,), walks_each=3, episode=40, sample=15, share=3, balance=0.5)
    rules = Induction(world.schema)
    for step in sample(source, 0):
        rules.learn(step.before, step.action, step.delta)
    rows = [row for driver in place.drivers for seed in WALKS for row in roll(world, driver, seed, LENGTH).steps]
    exact = [sum(net(rules.predict(row.before, row.action).delta) == row.net for row in rows) / len(rows)]
    origins, settled = Counter[str](), ""
    with tempfile.TemporaryDirectory() as folder:
        for family in ("relational", "neurosymbolic"):
            path = train(proven(Training(family, source, CONFIG, Loop(steps, rate=0.004))), Path(folder) / family)
            said = learned(path, world.schema).predict_all([(row.before, row.action) for row in rows])
            exact.append(sum(net(one.delta) == row.net for one, row in zip(said, rows, strict=True)) / len(rows))
            origins.update(origin for one in said for origin in one.origins)
            settled = notes(describe(path)).get("by rules", "")
    return place.world, " ".join(place.drivers), *exact, origins["rules"] / max(1, origins.total()), settled


if __name__ == "__main__":
    main()

"""Rules and a net together: which edits are whose, on walks held out.

`by rules` is the share of the predicted edits that come from rules; `settled` the share of changes held back that the
rules settle.

    python bench/neurosymbolic.py [STEPS]     # of training; 150
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import table

from worldgate.horizon import roll
from worldgate.models.checkpoint import describe, notes
from worldgate.models.document import Loop, Training, proven
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
    head = ("world", "drivers", "by rules", "settled")
    table("Whose edits they are, on walks held out", head, (_row(place, steps) for place in PLACES))


def _row(place: Place, steps: int) -> tuple[str, str, float, str]:
    world = world_of(place.world, place.options)
    source = Source(32, (place,), walks_each=3, episode=40, sample=15, share=3, balance=0.5)
    training = proven(Training("neurosymbolic", source, CONFIG, Loop(steps, rate=0.004)))
    asked = [row for driver in place.drivers for seed in WALKS for row in roll(world, driver, seed, LENGTH).steps]
    with tempfile.TemporaryDirectory() as folder:
        path = train(training, Path(folder) / "net")
        said = learned(path, world.schema).predict_all([(row.before, row.action) for row in asked])
        settled = notes(describe(path)).get("by rules", "")
    origins = Counter(origin for one in said for origin in one.origins)
    return place.world, " ".join(place.drivers), origins["rules"] / max(1, origins.total()), settled


if __name__ == "__main__":
    main()

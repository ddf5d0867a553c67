"""How much of what happens the relational family's templates can say at all.

`python bench/reached.py --formats`: templates are mined from walks of some seeds; on walks of others, a changed fact is
*reached* when one of the answers of an ask about it is what it became, and a transition when all its changed facts are.
Prints, for each shape of action, the share of transitions that are reached, and the facts that are missed most often,
by relation: *unasked* (no ask is about the key) or *unsaid* (no answer fits).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from worldgate.horizon import roll
from worldgate.horizon.trajectory import Step
from worldgate.models.relational import templates
from worldgate.models.relational.encoder import Encoder
from worldgate.worlds.network import Network


class Reach(NamedTuple):
    """Of transitions: how many there are and are reached, by shape; facts that are missed, by shape, relation, why."""

    seen: Counter[str]
    reached: Counter[str]
    missed: Counter[tuple[str, str, str]]


def reach(encoder: Encoder, steps: Sequence[Step]) -> Reach:
    """What of these transitions the encoder's templates can say."""
    found = Reach(Counter(), Counter(), Counter())
    for step in steps:
        asked = encoder.asks(step.before, step.action)
        verb = step.text.split()[0]
        name, asks = (f"{asked[0][0]}/{asked[0][1]}", asked[2]) if asked else (f"{verb} (never seen)", [])
        about: dict[tuple[str, object], set[object]] = {}
        for ask in asks:
            about.setdefault((ask.template.relation, ask.key), set()).update(ask.values)
        found.seen[name] += 1
        missing = [
            (name, place[0], "unsaid" if place in about else "unasked")
            for place, (_, after) in step.net.items()
            if after not in about.get(place, ())
        ]
        found.missed.update(missing)
        found.reached[name] += not missing
    return found


def walked(hosts: int, start: str, drivers: Sequence[str], seeds: range, length: int) -> list[Step]:
    """The transitions of walks."""
    world = Network("network", hosts=hosts, start=start)
    return [step for driver in drivers for seed in seeds for step in roll(world, driver, seed, length).steps]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formats", action="store_true")
    parser.add_argument("--start", default="campus")
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--drivers", nargs="+", default=["everyday", "outages", "routed"])
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=100)
    given = parser.parse_args()
    where = given.hosts, given.start, given.drivers
    mined = walked(*where, range(1000, 1000 + given.seeds), given.steps)
    schema = mined[0].before.schema
    encoder = Encoder(schema, templates.mined(schema, mined, formats=given.formats))
    found = reach(encoder, walked(*where, range(max(2, given.seeds // 2)), given.steps))
    print(f"{sum(found.reached.values()) / sum(found.seen.values()):.3f} of {sum(found.seen.values())} transitions")
    for name, count in sorted(found.seen.items()):
        print(f"  {name:24} {found.reached[name] / count:6.3f} of {count}")
    for (name, relation, why), count in found.missed.most_common(24):
        print(f"  {count:6} facts  {name:20} {relation:12} {why}")


if __name__ == "__main__":
    main()

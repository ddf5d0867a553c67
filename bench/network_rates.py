"""What the drivers of the network world do: how often connections open, flows are there, and time drops some.

    python bench/network_rates.py             # 5, 25, 100 and 400 hosts
    python bench/network_rates.py --hosts 5 --seeds 60 --steps 40     # episodes as long as published ones

Counted are steps, not time; the same arguments give the same figures everywhere.
"""

from __future__ import annotations

import argparse
from collections import Counter

from worldgate.worlds.check import walk
from worldgate.worlds.network import Network

SIZES = (5, 25, 100, 400)
ROWS = (
    *(("empty", driver) for driver in ("uniform", "weighted", "adversarial", "everyday")),
    *((start, driver) for start in ("scattered", "tree") for driver in ("weighted", "everyday", "outages")),
    *(("campus", driver) for driver in ("everyday", "outages", "routed")),
)


def rates(start: str, driver: str, hosts: int, seeds: int, steps: int) -> Counter[str]:
    """Counts over the steps of all walks."""
    world, found = Network(hosts=hosts, start=start), Counter[str]()
    for seed in range(seeds):
        for text, before, moved in walk(world, driver, seed, steps):
            verb = text.partition(" ")[0]
            found["states"] += 1
            found["states with flows"] += bool(moved.state.select("flow"))
            found[verb] += 1
            found[f"{verb} done"] += moved.observation["exit"] == 0
            found["dropping"] += verb == "advance" and len(before.select("flow")) > len(moved.state.select("flow"))
    return found


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="*", default=SIZES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    print(
        f"{given.seeds} walks of {given.steps} steps in each cell: connections that open / states with flows / advances"
    )
    print("that drop a flow\n")
    print("| start | driver |", " | ".join(f"{hosts} hosts" for hosts in given.hosts), "|")
    print("| --- | --- |", " | ".join("---:" for _ in given.hosts), "|")
    for start, driver in ROWS:
        cells = []
        for hosts in given.hosts:
            found = rates(start, driver, hosts, given.seeds, given.steps)
            parts = (("connect done", "connect"), ("states with flows", "states"), ("dropping", "advance"))
            cells.append(" / ".join(_share(found[part], found[whole]) for part, whole in parts))
        print(f"| {start} | {driver} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()

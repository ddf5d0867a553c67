"""The world contract over a million transitions of all worlds, and over every action of a small network.

Not a matter of speed: each transition is checked against every law of `check_world` (the delta leads to the state and
back, forms round-trip, the fingerprint is that from scratch, the read set is complete, properties hold). At the end
laws are broken on purpose, and each must be found broken.

    python bench/worlds.py [--transitions 1000000] [--states 1860]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import table

from worldgate.facts import Edit
from worldgate.worlds import BrokenContract, Transition, check_actions, check_world, get, names
from worldgate.worlds.network import Network
from worldgate.worlds.network.drivers import every_action

STEPS = 100


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--transitions", type=int, default=1_000_000)
    parser.add_argument("--states", type=int, default=1_860)
    given = parser.parse_args()
    every = list(names())
    share = given.transitions // len(every)
    rows = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in every:
            seeds = -(-share // (STEPS * len(get(name).drivers)))
            rows.append(_summed(name, pool.map(_walked, [name] * seeds, range(seeds))))
        rows.append(("all", *(sum(row[column] for row in rows) for column in (1, 2, 3))))
    table("Transitions that keep the contract", ("world", "transitions", "states", "CPU seconds"), rows)
    begun, world = time.process_time(), Network("network-0", hosts=5, start="empty")
    found = check_actions(world, every_action(world.hosts, world.ports), states=given.states)
    actions = found.steps // min(given.states, found.states)
    head = ("states", "actions at each", "transitions", "CPU seconds")
    table("Every action of five hosts", head, [(found.states, actions, found.steps, time.process_time() - begun)])
    table("Planted faults", ("fault", "found as"), [(name, _found(fault)) for name, fault in FAULTS.items()])


def _walked(name: str, seed: int) -> tuple[int, int, float]:
    begun = time.process_time()
    found = check_world(get(name), seeds=[seed], steps=STEPS, processes=False)
    return found.steps, found.states, time.process_time() - begun


def _summed(name: str, found: Any) -> tuple[str, int, int, float]:
    steps, states, seconds = (sum(column) for column in zip(*found, strict=True))
    return name, steps, states, seconds


# --- planted faults ------------------------------------------------------------------------------------


class _Faulty:
    """The network with one fault in its step."""

    def __init__(self, fault: Callable[[Any, Any, Transition], Transition]) -> None:
        self._world, self._fault = Network("network-0", hosts=3, services=2, start="scattered"), fault
        self.name, self.version, self.schema = self._world.name, self._world.version, self._world.schema
        self.drivers, self.initial = self._world.drivers, self._world.initial
        self.parse, self.properties = self._world.parse, self._world.properties

    def step(self, state: Any, action: Any) -> Transition:
        return self._fault(state, action, self._world.step(state, action))


def _found(fault: Callable[[Any, Any, Transition], Transition]) -> str:
    try:
        check_world(_Faulty(fault), seeds=range(3), steps=60, processes=False)  # type: ignore[arg-type]
    except BrokenContract as error:
        return error.found.partition(" broken at ")[0]
    raise SystemExit("a planted fault was not found")


_numbers = count()
FAULTS: dict[str, Callable[[Any, Any, Transition], Transition]] = {
    "an edit left out of the delta": lambda _, __, moved: moved._replace(delta=moved.delta[1:]),
    "an edit with another before": lambda _, __, moved: moved._replace(
        delta=tuple(Edit(edit[0], edit[1], None, edit[3]) for edit in moved.delta)
    ),
    "a state that is further than the delta": lambda _, __, moved: moved._replace(
        state=moved.state.set("clock", (), moved.state.get("clock", ()) + 1)
    ),
    "an answer that depends on how often it was asked": lambda _, __, moved: moved._replace(
        observation={"exit": next(_numbers) % 2}
    ),
    "reads that are not told": lambda _, __, moved: moved._replace(reads=frozenset(islice(moved.reads, 1))),
    "an observation that is not JSON": lambda _, action, moved: moved._replace(observation={"exit": 0, "of": {action}}),
    "a link of a host to itself": lambda _, __, moved: moved._replace(
        state=moved.state.set("link", ("h0", "h0"), True),
        delta=(*moved.delta, Edit("link", ("h0", "h0"), moved.state.get("link", ("h0", "h0")), True)),
    ),
}

if __name__ == "__main__":
    main()

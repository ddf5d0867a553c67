"""The true trajectory: what a world and a driver do from a seed. Rolled once, judged against any number of times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..facts import Address, Delta, Schema, State, Value, symbols
from ..worlds import World
from ..worlds.check import walk
from .apart import count
from .errors import NoTrajectory


class Step(NamedTuple):
    """One true step: `before`, the action, its delta, `state` after it; `net` is what the delta comes to."""

    before: State
    text: str
    action: Any
    delta: Delta
    state: State
    net: dict[Address, tuple[Value | None, Value | None]]


@dataclass(frozen=True)
class Trajectory:
    """The steps of one random walk. At its start `sizes` are the facts of each relation, `symbols` what they take to
    say. `edits` and `events` count what happens in it: facts that change, by relation and by kind of change."""

    world: World
    driver: str
    seed: int
    initial: State
    sizes: Counter[str]
    symbols: int
    steps: tuple[Step, ...]
    edits: Counter[str]
    events: Counter[str]


def roll(world: World, driver: str, seed: int, steps: int) -> Trajectory:
    """The first `steps` steps of that driver; the same for the same arguments, in any process."""
    if driver not in world.drivers:
        raise NoTrajectory(f"driver {driver!r} of {world.name}", f"one of {', '.join(sorted(world.drivers))}")
    if steps < 0:
        raise NoTrajectory(f"{steps} steps", "0 or more")
    rows = tuple(
        Step(before, text, world.parse(text), moved.delta, moved.state, net(moved.delta))
        for text, before, moved in walk(world, driver, seed, steps)
    )
    initial = rows[0].before if rows else world.initial(seed)  # one history with the states that follow
    said = symbols(world.schema, initial.facts())
    edits = Counter(relation for step in rows for relation, _ in step.net)
    events = Counter(event(world.schema, place[0], *change) for step in rows for place, change in step.net.items())
    return Trajectory(world, driver, seed, initial, count(initial), said, rows, edits, events)


def net(delta: Delta) -> dict[Address, tuple[Value | None, Value | None]]:
    """What a delta comes to, by address: the first `before` and the last `after`, where they differ."""
    found: dict[Address, tuple[Value | None, Value | None]] = {}
    for relation, key, before, after in delta:
        first = found.get((relation, key))
        found[relation, key] = (before if first is None else first[0], after)
    return {address: change for address, change in found.items() if change[0] != change[1]}


def kind(schema: Schema, relation: str, value: Value | None) -> str:
    """What sort of value it is: absent, true, false, the choice of an enum, or some other value."""
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if schema.relations[relation].value.kind == "enum" else "value"


def event(schema: Schema, relation: str, before: Value | None, after: Value | None) -> str:
    """The kind of an edit: its relation, and the kinds of value it leads from and to."""
    return f"{relation}: {kind(schema, relation, before)} -> {kind(schema, relation, after)}"

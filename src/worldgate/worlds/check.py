"""`check_world`: the world contract as something that runs.

For every driver and seed it walks the world and checks, at each step:

- determinism: the same step twice gives the same transition; the whole walk, run again in another
  process with another hash seed, gives the same fingerprints and observations;
- purity: `step` leaves the state it was given as it was;
- the laws of facts: the delta applies to the state and leads to the new one, its inverse leads back,
  both forms (JSON and lines) round-trip, the incremental fingerprint equals the one from scratch;
- reads: every fact the step changed was read or written knowingly (its address is in `reads` or the delta);
- drivers: what a driver says parses, and its canonical text parses to the same action;
- beginnings: the same seed gives the same state, in which every property holds;
- observations are JSON values: what is recorded must be what was seen;
- error totality: garbage is refused with `Outside` or another numbered error, never anything else;
- the world's own properties, in every state.

It is what the tests run over each registered world, and what the author of a world runs over theirs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ..facts import (
    Conflict,
    Delta,
    Error,
    State,
    canonical_json,
    decode,
    delta_from_json,
    delta_to_json,
    encode,
    format_edit,
    invert,
    parse_edit,
)
from .contract import Transition, World
from .registry import get

_GARBAGE = ("", " ", "\x00", "no such action", "))((", "'", '"', "a" * 5000, "\ud800", "{}", "[1]", "é\n\tü")


class BrokenContract(Error):
    """A world does not keep the contract: which law, for which driver, seed and step."""

    number, title = "WG203", "world contract broken"


@dataclass
class Checked:
    """What a check went through: steps taken, how often actions succeeded (no `exit` or exit 0, not
    refused) and the number of distinct states."""

    world: str
    steps: int = 0
    states: int = 0
    succeeded: int = 0
    laws: tuple[str, ...] = field(default=())


def check_world(
    world: World,
    *,
    seeds: Iterable[int] = range(3),
    steps: int = 60,
    processes: bool = True,
    uses: Iterable[str] = (),
) -> Checked:
    """Walk `world` with each of its drivers from each seed; raise `BrokenContract` at the first breach.

    `processes` repeats the walks in another process with another hash seed; it needs a world that is
    registered by name, there by importing the modules of `uses`.
    """
    seeds = tuple(seeds)
    report = Checked(world.name, laws=tuple(world.properties()))
    seen = set()
    for seed in seeds:
        _check_beginning(world, seed)
    for driver in world.drivers:
        for seed in seeds:
            for number, (text, before, moved) in enumerate(walk(world, driver, seed, steps)):
                where = f"{world.name}, driver {driver}, seed {seed}, step {number} ({text!r:.120})"
                _check_step(world, before, text, moved, where)
                report.steps += 1
                report.succeeded += _succeeded(moved)
                seen.add(moved.state.fingerprint)
    _check_garbage(world, seeds[0])
    if processes:
        _check_processes(world, seeds, steps, tuple(uses))
    report.states = len(seen)
    return report


def check_actions(world: World, texts: Iterable[str], *, states: int) -> Checked:
    """Every one of these actions at each of the first `states` states, breadth-first from the beginning of seed 0."""
    first, texts = world.initial(0), tuple(texts)
    report = Checked(world.name, laws=tuple(world.properties()))
    found = {first.fingerprint: first}
    for number, state in enumerate(_growing(found)):
        if number == states:
            break
        for text in texts:
            moved = world.step(state, world.parse(text))
            _check_step(world, state, text, moved, f"{world.name}, state {number}, {text!r:.120}")
            report.steps += 1
            report.succeeded += _succeeded(moved)
            if len(found) < states:
                found.setdefault(moved.state.fingerprint, moved.state)
    report.states = len(found)
    return report


def _growing(found: Mapping[str, State]) -> Iterator[State]:
    """The values of a mapping that grows meanwhile, in order."""
    done = 0
    while done < len(found):
        for state in list(found.values())[done:]:
            done += 1
            yield state


def walk(world: World, driver: str, seed: int, steps: int) -> Iterator[tuple[str, State, Transition]]:
    """(action text, state before, transition) along one random walk; the same for the same arguments."""
    random, state = Random(f"{driver}/{seed}"), world.initial(seed)
    for _ in range(steps):
        text = world.drivers[driver](state, random)
        moved = world.step(state, world.parse(text))
        yield text, state, moved
        state = moved.state


def trace(world: World, seeds: Iterable[int], steps: int) -> list[str]:
    """One line a step over all drivers and seeds: what two processes must agree on."""
    lines = []
    for driver in world.drivers:
        for seed in seeds:
            for text, _, moved in walk(world, driver, seed, steps):
                row = [text.encode("utf-8", "surrogatepass").hex(), moved.state.fingerprint, _seen(moved)]
                lines.append(canonical_json(row).decode())
    return lines


def _require(holds: bool, law: str, where: str) -> None:
    if not holds:
        raise BrokenContract(f"{law} broken at {where}", "every law of the contract")


def _check_beginning(world: World, seed: int) -> None:
    where, state = f"{world.name}, seed {seed}, the beginning", world.initial(seed)
    _require(state.schema == world.schema, "the initial state has the world's schema", where)
    _require(encode(world.initial(seed)) == encode(state), "determinism of the initial state", where)
    for name, holds in world.properties().items():
        problem = holds(state)
        _require(problem is None, f"property {name!r} ({problem})", where)


def _check_observation(moved: Transition, where: str) -> None:
    try:
        text = json.dumps(moved.observation, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BrokenContract(f"an observation that is not JSON at {where}: {error}", "JSON values") from error
    _require(json.loads(text) == dict(moved.observation), "observations are JSON values", where)


def _check_step(world: World, before: State, text: str, moved: Transition, where: str) -> None:
    action = world.parse(text)
    _require(world.parse(str(action)) == action, "an action's text parses to the same action", where)
    _check_observation(moved, where)
    bytes_before = encode(before)
    again = world.step(before, action)
    _require(encode(before) == bytes_before, "purity", where)
    _require(
        again.delta == moved.delta and again.state == moved.state and _seen(again) == _seen(moved), "determinism", where
    )
    _require(again.reads == moved.reads, "determinism of the read set", where)
    _require(_leads(before, moved.delta, moved.state), "the delta leads to the state", where)
    _require(_leads(moved.state, invert(moved.delta), before), "the inverse leads back", where)
    fresh = State.of(world.schema, moved.state.facts())
    _require(fresh.fingerprint == moved.state.fingerprint, "the fingerprint is the one from scratch", where)
    _require(decode(world.schema, encode(moved.state)) == moved.state, "states round-trip", where)
    _require(
        delta_from_json(world.schema, delta_to_json(moved.delta)) == moved.delta
        and tuple(parse_edit(world.schema, format_edit(edit)) for edit in moved.delta) == moved.delta,
        "deltas round-trip",
        where,
    )
    for relation, key in moved.reads:
        _require(len(key) <= len(world.schema.relation(relation).key), "reads are addresses", where)
    _check_reads(world, before, action, moved, where)
    for name, holds in world.properties().items():
        problem = holds(moved.state)
        _require(problem is None, f"property {name!r} ({problem})", where)


def _leads(before: State, delta: Delta, after: State) -> bool:
    try:
        return before.apply(delta) == after
    except Conflict:
        return False


def _check_reads(world: World, before: State, action: Any, moved: Transition, where: str) -> None:
    """A state with only what was read and changed gives the same step: the read set is complete."""
    wanted = moved.reads | {(edit.relation, edit.key) for edit in moved.delta}
    prefixes = {(relation, key) for relation, key in wanted if len(key) < len(world.schema.relations[relation].key)}
    kept = State.of(
        world.schema,
        (
            (relation, key, value)
            for relation, key, value in before.facts()
            if (relation, key) in wanted or any((relation, key[:length]) in prefixes for length in range(len(key)))
        ),
    )
    alone = world.step(kept, action)
    _require(alone.delta == moved.delta and _seen(alone) == _seen(moved), "the read set is complete", where)


def _check_garbage(world: World, seed: int) -> None:
    state = world.initial(seed)
    for text in _GARBAGE:
        try:
            action = world.parse(text)
        except Error:
            continue
        except Exception as error:
            raise BrokenContract(f"{text!r:.40} raises {error!r}", "a numbered error or an action") from error
        world.step(state, action)


def _check_processes(world: World, seeds: tuple[int, ...], steps: int, uses: tuple[str, ...]) -> None:
    here = trace(world, seeds, steps)
    code = (
        "import json, sys; from importlib import import_module; from worldgate.worlds import get;"
        "from worldgate.worlds.check import trace; list(map(import_module, sys.argv[4:]));"
        "print(json.dumps(trace(get(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))))"
    )
    if get(world.name) is not world:
        raise BrokenContract(f"{world.name} is not the registered world", "processes=False, or a registered world")
    found = subprocess.run(
        [sys.executable, "-c", code, world.name, json.dumps(seeds), str(steps), *uses],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=False,
    )
    _require(found.returncode == 0, f"another process can run it ({found.stderr[-300:]})", world.name)
    there = json.loads(found.stdout)
    for number, (one, two) in enumerate(zip(here, there, strict=True)):
        _require(one == two, f"determinism across processes and hash seeds ({one} / {two})", f"line {number}")


def _seen(moved: Transition) -> str:
    return json.dumps(moved.observation, sort_keys=True, default=str)


def _succeeded(moved: Transition) -> bool:
    return moved.observation.get("exit", 0) == 0 and not moved.observation.get("refused")

"""Random workloads for any declared world, derived from its declarations.

Arguments are taken from the state: ids that exist, fresh ids, and numbers near what the state
holds. `everyday` looks for an action the world accepts; `adversarial` likes wrong ids, limits and
one beyond them, and repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING

from ...facts import State, Type, Value
from ..contract import Driver
from .actions import Action, Formal
from .functions import ids

if TYPE_CHECKING:
    from .world import DeclaredWorld

TRIES = 12


def drivers(world: DeclaredWorld) -> Mapping[str, Driver]:
    """The world's workloads by name."""
    return {
        "everyday": lambda state, random: _everyday(world, state, random),
        "adversarial": lambda state, random: str(_any(world, state, random, _name(world, random), wild=True)),
    }


def later(world: DeclaredWorld, state: State, seed: int) -> State:
    """The state after `seed` modulo 8 everyday actions of that seed."""
    random = Random(seed)
    for _ in range(seed % 8):
        state = world.step(state, world.parse(_everyday(world, state, random))).state
    return state


def _everyday(world: DeclaredWorld, state: State, random: Random) -> str:
    for attempt in range(TRIES * TRIES):
        if attempt % TRIES == 0:
            name = _name(world, random)
        action = _any(world, state, random, name, wild=False)
        if world.step(state, action).observation["ok"]:
            break
    return str(action)


def _name(world: DeclaredWorld, random: Random) -> str:
    return random.choice(list(world.model.actions))


def _any(world: DeclaredWorld, state: State, random: Random, name: str, *, wild: bool) -> Action:
    rules = world.model.actions[name]
    arguments: dict[str, Value] = {}
    for parameter, slot in rules.signature.items():
        arguments[parameter] = _argument(world, state, random, slot, arguments, wild=wild)
    return Action(rules.name, tuple(arguments.items()))


def _argument(
    world: DeclaredWorld, state: State, random: Random, slot: Formal, others: Mapping[str, Value], *, wild: bool
) -> Value:
    type_ = slot.type
    if type_.kind == "ref":
        known = ids(state, type_.entity)
        fresh = _fresh(type_.entity, known)
        odd = wild and random.random() < 0.15
        if slot.new != odd or not known:
            return fresh
        linked = _linked(world, state, type_.entity, others)
        return random.choice(linked if linked and random.random() < 0.7 else known)
    if type_.kind == "enum":
        return random.choice(type_.choices)
    if type_.kind == "bool":
        return random.random() < 0.5
    if type_.kind == "int":
        return _number(world, state, random, type_, others, wild=wild)
    return random.choice(("", "a", "note", "two words", "\u00e9t\u00e9"))


def _linked(world: DeclaredWorld, state: State, entity: str, others: Mapping[str, Value]) -> list[str]:
    """The things of a kind that the arguments chosen so far refer to."""
    words = world.model.words
    found = (
        state.get(relation, (other,))
        for relation in words.references[entity]
        if words.slots[relation].each
        for other in others.values()
    )
    return sorted({one for one in found if one is not None})


def _fresh(entity: str, known: list[str]) -> str:
    taken, number = set(known), len(known) + 1
    while f"{entity[0]}{number}" in taken:
        number += 1
    return f"{entity[0]}{number}"


def _number(
    world: DeclaredWorld, state: State, random: Random, type_: Type, others: Mapping[str, Value], *, wild: bool
) -> int:
    """A number in range: often one the state holds about the other arguments, or its half, or next to a limit."""
    low = int(type_.low if type_.low is not None else 0)
    high = int(type_.high if type_.high is not None else max(low, 0) + 1000)
    found = [low, high]
    for slot in world.model.words.slots.values():
        if slot.type.kind == "int" and slot.type.unit == type_.unit:
            for key in [(other,) for other in others.values() if isinstance(other, str)] if slot.each else [()]:
                value = state.get(slot.relation, key)
                if value is not None:
                    found += [value, value // 2, value // 3]
    chosen = random.choice(found) if random.random() < 0.8 else random.randint(low, high)
    if wild and random.random() < 0.4:
        chosen += random.choice((-1, 1))
    return min(max(chosen, low), high)

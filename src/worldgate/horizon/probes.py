"""Which entity to look at, where a look shows one entity instead of the whole state.

The way to choose sees what the rollout knows: the entities of its own state, when each was looked at, and how much
uncertainty predictions have put on it since. To add one, write it and give it a row in `CHOICES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from ..facts import Entity, Schema, State, format_address, references
from .errors import BadSettings
from .predictor import Prediction

GLOBAL: Entity = ("", "")
"""Stands for the facts that refer to no entity."""


def told_entity(entity: Entity) -> str:
    """An entity as it stands in a record: `host("h1")`, or `global()`."""
    return "global()" if entity == GLOBAL else format_address(entity[0], (entity[1],))


@dataclass
class Attention:
    """The number of the look at which each entity was last seen, and the uncertainty put on it since."""

    random: Random
    looks: int = 0
    looked: dict[Entity, int] = field(default_factory=dict)
    uncertain: dict[Entity, float] = field(default_factory=dict)
    last: Entity | None = None


Choice = Callable[[Sequence[Entity], Attention], Entity]
"""One of the entities, which are sorted and at least one."""


def _random(entities: Sequence[Entity], attention: Attention) -> Entity:
    return attention.random.choice(entities)


def _round_robin(entities: Sequence[Entity], attention: Attention) -> Entity:
    """The next in order after the last one looked at."""
    last = attention.last
    return next((each for each in entities if last is not None and each > last), entities[0])


def _stalest(entities: Sequence[Entity], attention: Attention) -> Entity:
    """The one not looked at for longest."""
    return min(entities, key=lambda each: attention.looked.get(each, 0))


def _most_uncertain(entities: Sequence[Entity], attention: Attention) -> Entity:
    """The one with most uncertainty on it since it was looked at; of equals the stalest."""
    return min(entities, key=lambda each: (-attention.uncertain.get(each, 0.0), attention.looked.get(each, 0)))


CHOICES: Mapping[str, Choice] = {
    "random": _random,
    "round_robin": _round_robin,
    "stalest": _stalest,
    "most_uncertain": _most_uncertain,
}


class Probes:
    """The probes of one rollout: of these kinds of entity (none named: all), and of the global facts if asked for."""

    def __init__(self, schema: Schema, choice: str, kinds: Sequence[str], globally: bool, random: Random) -> None:
        if choice not in CHOICES:
            raise BadSettings(f"probe {choice!r}", f"one of {', '.join(CHOICES)}")
        self.references = references(schema, frozenset(kinds) or None)
        self.choice, self.attention = CHOICES[choice], Attention(random)
        self.globally = globally

    def predicted(self, prediction: Prediction) -> None:
        """Its uncertainty (1 if it has none) is put on every entity that its edits refer to."""
        weight = 1.0 if prediction.uncertainty is None else prediction.uncertainty
        for entity in self.references.among(prediction.delta):
            self.attention.uncertain[entity] = self.attention.uncertain.get(entity, 0.0) + weight

    def choose(self, state: State) -> Entity:
        """The entity to look at, of those that the state refers to; of none, the global facts. O(state)."""
        entities = [GLOBAL] * self.globally + sorted(self.references.among(state.facts()))
        return self.choice(entities or [GLOBAL], self.attention)

    def looked(self, entity: Entity) -> None:
        """The entity was looked at."""
        attention = self.attention
        attention.looks += 1
        attention.looked[entity], attention.last = attention.looks, entity
        attention.uncertain.pop(entity, None)

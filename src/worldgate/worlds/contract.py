"""The world contract: a schema and four methods.

A world is an exact executable model. Its `step` is the oracle: a pure, deterministic and total
function. Everything that depends on time, chance or identity is in the state or in the action.
Any object of this shape is a world; nothing is subclassed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from random import Random
from typing import Any, NamedTuple, Protocol

from ..facts import Delta, Draft, Error, Key, Reads, Schema, State

Observation = Mapping[str, Any]
"""What the actor sees of one step, as JSON values (an exit code, printed text, a refusal's number)."""

Property = Callable[[State], str | None]
"""A named invariant: None when it holds, else what is wrong with the smallest example found."""

Driver = Callable[[State, Random], str]
"""A random workload: looks at the state and says the next action, as text."""


class Measure(NamedTuple):
    """An amount that a world derives from its state, for policies to limit.

    It belongs to `relation`: `value(state, key)` is the amount at one of its keys, exact, in `scale`-ths of
    `unit`; None when there is none. `number` is that of the breach. A measure with `eases` stands: while it is
    beyond a limit, every step that edits its key is refused but those of which `eases(before, after, key)` is true.

    A world may offer `measures` and `questions`, by name, and `event(before, after)`: whether no actor but the world
    itself led from one state to the other. No plan of an actor may contain an event.
    """

    number: str
    relation: str
    unit: str
    about: str
    value: Callable[[State, Key], int | Fraction | None]
    scale: int = 1
    eases: Callable[[State, State, Key], bool] | None = None


class Question(NamedTuple):
    """A function of a world's derived relations, for the invariants of policies.

    `answer(before, after, *arguments)` is (a value of type `result`, what shows it: a path, say, or nothing).
    Types are those of `expressions`. Asking about what does not exist raises `LookupError`, so that it refuses.
    """

    about: str
    result: str
    arguments: tuple[str, ...]
    answer: Callable[..., tuple[Any, str]]


class Outside(Error):
    """The action is not in the world's grammar: a clear answer, never a guess."""

    number, title = "WG201", "outside this world's grammar"


class Action(Protocol):
    """A parsed command. `str(action)` is its canonical text, which parses to an equal action."""

    def __str__(self) -> str: ...


class Transition(NamedTuple):
    """One step: the state after it, the edits that lead there, what the actor saw, what was looked at."""

    state: State
    delta: Delta
    observation: Observation
    reads: Reads


class World(Protocol):
    """An exact executable model of something.

    `name` and `version` identify its semantics (the version changes with any change of meaning);
    `schema` declares its facts; `drivers` are its random workloads by name.
    """

    name: str
    version: str
    schema: Schema
    drivers: Mapping[str, Driver]

    def initial(self, seed: int) -> State:
        """A starting state; the same for the same seed."""

    def parse(self, text: str) -> Any:
        """The action this text stands for; raises `Outside` when it is not in the grammar."""

    def step(self, state: State, action: Any) -> Transition:
        """What the action does. Pure, deterministic and total: a refusal is an observation."""

    def properties(self) -> Mapping[str, Property]:
        """Invariants that hold in every state the world can reach, by name."""


_made = partial(tuple.__new__, Transition)  # without a call of Python code


def transition(draft: Draft, observation: Observation) -> Transition:
    """The transition of a finished draft."""
    state, delta, reads = draft.finish()
    return _made((state, delta, observation, reads))

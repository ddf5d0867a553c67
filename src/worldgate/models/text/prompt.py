"""What a sequence model is shown: the action, the facts of a state, and a mark where the delta begins.

The action comes first, so that its words stand in the same places whatever the state. Of the facts, those about the
entities that it names come first, then those about nothing in particular, then the rest, each in the order of the
schema. Where not all fit, those at the end are left out and a mark says so; an action that does not fit is cut itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from ...facts import Fact, State, references
from ...horizon.induction.reading import read
from .tokens import CUT, DELTA, FACTS, START, Vocabulary


def prompt(vocabulary: Vocabulary, state: State, action: Any, room: int) -> list[int]:
    """At most `room` tokens, 8 or more."""
    said = vocabulary.action(str(action))
    if len(said) > room - 4:
        said = [*said[: room - 5], CUT]
    shown: list[tuple[int, ...]] = []
    left = room - len(said) - 3
    for fact in ordered(state, action):
        tokens = vocabulary.fact(fact)
        if len(tokens) > left:
            while left < 1:
                left += len(shown.pop())
            shown.append((CUT,))
            break
        shown.append(tokens)
        left -= len(tokens)
    return [START, *said, FACTS, *chain.from_iterable(shown), DELTA]


def ordered(state: State, action: Any) -> Iterator[Fact]:
    """The facts of a state: about what the action names, about nothing in particular, and the rest."""
    words, refs = set(read(action).words), references(state.schema)
    place = {name: at for at, name in enumerate(state.schema.relations)}

    def rank(fact: Fact) -> tuple[int, int, Any]:
        about = refs.of(fact)
        far = 1 if not about else 0 if any(name in words for _, name in about) else 2
        return far, place[fact[0]], fact[1]

    return iter(sorted(state.facts(), key=rank))

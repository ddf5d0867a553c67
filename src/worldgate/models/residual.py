"""Residual questions: of each step, those that a look at a part of the entities leaves open.

A look shows the facts of the next state that refer to observed entities alone, and the global ones; what a family is
asked about is the rest (`horizon.observation.split`). Nothing is hidden from the state that it is asked in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import groupby
from math import ceil
from operator import itemgetter
from typing import TypeAlias

import msgspec

from ..facts import Edit, Entity, Error, Schema, State, entities_of, references
from ..horizon.observation import split
from ..horizon.trajectory import Step
from .family import Encoder, Question, offered

Split: TypeAlias = Callable[[Collection[Edit]], tuple[list[Edit], list[Edit]]]
"""(what a look decides, what it leaves open)."""


class Look(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of each of `kinds` (none named: of all kinds) the first ceil(`share` * n) entities are observed, by their ids.
    Entities of other kinds need no observing."""

    share: float
    kinds: tuple[str, ...] = ()


def problems(look: Look, schema: Schema) -> Iterator[str]:
    """What is wrong in it."""
    if not 0 <= look.share <= 1:
        yield f"look with share {look.share}, not in [0, 1]"
    try:
        references(schema, frozenset(look.kinds))
    except Error as error:
        yield f"look: {error}"


def asked(encoder: Encoder, step: Step, look: Look | msgspec.UnsetType) -> Sequence[Question]:
    """The questions of a step, without what is decided where there is a look."""
    if not look:
        return encoder.questions(step)
    kinds, schema = frozenset(look.kinds) or None, step.before.schema
    observed = frozenset(_observed(step.before, look))
    decide: Split = partial(split, schema, observed=observed, kinds=kinds)
    left = (offered(encoder, "residual", "look")(question, decide) for question in encoder.questions(step))
    return [question for question in left if question is not None]


def _observed(state: State, look: Look) -> Iterator[Entity]:
    share = Fraction(look.share).limit_denominator(10**6)  # 7 of 100 for 0.07, not 8
    for _, group in groupby(entities_of(state), itemgetter(0)):
        of_kind = list(group)
        yield from of_kind[: ceil(share * len(of_kind))]

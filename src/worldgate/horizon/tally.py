"""A predicted delta against the true one: which edits are missed, which are false, and what correcting it takes.

Edits are compared by where they lead: a relation, a key and the value after. A true edit is found if the prediction
sets that value there, even where a drifted state has it already; a predicted edit is false if it changes the state it
is made in and the truth has no such edit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..facts import Address, Delta, Schema, Value, bits_to_correct
from .record import Edits
from .trajectory import Step, Trajectory, event

Change = tuple[Address, Value | None, Value | None]


class Judged(NamedTuple):
    """One prediction: the addresses of true edits that it misses, its false edits with what they change, its bits."""

    missed: tuple[Address, ...] = ()
    false: tuple[Change, ...] = ()
    bits: int = 0


EXACT = Judged()


def judge(schema: Schema, predicted: Delta, changes: Iterable[Change], step: Step) -> Judged:
    """A predicted delta, and the changes it makes where it was predicted, against the true delta of the step."""
    if predicted == step.delta:
        return EXACT
    said = {(relation, key): after for relation, key, _, after in predicted}
    missed = tuple(address for address, (_, after) in step.net.items() if address not in said or said[address] != after)
    false = tuple(
        (address, was, after)
        for address, was, after in changes
        if address not in step.net or step.net[address][1] != after
    )
    return Judged(missed, false, bits_to_correct(schema, predicted, step.delta))


def tally(trajectory: Trajectory, judged: Sequence[Judged]) -> tuple[dict[str, Edits], dict[str, Edits]]:
    """Edits by relation and by event, over the steps of a rollout; names in order."""
    schema = trajectory.world.schema
    missed, false = (Counter[str](), Counter[str]()), (Counter[str](), Counter[str]())
    for step, one in zip(trajectory.steps, judged, strict=True):
        for address in one.missed:
            missed[0][address[0]] += 1
            missed[1][event(schema, address[0], *step.net[address])] += 1
        for address, was, now in one.false:
            false[0][address[0]] += 1
            false[1][event(schema, address[0], was, now)] += 1
    by_relation, by_event = (
        {name: Edits(true[name], true[name] - out[name], wrong[name]) for name in sorted({*true, *wrong})}
        for true, out, wrong in zip((trajectory.edits, trajectory.events), missed, false, strict=True)
    )
    return by_relation, by_event

"""The one question that a sequence model learns from a transition: what comes of it?"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...facts import Delta, Edit, State
from ...horizon.induction.reading import read
from ...horizon.trajectory import Step


class Question(NamedTuple):
    """A state, an action, what it comes to in canonical order. `outcome`: its name, and the relations that change."""

    outcome: str
    before: State
    action: Any
    net: Delta


def question(step: Step) -> Question:
    """What one transition teaches."""
    net = tuple(Edit(*address, *change) for address, change in sorted(step.net.items()))
    changed = " ".join(dict.fromkeys(edit.relation for edit in net))
    return Question(f"{read(step.action).name}: {changed}", step.before, step.action, net)

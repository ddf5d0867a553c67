"""The oracle of the market: one action on one state. A refused action changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...facts import Draft, State
from ..contract import Observation, Transition, transition
from .actions import Cancel, Place, Tick, Transfer
from .errors import NotAnAction, Refused
from .orders import cancel, place, transfer
from .ticks import tick

_RULES: dict[type, Callable[[Draft, Any], Observation]] = {
    Place: place,
    Cancel: cancel,
    Transfer: transfer,
    Tick: tick,
}


def step(state: State, action: Any) -> Transition:
    """What the action does. Rules refuse before they write, so a refusal's draft has no edits."""
    draft = Draft(state)
    try:
        rule = _RULES.get(type(action))
        if rule is None:
            raise NotAnAction(type(action).__name__, "Place, Cancel, Transfer or Tick")
        return transition(draft, rule(draft, action))
    except Refused as refusal:
        return transition(draft, {"ok": False, "refused": refusal.to_json()})

"""A second, cheaper oracle: one derived relation of the next state instead of the whole of it.

A derived relation is a function of the state, such as which hosts reach which, or what an account is worth. It may be
asked first, so that the full truth is asked for only where the two disagree; and a rollout may be judged by it, which
is kinder than fact by fact where facts that do not matter have drifted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..facts import State
from .costs import Cost


class Derived(NamedTuple):
    """A relation that follows from the facts. An entry that is missing, None or False says that it does not hold."""

    name: str
    about: str
    of: Callable[[State], Mapping[Any, Any]]

    def predicted(self, state: State) -> Mapping[Any, Any]:
        """The relation in a state that may be impossible: without entries where it cannot be derived at all."""
        try:
            return self.of(state)
        except Exception:  # of a state that no step leads to nothing is promised
            return {}


def differing(left: Mapping[Any, Any], right: Mapping[Any, Any]) -> int:
    """Bits-to-correct of a derived relation: the entries that differ, over the union of keys."""
    return sum(_said(left, key) != _said(right, key) for key in {**left, **right})


def faithfulness(predicted: Mapping[Any, Any], true: Mapping[Any, Any]) -> float:
    """The share of agreeing entries over the union of keys; 1 when there are none."""
    union = len({**predicted, **true})
    return 1 - differing(predicted, true) / union if union else 1.0


class Glance(NamedTuple):
    """The second oracle's answer about one step: whether the prediction agrees, and what asking cost."""

    agrees: bool
    cost: Cost


def glance(derived: Derived, predicted: State, true: State) -> Glance:
    """Ask for the derived relation alone. All its entries are shown; correcting takes a bit for each that differs. Of a
    true state that is impossible, as one after a wrong state may be, a bit says that there is no relation."""
    try:
        shown = derived.of(true)
    except Exception:  # as in `predicted`
        return Glance(False, Cost(bits=1))
    wrong = differing(derived.predicted(predicted), shown)
    return Glance(not wrong, Cost(entries=len(shown), bits=wrong))


def _said(relation: Mapping[Any, Any], key: Any) -> Any:
    value = relation.get(key)
    return None if value is False else value  # and 0 is a value

"""What a model is told of a refusal: numbers and reasons, as data, bounded.

Its own answer goes back with it, so that it knows what is meant. Both are clipped, and say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...facts import canonical_json
from ...gate.decision import Decision
from ..script import NoPlan, NotApproved
from .model import Message
from .parse import unicode

MAX_BREACHES = 20
MAX_TEXT = 500
MAX_ANSWER = 16_000

_AGAIN = "\nPropose a whole new plan: one JSON object and nothing else. It is judged from the same state."


def repair(answer: str, reason: NoPlan) -> tuple[Message, Message]:
    """The two messages that follow a refused answer: what the model said, and why it does not stand."""
    told = _decision(reason.decision) if isinstance(reason, NotApproved) else reason.to_json()
    what = "is refused" if isinstance(reason, NotApproved) else "cannot be read"
    text = canonical_json(_clipped(told)).decode()
    said = clip(unicode(answer), MAX_ANSWER) if answer.strip() else "(no text)"
    return Message("assistant", said), Message("user", f"Your plan {what}. The reasons, as data:\n{text}{_AGAIN}")


def _decision(decision: Decision) -> dict[str, Any]:
    more = len(decision.breaches) - MAX_BREACHES
    left_out = {"left_out": f"{more} more breaches"} if more > 0 else {}
    breaches = msgspec.to_builtins(decision.breaches[:MAX_BREACHES])
    return {"verdict": decision.verdict, "stage": decision.stage, "breaches": breaches, **left_out}


def _clipped(data: Any) -> Any:
    if isinstance(data, str):
        return clip(unicode(data), MAX_TEXT)
    if isinstance(data, dict):
        return {name: _clipped(one) for name, one in data.items()}
    return [_clipped(one) for one in data] if isinstance(data, Sequence) else data


def clip(text: str, most: int) -> str:
    """The beginning of a text, which says what it leaves out."""
    return text if len(text) <= most else f"{text[:most]} [{len(text) - most} more characters left out]"

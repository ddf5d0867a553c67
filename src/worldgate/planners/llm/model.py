"""What the planner needs of a language model: one call, in messages, out a reply.

A model gets text and returns text. It is never given a state, a world or anything that could reach a target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol


class Message(NamedTuple):
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Usage(NamedTuple):
    """Tokens that the endpoint counted."""

    read: int
    written: int


class Reply(NamedTuple):
    """What came back: the text, why it ended, and the tokens (None when the endpoint does not say)."""

    text: str
    end: Literal["stop", "length", "declined"]
    usage: Usage | None


class Model(Protocol):
    """A language model behind an endpoint. `name` is the dialect, `model` what the endpoint calls it."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    def ask(self, messages: Sequence[Message], *, max_tokens: int, seconds: float) -> Reply:
        """One request, never repeated by itself; raises a `NoPlan` when there is no reply within `seconds`."""

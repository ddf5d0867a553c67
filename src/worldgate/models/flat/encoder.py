"""Transitions as token sequences: a prompt of action and state, then the delta, padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from numpy.typing import NDArray

from ...facts import Schema, State
from ...horizon.trajectory import Step
from ..errors import BadTraining
from ..family import Size
from ..text.batch import batch
from ..text.prompt import prompt
from ..text.question import Question, question
from ..text.tokens import Vocabulary, Words, words_of


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of a flat model. `block`: tokens of a sequence, of which `reply` are kept for the delta.

    `words`: words of each kind at most. `edits`: of a delta at most. `named`: only entities of the state and words of
    the action may be named. `uncertainty`: 1 - the probability of the delta, or the mean entropy of its tokens (nats).
    """

    layers: Size = 2
    heads: Size = 2
    width: Size = 64
    block: Size = 256
    reply: Size = 96
    words: Size = 1024
    edits: Size = 64
    named: bool = False
    uncertainty: Literal["wrong", "entropy"] = "wrong"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise BadTraining(f"width {self.width} with {self.heads} heads", "a width that its heads can share")
        if self.block - self.reply < 8:
            raise BadTraining(f"block {self.block}, of which {self.reply} for the reply", "8 more than it")


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An encoder's words and lengths."""

    words: Words
    block: int
    reply: int


class FlatEncoder:
    """Encodes transitions of one schema. A delta that does not fit into `reply` tokens is learned as far as it does."""

    def __init__(self, schema: Schema, document: Document) -> None:
        self.vocabulary, self._document = Vocabulary(schema, document.words), document
        self.room, self.reply = document.block - document.reply, document.reply

    @classmethod
    def of(cls, config: Config, schema: Schema, sample: Sequence[Step]) -> FlatEncoder:
        """The encoder whose words are those of a sample."""
        return cls(schema, Document(words_of(schema, sample, config.words), config.block, config.reply))

    def document(self) -> Document:
        return self._document

    def questions(self, step: Step) -> list[Question]:
        """One: what comes of it?"""
        return [question(step)]

    def prompt(self, state: State, action: Any) -> list[int]:
        """What the net is shown before the delta."""
        return prompt(self.vocabulary, state, action, self.room)

    def batch(self, questions: Sequence[Question]) -> dict[str, NDArray[Any]]:
        """See `text.batch.batch`."""
        prompts = [self.prompt(asked.before, asked.action) for asked in questions]
        replies = [self.vocabulary.delta(asked.before, asked.net)[: self.reply] for asked in questions]
        return batch(prompts, replies)

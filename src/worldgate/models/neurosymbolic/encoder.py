"""Questions about what the rules leave open. What the rules say of a fact is the last answer of its question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...facts import Schema, State
from ...horizon.trajectory import Step
from ..family import Arrays
from ..relational import encoder as relational
from ..relational.encoder import Question, Words
from ..relational.templates import Ask
from ..residual import Split
from .rulebook import Document, Rulebook, Verdict

NOTHING = "nothing"
"""The one array of a batch without a question."""


class Encoder(relational.Encoder):
    """See the module."""

    def __init__(self, schema: Schema, document: Document) -> None:
        super().__init__(schema, document.templates)
        self._whole, self.rulebook = document, Rulebook(schema, document)
        every = [template for group in self.templates.values() for template in group]
        self.answers = [len(template.answers) + (template.join is None) for template in every]

    def document(self) -> Document:  # type: ignore[override]
        """All that is needed to make it again."""
        return self._whole

    def asks(self, state: State, action: Any) -> tuple[tuple[str, int], Words, list[Ask]] | None:
        """The shape and words of an action and every fact it may change that no rule settles."""
        found = super().asks(state, action)
        if found is None:
            return None
        shape, words, every = found
        values, settled, _ = self.rulebook.verdict(state, action) or Verdict({}, frozenset(), {})
        left = [ask for ask in every if ask.template.relation not in settled]
        return shape, words, [_with(ask, values.get((ask.template.relation, ask.key), ask.now)) for ask in left]

    def questions(self, step: Step) -> Sequence[Question]:
        """A question for each fact that is left open; one about nothing where nothing ever is."""
        if self.answers:
            return super().questions(step)
        return [Question(NOTHING, step.before, ("", 0), (), None, (), None)]  # type: ignore[arg-type]

    def residual(self, question: Question, split: Split) -> Question | None:
        """As of the relational family; what is about nothing stays."""
        return super().residual(question, split) if self.answers else question

    def batch(self, questions: Sequence[Question]) -> Arrays:
        """As of the relational family; or nothing."""
        return super().batch(questions) if self.answers else {NOTHING: np.zeros(1, np.float32)}


def _with(ask: Ask, value: Any) -> Ask:
    """With what the rules say as an answer more; what joins say is no matter of rules."""
    return ask if ask.template.join else ask._replace(values=(*ask.values, value))

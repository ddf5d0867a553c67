"""The relational net, which begins by believing the rules, and the merging of both."""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import Any

import torch
from torch import Tensor

from ...facts import State
from ...horizon.induction.learner import fitting
from ...horizon.predictor import Prediction
from ..relational.encoder import Words
from ..relational.net import Relational
from ..relational.templates import Ask
from .encoder import NOTHING, Encoder
from .rulebook import Verdict, Worth

RULES, NET = "rules", "net"


class Neurosymbolic(Relational):
    """Asks the net about what is left open; all else is as the rules say."""

    encoder: Encoder

    def __init__(self, encoder: Encoder, *sizes: Any) -> None:
        super().__init__(encoder, *sizes)
        worths = {(one.name, one.words, one.relation): one for one in encoder.document().spoken}
        with torch.no_grad():
            for shape, group in encoder.templates.items():
                for template in group:
                    worth = worths.get((*shape, template.relation))
                    if template.join is None and worth is not None:
                        self.prior[template.number, len(template.answers)] = _odds(worth)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """As of the relational net; 0 where there is no question."""
        return self.prior.sum() * 0.0 if NOTHING in batch else super().loss(batch)

    def _answered(
        self, pair: tuple[State, Any], asked: tuple[Any, Words, list[Ask]] | None, rows: Iterator[Any]
    ) -> Prediction:
        """What the net says of what it was asked, and the rules of all else."""
        verdict = self.encoder.rulebook.verdict(*pair)
        said = self._said(asked[2], rows) if asked else Prediction((), 0.0 if verdict else 1.0)
        if verdict is None:
            return said._replace(origins=(NET,) * len(said.delta))
        decided = {(ask.template.relation, ask.key) for ask in asked[2] if not ask.template.join} if asked else set()
        decided.update(edit[:2] for edit in said.delta)
        edits = [edit for edit in fitting(pair[0], verdict.values) if edit[:2] not in decided]
        right = (1.0 - (said.uncertainty or 0.0)) * _certainty(verdict, decided)
        origins = (NET,) * len(said.delta) + (RULES,) * len(edits)
        return Prediction((*said.delta, *edits), 1.0 - right, origins)


def _odds(worth: Worth) -> float:
    """The logarithm of the odds that rules are right about a fact, at least even."""
    return max(0.0, log((worth.facts - worth.errors + 1) / (worth.errors + 1)))


def _certainty(verdict: Verdict, decided: set[Any]) -> float:
    """The chance, by Laplace's rule of succession, that the rules are right about every relation they decide here."""
    right = 1.0
    for relation in dict.fromkeys(place[0] for place in verdict.values if place not in decided):
        worth = verdict.worth.get(relation)
        right *= (worth.steps - worth.wrong + 1) / (worth.steps + 2) if worth else 0.5
    return right

"""The family `neurosymbolic`: rules induced where they are always right, the relational net for what they leave open.

Rules are learned from two thirds of the sample and held against the rest, then learned from all. What becomes of a
relation's facts under a shape of action is *settled* if the rules were right about it in every transition held back,
`least` of them at least; the net is asked about the other facts alone, and what the rules say of these is one of the
answers it weighs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...facts import Schema
from ...horizon.trajectory import Step
from .. import relational
from ..family import Count, Family
from .encoder import Encoder
from .rulebook import Document, made


class Config(relational.Config, frozen=True, forbid_unknown_fields=True):
    """As of `relational`, and: with `records`, rules know fields and arithmetic (see `horizon.induction`); nothing is
    settled by fewer than `least` transitions."""

    records: bool = True
    least: Count = 8


def _encoder(config: Config, schema: Schema, sample: Sequence[Step]) -> Encoder:
    every = relational.document_of(config, schema, sample)
    return Encoder(schema, made(schema, sample, every, records=config.records, least=config.least))


def _restored(document: Document, schema: Schema) -> Encoder:
    return Encoder(schema, document)


def _net(config: Config, encoder: Encoder) -> Any:
    from .net import Neurosymbolic

    return Neurosymbolic(encoder, *relational.sizes(config))


FAMILY = Family(Config, Document, _encoder, _restored, _net)

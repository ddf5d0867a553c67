"""The family `relational`: scores what becomes of named facts, so it depends neither on names nor on their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from ...facts import Schema
from ...horizon.trajectory import Step
from ..errors import BadTraining
from ..family import Count, Family, Size
from .encoder import Encoder
from .templates import Document, mined


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`width` channels a node and `head` hidden units of the heads; messages are hard from step `hard_at` on, more and
    more of them from `hard_from` on (0 and 0: never); at most `rounds` rounds in training. `activity`: the weight in
    the loss of what is said. `formats`: numbers, texts with a format and facts with records are nodes too, and facts
    may be joined; for worlds with such things. `both_ways`: a relation of pairs whose first always came before its
    second in the sample is read both ways."""

    width: Size = 32
    head: Size = 64
    hard_from: Count = 0
    hard_at: Count = 0
    rounds: Size = 24
    activity: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    formats: bool = False
    both_ways: bool = False

    def __post_init__(self) -> None:
        if self.hard_from > self.hard_at:
            raise BadTraining(f"hard_from {self.hard_from}, hard_at {self.hard_at}", "the first not after the second")


def document_of(config: Config, schema: Schema, sample: Sequence[Step]) -> Document:
    """The templates that a sample asks for."""
    return mined(schema, sample, formats=config.formats, both_ways=config.both_ways)


def _encoder(config: Config, schema: Schema, sample: Sequence[Step]) -> Encoder:
    return Encoder(schema, document_of(config, schema, sample))


def _restored(document: Document, schema: Schema) -> Encoder:
    return Encoder(schema, document)


def sizes(config: Config) -> tuple[Any, ...]:
    """What a net takes, after its encoder."""
    return config.width, config.head, (config.hard_from, config.hard_at), config.rounds, config.activity


def _net(config: Config, encoder: Encoder) -> Any:
    from .net import Relational

    return Relational(encoder, *sizes(config))


FAMILY = Family(Config, Document, _encoder, _restored, _net)

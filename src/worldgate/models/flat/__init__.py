"""The family `flat`: a transition is a text, and a transformer goes on with it. Works for any schema; see `Config`."""

from __future__ import annotations

from typing import Any

from ...facts import Schema
from ..family import Family
from .encoder import Config, Document, FlatEncoder


def _restored(document: Document, schema: Schema) -> FlatEncoder:
    return FlatEncoder(schema, document)


def _net(config: Config, encoder: FlatEncoder) -> Any:
    from .net import FlatNet

    return FlatNet(config, encoder)


FAMILY = Family(Config, Document, FlatEncoder.of, _restored, _net)

"""The family `language`: any causal language model in a local folder goes on with a transition told as JSON.

It is shown a few examples, and decodes under the same grammar of deltas, over its own tokens. It can be used as it is
or trained on. Needs the extra `language`; nothing is fetched from anywhere.
"""

from __future__ import annotations

from typing import Any

from ...facts import Schema
from ..family import Family
from .encoder import Config, Document, LanguageEncoder


def _restored(document: Document, schema: Schema) -> LanguageEncoder:
    return LanguageEncoder(schema, document)


def _net(config: Config, encoder: LanguageEncoder) -> Any:
    from .net import LanguageNet

    return LanguageNet(config, encoder)


FAMILY = Family(Config, Document, LanguageEncoder.of, _restored, _net)

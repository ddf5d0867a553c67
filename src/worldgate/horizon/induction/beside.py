"""What rules are told beside a state and the words of an action: settings by name, stages of walks, known tables."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import NamedTuple

from .following import Ways
from .table import Words
from .told import Tables, Told
from .walks import Walks

_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Beside(NamedTuple):
    """`settings`: the relation of what a `${name}` in a word stands for; `walks`: words that lead somewhere; `known`:
    tables beside every state."""

    settings: str = ""
    walks: Walks | None = None
    known: Tables = MappingProxyType({})

    @property
    def ways(self) -> Ways | None:
        """How words are followed, where they are."""
        return self.walks.ways if self.walks else None

    def told(self, state: Told, words: Words) -> tuple[Told, Words]:
        """The state with what is known, and the words filled in, with the stages of their walks."""
        if self.known:
            state = Told(state.state, {**state.tables, **self.known})
        if self.settings:
            words = _filled(state, self.settings, words)
        return state, self.walks.stages(state, words) if self.walks else words


NOTHING = Beside()


def _filled(state: Told, settings: str, words: Words) -> Words:
    """The words with the fact of that relation in place of each `${name}`; nothing where there is no such fact."""

    def said(found: re.Match[str]) -> str:
        return str(state.get(settings, (found[1],)) or "")

    return tuple(_NAME.sub(said, word) if isinstance(word, str) and "${" in word else word for word in words)

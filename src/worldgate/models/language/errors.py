"""The numbered errors of language models, and the one way to a library of the extra `language`."""

from __future__ import annotations

from typing import Any

from ... import system
from ...facts import Error


class BadLanguageModel(Error):
    """A folder that holds no causal language model with a fast tokenizer, or another one than was trained."""

    number, title = "WG515", "not the language model wanted"


class MissingLanguage(Error):
    """A library of the extra `language` is imported when it is needed, not before."""

    number, title = "WG516", "a library of language models is not installed"


def library(name: str) -> Any:
    """The module of that name, which the extra `language` brings."""
    return system.library(name, MissingLanguage, "language")

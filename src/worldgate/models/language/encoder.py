"""Transitions as text over a language model's own tokens: a few examples, then the state, the action, the changes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import msgspec
from numpy.typing import NDArray

from ...facts import Schema, State
from ...horizon.trajectory import Step
from ...system import unreadable
from ..errors import BadTraining
from ..family import Count, Size
from ..text.batch import batch
from ..text.prompt import ordered
from ..text.question import Question, question
from .errors import BadLanguageModel, library
from .lines import line, plain

_TASK = (
    "Facts are [relation, key, value]. Changes are what the action does to them: the value after it, null for none.\n"
)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model in the folder `path`, in the form of the transformers library.

    `block`: tokens of a sequence, of which `reply` are kept for the changes. `examples`: transitions shown first, each
    with at most `facts` facts. `edits`: of a delta at most; `characters`: of a text in it. `named`: only entities of
    the state and words of the action may be named. `uncertainty`: 1 - the probability of the changes, or the mean
    entropy of their tokens, in nats.
    """

    path: str = ""
    block: Size = 1024
    reply: Size = 192
    examples: Count = 4
    facts: Count = 12
    edits: Size = 32
    characters: Size = 256
    named: bool = False
    uncertainty: Literal["wrong", "entropy"] = "wrong"


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model's folder and the SHA-256 of its tokenizer, its end-of-text token, what is shown first, the lengths."""

    path: str
    tokenizer: str
    stop: int
    shown: str
    block: int
    reply: int


class LanguageEncoder:
    """Encodes transitions of one schema for one tokenizer, read from the model's folder when it is first needed."""

    def __init__(self, schema: Schema, document: Document) -> None:
        self.schema, self._document = schema, document
        self.stop, self.reply = document.stop, document.reply
        data = _file(document.path, "tokenizer.json")
        if sha256(data).hexdigest() != document.tokenizer:
            raise BadLanguageModel(
                f"another tokenizer in {document.path}", f"that of SHA-256 {document.tokenizer[:12]}"
            )
        tokenizer = _tokenizer(data, document.path)
        self.tokens: Callable[[str], list[int]] = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
        self.text: Callable[[Sequence[int]], str] = tokenizer.decode
        self._told: Callable[[str], list[int]] = lru_cache(maxsize=1 << 14)(self.tokens)
        self._shown = tokenizer.encode("").ids + self.tokens(document.shown)

    def __reduce__(self) -> tuple[type[LanguageEncoder], tuple[Schema, Document]]:
        return LanguageEncoder, (self.schema, self._document)

    @classmethod
    def of(cls, config: Config, schema: Schema, sample: Sequence[Step]) -> LanguageEncoder:
        """The encoder that shows examples of a sample: of the outcomes that occur most often, one each."""
        asked = [question(step) for step in sample]
        usual = [outcome for outcome, _ in Counter(one.outcome for one in asked).most_common(config.examples)]
        first = {one.outcome: one for one in reversed(asked)}
        shown = _TASK + "".join(_example(first[outcome], config.facts) for outcome in usual)
        digest = sha256(_file(config.path, "tokenizer.json")).hexdigest()
        document = Document(config.path, digest, _stop(config.path), shown, config.block, config.reply)
        made = cls(schema, document)
        if config.block - config.reply < 2 * len(made._shown):
            most = max(0, (config.block - config.reply) // 2)
            do = "Raise `block`, or lower `reply`, `examples` or `facts`"
            raise BadTraining(f"config: {len(made._shown)} tokens of examples", f"at most {most}", do)
        return made

    def document(self) -> Document:
        return self._document

    def questions(self, step: Step) -> list[Question]:
        """One: what comes of it?"""
        return [question(step)]

    def prompt(self, state: State, action: Any) -> list[int]:
        """What the model is shown before the changes. Facts that do not fit are left out, as of `text.prompt`."""
        room = self._document.block - self.reply - len(self._shown)
        begin, end = self.tokens("Facts: ["), self.tokens(f"]\nAction: {plain(str(action))}\nChanges: ")[-room // 2 :]
        found: list[int] = []
        for fact in ordered(state, action):
            tokens = self._told(f",{line(fact)}" if found else line(fact))
            if len(begin) + len(found) + len(tokens) + len(end) > room:
                break
            found += tokens
        return [*self._shown, *begin, *found, *end]

    def batch(self, questions: Sequence[Question]) -> dict[str, NDArray[Any]]:
        """See `text.batch.batch`."""
        prompts = [self.prompt(asked.before, asked.action) for asked in questions]
        replies = [[*self.tokens(line(asked.net)), self.stop][: self.reply] for asked in questions]
        return batch(prompts, replies)


def _example(asked: Question, most: int) -> str:
    facts = [line(fact) for fact in ordered(asked.before, asked.action)][:most]
    return f"Facts: [{','.join(facts)}]\nAction: {plain(str(asked.action))}\nChanges: {line(asked.net)}\n"


def _tokenizer(data: bytes, path: str) -> Any:
    made = library("tokenizers").Tokenizer
    try:
        return made.from_buffer(data)
    except Exception as error:  # of no narrower kind
        raise BadLanguageModel(f"{path}/tokenizer.json: {error!s:.160}", "a tokenizer") from error


def _stop(path: str) -> int:
    """The token that ends a text, as the model's own configuration says."""
    try:
        stop = json.loads(_file(path, "config.json")).get("eos_token_id")
    except (ValueError, AttributeError) as error:
        raise BadLanguageModel(f"{path}/config.json: {error}", "a model's configuration") from error
    stop = stop[0] if isinstance(stop, list) and stop else stop
    if type(stop) is not int:
        raise BadLanguageModel(f"eos_token_id {stop!r} in {path}", "the number of a token")
    return stop


def _file(path: str, name: str) -> bytes:
    file = Path(path) / name
    try:
        if not path:
            raise BadLanguageModel("a config without `path`", "the folder of a model", "Name it in `path`")
        return file.read_bytes()
    except OSError as error:
        do = "It is named by `path`, from the directory that the command runs in"
        raise BadLanguageModel(unreadable(file, error), f"a folder with {name}", do) from error

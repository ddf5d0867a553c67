"""Facts, edits and actions of any schema as numbers, and back.

A vocabulary is a few marks, the 256 bytes, the relations, and words: truth values and choices of the schema, and what
occurs in a sample of transitions: ids of entities, texts, words of actions and pieces of them. A ref or text that is a
word is one token; any other is spelled between two marks in words and bytes, so nothing is inexpressible. A number is
its digits and a closing mark. A fact is its relation, its key and its value, without separators: the schema says how
many columns there are and of what type.

An edit says its new value only: what stood before is in the state. Of a relation in `relative`, whose numbers change
by fewer steps than they take values, it says the difference.

Not covered: a text whose surrogate escapes together are valid UTF-8 comes back as the character they spell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from ...facts import Address, Delta, Fact, Schema, State, Type, Value, references
from ...facts.codec import format_decimal
from ...horizon.trajectory import Step

PAD, START, STOP, FACTS, DELTA, CUT, OPEN, CLOSE, ABSENT = range(9)
"""Marks. CUT stands where facts of a state were left out."""
BYTE = 9
"""The token of byte 0."""
SEEN = 2
"""How often a text or a word of an action occurs in a sample to become a word; an id does it the first time."""

_PIECE = re.compile(r"[A-Za-z0-9]+|.", re.DOTALL)
_TRUTH = {False: "false", True: "true"}


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a vocabulary has beyond the schema: ids by kind of entity, texts, other words, and `relative`."""

    ids: dict[str, tuple[str, ...]]
    texts: tuple[str, ...]
    others: tuple[str, ...]
    relative: tuple[str, ...]


class Vocabulary:
    """The tokens of a schema with these words."""

    def __init__(self, schema: Schema, words: Words) -> None:
        self.schema, self.words = schema, words
        types = [type_ for relation in schema.relations.values() for _, type_ in relation.columns]
        said = {choice for type_ in types for choice in type_.choices} | set(_TRUTH.values())
        every = sorted(said.union(words.texts, words.others, *words.ids.values()))
        first = BYTE + 256
        self.relations = {name: first + at for at, name in enumerate(schema.relations)}
        self.word = {word: first + len(self.relations) + at for at, word in enumerate(every)}
        self.size = first + len(self.relations) + len(every)
        self.spelling = {token: word.encode("utf-8", "surrogateescape") for word, token in self.word.items()}
        self.spelling |= {BYTE + byte: bytes([byte]) for byte in range(256)}
        self.whole = {kind: frozenset(ids) for kind, ids in words.ids.items()} | {"": frozenset(words.texts)}
        self.relative = frozenset(words.relative)
        longest = sorted(filter(None, every), key=lambda word: (-len(word), word))
        self._split = re.compile("|".join((*map(re.escape, longest), ".")), re.DOTALL).findall
        self._known: Callable[[Fact], tuple[int, ...]] = lru_cache(maxsize=1 << 15)(self._fact)

    def __reduce__(self) -> tuple[type[Vocabulary], tuple[Schema, Words]]:
        return Vocabulary, (self.schema, self.words)

    def fact(self, fact: Fact) -> tuple[int, ...]:
        """Its relation, key and value; None stands for absence."""
        return self._known(fact)

    def _fact(self, fact: Fact) -> tuple[int, ...]:
        name, key, value = fact
        declared = self.schema.relation(name)
        parts = [self._value(type_, part) for (_, type_), part in zip(declared.key, key, strict=True)]
        return (self.relations[name], *(token for part in parts for token in part), *self._value(declared.value, value))

    def delta(self, state: State, delta: Delta) -> list[int]:
        """The edits of a delta that applies to `state`, and STOP."""
        now: dict[Address, Value | None] = {}
        found: list[int] = []
        for name, key, _, after in delta:
            before = now[name, key] if (name, key) in now else state.get(name, key)
            now[name, key] = after
            if name in self.relative and before is not None and after is not None:
                found += (*self.fact((name, key, None))[:-1], *_digits(after - before))  # type: ignore[operator]
            else:
                found += self.fact((name, key, after))
        return [*found, STOP]

    def action(self, text: str) -> list[int]:
        """The words of an action's text, as spaces part them."""
        return [token for word in text.split(" ") for token in self._word(word, self.word)]

    def _value(self, type_: Type, value: Value | None) -> list[int]:
        if value is None:
            return [ABSENT]
        if type_.fields:
            parts = zip(type_.fields, value, strict=True)  # type: ignore[arg-type]
            return [token for (_, field), part in parts for token in self._value(field, part)]
        if isinstance(value, bool):
            return [self.word[_TRUTH[value]]]
        if isinstance(value, str):
            return self._word(value, type_.choices or self.whole.get(type_.entity, ()))
        if isinstance(value, bytes):
            return [OPEN, *(BYTE + byte for byte in value), CLOSE]
        return _digits(value)

    def _word(self, text: str, whole: Container[str]) -> list[int]:
        """One token where the text is among `whole`, else its spelling, longest words first."""
        if text in whole:
            return [self.word[text]]
        found = [OPEN]
        for piece in self._split(text):
            token = self.word.get(piece)
            found += [BYTE + byte for byte in piece.encode("utf-8", "surrogateescape")] if token is None else [token]
        return [*found, CLOSE]


def words_of(schema: Schema, sample: Iterable[Step], most: int = 1024) -> Words:
    """The words of a sample of transitions: of each kind the `most` that occur most often."""
    refs = references(schema)
    ids: dict[str, Counter[str]] = {kind: Counter() for kind in refs.kinds}
    texts: Counter[str] = Counter()
    others: Counter[str] = Counter()
    numbers: dict[str, tuple[set[Any], set[Any]]] = {}
    for step in sample:
        rows = [*step.before.facts(), *((name, key, after) for name, key, _, after in step.delta if after is not None)]
        for row in rows:
            for kind, name in refs.of(row):
                ids[kind][name] += 1
            texts.update(_texts(schema, row))
        others.update(str(step.action).split(" "))
        for (name, _), (before, after) in step.net.items():
            if type(before) is int and type(after) is int:
                values, steps = numbers.setdefault(name, (set(), set()))
                values.add(after)
                steps.add(after - before)
    seen = [*texts, *others, *(name for found in ids.values() for name in found)]
    pieces = Counter(piece for text in seen for piece in _PIECE.findall(text) if len(piece) > 1)
    return Words(
        {kind: _most(found, most, 1) for kind, found in ids.items()},
        _most(texts, most, SEEN),
        tuple(sorted({*_most(others, most, SEEN), *_most(pieces, most, SEEN)})),
        tuple(sorted(name for name, (values, steps) in numbers.items() if len(steps) < len(values))),
    )


def _most(found: Counter[str], most: int, seen: int) -> tuple[str, ...]:
    """The most frequent ones that can stand in JSON, sorted."""
    fit = [text for text, count in found.items() if count >= seen and text.isprintable()]
    return tuple(sorted(sorted(fit, key=lambda text: (-found[text], text))[:most]))


def _texts(schema: Schema, fact: Fact) -> Iterator[str]:
    name, key, value = fact
    declared = schema.relations[name]
    parts = zip(declared.columns, declared.row(key, value), strict=True)
    return (str(part) for (_, type_), part in parts if type_.kind == "text")


def _digits(value: Any) -> list[int]:
    text = format_decimal(value) if isinstance(value, Decimal) else str(value)
    return [*(BYTE + byte for byte in text.encode()), CLOSE]

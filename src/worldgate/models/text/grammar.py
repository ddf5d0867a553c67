"""The grammar of deltas, derived from a schema: which tokens may come next, and what was said so far.

A cursor is a deterministic automaton over a vocabulary. It says which tokens may follow, takes one, and collects the
edits; that which says what is allowed also reads it, so the two cannot disagree. Whatever is chosen among the allowed
tokens, every edit fits the schema: relation, columns by type, bounds of numbers, value or absence. A delta ends with
STOP, which is forced after `most_edits`; spellings are closed after `most_pieces`, as soon as they may be.

With `named`, refs are limited to those entities, known to the vocabulary or spelled. Not covered: an edit may be said
twice or change nothing, and constraints that a schema cannot express are the world's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...facts import Address, Delta, Edit, State, Type, Undecodable, Value, entities_of, references
from ...horizon.induction.reading import read
from .digits import following
from .tokens import ABSENT, BYTE, CLOSE, OPEN, STOP, Vocabulary

Ids: TypeAlias = NDArray[np.int64]
Reading: TypeAlias = Generator[Ids, int, Any]
Named: TypeAlias = Mapping[str, frozenset[str]]
"""Ids by kind of entity."""


class Caps(NamedTuple):
    """What ends a delta: edits in it, and tokens of one spelling. None: nothing, for reading what was written."""

    edits: int | None = 64
    pieces: int | None = 64


USUAL = Caps()


class Grammar:
    """What the cursors of one vocabulary share: the tokens allowed in each place, worked out once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        word, whole = vocabulary.word, vocabulary.whole
        self.relation = {token: name for name, token in vocabulary.relations.items()}
        self.text = {token: text for text, token in word.items()}
        self.stop = _ids([STOP])
        self.starts = _ids([STOP, *self.relation])
        self.truth = _ids([word["false"], word["true"]])
        self.bytes = _ids([CLOSE, *range(BYTE, BYTE + 256)])
        self.pieces = _ids([CLOSE, *(token for token, spelling in vocabulary.spelling.items() if spelling)])
        self.whole = {kind: _ids([OPEN, *(word[text] for text in texts)]) for kind, texts in whole.items()}
        self.tokens = {spelling: token for token, spelling in vocabulary.spelling.items() if token >= BYTE + 256}
        self._choices: dict[tuple[str, ...], Ids] = {}
        self.longest = max(map(len, self.tokens))

    def choices(self, texts: tuple[str, ...]) -> Ids:
        """The words of an enum."""
        if texts not in self._choices:
            self._choices[texts] = _ids(self.vocabulary.word[text] for text in texts)
        return self._choices[texts]

    def towards(self, left: Sequence[bytes]) -> Ids:
        """The tokens that lead on to one of these: words and bytes with which it begins, CLOSE for an empty one."""
        found = {CLOSE for rest in left if not rest}
        for rest in left:
            found.update(BYTE + byte for byte in rest[:1])
            begun = (rest[:length] for length in range(1, min(len(rest), self.longest) + 1))
            found.update(self.tokens[part] for part in begun if part in self.tokens)
        return _ids(found)

    def cursor(self, state: State, *, caps: Caps = USUAL, named: Named | None = None) -> Cursor:
        """A cursor at the beginning of a delta that is to apply to `state`."""
        return Cursor(self, state, caps, named)

    def read(self, state: State, tokens: Iterable[int]) -> Delta:
        """The delta that these tokens say of `state`; `Undecodable` with the position where they are none."""
        cursor, at = self.cursor(state, caps=Caps(None, None)), -1
        for at, token in enumerate(tokens):
            if cursor.allowed is None or token not in cursor.allowed:
                raise Undecodable(f"token {token}", "one that may follow", position=at)
            cursor.push(token)
        if cursor.allowed is not None:
            raise Undecodable("an end", "one more token", position=at + 1)
        return tuple(cursor.edits)


class Cursor:
    """A place in a delta. `allowed` are the tokens that may follow (None: it has ended), `edits` the ones said."""

    def __init__(self, grammar: Grammar, state: State, caps: Caps, named: Named | None) -> None:
        self.edits: list[Edit] = []
        self._grammar, self._state, self._caps, self._named = grammar, state, caps, named
        self._now: dict[Address, Value | None] = {}
        self._reading = self._delta()
        self.allowed: Ids | None = next(self._reading)

    def push(self, token: int) -> None:
        """Take one of the allowed tokens."""
        try:
            self.allowed = self._reading.send(token)
        except StopIteration:
            self.allowed = None

    def _delta(self) -> Reading:
        grammar, starts, most = self._grammar, self._starts(), self._caps.edits
        while most is None or len(self.edits) < most:
            token = yield starts
            if token == STOP:
                return
            yield from self._edit(grammar.relation[token])
        yield grammar.stop

    def _starts(self) -> Ids:
        """Relations whose key can be named, and STOP."""
        grammar = self._grammar
        if self._named is None:
            return grammar.starts
        table = grammar.vocabulary.schema.relations
        fit = [
            token
            for token, name in grammar.relation.items()
            if all(self._nameable(type_) for _, type_ in table[name].key)
        ]
        return _ids([STOP, *fit])

    def _edit(self, name: str) -> Reading:
        declared = self._grammar.vocabulary.schema.relations[name]
        key = []
        for _, column in declared.key:
            key.append((yield from self._value(column)))
        address = (name, tuple(key))
        before = self._now[address] if address in self._now else self._state.get(*address)
        shift = before if name in self._grammar.vocabulary.relative and before is not None else None
        after = yield from self._perhaps(declared.value, shift)
        self._now[address] = after
        self.edits.append(Edit(*address, before, after))

    def _perhaps(self, type_: Type, shift: Any) -> Reading:
        """A value, or absence in place of its first token. `shift` is what a number is said as the difference from."""
        if not self._nameable(type_):
            yield _ABSENT
            return None
        reading = self._value(type_) if shift is None else self._number(type_, shift)
        token = yield np.concatenate((next(reading), _ABSENT))
        if token == ABSENT:
            return None
        try:
            while True:
                token = yield reading.send(token)
        except StopIteration as ended:
            return ended.value

    def _value(self, type_: Type) -> Reading:
        grammar = self._grammar
        if type_.fields:
            parts = []
            for _, field in type_.fields:
                parts.append((yield from self._value(field)))
            return type_.python(*parts)
        if type_.kind == "bool":
            return grammar.text[(yield grammar.truth)] == "true"
        if type_.kind in ("int", "decimal"):
            return (yield from self._number(type_, 0))
        if type_.kind == "bytes":
            yield _OPEN
            return (yield from self._spelling(grammar.bytes))
        if type_.choices:
            return grammar.text[(yield grammar.choices(type_.choices))]
        if type_.entity and self._named is not None:
            return (yield from self._one_of(type_.entity, self._named.get(type_.entity, frozenset())))
        token = yield grammar.whole.get(type_.entity, _OPEN)
        if token != OPEN:
            return grammar.text[token]
        return (yield from self._spelling(grammar.pieces)).decode("utf-8", "surrogateescape")

    def _spelling(self, allowed: Ids) -> Reading:
        found: list[bytes] = []
        while (token := (yield _CLOSE if self._full(found) else allowed)) != CLOSE:
            found.append(self._grammar.vocabulary.spelling[token])
        return b"".join(found)

    def _one_of(self, kind: str, names: frozenset[str]) -> Reading:
        """One of these ids: as a word, else spelled along the ids that are no words."""
        vocabulary = self._grammar.vocabulary
        words = names & vocabulary.whole.get(kind, frozenset())
        left = sorted(name.encode("utf-8", "surrogateescape") for name in names - words)
        token = yield _ids([*(vocabulary.word[name] for name in words), *([OPEN] if left else [])])
        if token != OPEN:
            return self._grammar.text[token]
        found = b""
        while (token := (yield self._grammar.towards(left))) != CLOSE:
            piece = vocabulary.spelling[token]
            found += piece
            left = [rest[len(piece) :] for rest in left if rest.startswith(piece)]
        return found.decode("utf-8", "surrogateescape")

    def _number(self, type_: Type, shift: Any) -> Reading:
        low, high = (None if bound is None else bound - shift for bound in (type_.low, type_.high))
        text = ""
        while True:
            after = following(text, low, high, type_.kind == "decimal")
            token = yield _CLOSE if ";" in after and self._full(text) else _characters(after)
            if token == CLOSE:
                break
            text += chr(token - BYTE)
        if type_.kind == "int":
            return int(text) + shift
        return Decimal(text) if Decimal(text) else Decimal(0)

    def _full(self, found: Sequence[Any]) -> bool:
        return self._caps.pieces is not None and len(found) >= self._caps.pieces

    def _nameable(self, type_: Type) -> bool:
        """Whether there is an id for every ref in it."""
        named = self._named
        return named is None or all(named.get(one.entity) for _, one in type_.parts if one.entity)


def nameable(state: State, action: Any) -> Named:
    """The entities that facts of the state refer to; and each word of the action, as an id of any kind."""
    words = frozenset(read(action).words)
    found = {kind: set(words) for kind in references(state.schema).kinds}
    for kind, name in entities_of(state):
        found[kind].add(name)
    return {kind: frozenset(names) for kind, names in found.items()}


def _ids(tokens: Iterable[int]) -> Ids:
    return np.array(sorted(tokens), dtype=np.int64)


@cache
def _characters(after: str) -> Ids:
    """The tokens of characters that may follow in a number."""
    return _ids(CLOSE if one == ";" else BYTE + ord(one) for one in after)


_OPEN, _CLOSE, _ABSENT = _ids([OPEN]), _ids([CLOSE]), _ids([ABSENT])

"""Texts: put together, measured, and named by their digests.

A schema may say which function of a text an id is (`format` of its type, "sha256"). Then a rule may say which id a text
has, and what a text says of which only the id is known: texts seen or made in transitions, and these with one or two
more lines. No text is found out in any other way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from ...facts import INT, TEXT, Key, Relation, Schema, Type
from .study import Seen
from .table import Table, Term
from .terms import named
from .told import Tables

LINE = "\n"
MOST_TEXTS = 4_000
"""Texts that are remembered."""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


DIGESTS: Mapping[str, Callable[[str], str]] = {"sha256": lambda text: sha256(_bytes(text)).hexdigest()}


@dataclass(frozen=True, eq=False)
class Joined:
    """Texts, one after the other; absent where one of them is."""

    parts: tuple[Term, ...]
    type: Type = TEXT

    @cached_property
    def cost(self) -> float:
        return 1.0 + sum(part.cost for part in self.parts)

    def column(self, table: Table) -> list[Any]:
        if not self.parts:
            return [""] * len(table.rows)
        rows = zip(*map(table.column, self.parts), strict=True)
        return [None if None in row else "".join(row) for row in rows]

    def __str__(self) -> str:
        return " & ".join(map(str, self.parts)) or '""'


@dataclass(frozen=True, eq=False)
class Length:
    """How many bytes a text has."""

    of: Term
    type: Type = INT

    @property
    def cost(self) -> float:
        return 0.5 + self.of.cost

    def column(self, table: Table) -> list[Any]:
        return [None if text is None else len(_bytes(text)) for text in table.column(self.of)]

    def __str__(self) -> str:
        return f"length of ({self.of})"


@dataclass(frozen=True, eq=False)
class Digest:
    """The id of a text."""

    of: Term
    function: str
    type: Type

    @property
    def cost(self) -> float:
        return 0.5 + self.of.cost

    def column(self, table: Table) -> list[Any]:
        made = DIGESTS[self.function]
        return [None if text is None else made(text) for text in table.column(self.of)]

    def __str__(self) -> str:
        return f"{self.function} of ({self.of})"


@dataclass(frozen=True, eq=False)
class Listed:
    """The texts in the keys of a relation at a thing, in order, but those that begin with `hidden`, each followed by
    `between`; the last one by `end`. Nothing where there is none."""

    relation: str
    at: Term
    between: str
    end: str
    hidden: str
    type: Type = TEXT
    cost: float = 2.0

    def column(self, table: Table) -> list[Any]:
        places = zip(table.rows, table.column(self.at), strict=True)
        of = self.relation
        return [None if at is None else self._of(named(table, row.state, of).get(at, ())) for row, at in places]

    def _of(self, names: Sequence[str]) -> str:
        shown = [name for name in names if not self.hidden or not name.startswith(self.hidden)]
        return self.between.join(shown) + self.end if shown else ""

    def __str__(self) -> str:
        return f"names of {self.relation}({self.at})"


def digests(schema: Schema) -> dict[str, str]:
    """For each kind of thing whose ids are digests of texts, the function."""
    values = (relation.value for relation in schema.relations.values())
    return {value.entity: value.format for value in values if value.entity and value.format in DIGESTS}


def table_of(entity: str) -> str:
    """The relation of what the texts say of which these are the digests."""
    return f"text_of_{entity}"


def with_texts(schema: Schema, named: Mapping[str, str]) -> Schema:
    """The schema and what texts say."""
    texts = [Relation(table_of(one), ((one, Type("ref", entity=one)),), TEXT) for one in named]
    return Schema(schema.name, schema.version, [*texts, *schema.relations.values()]) if texts else schema


def known_texts(functions: Mapping[str, str], schema: Schema, seen: Sequence[Seen]) -> Tables:
    """What the texts say of which there are digests, as far as it was seen or follows from what was added to others."""
    every = functions.items()
    return {table_of(entity): _known(DIGESTS[name], entity, schema, seen) for entity, name in every}


def _known(made: Callable[[str], str], entity: str, schema: Schema, seen: Sequence[Seen]) -> dict[Key, str]:
    holds = {name for name, one in schema.relations.items() if one.value.entity == entity}
    edits = [(one, edit) for one in seen for edit in one.delta]
    wanted = [str(value) for _, edit in edits if edit.relation in holds for value in (edit.before, edit.after)]
    said = [""]
    for one in seen:
        said += [word for word in one.words if isinstance(word, str)]
    for _, edit in edits:
        after = edit.after if isinstance(edit.after, tuple) else (edit.after,)
        said += [text for text in after if isinstance(text, str)]
    known = {made(text): text for one in dict.fromkeys(said) for text in (one, one + LINE)}
    found = {name: known[name] for name in wanted if name in known}
    lines = [text for text in found.values() if text.find(LINE) == len(text) - 1]
    found[made("")] = ""
    for _ in range(2):
        for text in [before + line for before in found.values() for line in lines]:
            if len(found) < MOST_TEXTS:
                found.setdefault(made(text), text)
    return {(name,): text for name, text in found.items()}

"""Whether there is some fact about a thing, of which conditions hold: found from examples.

Which facts are about a thing follows from the schema: a column of their key is of its kind. Besides, another column, a
text of their value or a part of a text that has a format may be a text that the example names. Conditions are asked of
such facts and of those of relations of which it is known what they become, that they change above all; of others only
that there is one. They are added one at a time while examples are told apart better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...facts import BOOL, TEXT, Relation, Type
from .formats import FORMATS, parts
from .language import Language
from .literals import Is, Literal, Same, rows_of
from .reading import broad
from .study import Study
from .table import Row, Table, Term, facts_table, located
from .terms import Held, Part
from .told import NEW
from .tree import Candidate, Labels, saved

MOST_CONDITIONS = 3
MOST_TEXTS = 8
"""Texts of an example that facts are looked for by."""


@dataclass(frozen=True, eq=False)
class Portion:
    """A part of a text that has a format; none of any other text."""

    of: Term
    format: str
    index: int
    type: Type = TEXT

    @property
    def cost(self) -> float:
        return 0.5 + self.of.cost

    def column(self, table: Table) -> list[Any]:
        texts = table.column(self.of)
        return [None if text is None else parts(self.format, text)[self.index] for text in texts]

    def __str__(self) -> str:
        return f"{FORMATS[self.format].parts[self.index][0]} of {self.of}"


@dataclass(frozen=True, eq=False)
class Some:
    """Whether there is a fact of a relation whose `joins` are what `keys` are here, and all of `true` and none of
    `false` hold of it."""

    relation: str
    joins: tuple[Term, ...]
    keys: tuple[Term, ...]
    true: tuple[Literal, ...] = ()
    false: tuple[Literal, ...] = ()
    type: Type = BOOL

    @property
    def cost(self) -> float:
        return 1.0 + len(self.keys) + sum(1.0 + literal.cost for literal in (*self.true, *self.false))

    def column(self, table: Table) -> list[Any]:
        facts = facts_table(table, self.relation)
        bits = (1 << len(facts.rows)) - 1
        for literal in self.true:
            bits &= literal.bits(facts)
        for literal in self.false:
            bits &= ~literal.bits(facts)
        joined = located(facts, self.joins)
        found = {joined[row] for row in rows_of(bits, len(facts.rows))}
        return [None not in place[1] and place in found for place in located(table, self.keys)]

    def __str__(self) -> str:
        pairs = " and ".join(f"{join} = {key}" for join, key in zip(self.joins, self.keys, strict=True))
        conditions = [one.said(True) for one in self.true] + [one.said(False) for one in self.false]
        return f"some {self.relation} with {' and '.join([pairs, *conditions])}"


def some_such(study: Study, labels: Labels, rows: int) -> list[Candidate]:
    """Of each relation, and of what its facts are about, the question that tells these rows apart best, if any does."""
    table, few = study.thinned(labels, rows)
    found: list[Candidate] = []
    for start in _starts(study):
        best = _Search(study, table, few, start).best()
        if best is not None:
            literal = Is(best, True)
            found.append((literal, literal.bits(study.table)))
    return found


def _starts(study: Study) -> Iterator[Some]:
    """Of relations with a column that things of a kind stand in, questions without conditions."""
    language = study.language
    things = [*language.variables, *(term for term in language.own if term.type.entity)]
    texts = [term for term in [*language.variables, *language.direct] if term.type.kind == "text"]
    named = [term for term in texts if not isinstance(term, Held) and study.table.present(term)][:MOST_TEXTS]
    for relation in language.schema.relations.values():
        own = [Part(column, name, broad(type_)) for column, (name, type_) in enumerate(relation.key)]
        for part in own if len(own) > 1 else ():
            for thing in language.of_type(things, part.type) if part.type.entity else ():
                yield Some(relation.name, (part,), (thing,))
                for text in _texts(language, relation, own):
                    yield from (Some(relation.name, (part, text), (thing, name)) for name in named)


def _texts(language: Language, relation: Relation, own: Sequence[Part]) -> Iterator[Term]:
    """The texts that a fact has, and parts of these."""
    held = Held(relation.name, tuple(own), broad(relation.value))
    fields = language.fields(held)
    terms: list[Term] = [*own, *fields]
    for term, (_, type_) in zip(terms, relation.columns, strict=False):  # without records there are no fields
        if type_.kind == "text":
            yield term
            portions = FORMATS[type_.format].parts if type_.format in FORMATS else ()
            yield from (Portion(term, type_.format, index) for index in range(len(portions)))


class _Search:
    """The search for conditions on the facts of a relation."""

    def __init__(self, study: Study, table: Table, labels: Labels, start: Some) -> None:
        self.table, self.labels, self.start = table, labels, start
        self.every = (1 << len(table.rows)) - 1
        here: dict[Any, int] = {}
        for number, place in enumerate(located(table, start.keys), 1):
            if None not in place[1]:
                here[place] = here.get(place, 0) | 1 << (len(table.rows) - number)
        facts = facts_table(table, start.relation)
        about = zip(facts.rows, located(facts, start.joins), strict=True)
        belong = [(row, here[place]) for row, place in about if place in here]
        self.of = [bits for _, bits in belong]
        self.candidates = self._candidates(study, [row for row, _ in belong])

    def _candidates(self, study: Study, rows: list[Row]) -> list[Candidate]:
        """Conditions and the facts of which they hold."""
        known, name = study.language.schema.relations, self.start.relation.removeprefix(NEW)
        changes = f"{NEW}{name}" in known
        if not rows or not (changes or len(self.start.keys) > 1):
            return []
        relation = known[self.start.relation]
        facts = Study(study.language.of_each(relation), Table(rows))
        if not changes:
            return facts.candidates(1)
        new, old = (Held(one, facts.language.parts, broad(relation.value)) for one in (f"{NEW}{name}", name))
        kept = Same(new, old)
        return [(kept, kept.bits(facts.table)), *facts.candidates(1)]

    def _bits(self, facts: int) -> int:
        """The examples that one of these facts belongs to."""
        found = 0
        for row in rows_of(facts, len(self.of)):
            found |= self.of[row]
        return found

    def _worth(self, one: Some, facts: int) -> float:
        return saved(self.labels, self._bits(facts), self.every) - one.cost

    def best(self) -> Some | None:
        """The question that saves most bits; None if none saves any."""
        best, facts = self.start, (1 << len(self.of)) - 1
        most = self._worth(best, facts) if self.of else 0.0
        for _ in range(MOST_CONDITIONS if most > -best.cost or len(best.keys) == 1 else 0):
            chosen = None
            for literal, bits in self.candidates:
                for left in (facts & bits, facts & ~bits):
                    if left and left != facts:
                        true, false = ((literal,), ()) if left & bits else ((), (literal,))
                        more = replace(best, true=(*best.true, *true), false=(*best.false, *false))
                        gain = self._worth(more, left)
                        if gain > most:
                            chosen, most = (more, left), gain
            if chosen is None:
                break
            best, facts = chosen
        return best if most > 0 else None


__all__ = ["Portion", "Some", "some_such"]

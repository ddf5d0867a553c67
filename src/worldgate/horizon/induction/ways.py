"""Ways: paths from one thing to another through things of which something holds, found from examples.

A path of `terms.Path` passes where one truth value says so, at its ends too. On a way conditions are on the things
between its ends alone, and there may be several: that a thing stands in a column of some fact of a relation (that is
not false), or that it does in none. Which conditions tell examples apart is searched for greedily. Facts are followed
in both directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from ...facts import BOOL, State, Type, Value
from .literals import Is
from .study import Study
from .table import Table, Term, facts_of, key_column
from .told import NEW, Told
from .tree import Candidate, Labels, saved

MOST_CONDITIONS = 3


@dataclass(frozen=True)
class Between:
    """A condition on the things between: in a column of a relation's facts, or (`holds` false) in none."""

    relation: str
    column: int
    holds: bool

    def __str__(self) -> str:
        return f"{'' if self.holds else 'no '}{self.relation}.{self.column}"


@dataclass(frozen=True, eq=False)
class Way:
    """Whether facts of a relation, each in either direction, lead from one of some things to another (a thing leads to
    itself) through things of which all conditions hold."""

    relation: str
    lefts: tuple[Term, ...]
    right: Term
    between: tuple[Between, ...] = ()
    type: Type = BOOL

    @property
    def cost(self) -> float:
        return 3.0 + len(self.between)

    def column(self, table: Table) -> list[Any]:
        ends = zip(table.rows, key_column(table, self.lefts), table.column(self.right), strict=True)
        return [
            any(right in self._reached(table, row.state, left) for left in lefts if left is not None)
            for row, lefts, right in ends
        ]

    def _reached(self, table: Table, state: State | Told, start: Value) -> set[Value]:
        def near() -> Mapping[Value, list[Value]]:
            found: dict[Value, list[Value]] = {}
            for (one, other), holds in facts_of(state, self.relation):
                if holds is not False:
                    found.setdefault(one, []).append(other)
                    found.setdefault(other, []).append(one)
            return found

        def reach() -> set[Value]:
            conditions = [(_things(table, state, one), one.holds) for one in self.between]
            next_of = table.derived(state, ("near", self.relation), near)
            seen, todo = {start}, [start]
            while todo:
                for thing in next_of.get(todo.pop(), ()):
                    if thing not in seen:
                        seen.add(thing)
                        if all((thing in things) is holds for things, holds in conditions):
                            todo.append(thing)
            return seen

        return table.derived(state, ("way", self.relation, self.between, start), reach)

    def __str__(self) -> str:
        through = f" through {', '.join(map(str, self.between))}" if self.between else ""
        return f"way {self.relation}({'|'.join(map(str, self.lefts))}~{self.right}){through}"


def _things(table: Table, state: State | Told, condition: Between) -> frozenset[Value]:
    """The things that stand in that column of facts that are not false."""

    def make() -> frozenset[Value]:
        facts = facts_of(state, condition.relation)
        return frozenset(key[condition.column] for key, value in facts if value is not False)

    return table.derived(state, ("things", condition.relation, condition.column), make)


def ways(study: Study, labels: Labels, rows: int) -> list[Candidate]:
    """Of each two things a way between them, the one that tells these rows apart best, if any does."""
    table, few = study.thinned(labels, rows)
    found: list[Candidate] = []
    for start in _starts(study):
        way = _best(study, table, few, start)
        if way is not None:
            literal = Is(way, True)
            found.append((literal, literal.bits(study.table)))
    return found


def _starts(study: Study) -> Iterator[Way]:
    """Of relations of two things of a kind, the ways between variables that nothing is asked of; also those from all of
    them to the last one, as an action may say two things without an order."""
    language = study.language
    for relation in language.schema.relations.values() if language.with_paths else ():
        entities = {type_.entity for _, type_ in relation.key}
        if len(relation.key) == 2 and len(entities) == 1 and entities != {""} and not relation.name.startswith(NEW):
            things = language.of_type(language.variables, relation.key[0][1])
            yield from (Way(relation.name, (one,), other) for one, other in combinations(things, 2))
            if len(things) > 2:
                yield Way(relation.name, tuple(things[:-1]), things[-1])


def _best(study: Study, table: Table, labels: Labels, way: Way) -> Way | None:
    """The way with the conditions that save most bits, added one at a time; None if it saves none."""
    every = (1 << len(table.rows)) - 1

    def worth(one: Way) -> float:
        return saved(labels, Is(one, True).bits(table), every) - one.cost

    best, most = way, worth(way)
    for _ in range(MOST_CONDITIONS):
        options = [(worth(more), more) for more in _narrower(study, best)]
        gain, more = max(options, key=lambda option: option[0], default=(0.0, best))
        if gain <= most:
            break
        best, most = more, gain
    return best if most > 0 else None


def _narrower(study: Study, way: Way) -> Iterator[Way]:
    """The way with one condition more."""
    relations = study.language.schema.relations
    entity = relations[way.relation].key[0][1].entity
    for relation in relations.values():
        if relation.name != way.relation and not relation.name.startswith(NEW):
            for column, (_, type_) in enumerate(relation.key):
                if type_.entity == entity:
                    for holds in (True, False):
                        yield replace(way, between=(*way.between, Between(relation.name, column, holds)))


__all__ = ["Between", "Way", "ways"]

"""Sums over facts that belong to one: of each order of a position, of each position of a book.

What is added up is an expression of one fact. It is learned where just one fact belongs to the one looked at, as any
other value is (see `goals`), and added over all that belong to it. Which facts belong to which follows from the schema:
for each column of the key there is a column, a field, or a field of a fact at these, of the same kind of thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...facts import INT, Relation, Schema, Type
from .arithmetic import Total
from .goals import Goal, settle
from .language import Language
from .literals import rows_of
from .reading import broad
from .study import Study
from .table import Table, Term, facts_table, located, packed, spaced
from .terms import Constant
from .told import NEW

MOST_ROWS = 2_000
"""Facts, each the only one that belongs to another, that an expression is learned from."""
ZERO = Constant(0, INT)
DOUBTFUL = 20
"""An expression that is wrong for more than one in so many of these is not tried."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """The sum of `amount` over the facts of a relation whose `joins` are what `keys` are here."""

    relation: str
    joins: tuple[Term, ...]
    keys: tuple[Term, ...]
    amount: Term
    type: Type = INT
    cost: float = 4.0

    def column(self, table: Table) -> list[Any]:
        facts = facts_table(table, self.relation)
        sums: dict[Any, int] = {}
        for key, amount in zip(located(facts, self.joins), facts.filled(self.amount), strict=True):
            sums[key] = sums.get(key, 0) + amount
        return [sums.get(key, 0) for key in located(table, self.keys)]

    def __str__(self) -> str:
        return f"sum {self.amount} of {self.relation}({', '.join(map(str, self.joins))})"


def gather(study: Study, relation: Relation, goals: Sequence[Goal]) -> None:
    """Propose sums for goals, the keys of whose facts are those of that relation, that are not explained."""
    done: set[Goal] = set()
    for of in _relations(study.language, relation):
        left = [goal for goal in goals if goal.wrong and goal.type.kind == "int" and goal not in done]
        language = study.language.of_each(of)
        joins = _joins(language, of, [type_ for _, type_ in relation.key]) if left else None
        if joins is not None:
            done.update(_gathered(study, language, of, joins, left))


def _relations(language: Language, relation: Relation) -> Iterator[Relation]:
    """What may be added up: relations of which the new facts are not known, and the new facts of the others."""
    known = language.schema.relations
    for one in known.values():
        if one.key and f"{NEW}{one.name}" not in known and one.name != relation.name:
            yield one


def _joins(language: Language, of: Relation, wanted: Sequence[Type]) -> tuple[Term, ...] | None:
    """For each column of a key, what is of its type in a fact of that relation, the nearest first; None if nothing."""
    near = language.nearest(of)
    found = tuple(near[type_] for type_ in map(broad, wanted) if type_ in near)
    same = len(found) == len(of.key) and all(term in language.parts for term in found)
    return found if len(found) == len(wanted) and not same else None


def _gathered(
    study: Study, language: Language, of: Relation, joins: tuple[Term, ...], goals: Sequence[Goal]
) -> Iterator[Goal]:
    """Propose sums over these facts; the goals for which they are right wherever there is one are told."""
    keys = study.language.parts
    facts = facts_table(study.table, of.name)
    belong, here = located(facts, joins), located(study.table, keys)
    count = Counter(belong)
    at = {address: number for number, address in enumerate(here)}
    alone = [(row, at[key]) for row, key in zip(facts.rows, belong, strict=True) if count[key] == 1 and key in at]
    if not alone or max(count.values()) < 2:
        return
    alone = spaced(alone, MOST_ROWS)
    none = packed(not count[address] for address in here)
    left = [(goal, base) for goal in goals if (base := _base(study, goal, none)) is not None]
    for known in (itself(language, of), language):
        single = Study(known, Table([row for row, _ in alone]))
        parts = []
        for goal, base in left:
            before = study.table.filled(base)
            change = [(goal.after[number] or 0) - before[number] for _, number in alone]
            parts.append(Goal(f"{goal.name} of one", INT, Constant(0, INT), change, single.all))
        settle(single, parts)
        tried, left = zip(left, parts, strict=True), []
        for (goal, base), part in tried:
            if part.wrong * DOUBTFUL <= len(alone) and len(part.choice.answers) > 1:
                total = Gathered(of.name, joins, keys, part.choice)
                made = total if base is ZERO else Total((base, total))
                goal.proposed.append(made)
                pairs = zip(study.table.column(made), goal.after, strict=True)
                if not goal.rows & ~packed(one == (other or 0) for one, other in pairs):
                    yield goal
                    continue
            left.append((goal, base))


def itself(language: Language, of: Relation) -> Language:
    """The language without facts to which several facts of that relation may belong: what is added up is of each by
    itself, and where there is but one, what it belongs to is often the same."""
    own = [type_ for _, type_ in of.key]
    things = {type_ for type_ in own if type_.entity}
    schema = language.schema
    kept = [
        one
        for one in schema.relations.values()
        if [type_ for _, type_ in one.key] == own or not things & {type_ for _, type_ in one.key}
    ]
    return language.of_schema(Schema(schema.name, schema.version, kept)).of_each(of)


def _base(study: Study, goal: Goal, none: int) -> Term | None:
    """What the value becomes where nothing belongs to it; None if that is not known."""
    if not any(goal.after[number] for number in rows_of(none & goal.rows, len(goal.after))):
        return ZERO
    base = Goal(f"{goal.name} without", goal.type, goal.keep, goal.after, none & goal.rows)
    settle(study, [base], simply=True)
    if base.wrong:
        return None
    return goal.keep if all(answer is goal.keep for answer in base.choice.answers) else base.choice

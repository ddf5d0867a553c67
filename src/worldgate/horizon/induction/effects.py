"""Effects: what actions of one shape do to a fact, as a decision tree over what holds before.

The facts that deltas of the shape edit are lifted to addresses: a relation at a key of terms (`up(?0)`,
`order_status(payment_order(?0))`), or, where no key of terms reaches those that were edited, the key of *each* fact of
a relation: the same one ("every flow that ...") or another ("whatever is dynamic"). For each address a tree says what
the fact becomes: unchanged, absent, a constant, a word, the value of another fact, an expression (see `solving`), or a
record, of which each field has a tree of its own (see `goals`).
Becoming what it was is no edit, so a rule has no need of the condition that something changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

from ...facts import Key, Relation, State, Value
from .arithmetic import Chosen, Field, Made
from .gathering import gather
from .goals import Goal, settle
from .language import Language
from .literals import rows_of
from .reading import broad
from .study import Seen, Study
from .table import Row, Table, Term, Words, key_column, keys_of, packed, spread
from .terms import Constant, Held
from .told import Told
from .tree import Leaf, Tree, leaves, routed

MOST_ROWS = 6_000
"""Facts that a rule about each fact of a relation is learned from."""


class Effect(NamedTuple):
    """What becomes of the fact at `keys`; with `each`, for the key of every fact of that relation.

    Answer 0 is the fact as it was, for leaves where no answer is right. With an `order`, several facts may say what
    becomes of one: then the first one does that says anything else.
    """

    relation: str
    keys: tuple[Term, ...]
    each: str
    answers: tuple[Term, ...]
    tree: Tree
    order: tuple[Term, ...] = ()

    def predict(self, state: State | Told, words: Words) -> Iterator[tuple[Key, Value | None, Leaf]]:
        """(key, value afterwards, the leaf that says so) of each fact this effect speaks of."""
        facts = keys_of(state, self.each) if self.each else [()]
        table = Table([Row(state, words, key) for key in facts])
        if not self.order:
            yield from (said[1:] for said in self._said(table))
            return
        by, best = key_column(table, self.order), dict[Key, tuple[int, Key, Value | None, Leaf]]()
        for said in self.taken(table):
            if said[1] not in best or by[said[0]] < by[best[said[1]][0]]:
                best[said[1]] = said
        yield from (said[1:] for said in best.values())

    def taken(self, table: Table) -> Iterator[tuple[int, Key, Value | None, Leaf]]:
        """(row, key, value afterwards, leaf) where that is any other value than before."""
        before = table.column(self.answers[0])
        yield from (said for said in self._said(table) if said[2] is not None and said[2] != before[said[0]])

    def _said(self, table: Table) -> Iterator[tuple[int, Key, Value | None, Leaf]]:
        keys = key_column(table, self.keys)
        defined = packed(None not in key for key in keys)
        for leaf, bits in routed(self.tree, table, defined):
            answer = self.answers[leaf.answer]
            values, may_be_absent = table.column(answer), not leaf.answer or isinstance(answer, Constant)
            for row in rows_of(bits, len(keys)):
                if may_be_absent or values[row] is not None:  # else the answer says nothing here
                    yield row, keys[row], values[row], leaf

    @property
    def values(self) -> list[Chosen]:
        """What becomes of the value, or of each field of the record."""
        made = next((answer for answer in self.answers if isinstance(answer, Made)), None)
        if made is None:
            return [Chosen("", self.answers, self.tree, self.answers[0].type)]
        return [part for part in made.parts if isinstance(part, Chosen)]

    def rules(self) -> Iterator[tuple[str, Leaf]]:
        """Every branch of the tree: what the fact becomes and when, in words, and the leaf; then those of fields."""
        yield from _branches(self.answers, self.tree)
        for answer in self.answers:
            if isinstance(answer, Made):
                for (name, _), part in zip(answer.type.fields, answer.parts, strict=True):
                    if isinstance(part, Chosen):
                        yield from ((f"  {name}: {rule}", leaf) for rule, leaf in _branches(part.answers, part.tree))

    def __str__(self) -> str:
        keys = f"({', '.join(map(str, self.keys))})"
        other = f"each {self.each}{keys}: " if self.each != self.relation else "each "
        return f"{other if self.each else ''}{self.relation}{keys}"


def _branches(answers: Sequence[Term], tree: Tree) -> Iterator[tuple[str, Leaf]]:
    for conditions, leaf in leaves(tree):
        answer = answers[leaf.answer]
        value = "unchanged" if answer is answers[0] else str(answer)
        yield f"{value}{' if ' if conditions else ''}{' and '.join(conditions)}", leaf


class Target(NamedTuple):
    """Facts of a table and what they became, in which rows."""

    relation: Relation
    keys: tuple[Term, ...]
    each: str
    after: list[Value | None]
    rows: int


def target_at(
    study: Study, relation: Relation, keys: tuple[Term, ...], edits: Sequence[Mapping[Key, Value | None]]
) -> Target:
    """The facts at a key of terms."""
    at = key_column(study.table, keys)
    before = study.table.column(Held(relation.name, keys, broad(relation.value)))
    after = [row.get(key, old) for row, key, old in zip(edits, at, before, strict=True)]
    return Target(relation, keys, "", after, packed(None not in key for key in at))


def target_of_each(
    language: Language,
    relation: Relation,
    domain: Relation,
    seen: Sequence[Seen],
    edits: Sequence[Mapping[Key, Value | None]],
    keys: tuple[Term, ...] | None = None,
    taken: Sequence[Collection[Key]] = (),
) -> tuple[Study, Target]:
    """The facts at the key of every fact of the domain, or at keys made of that, and the table of these; those of facts
    of the domain that are `taken` left out."""
    facts = [
        [key for key in keys_of(one.state, domain.name) if key not in others]
        for one, others in zip(seen, taken or repeat(()), strict=bool(taken))
    ]
    some = list(spread(facts, MOST_ROWS))
    rows = [Row(seen[number].state, seen[number].words, key) for number, key in some]
    every = Study(language.of_each(domain), Table(rows))
    keys = keys or every.language.parts
    at = key_column(every.table, keys)
    after = [
        edits[number].get(key, row.state.get(relation.name, key))
        for (number, _), row, key in zip(some, rows, at, strict=True)
    ]
    return every, Target(relation, keys, domain.name, after, packed(None not in key for key in at))


def explained(study: Study, targets: Sequence[Target], *, simply: bool = False) -> list[tuple[Effect, int]]:
    """What becomes of the facts, and in how many rows that is wrong: first their values, or the fields of these,
    together; then the facts themselves. `simply`: without solving and without sums."""
    wholes, parts = [], []
    for target in targets:
        whole, fields = goals_of(study, target)
        wholes.append((target, whole, fields))
        parts += fields or [whole]
    sums = study.language.with_records and not simply and any(target.each for target in targets)
    settle(study, parts, simply=simply or sums)
    if sums:
        for target, whole, fields in wholes:
            gather(study, target.relation, fields or [whole])
        settle(study, [part for part in parts if part.wrong or part.proposed])
    return [concluded(study, *one, simply=simply) for one in wholes]


def concluded(
    study: Study, target: Target, whole: Goal, fields: Sequence[Goal], *, simply: bool = False
) -> tuple[Effect, int]:
    """The effect, when its fields are explained, and in how many rows it is wrong."""
    if fields:
        make = target.relation.value.python
        whole.proposed.append(Made(tuple(part.choice for part in fields), whole.type, make))
        settle(study, [whole], simply=simply)
    effect = Effect(target.relation.name, target.keys, target.each, whole.choice.answers, whole.choice.tree)
    return effect, whole.wrong


def goals_of(study: Study, target: Target) -> tuple[Goal, list[Goal]]:
    """The value to explain, and those of its fields."""
    keep = Held(target.relation.name, target.keys, broad(target.relation.value))
    whole = Goal(f"new {keep}", keep.type, keep, target.after, target.rows, many=bool(target.each))
    return whole, [_part(whole, field) for field in study.language.fields(keep)]


def _part(whole: Goal, field: Field) -> Goal:
    """What becomes of a field, where there is a record."""
    after = [None if record is None else record[field.index] for record in whole.after]  # type: ignore[index]
    rows = whole.rows & packed(record is not None for record in whole.after)
    return Goal(f"{whole.name}.{field.name}", field.type, field, after, rows, many=whole.many)

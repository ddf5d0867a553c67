"""Effects: what actions of one shape do to a fact, as a decision tree over what holds before.

The facts that deltas of the shape edit are lifted to addresses: a relation at a key of terms (`up(?0)`,
`order_status(payment_order(?0))`), or, where no key of terms reaches those that were edited, the key of *each* fact of
a relation: the same one ("every flow that ...") or another ("whatever is dynamic"). For each address a tree says what
the fact becomes: unchanged, absent, a constant, a word, the value of another fact, an expression (see `solving`), or a
record, of which each field has a tree of its own (see `goals`).
Becoming what it was is no edit, so a rule has no need of the condition that something changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ...facts import Key, Relation, State, Value
from .addresses import addresses, domains
from .arithmetic import Chosen, Field, Made
from .goals import Goal, settle
from .language import Language
from .literals import rows_of
from .reading import broad
from .study import Seen, Study
from .table import Row, Table, Term, Words, facts_of, key_column, packed
from .terms import Held, Part
from .told import Told
from .tree import Leaf, Tree, leaves, routed

MOST_ROWS = 6_000
"""Facts that a rule about each fact of a relation is learned from."""


class Effect(NamedTuple):
    """What becomes of the fact at `keys`; with `each`, for the key of every fact of that relation.

    Answer 0 is the fact as it was, for leaves where no answer is right.
    """

    relation: str
    keys: tuple[Term, ...]
    each: str
    answers: tuple[Term, ...]
    tree: Tree

    def predict(self, state: State | Told, words: Words) -> Iterator[tuple[Key, Value | None, Leaf]]:
        """(key, value afterwards, the leaf that says so) of each fact this effect speaks of."""
        facts = sorted(key for key, _ in facts_of(state, self.each)) if self.each else [()]
        table = Table([Row(state, words, key) for key in facts])
        keys = key_column(table, self.keys)
        defined = packed(None not in key for key in keys)
        for leaf, bits in routed(self.tree, table, defined):
            values = table.column(self.answers[leaf.answer])
            for row in rows_of(bits, len(keys)):
                yield keys[row], values[row], leaf

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


def learned(language: Language, seen: Sequence[Seen]) -> tuple[list[Effect], int]:
    """The effects of a shape, in the order its deltas have them, and how many transitions have edits beyond them."""
    study = Study(language, Table([Row(one.state, one.words) for one in seen]))
    edited: dict[str, list[dict[Key, Value | None]]] = {}
    for number, one in enumerate(seen):
        for name, key, _, after in one.delta:
            edited.setdefault(name, [{} for _ in seen])[number][key] = after
    targets: list[tuple[Study, Target]] = []
    beyond: set[int] = set()
    for name, edits in edited.items():
        relation = language.schema.relations[name]
        found, left = addresses(study, relation, edits)
        targets += [(study, _target(study, relation, keys, edits)) for keys in found]
        of_each, left = domains(language, relation, seen, left)
        targets += [_target_of_each(study, relation, domain, seen, edits) for domain in of_each]
        beyond.update(number for number, _ in left)
    together = iter(_explained(study, [target for of, target in targets if of is study]))
    effects = [next(together) if of is study else _explained(of, [target])[0] for of, target in targets]
    return effects, len(beyond)


def _target(
    study: Study, relation: Relation, keys: tuple[Term, ...], edits: Sequence[Mapping[Key, Value | None]]
) -> Target:
    at = key_column(study.table, keys)
    before = study.table.column(Held(relation.name, keys, broad(relation.value)))
    after = [row.get(key, old) for row, key, old in zip(edits, at, before, strict=True)]
    return Target(relation, keys, "", after, packed(None not in key for key in at))


def _target_of_each(
    study: Study,
    relation: Relation,
    domain: Relation,
    seen: Sequence[Seen],
    edits: Sequence[Mapping[Key, Value | None]],
) -> tuple[Study, Target]:
    """The facts at the key of every fact of the domain."""
    rows: list[Row] = []
    after: list[Value | None] = []
    for one, row in zip(seen, edits, strict=True):
        for key, _ in facts_of(one.state, domain.name):
            rows.append(Row(one.state, one.words, key))
            after.append(row.get(key, one.state.get(relation.name, key)))
        if len(rows) >= MOST_ROWS:
            break
    every = Study(study.language.of_each(domain), Table(rows))
    keys = tuple(term for term in every.language.variables if isinstance(term, Part))
    return every, Target(relation, keys, domain.name, after, every.all)


def _explained(study: Study, targets: Sequence[Target]) -> list[Effect]:
    """What becomes of the facts: first their values, or the fields of these, together; then the facts themselves."""
    wholes, parts = [], []
    for target in targets:
        relation = target.relation
        keep = Held(relation.name, target.keys, broad(relation.value))
        whole = Goal(f"new {keep}", keep.type, keep, target.after, target.rows, many=bool(target.each))
        fields = [_part(whole, field) for field in study.language.fields(keep)]
        wholes.append((target, whole, fields))
        parts += fields or [whole]
    settle(study, parts)
    effects = []
    for target, whole, fields in wholes:
        if fields:
            make = target.relation.value.python
            whole.proposed.append(Made(tuple(part.choice for part in fields), whole.type, make))
            settle(study, [whole])
        effects.append(Effect(target.relation.name, target.keys, target.each, whole.choice.answers, whole.choice.tree))
    return effects


def _part(whole: Goal, field: Field) -> Goal:
    """What becomes of a field, where there is a record."""
    after = [None if record is None else record[field.index] for record in whole.after]  # type: ignore[index]
    rows = whole.rows & packed(record is not None for record in whole.after)
    return Goal(f"{whole.name}.{field.name}", field.type, field, after, rows, many=whole.many)

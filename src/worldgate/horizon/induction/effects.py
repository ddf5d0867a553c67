"""Effects: what actions of one shape do to a fact, as a decision tree over what holds before.

The facts that deltas of the shape edit are lifted to addresses: a relation at a key of terms (`up(?0)`,
`order_status(payment_order(?0))`), or, where no key of terms reaches those that were edited, the key of *each* fact of
a relation: the same one ("every flow that ...") or another ("whatever is dynamic"). For each address a tree says what
the fact becomes: unchanged, absent, a constant, a word, the value of another fact, or the old number plus something.
Becoming what it was is no edit, so a rule has no need of the condition that something changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ...facts import Key, Relation, State, Value
from .addresses import addresses, domains
from .answers import answers_for
from .language import Language
from .literals import rows_of
from .reading import broad
from .study import Seen, Study
from .table import Row, Table, Term, facts_of, key_column, packed
from .terms import Held, Part
from .tree import NO_ANSWER, Leaf, Tree, grow, leaves, routed

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

    def predict(self, state: State, words: tuple[str, ...]) -> Iterator[tuple[Key, Value | None, Leaf]]:
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
        """Every branch of the tree: what the fact becomes and when, in words, and the leaf."""
        for conditions, leaf in leaves(self.tree):
            answer = self.answers[leaf.answer]
            value = "unchanged" if answer is self.answers[0] else str(answer)
            yield f"{value}{' if ' if conditions else ''}{' and '.join(conditions)}", leaf

    def __str__(self) -> str:
        keys = f"({', '.join(map(str, self.keys))})"
        other = f"each {self.each}{keys}: " if self.each != self.relation else "each "
        return f"{other if self.each else ''}{self.relation}{keys}"


def learned(language: Language, seen: Sequence[Seen]) -> tuple[list[Effect], int]:
    """The effects of a shape, in the order its deltas have them, and how many transitions have edits beyond them."""
    study = Study(language, Table([Row(one.state, one.words) for one in seen]))
    edited: dict[str, list[dict[Key, Value | None]]] = {}
    for number, one in enumerate(seen):
        for name, key, _, after in one.delta:
            edited.setdefault(name, [{} for _ in seen])[number][key] = after
    effects: list[Effect] = []
    beyond: set[int] = set()
    for name, edits in edited.items():
        relation = language.schema.relations[name]
        found, left = addresses(study, relation, edits)
        effects += [_effect(study, relation, keys, edits) for keys in found]
        of_each, left = domains(language, relation, seen, left)
        effects += [_effect_on_each(study, relation, domain, seen, edits) for domain in of_each]
        beyond.update(number for number, _ in left)
    return effects, len(beyond)


def _effect(
    study: Study, relation: Relation, keys: tuple[Term, ...], edits: Sequence[Mapping[Key, Value | None]]
) -> Effect:
    keep = Held(relation.name, keys, broad(relation.value))
    before, at = study.table.column(keep), key_column(study.table, keys)
    after = [row.get(key, old) for row, key, old in zip(edits, at, before, strict=True)]
    return _grown(study, relation, keys, "", keep, after, packed(None not in key for key in at))


def _effect_on_each(
    study: Study,
    relation: Relation,
    domain: Relation,
    seen: Sequence[Seen],
    edits: Sequence[Mapping[Key, Value | None]],
) -> Effect:
    """The rule for the key of every fact of the domain."""
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
    keep = Held(relation.name, keys, broad(relation.value))
    return _grown(every, relation, keys, domain.name, keep, after, every.all)


def _grown(
    study: Study,
    relation: Relation,
    keys: tuple[Term, ...],
    each: str,
    keep: Term,
    after: list[Value | None],
    rows: int,
) -> Effect:
    answers, labels = answers_for(study, broad(relation.value), keep, after, rows)
    # a rule about many facts that can only say "unchanged" is not worth its questions
    asks = not each or any(answer is not keep for answer in answers)
    tree = grow(labels, study.candidates(1) if asks else [], rows)
    unexplained = labels.get(NO_ANSWER, 0).bit_count()
    if sum(leaf.errors for _, leaf in leaves(tree)) > unexplained:
        tree = grow(labels, study.candidates(2), rows)
    return Effect(relation.name, keys, each, answers, tree)

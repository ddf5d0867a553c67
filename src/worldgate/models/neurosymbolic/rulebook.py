"""Rules as part of a model: as data, with what they were worth on transitions that they were not learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ...facts import Address, Schema, State, Value
from ...horizon.induction import Induction
from ...horizon.induction.records import said
from ...horizon.induction.told import Told
from ...horizon.induction.written import Reader, Writer
from ...horizon.trajectory import Step
from ..errors import BadTraining
from ..relational import templates

Shape: TypeAlias = tuple[str, int]

HELD_BACK = 3
"""The last one in so many transitions of a sample is held back."""


class Worth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How rules did on a relation's facts, in the transitions of one shape that were held back: in how many of these
    `steps` they were wrong, how many edits these had, about how many `facts` there was something to say, and how many
    of these are `errors`."""

    name: str
    words: int
    relation: str
    steps: int
    wrong: int
    edits: int
    facts: int
    errors: int


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`rules` of each shape (name, number of words, rules), made of `terms` (see `induction.written`), and what they
    are worth; `templates` of what they leave open. Templates spell shapes in another way, by the text alone: `spoken`
    is what rules are worth by these shapes."""

    records: bool
    least: int
    terms: list[Any]
    rules: list[Any]
    worth: tuple[Worth, ...]
    spoken: tuple[Worth, ...]
    templates: templates.Document

    def notes(self) -> dict[str, str]:
        """What the rules settle, in words."""
        settled = [one for one in self.worth if is_settled(one, self.least)]
        few, all_ = sum(one.edits for one in settled), sum(one.edits for one in self.worth)
        share = f"{few / all_:.1%}" if all_ else "none"
        kinds = f"{len(settled)} of {len(self.worth)} kinds of effect"
        return {"by rules": f"{share} of {all_} changes held back, {kinds}", "by net": f"{all_ - few} changes"}


def is_settled(worth: Worth, least: int) -> bool:
    """Whether the rules alone say what becomes of these facts."""
    return not worth.wrong and worth.steps >= least


class Verdict(NamedTuple):
    """What the rules say of one step: what becomes of each fact that they speak of, which relations they settle, and
    how they did on each."""

    values: Mapping[Address, Value | None]
    settled: frozenset[str]
    worth: Mapping[str, Worth]


class Rulebook:
    """The rules of a document; `BadTraining` for one that is not of this schema."""

    def __init__(self, schema: Schema, document: Document) -> None:
        self.records, self.worth = document.records, dict[Shape, dict[str, Worth]]()
        try:
            reader = Reader(schema, document.terms)
            self._rules = {(name, arity): reader.rules(rules) for name, arity, rules in document.rules}
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise BadTraining(f"rules: {error!r:.120}", "rules of this schema") from error
        for one in document.worth:
            self.worth.setdefault((one.name, one.words), {})[one.relation] = one
        self._settled = {
            shape: frozenset(name for name, one in every.items() if is_settled(one, document.least))
            for shape, every in self.worth.items()
        }

    def verdict(self, state: State, action: Any) -> Verdict | None:
        """What the rules say; None for a shape of action that they do not know."""
        call = said(action, records=self.records)
        rules = self._rules.get(call.shape)
        if rules is None:
            return None
        values: dict[Address, Value | None] = {}
        for effect, key, value, _ in rules.predict(Told(state, call.tables), call.words):
            place = effect.relation, key
            now = state.get(*place)
            if values.setdefault(place, value) == now:
                values[place] = value
        return Verdict(values, self._settled.get(call.shape, frozenset()), self.worth.get(call.shape, {}))

    def shape(self, action: Any) -> Shape:
        """The shape of an action as rules know it."""
        return said(action, records=self.records).shape

    def settles(self, action: Any) -> frozenset[str]:
        """The relations that are settled for actions of this shape."""
        return self._settled.get(self.shape(action), frozenset())


def made(schema: Schema, sample: Sequence[Step], every: templates.Document, *, records: bool, least: int) -> Document:
    """Rules, and of `every` template those for what they leave open. What rules are worth is found by learning them
    from the first transitions and trying them on the last ones; then they are learned from all."""
    first, induction = len(sample) - len(sample) // HELD_BACK, Induction(schema, records=records)
    for step in sample[:first]:
        induction.learn(step.before, step.action, step.delta)
    tried = Rulebook(schema, _written(schema, induction, records, least))
    rows = [(step, tried.verdict(step.before, step.action)) for step in sample[first:]]
    spelled = partial(_spelled, frozenset(every.keywords))
    worth, spoken = (tuple(_worth(rows, shape)) for shape in (tried.shape, spelled))
    for step in sample[first:]:
        induction.learn(step.before, step.action, step.delta)
    document = _written(schema, induction, records, least, worth, spoken)
    left = _open(every, Rulebook(schema, document), sample)
    return msgspec.structs.replace(document, templates=left)


def _written(
    schema: Schema,
    induction: Induction,
    records: bool,
    least: int,
    worth: tuple[Worth, ...] = (),
    spoken: tuple[Worth, ...] = (),
) -> Document:
    writer = Writer(schema)
    rules = [[*shape, writer.rules(found)] for shape, found in induction.rules.items()]
    return Document(records, least, writer.written, rules, worth, spoken, templates.Document(()))


def _spelled(keywords: frozenset[str], action: Any) -> Shape:
    """The shape of an action as templates know it."""
    name, words = templates.spoken(action, keywords)
    return name, len(words)


def _worth(rows: Iterable[tuple[Step, Verdict | None]], shape_of: Callable[[Any], Shape]) -> Iterator[Worth]:
    """What rules are worth in these transitions, by what they said of each."""
    seen, wrong, edits, facts, errors = (Counter[Any]() for _ in range(5))
    relations: dict[Any, None] = {}
    for step, verdict in rows:
        shape = shape_of(step.action)
        seen[shape] += 1
        values = verdict.values if verdict else {}
        new = {place: value for place, value in values.items() if value != step.before.get(*place)}
        true = {place: after for place, (_, after) in step.net.items()}
        relations |= {(shape, relation): None for relation, _ in (*values, *true)}
        edits.update((shape, relation) for relation, _ in true)
        places = {place for place in new.keys() | true.keys() if new.get(place, ...) != true.get(place, ...)}
        wrong.update({(shape, relation) for relation, _ in places})
        facts.update((shape, relation) for relation, _ in values.keys() | true.keys())
        errors.update((shape, relation) for relation, _ in places)
    for shape, relation in sorted(relations):
        both = shape, relation
        name, words = shape
        yield Worth(name, words, relation, seen[shape], wrong[both], edits[both], facts[both], errors[both])


def _open(every: templates.Document, rulebook: Rulebook, sample: Sequence[Step]) -> templates.Document:
    """Without templates of what the rules settle for every action that these are about."""
    settled: dict[Shape, frozenset[str]] = {}
    for step in sample:
        shape, some = _spelled(frozenset(every.keywords), step.action), rulebook.settles(step.action)
        settled[shape] = settled.get(shape, some) & some
    shapes = []
    for one in every.shapes:
        known = settled.get((one.name, len(one.words)), frozenset())
        kept = tuple(template for template in one.templates if template.relation not in known)
        joins = tuple(join for join in one.joins if join.relation not in known)
        shapes.append(msgspec.structs.replace(one, templates=kept, joins=joins))
    return msgspec.structs.replace(every, shapes=tuple(shapes))

"""Templates: which facts an action of a shape may change and what they may become, mined from transitions.

They are the addresses and answers of rule induction without its rules: for each fact that deltas of a shape edit, a
relation at a key of terms (or at the key of each fact of a relation), and the values that were enough to explain what
became of it. An *ask* is one address in one state: the fact now, and what each answer would make of it there.

With `formats`, words that are never an id, a text or a choice of a fact, but come again, are *keywords*: they count to
the name of the shape (`rule_add from to`), and are no words. What no template says then is left to `joins`: one ask for
each value that a join says, whose answers are another value and this one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from ...facts import Key, Relation, Schema, State, Value
from ...horizon.induction import Induction, joins, mining
from ...horizon.induction.coding import from_data, to_data
from ...horizon.induction.formats import kind_of
from ...horizon.induction.reading import MOST_WORDS, read
from ...horizon.induction.table import Row, Table, Term, key_column, keys_of
from ...horizon.induction.terms import Argument
from ...horizon.trajectory import Step
from ..errors import BadTraining
from .graph import pairs

MOST_JOINS = 100_000
"""Ways to say one fact by others, at most; of what can be said in more (records of many numbers) none is mined."""
PAIRS = 8
"""With fewer pairs, all in order by chance is more likely than 1 in 2 ** 8."""
OTHER: Any = ...
"""The answer to an ask of a join that the fact becomes something else."""
_KEYWORD = re.compile(r"[a-z_]+\Z")


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A template as data; see `induction.coding`."""

    relation: str
    each: str
    keys: list[Any]
    answers: list[Any]


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The templates of the actions of one name. `words`: of each word the kind of thing it names (with formats, the
    kind of node), or empty. `seen`: in how many transitions of the sample."""

    name: str
    words: tuple[str, ...]
    templates: tuple[Written, ...]
    joins: tuple[joins.Written, ...] = ()
    seen: int = 0


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All templates of a schema. `unordered`: the relations of pairs whose first always came before the second.
    `seen`: of each relation, before how many transitions of the sample there were facts of it."""

    shapes: tuple[Shape, ...]
    formats: bool = False
    keywords: tuple[str, ...] = ()
    unordered: tuple[str, ...] = ()
    seen: dict[str, int] = {}


class Template(NamedTuple):
    """A template ready for use; `number` is its place among all. One with a `join` has nothing else: it is about each
    fact of its relation, and its `answers` are two."""

    number: int
    relation: str
    each: str
    keys: tuple[Term, ...]
    answers: tuple[Term | None, ...]
    join: joins.Join | None = None


class Ask(NamedTuple):
    """One fact that may change: the key of the fact the template is about (`each`), its address, its value, and what
    the answers would make of it. `rows`: what a join put together."""

    template: Template
    part: Key
    key: Key
    now: Value | None
    values: tuple[Value | None, ...]
    rows: joins.Rows = ()


def spoken(action: Any, keywords: frozenset[str]) -> tuple[str, tuple[str, ...]]:
    """The name of an action's shape and its words."""
    call = read(action)
    if not keywords:
        return call.name, call.words[:MOST_WORDS]
    said = [word for word in call.words if word in keywords]
    return "+".join([call.name, *said]), tuple(word for word in call.words if word not in keywords)[:MOST_WORDS]


def _keywords(schema: Schema, steps: Sequence[Step]) -> frozenset[str]:
    """The words that no fact of these transitions has, and that come again."""
    facts: set[Any] = set()
    for relation in schema.relations.values():
        for _, type_ in relation.columns:
            facts.update(type_.choices)
    for step in steps:
        for _, key, value in (*step.before.facts(), *((one[0], one[1], one[3]) for one in step.delta)):
            facts.update(Relation.row(key, value))
    counts = Counter(word for step in steps for word in read(step.action).words if _KEYWORD.match(word))
    return frozenset(word for word, count in counts.items() if count > 1 and word not in facts)


def mined(schema: Schema, steps: Sequence[Step], *, formats: bool = False, both_ways: bool = False) -> Document:
    """The templates that these transitions ask for."""
    keywords = _keywords(schema, steps) if formats else frozenset[str]()
    induction = Induction(schema, records=False)
    for step in steps:
        action = step.action
        if keywords or len(read(action).words) > MOST_WORDS:
            name, words = spoken(action, keywords)
            action = " ".join((name, *map(json.dumps, words)))
        induction.learn(step.before, action, step.delta)
    document = _counted(_induced(schema, induction), steps, keywords)
    if both_ways:
        document = msgspec.structs.replace(document, unordered=_unordered(schema, steps))
    if not formats:
        return document
    return _joined(schema, steps, msgspec.structs.replace(document, formats=True, keywords=tuple(sorted(keywords))))


def _counted(document: Document, steps: Sequence[Step], keywords: frozenset[str]) -> Document:
    """With how often its shapes and relations were seen."""
    spoke = (spoken(step.action, keywords) for step in steps)
    shapes = Counter((name, len(words)) for name, words in spoke)
    relations = Counter(name for step in steps for name in {relation for relation, _, _ in step.before.facts()})
    counted = (msgspec.structs.replace(one, seen=shapes[one.name, len(one.words)]) for one in document.shapes)
    return msgspec.structs.replace(document, shapes=tuple(counted), seen=dict(sorted(relations.items())))


def _unordered(schema: Schema, steps: Sequence[Step]) -> tuple[str, ...]:
    """The relations of pairs of which so many were seen, all in order, that it is no accident."""
    seen: dict[str, dict[Any, bool]] = {name: {} for name in pairs(schema)}
    for step in steps:
        for relation, key, _ in step.before.facts():
            if relation in seen and len(key) == 2:
                seen[relation][key] = str(key[0]) < str(key[1])
    return tuple(name for name in schema.relations if len(found := seen.get(name, {})) >= PAIRS and all(found.values()))


def _induced(schema: Schema, induction: Induction) -> Document:
    shapes = []
    for (name, arity), (typed, effects) in induction.shapes.items():
        kinds = {word.index: word.type.entity for word in reversed(typed) if word.type.entity}
        written = []
        for effect in effects:
            answers = list({str(answer): answer for answer in effect.answers}.values())
            if len(answers) > 1:
                terms = ([to_data(term, schema) for term in group] for group in (effect.keys, answers))
                written.append(Written(effect.relation, effect.each, *terms))
        words = tuple(kinds.get(index, "") for index in range(min(arity, MOST_WORDS)))
        shapes.append(Shape(name, words, tuple(written)))
    return Document(tuple(shapes))


def _joined(schema: Schema, steps: Sequence[Step], document: Document) -> Document:
    """With joins for what the templates do not say, and the kinds of all words that stand in a fact."""
    found, keywords, miner = ready(document, schema), frozenset(document.keywords), mining.Miner(schema)
    edits: dict[tuple[str, int], dict[str, list[mining.Edited]]] = {}
    for step in steps:
        name, words = spoken(step.action, keywords)
        of = edits.setdefault((name, len(words)), {})
        said: dict[tuple[str, Key], set[Any]] = {}
        for ask in asks(found[name, len(words)], step.before, words, miner.columns):
            said.setdefault((ask.template.relation, ask.key), set()).update(ask.values)
        for (relation, key), (_, after) in step.net.items():
            if after is not None and after not in said.get((relation, key), ()):
                of.setdefault(relation, []).append(mining.Edited(step.before, words, relation, key, after))
    shapes = []
    for shape in document.shapes:
        missed = edits[shape.name, len(shape.words)]
        unsaid = ((schema.relations[name], some) for name, some in missed.items())
        more = [one for relation, some in unsaid for one in miner.mined(relation, some, most=MOST_JOINS)]
        words = _word_kinds(schema, shape, found[shape.name, len(shape.words)], more)
        shapes.append(msgspec.structs.replace(shape, words=words, joins=tuple(more)))
    return msgspec.structs.replace(document, shapes=tuple(shapes))


def _word_kinds(
    schema: Schema, shape: Shape, templates: Sequence[Template], more: Sequence[joins.Written]
) -> tuple[str, ...]:
    """The kinds of nodes that the words of a shape are: of the columns in which they stand."""
    kinds = {at: f"ref {word}" for at, word in enumerate(shape.words) if word}
    for one in templates:
        for term, (_, type_) in zip(one.keys, schema.relations[one.relation].key, strict=True):
            if isinstance(term, Argument):
                kinds.setdefault(term.index, kind_of(type_))
    for join in more:
        relation = schema.relations[join.relation]
        for source, (_, type_) in zip((*join.key, *join.value), relation.columns, strict=True):
            if source.row == 0 and type_.kind in ("ref", "text", "int"):
                kinds.setdefault(source.column, kind_of(type_))
    return tuple(kinds.get(at, "") for at in range(len(shape.words)))


def ready(document: Document, schema: Schema) -> dict[tuple[str, int], tuple[Template, ...]]:
    """The templates by shape, numbered; `BadTraining` for a document that is not of this schema."""
    found: dict[tuple[str, int], tuple[Template, ...]] = {}
    number = 0
    try:
        for shape in document.shapes:
            made = []
            for one in shape.templates:
                keys, answers = (tuple(from_data(term, schema) for term in terms) for terms in (one.keys, one.answers))
                made.append(Template(number, schema.relation(one.relation).name, one.each, keys, answers))
                number += 1
            for join in shape.joins:
                both = joins.Join(join, schema)
                made.append(Template(number, join.relation, join.relation, (), (None, None), both))
                number += 1
            found[shape.name, len(shape.words)] = tuple(made)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise BadTraining(f"templates: {error!r:.120}", "templates of this schema") from error
    return found


def asks(templates: Iterable[Template], state: State, words: tuple[str, ...], columns: joins.Columns) -> Iterator[Ask]:
    """The facts these templates are about in a state."""
    rows: dict[str, list[tuple[Any, ...]]] | None = None
    for template in templates:
        if template.join is None:
            yield from _asks(template, state, words)
        else:
            rows = columns.of(state) if rows is None else rows
            yield from _joined_asks(template, template.join, state, words, rows)


def _asks(template: Template, state: State, words: tuple[str, ...]) -> Iterator[Ask]:
    facts = keys_of(state, template.each) if template.each else [()]
    table = Table([Row(state, words, key) for key in facts])
    columns = [table.column(answer) for answer in template.answers if answer]
    for row, key in enumerate(key_column(table, template.keys)):
        if None not in key:
            values = tuple(column[row] for column in columns)
            yield Ask(template, facts[row], key, state.get(template.relation, key), values)


def _joined_asks(
    template: Template, join: joins.Join, state: State, words: tuple[str, ...], rows: dict[str, list[tuple[Any, ...]]]
) -> Iterator[Ask]:
    """Each value that a join says and that the fact does not have, once."""
    known: set[tuple[Key, Value]] = set()
    for bound in join.bound(state, rows, words):
        said = join.said(bound)
        if said is not None and said not in known:
            known.add(said)
            key, value = said
            if (now := state.get(template.relation, key)) != value:
                yield Ask(template, key, key, now, (OTHER, value), bound[1:])


__all__ = ["OTHER", "Ask", "Document", "Shape", "Template", "asks", "mined", "ready", "spoken"]

"""Templates: which facts an action of a shape may change and what they may become, mined from transitions.

They are the addresses and answers of rule induction without its rules: for each fact that deltas of a shape edit, a
relation at a key of terms (or at the key of each fact of a relation), and the values that were enough to explain what
became of it. An *ask* is one address in one state: the fact now, and what each answer would make of it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from ...facts import Key, Schema, State, Value
from ...horizon.induction import Induction
from ...horizon.induction.coding import from_data, to_data
from ...horizon.induction.reading import MOST_WORDS
from ...horizon.induction.table import Row, Table, Term, facts_of, key_column
from ...horizon.trajectory import Step
from ..errors import BadTraining


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A template as data; see `induction.coding`."""

    relation: str
    each: str
    keys: list[Any]
    answers: list[Any]


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The templates of the actions of one name. `words`: of each word the kind of thing it names, or empty."""

    name: str
    words: tuple[str, ...]
    templates: tuple[Written, ...]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All templates of a schema."""

    shapes: tuple[Shape, ...]


class Template(NamedTuple):
    """A template ready for use; `number` is its place among all."""

    number: int
    relation: str
    each: str
    keys: tuple[Term, ...]
    answers: tuple[Term, ...]


class Ask(NamedTuple):
    """One fact that may change: the key of the fact the template is about (`each`), its address, its value, and what
    the answers would make of it."""

    template: Template
    part: Key
    key: Key
    now: Value | None
    values: tuple[Value | None, ...]


def mined(schema: Schema, steps: Sequence[Step]) -> Document:
    """The templates that these transitions ask for."""
    induction = Induction(schema, records=False)
    for step in steps:
        induction.learn(step.before, step.action, step.delta)
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
            found[shape.name, len(shape.words)] = tuple(made)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise BadTraining(f"templates: {error!r:.120}", "templates of this schema") from error
    return found


def asks(template: Template, state: State, words: tuple[str, ...]) -> Iterator[Ask]:
    """The facts this template is about in a state."""
    facts = sorted(key for key, _ in facts_of(state, template.each)) if template.each else [()]
    table = Table([Row(state, words, key) for key in facts])
    columns = [table.column(answer) for answer in template.answers]
    for row, key in enumerate(key_column(table, template.keys)):
        if None not in key:
            values = tuple(column[row] for column in columns)
            yield Ask(template, facts[row], key, state.get(template.relation, key), values)


__all__ = ["Ask", "Document", "Shape", "Template", "asks", "mined", "ready"]

"""Addresses: which facts a shape of action changes, as keys of terms or as the keys of another relation's facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

from ...facts import Key, Relation, Type, Value
from .language import MOST_TERMS, Language
from .reading import broad
from .study import Seen, Study, sampled
from .table import Term, facts_of, key_column
from .terms import Constant, Plus

FEW = 4
"""Different constants that a column of an address may have."""


def addresses(
    study: Study, relation: Relation, edits: Sequence[Mapping[Key, Value | None]]
) -> tuple[list[tuple[Term, ...]], set[tuple[int, Key]]]:
    """The fewest keys of terms that reach the edits of a relation, greedily; and the edits that none reaches."""
    left = {(number, key) for number, row in enumerate(edits) for key in row}
    options = []
    for keys in islice(product(*_columns(study, relation, left)), MOST_TERMS):
        at = key_column(study.table, keys)
        reached = {(number, key) for number, key in enumerate(at) if key in edits[number]}
        options.append((sum(key.cost for key in keys), keys, reached))
    options.sort(key=lambda option: option[0])
    total, found = len(left), []
    while left and options:
        cost, keys, reached = max(options, key=lambda option: len(option[2] & left))
        covered = len(reached & left)
        if not covered or (cost and (covered < 2 or covered * 20 < total)):
            break
        found.append(keys)
        left -= reached
    return found, left


def _columns(study: Study, relation: Relation, edited: set[tuple[int, Key]]) -> Iterator[list[Term]]:
    """For each column of a key, the terms that may stand there. A constant may where few are ever seen."""
    language, places = study.language, sorted(edited)
    for index, (_, type_) in enumerate(relation.key):
        terms = language.of_type(language.variables, type_)
        if type_.entity:
            terms += language.of_type(language.made, type_) + language.keys(type_)
        else:
            counts = Counter(key[index] for _, key in places)
            if language.with_records and type_.kind == "int":
                terms += _counted(study, type_, [(number, key[index]) for number, key in places])
            if len(counts) <= FEW:
                terms += [Constant(value, broad(type_), 1.0) for value in counts]
        yield terms


def _counted(study: Study, type_: Type, wanted: Sequence[tuple[int, Any]]) -> Iterator[Term]:
    """Numbers that half of the keys are as far from as one another: ids that a world counts up."""
    for term in study.language.of_type(study.language.direct, type_):
        column = study.table.column(term)
        steps = Counter(key - column[number] for number, key in wanted if column[number] is not None)
        step, often = steps.most_common(1)[0] if steps else (0, 0)
        if step and 2 * often >= len(wanted):
            yield Plus(term, 1 if step > 0 else -1, Constant(abs(step), broad(type_)))


def domains(
    language: Language, relation: Relation, seen: Sequence[Seen], left: set[tuple[int, Key]]
) -> tuple[list[Relation], set[tuple[int, Key]]]:
    """The fewest relations whose facts have the keys that are left, smaller ones first; and the keys none has."""
    columns = [type_ for _, type_ in relation.key]
    alike = [one for one in language.schema.relations.values() if [type_ for _, type_ in one.key] == columns]
    some = sampled(seen) if left else []
    alike.sort(key=lambda one: sum(1 for state in some for _ in facts_of(state, one.name)))
    found: list[Relation] = []
    while left:
        options = [
            (one, {(number, key) for number, key in left if seen[number].state.get(one.name, key) is not None})
            for one in alike
        ]
        best, reached = max(options, key=lambda option: len(option[1]))
        if len(reached) < min(2, len(left)):
            break
        found.append(best)
        left = left - reached
    return found, left

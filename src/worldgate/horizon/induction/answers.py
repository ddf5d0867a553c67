"""Answers: what a fact may become, as terms, and which of them is right in which example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ...facts import Type, Value
from .arithmetic import Total
from .language import MOST_VALUES
from .study import Study
from .table import Term, packed
from .terms import Constant, Plus, Stage
from .tree import NO_ANSWER

Option = tuple[Term, int]
"""A value that a fact may become, and how many rows only this one must explain."""


def answers_for(
    study: Study, keep: Term, after: list[Value | None], rows: int, *options: Iterable[Option]
) -> tuple[tuple[Term, ...], dict[int, int]]:
    """The fewest values that explain what the fact became, greedily, and the labels of the rows (see `tree`). Of
    several lists of options those of a later one explain what those before leave."""
    chosen: list[tuple[Term, int]] = []
    left = rows
    for some in options:
        judged: list[tuple[Term, int, int]] = []
        for term, need in some if left else ():
            column = study.table.column(term)
            may_be_absent = term is keep or isinstance(term, Constant)
            bits = packed(
                one == other and (may_be_absent or one is not None) for one, other in zip(column, after, strict=True)
            )
            judged.append((term, need, bits & rows))
        while judged and left:
            term, need, bits = max(judged, key=lambda option: (option[2] & left).bit_count())
            if (bits & left).bit_count() < need:
                break
            chosen.append((term, bits))
            left &= ~bits
    labels = {0: rows}
    for number, (_, bits) in enumerate(chosen, 1):
        split = [(mask, inside, bits) for mask, inside in labels.items()]
        labels = {mask: left for mask, inside, right in split if (left := inside & ~right)}
        labels |= {mask | 1 << number: both for mask, inside, right in split if (both := inside & right)}
    if 0 in labels:
        labels[NO_ANSWER] = labels.pop(0)
    return (keep, *(term for term, _ in chosen)), labels


def values(study: Study, type_: Type, keep: Term, after: Sequence[Value | None]) -> Iterator[Option]:
    """Values that the fact may become, simplest first."""
    language, before = study.language, study.table.column(keep)
    yield keep, 1
    yield Constant(None, type_), 1
    small = type_.kind in ("bool", "enum")
    constants = sorted(
        Counter(value for value in after if value is not None).items(), key=lambda row: (-row[1], row[0])
    )
    terms = language.of_type(language.variables, type_)
    zero = [Total((keep,))] if type_.kind == "int" and language.with_records and None in before else []
    if type_.kind == "int" and language.with_records:
        if not language.ways:
            yield from ((term, 1) for term in zero)  # an absent number is 0
        terms = [term for term in terms if len(set(study.table.column(term))) > 1]  # else it is a constant
    if language.ways:
        terms = [term for term in terms if not (isinstance(term, Stage) and type_.kind == "int")]
        like = getattr(keep, "relation", None)  # a copy says more than a number that is always the same
        alike = [term for term in language.of_type(language.direct, type_) if getattr(term, "relation", "") == like]
        yield from ((term, 2) for term in alike if study.table.present(term) and not small)
    if small:
        yield from ((Constant(value, type_), 1) for value, _ in constants)
    yield from ((term, 1) for term in terms)
    if type_.kind in ("int", "text", "decimal"):
        yield from ((Constant(value, type_), 2) for value, _ in constants[:MOST_VALUES])
    yield from ((term, 2) for term in language.of_type(language.made, type_))
    if zero and language.ways:
        yield zero[0], 2  # where things are made and copied, their numbers rather are others
    direct = sorted(language.of_type(language.direct, type_), key=lambda term: term.cost)
    terms = direct + language.of_type(language.further, type_)
    terms = [term for term in terms if study.table.present(term)]  # what never is explains nothing
    yield from ((term, 2) for term in terms)
    if type_.kind == "int":
        pairs = [(new, old) for new, old in zip(after, before, strict=True) if new is not None and old is not None]
        steps = Counter(new - old for new, old in pairs if new != old)
        for step, _ in sorted(steps.items(), key=lambda row: (-row[1], row[0]))[:MOST_VALUES]:
            yield Plus(keep, 1 if step > 0 else -1, Constant(abs(step), type_)), 2
        for term in [*language.of_type(language.variables, type_), *terms]:
            yield Plus(keep, 1, term), 2
            yield Plus(keep, -1, term), 2

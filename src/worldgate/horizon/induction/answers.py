"""Answers: what a fact may become, as terms, and which of them is right in which example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ...facts import Type, Value
from .language import MOST_VALUES
from .study import Study
from .table import Term, packed
from .terms import Constant, Plus
from .tree import NO_ANSWER


def answers_for(
    study: Study, type_: Type, keep: Term, after: list[Value | None], rows: int
) -> tuple[tuple[Term, ...], dict[int, int]]:
    """The fewest values that explain what the fact became, greedily, and the labels of the rows (see `tree`)."""
    options: list[tuple[Term, int, int]] = []
    before = study.table.column(keep)
    for term, need in _values(study, type_, keep, before, after):
        column = study.table.column(term)
        may_be_absent = term is keep or isinstance(term, Constant)
        bits = packed(
            one == other and (may_be_absent or one is not None) for one, other in zip(column, after, strict=True)
        )
        options.append((term, need, bits & rows))
    chosen: list[tuple[Term, int]] = []
    left = rows
    while left:
        term, need, bits = max(options, key=lambda option: (option[2] & left).bit_count())
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


def _values(
    study: Study, type_: Type, keep: Term, before: Sequence[Value | None], after: Sequence[Value | None]
) -> Iterator[tuple[Term, int]]:
    """Values that the fact may become, simplest first, and how many rows only this one must explain."""
    language = study.language
    yield keep, 1
    yield Constant(None, type_), 1
    small = type_.kind in ("bool", "enum")
    constants = sorted(
        Counter(value for value in after if value is not None).items(), key=lambda row: (-row[1], row[0])
    )
    terms = language.of_type(language.variables, type_)
    if small:
        yield from ((Constant(value, type_), 1) for value, _ in constants)
    yield from ((term, 1) for term in terms)
    if type_.kind in ("int", "text", "decimal"):
        yield from ((Constant(value, type_), 2) for value, _ in constants[:MOST_VALUES])
    terms = language.of_type(language.direct, type_) + language.of_type(language.further, type_)
    yield from ((term, 2) for term in terms)
    if type_.kind == "int":
        pairs = [(new, old) for new, old in zip(after, before, strict=True) if new is not None and old is not None]
        steps = Counter(new - old for new, old in pairs if new != old)  # type: ignore[operator]
        for step, _ in sorted(steps.items(), key=lambda row: (-row[1], row[0]))[:MOST_VALUES]:
            yield Plus(keep, 1 if step > 0 else -1, Constant(abs(step), type_)), 2
        for term in [*language.of_type(language.variables, type_), *terms]:
            yield Plus(keep, 1, term), 2
            yield Plus(keep, -1, term), 2

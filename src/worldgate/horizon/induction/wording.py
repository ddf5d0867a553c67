"""Wording: texts that a fact becomes, as words and other texts with something fixed around them.

An example proposes: wherever the value of a term stands in the text, between what is no letter or digit, it is put in
its place; one or two terms for a text. Lists of the names at a thing are proposed where they make the text. What is
right in most examples that nothing else explains is kept, as long as it is right in two. Of an id that is the digest
of a text, the text is looked at (see `texts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...facts import TEXT, Type, Value
from .arithmetic import Field
from .literals import rows_of
from .study import Study
from .table import Term, packed
from .terms import Constant, Stage, named
from .texts import Digest, Joined, Length, Listed, digests, table_of

SEEDS = 16
"""Examples that propose, each of which is one that no wording before explains."""
MOST_TERMS = 24
"""Terms of which one example proposes wordings."""
MOST_PLACES = 4
"""Places in a text where a term's value is tried."""


def worded(study: Study, type_: Type, keep: Term, after: Sequence[Value | None], left: int) -> list[Term]:
    """Wordings for the rows `left` of a text, or of a digest of one; each right in two at least."""
    functions = digests(study.language.schema)
    if type_.entity and type_.entity not in functions:
        return []
    wanted: list[Any] = list(after)
    if type_.entity:
        name, rows = table_of(type_.entity), zip(study.table.rows, wanted, strict=True)
        wanted = [row.state.get(name, (digest,)) for row, digest in rows]
    left &= packed(text is not None for text in wanted)
    open_, found = list(rows_of(left, len(wanted))), list[Term]()
    terms = _terms(study, keep) if len(open_) > 1 else []
    for _ in range(SEEDS):
        if not open_:
            break
        best, right = None, set[int]()
        for term in _proposed(study, terms, open_[0], wanted[open_[0]]):
            values = _values(study, term, open_)
            agree = {row for row in open_ if values[row] == wanted[row]}
            if len(agree) > max(1, len(right)):
                best, right = term, agree
        if best is not None:
            found.append(best)
        open_ = [row for row in open_[1:] if row not in right]
    if type_.entity:
        study.found += [Length(term) for term in found]
        return [Digest(term, functions[type_.entity], type_) for term in found]
    return found


def _terms(study: Study, keep: Term) -> list[Term]:
    """What texts are made of."""
    language = study.language
    texts = language.of_type([*language.variables, *language.direct, *language.further], TEXT)
    return [term for term in texts if not isinstance(term, Field) and term is not keep and study.table.present(term)]


def _values(study: Study, term: Term, rows: Sequence[int]) -> Sequence[Any] | dict[int, Any]:
    """The values of a wording in these rows."""
    if not isinstance(term, Joined):
        return term.column(study.table)
    parts = {row: [study.table.column(part)[row] for part in term.parts] for row in rows}
    return {row: None if None in some else "".join(some) for row, some in parts.items()}


def _proposed(study: Study, terms: Sequence[Term], row: int, text: str) -> Iterator[Term]:
    """Wordings that give the text in a row, the simplest first."""
    values = [(value, term) for term in terms if (value := study.table.column(term)[row]) and value in text]
    values = values[:MOST_TERMS]
    different = list(dict(reversed(values)).items())
    yield _joined(text)
    for value, term in values:
        for before, after in _around(text, value):
            yield _joined(before, term, after)
    yield from _listed(study, row, text)
    for value, term in different:
        for before, after in _around(text, value):
            for other_value, other in different:
                for between, end in _around(after, other_value):
                    yield _joined(before, term, between, other, end)


def _joined(*parts: str | Term) -> Joined:
    return Joined(tuple(Constant(part, TEXT) if isinstance(part, str) else part for part in parts if part != ""))


def _around(text: str, value: str) -> list[tuple[str, str]]:
    """What is before and after each place in a text where the value stands by itself."""
    found, at = list[tuple[str, str]](), text.find(value)
    while at >= 0 and len(found) < MOST_PLACES:
        before, after = text[:at], text[at + len(value) :]
        if not ((before[-1:] + value[0]).isalnum() and before) and not ((value[-1] + after[:1]).isalnum() and after):
            found.append((before, after))
        at = text.find(value, at + 1)
    return found


def _listed(study: Study, row: int, text: str) -> Iterator[Term]:
    """Lists of names that give the text in a row."""
    language, table = study.language, study.table
    for relation in language.followed:
        terms = [*language.variables, *language.direct]
        places = [term for term in language.of_type(terms, relation.value) if not _to_come(term)]
        for place in places:
            at = table.column(place)[row]
            names = named(table, table.rows[row].state, relation.name).get(at, [])
            for hidden in ("", *sorted({name[0] for name in names if not name[0].isalnum()})):
                shown = [name for name in names if not hidden or not name.startswith(hidden)]
                if len(shown) > 1 and text.startswith(shown[0]):
                    start = len(shown[0])
                    between = text[start : max(start, text.find(shown[1], start))]
                    whole = between.join(shown)
                    if between and text.startswith(whole) and len(text) <= len(whole) + 1:
                        yield Listed(relation.name, place, between, text[len(whole) :], hidden)


def _to_come(term: Term) -> bool:
    return isinstance(term, Stage) and term.name in ("first", "whole")

"""Ids that say where a thing was made: by what names it is come to from the top.

What is made at a thing by a name has such an id; and where all that is inside one thing is made again elsewhere, each
copy has one that begins with that of the whole copy. Which facts are such copies is found by looking at each thing
that another has inside (`copies`): the copies of its facts are at keys of these terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...facts import Type
from .following import Walker, Ways
from .table import Row, Table, Term
from .terms import Stage


@dataclass(frozen=True, eq=False)
class Born:
    """The id of what is made at a thing by a name."""

    relation: str
    separator: str
    again: str
    at: Term
    name: Term
    type: Type
    cost: float = 0.5

    def column(self, table: Table) -> list[Any]:
        ways = Ways(self.relation, self.separator, again=self.again)
        places = zip(table.rows, table.column(self.at), table.column(self.name), strict=True)
        return [
            None if at is None or name is None else _walker(table, row, ways).made(at, [name])
            for row, at, name in places
        ]

    def __str__(self) -> str:
        return f"{self.name} made at {self.at}"


@dataclass(frozen=True, eq=False)
class Copied:
    """The id of the copy of a thing, where what is at `old` is made again as `new`; with `name`, of what it has by that
    name. Absent where the thing is not inside `old`."""

    relation: str
    separator: str
    of: Term
    old: Term
    new: Term
    name: Term | None
    type: Type
    cost: float = 0.5

    def column(self, table: Table) -> list[Any]:
        ways = Ways(self.relation, self.separator)
        columns = (table.column(term) for term in (self.of, self.old, self.new, self.name or self.of))
        found = []
        for row, of, old, new, name in zip(table.rows, *columns, strict=True):
            names = None if None in (of, old, new, name) else _walker(table, row, ways).between(old, of)
            more = [name] if self.name is not None else []
            found.append(None if names is None else self.separator.join((new, *names, *more)))
        return found

    def __str__(self) -> str:
        return f"copy of {self.of}{'' if self.name is None else f' {self.name}'} in {self.new}"


def born(words: Sequence[Term], ways: Ways) -> list[Term]:
    """Ids of what is made at things that words lead to, by the last names of others."""
    stages = [term for term in words if isinstance(term, Stage)]
    ends = [term for term in stages if term.name == "to"]
    names = [term for term in stages if term.name == "last"]
    pairs = ((end, name) for end in ends for name in names if end.of != name.of)
    return [Born(ways.relation, ways.separator, ways.again, *pair, pair[0].type) for pair in pairs]


def copies(words: Sequence[Term], part: Term, name: Term, ways: Ways) -> Iterator[tuple[Term, Term]]:
    """Ids of the copy of a thing `part`, and of what it has by a `name`."""
    stages = [term for term in words if isinstance(term, Stage)]
    for old in (term for term in stages if term.name == "at"):
        others: list[Term] = [term for term in stages if term.name == "whole" and term.of != old.of]
        inner = [term for term in born(words, ways) if isinstance(term, Born) and _walk(term.name) == old.of]
        for new in (*others, *inner):
            of = (part, old, new)
            one, inside = (Copied(ways.relation, ways.separator, *of, more, old.type) for more in (None, name))
            yield one, inside


def _walker(table: Table, row: Row, ways: Ways) -> Walker:
    """One for each state."""
    return table.derived(row.state, ways, lambda: Walker(row.state, ways))


def _walk(term: Term) -> str | None:
    return term.of if isinstance(term, Stage) else None

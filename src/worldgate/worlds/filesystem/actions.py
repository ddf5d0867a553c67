"""What a line of shell text means: an and-or list of simple commands, as frozen data.

`str(action)` is canonical text; parsing it gives an equal action. Names of commands are literal
and in the world's table; everything that depends on the state (variables, field splitting, globs) is still to
be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .options import split

GLOB = frozenset("*?[")


class Text(NamedTuple):
    """Literal characters; where not `quoted`, the ones in `GLOB` are pattern characters."""

    text: str
    quoted: bool


class Variable(NamedTuple):
    """`$name`; where not `quoted`, its value is split into fields and globbed."""

    name: str
    quoted: bool


Word = tuple[Text | Variable, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    """`> word`, or `>> word` with `append`."""

    word: Word
    append: bool

    def __str__(self) -> str:
        return f"{'>>' if self.append else '>'} {show(self.word)}"


@dataclass(frozen=True, slots=True)
class Simple:
    """One simple command: assignments alone, or a command and its arguments; and its redirections.

    `line` is the line of the text it stands on, as error messages name it. `argv` is the expanded command
    where it does not depend on the state, and `parts` its option letters and operands, as `options.split` has them.
    """

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]
    line: int = 1
    argv: tuple[str, ...] | None = field(init=False, compare=False, repr=False)
    parts: tuple[frozenset[str], tuple[str, ...]] | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        fixed = [literal(word) for word in self.words]
        argv = None if None in fixed else tuple(map(str, fixed))
        object.__setattr__(self, "argv", argv)
        object.__setattr__(self, "parts", None if argv is None else split(argv))

    def all_words(self) -> Iterator[Word]:
        yield from (value for _, value in self.assignments)
        yield from self.words
        yield from (redirect.word for redirect in self.redirects)

    def __str__(self) -> str:
        parts = [f"{name}={show(value)}" for name, value in self.assignments]
        return " ".join([*parts, *map(show, self.words), *map(str, self.redirects)])


@dataclass(frozen=True, slots=True)
class Action:
    """Simple commands in order, each with what stands before it: ";", "&&" or "||" (";" for the first)."""

    commands: tuple[tuple[str, Simple], ...]
    asks_status: bool = field(init=False, compare=False, repr=False)  # whether `$?` is in it

    def __post_init__(self) -> None:
        words = (word for _, command in self.commands for word in command.all_words())
        object.__setattr__(
            self, "asks_status", any(part[0] == "?" and type(part) is Variable for w in words for part in w)
        )

    def __str__(self) -> str:
        text = ""
        for operator, command in self.commands:
            text += f"; {command}" if operator == ";" else f" {operator} {command}"
        return text[2:]


def literal(word: Word) -> str | None:
    """The word's text when it is the same in every state, else None."""
    text = ""
    for part in word:
        if isinstance(part, Variable) or (not part.quoted and not GLOB.isdisjoint(part.text)):
            return None
        text += part.text
    return text


def show(word: Word) -> str:
    """A word in its canonical spelling."""
    shown = ""
    for part in word:
        if isinstance(part, Variable):
            shown += f'"${{{part.name}}}"' if part.quoted else f"${{{part.name}}}"
        elif part.quoted:
            shown += "'" + part.text.replace("'", "'\"'\"'") + "'"
        else:
            shown += part.text
    return shown

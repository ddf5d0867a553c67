"""Intent: a plan is held to what its author says it does.

Each of `creates`, `changes` and `deletes` is a number (at most so many), a list of globs (each path
of that kind matches one), an empty list (none), or left out (nothing is said). A move is a change of
the path it leaves and of the one it takes, and counts once. A path named literally in `creates` must
not have stood before. Globs are strict here: `build/` and `build/**` are the directory and all
beneath it, `build` alone is one path.

In other worlds the same holds of facts: `touched` turns a delta into what is created, changed and
deleted, each under its address, such as `order("o1")`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from ..facts import Delta, format_address
from ..worlds.filesystem.names import show
from .decision import Breach
from .globs import BadGlob, Globs, is_literal, literal_path
from .plan import Intent

_NUMBERS = {  # field: (path not declared, more than declared, what the ops are called)
    "creates": ("WG411", "WG414", ("created",)),
    "changes": ("WG412", "WG415", ("changed", "moved")),
    "deletes": ("WG413", "WG416", ("deleted",)),
}

SHOWN = 5


class Affected(Protocol):
    """What is asked of a change: `worlds.filesystem.effects.Change` is one, and so is `Touched`."""

    @property
    def op(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def moved_from(self) -> str: ...


class Touched(NamedTuple):
    """A fact that a delta creates, changes or deletes; `path` is its address."""

    op: str
    path: str
    moved_from: str = ""

    def __str__(self) -> str:
        return f"{ {'created': '+', 'deleted': '-'}.get(self.op, '~') } {self.path}"


def touched(delta: Delta) -> tuple[Touched, ...]:
    """The facts of a net delta, by address."""
    found = []
    for relation, key, before, after in delta:
        op = "created" if before is None else "deleted" if after is None else "changed"
        if before != after:
            found.append(Touched(op, format_address(relation, key)))
    return tuple(sorted(found, key=lambda one: one.path))


def check_intent(
    intent: Intent, changes: Sequence[Affected], existed: Callable[[str], bool] | None = None
) -> list[Breach]:
    """Where the changes contradict the intent.

    `existed(path)` says what stood before; without it, only what the changes themselves show is known.
    """
    found: list[Breach] = []
    for field, (undeclared, too_many, ops) in _NUMBERS.items():
        said = getattr(intent, field)
        mine = [change for change in changes if change.op in ops]
        if isinstance(said, int):
            if len(mine) > said:
                message = f"the plan {field} {len(mine)} paths and says at most {said}"
                found.append(_breach(too_many, field, message, len(mine), said, mine[0]))
        elif said is not None:
            found += _undeclared(undeclared, field, said, mine)
    if intent.creates is not None and not isinstance(intent.creates, int):
        found += _existing(intent.creates, changes, existed)
    return found


def _undeclared(number: str, field: str, said: tuple[str, ...], mine: Iterable[Affected]) -> list[Breach]:
    try:
        globs = Globs(said)
    except BadGlob as error:
        return [_breach(error.number, field, f"intent.{field}: {error}", 1, 0, error.found)]
    paths = [(path, change) for change in mine for path in (change.path, change.moved_from) if path]
    outside = [(path, change) for path, change in paths if not globs.match(path)]
    if not outside:
        return []
    path, change = outside[0]
    declared = ", ".join(map(show, said[:SHOWN])) + (", ..." if len(said) > SHOWN else "")
    message = f"the plan {field} {show(path)}, which is not in {declared or 'an empty list'}"
    return [_breach(number, field, message, len(outside), 0, change)]


def _existing(
    said: tuple[str, ...], changes: Iterable[Affected], existed: Callable[[str], bool] | None
) -> list[Breach]:
    """Paths declared to be created that stood before."""
    stood = {change.path: change for change in changes if change.op in ("changed", "deleted")}
    stood |= {change.moved_from: change for change in changes if change.moved_from}
    found = []
    for path in map(literal_path, filter(is_literal, said)):
        if existed(path) if existed is not None else path in stood:
            message = f"{show(path)} is to be created and stood before"
            found.append(_breach("WG410", "creates", message, 1, 0, stood.get(path, show(path))))
    return found


def _breach(number: str, field: str, message: str, found: int, allowed: int, fact: object) -> Breach:
    return Breach(
        number=number,
        rule=f"intent.{field}",
        message=message,
        found=found,
        allowed=allowed,
        margin=found - allowed,
        fact=str(fact),
    )

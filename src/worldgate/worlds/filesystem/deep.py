"""The filesystem far from where its walks begin otherwise: twelve levels deeper, under names that no other walk has.

For predictors that learned from the filesystem as it is: rules, actions and drivers are the same, and every name that
is there at first, of a file or in a link's target, is one that was never seen. A link to an absolute path still begins
at the top, so it leads out of what was there, or nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...facts import Fact, State, Type, Value
from .schema import ROOT
from .world import FilesystemWorld

LEVELS = tuple(f"level{number}" for number in range(12))


class DeepFiles(FilesystemWorld):
    """See the module."""

    name, version = "deep-files", "1"

    def initial(self, seed: int) -> State:
        """The filesystem's own beginning for that seed, inside directories inside one another."""
        return _lowered(super().initial(seed))


def _lowered(state: State) -> State:
    """The state with all its names others, and everything inside `LEVELS`."""

    def facts() -> Iterator[Fact]:
        for relation, key, value in sorted(state.facts(), key=lambda fact: fact[:2]):
            of = state.schema.relations[relation]
            types = (type_ for _, type_ in of.key)
            yield relation, tuple(map(_other, types, key)), _other(of.value, value)
        for number, level in enumerate(LEVELS):
            above = "/".join(LEVELS[:number]) or ROOT
            yield "inode", (above,), state.get("inode", (ROOT,))
            yield "entry", (above, level), "/".join(LEVELS[: number + 1])
        yield "env", ("PWD",), "/" + "/".join(LEVELS)  # as a shell that has gone there knows it

    return State.of(state.schema, facts())


def _other(type_: Type, value: Value) -> Value:
    if type_.entity == "inode":
        return "/".join([*LEVELS, *([] if value == ROOT else [_renamed(str(value))])])
    return _renamed(str(value)) if type_.kind == "text" else value


def _renamed(path: str) -> str:
    return "/".join(part if part in ("", ".", "..") else f"{part}_" for part in path.split("/"))

"""Changes: a delta as people read it, for any world.

In the filesystem a change is a path (created, deleted, changed, moved); elsewhere it is a fact, under its
address. Rules, intents, budgets and the command line all speak of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from ..facts import Delta, Edit, State, compose, edit_to_json, tell_edit
from ..worlds.filesystem import effects as paths
from ..worlds.filesystem.schema import SCHEMA as FILESYSTEM
from .intent import Affected, touched


class Summary:
    """What a net delta does: the changes in order, how much, and what an undo will not bring back.

    Each part is computed when it is first asked for: judging a delta needs few of them.
    """

    def __init__(self, before: State, delta: Delta, after: State, *, network: bool = False) -> None:
        self.before, self.delta, self.after, self.network = before, delta, after, network
        self.in_paths = before.schema == FILESYSTEM

    @cached_property
    def changes(self) -> Sequence[Affected]:
        """The paths or facts that change."""
        return self._paths if self.in_paths else touched(self._net)

    @cached_property
    def lines(self) -> list[str]:
        """The changes as people read them."""
        if self.in_paths:
            return [str(change) for change in self._paths]
        return [f"{_mark(edit)} {tell_edit(self.before.schema, edit)}" for edit in self._net]

    @cached_property
    def rows(self) -> list[Any]:
        """The changes as they are recorded."""
        if self.in_paths:
            return [{"line": str(change), **change.to_json()} for change in self._paths]
        return [{"line": line, "edit": edit_to_json(edit)} for line, edit in zip(self.lines, self._net, strict=True)]

    @cached_property
    def totals(self) -> Mapping[str, int]:
        """How much of each kind."""
        if self.in_paths:
            totals = paths.totals(self._paths)
            return {name: getattr(totals, name) for name in totals.__struct_fields__}
        return {op: sum(change.op == op for change in self.changes) for op in ("created", "changed", "deleted")}

    @property
    def usage(self) -> Mapping[str, int]:
        """What it takes of a budget."""
        if not self.in_paths:
            return {}
        totals = self.totals
        return {
            "files": sum(totals[name] for name in ("created", "changed", "deleted", "moved")),
            "bytes": totals["bytes_created"] + totals["bytes_changed"],
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What an undo will not bring back."""
        return paths.irreversible(self._paths, self.before, network=self.network) if self.in_paths else ()

    @cached_property
    def _paths(self) -> tuple[paths.Change, ...]:
        return paths.effects(self.before, self.delta, self.after)

    @cached_property
    def _net(self) -> Delta:
        return compose(self.delta)

    def existed(self, path: str) -> bool:
        """Whether a path (in the filesystem) stood before."""
        return self.in_paths and paths.find(self.before, path) is not None


def _mark(edit: Edit) -> str:
    return "+" if edit.before is None else "-" if edit.after is None else "~"

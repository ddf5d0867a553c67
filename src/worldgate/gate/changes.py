"""Changes: a delta as people read it, for any world.

In the filesystem a change is a path (created, deleted, changed, moved); elsewhere it is a fact, under its
address. Rules, intents, budgets and the command line all speak of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..facts import Delta, Edit, State, compose, edit_to_json, format_edit
from ..worlds.filesystem import effects as paths
from ..worlds.filesystem.schema import SCHEMA as FILESYSTEM
from .intent import Affected, touched


class Summary:
    """What a net delta does: the changes in order, how much, and what an undo will not bring back."""

    def __init__(self, before: State, delta: Delta, after: State, *, network: bool = False) -> None:
        self.before = before
        self.in_paths = before.schema == FILESYSTEM
        if self.in_paths:
            found = paths.effects(before, delta, after)
            totals = paths.totals(found)
            self.changes: Sequence[Affected] = found
            self.lines = [str(change) for change in found]
            self.rows: list[Any] = [{"line": str(change), **change.to_json()} for change in found]
            self.totals: Mapping[str, int] = {name: getattr(totals, name) for name in totals.__struct_fields__}
            self.usage = {
                "files": totals.created + totals.changed + totals.deleted + totals.moved,
                "bytes": totals.bytes_created + totals.bytes_changed,
            }
            self.notes = paths.irreversible(found, before, network=network)
        else:
            net = compose(delta)
            self.changes = touched(net)
            self.lines = [f"{_mark(edit)} {format_edit(edit)}" for edit in net]
            self.rows = [{"line": line, "edit": edit_to_json(edit)} for line, edit in zip(self.lines, net, strict=True)]
            self.totals = {
                op: sum(change.op == op for change in self.changes) for op in ("created", "changed", "deleted")
            }
            self.usage = {}
            self.notes = ()

    def existed(self, path: str) -> bool:
        """Whether a path (in the filesystem) stood before."""
        return self.in_paths and paths.find(self.before, path) is not None


def _mark(edit: Edit) -> str:
    return "+" if edit.before is None else "-" if edit.after is None else "~"

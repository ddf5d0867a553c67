"""The inverse of a committed delta, in the names that a fresh reading of the directory gives.

An inode is called by the path at which it was first seen. Once a commit has moved things, a fresh
reading calls them by where they are now, so the plain inverse would not fit what it finds: every
inode in it gets its present name here. Pure but for reading a few entries of `now`.

Not covered: a file whose naming entry was removed while it keeps another that neither the delta nor
the base mentions; it keeps its old name here, and the commit says `Stale`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ...facts import Delta, Edit, State, compose, invert
from ...worlds.filesystem.directory import join, split
from ...worlds.filesystem.schema import ROOT, SCHEMA
from ..base import Base


def inverse(delta: Delta, base: Base, now: State) -> Delta:
    """What leads back from `now`, a fresh reading after the commit of `delta`, whose base was `base`."""
    net = compose(edit for edit in delta if not SCHEMA.relation(edit.relation).local)
    names = _Names(net, base, now)
    return tuple(
        Edit(
            edit.relation,
            (names.of(edit.key[0]), *edit.key[1:]),
            names.of(edit.before) if edit.relation == "entry" else edit.before,
            names.of(edit.after) if edit.relation == "entry" else edit.after,
        )
        for edit in invert(net)
    )


class _Names:
    def __init__(self, net: Delta, base: Base, now: State) -> None:
        self.now = now
        self.made = {edit.key[0] for edit in net if edit.relation == "kind" and edit.before is None}
        self.gone = {edit.key[0] for edit in net if edit.relation == "kind" and edit.after is None}
        self.entries: dict[Any, set[Any]] = defaultdict(set)
        self.left = {edit.key for edit in net if edit.relation == "entry"}
        for edit in net:
            if edit.relation == "entry":
                self.entries[edit.after].add(edit.key)
        for (relation, key), value in base:
            if relation == "entry" and len(key) == 2 and key not in self.left:
                self.entries[value].add(key)
        self.known: dict[Any, Any] = {None: None, ROOT: ROOT}
        self.taken: set[str] = set()

    def of(self, inode: Any) -> Any:
        """The name now; for an inode that is gone and will be made again, a free one."""
        if inode not in self.known:
            self.known[inode] = self._free(inode) if inode in self.gone else self._present(inode)
        return self.known[inode]

    def _present(self, inode: str) -> str:
        candidates = set(self.entries[inode])
        if inode not in self.made and split(inode) not in self.left:
            candidates.add(split(inode))
        for directory, name in sorted(candidates):
            found: str | None = self.now.get("entry", split(join(self.of(directory), name)))
            if found is not None:
                return found
        return inode

    def _free(self, inode: str) -> str:
        name, count = inode, 1
        while name in self.taken or self.now.get("kind", (name,)) is not None:
            count += 1
            name = f"{inode.partition('//')[0]}//{count}"
        self.taken.add(name)
        return name

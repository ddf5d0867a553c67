"""Effects: what a delta means for paths.

A delta speaks of inodes; people and rules speak of paths. `effects(before, delta, after)` says which
paths are created, deleted, changed and moved, in time proportional to the delta: a moved directory
of a million files is one change. `touches` asks the finer question whether a change reaches a path
that some pattern matches, and walks beneath a moved directory only where the pattern could match.

A file with several links shows a change of its content or metadata at every link. What an edit
does to facts without a path (a removed directory still in use, the acting shell) is no change here.
A path is where a name stands: symbolic links on the way are not followed, and a change of a file
does not show at the links that point to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from ...facts import Delta, State, value_to_json
from .names import Matcher, Paths, beneath, join, show
from .names import find as find
from .schema import ROOT, inode_in

Op = Literal["created", "deleted", "changed", "moved"]
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "inode": ("kind", "mode", "owner", "owner"),
    "content": ("content",),
    "size": ("content",),
    "target": ("target",),
    "xattr": ("xattr",),
}
"""What is said to change, by relation; of a record, by field. "inode" stands for another file put in a path's place."""
UNDO_LIMIT = 1 << 30


class Look(msgspec.Struct, frozen=True, omit_defaults=True):
    """An inode as a reader of the change sees it."""

    kind: str
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    target: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Without what does not apply; the mode in octal, the owner as uid:gid."""
        owner = None if self.uid is None else f"{self.uid}:{self.gid}"
        mode = None if self.mode is None else f"{self.mode:o}"
        target = value_to_json(self.target)
        found = {"kind": self.kind, "mode": mode, "owner": owner, "size": self.size, "target": target}
        return {name: value for name, value in found.items() if value is not None}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One path and what happens to it. A moved directory stands for everything beneath it.

    `bytes` is the content created or deleted, or the larger of the two contents of a change.
    """

    op: Op
    path: str
    kind: str
    inode: str
    what: tuple[str, ...] = ()
    before: Look | None = None
    after: Look | None = None
    bytes: int = 0
    moved_from: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON data; names that are not UTF-8 as {"base64": ...}."""
        found: dict[str, Any] = {"op": self.op, "path": value_to_json(self.path), "kind": self.kind}
        if self.moved_from:
            found["moved_from"] = value_to_json(self.moved_from)
        if self.what:
            found["what"] = list(self.what)
        for name, look in (("before", self.before), ("after", self.after)):
            if look is not None:
                found[name] = look.to_json()
        return found | {"bytes": self.bytes, "inode": value_to_json(self.inode)}

    def __str__(self) -> str:
        name = show(self.path) + ("/" if self.kind == "dir" and self.path != ROOT else "")
        if self.op in ("created", "deleted"):
            look = self.after or self.before
            arrow = f" -> {show(look.target)}" if look and look.target is not None else ""
            return f"{'+' if self.op == 'created' else '-'} {name}{arrow}"
        start = f"{show(self.moved_from)} -> " if self.moved_from else ""
        details = ", ".join(_detail(what, self.before, self.after) for what in self.what)
        return f"~ {start}{name}" + (f" ({details})" if details else "")


# --- effects ---------------------------------------------------------------------------------------


def effects(before: State, delta: Delta, after: State) -> tuple[Change, ...]:
    """The path-level meaning of the delta between two states, sorted by path. O(delta)."""
    return _Effects(before, delta, after).changes()


class _Effects:
    """One computation: entries give the paths that come and go, inodes what changes at the others."""

    def __init__(self, before: State, delta: Delta, after: State) -> None:
        self.before, self.after = before, after
        self.old, self.new = Paths(before), Paths(after)
        self.lost: dict[str, list[str]] = {}
        self.gained: dict[str, list[str]] = {}
        self.entries = {edit.key: None for edit in delta if edit.relation == "entry"}
        self.edited: dict[str, set[str]] = {}
        for edit in delta:
            if edit.relation in ATTRIBUTES:
                self.edited.setdefault(str(edit.key[0]), set()).add(edit.relation)

    def changes(self) -> tuple[Change, ...]:
        self._compare_entries()
        moves = {path: (origin, inode) for inode in self.lost for origin, path in self._moves(inode)}
        gone = {path: inode for inode, paths in self.lost.items() for path in paths}
        come = {path: inode for inode, paths in self.gained.items() for path in paths}
        found = [self._change("moved", path, inode, inode, origin) for path, (origin, inode) in moves.items()]
        for path in gone.keys() | come.keys():
            found += self._at(path, gone.get(path), come.get(path))
        for inode in self.edited:
            for path in self.new.of(inode) if self.old.of(inode) else ():
                if path not in come and path not in moves and (what := self._what(inode, inode)):
                    found.append(self._change("changed", path, inode, inode, what=what))
        return tuple(sorted(found, key=lambda change: (change.path, _ORDER[change.op], change.moved_from)))

    def _compare_entries(self) -> None:
        for key in self.entries:
            directory, name = str(key[0]), str(key[1])
            first, second = self.before.get("entry", key), self.after.get("entry", key)
            if first == second:
                continue
            for inode, paths, table in ((first, self.old, self.lost), (second, self.new, self.gained)):
                place = None if inode is None else paths.directory(directory)
                if place is not None:
                    table.setdefault(inode, []).append(join(place, name))
        self._sweep(self.lost, self.before, self.new)
        self._sweep(self.gained, self.after, self.old)

    def _sweep(self, table: dict[str, list[str]], state: State, other: Paths) -> None:
        """Add what comes or goes with a whole directory, without an edit of its own."""
        pending = [(inode, paths[0]) for inode, paths in table.items() if inode_in(state, inode).kind == "dir"]
        while pending:
            directory, path = pending.pop()
            if other.directory(directory) is not None:
                continue  # it was or is elsewhere: a move
            for (name,), inode in state.select("entry", (directory,)).items():
                if (directory, name) not in self.entries:
                    place = join(path, str(name))
                    table.setdefault(inode, []).append(place)
                    if inode_in(state, inode).kind == "dir":
                        pending.append((inode, place))

    def _moves(self, inode: str) -> list[tuple[str, str]]:
        """Pairs of (old, new) paths of one inode, taken out of what it lost and gained."""
        lost, gained = set(self.lost[inode]), set(self.gained.get(inode, ()))
        same = lost & gained  # another directory stands where its own stood
        pairs = list(zip(sorted(lost - same), sorted(gained - same), strict=False))
        self.lost[inode] = sorted(lost - same - {old for old, _ in pairs})
        if inode in self.gained:
            self.gained[inode] = sorted(gained - same - {new for _, new in pairs})
        return pairs

    def _at(self, path: str, gone: str | None, come: str | None) -> list[Change]:
        """The changes at a path that one inode leaves and another takes."""
        if gone and come and inode_in(self.before, gone).kind == inode_in(self.after, come).kind:
            return [self._change("changed", path, gone, come, what=(*self._what(gone, come), "inode"))]
        found = [] if gone is None else [self._change("deleted", path, gone, None)]
        return found if come is None else [*found, self._change("created", path, None, come)]

    def _change(
        self, op: Op, path: str, old: str | None, new: str | None, origin: str = "", what: tuple[str, ...] = ()
    ) -> Change:
        first = None if old is None else look(self.before, old)
        second = None if new is None else look(self.after, new)
        if op == "moved" and old is not None and new is not None:
            what = self._what(old, new)
        here = second or first
        assert here is not None
        return Change(
            op=op,
            path=path,
            kind=here.kind,
            inode=new or old or "",
            what=what,
            before=first,
            after=second,
            bytes=self._bytes(op, first, second, what, old, new),
            moved_from=origin,
        )

    def _bytes(
        self, op: Op, first: Look | None, second: Look | None, what: tuple[str, ...], old: str | None, new: str | None
    ) -> int:
        if op == "created" and second and new is not None:
            return 0 if self.old.of(new) else second.size or 0
        if op == "deleted" and first and old is not None:
            return 0 if self.new.of(old) else first.size or 0
        if "content" in what and first and second:
            return max(first.size or 0, second.size or 0)
        return 0

    def _what(self, old: str, new: str) -> tuple[str, ...]:
        """The attributes in which two inodes (or the two times of one) differ."""
        wanted = self.edited.get(new, ()) if old == new else ATTRIBUTES
        found: set[str] = set()
        for relation in wanted:
            rows = zip(
                ATTRIBUTES[relation],
                _parts(self.before, relation, old),
                _parts(self.after, relation, new),
                strict=True,
            )
            found.update(name for name, first, second in rows if first != second)
        return tuple(sorted(found))


_ORDER: Mapping[str, int] = {"deleted": 0, "moved": 1, "created": 2, "changed": 3}


def _parts(state: State, relation: str, inode: str) -> tuple[Any, ...]:
    if relation == "inode":
        return inode_in(state, inode)
    return (dict(state.select("xattr", (inode,))) if relation == "xattr" else state.get(relation, (inode,)),)


def look(state: State, inode: str) -> Look:
    """An inode's summary in one state."""
    kind, mode, uid, gid = inode_in(state, inode)
    if not kind:
        return Look("unknown")
    size, target = state.get("size", (inode,)), state.get("target", (inode,))
    return Look(kind, None if kind == "symlink" else mode, uid, gid, size, target)


def _detail(what: str, before: Look | None, after: Look | None) -> str:
    if before is None or after is None:
        return what
    if what == "mode" and None not in (before.mode, after.mode):
        return f"mode {before.mode:o} -> {after.mode:o}"
    if what == "owner":
        return f"owner {before.uid}:{before.gid} -> {after.uid}:{after.gid}"
    if what == "content":
        return f"{before.size or 0} -> {after.size or 0} bytes" if before.size != after.size else "content"
    if what == "target":
        return f"target {show(before.target or '')} -> {show(after.target or '')}"
    return {"inode": "replaced"}.get(what, what)


# --- questions about changes -----------------------------------------------------------------------


def touches(change: Change, before: State, after: State, matcher: Matcher) -> str | None:
    """The first path in `matcher` that the change affects, or None.

    A move affects the old and the new path and, of a directory, every path beneath either.
    """
    if matcher.match(change.path):
        return change.path
    if not change.moved_from:
        return None
    if matcher.match(change.moved_from):
        return change.moved_from
    if "dir" in (change.kind, change.before and change.before.kind):
        for state, path in ((before, change.moved_from), (after, change.path)):
            for place, _ in beneath(state, change.inode, path, matcher):
                if matcher.match(place):
                    return place
    return None


class Totals(msgspec.Struct, frozen=True):
    """How much a set of changes does. Paths are counted; the bytes of a file with several links once."""

    created: int = 0
    changed: int = 0
    deleted: int = 0
    moved: int = 0
    dirs_created: int = 0
    dirs_deleted: int = 0
    bytes_created: int = 0
    bytes_changed: int = 0
    bytes_deleted: int = 0

    def __str__(self) -> str:
        return f"{self.created} created, {self.changed} changed, {self.deleted} deleted, {self.moved} moved"


def totals(changes: Iterable[Change]) -> Totals:
    """The totals of some changes."""
    count = dict.fromkeys(Totals.__struct_fields__, 0)
    counted: set[tuple[str, str]] = set()
    for change in changes:
        count[change.op] += 1
        if change.kind == "dir" and f"dirs_{change.op}" in count:
            count[f"dirs_{change.op}"] += 1
        if (change.op, change.inode) not in counted:
            counted.add((change.op, change.inode))
            count[f"bytes_{'changed' if change.op == 'moved' else change.op}"] += change.bytes
    return Totals(**count)


_NOT_RESTORED = {"socket": "whatever listened there", "fifo": "what was in it"}


def irreversible(
    changes: Iterable[Change], before: State, *, network: bool = False, undo_limit: int = UNDO_LIMIT
) -> tuple[str, ...]:
    """What an undo in a directory does not bring back. Contents, modes, owners and names it does."""
    notes = ["the network was open: what was sent is sent"] if network else []
    for change in changes:
        size = change.before.size or 0 if change.before else 0
        lost = change.op == "deleted" or "content" in change.what
        if lost and size > undo_limit:
            notes.append(f"{show(change.path)}: {size} bytes of content, more than the {undo_limit} that undo keeps")
        if lost and change.kind in _NOT_RESTORED:
            notes.append(f"{show(change.path)}: {_NOT_RESTORED[change.kind]}")
        if change.what and before.get("outside", (change.inode,)):
            notes.append(f"{show(change.path)}: also changes at links outside the workspace until undone")
    return tuple(notes)

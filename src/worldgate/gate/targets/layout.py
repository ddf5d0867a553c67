"""What a delta means for the names and inodes of a real directory. Pure: a delta and the state before.

Facts speak of inode ids; a directory has *bodies* (real inodes, old ones and ones to be made) and
*slots* (a name in a directory body). `layout` says for every slot concerned which body is in it
before and after, what new bodies are, and how the metadata of old ones changes. How to get from one
to the other is not its business (see `moves`). A file whose bytes change, a link whose target
changes and an id whose kind changes become new bodies, so that nothing is ever written in place.

A delta whose result is not a well-formed tree, or that cannot be made exactly, is `Uncommittable`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ...facts import Delta, Edit, Key, State
from ...worlds.filesystem.directory import WORKPLACE, join, split
from ...worlds.filesystem.schema import NOTHING, ROOT, Inode, inode_in
from .refusals import require

ROOT_BODY: Final = 0
_MAKEABLE: Final = ("file", "dir", "symlink")
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "file": ("content", "size"),
    "symlink": ("target",),
}
_SINGLE: Final = ("content", "size", "target", "outside")
_LIMITS: Final = {"mode": 0o7777, "uid": 2**32 - 2, "gid": 2**32 - 2, "size": 2**63 - 1}


@dataclass(frozen=True, slots=True)
class Made:
    """A body to be made. `links` names are prepared in the stage, or one at `home` in another new body."""

    mode: int | None
    uid: int
    gid: int
    content: str | None
    size: int | None
    target: str | None
    xattrs: tuple[tuple[str, str], ...]
    links: int = 1
    home: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """New metadata of an old body; None for what stays. Attributes with None are removed."""

    mode: int | None
    uid: int | None
    gid: int | None
    xattrs: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Body:
    """One inode. `id` is its id in the delta; that of an old one is its path."""

    id: str
    kind: str
    made: Made | None = None
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """A name in a directory body, and which body is in it before and after. Equal ones only say where a body is."""

    parent: int
    name: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Layout:
    """All of one delta.

    `doomed`: paths of what goes away within a directory that goes away, and so has no slot; `gone`: the
    directories that go away; `kept`: old bodies by path; `current`: bodies after, by id.
    """

    bodies: tuple[Body, ...]
    slots: tuple[Slot, ...]
    doomed: tuple[str, ...]
    gone: frozenset[str]
    kept: Mapping[str, int]
    current: Mapping[str, int]


class View:
    """The state after a delta, at a cost of the edits only."""

    def __init__(self, before: State, net: Delta) -> None:
        self.before = before
        self.edits = {(edit.relation, edit.key): edit for edit in net}
        self._joined: dict[Any, set[Key]] = defaultdict(set)
        self._left: dict[Any, set[Key]] = defaultdict(set)
        self._xattrs: dict[str, list[Edit]] = defaultdict(list)
        for edit in net:
            if edit.relation == "entry":
                self._left[edit.before].add(edit.key)
                self._joined[edit.after].add(edit.key)
            elif edit.relation == "xattr":
                self._xattrs[str(edit.key[0])].append(edit)

    def get(self, relation: str, *key: str) -> Any:
        edit = self.edits.get((relation, key))
        return self.before.get(relation, key) if edit is None else edit.after

    def kind(self, inode: str) -> str:
        """The kind of an inode; "" where there is none."""
        found: Inode = self.get("inode", inode) or NOTHING
        return found.kind

    def owners(self, inode: str) -> set[Key]:
        return set(self.before.owners("entry", inode)) - self._left[inode] | self._joined[inode]

    def xattrs(self, inode: str) -> dict[str, str]:
        found = {str(rest[0]): value for rest, value in self.before.select("xattr", (inode,)).items()}
        found |= {str(edit.key[1]): edit.after for edit in self._xattrs[inode]}
        return {name: value for name, value in sorted(found.items()) if value is not None}

    def xattr_edits(self, inode: str) -> tuple[tuple[str, Any], ...]:
        return tuple((str(edit.key[1]), edit.after) for edit in self._xattrs[inode])

    def empty(self, inode: str) -> bool:
        """Whether no entry is left in what was a directory."""
        before = self.before.select("entry", (inode,))
        return all(self.get("entry", inode, str(name)) is None for (name,) in before)


def layout(before: State, net: Delta) -> Layout:
    """The layout of a delta (each fact at most once, no local facts); raises `Uncommittable`."""
    view = View(before, net)
    touched = _touched(net)
    _check_edits(net)
    _check_tree(view, touched)
    return _Builder(view, touched).build(net)


def _touched(net: Iterable[Edit]) -> list[str]:
    found: set[Any] = set()
    for edit in net:
        found.add(edit.key[0])
        if edit.relation == "entry":
            found |= {edit.before, edit.after}
    return sorted(found - {None})


# --- what is refused ---------------------------------------------------------------------------------


def _check_edits(net: Delta) -> None:
    for edit in net:
        if edit.relation == "entry":
            directory, name = (str(part) for part in edit.key)
            good = name not in ("", ".", "..") and not set(name) & {"/", "\0"} and len(_bytes(name)) <= 255
            require(good, "name", repr(name), "a file name of at most 255 bytes")
            require((directory, name) != (ROOT, WORKPLACE), "gate", f"an entry {WORKPLACE!r}", "the gate's own name")
        if isinstance(edit.after, Inode):
            for name, value in zip(Inode._fields[1:], edit.after[1:], strict=True):
                limit = 0 if name == "mode" and edit.after.kind == "symlink" else _LIMITS[name]
                require(0 <= value <= limit, "range", f"{name} {value}", f"0 to {limit}")
        elif edit.relation == "size" and isinstance(edit.after, int):
            require(0 <= edit.after <= _LIMITS["size"], "range", f"size {edit.after}", f"0 to {_LIMITS['size']}")


def _check_tree(view: View, touched: list[str]) -> None:
    rooted = {ROOT}
    for inode in touched:
        kind = view.kind(inode)
        if not kind:
            _check_gone(view, inode)
            continue
        missing = [name for name in _NEEDS.get(kind, ()) if _lacks(view, name, inode)]
        require(not missing, "tree", f"{inode!r} without {', '.join(missing)}", f"a complete {kind}")
        owners = view.owners(inode)
        if inode != ROOT:
            require(bool(owners), "tree", f"{inode!r} in no directory", "an entry for every inode that is left")
            require(kind != "dir" or len(owners) == 1, "tree", f"directory {inode!r} twice", "one entry a directory")
        else:
            require(kind == "dir" and not owners, "tree", "another root", "the root as a directory outside all others")
        for directory, _ in owners:
            _check_rooted(view, str(directory), inode, rooted)
        if kind != "dir":
            require(view.empty(inode), "tree", f"entries in the {kind} {inode!r}", "entries in directories only")


def _lacks(view: View, relation: str, inode: str) -> bool:
    """Whether a fact will be missing, without reading a content that nobody changes."""
    edit = view.edits.get((relation, (inode,)))
    if edit is not None:
        return edit.after is None
    return view.before.get(_unread(relation), (inode,)) is None


def _unread(relation: str) -> str:
    """A relation that is there exactly when this one is, and costs no reading of bytes."""
    return "size" if relation == "content" else relation


def _check_gone(view: View, inode: str) -> None:
    require(inode != ROOT, "tree", "no root", "a root")
    require(not view.owners(inode), "tree", f"an entry for {inode!r}, which is no inode", "entries for inodes")
    require(view.empty(inode), "tree", f"entries in {inode!r}, which is gone", "their removal as well")
    for relation in _SINGLE:
        edit = view.edits.get((relation, (inode,)))
        left = view.before.get(_unread(relation), (inode,)) if edit is None else edit.after
        require(left is None, "tree", f"{relation} of {inode!r}, which is gone", "its removal as well")
    require(not view.xattrs(inode), "tree", f"attributes of {inode!r}, which is gone", "their removal as well")


def _check_rooted(view: View, directory: str, inode: str, rooted: set[str]) -> None:
    path: list[str] = []
    while directory not in rooted:
        require(view.kind(directory) == "dir", "tree", f"{inode!r} in {directory!r}", "a directory there")
        owners = view.owners(directory)
        good = len(owners) == 1 and directory not in path
        require(good, "tree", f"{inode!r} in {directory!r}, which does not lead to the root", "a tree")
        path.append(directory)
        directory = str(next(iter(owners))[0])
    rooted.update(path)


# --- building ------------------------------------------------------------------------------------------


class _Builder:
    """Numbers bodies and slots as they are met."""

    def __init__(self, view: View, touched: list[str]) -> None:
        self.view, self.touched = view, touched
        self.bodies: list[Body] = [Body(ROOT, "dir")]
        self.kept: dict[str, int] = {ROOT: ROOT_BODY}
        self.new: dict[str, int] = {}
        self.slots: dict[tuple[int, str], list[int | None]] = {}
        before = view.before
        self.was = {inode: inode_in(before, inode).kind for inode in touched}
        self.fresh = {inode for inode in touched if view.kind(inode) and self._is_new(inode)}
        self.dying = {inode for inode in touched if self.was[inode] and (inode in self.fresh or self._gone(inode))}

    def _gone(self, inode: str) -> bool:
        return not self.view.kind(inode)

    def _is_new(self, inode: str) -> bool:
        was, edits = self.was[inode], self.view.edits
        if not was or was != self.view.kind(inode):
            return True
        changed = any((relation, (inode,)) in edits for relation in ("content", "target"))
        require(changed or ("size", (inode,)) not in edits, "tree", f"a new size of {inode!r}", "its content as well")
        return changed

    def build(self, net: Delta) -> Layout:
        doomed = []
        for directory, name in sorted(self._keys(net)):
            before = self.view.before.get("entry", (directory, name))
            after = self.view.get("entry", directory, name)
            if before is not None:
                if before in self.dying and directory in self.dying:
                    doomed.append(join(directory, name))
                else:
                    self._slot(self.old(directory), name)[0] = self.old(before)
                    self.slots[self.old(directory), name][1] = None
            if after is not None:
                self._put(directory, name, after)
        for inode in self.touched:
            if self.was[inode] and inode not in self.dying:
                self._change(inode)
        slots = tuple(Slot(*place, *ends) for place, ends in self.slots.items())
        kept = {inode: index for inode, index in self.kept.items() if inode not in self.dying}
        gone = frozenset(inode for inode in self.dying if self.was[inode] == "dir")
        return Layout(tuple(self.bodies), slots, tuple(sorted(doomed)), gone, self.kept, {**kept, **self.new})

    def _keys(self, net: Delta) -> set[tuple[str, str]]:
        """The entries whose body changes: those edited, and all that name a body made anew."""
        found = {edit.key for edit in net if edit.relation == "entry"}
        for inode in self.fresh:
            found |= self.view.owners(inode) | self.view.before.owners("entry", inode)
        return {(str(directory), str(name)) for directory, name in found}

    def _slot(self, parent: int, name: str) -> list[int | None]:
        return self.slots.setdefault((parent, name), [None, None])

    def _put(self, directory: str, name: str, inode: str) -> None:
        body, parent = self.now(inode), self.now(directory)
        made = self.bodies[body].made
        if made is None or made.home is None:
            self._slot(parent, name)[1] = body
        elif self.bodies[body].kind == "dir":
            self.slots[parent, name] = [body, body]

    def old(self, inode: str) -> int:
        """The body of an inode of the state before, with the slots that lead to it."""
        waiting = []
        while inode not in self.kept:
            waiting.append(inode)
            inode = split(inode)[0]
        for path in reversed(waiting):
            directory, name = split(path)
            index = self.kept[path] = len(self.bodies)
            self.bodies.append(Body(path, inode_in(self.view.before, path).kind))
            self.slots.setdefault((self.kept[directory], name), [index, index])
        return self.kept[waiting[0] if waiting else inode]

    def now(self, inode: str) -> int:
        """The body of an inode of the state after."""
        waiting = []
        while inode in self.fresh and inode not in self.new:
            waiting.append(inode)
            inode = str(min(self.view.owners(inode))[0])
        for fresh in reversed(waiting):
            self.new[fresh] = len(self.bodies)
            self.bodies.append(Body(fresh, self.view.kind(fresh), self._made(fresh)))
        first = waiting[0] if waiting else inode
        return self.new[first] if first in self.fresh else self.old(first)

    def _made(self, inode: str) -> Made:
        get = self.view.get
        kind, mode, uid, gid = get("inode", inode)
        require(kind in _MAKEABLE, "kind", f"a new {kind} {inode!r}", f"a new {', '.join(_MAKEABLE)}")
        outside = get("outside", inode)
        require(not outside, "outside", f"new bytes for {inode!r}, which has {outside} links outside", "no such links")
        owners = sorted(self.view.owners(inode))
        made = Made(
            None if kind == "symlink" else mode, uid, gid, None, None, None,
            tuple(self.view.xattrs(inode).items()), len(owners),
        )  # fmt: skip
        if kind == "file":
            made = replace(made, content=get("content", inode), size=get("size", inode))
        elif kind == "symlink":
            target = get("target", inode)
            require(0 < len(_bytes(target)) < 4096 and "\0" not in target, "name", f"target {target!r:.40}", "a path")
            made = replace(made, target=target)
        directory, name = (str(part) for part in owners[0])
        if len(owners) == 1 and directory in self.fresh:
            made = replace(made, home=(self.now(directory), name))
        return made

    def _change(self, inode: str) -> None:
        """Note the new metadata of a body that stays, and a name that it keeps: it may lose the one we know."""
        edits = self.view.edits
        kept = sorted(key for key in self.view.owners(inode) if ("entry", key) not in edits)
        if kept:
            body = self.old(inode)
            self.slots.setdefault((self.old(str(kept[0][0])), str(kept[0][1])), [body, body])
        require(("outside", (inode,)) not in edits, "outside", f"links of {inode!r} outside", "links in this world")
        edit = edits.get(("inode", (inode,)))
        rows: Any = [(None, None)] * 4 if edit is None else zip(edit.before, edit.after, strict=True)  # type: ignore[arg-type]
        _, mode, uid, gid = (None if now == was else now for was, now in rows)
        xattrs = self.view.xattr_edits(inode)
        if (mode, uid, gid, xattrs) != (None, None, None, ()):
            body = self.old(inode)
            self.bodies[body] = replace(self.bodies[body], change=Change(mode, uid, gid, xattrs))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

"""What an overlay's upper layer says: the delta from the base directory, in O(what the command touched).

The layer shows where things ended, not how. The rules that give inodes their identity:

- what is at the same path with the same kind is the same inode (a file that was replaced by another
  reads as a change of content), except that real hard links are told apart by inode number;
- a new directory whose whole tree equals a removed one is that directory, moved (with the files in it that
  have links elsewhere, which a copy across the overlay takes apart and a move does not);
- a new file equal in content, mode, owner and attributes to a removed one is that file, moved (an empty
  file only under its old name);
- everything else is new, and gets the id of its path, or "path//2" and so on where the base has that id.

Times are not facts: what was only touched, or copied up unchanged, gives no edit.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ...facts import Address, Delta, Edit, Value
from .directory import DirectorySource, join, single, split
from .schema import ROOT
from .upper import OPAQUE, PREPARED, Upper

_PLAIN: Final = ("inode", "content", "size", "target")
Group = tuple[str, ...]
"""The paths of one file with several links, the least first."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A layer read: the delta, or the groups of hard links to `prepare` before running again.

    `contents` are the new contents: digest to the path in the upper layer.
    """

    delta: Delta = ()
    contents: Mapping[str, str] = field(default_factory=dict)
    prepare: frozenset[Group] = frozenset()


def read(base: DirectorySource, upper: Upper, prepared: Iterable[Group]) -> Reading:
    """Read a layer whose command has ended. `prepared` are the groups that were laid out as real links."""
    layer = _Layer(base, upper, frozenset(prepared))
    layer.visit()
    broken = layer.broken()
    if broken:
        return Reading(prepare=broken)
    layer.identify()
    layer.match_trees()
    layer.match_files()
    layer.name_new()
    return layer.edits()


class _Layer:
    """The working notes of one reading. Paths are those of the merged tree."""

    def __init__(self, base: DirectorySource, upper: Upper, prepared: frozenset[Group]) -> None:
        self.base, self.upper = base, upper
        self.prepared = {path: group for group in prepared for path in group}
        self.nodes: dict[str, os.stat_result] = {}  # everything the layer shows, but whiteouts
        self.gone: dict[str, str] = {}  # base path -> base id: entries that no longer are
        self.ident: dict[str, str] = {}  # path in the layer -> id
        self.removed: set[str] = set()  # base ids without a name left
        self.fresh_dirs: set[str] = set()
        self.fresh_files: dict[str, Group] = {}  # least path -> all paths of one new inode

    # --- what is there -----------------------------------------------------------------------------

    def visit(self) -> None:
        """Walk the layer beside the base."""
        self.nodes[ROOT] = self.upper.lstat(ROOT)
        self.ident[ROOT] = ROOT
        pending = [(ROOT, True, False)]
        while pending:
            directory, merged, hides = pending.pop()
            shown = set()
            # only the topmost directory that was made anew is marked: what is beneath it hides the base, too
            hides = hides or (merged and self.upper.attribute(directory, OPAQUE) is not None)
            for path, status in self._children(directory):
                before = self._base_at(path) if merged else None
                if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                    continue  # a whiteout
                shown.add(path)
                self.nodes[path] = status
                alike = before is not None and self._alike(before, status)
                if stat.S_ISDIR(status.st_mode):
                    if alike:
                        self.ident[path] = path
                    else:
                        self.fresh_dirs.add(path)
                    pending.append((path, alike, hides))
                if before is not None and not alike:
                    self._drop(path)
            if merged:
                self._note_absent(directory, shown, hides=hides)

    def _children(self, directory: str) -> Iterator[tuple[str, os.stat_result]]:
        for (name,) in sorted(self.upper.select("entry", (directory,))):
            path = join(directory, str(name))
            yield path, self.upper.lstat(path)

    def _note_absent(self, directory: str, shown: set[str], *, hides: bool) -> None:
        """Drop what a whiteout hides, or a directory that hides all of the base's."""
        if hides:
            hidden: Iterable[str] = (join(directory, str(name)) for (name,) in self.base.select("entry", (directory,)))
        else:
            hidden = (path for path, _ in self._children(directory))
        for path in hidden:
            if path not in shown and self._base_at(path) is not None:
                self._drop(path)

    def _base_at(self, path: str) -> str | None:
        directory, name = split(path)
        return cast("str | None", self.base.get("entry", (directory, name)))

    def _alike(self, inode: str, status: os.stat_result) -> bool:
        before = self.base.status(inode)
        return before is not None and stat.S_IFMT(before.st_mode) == stat.S_IFMT(status.st_mode)

    def _is_dir(self, inode: str) -> bool:
        before = self.base.status(inode)
        return before is not None and stat.S_ISDIR(before.st_mode)

    def _drop(self, path: str) -> None:
        """Note that a base entry is gone, and everything beneath it."""
        pending = [path]
        while pending:
            current = pending.pop()
            inode = cast(str, self._base_at(current))
            self.gone[current] = inode
            pending += [join(current, str(name)) for (name,) in self.base.select("entry", (current,))]

    # --- which inode is which ------------------------------------------------------------------------

    def _groups(self) -> Iterator[Group]:
        """The layer's inodes other than directories, each as its paths."""
        found: dict[tuple[int, int], list[str]] = defaultdict(list)
        for path, status in self.nodes.items():
            if not stat.S_ISDIR(status.st_mode):
                found[status.st_dev, status.st_ino].append(path)
        for paths in found.values():
            yield tuple(sorted(paths))

    def broken(self) -> frozenset[Group]:
        """Groups of hard links that the overlay took apart: the command must run again with them prepared."""
        files = any(not stat.S_ISDIR(status.st_mode) for status in self.nodes.values())
        found = set()
        for path in self.nodes.keys() | self.gone.keys():
            inode = self._base_at(path)
            status = None if inode is None or path in self.prepared else self.base.status(inode)
            if inode is not None and status is not None and not single(status):
                group = self.base.links(inode, status)
                # a name that is gone may have been written through before, or moved over another file
                if files or not self.gone.keys() >= set(group):
                    found.add(group)
        return frozenset(found)

    def identify(self) -> None:
        """Give every path its id, or note it as new; then find what has no name left."""
        for paths in self._groups():
            inode = self._claim(paths)
            if inode is None:
                self.fresh_files[paths[0]] = paths
            else:
                self.ident.update(dict.fromkeys(paths, inode))
        lost = dict(self.gone)
        for path in self.nodes:
            before = self._base_at(path)
            if before is not None and self.ident.get(path) != before:
                lost[path] = before
        kept = set(self.ident.values())
        for inode in set(lost.values()) - kept:
            status = cast("os.stat_result", self.base.status(inode))
            if all(path in lost for path in self.base.links(inode, status)):
                self.removed.add(inode)
        self.gone = lost

    def _claim(self, paths: Group) -> str | None:
        """The base inode that a layer's inode is, if any."""
        status = self.nodes[paths[0]]
        if self.prepared and stat.S_ISREG(status.st_mode):
            mark = self.upper.attribute(paths[0], PREPARED)
            if mark is not None:
                return os.fsdecode(mark)
        candidates = set()
        for path in paths:
            before = self._base_at(path)
            unmarked = path in self.prepared and stat.S_ISREG(status.st_mode)  # then it replaced the prepared one
            if before is not None and self._alike(before, status) and path not in self.gone and not unmarked:
                candidates.add(before)
        if len(candidates) > 1:
            return min([before for before in candidates if self._equal(before, paths[0])] or candidates)
        return next(iter(candidates), None)

    # --- moves ---------------------------------------------------------------------------------------

    def _facts(self, source: DirectorySource | Upper, inode: str) -> dict[tuple[str, ...], Value]:
        """All facts of one inode but its outside links, by (relation, rest of key)."""
        found: dict[tuple[str, ...], Value] = {}
        for relation in _PLAIN:
            value = source.get(relation, (inode,))
            if value is not None:
                found[(relation,)] = value
        for (name,), value in source.select("xattr", (inode,)).items():
            found["xattr", str(name)] = value
        return found

    def _equal(self, before: str, path: str) -> bool:
        return self._facts(self.base, before) == self._facts(self.upper, self.upper.id_of(path))

    def match_trees(self) -> None:
        """A new directory equal to a removed one, all the way down, is the removed one."""
        old = sorted(inode for inode in self.removed if self._is_dir(inode))
        if not old or not self.fresh_dirs:
            return
        shapes: dict[Any, list[str]] = defaultdict(list)
        for inode in old:
            shapes[_shape(self.base, inode)].append(inode)
        for path in sorted(self.fresh_dirs):
            if path in self.ident:
                continue  # inside a tree that has moved already
            choices = [inode for inode in shapes.get(_shape(self.upper, path), ()) if inode in self.removed]
            for inode in sorted(choices, key=lambda choice: (split(choice)[1] != split(path)[1], choice)):
                pairs = self._pair(inode, path)
                if pairs is not None:
                    self._moved(pairs)
                    break

    def _pair(self, inode: str, path: str) -> dict[str, str] | None:
        """Path in the layer to base id, over two equal trees, if all of the second is new.

        A file of the removed tree may have links elsewhere: `mv` across the overlay had to copy it, and
        took it apart from them; moved, it is still the one file.
        """
        pairs = {path: inode}
        numbers: dict[str, str] = {}
        pending = [(inode, path)]
        while pending:
            before, now = pending.pop()
            if self._facts(self.base, before) != self._facts(self.upper, self.upper.id_of(now)):
                return None
            if numbers.setdefault(self.upper.id_of(now), before) != before:
                return None
            if not stat.S_ISDIR(self.nodes[now].st_mode):
                fresh = self.fresh_files.get(self.upper.id_of(now))
                if fresh is None or not all(name.startswith(path + "/") for name in fresh):
                    return None
                continue
            left = self.base.select("entry", (before,))
            right = self.upper.select("entry", (now,))
            if left.keys() != right.keys():
                return None
            for key, child in left.items():
                pairs[join(now, str(key[0]))] = str(child)
                pending.append((str(child), join(now, str(key[0]))))
        return pairs if len(set(pairs.values())) == len({self.upper.id_of(now) for now in pairs}) else None

    def _moved(self, pairs: Mapping[str, str]) -> None:
        self.ident.update(pairs)
        self.removed.difference_update(pairs.values())
        for path in pairs:
            self.fresh_files.pop(path, None)

    def match_files(self) -> None:
        """A new file equal to a removed one is the removed one."""
        old: dict[Any, list[str]] = defaultdict(list)
        sizes = {self.upper.get("size", (first,)) for first in self.fresh_files}
        for path, inode in sorted(self.gone.items()):
            file = not self._is_dir(inode) and self.base.get("size", (inode,)) in sizes
            if file and self._may_move(path):
                old[_frozen(self._facts(self.base, inode))].append(path)
        if not old:
            return
        for named in (True, False):  # the same name first
            for first, paths in sorted(self.fresh_files.items()):
                facts = self._facts(self.upper, first)
                choices = old.get(_frozen(facts), [])
                if named or facts.get(("size",)) == 0:
                    choices = [path for path in choices if split(path)[1] == split(first)[1] and self._may_move(path)]
                else:
                    choices = [path for path in choices if self.gone[path] in self.removed]
                if choices:
                    old[_frozen(facts)].remove(choices[0])
                    self._moved(dict.fromkeys(paths, self.gone[choices[0]]))

    def _may_move(self, path: str) -> bool:
        """One name of several moves with its directory only: else the overlay would have kept the link."""
        return self.gone[path] in self.removed or split(path)[0] in self.gone

    def name_new(self) -> None:
        """Ids for what is new: its path, or the first free variant of it."""
        for path in sorted(self.fresh_dirs | self.fresh_files.keys()):
            if path in self.ident:
                continue
            inode, number = path, 1
            while self.base.status(inode) is not None:
                number += 1
                inode = f"{path}//{number}"
            self.ident.update(dict.fromkeys(self.fresh_files.get(path, (path,)), inode))

    # --- the delta -------------------------------------------------------------------------------------

    def edits(self) -> Reading:
        """Everything touched, before and after; what differs are the edits, in canonical order."""
        after: dict[Address, Value | None] = {}
        for path, inode in self.gone.items():
            directory, name = split(path)
            after["entry", (directory, name)] = None
            if inode in self.removed:
                for relation, *rest in self._facts(self.base, inode):
                    after[relation, (inode, *rest)] = None
                after["outside", (inode,)] = None
        contents: dict[str, str] = {}
        for inode in self.ident.values():
            for (attribute,) in self.base.select("xattr", (inode,)):
                after["xattr", (inode, attribute)] = None
        for path, inode in self.ident.items():
            if path != ROOT:
                directory, name = split(path)
                after["entry", (self.ident[directory], name)] = inode
            for (relation, *rest), value in self._facts(self.upper, self.upper.id_of(path)).items():
                after[relation, (inode, *rest)] = value
                if relation == "content":
                    contents[str(value)] = self.upper.id_of(path)
        rows = sorted(after.items(), key=lambda row: row[0])
        found = ((address, self.base.get(*address), value) for address, value in rows)
        delta = tuple(Edit(*address, before, value) for address, before, value in found if before != value)
        new = {str(edit.after) for edit in delta if edit.relation == "content" and edit.after is not None}
        return Reading(delta, {name: path for name, path in contents.items() if name in new})


def _frozen(facts: Mapping[tuple[str, ...], Value]) -> tuple[Any, ...]:
    return tuple(sorted(facts.items()))


def _shape(source: DirectorySource | Upper, directory: str) -> tuple[Any, ...]:
    """A tree's top, without contents: enough to look up candidates."""
    rows = []
    for (name,), child in source.select("entry", (directory,)).items():
        rows.append((str(name), source.get("inode", (child,)), source.get("size", (child,))))
    return (source.get("inode", (directory,)), tuple(sorted(rows, key=repr)))

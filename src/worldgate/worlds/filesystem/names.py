"""From inodes to paths and back, in one state.

A path is relative to the workspace, "." for its root. Inodes know only their entries, so a path is
found by walking up; nothing here costs more than the paths it answers with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Protocol

from ...facts import Error, State
from .schema import ROOT, inode_in

MAX_LINKS = 40  # symbolic links followed in one resolution, as Linux does


class NotATree(Error):
    number, title = "WG249", "a directory has two parents"


class Matcher(Protocol):
    """A set of paths given by patterns."""

    def match(self, path: str) -> bool:
        """Whether the path is in the set."""

    def could_match_beneath(self, path: str) -> bool:
        """False only when no path beneath this directory is in the set."""


def show(path: str) -> str:
    """A path on one line of a terminal: quoted and escaped when it could mislead."""
    plain = path.isprintable() and path == path.strip() and not any(mark in path for mark in ('"', "\\", " -> "))
    return path if plain and path else json.dumps(path)


def join(directory: str, name: str) -> str:
    """The path of an entry."""
    return name if directory == ROOT else f"{directory}/{name}"


class Paths:
    """The paths of inodes in one state, remembered: each directory's is walked once."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._known: dict[str, str | None] = {ROOT: ROOT}

    def of(self, inode: str) -> list[str]:
        """Every path of an inode, sorted."""
        if inode == ROOT:
            return [ROOT]
        places = ((self.directory(str(key[0])), str(key[1])) for key in self.state.owners("entry", inode))
        return sorted(join(directory, name) for directory, name in places if directory is not None)

    def directory(self, inode: str) -> str | None:
        """The path of a directory, or None when nothing leads there from the root."""
        names: list[tuple[str, str]] = []
        above: set[str] = set()
        while inode not in self._known:
            keys = self.state.owners("entry", inode)
            if len(keys) > 1:
                raise NotATree(f"{inode!r} in {sorted(keys)}", "one entry a directory")
            if not keys or inode in above:
                self._known[inode] = None
                break
            above.add(inode)
            ((parent, name),) = keys
            names.append((inode, str(name)))
            inode = str(parent)
        path = self._known[inode]
        for child, name in reversed(names):
            path = None if path is None else join(path, name)
            self._known[child] = path
        return path


def find(state: State, path: str) -> str | None:
    """The inode at a path, or None. Links on the way are not followed."""
    inode = ROOT
    for name in path.split("/"):
        if name not in ("", "."):
            found = state.get("entry", (inode, name))
            if found is None:
                return None
            inode = found
    return inode


def beneath(state: State, inode: str, path: str, matcher: Matcher | None = None) -> Iterator[tuple[str, str]]:
    """(path, inode) of everything beneath a directory, only where `matcher` could match."""
    pending, seen = [(path, inode)], {inode}
    while pending:
        path, inode = pending.pop()
        if matcher is not None and not matcher.could_match_beneath(path):
            continue
        rows = sorted(state.select("entry", (inode,)).items())
        for (name,), child in rows:
            yield join(path, str(name)), child
        for (name,), child in reversed(rows):
            if child not in seen and inode_in(state, child).kind == "dir":
                seen.add(child)
                pending.append((join(path, str(name)), child))


def resolve(state: State, path: str) -> str | None:
    """The path that is reached by following every symbolic link, or None when that leaves the workspace.

    A name that does not exist stays as it is. An absolute target leaves (where the workspace stands
    is not a fact of this world), and so does a path through more links than Linux follows.
    """
    here: list[str] = []
    pending, followed = path.split("/"), 0
    while pending:
        name = pending.pop(0)
        if name == "..":
            if not here:
                return None
            here.pop()
        elif name not in ("", "."):
            here.append(name)
            inode = find(state, "/".join(here))
            target = None if inode is None else state.get("target", (inode,))
            if target is not None:
                followed += 1
                if target.startswith("/") or followed > MAX_LINKS:
                    return None
                here.pop()
                pending[:0] = target.split("/")
    return "/".join(here) or ROOT

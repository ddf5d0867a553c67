"""Paths to inodes, as the kernel resolves them, over the draft of one step.

Guarantees: symbolic links in the middle of a path are followed (at most 40 in all), "." and ".."
are real lookups, every directory passed needs search permission, names are at most 255 bytes and
paths 4095, a trailing slash demands a directory. The acting user has one uid, one gid and no
supplementary groups; uid 0 passes every check. Not covered: access control lists, mounts.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ...facts import Draft, State
from .errno import EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, Failure, Unmodelled
from .schema import NOTHING, ROOT, Inode, User

DEEPEST = 1 << 16
"""Directories above one another. A prediction may make a circle of directories, and the oracle answers there too."""

READ, WRITE, SEARCH = 4, 2, 1
NOBODY = User(65534, 65534, 0o022)
Entry = tuple[str, str]  # (directory, name)
MAX_LINKS, MAX_NAME, MAX_PATH = 40, 255, 4095


class Place(NamedTuple):
    """Where a path ends: `name` in `dir` is `inode` (None: nothing there yet).

    For a path that ends in ".", ".." or is the root itself, `dir` is "" and `name` says which.
    `slash`: the path ended in a slash.
    """

    dir: str
    name: str
    inode: str | None
    slash: bool


def octets(text: str) -> bytes:
    """The bytes a text stands for: undecodable ones are surrogate escapes (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


_place = partial(tuple.__new__, Place)  # of a plain tuple, without a call of Python code


class Tree(Draft):
    """A draft of the directory tree, as one user sees it."""

    __slots__ = ("_base", "_entries", "_inodes", "_owners", "cwd", "gid", "opened", "uid", "umask")

    def __init__(self, base: State) -> None:
        Draft.__init__(self, base)
        self._base = base
        self._owners: dict[str, frozenset[Entry]] = {}  # of the inodes whose entries this step changed
        self._inodes: dict[str, Inode] = {}  # those looked at or changed, as they are now
        self._entries: dict[str, dict[str, str | None]] = {}  # changed entries, by directory
        user: User = self.get("user", ()) or NOBODY
        self.uid, self.gid, self.umask = user
        self.cwd: str = self.get("cwd", ()) or ROOT
        self.opened: tuple[str, str] | None = None  # a directory held open: paths with this prefix start there

    def assign(self, relation: str, key: tuple[str, ...], value: str | int) -> None:
        """Set a fact that may have that value already: whether this changes anything depends on what it was."""
        self.set(relation, key, value, True)

    # --- what an inode is ------------------------------------------------------------------------

    def inode(self, inode: str) -> Inode:
        """What is at that id; a step asks more often than it looks."""
        found = self._inodes.get(inode)
        if found is None:
            found = self._inodes[inode] = self.get("inode", (inode,)) or NOTHING
        return found

    def put(self, inode: str, value: Inode | None) -> None:
        """Make, change or remove an inode that was looked at."""
        self._inodes[inode] = value or NOTHING
        self.set("inode", (inode,), value)

    def is_dir(self, inode: str | None) -> bool:
        return inode is not None and self.inode(inode)[0] == "dir"

    def is_link(self, inode: str | None) -> bool:
        return inode is not None and self.inode(inode)[0] == "symlink"

    # --- entries: kept beside the draft, so that one step is one change of the state --------------

    def entries_of(self, inode: str) -> frozenset[Entry]:
        """The entries that name an inode."""
        changed = self._owners.get(inode)
        if changed is not None:
            return changed
        found = self._base.owners("entry", inode)
        for key in found:
            self.note("entry", key, inode)
        return found  # type: ignore[return-value]

    def enter(self, directory: str, name: str, inode: str, new: bool = False) -> None:
        """Make `name` in `directory` an entry of the inode (its first one when it is `new`)."""
        entry = (directory, name)
        self._owners[inode] = frozenset((entry,)) if new else self.entries_of(inode) | {entry}
        self._entries.setdefault(directory, {})[name] = inode
        self.set("entry", entry, inode)

    def leave(self, directory: str, name: str, inode: str) -> None:
        """Take the entry away."""
        entry = (directory, name)
        self._owners[inode] = self.entries_of(inode) - {entry}
        self._entries.setdefault(directory, {})[name] = None
        self.set("entry", entry, None)

    def entries(self, directory: str) -> dict[str, str]:
        """The inodes in a directory by name."""
        self.note("entry", (directory,))
        found = {row[0]: inode for row, inode in self._base.select("entry", (directory,)).items()}
        for name, inode in self._entries.get(directory, {}).items():
            if inode is None:
                found.pop(name, None)
            else:
                found[name] = inode
        return found  # type: ignore[return-value]

    def names(self, directory: str) -> list[str]:
        """The names in a directory, in the order of their bytes."""
        return sorted(self.entries(directory), key=octets)

    def is_empty(self, directory: str) -> bool:
        if directory in self._entries:
            return not self.entries(directory)
        self.note("entry", (directory,))
        return not self._base.select("entry", (directory,))

    def attributes(self, inode: str) -> list[str]:
        """The names of an inode's extended attributes."""
        self.note("xattr", (inode,))
        return [row[0] for row in self._base.select("xattr", (inode,))]  # type: ignore[misc]

    def links(self, inode: str) -> int:
        """The link count of a file."""
        return len(self.entries_of(inode)) + (self.get("outside", (inode,)) or 0)

    def entry_of(self, directory: str) -> Entry | None:
        """(parent, name) of a directory other than the root; None for a removed one."""
        return min(self.entries_of(directory), default=None)  # one, except in a state that no step leads to

    def parent(self, directory: str) -> str:
        """What ".." is in a directory; a removed one still knows where it was."""
        if directory == ROOT:
            return ROOT
        entry = self.entry_of(directory)
        return entry[0] if entry else self.get("detached", (directory,)) or ROOT

    def is_detached(self, directory: str) -> bool:
        """Whether a directory was removed. Only what the shell stands in lives on, so mostly one look is enough."""
        if self.get("detached", (self.cwd,)) is None:
            return False
        return self.get("detached", (directory,)) is not None

    def path(self, directory: str) -> str:
        """The path of a directory from the root, without a leading slash; "" for the root."""
        path, depth = "", 0
        while directory != ROOT:
            depth += 1
            entry = self.entry_of(directory) if depth < DEEPEST else None
            if entry is None:  # removed: nothing can be created below it, so its path names nothing
                raise Failure(ENOENT)
            directory, name = entry
            path = f"{name}/{path}" if path else name
        return path

    # --- permissions -----------------------------------------------------------------------------

    def may(self, inode: str, want: int) -> bool:
        """Whether the user has all of the READ, WRITE and SEARCH bits in `want` on an inode."""
        kind, mode, uid, gid = self.inode(inode)
        if not self.uid:
            return want != SEARCH or kind == "dir" or bool(mode & 0o111)
        if uid == self.uid:
            mode >>= 6
        elif gid == self.gid:
            mode >>= 3
        return mode & want == want

    def owns(self, inode: str) -> bool:
        return not self.uid or self.inode(inode)[2] == self.uid

    # --- resolution ------------------------------------------------------------------------------

    def locate(self, path: str, follow: bool = False, slash_follows: bool = True) -> Place:
        """Where `path` ends. The last name may be absent; everything before it must be there.

        A symbolic link at the end is followed with `follow`, or (unless not `slash_follows`) when a
        slash stands after it, in `path` or in the target of a link that was followed.
        """
        if not path:
            raise Failure(ENOENT)
        if len(path) * 4 > MAX_PATH and len(octets(path)) > MAX_PATH:
            raise Failure(ENAMETOOLONG)
        slash = path[-1] == "/"
        here = self.cwd
        if path[0] == "/":
            here = ROOT
            self.step_out(path)
        if (
            self.opened is not None
            and path.startswith(self.opened[0])
            and (rest := path[len(self.opened[0]) :].lstrip("/"))
        ):
            here, path = self.opened[1], rest
        if "/" in path:
            todo = list(filter(None, path.split("/")))
            todo.reverse()
        else:
            todo = [path]
        if not todo:
            return _place(("", "/", ROOT, slash))
        through = follow or (slash and slash_follows)
        uid, links, above = self.uid, 0, here
        while True:
            name = todo.pop()
            special = name == "." or name == ".."
            found = None if special else self.get("entry", (here, name))
            if found is None and (kind := self.inode(here)[0]) != "dir":
                if kind != "symlink":
                    raise Failure(ENOTDIR)
                todo.append(name)  # a link in the middle: its target's names come first
                link, here = here, above
            else:
                if uid and self.inode(here)[1] & 0o111 != 0o111 and not self.may(here, SEARCH):
                    raise Failure(EACCES)
                if special:
                    if name == "..":
                        if here == ROOT:
                            self.step_out(f"{path}: '..'")
                        here = self.parent(here)
                    if not todo:
                        return _place(("", name, here, slash))
                    continue
                if found is None:
                    if len(name) * 4 > MAX_NAME and len(octets(name)) > MAX_NAME:
                        raise Failure(ENAMETOOLONG)
                    if todo:
                        raise Failure(ENOENT)
                    return _place((here, name, None, slash))
                if todo:
                    above, here = here, found
                    continue
                if not through or self.inode(found)[0] != "symlink":
                    return _place((here, name, found, slash))
                link = found
            links += 1
            if links > MAX_LINKS:
                raise Failure(ELOOP)
            target = self.get("target", (link,))
            if target[0] == "/":
                here = ROOT
                self.step_out(f"{path}: a link to {target}")
            if not todo and target[-1] == "/":
                slash, through = True, slash_follows
            todo.extend(reversed([part for part in target.split("/") if part]))
            if not todo:
                return _place(("", "/", ROOT, slash))

    def step_out(self, what: str) -> None:
        """The way goes through the root: of a confined world that is the way out."""
        if self.get("confined", ()):
            raise Unmodelled(f"{what}, which leads out of the workspace", "a path inside it, relative to it")

    def find_named(self, name: str) -> str:
        """The inode at a name that the shell keeps, which begins at the world's root."""
        kept, self.cwd = self.cwd, ROOT
        try:
            return self.find(name.lstrip("/") or ".")
        finally:
            self.cwd = kept

    def find(self, path: str, follow: bool = True) -> str:
        """The inode at `path`, as stat (or, without `follow`, lstat) finds it."""
        place = self.locate(path, follow)
        if place.inode is None:
            raise Failure(ENOENT)
        if place.slash and not self.is_dir(place.inode):
            raise Failure(ENOTDIR)
        return place.inode

    def look(self, path: str, follow: bool = True) -> str | None:
        """As `find`, with None for any failure."""
        try:
            return self.find(path, follow)
        except Failure:
            return None

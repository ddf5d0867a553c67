"""Trees by hand: states from a few lines, and changes to them made directly on facts.

`Tree` does to facts what commands do to a directory, without any of the oracle's rules, so that what
is tested with it does not lean on the oracle. Every operation that does not apply does nothing.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from worldgate.facts import Delta, State, diff
from worldgate.worlds.filesystem.names import find
from worldgate.worlds.filesystem.schema import ROOT, SCHEMA, Inode


class Tree:
    """A state that changes: `Tree({"a/b": "text", "d/": None})`, then `write`, `move`, `remove`, ..."""

    def __init__(self, files: dict[str, str | None] | None = None) -> None:
        self.state = State.of(SCHEMA, [("inode", (ROOT,), Inode("dir", 0o755, 1000, 1000))])
        for path, content in (files or {}).items():
            self.make(path, content)

    def copy(self) -> Tree:
        other = Tree()
        other.state = self.state
        return other

    # --- looking

    def id(self, path: str) -> str | None:
        return find(self.state, path)

    def kind(self, path: str) -> str | None:
        inode = self.id(path)
        return None if inode is None else self.state.get("inode", (inode,)).kind

    def place(self, path: str) -> tuple[str, str] | None:
        """(directory's inode, name), when the directory is there."""
        directory, _, name = path.rpartition("/")
        return (str(self.id(directory)), name) if self.kind(directory) == "dir" else None

    # --- changing

    def set(self, inode: str, /, **values: Any) -> None:
        """Facts of an inode, and fields of what it is."""
        fields = {name: values.pop(name) for name in Inode._fields if name in values}
        if fields:
            values["inode"] = self.state.get("inode", (inode,))._replace(**fields)
        for relation, value in values.items():
            self.state = self.state.set(relation, (inode,), value)

    def fresh(self, path: str) -> str:
        name, number = path, 1
        while self.state.get("inode", (name,)) is not None:
            number += 1
            name = f"{path}//{number}"
        return name

    def make(self, path: str, content: str | None = "", kind: str = "", target: str = "", mode: int = 0) -> Tree:
        """A file; a directory when the path ends in a slash; its directories as needed."""
        is_dir = path.endswith("/")
        path = path.rstrip("/")
        parent = path.rpartition("/")[0]
        if parent and self.id(parent) is None:
            self.make(parent + "/")
        place = self.place(path)
        if place is None or self.id(path) is not None:
            return self
        inode, kind = self.fresh(path), kind or ("dir" if is_dir else "symlink" if target else "file")
        self.state = self.state.set("entry", place, inode)
        mode = 0 if kind == "symlink" else mode or (0o755 if is_dir else 0o644)
        self.set(inode, inode=Inode(kind, mode, 1000, 1000))
        if kind == "symlink":
            self.set(inode, target=target)
        if kind == "file":
            self.write(path, content or "")
        return self

    def write(self, path: str, content: str) -> Tree:
        if self.kind(path) == "file":
            data = content.encode()
            self.set(str(self.id(path)), content=sha256(data).hexdigest(), size=len(data))
        return self

    def chmod(self, path: str, mode: int) -> Tree:
        if self.kind(path) in ("file", "dir"):
            self.set(str(self.id(path)), mode=mode)
        return self

    def chown(self, path: str, uid: int) -> Tree:
        if self.id(path) is not None:
            self.set(str(self.id(path)), uid=uid)
        return self

    def xattr(self, path: str, name: str, value: str | None) -> Tree:
        if self.kind(path) in ("file", "dir"):
            self.state = self.state.set("xattr", (str(self.id(path)), name), value)
        return self

    def link(self, old: str, new: str) -> Tree:
        place = self.place(new)
        if place and self.kind(old) not in (None, "dir") and self.id(new) is None:
            self.state = self.state.set("entry", place, self.id(old))
        return self

    def remove(self, path: str) -> Tree:
        """A path and all beneath it."""
        inode, place = self.id(path), self.place(path)
        if inode is None or place is None or inode == ROOT:
            return self
        if self.kind(path) == "dir":
            for (name,) in sorted(self.state.select("entry", (inode,))):
                self.remove(f"{path}/{name}")
        self.state = self.state.set("entry", place, None)
        if not self.state.owners("entry", inode):
            for relation in ("inode", "content", "size", "target", "outside"):
                self.state = self.state.set(relation, (inode,), None)
            for (name,) in list(self.state.select("xattr", (inode,))):
                self.state = self.state.set("xattr", (inode, name), None)
        return self

    def move(self, old: str, new: str) -> Tree:
        """Rename, over a file of the same kind too."""
        inode, source, goal = self.id(old), self.place(old), self.place(new)
        inside = f"{new}/".startswith(f"{old}/") or f"{old}/".startswith(f"{new}/")
        if inode is None or source is None or goal is None or inside or self.id(new) == inode:
            return self
        if self.id(new) is not None:
            if "dir" in (self.kind(new), self.kind(old)):
                return self
            self.remove(new)
        self.state = self.state.set("entry", source, None).set("entry", goal, inode)
        return self

    def since(self, before: Tree) -> tuple[State, Delta, State]:
        """(state before, net delta, state after)."""
        return before.state, diff(before.state, self.state), self.state


def path_map(state: State) -> dict[str, tuple[Any, ...]]:
    """Every path and all that stands there, by walking the whole state: slow and plain."""
    found: dict[str, tuple[Any, ...]] = {}

    def visit(path: str, inode: str) -> None:
        kind, mode, *owner = state.get("inode", (inode,))
        contents = (state.get(name, (inode,)) for name in ("content", "size", "target"))
        attributes = (kind, None if kind == "symlink" else mode, *owner, *contents)
        found[path] = (inode, *attributes, tuple(sorted(state.select("xattr", (inode,)).items())))
        for (name,), child in state.select("entry", (inode,)).items():
            visit(name if path == "." else f"{path}/{name}", child)

    visit(ROOT, ROOT)
    return found

"""Changes of a filesystem state that keep identity: what moved is still the same inode.

`Script` is not the oracle: it checks nothing and prints nothing. It only makes deltas that comparing
two trees cannot make, such as a swap of two directories.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.gate.targets.platforms import attributes_are_covered
from worldgate.facts import Delta, Draft, State
from worldgate.worlds.filesystem.blobs import MemoryBlobs
from worldgate.worlds.filesystem.schema import ROOT, SCHEMA


class Script:
    def __init__(self, state: State, blobs: MemoryBlobs) -> None:
        self.draft, self.blobs, self.taken = Draft(state), blobs, set[str]()

    def delta(self) -> Delta:
        return self.draft.finish()[1]

    def at(self, path: str) -> str:
        """The inode at a path."""
        inode = ROOT
        for name in path.split("/") if path else ():
            inode = self.draft.get("entry", (inode, name))
            assert inode is not None, path
        return inode

    def slot(self, path: str) -> tuple[str, str]:
        above, _, name = path.rpartition("/")
        return self.at(above), name

    def mv(self, source: str, target: str) -> None:
        inode = self.at(source)
        self.draft.set("entry", self.slot(source), None)
        self.draft.set("entry", self.slot(target), inode)

    def swap(self, one: str, two: str) -> None:
        first, second = self.at(one), self.at(two)
        self.draft.set("entry", self.slot(one), second)
        self.draft.set("entry", self.slot(two), first)

    def ln(self, source: str, target: str) -> None:
        self.draft.set("entry", self.slot(target), self.at(source))

    def rm(self, path: str) -> None:
        inode = self.at(path)
        self.draft.set("entry", self.slot(path), None)
        if self.draft.owners("entry", inode):
            return
        for (name,) in list(self.draft.select("entry", (inode,))):
            if self.draft.get("entry", (inode, str(name))) is not None:
                self.rm_in(inode, str(name))
        self.forget(inode)

    def rm_in(self, directory: str, name: str) -> None:
        inode = self.draft.get("entry", (directory, name))
        self.draft.set("entry", (directory, name), None)
        if not self.draft.owners("entry", inode):
            for (child,) in list(self.draft.select("entry", (inode,))):
                self.rm_in(inode, str(child))
            self.forget(inode)

    def forget(self, inode: str) -> None:
        for relation in ("inode", "content", "size", "target", "outside"):
            self.draft.set(relation, (inode,), None)
        for (name,) in list(self.draft.select("xattr", (inode,))):
            self.draft.set("xattr", (inode, str(name)), None)

    def new(self, path: str, kind: str, mode: int, **facts: Any) -> None:
        inode, count = path, 1
        while inode in self.taken or self.draft.get("inode", (inode,)) is not None:
            count += 1
            inode = f"{path}//{count}"
        self.taken.add(inode)
        self.draft.set("entry", self.slot(path), inode)
        made = self.draft.get("inode", (ROOT,))._replace(kind=kind, mode=mode)
        for relation, value in {"inode": made, **facts}.items():
            self.draft.set(relation, (inode,), value)

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self.new(path, "file", mode, content=self.blobs.put(data), size=len(data))

    def mkdir(self, path: str, mode: int = 0o755) -> None:
        self.new(path, "dir", mode)

    def symlink(self, path: str, target: str) -> None:
        self.new(path, "symlink", 0, target=target)

    def write(self, path: str, data: bytes) -> None:
        inode = self.at(path)
        self.draft.set("content", (inode,), self.blobs.put(data))
        self.draft.set("size", (inode,), len(data))

    def chmod(self, path: str, mode: int) -> None:
        self.alter(path, mode=mode)

    def alter(self, path: str, **fields: int) -> None:
        inode = self.at(path)
        self.draft.set("inode", (inode,), self.draft.get("inode", (inode,))._replace(**fields))

    def xattr(self, path: str, name: str, value: bytes | None) -> None:
        """Nothing where attributes are not covered."""
        if attributes_are_covered():
            self.draft.set("xattr", (self.at(path), name), None if value is None else value.hex())

    def chown(self, path: str, uid: int, gid: int) -> None:
        self.alter(path, uid=uid, gid=gid)


def renamed(state: State) -> State:
    """The same state with every inode called by its least path, as a fresh reading calls it."""
    names = {inode: path for path, inode in sorted(_paths(state, ROOT, ""), reverse=True)} | {ROOT: ROOT}
    facts = []
    for relation, key, value in state.facts():
        known = (names[str(key[0])], *key[1:])
        facts.append((relation, known, names[str(value)] if relation == "entry" else value))
    return State.of(SCHEMA, facts)


def _paths(state: State, inode: str, path: str) -> Iterator[tuple[str, str]]:
    for (name,), child in state.select("entry", (inode,)).items():
        place = f"{path}/{name}" if path else str(name)
        yield place, child
        if state.get("inode", (child,)).kind == "dir":
            yield from _paths(state, child, place)

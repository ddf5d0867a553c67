"""The filesystem world: its schema, rules, drivers and properties as one object.

To the acting shell the world's root is `/`, as in a chroot: absolute paths and absolute link targets start
there and ".." ends there.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from ...facts import Fact, State
from ..contract import Driver, Property, Transition
from .actions import Action
from .blobs import EMPTY, Blobs, MemoryBlobs
from .drivers import DRIVERS
from .properties import PROPERTIES
from .rules import parse_action, step
from .schema import ROOT, SCHEMA, Inode, Result, User


class FilesystemWorld:
    """Files, links, permissions and a shell session. `blobs` holds the contents that literal text makes."""

    name = "filesystem"
    version = "2"
    schema = SCHEMA
    drivers: Mapping[str, Driver] = DRIVERS

    def __init__(self, blobs: Blobs | None = None) -> None:
        self.blobs: Blobs = MemoryBlobs() if blobs is None else blobs

    def initial(self, seed: int) -> State:
        """A small tree with links, modes and awkward names. Odd seeds act as root, even ones as uid 1000."""
        return _Seeded(Random(seed), self.blobs, 0 if seed % 2 else 1000).state()

    def parse(self, text: str) -> Action:
        """The action of a line of shell text; `Outside` names what is not in the grammar, and where."""
        return parse_action(text)

    def step(self, state: State, action: Action) -> Transition:
        """The observation is `exit`, `stdout` and `stderr` (and `refused`, for what the rules do not model)."""
        return step(state, action, self.blobs)

    def properties(self) -> Mapping[str, Property]:
        return PROPERTIES


NAMES = (
    "a",
    "b",
    "c",
    "src",
    "doc",
    "notes.txt",
    "x y",
    "it's",
    "[ab]",
    'q"t',
    "*",
    "é",
    "\udcff\udcfe.",
    "-n",
    "tmp.1",
)
_TEXTS = ("", "one\n", "two words\n", "no line break", "three\nlines\nhere\n")


class _Seeded:
    """Builds the starting tree of one seed."""

    def __init__(self, random: Random, blobs: Blobs, uid: int) -> None:
        self.random, self.blobs, self.uid = random, blobs, uid
        self.facts: list[Fact] = []
        self.inodes: dict[str, Inode] = {}
        self.directories: list[str] = []
        self.files: list[str] = []
        self.taken: set[str] = set()

    def state(self) -> State:
        add, choice = self.facts.append, self.random.choice
        self.inode(ROOT, "dir", 0o755, self.uid)
        self.directories.append("")
        for _ in range(4):
            self.directories.append(self.entry("dir", choice((0o755, 0o755, 0o700, 0o775, 0o1777, 0o2775))))
        for _ in range(7):
            path = self.entry("file", choice((0o644, 0o644, 0o600, 0o755, 0o444, 0o4755)))
            self.files.append(path)
            data = choice(_TEXTS).encode()
            add(("content", (path,), self.blobs.put(data) if data else EMPTY))
            add(("size", (path,), len(data)))
        for _ in range(3):
            path = self.entry("symlink", 0)
            add(
                (
                    "target",
                    (path,),
                    choice(("a", "..", "../b", "nowhere", "/src", "/", "loop", path.rpartition("/")[2])),
                )
            )
        self.hard_link()
        self.strangers()
        add(("user", (), User(self.uid, self.uid, choice((0o022, 0o022, 0o027, 0o077, 0o002)))))
        add(("cwd", (), ROOT))
        add(("result", (), Result(0, "", "")))
        return State.of(SCHEMA, [*self.facts, *(("inode", (path,), inode) for path, inode in self.inodes.items())])

    def inode(self, path: str, kind: str, mode: int, uid: int) -> None:
        self.inodes[path] = Inode(kind, mode, uid, uid)

    def place(self) -> tuple[str, str]:
        """A directory and a name free in it."""
        while True:
            directory, name = self.random.choice(self.directories), self.random.choice(NAMES)
            if self.random.random() < 0.15:
                name = "." + name
            path = f"{directory}/{name}" if directory else name
            if path not in self.taken:
                self.taken.add(path)
                return directory, name

    def entry(self, kind: str, mode: int) -> str:
        directory, name = self.place()
        path = f"{directory}/{name}" if directory else name
        self.inode(path, kind, mode, self.uid)
        self.facts.append(("entry", (directory or ROOT, name), path))
        return path

    def hard_link(self) -> None:
        """A second name for a file, greater than the first, so that ids are least paths."""
        for _ in range(20):
            directory, name = self.place()
            path = f"{directory}/{name}" if directory else name
            lesser = [
                file
                for file in self.files
                if file.encode("utf-8", "surrogateescape") < path.encode("utf-8", "surrogateescape")
            ]
            if lesser:
                self.facts.append(("entry", (directory or ROOT, name), self.random.choice(lesser)))
                return

    def strangers(self) -> None:
        """Some inodes that belong to somebody else."""
        paths = [path for path in [*self.directories[1:], *self.files] if self.random.random() < 0.25]
        for path in paths:
            self.inodes[path] = self.inodes[path]._replace(uid=2000, gid=self.random.choice((2000, self.uid)))

"""A plainer filesystem, for models that are small: an empty directory at first, the same rules, plain drivers.

Who acts is root, so permissions forbid nothing. Names are eight letters, texts five words. `trivial` makes what is not
there yet, at the top; `plain` does so at any depth, `plain to 2` and `plain to 4` at no greater one; `weighted` and
`adversarial` run 13 commands on whatever is there. Weights are those of published experiments with such a world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from ...facts import State
from ..contract import Driver
from .schema import ROOT, SCHEMA, Inode, Result, User, inode_in
from .world import FilesystemWorld

NAMES = tuple("abcdefgh")
TEXTS = ("alpha", "beta", "gamma", "delta", "omega")
MODES = ("644", "600", "755", "700")
BINDINGS = tuple("ABCD")
SHAPES = (
    "mkdir {new}", "touch {new}", "echo {text} > {new}", "echo {text} >> {file}", "cp {any} {new}",
    "cp -r {any} {new}", "mv {any} {new}", "rm {any}", "rm -r {any}", "rmdir {dir}", "chmod {mode} {any}", "cd {dir}",
    "cat {any}", "ls {any}", "export {name}={text}",
)  # fmt: skip
WEIGHTED = (3, 3, 3, 2, 1.5, 1, 1.5, 1, 0.5, 1, 1, 1, 1, 1, 1)
ADVERSARIAL = (1, 1, 1, 1, 1, 1.5, 3, 2, 4, 3, 1, 1, 0.5, 0.5, 0.5)
MAKING = (3, 2, 3)
"""How often each of the first shapes is drawn."""


class _Tree(NamedTuple):
    """Paths of a state, the directory before what is in it, and how the acting shell would write one."""

    kinds: dict[str, str]
    above: str

    @classmethod
    def of(cls, state: State) -> _Tree:
        kinds, left, seen = {ROOT: "dir"}, [(ROOT, ROOT)], {ROOT}
        while left:
            at, inode = left.pop()
            for row, child in sorted(state.select("entry", (inode,)).items()):
                path = str(row[0]) if at == ROOT else f"{at}/{row[0]!s}"
                kinds[path] = inode_in(state, child).kind
                if kinds[path] == "dir" and child not in seen:  # of a state that no step leads to, it may hold itself
                    seen.add(child)
                    left.append((path, child))
        return cls(kinds, "" if state.get("cwd", ()) == ROOT else "/")

    def of_kind(self, kind: str) -> list[str]:
        return [path for path, found in self.kinds.items() if found == kind]

    def said(self, path: str) -> str:
        return "/" if path == ROOT else self.above + path


def _under(directory: str, random: Random) -> str:
    name = random.choice(NAMES)
    return name if directory == ROOT else f"{directory}/{name}"


def _any_new(tree: _Tree, random: Random) -> str:
    """Any name in a directory; it may be taken."""
    return _under(random.choice(tree.of_kind("dir")), random)


def _unused(deepest: int) -> Callable[[_Tree, Random], str]:
    """A path that is not there, no deeper than that; where a few tries find none, one that is."""

    def new(tree: _Tree, random: Random) -> str:
        places = [path for path in tree.of_kind("dir") if (0 if path == ROOT else path.count("/") + 1) < deepest]
        tried = [_under(random.choice(places), random) for _ in range(24)]
        return next((path for path in tried if path not in tree.kinds), tried[0])

    return new


def _driver(weights: Sequence[float], new: Callable[[_Tree, Random], str] = _any_new) -> Driver:
    shapes = SHAPES[: len(weights)]

    def drive(state: State, random: Random) -> str:
        tree = _Tree.of(state)
        shape = random.choices(shapes, weights)[0]
        slots = {
            "new": tree.said(new(tree, random)),
            "any": tree.said(random.choice(list(tree.kinds))),
            "dir": tree.said(random.choice(tree.of_kind("dir"))),
            "file": tree.said(random.choice(tree.of_kind("file") or [new(tree, random)])),
            "text": random.choice(TEXTS),
            "mode": random.choice(MODES),
            "name": random.choice(BINDINGS),
        }
        return shape.format_map(slots)

    return drive


class PlainFiles(FilesystemWorld):
    """See the module."""

    name, version = "plain-files", "1"
    drivers: Mapping[str, Driver] = {
        "trivial": _driver(MAKING, _unused(1)),
        "plain to 2": _driver(MAKING, _unused(2)),
        "plain to 4": _driver(MAKING, _unused(4)),
        "plain": _driver(MAKING, _unused(64)),
        "weighted": _driver(WEIGHTED),
        "adversarial": _driver(ADVERSARIAL),
    }

    def initial(self, seed: int) -> State:
        """The same for every seed."""
        root = Inode("dir", 0o755, 0, 0)
        return State.of(
            SCHEMA,
            [
                ("inode", (ROOT,), root),
                ("user", (), User(0, 0, 0o022)),
                ("cwd", (), ROOT),
                ("result", (), Result(0, "", "")),
            ],
        )

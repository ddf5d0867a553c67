"""Generated trees and what is done to them."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from .trees import Tree

NAMES = ("a", "b", "k", "x.k", "y")
START = {"a/b/k": "1", "a/x.k": "2", "b/y": "3", "k/a/": None, "y": "4", "b/a/k/y": "5", "b/b/x.k": "6"}

paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)
texts = st.sampled_from(["", "1", "22", "333"])
modes = st.sampled_from([0o600, 0o644, 0o755, 0o777, 0o4755, 0o1777])

Operation = Callable[[Tree], Tree]


def _call(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Operation]:
    return st.tuples(*arguments).map(lambda given: lambda tree: getattr(tree, name)(*given))


operations: st.SearchStrategy[Operation] = st.one_of(
    _call("make", paths, texts),
    _call("make", paths.map(lambda path: path + "/")),
    _call("make", paths, texts, st.just("symlink"), st.just("zz/gone")),
    _call("write", paths, texts),
    _call("chmod", paths, modes),
    _call("chown", paths, st.sampled_from([0, 1000])),
    _call("xattr", paths, st.just("user.n"), st.sampled_from(["00", "01", None])),
    _call("link", paths, paths),
    _call("remove", paths),
    _call("move", paths, paths),
    _call("move", paths, paths),
)


@st.composite
def steps(draw: st.DrawFn, most: int = 6) -> list[Tree]:
    """The trees of a short history, the first one first."""
    tree = Tree(START)
    for operation in draw(st.lists(operations, max_size=3)):
        tree = operation(tree)
    found = [tree]
    for operation in draw(st.lists(operations, min_size=1, max_size=most)):
        found.append(operation(found[-1].copy()))
    return found

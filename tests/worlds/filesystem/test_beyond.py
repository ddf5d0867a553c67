"""States that no step leads to: the rules come back from a directory that is inside itself, and change no file."""

from __future__ import annotations

import pytest

from worldgate.facts import Edit, State
from worldgate.worlds import get

WORLD = get("plain-files")


def inside_itself() -> State:
    """a/b is a directory with a/b/c in it, and a/b/c/d is a/b, which is in a no more."""
    state = WORLD.initial(0)
    for text in ("mkdir a", "mkdir a/b", "mkdir a/b/c", "mkdir e"):
        state = WORLD.step(state, WORLD.parse(text)).state
    moved = [Edit("entry", ("a/b/c", "d"), None, "a/b"), Edit("entry", ("a", "b"), "a/b", None)]
    return state.force([*moved, Edit("cwd", (), ".", "a/b")])


@pytest.mark.parametrize("text", ["rm -r c", "mv /e c/f"])
def test_it_comes_back(text: str) -> None:
    state = inside_itself()
    moved = WORLD.step(state, WORLD.parse(text))
    assert "inside itself" in moved.observation["stderr"]
    assert {edit.relation for edit in moved.delta} == {"result"}

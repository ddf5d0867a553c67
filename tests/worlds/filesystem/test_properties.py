"""Every state the rules reach is well-formed, and every property notices what it is there for."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.facts import State, invert
from worldgate.worlds.filesystem import FilesystemWorld, world
from worldgate.worlds.filesystem.blobs import EMPTY
from worldgate.worlds.filesystem.schema import ROOT, Inode

WORLD = world()


def assert_well_formed(subject: FilesystemWorld, state: State) -> None:
    """All properties hold, and every content the state names can be read, with the size it says."""
    for name, holds in subject.properties().items():
        assert holds(state) is None, name
    for _, (inode,), content in state.facts("content"):
        assert len(subject.blobs.get(content)) == state.get("size", (inode,))


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 10_000), driver=st.sampled_from(sorted(WORLD.drivers)))
def test_every_state_that_is_reached_is_well_formed(seed: int, driver: str) -> None:
    state, random = WORLD.initial(seed), Random(seed)
    for _ in range(25):
        made = WORLD.step(state, WORLD.parse(WORLD.drivers[driver](state, random)))
        assert state.apply(made.delta) == made.state
        assert made.state.apply(invert(made.delta)) == state
        assert_well_formed(WORLD, made.state)
        state = made.state


def start() -> State:
    """A directory d with a file d/f and a link l, and the shell in d."""
    from .test_rules import Session

    session = Session()
    session.run("mkdir d; echo x > d/f; ln -s d l; cd d")
    return session.state


BROKEN = {
    "tree is a tree": [
        [("entry", (".", "d"), None)],
        [("entry", ("d", "up"), "d")],
        [("entry", ("d/f", "x"), "l")],
        [("inode", (".",), Inode("file", 0o755, 0, 0))],
    ],
    "names are names": [[("entry", ("d", name), "d/f")] for name in ("a/b", "a\0b", "", ".", "..", "x" * 256)],
    "facts are complete": [
        [("inode", ("d/f",), None)],
        [("target", ("d/f",), "x")],
        [("size", ("nobody",), 1)],
        [("xattr", ("nobody", "user.x"), "00")],
    ],
    "sizes and contents agree": [
        [("size", ("d/f",), 0)],
        [("content", ("d/f",), EMPTY)],
    ],
    "modes are permission bits": [
        [("inode", ("d/f",), Inode("file", 0o10644, 0, 0))],
        [("inode", ("d",), Inode("dir", -1, 0, 0))],
        [("inode", ("l",), Inode("symlink", 0o777, 0, 0))],
    ],
    "shell stands in a directory": [
        [("cwd", (), "d/f")],
        [("cwd", (), "nowhere")],
        [("detached", ("l",), "d")],
    ],
}


def test_each_property_has_its_counterexamples() -> None:
    assert BROKEN.keys() == WORLD.properties().keys()


@pytest.mark.parametrize("name", BROKEN)
def test_a_property_says_what_is_wrong(name: str) -> None:
    holds = WORLD.properties()[name]
    good = start()
    assert holds(good) is None
    for change in BROKEN[name]:
        bad = good
        for fact in change:
            bad = bad.set(*fact)  # type: ignore[arg-type]
        assert holds(bad), change


def test_a_removed_working_directory_is_kept_until_the_shell_leaves() -> None:
    from .test_rules import Session

    session = Session()
    session.run('mkdir -p a/b; cd a/b; rm -r "/a"')
    assert session.state.get("detached", ("a/b",)) == "a"
    assert session.state.get("detached", ("a",)) == ROOT
    session.run("cd /")
    assert not list(session.state.facts("detached"))
    assert session.state.get("inode", ("a/b",)) is None

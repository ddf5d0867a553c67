"""A confined world: where the root has an outside, a way through it is outside the rules, never a guess."""

from __future__ import annotations

import pytest

from worldgate.facts import State
from worldgate.worlds.filesystem import world
from worldgate.worlds.filesystem.schema import ROOT, SCHEMA, Inode, User

FACTS = [
    ("inode", (ROOT,), Inode("dir", 0o755, 0, 0)),
    ("inode", ("sub",), Inode("dir", 0o755, 0, 0)),
    ("entry", (ROOT, "sub"), "sub"),
    ("inode", ("out",), Inode("symlink", 0, 0, 0)), ("target", ("out",), "/sub"),
    ("entry", (ROOT, "out"), "out"),
    ("user", (), User(0, 0, 0o022)), ("cwd", (), ROOT),
]  # fmt: skip
OPEN = State.of(SCHEMA, FACTS)
CONFINED = OPEN.set("confined", (), True)


def seen(state: State, line: str) -> dict:
    return dict(world().step(state, world().parse(line)).observation)


@pytest.mark.parametrize(
    "line",
    [
        "ls /",
        "ls /sub",
        "touch /sub/x",
        "ls ..",
        "ls sub/../..",
        "cd ..",
        "cd /",
        "cd sub/../..",
        "cd sub && ls ../..",
        "cd out",
        "ls out/",
        "cat out/x",
        "echo x > /x",
        "echo x > ../x",
        "cp sub/x ..",
        "mv sub ../gone",
        "rm -rf /*",
        "test -e /etc",
        "cd sub && touch $PWD/x",
        "mkdir made && ls /",
    ],
)
def test_ways_out_are_outside(line):
    moved = world().step(CONFINED, world().parse(line))
    assert moved.observation["refused"] == "WG231"
    assert "leads out of the workspace" in moved.observation["stderr"]
    assert {edit.relation for edit in moved.delta} <= {"result"}, "the step changes nothing"
    assert "refused" not in seen(OPEN, line), "without the fact, the root is its own parent as in a chroot"


@pytest.mark.parametrize(
    "line",
    [
        "ls",
        "touch sub/x",
        "cd sub && cd .. && ls",
        "cd sub && cd - && pwd",
        "cd sub && touch ../y",
        "cd sub/../sub",
        "ln -s /etc sub/e && readlink sub/e",
        "rm out",
        "mv out sub/out",
    ],
)
def test_ways_inside_are_as_ever(line):
    assert seen(CONFINED, line) == seen(OPEN, line)
    assert seen(CONFINED, line)["exit"] == 0

"""A plan that does something other than it says is refused."""

from __future__ import annotations

import pytest

from tests.worlds.filesystem.trees import Tree
from worldgate.facts import Edit
from worldgate.gate.intent import check_intent, touched
from worldgate.gate.plan import Intent, load_plan
from worldgate.gate.rules import NUMBERS
from worldgate.worlds.filesystem.effects import effects
from worldgate.worlds.filesystem.names import find

BEFORE = Tree({"src/a.py": "1", "src/b.py": "2", "README.md": "r", "old/x": "", "old/y": ""})


def check(after: Tree, known: bool = True, **said) -> list[str]:
    state, delta, new = after.since(BEFORE)
    existed = (lambda path: find(state, path) is not None) if known else None
    found = check_intent(Intent(**said), effects(state, delta, new), existed)
    assert all(breach.number in NUMBERS and breach.fact and breach.margin > 0 for breach in found)
    return [breach.number for breach in found]


def after() -> Tree:
    return BEFORE.copy()


def test_an_intent_that_says_nothing_refuses_nothing():
    assert check(after().remove("old").make("n").write("README.md", "")) == []


@pytest.mark.parametrize(
    ("field", "change", "fits", "other"),
    [
        ("creates", lambda t: t.make("build/x", ""), ["build/"], "WG411"),
        ("creates", lambda t: t.make("build/x", ""), ["build/**"], "WG411"),
        ("creates", lambda t: t.make("build/x", ""), ["/build", "build/*"], "WG411"),
        ("changes", lambda t: t.write("src/a.py", ""), ["src/*.py"], "WG412"),
        ("changes", lambda t: t.chmod("src/a.py", 0o600), ["*.py"], "WG412"),
        ("changes", lambda t: t.move("src/a.py", "src/c.py"), ["/src/a.py", "/src/c.py"], "WG412"),
        ("deletes", lambda t: t.remove("old"), ["old/"], "WG413"),
        ("deletes", lambda t: t.remove("old/x"), ["/old/x"], "WG413"),
    ],
)
def test_every_path_must_be_declared(field, change, fits, other):
    assert check(change(after()), **{field: fits}) == []
    assert check(change(after()), **{field: ["elsewhere/"]}) == [other]
    assert check(change(after()), **{field: []}) == [other]
    assert check(after(), **{field: []}) == []


def test_a_name_alone_is_one_path_and_not_what_is_beneath_it():
    assert check(after().remove("old"), deletes=["old"]) == ["WG413"]


def test_both_ends_of_a_move_must_be_declared():
    moved = after().move("src/a.py", "lib.py")
    assert check(moved, changes=["src/"]) == ["WG412"]
    assert check(moved, changes=["lib.py"]) == ["WG412"]
    assert check(moved, changes=["src/", "lib.py"], creates=[], deletes=[]) == []


@pytest.mark.parametrize(
    ("field", "change", "count", "number"),
    [
        ("creates", lambda t: t.make("n/a").make("n/b"), 3, "WG414"),
        ("changes", lambda t: t.write("src/a.py", "").move("src/b.py", "b"), 2, "WG415"),
        ("deletes", lambda t: t.remove("old"), 3, "WG416"),
    ],
)
def test_at_most_so_many(field, change, count, number):
    assert check(change(after()), **{field: count}) == []
    assert check(change(after()), **{field: count - 1}) == [number]
    assert check(change(after()), **{field: 0}) == [number]
    assert check(after(), **{field: 0}) == []


@pytest.mark.parametrize("known", [True, False])
def test_creating_what_stands_there(known):
    assert check(after().write("README.md", "new"), known, creates=["README.md"]) == ["WG410"]
    assert check(after().remove("README.md"), known, creates=["/README.md"]) == ["WG410"]
    assert check(after().move("README.md", "r"), known, creates=["README.md"]) == ["WG410"]
    assert check(after().make("NEW.md"), known, creates=["NEW.md"]) == []
    assert check(after().write("README.md", "new"), known, creates=["*.md"]) == [], "a pattern names no path"


def test_creating_what_stands_there_untouched():
    assert check(after(), creates=["README.md"]) == ["WG410"]
    assert check(after(), known=False, creates=["README.md"]) == []


def test_a_path_that_comes_with_a_moved_directory_did_not_stand_before():
    moved = after().move("old", "new").write("new/x", "changed")
    assert check(moved, creates=["new/x"]) == []


def test_every_contradiction_is_reported():
    both = after().remove("old").make("n").write("README.md", "")
    assert check(both, creates=[], changes=0, deletes=["src/"]) == ["WG411", "WG415", "WG413"]


def test_a_glob_that_is_not_one_refuses():
    assert check(after().make("n"), creates=["{a,b}"]) == ["WG403"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ([], "not in an empty list"),
        (["a", "b", "c", "d", "e"], "not in a, b, c, d, e"),
        (["a", "b", "c", "d", "e", "f"], "not in a, b, c, d, e, ..."),
    ],
)
def test_the_message_shows_what_was_declared(said, shown):
    state, delta, new = after().make("n").since(BEFORE)
    (breach,) = check_intent(Intent(creates=said), effects(state, delta, new))
    assert breach.message == f"the plan creates n, which is {shown}"


def test_intent_of_a_plan_file():
    plan = load_plan("{steps: [touch build/a], intent: {creates: ['build/**'], deletes: 0, changes: []}}")
    state, delta, new = after().make("build/a").since(BEFORE)
    assert plan.intent is not None
    assert check_intent(plan.intent, effects(state, delta, new)) == []


def test_facts_of_other_worlds():
    delta = (
        Edit("paid", ("o1",), None, True),
        Edit("paid", ("o2",), True, None),
        Edit("sum", (), 1, 2),
        Edit("sum", (), 2, 2),
    )
    found = touched(delta)
    assert [str(one) for one in found] == ['+ paid("o1")', '- paid("o2")', "~ sum()"]
    assert check_intent(Intent(creates=["paid(*)"], changes=1, deletes=1), found) == []
    numbers = [breach.number for breach in check_intent(Intent(creates=["sum(*)"], changes=0, deletes=[]), found)]
    assert numbers == ["WG411", "WG415", "WG413"]

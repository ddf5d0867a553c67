"""Effects say of every path what happened to it, and cost what changed."""

from __future__ import annotations

import json
import time
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings

from worldgate.facts import Edit, State, canonical_json, diff
from worldgate.gate.globs import Globs
from worldgate.worlds import registry
from worldgate.worlds.filesystem.effects import Change, effects, irreversible, totals, touches
from worldgate.worlds.filesystem.names import NotATree, Paths, beneath, find, resolve
from worldgate.worlds.filesystem.schema import SCHEMA, Inode

from .strategies import steps
from .trees import Tree, path_map

DIR = Inode("dir", 0o755, 1000, 1000)


def lines(before: Tree, after: Tree) -> list[str]:
    return [str(change) for change in effects(*after.since(before))]


BASE = {"src/a.py": "one", "src/b.py": "two", "docs/x/deep.md": "text", "run.sh": "#!"}


@pytest.mark.parametrize(
    ("do", "expected"),
    [
        (lambda t: t.make("new/file", "abc"), ["+ new/", "+ new/file"]),
        (lambda t: t.make("l", target="run.sh"), ["+ l -> run.sh"]),
        (lambda t: t.remove("run.sh"), ["- run.sh"]),
        (lambda t: t.remove("docs"), ["- docs/", "- docs/x/", "- docs/x/deep.md"]),
        (lambda t: t.write("run.sh", "#!/bin"), ["~ run.sh (2 -> 6 bytes)"]),
        (lambda t: t.write("run.sh", "!#"), ["~ run.sh (content)"]),
        (lambda t: t.chmod("run.sh", 0o755), ["~ run.sh (mode 644 -> 755)"]),
        (lambda t: t.chown("run.sh", 0), ["~ run.sh (owner 1000:1000 -> 0:1000)"]),
        (lambda t: t.xattr("run.sh", "user.a", "00"), ["~ run.sh (xattr)"]),
        (lambda t: t.chmod(".", 0o700), ["~ . (mode 755 -> 700)"]),
        (lambda t: t.move("docs", "manual"), ["~ docs -> manual/"]),
        (lambda t: t.move("run.sh", "src/a.py"), ["- src/a.py", "~ run.sh -> src/a.py"]),
        (lambda t: t.move("docs", "d").chmod("d", 0o700), ["~ docs -> d/ (mode 755 -> 700)"]),
        (lambda t: t.move("docs", "d").write("d/x/deep.md", ""), ["~ docs -> d/", "~ d/x/deep.md (4 -> 0 bytes)"]),
        (lambda t: t.move("docs", "d").remove("d/x/deep.md"), ["~ docs -> d/", "- docs/x/deep.md"]),
        (lambda t: t.move("docs", "d").make("d/n"), ["~ docs -> d/", "+ d/n"]),
        (lambda t: t.link("run.sh", "also"), ["+ also"]),
        (lambda t: t.link("run.sh", "z").write("z", ""), ["~ run.sh (2 -> 0 bytes)", "+ z"]),
        (lambda t: t.make("w\n", ""), ['+ "w\\n"']),
        (lambda t: t.make("a -> b", ""), ['+ "a -> b"']),
        (lambda t: t.make("\udcff", ""), ['+ "\\udcff"']),
        (lambda t: t.make("\u202etxt", ""), ['+ "\\u202etxt"']),
        (lambda t: t, []),
    ],
)
def test_a_change_in_a_line(do, expected):
    before = Tree(BASE)
    assert lines(before, do(before.copy())) == expected


def test_a_link_that_is_turned():
    before = Tree(BASE).make("l", target="src")
    after = before.copy()
    after.set("l", target="two words ")
    assert lines(before, after) == ['~ l (target src -> "two words ")']


def test_a_replaced_file_is_one_change():
    before = Tree(BASE)
    after = before.copy().make("tmp", "new").remove("run.sh").move("tmp", "run.sh")
    (change,) = effects(*after.since(before))
    assert (change.op, change.path, change.what, change.bytes) == ("changed", "run.sh", ("content", "inode"), 3)


def test_a_file_that_another_directory_brings_back_to_its_path_is_unchanged():
    before = Tree({"d/f": "1", "d/g": "2"})
    after = before.copy().make("e/").move("d/f", "e/f").move("d/g", "e/h").remove("d").move("e", "d")
    assert lines(before, after) == ["~ d/ (replaced)", "~ d/g -> d/h"]
    assert lines(before, after.chmod("d/f", 0o600)) == ["~ d/ (replaced)", "~ d/f (mode 644 -> 600)", "~ d/g -> d/h"]


def test_a_file_in_the_place_of_a_directory_is_two_changes():
    before = Tree({"d/": None, "f": ""})
    after = before.copy().remove("d").move("f", "d")
    assert [(change.op, change.path, change.kind) for change in effects(*after.since(before))] == [
        ("deleted", "d", "dir"),
        ("moved", "d", "file"),
    ]


def test_a_change_shows_at_every_link():
    before = Tree({"a": "1", "d/": None}).link("a", "d/b").link("a", "c")
    after = before.copy().write("c", "22")
    found = effects(*after.since(before))
    assert [change.path for change in found] == ["a", "c", "d/b"]
    assert totals(found).bytes_changed == 2, "the bytes of one file, once"


def test_removing_one_link_of_two_deletes_a_path_and_no_bytes():
    before = Tree({"a": "123"}).link("a", "b")
    after = before.copy().remove("b")
    (change,) = effects(*after.since(before))
    assert (change.op, change.path, change.bytes) == ("deleted", "b", 0)


def test_a_directory_that_goes_with_its_entry_alone_takes_all_beneath_it():
    """Edits that leave facts without a path: every path that is lost is still named."""
    tree = Tree({"d/e/f": "1"})
    delta = (Edit("entry", (".", "d"), "d", None),)
    found = effects(tree.state, delta, tree.state.apply(delta))
    assert [str(change) for change in found] == ["- d/", "- d/e/", "- d/e/f"]
    back = effects(tree.state.apply(delta), (Edit("entry", (".", "d"), None, "d"),), tree.state)
    assert [str(change) for change in back] == ["+ d/", "+ d/e/", "+ d/e/f"]


def test_a_directory_moved_into_itself_is_gone_from_the_root():
    tree = Tree({"d/e/f": "1"})
    delta = (Edit("entry", (".", "d"), "d", None), Edit("entry", ("d/e", "d"), None, "d"))
    found = effects(tree.state, delta, tree.state.apply(delta))
    assert [change.path for change in found if change.op == "deleted"] == ["d", "d/e", "d/e/f"]


def test_a_directory_with_two_parents_is_refused():
    tree = Tree({"d/e/": None, "c/": None})
    delta = (Edit("entry", ("c", "e"), None, "d/e"), Edit("entry", ("d/e", "n"), None, "n"))
    with pytest.raises(NotATree):
        effects(tree.state, delta, tree.state.apply(delta))


def test_a_removed_directory_in_use_has_no_path():
    state = Tree({"d/": None}).state.set("entry", (".", "d"), None)
    delta = (Edit("inode", ("d",), DIR, DIR._replace(mode=0o700)),)
    assert effects(state, delta, state.apply(delta)) == ()


def test_very_deep_directories():
    path = "/".join("d" for _ in range(1500))
    state = Tree().state
    inode = "."
    for depth in range(1500):
        state = state.set("entry", (inode, "d"), f"i{depth}").set("inode", (f"i{depth}",), DIR)
        inode = f"i{depth}"
    assert Paths(state).directory(inode) == path
    assert find(state, path) == inode


def test_json_form_holds_names_of_any_bytes():
    before = Tree({"f": "1"})
    after = before.copy().chmod("f", 0o4755).make("\udcff", "x").move("f", "g")
    rows = [change.to_json() for change in effects(*after.since(before))]
    assert json.loads(canonical_json(rows)) == [
        {
            "op": "moved",
            "path": "g",
            "moved_from": "f",
            "kind": "file",
            "what": ["mode"],
            "before": {"kind": "file", "mode": "644", "owner": "1000:1000", "size": 1},
            "after": {"kind": "file", "mode": "4755", "owner": "1000:1000", "size": 1},
            "bytes": 0,
            "inode": "f",
        },
        {
            "op": "created",
            "path": {"base64": "/w=="},
            "kind": "file",
            "after": {"kind": "file", "mode": "644", "owner": "1000:1000", "size": 1},
            "bytes": 1,
            "inode": {"base64": "/w=="},
        },
    ]


def test_totals():
    before = Tree(BASE)
    after = before.copy().remove("docs").write("run.sh", "").make("n/m", "12345").move("src", "s")
    found = totals(effects(*after.since(before)))
    assert (found.created, found.changed, found.deleted, found.moved) == (2, 1, 3, 1)
    assert (found.dirs_created, found.dirs_deleted) == (1, 2)
    assert (found.bytes_created, found.bytes_changed, found.bytes_deleted) == (5, 2, 4)


def test_what_an_undo_does_not_bring_back():
    before = Tree({"big": "x" * 11, "small": "x"}).make("s", kind="socket")
    before.set("small", outside=1)
    after = before.copy().remove("big").remove("s").write("small", "y")
    found = effects(*after.since(before))
    notes = irreversible(found, before.state, network=True, undo_limit=10)
    assert [note.split(":")[0] for note in notes] == ["the network was open", "big", "s", "small"]
    assert irreversible(found[:0], before.state) == ()
    plain = before.copy().remove("big")
    assert irreversible(effects(*plain.since(before)), before.state) == ()


@pytest.mark.parametrize(
    ("link", "target", "leads"),
    [
        ("l", "a/f", "a/f"),
        ("a/l", "../a/f", "a/f"),
        ("a/l", "..", "."),
        ("a/l", "../..", None),
        ("l", "/etc/passwd", None),
        ("l", "l", None),
        ("l", "up/../x", None),  # `up` is a link to the root: its `..` is outside
        ("l", "gone/../b", "b"),
        ("a/l", "back/f", "a/f"),
    ],
)
def test_where_a_link_leads(link, target, leads):
    tree = Tree({"a/f": "1"}).make("up", target=".").make("a/back", target="../a").make(link, target=target)
    assert resolve(tree.state, link) == leads


def test_a_move_touches_what_is_beneath_it_on_either_side():
    before = Tree({"box/d/secret": "1", "box/plain": "2"})
    after = before.copy().move("box", "vault")
    (change,) = effects(*after.since(before))

    def asked(*patterns: str) -> str | None:
        return touches(change, before.state, after.state, Globs(patterns))

    assert asked("box/d/secret") == "box/d/secret"
    assert asked("/vault/*/secret") == "vault/d/secret"
    assert asked("secret") == "box/d/secret"
    assert asked("/vault") == "vault"
    assert asked("/box") == "box"
    assert asked("other/**", "/box/x") is None


class Counted(State):
    """A state that counts how often it is asked."""

    asked: int = 0

    def get(self, *address):
        self.asked += 1
        return super().get(*address)

    def select(self, *address):
        self.asked += 1
        return super().select(*address)


def counted(state: State) -> Counted:
    return Counted(state.schema, state._facts, state._index, state._log, state._source)


def test_a_moved_directory_costs_the_same_however_much_is_in_it():
    asked = []
    for size in (1, 2000):
        before = Tree({f"d/f{number}": "" for number in range(size)})
        after = before.copy().move("d", "e")
        first, second = counted(before.state), counted(after.state)
        delta = diff(before.state, after.state)
        (change,) = effects(first, delta, second)
        assert touches(change, first, second, Globs(["other/**", "/x/*/f1"])) is None
        asked.append(first.asked + second.asked)
    assert asked[0] == asked[1] < 60


def test_beneath_skips_where_nothing_can_match():
    tree = Tree({"a/b/c": "", "a/d/e": ""})
    assert [path for path, _ in beneath(tree.state, "a", "a", Globs(["a/b/*"]))] == ["a/b", "a/d", "a/b/c"]


def reconstructed(before: State, after: State, found: tuple[Change, ...]) -> set[str]:
    """Every path that the changes speak of, moved directories written out."""
    every = Globs(["**"])
    paths = {change.path for change in found} | {change.moved_from for change in found if change.moved_from}
    for change in found:
        if change.op == "moved" and change.kind == "dir":
            paths.update(path for path, _ in beneath(before, change.inode, change.moved_from, every))
            paths.update(path for path, _ in beneath(after, change.inode, change.path, every))
    return paths


def assert_effects_cover_what_differs(before: State, after: State, found: tuple[Change, ...]) -> None:
    old, new = path_map(before), path_map(after)
    differ = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    assert differ <= reconstructed(before, after, found)
    for change in found:
        assert (change.op == "deleted") <= (change.path in old), change
        assert (change.op != "deleted") <= (change.path in new), change
        assert change.op in ("moved", "changed") or change.path in differ, change
        if change.op == "changed" and change.path in old:
            assert change.path in differ, change


@given(steps())
@settings(max_examples=300, deadline=None)
def test_effects_name_every_path_that_differs(history):
    before, after = history[0].state, history[-1].state
    assert_effects_cover_what_differs(before, after, effects(before, diff(before, after), after))


@given(steps())
@settings(max_examples=150, deadline=None)
def test_the_order_and_the_steps_of_a_delta_do_not_matter(history):
    before, after = history[0].state, history[-1].state
    by_steps = tuple(edit for one, two in pairwise(history) for edit in diff(one.state, two.state))
    net = diff(before, after)
    assert (
        effects(before, net, after) == effects(before, tuple(reversed(net)), after) == effects(before, by_steps, after)
    )


@given(steps())
@settings(max_examples=150, deadline=None)
def test_totals_go_back_when_the_change_does(history):
    before, after = history[0].state, history[-1].state
    there = totals(effects(before, diff(before, after), after))
    back = totals(effects(after, diff(after, before), before))
    assert (there.created, there.deleted, there.changed, there.moved) == (
        back.deleted,
        back.created,
        back.changed,
        back.moved,
    )
    assert (there.bytes_created, there.bytes_deleted) == (back.bytes_deleted, back.bytes_created)


@pytest.mark.parametrize("seed", range(4))
def test_effects_of_what_the_oracle_does(seed):
    world, random = registry.get("filesystem"), Random(seed)
    drivers = sorted(world.drivers.items())
    first = state = world.initial(seed)
    seen: Counter[str] = Counter()
    for number in range(60):
        done = world.step(state, world.parse(drivers[number % len(drivers)][1](state, random)))
        found = effects(state, done.delta, done.state)
        assert_effects_cover_what_differs(state, done.state, found)
        seen.update(change.op for change in found)
        state = done.state
    assert_effects_cover_what_differs(first, state, effects(first, diff(first, state), state))
    assert {"created", "changed"} <= seen.keys()


def test_a_thousand_changes_take_little_time():
    before = Tree({f"d{number % 10}/f{number}": "1" for number in range(1000)})
    after = before.copy()
    for number in range(1000):
        after.write(f"d{number % 10}/f{number}", "22")
    delta = diff(before.state, after.state)
    start = time.perf_counter()
    assert len(effects(before.state, delta, after.state)) == 1000
    assert time.perf_counter() - start < 2


def test_the_empty_delta_has_no_effects():
    state = State.of(SCHEMA, [("inode", (".",), DIR)])
    assert effects(state, (), state) == ()

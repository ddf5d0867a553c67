"""The inverse of a run, in the names that a fresh reading gives: random changes of real directories lead back."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.gate.houses import House, assert_whole
from worldgate.facts import State
from worldgate.gate.inverse import inverse, places
from worldgate.worlds import get
from worldgate.worlds.filesystem.schema import SCHEMA, Inode

NAMES = ("a", "b", "d", "d/x", "d/y", "n", "d/n", "n/a", "0")


def change(random: Random) -> str:
    one, two = random.sample(NAMES, 2)
    return random.choice(
        [f"mv {one} {two}", f"mv {one} {two}", f"rm -rf {one}", f"ln {one} {two}", f"cp -r {one} {two}", f"mkdir {one}",
         f"touch {one}", f"ln -s {one} {two}", f"chmod 6{random.randrange(8)}0 {one}", f"echo {two} > {one}"]
    )  # fmt: skip


def program(house: House, random: Random) -> list[str]:
    """Steps that all succeed here."""
    steps: list[str] = []
    for _ in range(30):
        if house.plan(*steps, (step := change(random))).approved:
            steps.append(step)
        if len(steps) == 6:
            break
    return steps


@pytest.mark.parametrize("seed", range(8))
def test_random_changes_lead_back_and_forth(tmp_path: Path, seed: int) -> None:
    house, random = House(tmp_path / "w"), Random(seed)
    before = house.state()
    run = house.do(*program(house, random))
    after = house.state()
    back = house.undo(run)
    assert house.state() == before
    house.undo(back)
    assert house.state() == after
    assert_whole(house)


FILE = Inode("file", 0o644, 0, 0)


def tree(*paths: str) -> State:
    """A state of files at these paths, each known by its own path."""
    facts = [("inode", (".",), Inode("dir", 0o755, 0, 0))]
    for path in paths:
        facts += [("entry", (".", path), path), ("inode", (path,), FILE)]  # type: ignore[list-item]
    return State.of(SCHEMA, facts)  # type: ignore[arg-type]


def test_places_are_those_of_inodes_that_a_fresh_reading_names_otherwise() -> None:
    before = tree("a", "b")
    moved = before.set("entry", (".", "a"), None).set("entry", (".", "c"), "a")
    delta = tuple(edit for edit in _difference(before, moved))
    assert places(moved, delta) == {"a": "c"}
    assert places(before, ()) == {}


def test_only_inodes_of_the_delta_have_places() -> None:
    """Not one whose id reads as a name in the delta does, or as an absent value."""
    before = tree("None", "b")
    for path, other in (("None", "y"), ("b", "z")):
        before = before.set("entry", (".", path), None).set("entry", (".", other), path)
    after = before.set("entry", (".", "b"), "b//2").set("inode", ("b//2",), FILE)
    assert places(after, _difference(before, after)) == {"b//2": "b"}


def _difference(before: State, after: State):  # type: ignore[no-untyped-def]
    from worldgate.facts import diff

    return diff(before, after)


def test_what_comes_back_takes_its_old_id_or_the_next_free_one() -> None:
    before = tree("a", "b", "c")
    gone = before.set("entry", (".", "a"), None).set("inode", ("a",), None)
    delta = _difference(before, gone)
    names = {edit.key[0] for edit in inverse(gone, delta, {}) if edit.relation == "inode"}
    assert names == {"a"}
    taken = gone.set("inode", ("a",), FILE).set("inode", ("a//2",), FILE)
    (edit,) = [edit for edit in inverse(taken, delta, {}) if edit.relation == "inode"]
    assert edit.key == ("a//3",)
    assert [edit.after for edit in inverse(taken, delta, {}) if edit.relation == "entry"] == ["a//3"]


def test_two_that_come_back_do_not_take_one_id() -> None:
    before = tree("a").set("entry", (".", "b"), "a//2").set("inode", ("a//2",), FILE)
    gone = tree()
    back = inverse(gone, _difference(before, gone), {})
    assert {edit.key[0] for edit in back if edit.relation == "inode"} == {"a", "a//2"}
    assert {edit.after for edit in back if edit.relation == "entry"} == {"a", "a//2"}


def test_in_other_worlds_ids_are_for_good() -> None:
    desk = get("support-desk")
    state = desk.initial(0)
    moved = desk.step(state, desk.parse('block(customer: "ada")'))
    assert places(moved.state, moved.delta) == {}
    assert moved.state.apply(inverse(moved.state, moved.delta, {})) == state

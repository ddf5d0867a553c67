"""What a delta means in bodies and slots, without any directory."""

from __future__ import annotations

from worldgate.facts import State, compose
from worldgate.gate.targets.layout import Layout, layout
from worldgate.worlds.filesystem.blobs import MemoryBlobs
from worldgate.worlds.filesystem.schema import SCHEMA, Inode

from .scripts import Script, renamed

ROOT = [("inode", (".",), Inode("dir", 0o755, 0, 0))]


def start() -> State:
    """d/e/f, d/g, and h with a second name l."""
    state = State.of(SCHEMA, ROOT)
    script = Script(state, MemoryBlobs())
    script.mkdir("d")
    script.mkdir("d/e")
    script.put("d/e/f", b"f")
    script.put("d/g", b"g")
    script.put("h", b"h")
    script.ln("h", "l")
    return renamed(state.apply(script.delta()))


def laid_out(*steps: tuple[object, ...]) -> Layout:
    state = start()
    script = Script(state, MemoryBlobs())
    for verb, *arguments in steps:
        getattr(script, str(verb))(*arguments)
    return layout(state, compose(script.delta()))


def changes(found: Layout) -> set[tuple[str, str, str, str]]:
    """(directory, name, id before, id after) of every slot that changes; new bodies with a '+'."""

    def name(body: int | None) -> str:
        return "" if body is None else ("+" if found.bodies[body].made else "") + found.bodies[body].id

    return {
        (name(slot.parent), slot.name, name(slot.before), name(slot.after))
        for slot in found.slots
        if slot.before != slot.after
    }


def test_moving_a_directory_concerns_two_slots_however_much_is_in_it() -> None:
    found = laid_out(("mv", "d", "m"))
    assert changes(found) == {(".", "d", "d", ""), (".", "m", "", "d")}
    assert len(found.bodies) == 2


def test_removing_a_tree_concerns_its_top_only() -> None:
    found = laid_out(("rm", "d"))
    assert changes(found) == {(".", "d", "d", "")}
    assert found.doomed == ("d/e", "d/e/f", "d/g")
    assert found.gone == {"d", "d/e"}


def test_what_gets_out_of_a_removed_tree_leaves_it_first() -> None:
    found = laid_out(("mv", "d/e/f", "f"), ("rm", "d"))
    assert changes(found) == {(".", "d", "d", ""), ("d/e", "f", "d/e/f", ""), (".", "f", "", "d/e/f")}
    assert found.doomed == ("d/e", "d/g")


def test_a_new_tree_is_made_whole_and_appears_by_its_top() -> None:
    found = laid_out(("mkdir", "n"), ("mkdir", "n/o"), ("put", "n/o/p", b"p"))
    assert changes(found) == {(".", "n", "", "+n")}
    homes = {body.id: body.made.home and found.bodies[body.made.home[0]].id for body in found.bodies if body.made}
    assert homes == {"n": None, "n/o": "n", "n/o/p": "n/o"}


def test_new_bytes_replace_every_name_of_a_file() -> None:
    found = laid_out(("write", "h", b"new"))
    assert changes(found) == {(".", "h", "h", "+h"), (".", "l", "h", "+h")}
    assert [body.made.links for body in found.bodies if body.made] == [2]


def test_metadata_alone_moves_nothing() -> None:
    found = laid_out(("chmod", "d/g", 0o600), ("xattr", "d/g", "user.k", b"v"))
    assert changes(found) == set()
    changed = [(body.id, body.change) for body in found.bodies if body.change]
    assert [(path, change.mode, change.xattrs) for path, change in changed] == [("d/g", 0o600, (("user.k", "76"),))]


def test_a_directory_that_becomes_a_file_is_another_body() -> None:
    found = laid_out(("mv", "d/g", "g"), ("rm", "d"), ("put", "d", b"now a file"))
    assert (".", "d", "d", "+d") in changes(found) or (".", "d", "d", "+d//2") in changes(found)
    assert ("d", "g", "d/g", "") in changes(found)


def test_a_file_that_loses_one_of_its_names_is_still_known_by_another() -> None:
    found = laid_out(("rm", "h"), ("chmod", "l", 0o600))
    assert changes(found) == {(".", "h", "h", "")}
    assert [slot.name for slot in found.slots if slot.before == slot.after and slot.after is not None] == ["l"]

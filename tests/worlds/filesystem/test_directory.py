"""A directory as facts: what they say, that a state on them does not change, and that nothing leads outside."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import chdir
from hashlib import sha256
from pathlib import Path

import pytest

from worldgate.facts import State
from worldgate.worlds.filesystem.blobs import FileBlobs, MissingBlob, digest
from worldgate.worlds.filesystem.directory import ChangedMeanwhile, DirectorySource, Unreadable, join, split
from worldgate.worlds.filesystem.schema import SCHEMA, Inode
from worldgate.worlds.filesystem.tree import mounts_beneath

from .tree_asserts import ODD, assert_same_facts, furnish, photograph


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return furnish(tmp_path / "root")


def test_every_kind_of_fact(root: Path) -> None:
    source = DirectorySource(root)
    assert source.get("inode", (".",)) == Inode("dir", 0o755, os.geteuid(), os.getegid())
    assert source.get("entry", (".", "a")) == "a"
    assert source.get("content", ("a",)) == sha256(b"alpha\n").hexdigest()
    assert source.get("size", ("a",)) == 6
    assert source.get("inode", ("a",)) == Inode("file", 0o644, os.geteuid(), os.getegid())
    assert source.get("xattr", ("a", "user.note")) == "00ff"
    assert source.get("target", ("to-dir",)) == "dir"
    assert source.get("inode", ("to-dir",)) == Inode("symlink", 0, os.geteuid(), os.getegid())
    assert source.get("inode", ("fifo",)).kind == "fifo"
    assert source.get("content", (ODD,)) == sha256(b"odd\n").hexdigest()
    assert source.get("size", ("dir",)) is None
    assert source.select("entry", ("hollow",)) == {}
    assert source.select("xattr", ("b",)) == {}
    assert source.get("result", ()) is None
    assert source.select("env", ()) == {}


def test_what_is_asked_for_one_by_one_is_what_the_walk_says(root: Path) -> None:
    asked = DirectorySource(root)
    for relation, key, value in DirectorySource(root).facts():
        SCHEMA.check(relation, key, value)
        assert asked.get(relation, key) == value
        if relation == "entry":
            assert key in asked.owners("entry", value)
            assert asked.select("entry", key[:1])[key[1:]] == value
    assert_same_facts(set(asked.facts()), set(DirectorySource(root).facts()))


def test_the_names_are_those_of_the_system(root: Path) -> None:
    found = {value for _, _, value in State.of(SCHEMA, source=DirectorySource(root)).facts("entry")}
    listed = subprocess.run(["find", ".", "-mindepth", "1", "-print0"], cwd=root, capture_output=True, check=True)
    paths = {os.fsdecode(path[2:]) for path in listed.stdout.split(b"\0") if path}
    assert found == paths - {"links/one", "links/two"}  # second names of dir/three


def test_hard_links_are_one_inode(root: Path) -> None:
    source = DirectorySource(root)
    assert source.get("entry", ("links", "two")) == "dir/three"
    assert source.owners("entry", "dir/three") == {("dir", "three"), ("links", "one"), ("links", "two")}
    assert source.get("inode", ("links/two",)) is None
    assert source.owners("entry", "links/two") == frozenset()
    assert source.get("outside", ("dir/three",)) is None
    os.link(root / "b", root.parent / "elsewhere")
    assert DirectorySource(root).get("outside", ("b",)) == 1


@pytest.mark.parametrize(
    "path", ["", "..", "a/", "./a", "dir//f", "dir/../a", "/etc/passwd", "a/x", "to-dir/f", "n\0l"]
)
def test_a_path_that_is_no_id_has_no_facts(root: Path, path: str) -> None:
    source = DirectorySource(root)
    assert source.get("inode", (path,)) is None
    assert source.select("entry", (path,)) == {}
    assert source.owners("entry", path) == frozenset()


@pytest.mark.parametrize("name", ["", ".", "..", "dir/f", "x" * 300, "missing", "a\0"])
def test_a_name_that_is_no_name_has_no_entry(root: Path, name: str) -> None:
    assert DirectorySource(root).get("entry", (".", name)) is None


def test_the_workplace_of_the_gate_is_not_part_of_the_world(root: Path) -> None:
    before = set(DirectorySource(root).facts()), DirectorySource(root).seen()
    (root / ".worldgate").mkdir()
    (root / ".worldgate" / "x").write_text("x")
    source = DirectorySource(root)
    assert (set(source.facts()), source.seen()) == before
    assert source.get("entry", (".", ".worldgate")) is None
    assert source.get("inode", (".worldgate/x",)) is None
    (root / "dir" / ".worldgate").mkdir()
    assert DirectorySource(root).get("inode", ("dir/.worldgate",)).kind == "dir"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_mount_points_are_not_part_of_the_world(root: Path) -> None:
    program = (
        "import sys; from worldgate.worlds.filesystem.directory import DirectorySource as D;"
        "s = D(sys.argv[1]); print(sorted(v for r, k, v in s.facts() if r == 'entry' and k[0] == 'dir'),"
        "s.get('entry', ('.', 'a')), s.get('inode', ('dir/sub/g',)), s.get('inode', ('hollow',)))"
    )
    script = 'mount --bind links dir/sub && mount --bind b a && mount -t tmpfs none hollow && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", program, str(root)]
    done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    assert done.stdout.decode() == "['dir/f', 'dir/three'] None None None\n"


def test_names_of_mount_points_are_unescaped(tmp_path: Path) -> None:
    assert "self" not in mounts_beneath(Path("/proc"))
    assert any(path.startswith("pts") or path == "shm" for path in mounts_beneath(Path("/dev")))


# --- a snapshot -----------------------------------------------------------------------------------------


def test_answers_stay_as_they_were_given(root: Path) -> None:
    source = DirectorySource(root)
    given = source.get("content", ("a",)), source.get("inode", ("a",)), source.select("entry", ("dir",))
    missing = source.get("entry", ("hollow", "x"))
    (root / "a").write_text("other")
    (root / "a").chmod(0o600)
    (root / "dir" / "new").touch()
    (root / "hollow" / "x").touch()
    assert (source.get("content", ("a",)), source.get("inode", ("a",)), source.select("entry", ("dir",))) == given
    assert missing is source.get("entry", ("hollow", "x")) is None


Look, Change = Callable[[DirectorySource], object], Callable[[Path], object]
CHANGES: dict[str, tuple[Look, Change, Look]] = {
    "content after status": (
        lambda source: source.get("size", ("a",)),
        lambda root: (root / "a").write_text("other!"),
        lambda source: source.get("content", ("a",)),
    ),
    "replaced after status": (
        lambda source: source.get("size", ("a",)),
        lambda root: os.replace(root / "b", root / "a"),
        lambda source: source.get("content", ("a",)),
    ),
    "link for a file": (
        lambda source: source.get("size", ("a",)),
        lambda root: ((root / "a").unlink(), (root / "a").symlink_to("/etc/passwd")),
        lambda source: source.get("content", ("a",)),
    ),
    "directory after entry": (
        lambda source: source.get("entry", ("dir", "f")),
        lambda root: (root / "dir" / "new").touch(),
        lambda source: source.select("entry", ("dir",)),
    ),
    "root after entry": (
        lambda source: source.get("entry", (".", "new")),
        lambda root: (root / "new").touch(),
        lambda source: source.select("entry", (".",)),
    ),
    "target after status": (
        lambda source: source.get("inode", ("to-a",)),
        lambda root: ((root / "to-a").unlink(), (root / "to-a").symlink_to("b")),
        lambda source: source.get("target", ("to-a",)),
    ),
    "attribute after status": (
        lambda source: source.get("inode", ("a",)),
        lambda root: os.setxattr(root / "a", "user.note", b"2"),
        lambda source: source.get("xattr", ("a", "user.note")),
    ),
    "new link": (
        lambda source: source.get("entry", ("links", "one")),
        lambda root: os.link(root / "links" / "one", root / "links" / "four"),
        lambda source: source.get("content", ("dir/three",)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_an_error_and_not_a_mixture(root: Path, name: str) -> None:
    first, change, second = CHANGES[name]
    source = DirectorySource(root)
    first(source)
    change(root)
    with pytest.raises(ChangedMeanwhile):
        second(source)


def test_exchanging_a_directory_for_a_link_leads_nowhere(root: Path) -> None:
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "f").write_text("secret")
    secret = digest(b"secret")
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            os.rename(root / "dir", root / "kept")
            os.symlink(root.parent / "outside", root / "dir")
            os.unlink(root / "dir")
            os.rename(root / "kept", root / "dir")

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(150):
            try:
                assert DirectorySource(root).get("content", ("dir/f",)) in (None, digest(b"f\n" * 2000))
                assert secret not in {value for _, _, value in DirectorySource(root).facts()}
            except ChangedMeanwhile:
                pass
    finally:
        stop.set()
        thread.join()


TOKENS: dict[str, Change] = {
    "content": lambda root: (root / "a").write_text("other!"),
    "same size": lambda root: (root / "a").write_text("aLpha\n"),
    "mode": lambda root: (root / "a").chmod(0o600),
    "mode of the root": lambda root: root.chmod(0o700),
    "attribute": lambda root: os.setxattr(root / "b", "user.x", b""),
    "attribute of the root": lambda root: os.setxattr(root, "user.x", b""),
    "new": lambda root: (root / "new").touch(),
    "gone": lambda root: (root / "dir" / "f").unlink(),
    "moved": lambda root: os.rename(root / "a", root / "z"),
    "exchanged": lambda root: (os.rename(root / "a", root / "z"), os.rename(root / "b", root / "a")),
    "linked": lambda root: os.link(root / "a", root.parent / "elsewhere"),
    "restored": lambda root: ((root / "a").write_text("x"), (root / "a").write_text("alpha\n")),
}  # fmt: skip


@pytest.mark.parametrize("name", TOKENS)
def test_the_token_tells_of_every_change(root: Path, name: str) -> None:
    before = DirectorySource(root).seen()
    assert DirectorySource(root).seen() == before
    TOKENS[name](root)
    assert DirectorySource(root).seen() != before


def test_reading_changes_nothing(root: Path) -> None:
    before = photograph(root), DirectorySource(root).seen()
    list(DirectorySource(root).facts())
    assert (photograph(root), DirectorySource(root).seen()) == before


# --- contents -----------------------------------------------------------------------------------------------


def test_contents_are_read_by_hash_and_verified(root: Path) -> None:
    source = DirectorySource(root)
    name = str(source.get("content", ("a",)))
    assert source.blobs.get(name) == b"alpha\n"
    with pytest.raises(MissingBlob):
        source.blobs.get(digest(b"beta\n"))  # there, but this source has not hashed it
    with pytest.raises(Unreadable):
        source.blobs.put(b"x")
    (root / "a").write_text("other!")
    with pytest.raises(MissingBlob):
        source.blobs.get(name)


def test_a_store_of_files(root: Path, tmp_path: Path) -> None:
    store = FileBlobs(tmp_path / "store", DirectorySource(root).blobs)
    name = store.put(b"some bytes")
    assert store.put_file(root / "a") == digest(b"alpha\n")
    assert (store.get(name), store.get(digest(b"alpha\n")), store.get(digest(b""))) == (b"some bytes", b"alpha\n", b"")
    assert store.path_of(name) == tmp_path / "store" / name[:2] / name[2:]
    assert not list((tmp_path / "store").glob(".new-*"))
    store.path_of(name).write_bytes(b"damaged")
    for wrong in (name, "0" * 64, "../../etc/passwd", name.upper()):
        with pytest.raises(MissingBlob):
            store.get(wrong)


def test_a_directory_that_cannot_be_read_is_an_error(root: Path) -> None:
    with pytest.raises(Unreadable):
        DirectorySource(root / "missing")
    with pytest.raises(Unreadable):
        DirectorySource(root / "a")


def test_paths_are_taken_apart_as_they_are_put_together() -> None:
    for path in ("a", "a/b", "a/b/c"):
        assert join(*split(path)) == path


def test_a_deep_tree(tmp_path: Path) -> None:
    with chdir(tmp_path):
        for _ in range(150):
            os.mkdir("d" * 60)
            os.chdir("d" * 60)
    assert (
        len(list(State.of(SCHEMA, source=DirectorySource(tmp_path)).facts("entry"))) == 150
    )  # a path of more than 4096 bytes

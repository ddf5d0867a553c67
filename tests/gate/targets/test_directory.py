"""What a commit to a directory does, refuses, and notices."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gate.targets.scripts import Script, renamed
from tests.gate.targets.trees import (
    Change,
    Link,
    Node,
    Symlink,
    Tree,
    assert_same_photo,
    assert_same_shape,
    build,
    change,
    change_between,
    photograph,
    scan,
)  # fmt: skip
from worldgate.facts import Edit, State, invert
from worldgate.gate.base import addresses, observe
from worldgate.gate.inverse import inverse, places
from worldgate.gate.targets.directory import DirectoryTarget
from worldgate.gate.targets.platform import Platform
from worldgate.gate.targets.refusals import BadWorkplace, CommitFailed, OutcomeUnknown, Uncommittable
from worldgate.gate.targets.stale import Stale
from worldgate.gate.targets.writes import Writes
from worldgate.worlds.filesystem.blobs import MemoryBlobs, MissingBlob
from worldgate.worlds.filesystem.schema import SCHEMA, Inode, Result

pytestmark = pytest.mark.usefixtures("platform")
quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
TREE: Tree = {"a": b"one", "b": b"two", "d/x": b"x", "d/e/y": b"y", "h": b"link", "l": Link("h")}


class Unsynced(Writes):
    def fsync(self, descriptor: int) -> None:
        pass

    def syncfs(self, descriptor: int) -> None:
        pass


def commit(root: Path, wanted: Change, run: str = "run", writes: Writes | None = None) -> None:
    DirectoryTarget(root, writes=writes or Unsynced()).commit(run, wanted.delta, wanted.base, wanted.blobs)


def scripted(root: Path, edit: Callable[[Script], None]) -> tuple[Change, State]:
    """The change that a script makes, and the state after it as a fresh reading tells it."""
    state, blobs = scan(root)
    script = Script(state, blobs)
    edit(script)
    found = change(state, script.delta(), blobs, script.draft.reads)
    return found, renamed(state.apply(found.delta))


def assert_commits(root: Path, edit: Callable[[Script], None]) -> None:
    wanted, after = scripted(root, edit)
    commit(root, wanted)
    assert scan(root)[0] == after


# --- any tree to any tree ---------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "é", "\udcff", "x y"])
MODES = st.sampled_from([0o644, 0o755, 0o700, 0o4755, 0o1777, 0o600])
ATTRIBUTES = st.dictionaries(st.sampled_from(["user.a", "user.b"]), st.binary(max_size=4), max_size=2)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A random tree: files, directories, links of both kinds, metadata."""
    tree: Tree = {}
    folders = [""]
    files: list[str] = []
    for _ in range(draw(st.integers(0, 12))):
        folder, name = draw(st.sampled_from(folders)), draw(NAMES)
        path = f"{folder}/{name}" if folder else name
        if path in tree:
            continue
        kind = draw(st.sampled_from(["file", "file", "dir", "dir", "link", "symlink"]))
        if kind == "dir":
            tree[path] = Node(None, draw(MODES), draw(ATTRIBUTES))
            folders.append(path)
        elif kind == "symlink":
            tree[path] = Symlink(draw(st.sampled_from(["a", "/nowhere", "..", "b/c"])))
        elif kind == "link" and files:
            tree[path] = Link(draw(st.sampled_from(files)))
        else:
            tree[path] = Node(draw(st.sampled_from([b"", b"1", b"22"])), draw(MODES), draw(ATTRIBUTES))
            files.append(path)
    return tree


@quick
@given(trees(), trees())
def test_the_difference_of_two_trees_leads_from_one_to_the_other_and_back(first: Tree, second: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder, "one"), Path(folder, "two")
        build(one, first)
        build(two, second)
        before, wanted = photograph(one), change_between(one, two)
        root_mode = one.stat().st_mode
        back = Change(
            invert(wanted.delta), observe(scan(two)[0], [address for address, _ in wanted.base]), scan(one)[1]
        )
        commit(one, wanted, "there")
        assert scan(one)[0] == scan(two)[0]
        assert_same_shape(photograph(one), photograph(two))
        assert one.stat().st_mode == root_mode
        commit(one, back, "back")
        assert_same_shape(photograph(one), before)


@st.composite
def edits(draw: st.DrawFn, path_count: int = 8) -> list[tuple[object, ...]]:
    number = st.integers(0, path_count)
    step = st.one_of(
        st.tuples(st.just("mv"), number, number, NAMES),
        st.tuples(st.just("swap"), number, number),
        st.tuples(st.just("ln"), number, number, NAMES),
        st.tuples(st.just("rm"), number),
        st.tuples(st.just("put"), number, NAMES, st.binary(max_size=3)),
        st.tuples(st.just("mkdir"), number, NAMES),
        st.tuples(st.just("write"), number, st.binary(max_size=3)),
        st.tuples(st.just("chmod"), number, MODES),
    )
    return draw(st.lists(step, min_size=1, max_size=10))


class Walk:
    """Carries random edits out on a script, leaving out what would not be a tree."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def paths(self) -> list[str]:
        now = self.script.draft.now()
        found, pending = [], [("", ".")]
        while pending:
            path, inode = pending.pop()
            for (name,), child in sorted(now.select("entry", (inode,)).items()):
                place = f"{path}/{name}" if path else str(name)
                found.append(place)
                pending.append((place, child))
        return sorted(found)

    def kind(self, path: str) -> str:
        return str(self.script.draft.get("inode", (self.script.at(path),)).kind)

    def do(self, verb: str, *arguments: object) -> None:
        paths = self.paths()
        folders = ["", *(path for path in paths if self.kind(path) == "dir")]
        files = [path for path in paths if self.kind(path) == "file"]
        rest = list(arguments)

        def pick(among: list[str]) -> str:
            return among[int(str(rest.pop(0))) % len(among)]

        def free() -> str | None:
            folder, name = pick(folders), rest.pop(0)
            place = f"{folder}/{name}" if folder else str(name)
            return None if place in paths else place

        if (verb in ("mv", "swap", "rm") and not paths) or (verb in ("ln", "write") and not files):
            return
        if verb == "mv":
            source, target = pick(paths), free()
            if target and not target.startswith(source + "/"):
                self.script.mv(source, target)
        elif verb == "swap":
            one, two = pick(paths), pick(paths)
            if one != two and not one.startswith(two + "/") and not two.startswith(one + "/"):
                self.script.swap(one, two)
        elif verb == "ln":
            source, target = pick(files), free()
            if target:
                self.script.ln(source, target)
        elif verb in ("put", "mkdir"):
            target = free()
            if target:
                getattr(self.script, verb)(target, *rest)
        elif verb == "write":
            self.script.write(pick(files), rest[0])  # type: ignore[arg-type]
        elif verb == "rm":
            self.script.rm(pick(paths))
        elif paths:
            self.script.chmod(pick(folders + files), rest[0])  # type: ignore[arg-type]


@quick
@given(trees(), edits())
def test_any_sequence_of_moves_links_and_writes_and_its_inverse(tree: Tree, steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        build(root, tree)
        numbers = {row[-1]: row for row in photograph(root).values()}

        def edit(script: Script) -> None:
            walk = Walk(script)
            for verb, *arguments in steps:
                walk.do(str(verb), *arguments)

        before = photograph(root)
        wanted, after = scripted(root, edit)
        moved = places(DirectoryTarget(root).state().apply(wanted.delta), wanted.delta)
        commit(root, wanted)
        assert scan(root)[0] == after
        for row in photograph(root).values():
            if row[-1] in numbers and isinstance(row[5], bytes) and row[5] == numbers[row[-1]][5]:
                assert row[-2] == numbers[row[-1]][-2]  # what is the same inode kept its time
        now = DirectoryTarget(root).state()
        back = inverse(now, wanted.delta, moved)
        commit(root, Change(back, observe(now, addresses(SCHEMA, (), back)), wanted.blobs), "back")
        assert_same_shape(photograph(root), before)


# --- named cases --------------------------------------------------------------------------------------


def test_a_swap_keeps_both_inodes(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    one, two = (tmp_path / "a").stat().st_ino, (tmp_path / "d").stat().st_ino
    assert_commits(tmp_path, lambda script: script.swap("a", "d"))
    assert ((tmp_path / "d").stat().st_ino, (tmp_path / "a").stat().st_ino) == (one, two)


def test_a_hard_link_stays_one_inode_when_it_is_written(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    assert_commits(tmp_path, lambda script: script.write("h", b"new"))
    assert (tmp_path / "l").read_bytes() == b"new"
    assert (tmp_path / "h").stat().st_ino == (tmp_path / "l").stat().st_ino


class Watching(Unsynced):
    """Notes what a file holds before each write; None while it has no such name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.seen = path, set[bytes | None]()

    def _next(self, name: str) -> None:
        super()._next(name)
        self.seen.add(self.path.read_bytes() if self.path.exists() else None)


def test_a_name_is_never_missing_while_its_file_is_replaced(tmp_path: Path, platform: Platform) -> None:
    """On a filesystem that cannot exchange two names it is, and yet holds nothing but before and after."""
    build(tmp_path, TREE)
    wanted, _ = scripted(tmp_path, lambda script: script.write("a", b"new"))
    watching = Watching(tmp_path / "a")
    commit(tmp_path, wanted, writes=watching)
    assert watching.seen == {b"one", b"new"} | (set() if platform.exchange else {None})


def test_a_very_deep_tree_is_made_and_removed(tmp_path: Path) -> None:
    deep = "/".join("d" * 150)

    def edit(script: Script) -> None:
        path = ""
        for _ in range(150):
            path = f"{path}/d" if path else "d"
            script.mkdir(path)
        script.put(f"{path}/f", b"deep")

    assert_commits(tmp_path, edit)
    assert (tmp_path / deep / "f").read_bytes() == b"deep"
    assert_commits(tmp_path, lambda script: script.rm("d"))
    assert sorted(os.listdir(tmp_path)) == [".worldgate"]


def test_local_facts_are_not_committed(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    before = photograph(tmp_path)
    local = (Edit("result", (), None, Result(1, "", "")), Edit("cwd", (), ".", "d"))
    DirectoryTarget(tmp_path).commit("run", local, (), MemoryBlobs())
    assert_same_photo(photograph(tmp_path), before)


def test_the_first_commit_makes_a_private_workplace(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    assert DirectoryTarget(tmp_path).recover() is None
    assert not (tmp_path / ".worldgate").exists()
    assert_commits(tmp_path, lambda script: script.rm("a"))
    assert (tmp_path / ".worldgate").stat().st_mode & 0o777 == 0o700
    assert DirectoryTarget(tmp_path).outcome("run")
    assert not DirectoryTarget(tmp_path).outcome("other")


# --- stale ----------------------------------------------------------------------------------------------


def test_stale_names_every_fact_that_changed(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    wanted, _ = scripted(tmp_path, lambda script: script.write("a", b"mine"))
    (tmp_path / "a").write_bytes(b"theirs")
    before = photograph(tmp_path)
    with pytest.raises(Stale) as stale:
        commit(tmp_path, wanted)
    assert {row.address for row in stale.value.differences} == {("content", ("a",)), ("size", ("a",))}
    assert_same_photo(photograph(tmp_path), before)


def test_stale_when_only_something_that_was_read_changed(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    wanted, _ = scripted(tmp_path, lambda script: script.rm("a"))
    base = (*wanted.base, *observe(scan(tmp_path)[0], [("entry", ("d",)), ("content", ("b",))]))
    (tmp_path / "d" / "more").write_bytes(b"")
    with pytest.raises(Stale) as stale:
        DirectoryTarget(tmp_path).commit("run", wanted.delta, base, wanted.blobs)
    assert [row.address for row in stale.value.differences] == [("entry", ("d",))]


def test_the_token_over_the_whole_tree_is_compared(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    wanted, _ = scripted(tmp_path, lambda script: script.rm("a"))
    target = DirectoryTarget(tmp_path)
    seen = target.source().seen()
    os.utime(tmp_path / "d" / "x")
    with pytest.raises(Stale):
        target.commit("run", wanted.delta, wanted.base, wanted.blobs, seen=seen)
    assert (tmp_path / "a").exists()
    target.commit("run", wanted.delta, wanted.base, wanted.blobs, seen=target.source().seen())
    assert not (tmp_path / "a").exists()


class Meddling(Unsynced):
    """Another program, which acts right before the first write with a name."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        super().__init__()
        self.name, self.act = name, act

    def _next(self, name: str) -> None:
        super()._next(name)
        if name == self.name:
            self.name = ""
            self.act()


@pytest.mark.parametrize(
    ("edit", "act"),
    [
        (lambda script: script.rm("a"), lambda root: (root / "a").write_bytes(b"theirs")),
        (lambda script: script.write("a", b"mine"), lambda root: (root / "a").write_bytes(b"theirs")),
        (lambda script: script.mv("b", "new"), lambda root: (root / "new").write_bytes(b"theirs")),
        (lambda script: script.rm("d"), lambda root: (root / "d/e/y").write_bytes(b"theirs")),
        (lambda script: script.rm("d"), lambda root: (root / "d/e/z").write_bytes(b"theirs")),
        (lambda script: script.rm("d"), lambda root: (root / "d/z").write_bytes(b"theirs")),
    ],
    ids=["removed file", "replaced file", "free name", "file in removed", "new in removed", "new at top of removed"],
)
def test_another_program_that_writes_during_the_commit_loses_nothing(
    tmp_path: Path, edit: Callable[[Script], None], act: Callable[[Path], object]
) -> None:
    """It acts after the comparison: right before the journal is put in place."""
    build(tmp_path, TREE)
    wanted, _ = scripted(tmp_path, edit)
    with pytest.raises((CommitFailed, OutcomeUnknown)) as failed:
        commit(tmp_path, wanted, writes=Meddling("replace", lambda: act(tmp_path)))
    theirs = [place for place in tmp_path.rglob("*") if place.is_file() and place.read_bytes() == b"theirs"]
    assert len(theirs) == 1
    assert isinstance(failed.value, CommitFailed) or (tmp_path / ".worldgate/journal.json").exists()


def test_a_symbolic_link_put_in_the_way_does_not_lead_outside(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    build(root, TREE)
    build(outside, {"x": b"x"})
    before = photograph(outside)

    def act() -> None:
        (root / "d").rename(root / "moved")
        (root / "d").symlink_to(outside)

    wanted, _ = scripted(root, lambda script: script.rm("d/x"))
    with pytest.raises((CommitFailed, OutcomeUnknown)):
        commit(root, wanted, writes=Meddling("replace", act))
    assert_same_photo(photograph(outside), before)
    assert (root / "moved" / "x").read_bytes() == b"x"


# --- refusals -------------------------------------------------------------------------------------------


def _refused(root: Path, delta: list[Edit], reason: str, blobs: MemoryBlobs | None = None) -> None:
    before = photograph(root)
    with pytest.raises(Uncommittable) as refused:
        DirectoryTarget(root).commit("run", tuple(delta), (), blobs or MemoryBlobs())
    assert refused.value.reason == reason
    assert_same_photo(photograph(root), before)


def _facts(inode: str, kind: str, **values: object) -> list[Edit]:
    rows = {"inode": Inode(kind, 0o644, os.getuid(), os.getgid()), **values}
    return [Edit(relation, (inode,), None, value) for relation, value in rows.items()]  # type: ignore[arg-type]


HERE = Inode("file", 0o644, os.getuid(), os.getgid())
EMPTY_FILE = {"content": MemoryBlobs().put(b""), "size": 0}


@pytest.mark.parametrize(
    ("delta", "reason"),
    [
        ([Edit("entry", (".", "p"), None, "p"), *_facts("p", "fifo")], "kind"),
        ([Edit("entry", (".", "p"), None, "p"), *_facts("p", "socket")], "kind"),
        ([Edit("entry", (".", "p"), None, "p"), *_facts("p", "chardev")], "kind"),
        ([Edit("entry", (".", "p"), None, "p")], "tree"),
        ([Edit("entry", (".", "p"), None, "p"), *_facts("p", "file")], "tree"),
        (_facts("p", "file", **EMPTY_FILE), "tree"),
        ([Edit("entry", (".", "a/b"), None, "p"), *_facts("p", "file", **EMPTY_FILE)], "name"),
        ([Edit("entry", (".", ".."), None, "p"), *_facts("p", "file", **EMPTY_FILE)], "name"),
        ([Edit("entry", (".", "n" * 256), None, "p"), *_facts("p", "file", **EMPTY_FILE)], "name"),
        ([Edit("entry", (".", ".worldgate"), None, "p"), *_facts("p", "dir")], "gate"),
        ([Edit("entry", ("a", "p"), None, "p"), *_facts("p", "file", **EMPTY_FILE)], "tree"),
        ([Edit("entry", (".", "d2"), None, "d")], "tree"),
        ([Edit("entry", (".", "d"), "d", None), Edit("entry", ("d/e", "d"), None, "d")], "tree"),
        ([Edit("entry", (".", "d"), "d", None)], "tree"),
        ([Edit("entry", (".", "a"), "a", None)], "tree"),
        ([Edit("inode", ("a",), HERE, HERE._replace(mode=0o10644))], "range"),
        ([Edit("inode", ("a",), HERE, HERE._replace(uid=-1))], "range"),
        ([Edit("size", ("a",), 3, 4)], "tree"),
        ([Edit("inode", (".",), Inode("dir", 0o700, os.getuid(), os.getgid()), None)], "tree"),
    ],
)
def test_what_cannot_be_made_exactly_is_refused(tmp_path: Path, delta: list[Edit], reason: str) -> None:
    build(tmp_path, TREE)
    (tmp_path / "a").chmod(0o644)
    _refused(tmp_path, delta, reason)


def test_new_bytes_for_a_file_with_links_outside_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    build(root, TREE)
    os.link(root / "a", tmp_path / "elsewhere")
    wanted, _ = scripted(root, lambda script: script.write("a", b"new"))
    _refused(root, list(wanted.delta), "outside", wanted.blobs)
    assert_commits(root, lambda script: script.chmod("a", 0o600))
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o600


def test_pipes_and_sockets_are_moved_and_removed(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    os.mkfifo(tmp_path / "pipe")
    with chdir(tmp_path), socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")

    def edit(script: Script) -> None:
        script.mv("pipe", "d/pipe")
        script.chmod("d/pipe", 0o600)
        script.rm("sock")

    assert_commits(tmp_path, edit)


def test_wrong_or_missing_bytes_change_nothing(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    before = photograph(tmp_path)
    wanted, _ = scripted(tmp_path, lambda script: script.write("a", b"new"))

    class Lying(MemoryBlobs):
        def get(self, name: str) -> bytes:
            return b"lie"

    target = DirectoryTarget(tmp_path)
    with pytest.raises(MissingBlob):
        target.commit("run", wanted.delta, wanted.base, MemoryBlobs())
    with pytest.raises(Uncommittable):
        target.commit("run", wanted.delta, wanted.base, Lying())
    assert_same_photo(photograph(tmp_path), before)
    assert target.recover() is None


@pytest.mark.parametrize("run", ["", "../x", "a/b", ".hidden", "x" * 129, "new\n"])
def test_a_run_id_that_is_no_name_is_refused(tmp_path: Path, run: str) -> None:
    with pytest.raises(Uncommittable):
        DirectoryTarget(tmp_path).commit(run, (), (), MemoryBlobs())
    assert os.listdir(tmp_path) == []


def test_a_workplace_that_others_can_write_is_not_trusted(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    (tmp_path / ".worldgate").mkdir()
    (tmp_path / ".worldgate").chmod(0o777)
    with pytest.raises(BadWorkplace):
        DirectoryTarget(tmp_path).commit("run", (), (), MemoryBlobs())
    (tmp_path / ".worldgate").rmdir()
    (tmp_path / ".worldgate").symlink_to(tmp_path / "d")
    with pytest.raises(BadWorkplace):
        DirectoryTarget(tmp_path).recover()


@pytest.mark.parametrize("text", [b"", b"{}", b'{"format":2}', b"[1]"])
def test_a_journal_that_cannot_be_read_stops_everything(tmp_path: Path, text: bytes) -> None:
    build(tmp_path, TREE)
    assert_commits(tmp_path, lambda script: script.rm("a"))
    (tmp_path / ".worldgate/journal.json").write_bytes(text)
    wanted, _ = scripted(tmp_path, lambda script: script.rm("b"))
    with pytest.raises(BadWorkplace):
        commit(tmp_path, wanted)
    assert (tmp_path / "b").exists()


# --- many at once -----------------------------------------------------------------------------------------

PROCESSES = 20


def _committer(root: Path, wanted: Change, run: str, gate: object, answers: object) -> None:
    gate.wait()  # type: ignore[attr-defined]
    try:
        commit(root, wanted, run)
        answers.put("done")  # type: ignore[attr-defined]
    except Stale:
        answers.put("stale")  # type: ignore[attr-defined]


def _together(root: Path, changes: list[Change]) -> list[str]:
    context = multiprocessing.get_context("fork")
    gate, answers = context.Barrier(len(changes)), context.Queue()
    children = [
        context.Process(target=_committer, args=(root, wanted, f"run{number}", gate, answers))
        for number, wanted in enumerate(changes)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: the children use none
        for child in children:
            child.start()
    found = sorted(answers.get(timeout=60) for _ in children)
    for child in children:
        child.join()
    return found


def test_disjoint_commits_of_many_processes_all_succeed(tmp_path: Path) -> None:
    build(tmp_path, {f"d{number}/f": b"old" for number in range(PROCESSES)})
    changes = [
        scripted(tmp_path, lambda script, n=number: script.write(f"d{n}/f", b"new"))[0] for number in range(PROCESSES)
    ]
    assert _together(tmp_path, changes) == ["done"] * PROCESSES
    assert all((tmp_path / f"d{number}/f").read_bytes() == b"new" for number in range(PROCESSES))


def test_of_overlapping_commits_exactly_one_wins(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    changes = [
        scripted(tmp_path, lambda script, n=number: script.write("a", b"by %d" % n))[0] for number in range(PROCESSES)
    ]
    assert _together(tmp_path, changes) == ["done"] + ["stale"] * (PROCESSES - 1)
    assert (tmp_path / "a").read_bytes().startswith(b"by ")


def test_threads_of_one_process_exclude_one_another(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    changes = [scripted(tmp_path, lambda script, n=n: script.write("a", b"by %d" % n))[0] for n in range(8)]
    found: list[str] = []

    def work(number: int) -> None:
        try:
            commit(tmp_path, changes[number], f"run{number}")
            found.append("done")
        except Stale:
            found.append("stale")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(changes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["done"] + ["stale"] * 7


def test_a_commit_waits_for_the_lock(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    assert_commits(tmp_path, lambda script: script.rm("b"))
    wanted, _ = scripted(tmp_path, lambda script: script.rm("a"))
    with (tmp_path / ".worldgate/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=commit, args=(tmp_path, wanted))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        assert (tmp_path / "a").exists()
    thread.join()
    assert not (tmp_path / "a").exists()


def test_what_another_program_changes_after_its_move_is_found_by_the_last_reading(tmp_path: Path) -> None:
    build(tmp_path, TREE)
    before = photograph(tmp_path)
    wanted, _ = scripted(tmp_path, lambda script: (script.chmod("a", 0o600), script.chmod("b", 0o600)))

    class AfterTheFirst(Unsynced):
        def _next(self, name: str) -> None:
            super()._next(name)
            if name == "chmod" and (tmp_path / "b").stat().st_mode & 0o777 == 0o600:
                (tmp_path / "b").chmod(0o666)

    with pytest.raises(CommitFailed):
        commit(tmp_path, wanted, writes=AfterTheFirst())
    assert (tmp_path / "a").stat().st_mode == before["a"][0]

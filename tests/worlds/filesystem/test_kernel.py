"""The kernel: whatever a command does, base + delta is what it left, and the real tree is untouched."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worldgate.facts import Edit
from worldgate.worlds.filesystem.blobs import FileBlobs, MissingBlob, digest
from worldgate.worlds.filesystem.directory import DirectorySource
from worldgate.worlds.filesystem.kernel import ChangedMeanwhile, Limits, NoIsolation, run
from worldgate.worlds.filesystem.schema import Inode
from worldgate.worlds.filesystem.scratch import Scratch

from .tree_asserts import ODD, assert_as_without_sandbox, assert_delta_is_exact, furnish, photograph

INTERPRETER = os.path.realpath(sys.executable)  # a virtual environment may lie below /tmp, which a command does not see
PYTHON = shlex.quote(INTERPRETER)
COMMANDS = {
    "nothing": "true",
    "fails": "exit 7",
    "new file": "echo new > new",
    "new tree": "mkdir -p p/q/r && echo x > p/q/r/s && chmod 750 p/q",
    "append": "echo more >> a",
    "same content": "t=$(mktemp) && cat a > $t && cat $t > a && rm $t",
    "touch": "touch a dir hollow",
    "truncate": ": > dir/f",
    "sed -i": "sed -i s/alpha/ALPHA/ a",
    "remove": "rm a",
    "remove tree": "rm -rf dir",
    "remove all": "rm -rf ./* .[!.]* ; ls -A",
    "find -delete": "find dir -delete",
    "move file": "mv a z",
    "move over": "mv a b",
    "move into": "mv a b hollow/",
    "move tree": "mv hollow deep && mv links hollow",
    "move tree and change it": "mv links moved && echo more > moved/extra",
    "swap": "mv a tmp && mv b a && mv tmp b",
    "copy": "cp -a dir copy",
    "copy over": "cp a b",
    "link": "ln a again",
    "link over": "ln -f a b",
    "link then remove": "ln a again && rm a",
    "symlink": "ln -s a new && ln -sfn hollow to-dir",
    "mode": "chmod 4711 a; chmod 1777 hollow; chmod g+s dir",
    "mode and back": "chmod 600 a && chmod 644 a",
    "through a symlink": "echo via >> to-a && echo new > to-dir/new",
    "file becomes dir": "rm a && mkdir a && echo x > a/x",
    "dir becomes file": "rm -r dir && echo file > dir",
    "symlink becomes dir": "rm to-dir && mkdir to-dir && touch to-dir/x",
    "dir made anew": "rm -rf dir && mkdir -m 700 dir && echo anew > dir/f",
    "dir made anew empty": "rm -rf dir && mkdir dir",
    "dir made anew with another in it": "rm -rf dir && mkdir -p dir/sub && echo anew > dir/sub/new",
    "dir made aside and moved over another": "mkdir -p new/sub && rm -rf dir && mv -T new dir && echo anew > dir/sub/f",
    "moved and made anew": "mv hollow gone && mkdir hollow && echo x > hollow/x",
    "write one of three links": "echo more >> links/two",
    "mode of one of three links": "chmod 600 dir/three",
    "sed one of three links": "sed -i s/linked/LINKED/ links/one",
    "move one of three links": "mv links/one outside-of-links",
    "remove one of three links": "rm links/one",
    "remove all links": "rm links/one links/two dir/three",
    "replace one link by a copy": "cp links/one c && mv c links/two",
    "another link": "ln links/two links/four",
    "hard-linked and moved": "mkdir m && mv links/one links/two m/",
    "tar": "t=$(mktemp) && tar cf $t dir links && mkdir out && tar xpf $t -C out && rm $t",
    "git": "git init -q repo && cd repo && git config user.email a@b && git config user.name n && ls -A .git > l",
    "fifo": "mkfifo pipe && rm fifo",
    "odd names": f"mv {shlex.quote(ODD)} ordinary && printf x > \"$(printf 'new\\nline \\377')\"",
    "temporary name": "echo x > .tmp && mv .tmp b",
    "empty files": "rm empty && touch other && touch hollow/empty",
    "attributes": f'{PYTHON} -c \'import os; os.setxattr("b", "user.k", b"v"); os.removexattr("a", "user.note")\'',
    "own workplace": "mkdir .worldgate && echo x > .worldgate/x; mkdir dir/.worldgate",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnish(tmp_path_factory.mktemp("kernel") / "work space, with: odd\\name")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_does_in_the_overlay_what_it_does_without(name: str, root: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    twin.mkdir(mode=0o755)
    assert_as_without_sandbox(root, twin, COMMANDS[name])


def test_owners_are_facts(root: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    result = assert_delta_is_exact(root, "chown 12:34 a && chown -h 56 to-a && chown -R 7:8 dir")
    after = {edit.key: edit.after for edit in result.delta if edit.relation == "inode"}
    assert after["a",] == Inode("file", 0o644, 12, 34)
    assert after["to-a",] == Inode("symlink", 0, 56, 0)
    assert after["dir/sub/g",][2:] == (7, 8)


def test_moving_a_tree_is_two_edits(root: Path) -> None:
    result = assert_delta_is_exact(root, "mv hollow elsewhere && mv dir/sub moved")
    assert result.delta == (
        Edit("entry", (".", "elsewhere"), None, "hollow"),
        Edit("entry", (".", "hollow"), "hollow", None),
        Edit("entry", (".", "moved"), None, "dir/sub"),
        Edit("entry", ("dir", "sub"), "dir/sub", None),
    )


def test_moving_a_file_is_two_edits(root: Path) -> None:
    result = assert_delta_is_exact(root, "mv a hollow/z")
    assert result.delta == (
        Edit("entry", (".", "a"), "a", None),
        Edit("entry", ("hollow", "z"), None, "a"),
    )


def test_a_write_reaches_every_name_of_a_file(root: Path) -> None:
    result = assert_delta_is_exact(root, "echo more >> links/two")
    assert {(edit.relation, edit.key) for edit in result.delta} == {
        ("content", ("dir/three",)),
        ("size", ("dir/three",)),
    }
    result = assert_delta_is_exact(root, "echo more >> links/two", allow_net=True)
    assert {edit.relation for edit in result.delta} == {"content", "size"}


def test_a_file_linked_from_outside_keeps_or_loses_that_link(tmp_path: Path) -> None:
    root = furnish(tmp_path / "root")
    os.link(root / "a", tmp_path / "elsewhere")
    written = assert_delta_is_exact(root, "echo more >> a")
    assert {edit.key for edit in written.delta} == {("a",)}
    replaced = assert_delta_is_exact(root, "echo new > n && mv n a")
    assert Edit("entry", (".", "a"), "a", "a//2") in replaced.delta
    assert Edit("outside", ("a",), 1, None) in replaced.delta


def test_a_copied_up_file_that_is_the_same_is_no_edit(root: Path) -> None:
    result = assert_delta_is_exact(root, "chmod 600 a; chmod 644 a; touch b; cat b > /tmp/b; cat /tmp/b > b")
    assert result.delta == ()


def test_contents_outlive_the_sandbox(root: Path, tmp_path: Path) -> None:
    store = FileBlobs(tmp_path / "blobs")
    result = run(root, "head -c 3000000 /dev/zero > big; rm a", store=store)
    assert store.get(digest(bytes(3000000))) == bytes(3000000)
    assert result.blobs.get(digest(b"alpha\n")) == b"alpha\n"  # what was removed, for the way back
    with pytest.raises(MissingBlob):
        result.blobs.get("0" * 64)


def test_what_a_command_leaves_unreadable_is_read(root: Path) -> None:
    result = run(root, "mkdir shut && echo x > shut/x && ln shut/x shut/a && chmod 000 shut/x shut")
    mine = (os.geteuid(), os.getegid())
    assert Edit("inode", ("shut",), None, Inode("dir", 0, *mine)) in result.delta
    assert Edit("inode", ("shut/a",), None, Inode("file", 0, *mine)) in result.delta
    assert Edit("entry", ("shut", "x"), None, "shut/a") in result.delta
    assert Edit("content", ("shut/a",), None, digest(b"x\n")) in result.delta


def test_what_the_command_sees_of_itself(root: Path) -> None:
    result = run(root, "pwd; id -u; id -g; cat; echo problem >&2; exit 3", stdin=b"typed\n")
    assert result.stdout.decode().splitlines() == [str(root), str(os.geteuid()), str(os.getegid()), "typed"]
    assert (result.stderr, result.exit, result.killed) == (b"problem\n", 3, "")


def test_arguments_are_passed_as_they_are(root: Path) -> None:
    argument = os.fsdecode(b"a b\n\xff$HOME")
    assert run(root, ["printf", "%s", argument]).stdout == b"a b\n\xff$HOME"
    assert run(root, ["no-such-program"], env={"PATH": "/usr/bin:/bin"}).exit == 127
    assert run(root, ["./a"]).exit == 126
    assert run(root, "kill -TERM $$").exit == 128 + 15
    with pytest.raises(NoIsolation):
        run(root, [])


def test_a_directory_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    root = furnish(tmp_path / "root")
    change = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.5; echo x >> {root}/a"])
    with pytest.raises(ChangedMeanwhile):
        run(root, "sleep 1")
    change.wait()


def test_the_token_is_the_one_of_the_base(root: Path) -> None:
    assert run(root, "rm -rf dir").seen == DirectorySource(root).seen()


def test_a_run_that_is_cut_short_says_so_and_still_tells_what_it_did(root: Path) -> None:
    result = run(root, "echo x > x; sleep 60", limits=Limits(seconds=0.7))
    assert result.killed == "wall time"
    assert result.exit == 128 + 9
    assert Edit("entry", (".", "x"), None, "x") in result.delta


NAMES = (
    "a",
    "b",
    "dir",
    "dir/sub",
    "dir/f",
    "hollow",
    "links/one",
    "links/two",
    "dir/three",
    "to-dir",
    "n",
    "hollow/m",
)
NAME = st.sampled_from(NAMES)
STEP = st.one_of(
    st.builds("rm -rf {}".format, NAME),
    st.builds("mkdir -p {}".format, NAME),
    st.builds("echo {} >> {}".format, st.sampled_from("xyz"), NAME),
    st.builds("mv -T {} {}".format, NAME, NAME),
    # (how much of itself a directory copied into itself holds depends on the order of its entries)
    st.tuples(NAME, NAME)
    .filter(lambda pair: not f"{pair[1]}/".startswith(f"{pair[0]}/"))
    .map("cp -rT {0[0]} {0[1]}".format),
    st.builds("ln -T {} {}".format, NAME, NAME),
    st.builds("ln -sfT {} {}".format, NAME, NAME),
    st.builds("chmod {} {}".format, st.sampled_from(["600", "755"]), NAME),
    st.builds("sed -i s/a/A/ {}".format, NAME),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=1, max_size=7))
def test_any_program_does_in_the_overlay_what_it_does_without(
    root: Path, tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    twin = tmp_path_factory.mktemp("twin")
    twin.chmod(0o755)
    assert_as_without_sandbox(root, twin, "; ".join(f"{one} 2>/dev/null" for one in steps))


IN_SCRATCH = ("new tree", "move tree", "dir made anew", "write one of three links", "remove all", "git")


@pytest.mark.parametrize("name", IN_SCRATCH)
def test_the_upper_layer_may_be_on_disk(name: str, root: Path, tmp_path: Path) -> None:
    in_memory = assert_delta_is_exact(root, COMMANDS[name])
    on_disk = assert_delta_is_exact(root, COMMANDS[name], scratch=tmp_path / "scratch")
    assert on_disk.delta == in_memory.delta
    assert os.listdir(tmp_path / "scratch") == []


def test_scratch_on_disk_is_bounded_and_swept(root: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    left, held = Scratch(scratch), Scratch(scratch)
    (left.path / "upper" / "shut").mkdir(mode=0)
    os.close(left._lock)  # as when its process is killed
    result = run(
        root,
        "i=0; while :; do head -c 300000 /dev/zero > f$i; i=$((i+1)); done",
        limits=Limits(written=3 << 20, seconds=30),
        scratch=scratch,
    )
    assert result.killed == "written"
    assert list(scratch.iterdir()) == [held.path]
    held.close()
    result = run(root, "head -c 9000000 /dev/zero > big", limits=Limits(written=3 << 20), scratch=scratch)
    assert result.exit == 128 + signal.SIGXFSZ or b"File size limit" in result.stderr


def test_nothing_is_left_behind(root: Path) -> None:
    def mine() -> tuple[list[str], bytes]:
        return sorted(os.listdir("/proc/self/fd")), Path("/proc/self/mountinfo").read_bytes()

    before, tree = mine(), photograph(root)
    for _ in range(3):
        run(root, "rm -rf dir; sleep 100 & echo started")
    assert mine() == before
    assert photograph(root) == tree

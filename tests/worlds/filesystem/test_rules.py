"""What commands do: transcripts, as a real shell session prints them."""

from __future__ import annotations

from typing import Any

import pytest

from worldgate.facts import State, invert
from worldgate.worlds.filesystem import FilesystemWorld, world
from worldgate.worlds.filesystem.schema import ROOT, SCHEMA, Inode, User


def empty(uid: int = 1000, umask: int = 0o022) -> State:
    """A root directory of the user's, and nothing in it."""
    root = Inode("dir", 0o755, uid, uid)
    return State.of(SCHEMA, [("inode", (ROOT,), root), ("user", (), User(uid, uid, umask)), ("cwd", (), ROOT)])


class Session:
    """A world and where its shell is."""

    def __init__(self, uid: int = 1000, umask: int = 0o022) -> None:
        self.world: FilesystemWorld = world()
        self.state = empty(uid, umask)

    def alter(self, inode: str, **fields: Any) -> None:
        """Change fields of what an inode is."""
        self.state = self.state.set("inode", (inode,), self.state.get("inode", (inode,))._replace(**fields))

    def run(self, text: str) -> str:
        """Everything printed, errors first, and the status when it is not 0."""
        made = self.world.step(self.state, self.world.parse(text))
        for name, holds in self.world.properties().items():
            assert holds(made.state) is None, (text, name)
        assert self.state.apply(made.delta) == made.state
        assert made.state.apply(invert(made.delta)) == self.state
        self.state = made.state
        seen = made.observation
        assert self.state.get("result", ()) == (seen["exit"], seen["stdout"], seen["stderr"])
        return seen["stderr"] + seen["stdout"] + (f"[{seen['exit']}]" if seen["exit"] else "")


TRANSCRIPTS = {
    "directories": """
        mkdir a a/b; mkdir a
          mkdir: cannot create directory ‘a’: File exists
          [1]
        mkdir -p a/b/c/d && cd a/b && pwd
          /a/b
        mkdir -p c/d; ls c; rmdir c
          rmdir: failed to remove 'c': Directory not empty
          d
          [1]
        cd /; rmdir a/. ; rmdir nosuch
          rmdir: failed to remove 'a/.': Invalid argument
          rmdir: failed to remove 'nosuch': No such file or directory
          [1]
        mkdir
          mkdir: missing operand
          Try 'mkdir --help' for more information.
          [1]
    """,
    "moving a directory into itself or onto another": """
        mkdir -p d/e f/d/x; mv d d
          mv: cannot move 'd' to a subdirectory of itself, 'd/d'
          [1]
        mv d d/e
          mv: cannot move 'd' to a subdirectory of itself, 'd/e/d'
          [1]
        mv d f
          mv: cannot move 'd' to 'f/d': Directory not empty
          [1]
        touch g; mv d g; mv -T g d
          mv: cannot overwrite non-directory 'g' with directory 'd'
          mv: cannot overwrite directory 'd' with non-directory
          [1]
        mv . x; mv d/.. x
          mv: cannot move '.' to 'x': Device or resource busy
          mv: cannot move 'd/..' to 'x': Device or resource busy
          [1]
        mkdir h; mv -T d h && ls h d
          ls: cannot access 'd': No such file or directory
          h:
          e
          [2]
        ln -s / root; mv -T root /; mv -T root //
          mv: 'root' and '/' are the same file
          mv: 'root' and '//' are the same file
          [1]
    """,
    "moving files": """
        touch a b; ln a c; mv a a
          mv: 'a' and 'a' are the same file
          [1]
        mv a c
          mv: 'a' and 'c' are the same file
          [1]
        mv -n a b; ls
          a
          b
          c
        mv a b nosuch
          mv: target 'nosuch': No such file or directory
          [1]
        mkdir d; ln -s d link; mv a link/ && ls d; mv link/ e
          mv: cannot move 'link/' to 'e': Not a directory
          a
          [1]
        mkdir e; touch e/b; mv b e/b d
          mv: will not overwrite just-created 'd/b' with 'e/b'
          [1]
    """,
    "copying": """
        echo one > a; cp a a; cp a nosuch/b; cp . b
          cp: 'a' and 'a' are the same file
          cp: cannot create regular file 'nosuch/b': No such file or directory
          cp: -r not specified; omitting directory '.'
          [1]
        ln -s nowhere dangling; cp a dangling
          cp: not writing through dangling symlink 'dangling'
          [1]
        mkdir -p d e/d; echo two > e/d/x; echo old > d/x; cp -r e/d . && cat d/x
          two
        mkdir s; cp -r s s; cp -r s s/; ls s s/s
          cp: cannot copy a directory, 's', into itself, 's/s'
          cp: cannot copy a directory, 's', into itself, 's/s'
          s:
          s

          s/s:
          s
        cp a a d; cp a e/d/x d
          cp: warning: source file 'a' specified more than once
    """,
    "removing": """
        mkdir -p d/e; touch d/f g; rm d
          rm: cannot remove 'd': Is a directory
          [1]
        rm -r . ; rm -rf / ; rm nosuch; rm -f nosuch; rm
          rm: refusing to remove '.' or '..' directory: skipping '.'
          rm: it is dangerous to operate recursively on '/'
          rm: use --no-preserve-root to override this failsafe
          rm: cannot remove 'nosuch': No such file or directory
          rm: missing operand
          Try 'rm --help' for more information.
          [1]
        ln -s d link; rm -r link/; ls
          rm: cannot remove 'link/': Not a directory
          d
          g
          link
        rm -r d g link; ls -a
          .
          ..
    """,
    "links": """
        mkdir d; touch f; ln d x; ln f d; ln f d; ln nosuch y
          ln: d: hard link not allowed for directory
          ln: failed to create hard link 'd/f': File exists
          ln: failed to access 'nosuch': No such file or directory
          [1]
        ln -s ../f d/up; readlink d/up f; cat d/up
          ../f
        ln -s loop loop; cat loop; touch loop/x
          cat: loop: Too many levels of symbolic links
          touch: cannot touch 'loop/x': Too many levels of symbolic links
          [1]
        ln -s new to; touch to; ls
          d
          f
          loop
          new
          to
    """,
    "modes": """
        touch f; chmod u=rwx,go= f; chmod +x f; chmod 888 f; chmod u+x nosuch
          chmod: invalid mode: ‘888’
          Try 'chmod --help' for more information.
          chmod: cannot access 'nosuch': No such file or directory
          [1]
        ln -s nowhere l; chmod 644 l; chmod 644
          chmod: cannot operate on dangling symlink 'l'
          chmod: missing operand after ‘644’
          Try 'chmod --help' for more information.
          [1]
        chmod 000 f; cat f; echo x > f; test -r f; echo $?
          cat: f: Permission denied
          sh: 1: cannot create f: Permission denied
          1
    """,
    "the shell": """
        A='x  y'; echo $A "$A" '$A' $B "$B" end
          x y x  y $A  end
        touch a1 a2 .h 'b c'; echo a* .h* [!a]* z*
          a1 a2 .h b c z*
        export C=$A; echo "$C"; true && false || echo or; false; echo $?
          x  y
          or
          1
        echo -n 'a\\tb\\0101\\c' ignored
          a	bA
        > nosuch/f; > . ; echo $?
          sh: 1: cannot create nosuch/f: Directory nonexistent
          sh: 1: cannot create .: Is a directory
          2
        export 1=2; echo never
          sh: 1: export: 1: bad variable name
          [2]
        test a b; test 1 -eq x; [ a; test ! a = b && echo yes
          sh: 1: test: a: unexpected operator
          sh: 1: test: Illegal number: x
          sh: 1: [: missing ]
          yes
    """,
    "where the shell stands": """
        mkdir -p d/e; ln -s d/e l; cd l; pwd; cd ..; pwd
          /l
          /
        cd d/e; rm -r "$PWD"; ls; touch x; mkdir y; cd .; pwd; cd ..; pwd
          touch: cannot touch 'x': No such file or directory
          mkdir: cannot create directory ‘y’: No such file or directory
          sh: 1: cd: can't cd to .
          /d/e
          /d
        cd -; cd nosuch; cd /..; cd //; pwd
          sh: 1: cd: can't cd to /d/e
          sh: 1: cd: can't cd to nosuch
          //
    """,
    "names in messages": """
        rm 'a b' "it's" 'x"y'
          rm: cannot remove 'a b': No such file or directory
          rm: cannot remove "it's": No such file or directory
          rm: cannot remove 'x"y': No such file or directory
          [1]
        cat 'a b' a:b; mkdir 'no/a\\b'
          cat: 'a b': No such file or directory
          cat: 'a:b': No such file or directory
          mkdir: cannot create directory ‘no/a\\\\b’: No such file or directory
          [1]
    """,
    "appending": """
        echo a > f; echo b >> f; cat f >> g; cat f g f >> h; cat h; cat f >> f
          cat: f: input file is output file
          a
          b
          a
          b
          a
          b
          [1]
        cat f > f; test -s f; echo $?
          1
    """,
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str) -> None:
    """Lines at the margin are run; deeper ones are what is printed."""
    session, lines = Session(), [line[8:] for line in TRANSCRIPTS[name].split("\n")[1:-1]]
    at = 0
    while at < len(lines):
        text = lines[at]
        at += 1
        expected = []
        while at < len(lines) and (lines[at][:2] == "  " or not lines[at]):
            expected.append(lines[at][2:])
            at += 1
        printed = session.run(text)
        assert (printed.removesuffix("\n").split("\n") if printed else []) == expected, text


def test_a_line_break_in_a_name_is_escaped_in_messages() -> None:
    assert Session().run("rm 'a\nb'; cd 'c\nd'") == (
        "rm: cannot remove 'a'$'\\n''b': No such file or directory\nsh: 2: cd: can't cd to c\nd\n[2]"
    )


def test_moving_a_directory_is_two_edits() -> None:
    session = Session()
    session.run("mkdir -p d/e/f to; touch d/a d/b d/e/c")
    made = session.world.step(session.state, session.world.parse("mv d to"))
    assert [edit[:2] for edit in made.delta if edit.relation == "entry"] == [
        ("entry", (".", "d")),
        ("entry", ("to", "d")),
    ]
    assert {edit.relation for edit in made.delta} <= {"entry", "result"}


def test_ids_are_paths_and_a_taken_one_gets_a_number() -> None:
    session = Session()
    session.run("touch a; mv a b; touch a; mv a c; touch a")
    rows = session.state.select("entry", (".",))
    assert dict(rows) == {("b",): "a", ("c",): "a//2", ("a",): "a//3"}


def test_permissions_are_checked_for_users_and_not_for_root() -> None:
    for uid, expected in ((1000, "cat: d/f: Permission denied\n[1]"), (0, "x\n")):
        session = Session(uid)
        session.run("mkdir d; echo x > d/f; chmod 000 d")
        assert session.run("cat d/f") == expected
    session = Session()
    session.run("mkdir d; touch d/f; chmod 500 d")
    assert session.run("rm -r d") == "rm: cannot remove 'd/f': Permission denied\n[1]"
    assert session.run("mv d/f g") == "mv: cannot move 'd/f' to 'g': Permission denied\n[1]"


def test_a_shell_that_may_not_search_where_it_stands() -> None:
    session = Session()
    session.run("mkdir d; cd d; chmod 000 .")
    assert session.run("ln -s x; ln x y; ls") == (
        "ln: failed to create symbolic link './x': Permission denied\n"
        "ln: failed to access 'x': Permission denied\n"
        "ls: cannot open directory '.': Permission denied\n[2]"
    )
    assert session.run("cd ..; ls") == "d\n"


def test_a_sticky_directory_keeps_what_others_own() -> None:
    session = Session()
    session.run("mkdir t; touch t/mine t/theirs; chmod 1777 t")
    for inode in ("t", "t/theirs"):
        session.alter(inode, uid=2000)
    assert session.run("rm -f t/mine t/theirs") == "rm: cannot remove 't/theirs': Operation not permitted\n[1]"
    assert session.run("chmod 600 t/theirs") == (
        "chmod: changing permissions of 't/theirs': Operation not permitted\n[1]"
    )


def test_the_umask_takes_bits_away() -> None:
    session = Session(umask=0o077)
    session.run("mkdir -p a/b; touch f; chmod 755 f; cp f g; cp -p f h; chmod +w f; chmod =r,u+w g")
    modes = {path: oct(session.state.get("inode", (path,)).mode) for path in ("a", "a/b", "f", "g", "h")}
    assert modes == {"a": "0o700", "a/b": "0o700", "f": "0o755", "g": "0o600", "h": "0o755"}


@pytest.mark.parametrize(
    ("prepare", "text"),
    [
        ("touch ./-z", "rm *"),
        ("X='\\*'", "echo $X"),
        ("mkdir -p d/a d/b", "cp -r d d/a/c"),
        ("X=-a", "test x $X y"),
    ],
)
def test_what_the_rules_leave_out_changes_nothing_but_the_status(prepare: str, text: str) -> None:
    session = Session()
    session.run(prepare)
    made = session.world.step(session.state, session.world.parse(text))
    assert made.observation["refused"] == "WG231"
    assert made.observation["exit"] == 126
    assert {edit.relation for edit in made.delta} <= {"result"}


def test_a_special_file_is_refused() -> None:
    session = Session()
    session.run("touch p")
    session.alter("p", kind="fifo")
    for relation in ("content", "size"):
        session.state = session.state.set(relation, ("p",), None)
    for text in ("cat p", "echo x > p", "cp p q"):
        made = session.world.step(session.state, session.world.parse(text))
        assert made.observation.get("refused") == "WG231", text
    assert session.run("mv p q; rm q; ls") == ""


def test_reads_say_what_a_step_depended_on() -> None:
    session = Session()
    session.run("mkdir d e; touch d/f")
    made = session.world.step(session.state, session.world.parse("cat d/f"))
    assert {("entry", (".", "d")), ("entry", ("d", "f")), ("inode", ("d/f",)), ("size", ("d/f",))} <= made.reads
    assert not any("e" in address[1] for address in made.reads)
    listed = session.world.step(session.state, session.world.parse("ls d"))
    assert ("entry", ("d",)) in listed.reads


def test_the_initial_state_is_the_same_for_the_same_seed() -> None:
    one, two = world(), world()
    for seed in range(20):
        state = one.initial(seed)
        assert state == two.initial(seed)
        for name, holds in one.properties().items():
            assert holds(state) is None, (seed, name)
    assert one.initial(1) != one.initial(2)


def test_the_working_directory_is_a_target_without_being_looked_at() -> None:
    """mv and cp take "." as it is, also where it cannot be searched; ln looks."""
    filesystem = world()
    state = filesystem.initial(0)  # acts as uid 1000
    said = []
    for line in ("mkdir shut", "cd shut", "chmod 000 ../shut", "cp q w .", "mv q w ./.", "ln q w ."):
        made = filesystem.step(state, filesystem.parse(line))
        state = made.state
        said += made.observation["stderr"].splitlines()
    assert said == [
        "cp: cannot stat 'q': Permission denied",
        "cp: cannot stat 'w': Permission denied",
        "mv: cannot stat 'q': Permission denied",
        "mv: cannot stat 'w': Permission denied",
        "ln: target '.': Permission denied",
    ]


def test_a_directory_named_with_slashes_as_its_own_target_is_not_the_root() -> None:
    """What stands after the held target's prefix is only slashes: the way must not become the root's."""
    filesystem = world()
    state = filesystem.initial(1)
    for line in ("mkdir dd", "mkdir dd/below"):
        state = filesystem.step(state, filesystem.parse(line)).state
    made = filesystem.step(state, filesystem.parse("cp -r dd// dd"))
    assert made.observation["exit"] != 0
    assert "into" in made.observation["stderr"]
    assert not any(key[0] == "." for relation, key in made.reads if relation == "entry" and len(key) == 1)

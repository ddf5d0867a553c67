"""Random workloads. Each looks at the state, so that commands succeed and fail for reasons that matter.

`everyday` does what people do, mostly to names that are there. `adversarial` aims at the traps:
a directory into itself, onto itself, links to links, trailing slashes, permissions, awkward names. `structural` moves
whole directories around and removes what others stand in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random

from ...facts import State
from ..contract import Driver
from .schema import ROOT, inode_in

_FRESH = ("a", "b", "c", "d", "new", "out.txt", "log", "build", "x y", "it's", ".hidden", "é", "*", "[ab]", "-n")
_WORDS = ("hello", "two words", "$A", "a\\nb", "", "*", "x", "100")
_MODES = (
    "644",
    "755",
    "600",
    "000",
    "444",
    "500",
    "u+x",
    "go-rwx",
    "a+r",
    "+x",
    "a-w",
    "o=",
    "u=rwx,g=rx",
    "a+X",
    "g=u",
    "0755",
)
_ODD_MODES = (
    "4755",
    "2755",
    "1777",
    "00755",
    "7777",
    "u+s",
    "g+s",
    "+t",
    "a=",
    "=rw",
    "ug=o",
    "888",
    "u+z",
    "",
    "a+rwX,u-w",
    "77777",
)


def quote(name: str) -> str:
    """A name as one shell word."""
    plain = name.replace("_", "a").replace(".", "a").replace("/", "a").replace("-", "a")
    if plain.isascii() and plain.isalnum():
        return name
    return "'" + name.replace("'", "'\\''") + "'"


def _undashed(path: str) -> str:
    """A path that is no option."""
    return "./" + path if path[0] == "-" else path


class _View:
    """Paths of a state as the acting shell would write them."""

    def __init__(self, state: State, random: Random) -> None:
        self.state, self.random = state, random
        self.cwd: str = state.get("cwd", ()) or ROOT

    def walk(self, directory: str, kinds: Sequence[str], deeper: float = 0.55) -> str | None:
        """A random path below `directory` to something of one of `kinds`, or None when the walk finds none."""
        path = ""
        for _ in range(8):
            rows = self.state.select("entry", (directory,))
            if not rows:
                return None
            names = sorted(str(row[0]) for row in rows) if len(rows) < 64 else [str(next(iter(rows))[0])]
            name = self.random.choice(names)
            inode = str(rows[(name,)])
            kind = inode_in(self.state, inode).kind
            path = f"{path}/{name}" if path else name
            descend = kind == "dir" and self.random.random() < deeper
            if kind in kinds and not descend:
                return path
            if kind != "dir":
                return path if "any" in kinds else None
            directory = inode
        return path if "dir" in kinds else None

    def pick(self, *kinds: str) -> str:
        """An existing path of one of these kinds if a few tries find one; sometimes absolute or roundabout."""
        for _ in range(4):
            absolute = self.random.random() < 0.2
            found = self.walk(ROOT if absolute else self.cwd, kinds)
            if found is not None:
                return quote("/" + found if absolute else _undashed(found))
        return self.fresh()

    def fresh(self) -> str:
        """A path that mostly does not exist yet, in a directory that mostly does."""
        name = self.random.choice(_FRESH)
        if self.random.random() < 0.5:
            directory = self.walk(self.cwd, ("dir",))
            if directory is not None:
                name = f"{directory}/{name}"
        return quote(_undashed(name))


def _odd(view: _View) -> str:
    """Any path, mostly with something odd done to it."""
    random, path = view.random, view.pick("file", "dir", "symlink", "any")
    turn = random.random()
    if turn < 0.15:
        return path + "/"
    if turn < 0.25:
        return path + random.choice(("/.", "/..", "//", "/../.", "/nothing", "/../../.."))
    if turn < 0.33:
        return random.choice((".", "..", "/", "''", "nosuch", "nosuch/x", "./.", "//", "$A", '"$B"'))
    if turn < 0.40:
        return view.fresh()
    if turn < 0.44:
        return random.choice(("*", "?", "[a-c]*", "*/*", "*/", ".h*", "'*'", "[!a]*", "*.txt", "b*"))
    return path


# What stands in braces in the tables below, besides `{one|other}`; `{it}` is the last path again.
_SLOTS: Mapping[str, Callable[[_View], str]] = {
    "dir": lambda view: view.pick("dir"),
    "file": lambda view: view.pick("file"),
    "link": lambda view: view.pick("symlink"),
    "entry": lambda view: view.pick("file", "dir"),
    "new": _View.fresh,
    "odd": _odd,
    "word": lambda view: quote(view.random.choice(_WORDS)),
    "words": lambda view: f'"{view.random.choice(_WORDS)}"',
    "mode": lambda view: view.random.choice(_MODES),
    "odd mode": lambda view: quote(view.random.choice(_MODES + _ODD_MODES)),
}

_EVERYDAY = """
10 mkdir {new}
 3 mkdir -p {new}/{a|b|c}
10 touch {new}
12 echo {word} > {new}
 6 echo {words} >> {file}
 8 cat {file}
 8 ls {dir}
 4 ls
 8 cd {dir}
 6 {cd ..|cd ..|cd /|cd -|pwd}
 6 mv {entry} {new}
 4 mv {file} {dir}
 6 cp {file} {new}
 3 cp -r {dir} {new}
 5 rm {file}
 1 rm {link}
 3 rm -r {dir}
 3 rmdir {dir}
 4 chmod {mode} {file}
 3 ln -s {entry} {new}
 2 ln {file} {new}
 2 readlink {link}
 4 test -{e|f|d|r|w|x|s|L} {entry}
 2 test -d {dir} && echo yes || echo no
 2 A={words}
 2 export B={word}
 2 echo "$A" $B
 2 echo *
"""

_ADVERSARIAL = """
 6 mkdir {|-p }{odd}
 3 mkdir -p {odd}/{a|b/c|.|../d|e/}
 5 rmdir {odd}
 5 touch {odd}
 7 rm {||-f |-r |-rf }{odd}
12 mv {||-n |-T |-nT }{odd} {odd}
 4 mv {dir} {it}{|/|/.|/x|/../x}
12 cp {|-r |-p |-rp }{odd} {odd}
 4 cp -r {dir} {it}{|/|/.|/x|/../x}
 4 {mv|cp|cp -r|ln|ln -s} {odd} {odd} {odd}
 6 ln {|-s }{odd} {odd}
 2 ln {|-s }{odd}
 7 chmod {odd mode} {odd}
 3 chmod {000|100|200|300|400|500|600|755|2775|1777} {dir}
 5 cd {odd}
 2 {cd|cd -|pwd|cd ..|cd .|cd /}
 3 cat {odd}
 2 cat {odd} {odd}
 3 ls {|-a |-A |-d |-1 }{odd}
 2 ls {|-a |-A |-d |-1 }{odd} {odd}
 3 readlink {odd}
 5 {echo|echo -n|cat|ls} {odd} {>|>>} {odd}
 2 > {odd}
 4 test {|! }-{e|f|d|r|w|x|s|L|h|n|z} {odd}
 3 test {word} {=|!=|-eq|-lt|-ge|-f} {words}
 2 export A={odd}; echo $A "$A" ${B}x
 2 B={words}; echo $B
 2 echo {odd} && mkdir {odd} || echo $?
 1 {export 1=2|rm -rf /|rm -r .|mv|cp a|mkdir|chmod 755|rm|rm -f|echo 'a\\tb\\0101\\c' x}
"""

_STRUCTURAL = """
 8 mkdir -p {new}/{a|b|c}/{a|b|c}
12 mv {dir} {dir}
 6 mv {dir} {new}
 6 mv -T {dir} {dir}
 8 cp -r {dir} {dir}/{a|b|c}
 5 cp -rp {dir} {new}
 5 rm -rf {dir}
 3 rm -r {../|../../|}{dir}
 4 cd {dir}
 3 {cd ..|cd ../..|cd -|cd /}
 3 rm -r "$PWD"
 3 mv "$PWD" /{a|b|c|d|e}
 3 rmdir {dir}
 5 ln -s {dir} {new}
 4 ln {file} {new}
 4 touch {new}
 3 echo {x|y|z} > {new}
 2 mv {dir}/* {dir}
 2 cp -r {dir}/* {dir}
 2 {pwd|ls|ls ..|touch here|mkdir here|ls -a}
"""

_BRACES = re.compile(r"(?<!\$)\{([^}]*)\}")


def _driver(table: str) -> Driver:
    """A driver from lines of a weight and a command."""
    rows: list[list[str]] = [line.split(maxsplit=1) for line in table.strip().splitlines()]
    weights, texts = [int(weight) for weight, _ in rows], [text for _, text in rows]

    def drive(state: State, random: Random) -> str:
        view, last = _View(state, random), ""

        def fill(found: re.Match[str]) -> str:
            nonlocal last
            slot = str(found[1])
            if slot == "it":
                return last
            if slot in _SLOTS:
                last = _SLOTS[slot](view)
                return last
            return random.choice(slot.split("|"))

        text: str = random.choices(texts, weights)[0]
        return _BRACES.sub(fill, text)

    return drive


DRIVERS: Mapping[str, Driver] = {
    "everyday": _driver(_EVERYDAY),
    "adversarial": _driver(_ADVERSARIAL),
    "structural": _driver(_STRUCTURAL),
}

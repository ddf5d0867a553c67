"""Random workloads. Each looks at the state, so that commands succeed and fail for reasons that matter.

`everyday` does what people do, mostly to names that are there. `adversarial` aims at the traps:
a directory into itself, onto itself, links to links, trailing slashes, permissions, awkward names. `structural` moves
whole directories around and removes what others stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from ...facts import State
from ..contract import Driver
from .schema import ROOT

_FRESH = ("a", "b", "c", "d", "new", "out.txt", "log", "build", "x y", "it's", ".hidden", "é", "*", "[ab]", "-n")
_WORDS = ("hello", "two words", "$A", "a\\nb", "", "*", "x", "100")
_MODES = ("644", "755", "600", "000", "444", "500", "u+x", "go-rwx", "a+r", "+x", "-w", "o=", "u=rwx,g=rx", "a+X", "g=u", "0755")
_ODD_MODES = ("4755", "2755", "1777", "00755", "7777", "u+s", "g+s", "+t", "a=", "=rw", "ug=o", "888", "u+z", "", "a+rwX,u-w", "77777")


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
            names = sorted(row[0] for row in rows) if len(rows) < 64 else [next(iter(rows))[0]]
            name = self.random.choice(names)
            inode = rows[(name,)]
            kind = self.state.get("kind", (inode,))
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


Make = Callable[[_View, Random], str]


def _word(random: Random) -> str:
    text = random.choice(_WORDS)
    return random.choice((f'"{text}"', f"'{text}'"))


_ANY = ("file", "dir", "symlink", "any")

_EVERYDAY: tuple[tuple[int, Make], ...] = (
    (10, lambda v, r: f"mkdir {v.fresh()}"),
    (3, lambda v, r: f"mkdir -p {v.fresh()}/{r.choice('abc')}"),
    (10, lambda v, r: f"touch {v.fresh()}"),
    (12, lambda v, r: f"echo {_word(r)} > {v.fresh()}"),
    (6, lambda v, r: f"echo {_word(r)} >> {v.pick('file')}"),
    (8, lambda v, r: f"cat {v.pick('file')}"),
    (8, lambda v, r: f"ls {v.pick('dir')}"),
    (4, lambda v, r: "ls"),
    (8, lambda v, r: f"cd {v.pick('dir')}"),
    (6, lambda v, r: r.choice(("cd ..", "cd ..", "cd /", "cd -", "pwd"))),
    (6, lambda v, r: f"mv {v.pick('file', 'dir')} {v.fresh()}"),
    (4, lambda v, r: f"mv {v.pick('file')} {v.pick('dir')}"),
    (6, lambda v, r: f"cp {v.pick('file')} {v.fresh()}"),
    (3, lambda v, r: f"cp -r {v.pick('dir')} {v.fresh()}"),
    (6, lambda v, r: f"rm {v.pick('file', 'symlink')}"),
    (3, lambda v, r: f"rm -r {v.pick('dir')}"),
    (3, lambda v, r: f"rmdir {v.pick('dir')}"),
    (4, lambda v, r: f"chmod {r.choice(_MODES[:12])} {v.pick('file')}".replace("chmod -w", "chmod a-w")),
    (3, lambda v, r: f"ln -s {v.pick('file', 'dir')} {v.fresh()}"),
    (2, lambda v, r: f"ln {v.pick('file')} {v.fresh()}"),
    (2, lambda v, r: f"readlink {v.pick('symlink')}"),
    (4, lambda v, r: f"test -{r.choice('efdrwxsL')} {v.pick('file', 'dir')}"),
    (2, lambda v, r: f"test -d {v.pick('dir')} && echo yes || echo no"),
    (2, lambda v, r: f"A={_word(r)}"),
    (2, lambda v, r: f"export B={_word(r)}"),
    (2, lambda v, r: 'echo "$A" $B'),
    (2, lambda v, r: "echo *"),
)


def _odd(v: _View, r: Random) -> str:
    """Any path with something odd done to it."""
    path = v.pick(*_ANY)
    turn = r.random()
    if turn < 0.15:
        return path + "/"
    if turn < 0.25:
        return path + r.choice(("/.", "/..", "//", "/../.", "/nothing", "/../../.."))
    if turn < 0.33:
        return r.choice((".", "..", "/", "''", "nosuch", "nosuch/x", "./.", "//", "$A", '"$B"'))
    if turn < 0.40:
        return v.fresh()
    if turn < 0.44:
        return r.choice(("*", "?", "[a-c]*", "*/*", "*/", ".h*", "'*'", "[!a]*", "*.txt", "b*"))
    return path


_ADVERSARIAL: tuple[tuple[int, Make], ...] = (
    (6, lambda v, r: f"mkdir {r.choice(('', '-p '))}{_odd(v, r)}"),
    (3, lambda v, r: f"mkdir -p {_odd(v, r)}/{r.choice(('a', 'b/c', '.', '../d', 'e/'))}"),
    (5, lambda v, r: f"rmdir {_odd(v, r)}"),
    (5, lambda v, r: f"touch {_odd(v, r)}"),
    (7, lambda v, r: f"rm {r.choice(('', '-f ', '-r ', '-rf ', ''))}{_odd(v, r)}"),
    (12, lambda v, r: f"mv {r.choice(('', '', '-n ', '-T ', '-nT '))}{_odd(v, r)} {_odd(v, r)}"),
    (4, lambda v, r: f"mv {(p := v.pick('dir'))} {p}{r.choice(('', '/', '/.', '/x', '/../x'))}"),
    (12, lambda v, r: f"cp {r.choice(('', '-r ', '-p ', '-rp '))}{_odd(v, r)} {_odd(v, r)}"),
    (4, lambda v, r: f"cp -r {(p := v.pick('dir'))} {p}{r.choice(('', '/', '/.', '/x', '/../x'))}"),
    (4, lambda v, r: f"{r.choice(('mv', 'cp', 'cp -r', 'ln', 'ln -s'))} {_odd(v, r)} {_odd(v, r)} {_odd(v, r)}"),
    (6, lambda v, r: f"ln {r.choice(('', '-s '))}{_odd(v, r)} {_odd(v, r)}"),
    (2, lambda v, r: f"ln {r.choice(('', '-s '))}{_odd(v, r)}"),
    (7, lambda v, r: f"chmod {quote(m) if (m := r.choice(_MODES + _ODD_MODES))[:1] != '-' else 'a' + m} {_odd(v, r)}"),
    (3, lambda v, r: f"chmod {r.choice(('000', '100', '200', '300', '400', '500', '600', '755', '2775', '1777'))} {v.pick('dir')}"),
    (5, lambda v, r: f"cd {_odd(v, r)}"),
    (2, lambda v, r: r.choice(("cd", "cd -", "pwd", "cd ..", "cd .", "cd /"))),
    (5, lambda v, r: f"cat {_odd(v, r)}{r.choice(('', ' ' + _odd(v, r)))}"),
    (5, lambda v, r: f"ls {r.choice(('', '-a ', '-A ', '-d ', '-1 '))}{_odd(v, r)}{r.choice(('', ' ' + _odd(v, r)))}"),
    (3, lambda v, r: f"readlink {_odd(v, r)}"),
    (5, lambda v, r: f"{r.choice(('echo', 'echo -n', 'cat', 'ls'))} {_odd(v, r)} {r.choice('>|>>'.split('|'))} {_odd(v, r)}"),
    (2, lambda v, r: f"> {_odd(v, r)}"),
    (4, lambda v, r: f"test {r.choice(('', '! '))}-{r.choice('efdrwxsLhnz')} {_odd(v, r)}"),
    (3, lambda v, r: f"test {_word(r)} {r.choice(('=', '!=', '-eq', '-lt', '-ge', '-f'))} {_word(r)}"),
    (2, lambda v, r: f"export A={_odd(v, r)}; echo $A \"$A\" ${{B}}x"),
    (2, lambda v, r: f"B={_word(r)}; echo $B"),
    (2, lambda v, r: f"echo {_odd(v, r)} && mkdir {_odd(v, r)} || echo $?"),
    (1, lambda v, r: r.choice(("export 1=2", "rm -rf /", "rm -r .", "mv", "cp a", "mkdir", "chmod 755", "rm", "rm -f", "echo 'a\\tb\\0101\\c' x"))),
)

_STRUCTURAL: tuple[tuple[int, Make], ...] = (
    (8, lambda v, r: f"mkdir -p {v.fresh()}/{r.choice('abc')}/{r.choice('abc')}"),
    (12, lambda v, r: f"mv {v.pick('dir')} {v.pick('dir')}"),
    (6, lambda v, r: f"mv -T {v.pick('dir')} {v.pick('dir')}"),
    (8, lambda v, r: f"cp -r {v.pick('dir')} {v.pick('dir')}/{r.choice('abc')}"),
    (5, lambda v, r: f"cp -rp {v.pick('dir')} {v.fresh()}"),
    (5, lambda v, r: f"rm -rf {v.pick('dir')}"),
    (3, lambda v, r: f"rm -r {r.choice(('../', '../../', ''))}{v.pick('dir')}"),
    (4, lambda v, r: f"cd {v.pick('dir')}"),
    (3, lambda v, r: r.choice(("cd ..", "cd ../..", "cd -", "cd /"))),
    (3, lambda v, r: 'rm -r "$PWD"'),
    (3, lambda v, r: f"mv \"$PWD\" /{r.choice('abcde')}"),
    (3, lambda v, r: f"rmdir {v.pick('dir')}"),
    (5, lambda v, r: f"ln -s {v.pick('dir')} {v.fresh()}"),
    (4, lambda v, r: f"ln {v.pick('file')} {v.fresh()}"),
    (4, lambda v, r: f"touch {v.fresh()}"),
    (3, lambda v, r: f"echo {r.choice('xyz')} > {v.fresh()}"),
    (2, lambda v, r: f"mv {v.pick('dir')}/* {v.pick('dir')}"),
    (2, lambda v, r: f"cp -r {v.pick('dir')}/* {v.pick('dir')}"),
    (2, lambda v, r: r.choice(("pwd", "ls", "ls ..", "touch here", "mkdir here", "ls -a"))),
)


def _driver(table: Sequence[tuple[int, Make]]) -> Driver:
    weights = [weight for weight, _ in table]
    makers = [make for _, make in table]

    def drive(state: State, random: Random) -> str:
        return random.choices(makers, weights)[0](_View(state, random), random)

    return drive


DRIVERS: Mapping[str, Driver] = {
    "everyday": _driver(_EVERYDAY),
    "adversarial": _driver(_ADVERSARIAL),
    "structural": _driver(_STRUCTURAL),
}

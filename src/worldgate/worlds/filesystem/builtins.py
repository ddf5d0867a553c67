"""The shell's own commands, as dash 0.5.12 has them: cd, pwd, echo, test, export, true, false."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from . import calls
from .errno import EACCES, ENOTDIR, Failure, Unmodelled
from .paths import READ, SEARCH, WRITE
from .session import Session, ShellExit
from .shell import reserved

Builtin = Callable[[Session, Sequence[str]], int]


# --- where the shell stands ----------------------------------------------------------------------


def cd(session: Session, argv: Sequence[str]) -> int:
    """Change directory by name: ".." takes a name off, whatever links the name goes through."""
    operands = list(argv[1:])
    if operands[:1] == ["--"]:
        del operands[0]
    elif operands and operands[0][:1] == "-" and operands[0] != "-":
        raise Unmodelled(f"cd {operands[0]}", "a directory, or '-'")
    back = operands[:1] == ["-"]
    wanted = session.variable("OLDPWD" if back else "HOME") if back or not operands else operands[0]
    before = session.logical
    name = joined(before, wanted or ".")
    tree = session.tree
    if not back and _leads_out(before, wanted or "."):
        tree.step_out(f"cd {wanted}")
    try:
        there = tree.find_named(name)
        if not tree.is_dir(there):
            raise Failure(ENOTDIR)
        if not tree.may(there, SEARCH):
            raise Failure(EACCES)
    except Failure:
        return session.shell_error(f"cd: can't cd to {wanted or '.'}")
    if there != tree.cwd:
        left, tree.cwd = tree.cwd, there
        tree.assign("cwd", (), there)
        calls.release(tree, left)
    tree.assign("env", ("OLDPWD",), before)
    tree.assign("env", ("PWD",), name)
    if back:
        session.out.append(name + "\n")
    return 0


def _leads_out(before: str, path: str) -> bool:
    """Whether a name goes through the root: it begins there, or has a ".." there."""
    if path[:1] == "/":
        return True
    depth = sum(1 for name in before.split("/") if name)
    for name in path.split("/"):
        depth += -1 if name == ".." else name not in ("", ".")
        if depth < 0:
            return True
    return False


def joined(before: str, path: str) -> str:
    """`path` from the directory named `before`, with "." and ".." done on the names. Two leading slashes stay."""
    absolute = path[:1] == "/"
    double = path[:2] == "//" and path[2:3] != "/" if absolute else before[:2] == "//" and before[2:3] != "/"
    names: list[str] = [] if absolute else [name for name in before.split("/") if name]
    for name in path.split("/"):
        if name == "..":
            del names[-1:]
        elif name and name != ".":
            names.append(name)
    return ("//" if double else "/") + "/".join(names)


def pwd(session: Session, argv: Sequence[str]) -> int:
    if len(argv) > 1 and argv[1][:1] == "-" and argv[1] not in ("-", "--"):
        raise Unmodelled(f"pwd {argv[1]}", "no option")
    session.out.append(session.logical + "\n")
    return 0


# --- printing --------------------------------------------------------------------------------------

_ESCAPE = re.compile(r"\\(?:([abefnrtv\\c])|0([0-7]{0,3})|([1-7][0-7]{0,2}))", re.DOTALL)
_CONTROLS = {"a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}


def echo(session: Session, argv: Sequence[str]) -> int:
    """Its words; backslash escapes are always read, and `-n` (alone, first) leaves out the line break."""
    quiet = len(argv) > 1 and argv[1] == "-n"
    text = " ".join(argv[2:] if quiet else argv[1:])
    if not quiet:
        text += "\n"
    session.out.append(unescaped(text) if "\\" in text else text)
    return 0


def unescaped(text: str) -> str:
    r"""Text with dash's escapes done: letters, octal, and `\c`, which ends the output."""
    raw, at = b"", 0
    for match in _ESCAPE.finditer(text):
        raw += text[at : match.start()].encode("utf-8", "surrogateescape")
        at = match.end()
        letter, octal, short = match.groups()
        if letter == "c":
            return raw.decode("utf-8", "surrogateescape")
        raw += _CONTROLS[letter].encode() if letter else bytes([int(octal or short or "0", 8) & 0xFF])
    return (raw + text[at:].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def true(_session: Session, _argv: Sequence[str]) -> int:
    return 0


def false(_session: Session, _argv: Sequence[str]) -> int:
    return 1


# --- variables -------------------------------------------------------------------------------------

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def export(session: Session, argv: Sequence[str]) -> int:
    """Set variables. (Which of them are exported makes no difference in this world.)"""
    for argument in argv[1:]:
        name, sign, value = argument.partition("=")
        if not _VARIABLE.fullmatch(name):
            session.shell_error(f"export: {name}: bad variable name")
            raise ShellExit
        if reserved(name):
            raise Unmodelled(f"an export of {name}", "a variable without a meaning of its own")
        if sign:
            session.tree.assign("env", (name,), value)
    return 0


# --- test ------------------------------------------------------------------------------------------

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "-eq": int.__eq__,
    "-ne": int.__ne__,
    "-lt": int.__lt__,
    "-le": int.__le__,
    "-gt": int.__gt__,
    "-ge": int.__ge__,
}
_KINDS = {"-f": "file", "-d": "dir", "-b": "blockdev", "-c": "chardev", "-p": "fifo", "-S": "socket"}
_ACCESS = {"-r": READ, "-w": WRITE, "-x": SEARCH}
_UNARY = frozenset(("-n", "-z", "-e", "-s", "-L", "-h", *_KINDS, *_ACCESS))
_BINARY = frozenset(("=", "!=", *_COMPARE))
# Operators dash knows and this world does not, wherever they stand.
UNMODELLED_TESTS = frozenset(["-a", "-o", "(", ")", "<", ">", "-t", "-g", "-u", "-k", "-O", "-G", "-nt", "-ot", "-ef"])
_INTEGER = re.compile(r"[ \t\n\v\f\r]*([-+]?[0-9]+)[ \t\n\v\f\r]*")


class _Wrong(Exception):
    """A test that is no expression."""


def test(session: Session, argv: Sequence[str]) -> int:
    """Conditional expressions of up to four words: one operator, with `!` in front or not."""
    operands = list(argv[1:])
    if argv[0] == "[":
        if operands[-1:] != ["]"]:
            return session.shell_error("[: missing ]")
        del operands[-1]
    if len(operands) > 1 and (found := UNMODELLED_TESTS.intersection(operands)):
        raise Unmodelled(f"test with {min(found)!r}", "one operator, and '!'")
    try:
        return 0 if _holds(session, operands) else 1
    except _Wrong as wrong:
        return session.shell_error(f"{argv[0]}: {wrong}")


def _holds(session: Session, words: list[str]) -> bool:
    count = len(words)
    if count < 2:
        return bool(words and words[0])
    first, second = words[0], words[1]
    if count == 3 and second in _BINARY:
        return _binary(first, second, words[2])
    if first == "!":
        return not _holds(session, words[1:])
    if count == 2 and first in _UNARY:
        return _unary(session, first, second)
    if second in _BINARY and count == 2:
        raise _Wrong(f"{second}: argument expected")
    wrong = second if first in _UNARY else first
    raise _Wrong(f"{wrong}: unexpected operator" if wrong else "unexpected operator")


def _binary(left: str, operator: str, right: str) -> bool:
    if operator == "=":
        return left == right
    if operator == "!=":
        return left != right
    return _COMPARE[operator](_integer(left), _integer(right))


def _integer(text: str) -> int:
    found = _INTEGER.fullmatch(text)
    if not found or not -(2**63) <= int(found[1]) < 2**63:
        raise _Wrong(f"Illegal number: {text}")
    return int(found[1])


def _unary(session: Session, operator: str, operand: str) -> bool:
    if operator in ("-n", "-z"):
        return bool(operand) == (operator == "-n")
    tree = session.tree
    inode = tree.look(operand, follow=operator not in ("-L", "-h"))
    if inode is None:
        return False
    if operator in _ACCESS:
        return tree.may(inode, _ACCESS[operator])
    if operator in _KINDS:
        return tree.inode(inode).kind == _KINDS[operator]
    if operator == "-s":
        return tree.is_dir(inode) or bool(tree.get("size", (inode,)))
    return operator == "-e" or tree.is_link(inode)


BUILTINS: dict[str, Builtin] = {
    "cd": cd,
    "pwd": pwd,
    "echo": echo,
    "test": test,
    "[": test,
    "export": export,
    "true": true,
    "false": false,
}
SPECIAL = frozenset(("export",))  # an error in one of these ends the shell

"""The oracle: what one action does to a state.

The commands and their options are one table; lists, redirections and the shell's status follow
dash. A step that meets something the rules do not model changes nothing but the status (126) and says so:
its observation then has `refused`, the error's number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ...facts import Draft, State
from ..contract import Transition, transition
from . import copying, files, moving, options, removing
from .actions import Action, Simple, Text, literal
from .blobs import Blobs
from .builtins import BUILTINS, SPECIAL, UNMODELLED_TESTS
from .errno import Unmodelled
from .expansion import fields_of, value_of
from .paths import Tree
from .schema import result_of
from .session import Session, ShellExit
from .shell import outside, parse

REFUSED = 126


class Tool(NamedTuple):
    """A command that is a program of its own, and the option letters modelled."""

    run: Callable[[Session, frozenset[str], Sequence[str]], int]
    letters: str = ""


TOOLS: Mapping[str, Tool] = {
    "cat": Tool(files.cat),
    "chmod": Tool(files.chmod),
    "cp": Tool(copying.cp, "rRp"),
    "ln": Tool(files.ln, "s"),
    "ls": Tool(files.ls, "1aAd"),
    "mkdir": Tool(files.mkdir, "p"),
    "mv": Tool(moving.mv, "nT"),
    "readlink": Tool(files.readlink),
    "rm": Tool(removing.rm, "rRf"),
    "rmdir": Tool(files.rmdir),
    "touch": Tool(files.touch),
}
COMMANDS = tuple(sorted([*TOOLS, *BUILTINS]))


@lru_cache(1024)  # workloads repeat their lines, and an action never changes
def parse_action(text: str) -> Action:
    """The action of a line of shell text; raises `Outside` with what is outside and where."""
    return parse(text, COMMANDS, _check)


def _check(command: Simple, position: int) -> None:
    """Refuse the arguments that are outside in every state."""
    name = command.words[0][0]
    assert isinstance(name, Text)
    arguments = [literal(word) for word in command.words[1:]]
    tool = TOOLS.get(name.text)
    if tool is not None:
        found = options.unknown_option(arguments, tool.letters)
        known = ", ".join(f"-{letter}" for letter in tool.letters) or "no option"
        if found:
            raise outside(f"{name.text} {found}", position, known)
    elif name.text in ("cd", "pwd") and arguments and (first := arguments[0]) and first[0] == "-":
        if first not in ("-", "--") or (name.text == "pwd" and first == "-"):
            raise outside(f"{name.text} {first}", position, "no option")
    elif name.text == "export" and not arguments:
        raise outside("export without a name", position, "NAME or NAME=VALUE")
    elif name.text in ("test", "[") and len(arguments) > 1 + (name.text == "["):
        for argument in arguments:
            if argument in UNMODELLED_TESTS:
                raise outside(f"{name.text} with {argument}", position, "one operator, and '!'")


def step(state: State, action: Action, blobs: Blobs) -> Transition:
    """What the action does in that state."""
    tree = Tree(state)
    session = Session(tree, blobs)
    try:
        if action.asks_status:
            last = tree.get("result", ())
            session.status = last.status if last else 0
        status = _run(session, action)
    except Unmodelled as error:
        return _finish(tree.undone(state), REFUSED, "", f"{error}\n", error.number)
    return _finish(tree, status, "".join(session.out), "".join(session.err))


def _finish(draft: Draft, status: int, stdout: str, stderr: str, refused: str = "") -> Transition:
    draft.set("result", (), result_of((status, stdout, stderr)), seen=True)
    seen: dict[str, int | str] = {"exit": status, "stdout": stdout, "stderr": stderr}
    if refused:
        seen["refused"] = refused
    return transition(draft, seen)


def _run(session: Session, action: Action) -> int:
    try:
        for operator, command in action.commands:
            if operator == ";" or (session.status == 0) == (operator == "&&"):
                session.status = _command(session, command)
    except ShellExit:
        session.status = 2
    return session.status


def _command(session: Session, command: Simple) -> int:
    """One simple command: its words, then its redirections, then what it does."""
    session.line = command.line
    argv: Sequence[str] = (
        command.argv if command.argv is not None else fields_of(command, session.tree, session.variable)
    )
    if not command.redirects:
        return _invoke(session, command, argv)
    kept, session.out = session.out, []
    try:
        if not session.redirect(command.redirects):
            if argv and argv[0] in SPECIAL:
                raise ShellExit
            return 2
        status = _invoke(session, command, argv)
        if session.seen_output is not None:
            session.write(session.seen_output[0], "".join(session.out), session.seen_output[1])
        return status
    finally:
        session.out, session.seen_output = kept, None


def _invoke(session: Session, command: Simple, argv: Sequence[str]) -> int:
    if not argv:
        for name, word in command.assignments:
            session.tree.assign("env", (name,), value_of(word, session.variable))
        return 0
    tool = TOOLS.get(argv[0])
    if tool is None:
        return BUILTINS[argv[0]](session, argv)
    flags, operands = command.parts or options.split(argv)
    if flags and not flags.issubset(tool.letters):
        option = options.unknown_option(argv[1:], tool.letters)
        raise Unmodelled(
            f"{argv[0]}: option {option!r}", f"options of {tool.letters!r}" if tool.letters else "no option"
        )
    status = tool.run(session, flags, operands)
    session.tree.opened = None
    return status

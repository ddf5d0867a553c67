"""What the command line takes: budgets, policies, commands; and what it says when it cannot take them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from .facts import Error
from .system import unreadable

Uses = Annotated[
    list[str],
    typer.Option("--use", metavar="MODULE", help="Import a module first, which registers a world or family of yours."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Where = Annotated[Path, typer.Option("--directory", "-C", metavar="DIR", help="The workspace, or a directory in it.")]
HERE = Path(".")


class BadOption(Error):
    number, title = "WG901", "option is not well-formed"


class BadUsage(Error):
    number, title = "WG902", "not a command line of worldgate"


class SystemRefused(Error):
    number, title = "WG903", "the system refused"


class NoFile(Error):
    """A file that an option or argument names: it is not there, is a folder, may not be read, or is no text."""

    number, title = "WG904", "not a file that can be read"


class Interrupted(Error):
    """A long command was interrupted from the keyboard. What it had saved is kept."""

    number, title = "WG905", "interrupted"


class Defect(Error):
    number, title = "WG999", "a defect of worldgate"


def text_of(path: Path) -> str:
    """The text of a file that an option or argument names."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise NoFile(unreadable(path, error), "a file of UTF-8 text") from error


def workspace_of(directory: Path) -> Any:
    """The workspace that a directory is in. A market's answers what policies ask about futures."""
    from .gate.workspace import Workspace

    found = Workspace.find(directory)
    if found.settings["world"] == "market":
        from .trading.history import History

        found.answers = History(found.gate)
    return found


def budget_of(limits: list[str]) -> Any:
    """The budget of `--budget NAME=LIMIT` options."""
    from .gate.budget import Budget

    table = {}
    for limit in limits:
        name, equals, value = limit.partition("=")
        if not equals:
            raise BadOption(f"--budget {limit}", "NAME=LIMIT, such as files=20")
        table[name] = value
    return Budget.of(table)


def policy_of(path: Path | None, world: Any, protect: list[str], network: bool = False) -> Any:
    """The policy of a file, or the world's default, with what options add to it."""
    from .gate.policy import Policy, allow_net, load_policy, with_protect

    if path is None:
        policy = Policy.default(world.name, world.schema)
    else:
        policy = load_policy(text_of(path), path.name, world.name, world.schema)
    policy = with_protect(policy, protect) if protect else policy
    return allow_net(policy) if network else policy


def spoken(command: list[str]) -> list[str]:
    """The command in UTF-8, which is what a record holds: words with other bytes become what a shell makes them of."""
    if all(map(_is_utf8, command)):
        return command
    if len(command) == 1 or any(word.endswith("\n") for word in command):
        raise BadUsage(f"bytes that are not UTF-8: {command!r}", "UTF-8; in a word of several, other bytes as well")
    return [" ".join(shlex.quote(word) if _is_utf8(word) else _octal(word) for word in command)]


def _is_utf8(word: str) -> bool:
    return not any("\ud800" <= mark <= "\udfff" for mark in word)


def _octal(word: str) -> str:
    escaped = "".join(f"\\{byte:03o}" for byte in os.fsencode(word))
    return f"\"$(printf '{escaped}')\""

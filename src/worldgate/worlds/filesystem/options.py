"""Options of a command line, as GNU getopt reads them: anywhere before `--`, letters joined or apart."""

from __future__ import annotations

from collections.abc import Sequence


def unknown_option(arguments: Sequence[str | None], letters: str) -> str | None:
    """The first option that is not one of `letters`, or None. None among the arguments: not known yet."""
    for argument in arguments:
        if argument == "--":
            break
        if argument and argument[0] == "-" and not set(argument[1:]) <= set(letters):
            return argument
    return None


def split(argv: Sequence[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """(option letters, operands) of a command line."""
    letters: set[str] = set()
    operands: list[str] = []
    for number, argument in enumerate(argv):
        if not number:
            continue
        if argument[:1] != "-" or argument == "-":
            operands.append(argument)
        elif argument == "--":
            operands += argv[number + 1 :]
            break
        else:
            letters.update(argument[1:])
    return frozenset(letters), tuple(operands)

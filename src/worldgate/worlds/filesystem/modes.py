"""Mode operands of chmod: octal and symbolic, compiled once and applied to a mode.

Follows the GNU rules: without letters in front of the operator the umask masks it; a directory keeps
its set-id bits unless they are mentioned (or five octal digits are given).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

ALL, SET_IDS, EXECUTE = 0o7777, 0o6000, 0o111
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": ALL}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000, "X": 0}
_COPIED = {"u": 0o700, "g": 0o070, "o": 0o007}


class Change(NamedTuple):
    """One operator of a mode. `who` 0: nobody was named, the umask decides."""

    operator: str
    who: int
    bits: int
    mentioned: int
    copies: bool = False
    any_execute: bool = False


@lru_cache(1024)
def compiled(text: str) -> tuple[Change, ...] | None:
    """The changes a mode operand stands for, or None when it is not valid."""
    if text[:1] and text[0] in "01234567":
        if set(text) - set("01234567") or int(text, 8) > ALL:
            return None
        value = int(text, 8)
        return (Change("=", ALL, value, ALL if len(text) > 4 else (value & 0o7000) | 0o777),)
    changes: list[Change] = []
    for clause in text.split(","):
        found = _clause(clause)
        if found is None:
            return None
        changes += found
    return tuple(changes)


def _clause(clause: str) -> list[Change] | None:
    at, who = 0, 0
    while clause[at : at + 1] and clause[at] in _WHO:
        who |= _WHO[clause[at]]
        at += 1
    changes: list[Change] = []
    while at < len(clause) and clause[at] in "=+-":
        start = at + 1
        at = start
        while at < len(clause) and clause[at] not in "=+-":
            at += 1
        change = _change(clause[start - 1], who, clause[start:at])
        if change is None:
            return None
        changes.append(change)
    return changes if changes and at == len(clause) else None


def _change(operator: str, who: int, body: str) -> Change | None:
    if body[:1] and body[0] in "01234567":
        if who or set(body) - set("01234567") or int(body, 8) > ALL:
            return None
        return Change(operator, ALL, int(body, 8), ALL)
    if body in _COPIED:
        bits = _COPIED[body]
        return Change(operator, who, bits, who & bits if who else bits, copies=True)
    if set(body) - set(_BITS):
        return None
    bits = 0
    for letter in body:
        bits |= _BITS[letter]
    return Change(operator, who, bits, who & bits if who else bits, any_execute="X" in body)


def adjusted(mode: int, is_dir: bool, umask: int, changes: tuple[Change, ...]) -> int:
    """`mode` after the changes."""
    for operator, who, bits, mentioned, copies, any_execute in changes:
        kept = (SET_IDS if is_dir else 0) & ~mentioned
        if copies:
            bits &= mode
            for every in (0o444, 0o222, 0o111):
                if bits & every:
                    bits |= every
        elif any_execute and (is_dir or mode & EXECUTE):
            bits |= EXECUTE
        bits &= (who or ~umask) & ~kept
        if operator == "=":
            mode = (mode & ((~who & ALL if who else 0) | kept)) | bits
        elif operator == "+":
            mode |= bits
        else:
            mode &= ~bits
    return mode & ALL

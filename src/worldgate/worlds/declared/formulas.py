"""Reading expressions as text: what they call, and which enum choices they name.

CEL checks types; it does not know that `order_status(o)` can only be one of a few texts, nor which
relations an expression looks at. Both are read off its tokens here. Expressions keep to plain string
literals, so that the tokens are certain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .errors import BadFormula, UnknownName

_TOKENS = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<number>[0-9][0-9a-zA-Z.]*)|"""
    r"""(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>==|!=|<=|>=|&&|\|\||[-+*/%<>!?:.,()\[\]{}]))"""
)
MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})


class Token(NamedTuple):
    kind: str
    text: str
    start: int


class Call(NamedTuple):
    """`name(argument)` in an expression; `closing` is the number of the token that ends it."""

    name: str
    argument: str
    closing: int


def tokens(text: str, path: str) -> list[Token]:
    """The tokens of an expression; `BadFormula` where there is none."""
    found: list[Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKENS.match(text, at)
        last = found[-1] if found else None
        glued = last and last.kind in ("text", "name") and match and match.lastgroup == "text"
        rooted = match and match["mark"] == "." and not (last and (last.kind != "mark" or last.text in ")]}"))
        if not match or glued or rooted:
            raise BadFormula(f"{path}: {text[at:][:40]!r}", "an expression with plain string literals, no comments")
        kind = str(match.lastgroup)
        found.append(Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return found


def calls(text: str, path: str) -> Iterator[Call]:
    """Every call of a function (methods of values, such as `startsWith`, are left out)."""
    found = tokens(text, path)
    for number, token in enumerate(found[:-1]):
        if token.kind == "name" and found[number + 1].text == "(" and not (number and found[number - 1].text == "."):
            closing = _closing(found, number + 1, text, path)
            inside = text[found[number + 1].start + 1 : found[closing].start]
            yield Call(token.text, inside.strip(), closing)


def check_choices(text: str, path: str, choices: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse a comparison of an enum (a function or a variable, by name) with a text it cannot be."""
    found = tokens(text, path)
    ends = {call.closing: call.name for call in calls(text, path)}
    for number, token in enumerate(found):
        if token.text not in ("==", "!=", "in") or token.kind == "text":
            continue
        left, right = number - 1, number + 1
        for name, literals in (
            (_operand(found, left, ends), _literals(found, right)),
            (_leading(found, right), _literals(found, left) if token.text != "in" else []),
        ):
            wrong = [literal for literal in literals if literal not in choices.get(name, literals)]
            if wrong:
                raise UnknownName(f"{path}: {name} compared with {wrong[0]!r}", f"one of {', '.join(choices[name])}")


def split_call(text: str, path: str) -> tuple[str, dict[str, str]]:
    """(name, argument expressions by parameter) of `name(parameter: expression, ...)`."""
    found = tokens(text, path)
    if len(found) < 3 or found[0].kind != "name" or found[1].text != "(" or found[-1].text != ")":
        raise BadFormula(f"{path}: {text!r}", "action(parameter: expression, ...)")
    given: dict[str, str] = {}
    depth, begin = 0, 2
    for number in range(2, len(found)):
        mark = found[number].text if found[number].kind == "mark" else ""
        if (mark == "," and depth == 0) or number == len(found) - 1:
            if number > begin:
                if number < begin + 3 or found[begin].kind != "name" or found[begin + 1].text != ":":
                    raise BadFormula(f"{path}: {text[found[begin].start :]!r}", "parameter: expression")
                given[found[begin].text] = text[found[begin + 2].start : found[number].start].strip()
            begin = number + 1
        depth += (mark in ("(", "[", "{")) - (mark in (")", "]", "}"))
    return found[0].text, given


def _closing(found: list[Token], opening: int, text: str, path: str) -> int:
    depth = 0
    for number in range(opening, len(found)):
        if found[number].kind == "mark":
            depth += (found[number].text == "(") - (found[number].text == ")")
        if depth == 0:
            return number
    raise BadFormula(f"{path}: {text!r}", "a closing parenthesis")


def _operand(found: list[Token], last: int, ends: Mapping[int, str]) -> str:
    """The function or variable whose value stands just before an operator."""
    if last < 0:
        return ""
    return ends.get(last) or (found[last].text if found[last].kind == "name" else "")


def _leading(found: list[Token], first: int) -> str:
    return found[first].text if first < len(found) and found[first].kind == "name" else ""


def _literals(found: list[Token], at: int) -> list[str]:
    """The text literal at `at`, or those of the list that begins there."""
    if not 0 <= at < len(found):
        return []
    if found[at].kind == "text":
        return [unquoted(found[at].text)]
    if found[at].text != "[":
        return []
    listed = []
    for token in found[at + 1 :]:
        if token.text == "]" and token.kind == "mark":
            break
        if token.kind == "text":
            listed.append(unquoted(token.text))
    return listed


def unquoted(literal: str) -> str:
    """The text of a literal without unusual escapes; others stay as they are written."""
    inside = literal[1:-1]
    try:
        return str(json.loads(f'"{inside}"')) if "'" not in literal[:1] else inside
    except ValueError:
        return inside

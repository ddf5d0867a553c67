"""Actions and their text: `refund(refund: "r1", order: "o1", amount: 500)`.

The canonical text has every parameter, in the order they are declared, in the declared unit, and
parses to an equal action. Quantities may carry another unit (`2 cm`), text is in double quotes. The
JSON form `{"refund": {"order": "o1", "amount": 500}}` stands for the same action. Whether an id exists is a
question of the state and asked by `step`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...facts import Type, format_value
from .errors import (
    MissingParameter,
    NotACall,
    OutOfRange,
    RepeatedParameter,
    UnknownAction,
    UnknownParameter,
    WrongType,
)
from .schema import MAX_TEXT
from .units import Units, whole

MAX_ID = 200
_HEAD = re.compile(r"\s*([a-z][a-z0-9_]*)\s*\(")
_ARGUMENT = re.compile(
    r"\s*([a-z][a-z0-9_]*)\s*:\s*"
    r'("(?:[^"\\]|\\.)*"|true\b|false\b|-?[0-9]+(?:\.[0-9]+)?(?:\s*[A-Za-z%][A-Za-z0-9_%]*)?)\s*([,)])'
)


@dataclass(frozen=True, slots=True)
class Formal:
    """One parameter: its type, whether it names a new thing, and its default (None: it must be given)."""

    type: Type
    new: bool = False
    default: Any = None


Signature = Mapping[str, Formal]


@dataclass(frozen=True, slots=True)
class Action:
    """A parsed action: its name and all its arguments, in declared order."""

    name: str
    arguments: tuple[tuple[str, Any], ...]

    @property
    def values(self) -> dict[str, Any]:
        """The arguments by name."""
        return dict(self.arguments)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}: {format_value(value)}' for name, value in self.arguments)})"


def parse(text: str, signatures: Mapping[str, Signature], units: Units) -> Action:
    """The action of a text; raises `Outside` with the number of what is wrong."""
    if len(text) > MAX_TEXT:
        raise NotACall(f"{len(text)} characters", f"at most {MAX_TEXT}")
    name, given = _json_form(text) if text.lstrip().startswith("{") else _text_form(text)
    signature = signatures.get(name)
    if signature is None:
        raise UnknownAction(repr(name), f"one of {', '.join(signatures)}")
    return make(name, dict(given), signature, units)


def make(name: str, given: Mapping[str, Any], signature: Signature, units: Units) -> Action:
    """A checked action. Values are JSON values; a number with a unit is a `Quantity`."""
    for parameter in given:
        if parameter not in signature:
            raise UnknownParameter(f"{name}.{parameter}", f"one of {', '.join(signature) or '(none)'}")
    arguments = []
    for parameter, slot in signature.items():
        value = given.get(parameter, slot.default)
        if value is None:
            raise MissingParameter(f"{name} without {parameter}", f"{parameter}: {slot.type}")
        arguments.append((parameter, checked(value, slot.type, f"{name}.{parameter}", units)))
    return Action(name, tuple(arguments))


class Quantity(str):
    """The text of a number, with or without a unit, as it stood in the action."""

    __slots__ = ()


def checked(value: Any, type_: Type, path: str, units: Units) -> Any:
    """`value` as one of `type_`, converted to its unit; else `WrongType`, `WrongUnit` or `OutOfRange`."""
    if isinstance(value, Quantity):
        if type_.kind != "int":
            raise WrongType(f"{path}: {value}", _described(type_))
        value = whole(value, type_.unit, units, path)
    if type(value) is not type_.python:
        raise WrongType(f"{path}: {value!r}", _described(type_))
    if isinstance(value, str):
        limit = MAX_TEXT if type_.kind == "text" else MAX_ID
        if len(value) > limit:
            raise OutOfRange(f"{path}: {len(value)} characters", f"at most {limit}")
        if not value.isprintable() and not value.isascii():
            _refuse_surrogates(value, path)
        if type_.kind == "ref" and not value:
            raise WrongType(f"{path}: an empty id", _described(type_))
    if problem := type_.problem(value):
        raise OutOfRange(f"{path}: {problem}", _described(type_))
    return value


def _refuse_surrogates(value: str, path: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise WrongType(f"{path}: {value!r}", "Unicode text") from error


def _described(type_: Type) -> str:
    bounds = [f"{word} {bound}" for word, bound in (("from", type_.low), ("to", type_.high)) if bound is not None]
    return " ".join([str(type_), *([type_.unit] if type_.unit else []), *bounds])


def _text_form(text: str) -> tuple[str, dict[str, Any]]:
    head = _HEAD.match(text)
    if not head:
        raise NotACall(repr(text[:80]), "name(parameter: value, ...)")
    given: dict[str, Any] = {}
    for parameter, token in _arguments(text, head.end()):
        if parameter in given:
            raise RepeatedParameter(f"{head[1]}.{parameter}", "each parameter once")
        given[parameter] = _literal(token)
    return head[1], given


def _arguments(text: str, at: int) -> Iterator[tuple[str, str]]:
    if text[at:].strip() == ")":
        return
    while True:
        match = _ARGUMENT.match(text, at)
        if not match:
            raise NotACall(f"{text[at:][:40]!r} at position {at}", "parameter: value, then a comma or the end")
        yield match[1], match[2]
        at = match.end()
        if match[3] == ")":
            break
    if text[at:].strip():
        raise NotACall(f"{text[at:][:40]!r} at position {at}", "the end of the action")


def _literal(token: str) -> Any:
    if token in ("true", "false"):
        return token == "true"
    if not token.startswith('"'):
        return Quantity(token)
    try:
        return json.loads(token)
    except ValueError as error:
        raise NotACall(token[:80], "a text in double quotes, with the escapes of JSON") from error


def _json_form(text: str) -> tuple[str, dict[str, Any]]:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for key, value in found:
            if key in table:
                raise RepeatedParameter(key, "each parameter once")
            table[key] = value
        return table

    try:
        data = json.loads(text, object_pairs_hook=pairs, parse_float=Quantity, parse_constant=Quantity)
    except (ValueError, RecursionError) as error:
        raise NotACall(repr(text[:80]), 'an action, or {"name": {parameter: value}}') from error
    if not isinstance(data, dict) or len(data) != 1 or not isinstance(arguments := next(iter(data.values())), dict):
        raise NotACall(repr(text[:80]), '{"name": {parameter: value}}')
    return next(iter(data)), arguments

"""Facts, edits and states as JSON and as lines of text; both round-trip exactly.

    entry("src", "a.py") = "src/a.py"              a fact
    size("src/a.py"): 420 -> 493                   an edit
    entry("src", "old"): "src/old" -> absent
    bar("ACME") = {open: 104, close: 101}          a record

In JSON a fact is [relation, [key, ...], value], and a record is the list of its fields. Text that is
not valid Unicode (a file name may be any bytes) is {"base64": ...} there, and has \\udcNN escapes in
lines. The JSON form is canonical: one encoder makes the bytes of every digest.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec

from .delta import Delta, Edit
from .errors import Error, Undecodable
from .schema import Key, Schema, Type, Value

canonical_json = msgspec.json.Encoder(order="sorted").encode
json_decode = msgspec.json.Decoder().decode


def value_to_json(value: Value | None) -> Any:
    """A JSON value for one fact component; None for absent."""
    kind = type(value)
    if kind is str:
        if value.isascii() or _is_unicode(value):  # type: ignore[union-attr, arg-type]
            return value
        raw = value.encode("utf-8", "surrogateescape")  # type: ignore[union-attr]
        return {"base64": base64.b64encode(raw).decode()}
    if kind is Decimal:
        return format_decimal(value)  # type: ignore[arg-type]
    if kind is bytes:
        return base64.b64encode(value).decode()  # type: ignore[arg-type]
    if isinstance(value, tuple):
        return [part if type(part) is int else value_to_json(part) for part in value]
    return value


def value_from_json(type_: Type, data: Any) -> Value | None:
    """The inverse of `value_to_json`, for a component of that type. Raises `ValueError`."""
    if data is None:
        return None
    if type_.python is str and isinstance(data, dict):
        if set(data) != {"base64"}:
            raise ValueError(f"object {data!r}")
        return base64.b64decode(data["base64"], validate=True).decode("utf-8", "surrogateescape")
    if type_.kind == "decimal":
        if not isinstance(data, str):
            raise ValueError(f"{data!r} where a decimal stands as a string")
        return Decimal(data)
    if type_.kind == "bytes":
        return base64.b64decode(data, validate=True)
    if type_.kind == "record":
        if not isinstance(data, list) or len(data) != len(type_.fields):
            raise ValueError(f"{data!r:.80} where a list of {len(type_.fields)} stands")
        parts = (value_from_json(field, part) for (_, field), part in zip(type_.fields, data, strict=True))
        return type_.python(*parts)  # type: ignore[no-any-return]
    return data  # type: ignore[no-any-return]


def format_decimal(value: Decimal) -> str:
    """One text for equal decimals: no exponent, no trailing zeros, no negative zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def fact_to_json(relation: str, key: Key, value: Value | None) -> list[Any]:
    """[relation, [key, ...], value]."""
    return [relation, [value_to_json(part) for part in key], value_to_json(value)]


def fact_bytes(relation: str, key: Key, value: Value) -> bytes:
    """Canonical bytes of one fact: what is hashed."""
    return canonical_json(fact_to_json(relation, key, value))


def edit_to_json(edit: Edit) -> list[Any]:
    """[relation, [key, ...], before, after]; null for absent."""
    return [*fact_to_json(edit.relation, edit.key, edit.before), value_to_json(edit.after)]


def delta_to_json(delta: Delta) -> list[Any]:
    return [edit_to_json(edit) for edit in delta]


def delta_bytes(schema: Schema, delta: Delta) -> bytes:
    """The canonical JSON of `delta_to_json`. Where the encoder writes all as it stands, that is left to it."""
    if schema.literal.issuperset([edit.relation for edit in delta]):
        with suppress(UnicodeEncodeError):
            return canonical_json(delta)
    return canonical_json(delta_to_json(delta))


def delta_from_json(schema: Schema, data: Any) -> Delta:
    """The inverse of `delta_to_json`; every edit is checked against the schema."""
    if not isinstance(data, list):
        raise Undecodable(f"{type(data).__name__}", "a list of edits")
    return tuple(Edit(*_row(schema, row, 4, number)) for number, row in enumerate(data))


def facts_from_json(schema: Schema, data: Any) -> list[tuple[str, Key, Value]]:
    """Facts from their JSON rows; every fact is checked against the schema."""
    if not isinstance(data, list):
        raise Undecodable(f"{type(data).__name__}", "a list of facts")
    rows = []
    for number, row in enumerate(data):
        relation, key, value = _row(schema, row, 3, number)
        if value is None:
            raise Undecodable("an absent fact", "a value", position=number)
        rows.append((relation, key, value))
    return rows


def facts_to_json(facts: Iterable[tuple[str, Key, Value]]) -> list[Any]:
    """A list of [relation, [key, ...], value]."""
    return [fact_to_json(*fact) for fact in facts]


def _row(schema: Schema, row: Any, length: int, position: int) -> tuple[Any, ...]:
    """(relation, key, value...) of one JSON row, checked; `position` is the row's number."""
    try:
        if not isinstance(row, list) or len(row) != length or not isinstance(row[1], list):
            raise ValueError(f"{row!r:.80}")
        relation = schema.relation(row[0])
        if len(row[1]) != len(relation.key):
            raise ValueError(f"{len(row[1])} key columns for {relation.name}")
        key = tuple(value_from_json(column, part) for (_, column), part in zip(relation.key, row[1], strict=True))
        values = [value_from_json(relation.value, part) for part in row[2:]]
        for value in values:
            relation.check(key, value)  # type: ignore[arg-type]
    except Error as error:
        raise Undecodable(error.found, error.expected, error.do, position=position) from error
    except (ValueError, ArithmeticError, TypeError) as error:
        raise Undecodable(str(error), "a row of this schema", position=position) from error
    return (relation.name, key, *values)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- lines ---------------------------------------------------------------------------------------


def format_value(value: Value | None) -> str:
    """One component as it stands in a line."""
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, bytes):
        return f'x"{value.hex()}"'
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=not _is_unicode(value))
    if isinstance(value, tuple):
        names: tuple[str, ...] = value._fields  # type: ignore[attr-defined]
        return f"{{{', '.join(f'{name}: {format_value(part)}' for name, part in zip(names, value, strict=True))}}}"
    return str(value)


def format_address(relation: str, key: Key) -> str:
    """`relation(key, ...)`."""
    return f"{relation}({', '.join(map(format_value, key))})"


def format_fact(relation: str, key: Key, value: Value) -> str:
    return f"{format_address(relation, key)} = {format_value(value)}"


def format_edit(edit: Edit) -> str:
    return f"{format_address(edit.relation, edit.key)}: {format_value(edit.before)} -> {format_value(edit.after)}"


def tell_value(type_: Type, value: Value | None) -> str:
    """One component for people: an int with places as a decimal. It does not parse back."""
    if isinstance(value, tuple):
        parts = zip(type_.fields, value, strict=True)
        return f"{{{', '.join(f'{name}: {tell_value(field, part)}' for (name, field), part in parts)}}}"
    if type_.places and isinstance(value, int):
        return format_decimal(Decimal(value).scaleb(-type_.places))
    return format_value(value)


def tell_fact(schema: Schema, fact: tuple[str, Key, Value]) -> str:
    """A fact for people."""
    relation, key, value = fact
    return f"{format_address(relation, key)} = {tell_value(schema.relation(relation).value, value)}"


def tell_edit(schema: Schema, edit: Edit) -> str:
    """An edit for people: of a record, only the fields that change."""
    type_, (relation, key, before, after) = schema.relation(edit.relation).value, edit
    place = format_address(relation, key)
    if isinstance(before, tuple) and isinstance(after, tuple):
        rows = zip(type_.fields, before, after, strict=True)
        moved = (
            f"{name} {tell_value(field, old)} -> {tell_value(field, new)}"
            for (name, field), old, new in rows
            if old != new
        )
        return f"{place}: {', '.join(moved)}"
    if before is None and after is not None:
        return tell_fact(schema, (relation, key, after))
    return f"{place}: {tell_value(type_, before)} -> {tell_value(type_, after)}"


_TOKEN = re.compile(r'\s*(?:(x"[0-9a-f]*")|("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?)|([a-z][a-z0-9_]*)|(->|[(){},=:]))')


_MARKS = frozenset("(){},=:") | {"->"}


class _Line:
    """A reader over one line that knows where it is."""

    def __init__(self, schema: Schema, text: str) -> None:
        self.schema, self.text, self.at = schema, text, 0

    def next(self, expected: str, wanted: Callable[[str], bool]) -> str:
        match = _TOKEN.match(self.text, self.at)
        if not match or not wanted(match[0].strip()):
            raise Undecodable(repr(self.text[self.at :].strip()[:40]), expected, position=self.at)
        self.at = match.end()
        return match[0].strip()

    def mark(self, mark: str) -> None:
        self.next(repr(mark), lambda token: token == mark)

    def value(self, type_: Type, absent: bool = False) -> Value | None:
        start = self.at
        opening = type_.kind == "record"
        token = self.next(
            str(type_),
            lambda token: (absent and token == "absent") or (token == "{" if opening else token not in _MARKS),
        )
        if absent and token == "absent":
            return None
        if opening:
            return self.record(type_, start)
        try:
            if token in ("true", "false"):
                value: Any = token == "true"
            elif token.startswith("x"):
                value = bytes.fromhex(token[2:-1])
            elif token.startswith('"'):
                value = json.loads(token)
            else:
                value = Decimal(token) if type_.kind == "decimal" else int(token)
        except ValueError as error:
            raise Undecodable(token[:40], str(type_), position=start) from error
        if problem := type_.problem(value):
            raise Undecodable(problem, str(type_), position=start)
        return value  # type: ignore[no-any-return]

    def record(self, type_: Type, start: int) -> Value:
        parts = []
        for number, (name, field) in enumerate(type_.fields):
            if number:
                self.mark(",")
            self.mark(name)
            self.mark(":")
            parts.append(self.value(field))
        self.mark("}")
        value = type_.python(*parts)
        if problem := type_.problem(value):
            raise Undecodable(problem, str(type_), position=start)
        return value  # type: ignore[no-any-return]

    def address(self) -> tuple[str, Key, Type]:
        start = self.at
        name = self.next("a relation", lambda token: token in self.schema.relations or token.isidentifier())
        if name not in self.schema.relations:
            raise Undecodable(f"relation {name!r}", f"one of {', '.join(self.schema.relations)}", position=start)
        relation = self.schema.relations[name]
        self.mark("(")
        key: list[Any] = []
        for number, (_, column) in enumerate(relation.key):
            if number:
                self.mark(",")
            key.append(self.value(column))
        self.mark(")")
        return name, tuple(key), relation.value

    def end(self) -> None:
        if self.text[self.at :].strip():
            raise Undecodable(repr(self.text[self.at :][:40]), "the end of the line", position=self.at)


def parse_fact(schema: Schema, text: str) -> tuple[str, Key, Value]:
    """(relation, key, value) of a line made by `format_fact`; else `Undecodable` with the position."""
    line = _Line(schema, text)
    relation, key, type_ = line.address()
    line.mark("=")
    value = line.value(type_)
    line.end()
    return relation, key, value  # type: ignore[return-value]


def parse_edit(schema: Schema, text: str) -> Edit:
    """The edit of a line made by `format_edit`; else `Undecodable` with the position."""
    line = _Line(schema, text)
    relation, key, type_ = line.address()
    line.mark(":")
    before = line.value(type_, absent=True)
    line.mark("->")
    after = line.value(type_, absent=True)
    line.end()
    return Edit(relation, key, before, after)

"""Deltas and facts as one line of JSON, and the Lark grammar of deltas, both derived from a schema.

A delta is `[["up",["h1"],true],["exit",[],0]]`: relation, key and the value after, null for absent. Decimals are bare
numbers, bytes are hexadecimal, a record is a list, and a byte that is no text is its surrogate escape (`\\udc80`).
Whatever the grammar of llguidance lets through fits the schema, but for decimals whose bounds are finer than a double:
an edit that does not is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ...facts import Address, Delta, Edit, Error, Relation, Schema, State, Type, Value
from ...facts.codec import format_decimal
from ..text.grammar import USUAL, Caps, Named

_INT = r"INT: /-?(0|[1-9][0-9]{0,17})/"
_DECIMAL = r"DECIMAL: /-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?/"
_TEXT = r'TEXT: /"([^"\\\x00-\x1f]|\\["\\bfnrt]|\\u00[01][0-9a-f]|\\udc[89a-f][0-9a-f]){0,%d}"/'
_BYTES = r'BYTES: /"([0-9a-f]{2}){0,%d}"/'
_COMMA = ' "," '
_SURROGATE = re.compile("[\udc80-\udcff]")


def grammar(schema: Schema, caps: Caps = USUAL, named: Named | None = None) -> str:
    """In Lark, as llguidance reads it. With `named`, refs are limited to those entities."""
    rules = {name: _edit(relation, named) for name, relation in schema.relations.items()}
    known = [f"{name}_" for name, rule in rules.items() if rule]
    edits, pieces = caps.edits or 64, caps.pieces or 64
    rest = f' ("," edit){{0,{edits - 1}}}' if edits > 1 else ""
    return "\n".join(
        (
            f'start: "[]" | "[" edit{rest} "]"' if known else 'start: "[]"',
            *([f"edit: {' | '.join(known)}"] if known else []),
            *(f"{name}_: {rule}" for name, rule in rules.items() if rule),
            _INT, _DECIMAL, _TEXT % pieces, _BYTES % pieces,
        )
    )  # fmt: skip


def _edit(relation: Relation, named: Named | None) -> str:
    """The rule of a relation's edits, or nothing where its key cannot be named."""
    key = [_value(type_, named) for _, type_ in relation.key]
    if not all(key):
        return ""
    value = _value(relation.value, named)
    after = f'({value} | "null")' if value else '"null"'
    begin = json.dumps(f'["{relation.name}",[')
    return " ".join((begin, _COMMA.join(key), json.dumps("],"), after, json.dumps("]")))


def _value(type_: Type, named: Named | None) -> str:
    """The expression of a type's values, or nothing where there is none."""
    if type_.fields:
        parts = [_value(field, named) for _, field in type_.fields]
        return f'("[" {_COMMA.join(parts)} "]")' if all(parts) else ""
    if type_.kind == "bool":
        return '("true" | "false")'
    if type_.choices:
        return _literals(type_.choices)
    if type_.entity and named is not None:
        return _literals(sorted(named.get(type_.entity, ())))
    bounds = {"minimum": type_.low, "maximum": type_.high}
    given = {
        name: float(bound) if isinstance(bound, Decimal) else bound
        for name, bound in bounds.items()
        if bound is not None
    }
    if given:
        return f"%json {json.dumps({'type': 'integer' if type_.kind == 'int' else 'number', **given})}"
    return {"int": "INT", "decimal": "DECIMAL", "bytes": "BYTES"}.get(type_.kind, "TEXT")


def _literals(texts: Iterable[str]) -> str:
    said = " | ".join(json.dumps(line(text), ensure_ascii=False) for text in texts)
    return f"({said})" if said else ""


def line(value: Any) -> str:
    """A value, a key, a fact or a delta without its `before`, as JSON without spaces."""
    if isinstance(value, Edit):
        return line((value.relation, value.key, value.after))
    if isinstance(value, tuple):
        return f"[{','.join(map(line, value))}]"
    if isinstance(value, str):
        return plain(json.dumps(value, ensure_ascii=False))
    if isinstance(value, Decimal):
        return format_decimal(value)
    return f'"{value.hex()}"' if isinstance(value, bytes) else json.dumps(value)


def plain(text: str) -> str:
    """A text with what is no Unicode spelled out."""
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):x}", text)


def read(state: State, text: str) -> Delta:
    """The finished edits of a delta's text, to be applied to `state`."""
    found: list[Edit] = []
    now: dict[Address, Value | None] = {}
    decode, at = json.JSONDecoder(parse_float=Decimal).raw_decode, 1
    while True:
        try:
            (name, parts, said), end = decode(text, at)
            relation = state.schema.relation(name)
            key = tuple(_typed(type_, part) for (_, type_), part in zip(relation.key, parts, strict=True))
            after = None if said is None else _typed(relation.value, said)
        except ValueError:
            return tuple(found)
        at = end + 1
        try:
            relation.check(key, after)
        except Error:
            continue
        address = (name, key)
        found.append(Edit(*address, now[address] if address in now else state.get(*address), after))
        now[address] = after


def _typed(type_: Type, said: Any) -> Any:
    if type_.fields:
        return type_.python(*(_typed(field, part) for (_, field), part in zip(type_.fields, said, strict=True)))
    if type_.kind == "decimal":
        return Decimal(said)
    return bytes.fromhex(said) if type_.kind == "bytes" else said

"""Terms as plain data and back, so that what was learned can be kept in a file.

A term is a list: its class, then its parts. A type is its place among the broad types of the schema. Paths are left
out: what is kept are addresses and answers, which have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

from ...facts import Schema, Type, value_from_json, value_to_json
from .reading import broad
from .table import Term
from .terms import Argument, Constant, EitherWay, Held, Part, Plus, Sum

_CLASSES: Mapping[str, type[Any]] = {
    one.__name__: one for one in (Argument, Part, Constant, Held, EitherWay, Sum, Plus)
}


@lru_cache(maxsize=16)
def broad_types(schema: Schema) -> tuple[Type, ...]:
    """The broad types of all columns and values, in the order of the schema."""
    columns = [type_ for relation in schema.relations.values() for _, type_ in relation.key]
    values = [relation.value for relation in schema.relations.values()]
    return tuple(dict.fromkeys(broad(type_) for type_ in (*columns, *values, Type("int"), Type("bool"))))


def to_data(term: Any, schema: Schema) -> list[Any]:
    """The term as lists, texts and numbers."""
    found: list[Any] = [type(term).__name__]
    for field in fields(term):
        value = getattr(term, field.name)
        if field.name == "type":
            value = broad_types(schema).index(broad(value))
        elif isinstance(term, Constant) and field.name == "value":
            value = value_to_json(value)
        elif field.name == "keys":
            value = [to_data(key, schema) for key in value]
        elif isinstance(value, tuple(_CLASSES.values())):
            value = to_data(value, schema)
        found.append(value)
    return found


def from_data(data: Sequence[Any], schema: Schema) -> Term:
    """The term of such data; raises ValueError, TypeError, KeyError or IndexError where it is none."""
    class_ = _CLASSES[data[0]]
    given: dict[str, Any] = {}
    for field, value in zip(fields(class_), data[1:], strict=True):
        if field.name == "type":
            value = broad_types(schema)[value]
        elif field.name == "keys":
            value = tuple(from_data(key, schema) for key in value)
        elif isinstance(value, list | tuple) and field.name != "value":
            value = from_data(value, schema)
        given[field.name] = value
    if class_ is Constant and given["value"] is not None:
        given["value"] = value_from_json(given["type"], given["value"])
    term: Term = class_(**given)
    return term

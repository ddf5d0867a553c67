"""What actions say: typed words; of actions that are records, their fields in place of the words of their text.

An action that is a NamedTuple of scalars says itself what its arguments are and of which type; its shape is its type.
A field may be a table: pairs of a key and a record of scalars, read as facts (see `told`). Any other action is read
off its text, see `reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from ...facts import BOOL, DECIMAL, INT, TEXT, Relation, Schema, Value, record, ref
from .reading import MOST_WORDS, broad, read, typed
from .table import Words
from .terms import Argument
from .told import Tables

_SCALARS = (str, int, bool, Decimal)
MOST_SAID = 12
"""Words looked at where records are: an action with labels in its text has more of them than things it names."""


class Said(NamedTuple):
    """An action as a name, arguments and tables."""

    name: str
    words: Words
    arity: int
    tables: Tables = MappingProxyType({})

    @property
    def shape(self) -> tuple[str, int]:
        """Actions of one shape are generalised over together."""
        return self.name, self.arity


def said(action: Any, *, records: bool = True) -> Said:
    """What an action says: its fields if it is a record (and `records` are looked at), else its words."""
    if records and hasattr(action, "_fields") and all(_scalar(field) or _table(field) for field in action):
        name = type(action).__name__.lower()
        words = tuple(field for field in action if _scalar(field))
        fields = zip(action._fields, action, strict=True)
        tables: Tables = {
            f"{name}_{field}": {(key,): row for key, row in rows} for field, rows in fields if not _scalar(rows)
        }
        return Said(name, words[:MOST_WORDS], len(words), tables)
    call = read(action)
    return Said(call.name, call.words[: MOST_SAID if records else MOST_WORDS], len(call.words))


def with_tables(schema: Schema, tables: Sequence[Tables], known: Mapping[str, set[Value]]) -> Schema:
    """The schema and a relation for each table that has a row. Its keys are ids of an entity that all of them are."""
    relations = list(schema.relations.values())
    rows = {name: row for one in tables for name, table in one.items() for row in table.items()}
    for name, ((key,), value) in rows.items():
        keys = {key for one in tables for (key,) in one.get(name, ())}
        entity = next((entity for entity, ids in sorted(known.items()) if keys <= ids), "")
        column = (
            ref(entity) if entity else next(type_ for type_ in (TEXT, INT, BOOL, DECIMAL) if type_.python is type(key))
        )
        relations.append(Relation(name, ((entity or "key", column),), record(type(value))))
    return Schema(schema.name, schema.version, relations) if rows else schema


def words_of(schema: Schema, rows: Sequence[Words], known: Mapping[str, set[Value]]) -> list[Argument]:
    """The typed words of a shape: one term for each position and each broad type its words can have.

    A word is an id, or a number, where three in ten of those seen at its place are ids of that entity, or numbers.
    """
    columns = [type_ for relation in schema.relations.values() for _, type_ in relation.key]
    values = [relation.value for relation in schema.relations.values()]
    types = dict.fromkeys(broad(type_) for type_ in (*columns, *values))
    found = []
    for index, seen in enumerate(zip(*rows, strict=True)):
        numbers = all(isinstance(word, str) and typed(word, INT) is not None for word in seen)
        for type_ in types:
            if type_.kind == "ref":
                fits = sum(word in known.get(type_.entity, ()) for word in seen) * 10 >= 3 * len(seen)
            elif type_.kind == "int":
                fits = sum(typed(word, type_) is not None for word in seen) * 10 >= 3 * len(seen)
            else:
                fits = all(typed(word, type_) is not None for word in seen) and not (type_.kind == "text" and numbers)
            if fits:
                found.append(Argument(index, type_))
    return found


def _scalar(field: Any) -> bool:
    return type(field) in _SCALARS


def _table(field: Any) -> bool:
    return (
        type(field) is tuple
        and bool(field)
        and all(type(row) is tuple and len(row) == 2 and _row(*row) for row in field)
    )


def _row(key: Any, value: Any) -> bool:
    return _scalar(key) and hasattr(value, "_fields") and all(map(_scalar, value))

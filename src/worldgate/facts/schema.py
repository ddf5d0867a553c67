"""Types, relations and schemas: what facts a world may hold.

A relation has a name, typed key columns and a typed value: a scalar, or a record of scalars that
always change together. A schema is a set of relations. Everything else in this package is derived
from these declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from types import MappingProxyType
from typing import Any, get_type_hints

import msgspec

from .errors import BadKey, BadSchema, BadValue, NotFinite, UnknownRelation

Value = bool | int | Decimal | str | bytes | tuple[Any, ...]
Key = tuple[Value, ...]

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_PYTHON = {
    "bool": bool,
    "int": int,
    "decimal": Decimal,
    "text": str,
    "bytes": bytes,
    "enum": str,
    "ref": str,
    "record": tuple,
}


@dataclass(frozen=True, slots=True)
class Type:
    """The type of a key column or a value.

    `kind` is one of bool, int, decimal, text, bytes, enum (one of `choices`), ref (the id, a text, of
    an entity named `entity`) and record (a NamedTuple of `fields`, made by `record`; a value, never a
    key). `low` and `high` bound int and decimal. `unit` is for people, and so is `places`: an int that
    counts 10**-places of its unit. `format` is for models: what structure a value has, such as `ip-prefix`;
    nothing checks it, and two types that differ in it alone are equal.
    Text is what the operating system calls a name: any bytes, with undecodable ones as surrogate
    escapes (PEP 383). Floats do not exist here: money and quantities are decimals or scaled integers.
    """

    kind: str
    choices: tuple[str, ...] = ()
    entity: str = ""
    unit: str = ""
    low: int | Decimal | None = None
    high: int | Decimal | None = None
    places: int = 0
    fields: tuple[tuple[str, Type], ...] = ()
    format: str = field(default="", compare=False)
    python: type = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in _PYTHON:
            raise BadSchema(f"type {self.kind!r}", f"one of {', '.join(_PYTHON)}")
        if (self.kind == "enum") != bool(self.choices) or len(set(self.choices)) < len(self.choices):
            raise BadSchema(f"{self.kind} with choices {self.choices}", "distinct choices, on an enum and only there")
        if (self.kind == "ref") != bool(self.entity):
            raise BadSchema(f"{self.kind} with entity {self.entity!r}", "an entity on a ref and only there")
        if (self.places and self.kind != "int") or self.places < 0:
            raise BadSchema(f"{self.kind} with {self.places} places", "places of an int, 0 or more")
        if (self.kind == "record") != bool(self.fields) or any(type_.fields for _, type_ in self.fields):
            raise BadSchema(f"{self.kind} with fields {self.fields}", "scalar fields, on a record and only there")
        object.__setattr__(self, "python", _PYTHON[self.kind])

    @property
    def parts(self) -> tuple[tuple[str, Type], ...]:
        """The fields of a record; of a scalar itself, named `value`."""
        return self.fields or (("value", self),)

    def problem(self, value: object) -> str | None:
        """Why `value` is not of this type, or None when it is."""
        if type(value) is not self.python:
            return f"{value!r} ({type(value).__name__}) is not {self.kind}"
        if isinstance(value, str):
            if self.choices and value not in self.choices:
                return f"{value!r} is not one of {', '.join(self.choices)}"
            if not value.isascii():
                try:
                    value.encode("utf-8", "surrogateescape")
                except UnicodeEncodeError as error:
                    return f"{value!r} has a lone surrogate at {error.start}"
        elif isinstance(value, Decimal) and not value.is_finite():
            return f"{value} is not finite"
        elif isinstance(value, tuple):
            if len(value) != len(self.fields):
                return f"{len(value)} fields are not {len(self.fields)}"
            problems = ((name, type_.problem(part)) for (name, type_), part in zip(self.fields, value, strict=True))
            return next((f"{name}: {problem}" for name, problem in problems if problem), None)
        if self.low is not None and value < self.low:  # type: ignore[operator]
            return f"{value} is below {self.low}"
        if self.high is not None and value > self.high:  # type: ignore[operator]
            return f"{value} is above {self.high}"
        return None

    def __str__(self) -> str:
        detail = "|".join(self.choices) or self.entity or ", ".join(f"{name}: {type_}" for name, type_ in self.fields)
        return f"{self.kind}({detail})" if detail else self.kind


BOOL, INT, DECIMAL, TEXT, BYTES = (Type(kind) for kind in ("bool", "int", "decimal", "text", "bytes"))


def enum(*choices: str) -> Type:
    """A text that is one of `choices`."""
    return Type("enum", choices=choices)


def ref(entity: str) -> Type:
    """The id (a text) of an entity, such as a host or an inode."""
    return Type("ref", entity=entity)


_OF_ANNOTATION = {bool: BOOL, int: INT, str: TEXT, Decimal: DECIMAL, bytes: BYTES}


def record(made: type[tuple[Any, ...]], **types: Type) -> Type:
    """The type of the values of a NamedTuple. A field has the type given here, else that of its annotation."""
    names = getattr(made, "_fields", ())
    if unknown := types.keys() - set(names):
        raise BadSchema(f"types for {', '.join(sorted(unknown))}", f"the fields of {made.__name__}: {', '.join(names)}")
    said = get_type_hints(made)
    try:
        found = Type("record", fields=tuple((name, types.get(name) or _OF_ANNOTATION[said[name]]) for name in names))
    except KeyError as error:
        raise BadSchema(f"{made.__name__} with {error}", "fields annotated bool, int, str, Decimal or bytes") from None
    object.__setattr__(found, "python", made)
    return found


@dataclass(frozen=True, slots=True)
class Relation:
    """A named relation: typed key columns, a typed value.

    `index` lists the prefix lengths by which `State.select` may ask (0: the whole relation).
    `inverse` keeps, for each value, the keys that hold it (`State.owners`).
    `local` facts belong to the acting process, not to the world's target (a working directory, an
    exit status): they are simulated and recorded, and never committed.
    """

    name: str
    key: tuple[tuple[str, Type], ...]
    value: Type
    index: tuple[int, ...] = ()
    inverse: bool = False
    local: bool = False
    plain: bool = field(init=False, repr=False, compare=False)
    """Whether a key found in a state, and a value of the right Python type, need no further check."""

    def __post_init__(self) -> None:
        plain_value = not self.value.choices and self.value.low is self.value.high is None
        plain = plain_value and self.value.python in (int, bool) and all(type_.python is str for _, type_ in self.key)
        object.__setattr__(self, "plain", plain)
        for name in (self.name, *(column for column, _ in self.key)):
            if not _NAME.match(name):
                raise BadSchema(f"name {name!r}", "lower-case letters, digits and underscores")
        if any(column.kind == "record" for _, column in self.key):
            raise BadSchema(f"a record in the key of {self.name}", "scalars")
        if any(not 0 <= length < len(self.key) for length in self.index):
            raise BadSchema(f"index {self.index} on {len(self.key)} key columns", "prefix lengths shorter than the key")

    @property
    def kinds(self) -> frozenset[str]:
        """Of the scalars in its key and value."""
        return frozenset(type_.kind for _, type_ in self.columns)

    @property
    def columns(self) -> tuple[tuple[str, Type], ...]:
        """Of the key, then of the value's parts."""
        return (*self.key, *self.value.parts)

    @staticmethod
    def row(key: Key, value: Any) -> tuple[Any, ...]:
        """What a fact of any relation says, column by column."""
        return (*key, *value) if isinstance(value, tuple) else (*key, value)

    def check(self, key: Key, value: Value | None) -> None:
        """Raise unless `key` and `value` fit; None stands for absence and fits everywhere."""
        columns = self.key
        if type(key) is not tuple or len(key) != len(columns):
            raise BadKey(
                f"{self.name} with key {key!r}",
                f"a tuple of {len(columns)}: ({', '.join(name for name, _ in columns)})",
            )
        for (name, column), part in zip(columns, key, strict=True):
            if problem := column.problem(part):
                raise BadKey(f"{self.name}.{name}: {problem}", str(column))
        if value is not None:
            problem = self.value.problem(value)
            if problem:
                kind = NotFinite if problem.endswith("not finite") else BadValue
                raise kind(f"{self.name}{key}: {problem}", str(self.value))


class Schema:
    """A world's relations, by name, in the order they were declared."""

    __slots__ = ("digest", "indexed", "literal", "local", "name", "plain", "relations", "version")

    def __init__(self, name: str, version: str, relations: Iterable[Relation]) -> None:
        found = tuple(relations)
        table = {relation.name: relation for relation in found}
        if len(table) != len(found):
            raise BadSchema("two relations of one name", "one declaration a relation")
        self.name, self.version = name, version
        self.relations: Mapping[str, Relation] = MappingProxyType(table)
        self.plain = {one.name: one.value.python for one in found if one.plain and not one.index and not one.inverse}
        self.indexed = frozenset(relation.name for relation in found if relation.index or relation.inverse)
        self.literal = frozenset(relation.name for relation in found if not relation.kinds & {"decimal", "bytes"})
        self.local = frozenset(relation.name for relation in found if relation.local)
        self.digest = sha256(msgspec.json.encode([name, version, [_describe(r) for r in found]])).hexdigest()

    def relation(self, name: str) -> Relation:
        """The relation of that name, or `UnknownRelation`."""
        try:
            return self.relations[name]
        except (KeyError, TypeError):
            raise UnknownRelation(repr(name), f"one of {', '.join(self.relations)}") from None

    def check(self, relation: str, key: Key, value: Value | None) -> None:
        """Raise unless this is a well-typed fact (or, with None, a well-typed absence)."""
        self.relation(relation).check(key, value)

    def __reduce__(self) -> tuple[type[Schema], tuple[Any, ...]]:
        return Schema, (self.name, self.version, tuple(self.relations.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Schema({self.name!r}, {self.version!r}, {len(self.relations)} relations)"


def _describe(relation: Relation) -> list[Any]:
    def one(type_: Type) -> list[Any]:
        bounds = [None if bound is None else str(bound) for bound in (type_.low, type_.high)]
        more = [[name, *one(field)] for name, field in type_.fields] or type_.places
        return [type_.kind, type_.choices, type_.entity, type_.unit, *bounds, *([more] if more else [])]

    columns = [[name, *one(type_)] for name, type_ in relation.key]
    return [relation.name, columns, one(relation.value), relation.index, relation.inverse, relation.local]

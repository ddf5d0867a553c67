"""The world file as data: its fields, and how a YAML text becomes them.

Shape only: unknown fields, wrong JSON types and missing fields are refused here with their path;
what names and expressions mean is `loader.py`. The published JSON Schema is derived from these
structures (`json_schema`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ..documents import load_document
from .errors import BadWorldFile

_Plain = Literal["int", "bool", "text"]
_Whole = Annotated[int, Meta(ge=-(2**63) + 1, le=2**63 - 1)]
_Positive = Annotated[int, Meta(ge=1, le=2**53)]
_Natural = Annotated[int, Meta(ge=0, le=2**53)]


class Field(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A typed fact: exactly one of `type`, `enum` and `ref`. `optional` facts may be absent."""

    type: _Plain | None = None
    enum: tuple[str, ...] = ()
    ref: str = ""
    unit: str = ""
    min: _Whole | None = None
    max: _Whole | None = None
    optional: bool = False


class Parameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A typed parameter: exactly one of `type`, `enum`, `ref` and `new` (the id of a thing to be made)."""

    type: _Plain | None = None
    enum: tuple[str, ...] = ()
    ref: str = ""
    new: str = ""
    unit: str = ""
    min: _Whole | None = None
    max: _Whole | None = None
    default: bool | _Whole | str | None = None


class Collection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Things of one kind, keyed by id. `each` names one of them."""

    each: str
    fields: dict[str, Field | _Plain] = {}


class Resource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Exactly one of `exclusive`, `capacity` (so many at a time) and `consumable` (so much in all)."""

    exclusive: bool = False
    capacity: _Positive | None = None
    consumable: _Positive | None = None
    unit: str = ""


Literal_ = bool | _Whole | str
Effect = Literal_ | dict[str, Literal_] | None


class Action(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A command: its parameters, when it may be done, what it does."""

    note: str = ""
    params: dict[str, Parameter | _Plain] = {}
    requires: tuple[str, ...] = ()
    effects: dict[str, Effect] = {}
    ensures: tuple[str, ...] = ()
    uses: dict[str, _Positive] = {}
    acquires: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    undo: str = ""
    idempotent: bool = False
    risk: Literal["low", "medium", "high"] = "low"
    timeout_s: _Natural = 0
    retries: _Natural = 0


class Each(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An invariant of every thing of one kind; the thing's id is the variable of that name."""

    each: str
    holds: str


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a plan over this world may ask for."""

    max_steps: _Positive | None = None
    max_parallel: _Positive | None = None
    max_time_s: _Positive | None = None


class WorldFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole world. `start` gives the things and values there are in the beginning."""

    world: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]*$", max_length=60)]
    version: Annotated[str, Meta(min_length=1, max_length=40)]
    actions: Annotated[dict[str, Action], Meta(min_length=1)]
    note: str = ""
    units: dict[str, str] = {}
    collections: dict[str, Collection] = {}
    values: dict[str, Field | _Plain] = {}
    resources: dict[str, Resource] = {}
    invariants: dict[str, str | Each] = {}
    limits: Limits = Limits()
    start: dict[str, Literal_ | dict[str, dict[str, Literal_]]] = {}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a world file."""
    schema = msgspec.json.schema(WorldFile)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "worldgate world file", **schema}


def read_document(text: str, name: str) -> WorldFile:
    """The world file of a YAML text; `BadWorldFile` names the path of what does not fit."""
    data = load_document(text, name, BadWorldFile)
    try:
        return msgspec.convert(data, WorldFile)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `")
        where = _place(data, path.rstrip("`").lstrip("$"))
        raise BadWorldFile(f"{name}: {where}: {problem}", "the fields of a world file") from error


def _place(data: Any, path: str) -> str:
    """The path with its keys: a validation error says `[...]` for a key of a mapping."""
    keys: list[Any] = []
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path):
        if index == "...":
            keys.append(_culprit(data, keys))
        else:
            keys.append(name or int(index))
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".") or "the document"


def _culprit(data: Any, keys: list[Any]) -> Any:
    """The first key of the mapping at `keys` that alone does not convert."""
    table = data
    for key in keys:
        table = table[key]
    for key in table:
        try:
            msgspec.convert(_with(data, keys, {key: table[key]}), WorldFile)
        except msgspec.ValidationError:
            return key
    return "..."


def _with(data: Any, keys: list[Any], value: Any) -> Any:
    """`data` with `value` at `keys`, and nothing beside it in the mappings on the way below the top."""
    if not keys:
        return value
    if isinstance(data, list):
        return [_with(data[keys[0]], keys[1:], value)]
    return {**data, keys[0]: _with(data[keys[0]], keys[1:], value)}

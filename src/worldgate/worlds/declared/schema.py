"""From declarations to facts: the types, the relations and the names of a declared world.

A collection `orders` with `each: order` gives the relation `order(id) = true` for existence and one
relation `order_<field>(id)` a field; a value `day` gives `day()`; a resource `arm` gives
`arm_in_use()`, a consumable `battery` gives `battery_left()`. Every name is given once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...facts import BOOL, INT, TEXT, Relation, Schema, Type, enum, ref
from .document import Field, Parameter, Resource, WorldFile
from .errors import BadWorldFile, DuplicateName, UnknownName
from .units import Units, declared

MAX_TEXT = 10_000
_PLAIN = {"int": INT, "bool": BOOL, "text": TEXT}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = frozenset(
    """as bool break bytes const continue contains double duration dyn else false for function if import in int let
    list loop map matches namespace null package return size string timestamp true type uint var void while has all
    exists exists_one filter status""".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Slot:
    """One relation of the world that holds a value: of a thing (`each`), or of the world."""

    relation: str
    type: Type
    optional: bool = False
    each: str = ""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything a world file declares except its actions and invariants."""

    schema: Schema
    units: Units
    things: Mapping[str, str]  # the name of one thing to the name of its collection
    fields: Mapping[str, Mapping[str, Slot]]  # the name of one thing to its fields, by field name
    slots: Mapping[str, Slot]  # every relation that holds a value
    resources: Mapping[str, Resource]
    references: Mapping[str, tuple[str, ...]]  # the name of one thing to the relations that refer to it

    def capacity(self, resource: str) -> int:
        """How much there is of a resource at a time, or in all."""
        declared = self.resources[resource]
        return declared.consumable or declared.capacity or 1

    def level(self, resource: str) -> str:
        """The relation that holds what is in use, or what is left."""
        return f"{resource}_{'left' if self.resources[resource].consumable else 'in_use'}"


def vocabulary(file: WorldFile) -> Vocabulary:
    """The relations of a world file; `BadWorldFile` and its kinds name the path of what is wrong."""
    units = declared(file.units)
    things = {collection.each: name for name, collection in file.collections.items()}
    fields: dict[str, dict[str, Slot]] = {}
    for name, collection in file.collections.items():
        path = f"collections.{name}"
        fields[collection.each] = {
            field: _slot(f"{collection.each}_{field}", spec, f"{path}.fields.{field}", things, units, collection.each)
            for field, spec in collection.fields.items()
        }
    values = [_slot(name, spec, f"values.{name}", things, units) for name, spec in file.values.items()]
    levels = [_level(name, resource, units) for name, resource in file.resources.items()]
    slots = [*(slot for table in fields.values() for slot in table.values()), *values, *levels]
    _check_names(file, slots)
    relations = [Relation(each, (("id", ref(each)),), BOOL, index=(0,)) for each in things]
    relations += [_relation(slot) for slot in slots]
    references = {
        each: tuple(slot.relation for slot in slots if slot.type.kind == "ref" and slot.type.entity == each)
        for each in things
    }
    return Vocabulary(
        schema=Schema(file.world, file.version, relations),
        units=units,
        things=things,
        fields=fields,
        slots={slot.relation: slot for slot in slots},
        resources=file.resources,
        references=references,
    )


def resolve(spec: Field | Parameter | str, path: str, things: Mapping[str, str], units: Units) -> Type:
    """The type of a field or parameter."""
    if isinstance(spec, str):
        return _PLAIN[spec]
    entity = spec.ref or getattr(spec, "new", "")
    given = [word for word in ("type", "enum", "ref", "new") if getattr(spec, word, None)]
    if len(given) != 1:
        raise BadWorldFile(f"{path}: {' and '.join(given) or 'no type'}", "exactly one of type, enum, ref")
    if spec.type != "int" and (spec.unit or spec.min is not None or spec.max is not None):
        raise BadWorldFile(f"{path}: unit, min or max", "these on type int only")
    if entity and entity not in things:
        raise UnknownName(f"{path}: {given[0]} {entity!r}", f"one of {', '.join(things) or '(no collections)'}")
    if spec.unit and spec.unit not in units:
        raise UnknownName(f"{path}: unit {spec.unit!r}", "a unit that is known or declared under `units`")
    if len(set(spec.enum)) < len(spec.enum):
        raise DuplicateName(f"{path}: an enum choice twice", "each choice once")
    if spec.min is not None and spec.max is not None and spec.min > spec.max:
        raise BadWorldFile(f"{path}: min {spec.min} above max {spec.max}", "a range that holds something")
    if spec.enum:
        return enum(*spec.enum)
    if entity:
        return ref(entity)
    return Type(spec.type or "", unit=spec.unit, low=spec.min, high=spec.max)


def _slot(relation: str, spec: Field | str, path: str, things: Mapping[str, str], units: Units, each: str = "") -> Slot:
    optional = isinstance(spec, Field) and spec.optional
    return Slot(relation, resolve(spec, path, things, units), optional, each)


def _level(name: str, resource: Resource, units: Units) -> Slot:
    path = f"resources.{name}"
    if resource.exclusive + (resource.capacity is not None) + (resource.consumable is not None) != 1:
        raise BadWorldFile(f"{path}: not exactly one kind", "one of exclusive, capacity, consumable")
    if resource.unit and (resource.consumable is None or resource.unit not in units):
        raise UnknownName(f"{path}: unit {resource.unit!r}", "a known unit, on a consumable")
    most = resource.consumable or resource.capacity or 1
    word = "left" if resource.consumable else "in_use"
    return Slot(f"{name}_{word}", Type("int", unit=resource.unit, low=0, high=most))


def _relation(slot: Slot) -> Relation:
    key = (("id", ref(slot.each)),) if slot.each else ()
    return Relation(slot.relation, key, slot.type, inverse=slot.type.kind == "ref")


def function_names(file: WorldFile, slots: list[Slot]) -> Iterator[tuple[str, str]]:
    """(name, path) of everything expressions can call."""
    for name, collection in file.collections.items():
        yield name, f"collections.{name}"
        yield f"{collection.each}_exists", f"collections.{name}.each"
    for slot in slots:
        yield slot.relation, slot.relation
        if slot.optional:
            yield f"has_{slot.relation}", slot.relation
        if slot.each and slot.type.kind == "int":
            yield f"sum_{slot.relation}", slot.relation


def _check_names(file: WorldFile, slots: list[Slot]) -> None:
    seen: dict[str, str] = {}
    for name, path in [
        *function_names(file, slots),
        *((collection.each, f"collections.{name}.each") for name, collection in file.collections.items()),
        *((name, f"resources.{name}") for name in file.resources),
    ]:
        check_name(name, path)
        if name in seen:
            raise DuplicateName(f"{path}: {name!r}, which is also {seen[name]}", "each name once")
        seen[name] = path


def check_name(name: str, path: str, reserved: frozenset[str] = _RESERVED) -> None:
    """Refuse a name that expressions or action text could not use."""
    if not _NAME.fullmatch(name) or name in reserved:
        raise BadWorldFile(f"{path}: name {name!r}", "lower-case letters, digits and underscores; no word of CEL")

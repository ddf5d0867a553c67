"""From a world file to compiled rules. Everything is checked here, once, at load.

Expressions are compiled in the environment of their action (its parameters, and the functions of
`functions.py`); a name or type that does not fit is refused with the path of the expression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...facts import Type
from ..expressions import BadExpression, Environment, Expression, Function
from .actions import Formal, Quantity, Signature, checked
from .document import Action as Declared
from .document import Parameter, WorldFile
from .errors import BadFormula, BadWorldFile, DuplicateName, UnknownName
from .formulas import MACROS, calls, check_choices, split_call, tokens, unquoted
from .functions import CEL_TYPES, functions
from .schema import Slot, Vocabulary, check_name, resolve, vocabulary

WHOLE = "whole"
"""The invariant every declared world has: each reference leads to something, each field belongs to something."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A compiled condition and where it stands in the file."""

    path: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Write:
    """Set a fact (or clear it: no value). `key` is None for the world's own values."""

    path: str
    slot: Slot
    key: Expression | None
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Make:
    """Make a thing with these fields."""

    path: str
    each: str
    key: Expression
    fields: tuple[tuple[Slot, Expression], ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove a thing with all its fields."""

    path: str
    each: str
    key: Expression


@dataclass(frozen=True, slots=True)
class Rules:
    """One action, compiled."""

    name: str
    declared: Declared
    signature: Signature
    requires: tuple[Formula, ...]
    effects: tuple[Write | Make | Drop, ...]
    ensures: tuple[Formula, ...]
    undo: tuple[str, tuple[tuple[str, Expression], ...]] | None


@dataclass(frozen=True, slots=True)
class Invariant:
    """A condition on every state.

    `each`: of every thing of that kind. `own`: it looks at nothing but that thing's own fields, so a
    step need only check the things it touched. `relations` are those it mentions.
    """

    name: str
    path: str
    expression: Expression
    each: str
    own: bool
    relations: frozenset[str]


@dataclass(frozen=True, slots=True)
class Model:
    """A world file, checked and compiled."""

    file: WorldFile
    words: Vocabulary
    actions: Mapping[str, Rules]
    invariants: tuple[Invariant, ...]
    conditions: Environment

    @property
    def signatures(self) -> dict[str, Signature]:
        return {name: rules.signature for name, rules in self.actions.items()}


def compile_model(file: WorldFile) -> Model:
    """The rules of a world file; `BadWorldFile` and its kinds name the path of what is wrong."""
    if WHOLE in file.invariants:
        raise DuplicateName(f"invariants.{WHOLE}: the invariant every declared world has", "another name")
    words = vocabulary(file)
    table = functions(words)
    signatures = {name: _signature(name, action, words) for name, action in file.actions.items()}
    return Model(
        file=file,
        words=words,
        actions={name: _Compiler(name, signatures, words, table).rules(file.actions[name]) for name in signatures},
        invariants=tuple(_invariant(name, file, words, table) for name in file.invariants),
        conditions=Environment({"status": "int"}, table),
    )


def _signature(name: str, action: Declared, words: Vocabulary) -> Signature:
    check_name(name, f"actions.{name}", frozenset())
    signature = {}
    for parameter, spec in action.params.items():
        path = f"actions.{name}.params.{parameter}"
        check_name(parameter, path)
        type_ = resolve(spec, path, words.things, words.units)
        new = isinstance(spec, Parameter) and bool(spec.new)
        default = spec.default if isinstance(spec, Parameter) else None
        if default is not None:
            default = start_value(default, type_, f"{path}.default", words)
        signature[parameter] = Formal(type_, new, default)
    return signature


def start_value(value: Any, type_: Type, path: str, words: Vocabulary) -> Any:
    """A value written in the file, as one of `type_`; numbers may carry a unit."""
    if type_.kind == "int" and type(value) is str:
        value = Quantity(value)
    return checked(value, type_, path, words.units)


def _compile(environment: Environment, text: str, kind: str, path: str) -> Expression:
    try:
        return environment.compile(text, kind)
    except BadExpression as error:
        raise BadFormula(f"{path}: {error.found}", error.expected) from error


class _Compiler:
    """Compiles one action in the environment of its parameters."""

    def __init__(
        self, name: str, signatures: Mapping[str, Signature], words: Vocabulary, table: Mapping[str, Function]
    ) -> None:
        self.name, self.words, self.signatures = name, words, signatures
        self.path = f"actions.{name}"
        self.signature = signatures[name]
        variables = {parameter: CEL_TYPES[slot.type.kind] for parameter, slot in self.signature.items()}
        self.environment = Environment(variables, table)
        self.choices = _choices(words) | {
            parameter: slot.type.choices for parameter, slot in self.signature.items() if slot.type.choices
        }

    def rules(self, declared: Declared) -> Rules:
        self._check_resources(declared)
        return Rules(
            name=self.name,
            declared=declared,
            signature=self.signature,
            requires=self._conditions("requires", declared.requires),
            effects=tuple(
                self._effect(place, value, f"{self.path}.effects.{place}", declared)
                for place, value in declared.effects.items()
            ),
            ensures=self._conditions("ensures", declared.ensures),
            undo=self._undo(declared.undo) if declared.undo else None,
        )

    def expression(self, text: Any, kind: str, path: str, type_: Type | None = None) -> Expression:
        """A compiled value; whole numbers and truth values may stand as they are in YAML."""
        source = str(text).lower() if isinstance(text, bool) else str(text)
        check_choices(source, path, self.choices)
        found = tokens(source, path)
        if type_ and type_.choices and len(found) == 1 and found[0].kind == "text":
            word = unquoted(found[0].text)
            if word not in type_.choices:
                raise UnknownName(f"{path}: {word!r}", f"one of {', '.join(type_.choices)}")
        return _compile(self.environment, source, kind, path)

    def _conditions(self, section: str, texts: tuple[str, ...]) -> tuple[Formula, ...]:
        paths = [f"{self.path}.{section}[{number}]" for number in range(len(texts))]
        return tuple(
            Formula(path, self.expression(text, "bool", path)) for path, text in zip(paths, texts, strict=True)
        )

    def _effect(self, place: str, value: Any, path: str, declared: Declared) -> Write | Make | Drop:
        name, bracket, rest = place.partition("(")
        if not bracket or not rest.endswith(")"):
            raise BadFormula(f"{path}: {place!r}", "a place such as order_status(order)")
        inside = rest[:-1].strip()
        if name in self.words.things:
            key = self.expression(inside, "string", path)
            if value is None:
                return Drop(path, name, key)
            if not isinstance(value, dict):
                raise BadFormula(f"{path}: {value!r}", "a mapping of fields (makes one) or null (removes one)")
            return self._make(name, key, value, path)
        slot = self.words.slots.get(name)
        if slot is None:
            known = ", ".join([*self.words.things, *self.words.slots])
            raise UnknownName(f"{path}: {name!r}", f"one of {known}")
        self._check_level(slot, path, declared)
        if isinstance(value, dict) or bool(inside) != bool(slot.each):
            raise BadFormula(f"{path}: {value!r}", f"an expression for {name}({'id' if slot.each else ''})")
        if value is None and not slot.optional:
            raise BadFormula(f"{path}: null", f"a value: {name} is not optional")
        key_ = self.expression(inside, "string", path) if slot.each else None
        return Write(path, slot, key_, None if value is None else self._value(value, slot, path))

    def _value(self, text: Any, slot: Slot | Formal, path: str) -> Expression:
        return self.expression(text, CEL_TYPES[slot.type.kind], path, slot.type)

    def _make(self, each: str, key: Expression, given: Mapping[str, Any], path: str) -> Make:
        slots = self.words.fields[each]
        for field in given:
            if field not in slots:
                raise UnknownName(f"{path}.{field}", f"one of {', '.join(slots)}")
        for field, slot in slots.items():
            if field not in given and not slot.optional:
                raise BadFormula(f"{path}: no {field}", f"a value for each field of {each} that is not optional")
        fields = tuple(
            (slots[field], self._value(text, slots[field], f"{path}.{field}")) for field, text in given.items()
        )
        return Make(path, each, key, fields)

    def _undo(self, text: str) -> tuple[str, tuple[tuple[str, Expression], ...]]:
        path = f"{self.path}.undo"
        name, given = split_call(text, path)
        signature = self.signatures.get(name)
        if signature is None:
            raise UnknownName(f"{path}: action {name!r}", f"one of {', '.join(self.signatures)}")
        for parameter in given:
            if parameter not in signature:
                raise UnknownName(f"{path}: {name}.{parameter}", f"one of {', '.join(signature)}")
        for parameter, slot in signature.items():
            if parameter not in given and slot.default is None:
                raise BadFormula(f"{path}: {name} without {parameter}", "every parameter that has no default")
        return name, tuple(
            (parameter, self._value(given[parameter], slot, path))
            for parameter, slot in signature.items()
            if parameter in given
        )

    def _check_resources(self, declared: Declared) -> None:
        places = [(f"uses.{name}", name, amount) for name, amount in declared.uses.items()]
        for section in ("acquires", "releases"):
            places += [(f"{section}[{n}]", name, 0) for n, name in enumerate(getattr(declared, section))]
        seen = set()
        for place, name, amount in places:
            path = f"{self.path}.{place}"
            if name not in self.words.resources:
                raise UnknownName(f"{path}: resource {name!r}", f"one of {', '.join(self.words.resources)}")
            if amount > self.words.capacity(name):
                raise BadWorldFile(f"{path}: {amount}", f"at most {self.words.capacity(name)}")
            if not amount and self.words.resources[name].consumable:
                raise BadWorldFile(f"{path}: {name}, which is consumable", "an exclusive resource or a capacity")
            if name in seen:
                raise BadWorldFile(f"{path}: {name} a second time", "each resource once in an action")
            seen.add(name)

    def _check_level(self, slot: Slot, path: str, declared: Declared) -> None:
        for name, resource in self.words.resources.items():
            if slot.relation == self.words.level(name) and (not resource.consumable or name in declared.uses):
                raise BadWorldFile(
                    f"{path}: an effect on {slot.relation}",
                    "uses, acquires and releases for what is in use; an effect on what is left, or uses, not both",
                )


def _choices(words: Vocabulary) -> dict[str, tuple[str, ...]]:
    return {slot.relation: slot.type.choices for slot in words.slots.values() if slot.type.choices}


def _invariant(name: str, file: WorldFile, words: Vocabulary, table: Mapping[str, Function]) -> Invariant:
    given, path = file.invariants[name], f"invariants.{name}"
    each, text = ("", given) if isinstance(given, str) else (given.each, given.holds)
    if each and each not in words.things:
        raise UnknownName(f"{path}.each: {each!r}", f"one of {', '.join(words.things)}")
    check_choices(text, path, _choices(words))
    environment = Environment({each: "string"} if each else {}, table)
    found = [call for call in calls(text, path) if call.name in table]
    macros = any(token.kind == "name" and token.text in MACROS for token in tokens(text, path))
    own_names = {slot.relation for slot in words.fields.get(each, {}).values()}
    own_names |= {f"has_{slot}" for slot in own_names}
    return Invariant(
        name=name,
        path=path,
        expression=_compile(environment, text, "bool", path),
        each=each,
        own=bool(each) and not macros and all(call.name in own_names and call.argument == each for call in found),
        relations=frozenset(relation for call in found for relation in _relations(call.name, words)) | {each},
    )


def _relations(function: str, words: Vocabulary) -> set[str]:
    """The relations a function of the expressions looks at."""
    by_collection = {collection: each for each, collection in words.things.items()}
    if function in by_collection:
        return {by_collection[function]}
    if function.removesuffix("_exists") in words.things and function.endswith("_exists"):
        return {function.removesuffix("_exists")}
    for prefix in ("", "has_", "sum_"):
        if function.removeprefix(prefix) in words.slots:
            return {function.removeprefix(prefix)}
    return set()

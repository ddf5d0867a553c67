"""A declared world: a checked world file under the world contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...facts import Draft, Error, Fact, Schema, State, format_address, format_value
from ..contract import Driver, Property, Transition
from ..expressions import BadExpression
from . import drivers, rules
from .actions import MAX_ID, Action, parse
from .document import Limits, WorldFile, read_document
from .errors import BadFormula, BadStart, UnknownName
from .functions import evaluate
from .loader import WHOLE, Model, compile_model, start_value
from .schema import Slot, Vocabulary


class DeclaredWorld:
    """A world made from a world file. Make one with `world_from_text` or `world_from_file`."""

    def __init__(self, file: WorldFile) -> None:
        self.model: Model = compile_model(file)
        self.name, self.version = file.world, file.version
        self.schema: Schema = self.model.words.schema
        self.start: State = _start(self.model)
        self.drivers: Mapping[str, Driver] = drivers.drivers(self)
        self._signatures = self.model.signatures

    def initial(self, seed: int) -> State:
        """The start of the world file; for another seed than 0, up to seven everyday actions later."""
        return drivers.later(self, self.start, seed)

    def parse(self, text: str) -> Action:
        """The action of a text such as `refund(order: "o1", amount: 500)`."""
        return parse(text, self._signatures, self.model.words.units)

    def step(self, state: State, action: Action) -> Transition:
        """What the action does, or a refusal with the number of the rule."""
        return rules.step(self.model, state, action)

    def properties(self) -> Mapping[str, Property]:
        """The invariants of the world file, and that every reference leads to something."""
        named = {invariant.name: _property(invariant) for invariant in self.model.invariants}
        return {WHOLE: lambda state: _not_whole(self.model.words, state), **named}

    # --- what a plan over this world is checked for ------------------------------------------------

    @property
    def limits(self) -> Limits:
        """What a plan may ask for."""
        return self.model.file.limits

    @property
    def capacities(self) -> Mapping[str, int]:
        """How many of each resource there are at a time."""
        words = self.model.words
        return {name: words.capacity(name) for name, kind in words.resources.items() if not kind.consumable}

    def occupies(self, action: Action) -> Mapping[str, int]:
        """What the action holds of each of `capacities` while it runs."""
        uses = self.model.file.actions[action.name].uses
        return {name: amount for name, amount in uses.items() if name in self.capacities}

    def duration_s(self, action: Action) -> int:
        """The longest the action may take: its time-out, for each try."""
        declared = self.model.file.actions[action.name]
        return declared.timeout_s * (1 + declared.retries)

    def condition(self, text: str) -> Callable[[Draft, Mapping[str, int]], bool]:
        """A plan's condition over the state (and `status`); raises `BadFormula`."""
        try:
            expression = self.model.conditions.compile(text)
        except BadExpression as error:
            raise BadFormula(f"when: {error.found}", error.expected) from error
        return lambda draft, values: bool(evaluate(expression, draft, values, "when"))


def world_from_text(text: str, name: str = "world") -> DeclaredWorld:
    """The world of a YAML text; `BadWorldFile` and its kinds say what is wrong and where."""
    return DeclaredWorld(read_document(text, name))


def world_from_file(path: str | Path) -> DeclaredWorld:
    """The world of a YAML file."""
    return world_from_text(Path(path).read_text(encoding="utf-8"), Path(path).name)


def _start(model: Model) -> State:
    """The starting state, checked as every later one is."""
    words = model.words
    state = State.of(words.schema, _start_facts(model))
    for slot in words.slots.values():
        keys = [(one,) for (one,) in state.select(slot.each, ())] if slot.each else [()]
        for key in keys:
            if not slot.optional and state.get(slot.relation, key) is None:
                raise BadStart(f"start: no {format_address(slot.relation, key)}", f"a value of {slot.type}")
    checks: dict[str, Property] = {WHOLE: lambda found: _not_whole(words, found)}
    checks |= {invariant.path: _property(invariant) for invariant in model.invariants}
    for path, check in checks.items():
        if problem := check(state):
            raise BadStart(f"start: {problem}", path)
    return state


def _start_facts(model: Model) -> Iterator[Fact]:
    words, file = model.words, model.file
    for name in file.resources:
        yield words.level(name), (), words.capacity(name) if file.resources[name].consumable else 0
    for name, value in file.start.items():
        path = f"start.{name}"
        slot = words.slots.get(name)
        if name in file.collections:
            each = file.collections[name].each
            if not isinstance(value, dict):
                raise BadStart(f"{path}: {value!r}", f"a mapping from id to the fields of a {each}")
            for one, fields in value.items():
                if not 0 < len(one) <= MAX_ID:
                    raise BadStart(f"{path}: an id of {len(one)} characters", f"1 to {MAX_ID}")
                yield each, (one,), True
                for field, given in fields.items():
                    if field not in words.fields[each]:
                        raise UnknownName(f"{path}.{one}.{field}", f"one of {', '.join(words.fields[each])}")
                    yield _fact(words.fields[each][field], (one,), given, f"{path}.{one}.{field}", words)
        elif slot is not None and not slot.each and not isinstance(value, dict):
            yield _fact(slot, (), value, path, words)
        else:
            known = [*file.collections, *(slot.relation for slot in words.slots.values() if not slot.each)]
            raise UnknownName(path, f"one of {', '.join(known)}")


def _fact(slot: Slot, key: tuple[str, ...], given: Any, path: str, words: Vocabulary) -> Fact:
    try:
        return slot.relation, key, start_value(given, slot.type, path, words)
    except Error as error:
        raise BadStart(error.found, error.expected) from error


def _property(invariant: Any) -> Property:
    def check(state: State) -> str | None:
        draft = Draft(state)
        try:
            broken = rules.broken_by(invariant, draft, rules.every(invariant, draft))
        except Error as error:
            return str(error)
        return f"{broken}: not {invariant.expression.text}" if broken else None

    return check


def _not_whole(words: Vocabulary, state: State) -> str | None:
    """A reference to nothing, or a field of nothing."""
    for relation, key, value in sorted(state.facts(), key=lambda fact: fact[:2]):
        slot = words.slots.get(relation)
        if slot and slot.each and state.get(slot.each, key) is None:
            return f"{format_address(relation, key)} without {slot.each} {format_value(key[0])}"
        if slot and slot.type.kind == "ref" and state.get(slot.type.entity, (value,)) is None:
            return f"{format_address(relation, key)} = {format_value(value)}, which there is not"
    return None

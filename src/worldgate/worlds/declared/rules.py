"""The oracle of declared worlds: one action on one state.

In order: ids, resources, `requires`, effects (all evaluated on the state before), types, references,
`ensures`, invariants. The first rule that says no ends the step: the state stays as it was, and the
observation names the rule. Only the invariants that mention something written are asked again: they
held before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...facts import Draft, State, Value, format_address, format_value
from ..contract import Observation, Outside, Transition, transition
from ..expressions import Expression
from .actions import Action, make
from .errors import (
    BadEffect,
    Broken,
    Dangling,
    Exhausted,
    Held,
    NotEnsured,
    NotHeld,
    NotMet,
    OutOfRange,
    Refused,
    TakenId,
    TwoWrites,
    UnknownId,
    WrongType,
)
from .functions import evaluate, ids
from .loader import Drop, Formula, Invariant, Make, Model, Rules, Write
from .schema import Vocabulary

Address = tuple[str, tuple[str, ...]]
Writes = dict[Address, Value | None]


def step(model: Model, state: State, action: Action) -> Transition:
    """What the action does, or a refusal that changes nothing."""
    rules, draft = model.actions[action.name], Draft(state)
    try:
        return transition(draft, _done(model, rules, draft, action.values))
    except Refused as refusal:
        return transition(draft.undone(state), {"ok": False, "refused": refusal.to_json()})


def _done(model: Model, rules: Rules, draft: Draft, values: dict[str, Any]) -> Observation:
    words, path = model.words, f"actions.{rules.name}"
    _check_ids(rules, draft, values)
    writes = _resources(words, rules, draft)
    _check(rules.requires, draft, values, NotMet)
    for effect in rules.effects:
        for address, value in _effect(words, effect, draft, values):
            if address in writes:
                raise TwoWrites(effect.path, f"{format_address(*address)} a second time", "each fact written once")
            writes[address] = value
    undo = _undo(model, rules, draft, values)
    for (relation, key), value in writes.items():
        draft.get(relation, key)  # what is written rests on what was there, also when they are equal
        draft.set(relation, key, value)
    _check_references(words, draft, writes, f"{path}.effects")
    _check(rules.ensures, draft, values, NotEnsured)
    for invariant in model.invariants:
        if broken := broken_by(invariant, draft, _touched(invariant, draft, writes)):
            raise Broken(invariant.path, broken, invariant.expression.text)
    observation: dict[str, Any] = {"ok": True, "risk": rules.declared.risk}
    return observation | ({"undo": undo} if undo else {})


def broken_by(invariant: Invariant, draft: Draft, among: Iterable[str] | None) -> str:
    """The first of these things for which the invariant does not hold; "" when there is none."""
    for one in ("",) if among is None else among:
        values = {invariant.each: one} if invariant.each else {}
        if not evaluate(invariant.expression, draft, values, invariant.path):
            return f"{invariant.each} {format_value(one)}" if invariant.each else "a state in which it does not hold"
    return ""


def every(invariant: Invariant, draft: Draft) -> Iterable[str] | None:
    """All ids an invariant speaks of; None when it speaks of the world."""
    return ids(draft, invariant.each) if invariant.each else None


def _touched(invariant: Invariant, draft: Draft, writes: Writes) -> Iterable[str] | None:
    """The ids for which the invariant may have changed: none, those written, or all."""
    written = [key for relation, key in writes if relation in invariant.relations]
    if not written:
        return ()
    if invariant.own:
        return sorted({key[0] for key in written if draft.get(invariant.each, key)})
    return every(invariant, draft)


def _check_ids(rules: Rules, draft: Draft, values: dict[str, Any]) -> None:
    for parameter, slot in rules.signature.items():
        if slot.type.kind == "ref":
            rule = f"actions.{rules.name}.params.{parameter}"
            found = draft.get(slot.type.entity, (values[parameter],)) is not None
            shown = f"{slot.type.entity} {format_value(values[parameter])}"
            if slot.new and found:
                raise TakenId(rule, shown, "an id that is free")
            if not slot.new and not found:
                raise UnknownId(rule, f"{shown}, which there is not", f"an existing {slot.type.entity}")


def _resources(words: Vocabulary, rules: Rules, draft: Draft) -> Writes:
    """What the action's resources leave behind; refuses when there are not enough."""
    declared, path, writes = rules.declared, f"actions.{rules.name}", Writes()
    wanted = [(f"{path}.uses.{name}", name, amount, False) for name, amount in declared.uses.items()]
    wanted += [(f"{path}.acquires[{n}]", name, 1, True) for n, name in enumerate(declared.acquires)]
    for rule, name, amount, keeps in wanted:
        relation = words.level(name)
        level = draft.get(relation, ())
        if words.resources[name].consumable:
            if level < amount:
                raise Exhausted(rule, f"{relation}() = {level}", f"at least {amount}")
            writes[relation, ()] = level - amount
        elif level + amount > words.capacity(name):
            raise Held(rule, f"{level} of {words.capacity(name)} {name} in use", f"{amount} free")
        elif keeps:
            writes[relation, ()] = level + 1
    for n, name in enumerate(declared.releases):
        level = draft.get(words.level(name), ())
        if level < 1:
            raise NotHeld(f"{path}.releases[{n}]", f"{name}, which nobody holds", "a resource that is held")
        writes[words.level(name), ()] = level - 1
    return writes


def _check(formulas: tuple[Formula, ...], draft: Draft, values: dict[str, Any], kind: type[Refused]) -> None:
    for formula in formulas:
        if not evaluate(formula.expression, draft, values, formula.path):
            given = ", ".join(f"{name} = {format_value(value)}" for name, value in values.items())
            found = f"{formula.expression.text} is false" + (f" for {given}" if given else "")
            raise kind(formula.path, found, "it to hold")


def _effect(
    words: Vocabulary, effect: Write | Make | Drop, draft: Draft, values: dict[str, Any]
) -> Iterator[tuple[Address, Value | None]]:
    def value(expression: Expression) -> Any:
        return evaluate(expression, draft, values, effect.path)

    key: tuple[str, ...] = () if effect.key is None else (value(effect.key),)
    if isinstance(effect, Write):
        if effect.slot.each:
            _expect(draft, effect.slot.each, key, effect.path)
        new = None if effect.value is None else value(effect.value)
        yield _typed(words, effect.slot.relation, key, new, effect.path), new
        return
    if isinstance(effect, Make):
        if draft.get(effect.each, key) is not None:
            raise TakenId(effect.path, f"{effect.each} {format_value(key[0])}", "an id that is free")
        yield _typed(words, effect.each, key, True, effect.path), True
        for slot, expression in effect.fields:
            new = value(expression)
            yield _typed(words, slot.relation, key, new, effect.path), new
        return
    _expect(draft, effect.each, key, effect.path)
    for relation in (effect.each, *(slot.relation for slot in words.fields[effect.each].values())):
        if draft.get(relation, key) is not None:
            yield (relation, key), None


def _expect(draft: Draft, each: str, key: tuple[str, ...], path: str) -> None:
    if draft.get(each, key) is None:
        raise UnknownId(path, f"{each} {format_value(key[0])}, which there is not", f"an existing {each}")


def _typed(words: Vocabulary, relation: str, key: tuple[str, ...], value: Value | None, path: str) -> Address:
    declared = words.schema.relation(relation)
    problem = declared.value.problem(value) if value is not None else None
    problem = problem or next(
        (found for (_, column), part in zip(declared.key, key, strict=True) if (found := column.problem(part))), None
    )
    if problem or key == ("",):
        raise BadEffect(path, problem or "an empty id", f"{relation}: {declared.value}")
    return relation, key


def _check_references(words: Vocabulary, draft: Draft, writes: Writes, path: str) -> None:
    """Whatever was written refers to something, and nothing refers to what was removed."""
    for (relation, key), value in writes.items():
        if relation in words.things and value is None:
            for reference in words.references[relation]:
                if owners := draft.owners(reference, key[0]):
                    raise Dangling(path, _shown(reference, min(owners), key[0]), "no reference to what is removed")
            continue
        slot = words.slots.get(relation)
        if (
            slot
            and slot.type.kind == "ref"
            and value is not None
            and draft.get(slot.type.entity, (str(value),)) is None
        ):
            raise Dangling(path, _shown(relation, key, value), f"an existing {slot.type.entity}")


def _shown(relation: str, key: Any, value: Value) -> str:
    return f"{format_address(relation, key)} = {format_value(value)}"


def _undo(model: Model, rules: Rules, draft: Draft, values: dict[str, Any]) -> str:
    """The action that leads back, with its arguments as they stand before the step."""
    if rules.undo is None:
        return ""
    name, expressions = rules.undo
    path = f"actions.{rules.name}.undo"
    given = {parameter: evaluate(expression, draft, values, path) for parameter, expression in expressions}
    try:
        return str(make(name, given, model.actions[name].signature, model.words.units))
    except (OutOfRange, WrongType, Outside) as error:
        raise BadEffect(path, error.found, error.expected) from error

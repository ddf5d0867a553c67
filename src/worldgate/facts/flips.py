"""States and deltas that are wrong by one edit: for learning by contrast, and for tests of judges.

A `Pool` says what may stand where: the ids of each kind of entity, the values seen in each column, the keys seen in
each relation. It is made once for a state or a whole trajectory, in O(state + edits). Each example then costs O(1),
whatever the size of the state; no list of candidates is ever made.

A flip is an edit that applies to the state and changes exactly one fact: it adds one over known entities, removes one,
or changes one scalar of its value. Flips of one call are distinct, and balanced over relations: each has one turn a
round, for as long as it has new ones. A relation keyed by refs, enums and booleans alone that has a fact at every
possible key is taken to have one always: its values change, and nothing is removed while there is another value.

The same pool, state and seed give the same. Not known here is which well-typed facts a world can reach: `admit` refuses
those that should never be offered, such as a link of a host with itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import prod
from random import Random
from typing import Any, Final, NamedTuple, TypeVar

from .delta import Delta, Edit, compose
from .entities import Entity, references
from .errors import BadKey, BadSchema
from .maps import Address
from .schema import Key, Relation, Schema, Type, Value
from .state import State

TRIES: Final = 16
"""After so many draws without a new example, a relation (or a kind of mistake) has no further turn."""

BESIDE: Final = 0.25
"""How often another number is one more or less, and another text one shorter, though others were seen."""

Admit = Callable[[str, Key, Value], bool]
_Chance = Callable[[], float]
_Fetch = Callable[[Address], Any]
_T = TypeVar("_T")
_made: Final = tuple.__new__  # an Edit or a record, without a call of Python code
_FIRST: Final = {"text": "x", "bytes": b"x"}
_OPEN: Final = frozenset({"int", "decimal", "text", "bytes"})


class _Slot(NamedTuple):
    """What may stand as a value, or in one field of it."""

    type: Type
    values: tuple[Any, ...]

    def other(self, value: Any, chance: _Chance) -> Any:
        """Another value than this, or None when there is none: one that was seen, and now and then one beside it."""
        beside = self.type.kind in _OPEN and chance() < BESIDE
        if (count := len(self.values)) and not beside:
            at = int(chance() * count)
            for found in (self.values[at], self.values[at + 1 - count]):
                if found != value:
                    return found
        return next((near for near in self._near(value, chance) if self.type.problem(near) is None), None)

    def _near(self, value: Any, chance: _Chance) -> tuple[Any, ...]:
        if self.type.kind in ("int", "decimal"):
            step = 1 if chance() < 0.5 else -1
            return value + step, value - step
        if self.type.kind in ("text", "bytes"):
            return (value[:-1] if value else _FIRST[self.type.kind],)
        return ()


@dataclass(frozen=True, slots=True)
class _Choices:
    """What may stand in the facts of one relation."""

    relation: str
    keys: tuple[Key, ...]  # seen
    columns: tuple[tuple[Any, ...], ...]
    slots: tuple[_Slot, ...]
    made: type | None  # of a record
    full: bool
    admit: Admit | None

    @property
    def possible(self) -> bool:
        """Whether there is a key to draw."""
        return bool(self.keys) or all(self.columns)

    def flip(self, fetch: _Fetch, chance: _Chance) -> Edit | None:
        """One draw, which may fail."""
        key = self.key(chance)
        before = fetch((self.relation, key))
        return self.edit(key, before, self.instead(before, chance))

    def edit(self, key: Key, before: Any, after: Any) -> Edit | None:
        """The edit, if it changes something and may be offered."""
        if before == after or (after is not None and self.admit and not self.admit(self.relation, key, after)):
            return None
        return _made(Edit, (self.relation, key, before, after))

    def key(self, chance: _Chance) -> Key:
        keys, columns = self.keys, self.columns
        if keys and (self.full or not all(columns) or chance() < 0.5):
            return keys[int(chance() * len(keys))]
        return tuple([column[int(chance() * len(column))] for column in columns])

    def instead(self, now: Any, chance: _Chance) -> Any:
        """What may stand where this does; None for absent. It may fail to be something else."""
        slots, made = self.slots, self.made
        if now is None:
            parts = [slot.values[int(chance() * len(slot.values))] for slot in slots if slot.values]
            if len(parts) < len(slots):
                return None
            return parts[0] if made is None else _made(made, parts)
        if not self.full and chance() < 0.5:
            return None
        if made is None:
            return slots[0].other(now, chance)
        start = int(chance() * len(slots))
        for at in (*range(start, len(slots)), *range(start)):
            if (part := slots[at].other(now[at], chance)) is not None:
                return _made(made, (*now[:at], part, *now[at + 1 :]))
        return None

    def revalue(self, edit: Edit, chance: _Chance) -> Edit | None:
        """The same edit with another `after`; one draw, which may fail."""
        return self.edit(edit.key, edit.before, self.instead(edit.after, chance))

    def rebind(self, edit: Edit, fetch: _Fetch, chance: _Chance) -> Edit | None:
        """The same edit at a key that differs in one column; one draw, which may fail."""
        at = int(chance() * len(edit.key))
        column = self.columns[at] if edit.key else ()
        if not column:
            return None
        key = (*edit.key[:at], column[int(chance() * len(column))], *edit.key[at + 1 :])
        return self.edit(key, fetch((self.relation, key)), edit.after)


@dataclass(frozen=True, slots=True)
class Pool:
    """What may stand in the facts of a schema, relation by relation; made by `Pool.of`."""

    schema: Schema
    choices: tuple[_Choices, ...]

    @classmethod
    def of(
        cls,
        state: State,
        deltas: Iterable[Delta] = (),
        *,
        entities: Iterable[Entity] = (),
        units: Collection[str] | None = None,
        relations: Collection[str] | None = None,
        admit: Admit | None = None,
    ) -> Pool:
        """The pool of a state, and of the facts that `deltas` set on the way from it. O(state + edits).

        `entities` are known besides those that the facts refer to. `units` are the boolean relations whose facts hold
        or are absent and are never false; unless given, those of which nothing false was seen. Only `relations` are
        flipped (unless given, all); those of others still lend ids. `admit(relation, key, value)` is false for a fact
        that should never be offered. Raises the numbered error of an unknown relation or kind of entity.
        """
        schema, known = state.schema, references(state.schema)
        for name in (*(units or ()), *(relations or ())):
            schema.relation(name)
        ids: dict[str, set[str]] = defaultdict(set)
        for kind, entity in entities:
            if kind not in known.kinds or type(entity) is not str:
                raise BadKey(f"entity {(kind, entity)!r}", f"(kind, id), the kind one of {', '.join(known.kinds)}")
            ids[kind].add(entity)
        keys: dict[str, set[Key]] = defaultdict(set)
        values: dict[str, set[Any]] = defaultdict(set)
        later = ((edit.relation, edit.key, edit.after) for delta in deltas for edit in delta if edit.after is not None)
        for fact in chain(state.facts(), later):
            relation, key, value = fact
            keys[relation].add(key)
            values[relation].add(value)
            for kind, entity in known.of(fact):
                ids[kind].add(entity)
        orderly = {kind: tuple(sorted(found)) for kind, found in ids.items()}
        found = {}
        for name in schema.relations if relations is None else relations:
            unit = False not in values[name] if units is None else name in units
            found[name] = _choices(schema.relations[name], keys[name], values[name], orderly, unit, admit)
        return cls(schema, tuple(found[name] for name in schema.relations if name in found and found[name].possible))

    def flips(self, state: State, random: Random, k: int) -> list[Edit]:
        """`k` distinct edits, each of which applies to `state` and makes it wrong; fewer where there are few. O(k)."""
        fetch, chance = self._fetch(state), random.random
        turns = random.sample(self.choices, len(self.choices))
        return _rounds([partial(choices.flip, fetch, chance) for choices in turns], k, tuple)

    def wrong(self, state: State, delta: Delta, random: Random, k: int) -> list[Delta]:
        """`k` distinct deltas that apply to `state` as `delta` does and lead elsewhere; fewer where there are few.

        Each has one mistake, in turns: an edit dropped, an edit added (anywhere), an edit with another value, an edit
        of another key. A delta that edits a fact twice stands for its net effect. O(k * edits).
        """
        if len({edit[:2] for edit in delta}) < len(delta) or any(edit.before == edit.after for edit in delta):
            delta = compose(delta)
        mistakes = _Mistakes(self.choices, self._fetch(state), delta, random.random)
        turns = [mistakes.drop, mistakes.add, mistakes.revalue, mistakes.rebind]
        return _rounds(random.sample(turns, len(turns)) if delta else [mistakes.add], k, frozenset)

    def _fetch(self, state: State) -> _Fetch:
        if state.schema != self.schema:
            raise BadSchema(f"a pool of {self.schema.name} {self.schema.digest[:12]}", f"one of {state.schema.name}")
        return state.fetcher()


class _Mistakes(NamedTuple):
    """Ways to be wrong once, each one draw that may fail. `delta` edits every fact at most once."""

    choices: tuple[_Choices, ...]
    fetch: _Fetch
    delta: Delta
    chance: _Chance

    def drop(self) -> Delta | None:
        at = int(self.chance() * len(self.delta))
        return (*self.delta[:at], *self.delta[at + 1 :])

    def add(self) -> Delta | None:
        if not self.choices:
            return None
        at = int(self.chance() * (len(self.delta) + 1))
        choices = self.choices[int(self.chance() * len(self.choices))]
        return self._with(self.delta[:at], choices.flip(self.fetch, self.chance), self.delta[at:])

    def revalue(self) -> Delta | None:
        return self._changed(lambda choices, edit: choices.revalue(edit, self.chance))

    def rebind(self) -> Delta | None:
        return self._changed(lambda choices, edit: choices.rebind(edit, self.fetch, self.chance))

    def _changed(self, change: Callable[[_Choices, Edit], Edit | None]) -> Delta | None:
        at = int(self.chance() * len(self.delta))
        edit = self.delta[at]
        choices = next((one for one in self.choices if one.relation == edit.relation), None)
        new = change(choices, edit) if choices else None
        return None if new == edit else self._with(self.delta[:at], new, self.delta[at + 1 :])

    def _with(self, ahead: Delta, edit: Edit | None, behind: Delta) -> Delta | None:
        if edit is None or any(other[:2] == edit[:2] for other in (*ahead, *behind)):
            return None
        return (*ahead, edit, *behind)


def _choices(
    relation: Relation,
    keys: set[Key],
    values: set[Any],
    ids: Mapping[str, tuple[str, ...]],
    unit: bool,
    admit: Admit | None,
) -> _Choices:
    value, made = relation.value, None
    columns = tuple(_candidates(type_, {key[at] for key in keys}, ids) for at, (_, type_) in enumerate(relation.key))
    if value.kind == "record":
        made = value.python
        parts = enumerate(type_ for _, type_ in value.fields)
        slots = tuple(_slot(type_, {found[at] for found in values}, ids) for at, type_ in parts)
    else:
        slots = (_Slot(value, (True,)) if unit and value.kind == "bool" else _slot(value, values, ids),)
    closed = all(type_.kind in ("ref", "enum", "bool") for _, type_ in relation.key)
    full = bool(keys) and closed and len(keys) == prod(map(len, columns))
    return _Choices(relation.name, tuple(sorted(keys)), columns, slots, made, full, admit)


def _slot(type_: Type, seen: set[Any], ids: Mapping[str, tuple[str, ...]]) -> _Slot:
    return _Slot(type_, _candidates(type_, seen, ids) or _default(type_))


def _candidates(type_: Type, seen: set[Any], ids: Mapping[str, tuple[str, ...]]) -> tuple[Any, ...]:
    """Sorted, distinct."""
    if type_.kind == "ref":
        return ids.get(type_.entity, ())
    return {"enum": type_.choices, "bool": (False, True)}.get(type_.kind) or tuple(sorted(seen))


def _default(type_: Type) -> tuple[Any, ...]:
    """What may stand where no value was seen: the number nearest to 0, or nothing written; no ref."""
    if type_.kind == "ref":
        return ()
    value = type_.python()
    if type_.low is not None:
        value = max(value, type_.low)
    if type_.high is not None:
        value = min(value, type_.high)
    value = type_.python(value)
    return () if type_.problem(value) else (value,)


def _rounds(draws: Sequence[Callable[[], _T | None]], k: int, same: Callable[[_T], Hashable]) -> list[_T]:
    """Draw in turns until there are `k` results or no draw yields a new one; those of which `same` is equal are one."""
    found: dict[Hashable, _T] = {}
    while draws and len(found) < k:
        going = []
        for draw in draws:
            if len(found) == k:
                break
            for _ in range(TRIES):
                result = draw()
                if result is not None and (mark := same(result)) not in found:
                    found[mark] = result
                    going.append(draw)
                    break
        draws = going
    return list(found.values())

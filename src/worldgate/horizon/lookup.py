"""The nearest transition seen: what happened to others is expected to happen again, under other names.

What is compared are the facts that an action touches: those with one of its words in their key or value, and those
about the world as a whole. Words are lifted to their places and other ids to "some other", so that `connect h1 h2 80`
can be found by `connect h7 h3 22`. The delta found is renamed the same way; an edit of a number counts as a step from
the old value where the steps seen for the shape are fewer than the values.

A transition that agrees in everything but numbers and texts is found by one look into a table; else the transitions
that share the rarest facts are ranked by overlap, a limited number of them, so the cost does not grow with what was
learned (it does with the state, which is searched for the facts touched); memory does. A delta that names things which
are no words of the action is taken as it is.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

from ..facts import Delta, Edit, Key, Schema, State, Type, Value
from .induction.reading import Call, read, typed
from .predictor import Prediction

MOST_ALIKE = 16
"""Transitions kept that differ in numbers and texts alone: the last ones."""
MOST_RANKED = 64
"""Groups that are ranked where no group fits exactly, and groups remembered for one fact."""

Features = frozenset[tuple[Any, ...]]


class _Word(NamedTuple):
    """Stands for the action's word at a place."""

    place: int


class _Lifted(NamedTuple):
    """An edit with words in the places of what they named; `step` is the difference where both values are numbers."""

    relation: str
    key: tuple[Any, ...]
    after: Any
    step: int | None


class _Lesson(NamedTuple):
    """One transition seen: its touched facts in full, and its edits."""

    facts: Features
    edits: tuple[_Lifted, ...]


class _Group(NamedTuple):
    """Transitions whose touched facts agree but for numbers and texts."""

    coarse: Features
    lessons: deque[_Lesson]


class _Shape:
    """What was seen of the actions of one name and number of words."""

    def __init__(self) -> None:
        self.groups: dict[Features, _Group] = {}
        self.sharing: dict[tuple[Any, ...], deque[_Group]] = {}
        self.values: dict[str, tuple[set[Value | None], set[int]]] = {}

    def add(self, coarse: Features, lesson: _Lesson) -> None:
        group = self.groups.get(coarse)
        if group is None:
            group = self.groups[coarse] = _Group(coarse, deque(maxlen=MOST_ALIKE))
            for feature in coarse:
                self.sharing.setdefault(feature, deque(maxlen=MOST_RANKED)).append(group)
        group.lessons.append(lesson)
        for edit in lesson.edits:
            if edit.step is not None:
                values, steps = self.values.setdefault(edit.relation, (set(), set()))
                values.add(edit.after)
                steps.add(edit.step)

    def nearest(self, coarse: Features, facts: Features) -> tuple[float, _Lesson] | None:
        """The overlap (Jaccard) with the nearest lesson, and the lesson; of equally near ones the last."""
        group = self.groups.get(coarse)
        if group is None:
            near = list(self._sharing(coarse))
            if not near:
                return None
            group = max(near, key=lambda one: _overlap(one.coarse, coarse))
        overlaps = [(_overlap(lesson.facts, facts), lesson) for lesson in reversed(group.lessons)]
        return max(overlaps, key=lambda found: found[0])

    def _sharing(self, coarse: Features) -> Iterator[_Group]:
        """Groups that share a fact, those that share a rare one first."""
        rare = sorted(coarse & self.sharing.keys(), key=lambda feature: (len(self.sharing[feature]), repr(feature)))
        seen: set[int] = set()
        for feature in rare:
            for group in reversed(self.sharing[feature]):
                if id(group) not in seen:
                    seen.add(id(group))
                    yield group
                if len(seen) >= MOST_RANKED:
                    return


class Lookup:
    """Predicts by the nearest transition seen. Uncertainty is 1 - overlap; 1.0 where nothing comparable was seen."""

    name = "lookup"

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._shapes: dict[tuple[str, int], _Shape] = {}

    def learn(self, state: State, action: Any, delta: Delta) -> None:
        """Take in the truth of one step. Edits that the schema does not know are a numbered error."""
        for relation, key, _, after in delta:
            self._schema.check(relation, key, after)
        call = read(action)
        coarse, facts = self._touched(state, call)
        edits = tuple(self._lifted(edit, call) for edit in delta)
        self._shapes.setdefault(call.shape, _Shape()).add(coarse, _Lesson(facts, edits))

    def predict(self, state: State, action: Any) -> Prediction:
        """The delta of the nearest transition, renamed."""
        call = read(action)
        shape = self._shapes.get(call.shape)
        found = shape and shape.nearest(*self._touched(state, call))
        if not shape or not found:
            return Prediction((), 1.0)
        overlap, lesson = found
        edits = (self._renamed(edit, call, state, shape) for edit in lesson.edits)
        return Prediction(tuple(edit for edit in edits if edit is not None), 1.0 - overlap)

    def _touched(self, state: State, call: Call) -> tuple[Features, Features]:
        """The facts touched, lifted: without numbers and texts, and with them."""
        words = {word: place for place, word in reversed(tuple(enumerate(call.words)))}
        pairs = combinations(enumerate(call.words), 2)
        order = [("order", one, other, (left > right) - (left < right)) for (one, left), (other, right) in pairs]
        coarse: set[tuple[Any, ...]] = set(order)
        fine: Counter[tuple[Any, ...]] = Counter(order)
        for relation, key, value in state.facts():
            if not key or not words.keys().isdisjoint(key) or (isinstance(value, str) and value in words):
                declared = self._schema.relation(relation)
                lifted = tuple(_some(part, type_, words) for part, (_, type_) in zip(key, declared.key, strict=True))
                coarse.add((relation, lifted, _some(value, declared.value, words)))
                fine[relation, lifted, _some(value, declared.value, words, exact=True)] += 1
        return frozenset(coarse), frozenset((*feature, count) for feature, count in fine.items())

    def _lifted(self, edit: Edit, call: Call) -> _Lifted:
        relation = self._schema.relations[edit.relation]
        key = tuple(_lift(part, type_, call) for part, (_, type_) in zip(edit.key, relation.key, strict=True))
        before, after = edit.before, edit.after
        step = after - before if type(before) is int and type(after) is int else None
        return _Lifted(edit.relation, key, _lift(after, relation.value, call), step)

    def _renamed(self, edit: _Lifted, call: Call, state: State, shape: _Shape) -> Edit | None:
        """The edit for this action, or None where it changes nothing or the schema has no such fact or value."""
        relation = self._schema.relations[edit.relation]
        key: Key = tuple(_name(part, type_, call) for part, (_, type_) in zip(edit.key, relation.key, strict=True))
        if any(type_.problem(part) for part, (_, type_) in zip(key, relation.key, strict=True)):
            return None
        before, after = state.get(edit.relation, key), _name(edit.after, relation.value, call)
        values, steps = shape.values.get(edit.relation, ((), ()))
        if edit.step is not None and type(before) is int and len(steps) < len(values):
            after = before + edit.step
        if before == after or (edit.after is not None and relation.value.problem(after)):  # None: no such value
            return None
        return Edit(edit.relation, key, before, after)


def _some(value: Value, type_: Type, words: dict[str, int], *, exact: bool = False) -> Any:
    """A value as a feature: a word's place, some other id, or itself; numbers and texts only where `exact`."""
    if isinstance(value, str) and value in words:
        return _Word(words[value])
    if type_.entity:
        return "some other"
    return value if exact or type_.kind in ("bool", "enum") else type_.kind


def _lift(value: Value | None, type_: Type, call: Call) -> Any:
    """The place of the first word that means this value, else the value. Enums and truth values stay."""
    if value is not None and type_.kind not in ("bool", "enum"):
        for place, word in enumerate(call.words):
            if typed(word, type_) == value:
                return _Word(place)
    return value


def _name(part: Any, type_: Type, call: Call) -> Any:
    """What a lifted part means for this action."""
    return typed(call.words[part.place], type_) if isinstance(part, _Word) else part


def _overlap(one: Features, other: Features) -> float:
    """Jaccard: the share of common ones among all; two empty sets agree."""
    every = len(one | other)
    return len(one & other) / every if every else 1.0

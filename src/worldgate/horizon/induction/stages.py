"""Which facts are explained first: what is known of the state to come, the rest may be explained by.

First every relation that an action changes is explained by the state before. Relations for which that does not do are
explained once more, one after the other, from those of many facts to those of few: each by the state before and what
becomes of the relations explained already. In a prediction these are predictions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ...facts import Key, Relation, Schema, Value
from .addresses import addresses, domains
from .effects import Effect, Target, explained, target, target_of_each
from .language import Language
from .reading import broad
from .study import Seen, Study
from .table import Row, Table, Words
from .told import NEW, Told
from .tree import Leaf

Edits = Sequence[Mapping[Key, Value | None]]
"""What becomes of the facts of a relation in each transition."""
TRUSTED = 2
"""What becomes of a relation's facts explains others if not more than one edit in so many is wrong."""


class Rules(NamedTuple):
    """The effects of a shape, in the order in which they are to be asked; `beyond`: transitions with edits beyond them;
    `new`: relations what becomes of which later effects may ask for."""

    effects: list[Effect]
    beyond: int
    new: frozenset[str]

    def predict(self, state: Told, words: Words) -> Iterator[tuple[Effect, Key, Value | None, Leaf]]:
        """(effect, key, value afterwards, the leaf that says so) of each fact that the effects speak of; the first
        one that speaks of a fact is right."""
        for name, group in groupby(self.effects, lambda effect: effect.relation):
            after: dict[Key, Value | None] = {}
            for effect in group:
                for key, value, leaf in effect.predict(state, words):
                    after.setdefault(key, value)
                    yield effect, key, value, leaf
            if name in self.new:
                state = state.with_new(name, after.items())


class _Found(NamedTuple):
    effects: list[Effect]
    wrong: int
    beyond: set[int]


def learned(language: Language, seen: Sequence[Seen]) -> Rules:
    """The effects of a shape of action."""
    edited: dict[str, list[dict[Key, Value | None]]] = {}
    for number, one in enumerate(seen):
        for name, key, _, after in one.delta:
            edited.setdefault(name, [{} for _ in seen])[number][key] = after
    found = _first(language, seen, edited)
    poor = [name for name in edited if found[name].wrong or found[name].beyond]
    order, new = [name for name in edited if name not in poor], set[str]()
    if language.with_records:
        many: Counter[Any] = Counter()
        for name in poor:
            kind = _kind(language, name)
            many[kind] = max(many[kind], len({key for row in edited[name] for key in row}))
        poor.sort(key=lambda name: (-many[_kind(language, name)], found[name].wrong))
        for name in order:
            language, seen = _with_new(language, seen, name, edited[name])
            new.add(name)
        for name in poor:
            again = _again(language, seen, name, edited[name])
            if (len(again.beyond), again.wrong) <= (len(found[name].beyond), found[name].wrong):
                found[name] = again
            if TRUSTED * found[name].wrong <= sum(map(len, edited[name])):
                language, seen = _with_new(language, seen, name, edited[name])
                new.add(name)
    effects = [effect for name in (*order, *poor) for effect in found[name].effects]
    return Rules(effects, len({number for one in found.values() for number in one.beyond}), frozenset(new))


def _kind(language: Language, name: str) -> tuple[Any, ...]:
    return tuple(broad(type_) for _, type_ in language.schema.relations[name].key)


def _with_new(language: Language, seen: Sequence[Seen], name: str, edits: Edits) -> tuple[Language, Sequence[Seen]]:
    """With what becomes of a relation's facts as a relation."""
    schema = language.schema
    one = schema.relations[name]
    relations = [*schema.relations.values(), Relation(f"{NEW}{name}", one.key, one.value)]
    told = [row._replace(state=row.state.with_new(name, changes.items())) for row, changes in zip(seen, edits, strict=True)]
    return language.of_schema(Schema(schema.name, schema.version, relations)), told


def _first(language: Language, seen: Sequence[Seen], edited: Mapping[str, Edits]) -> dict[str, _Found]:
    """Each relation by the state before; facts at keys of words together, of the others only what is simple."""
    study = Study(language, Table([Row(one.state, one.words) for one in seen]))
    together: list[tuple[str, Target]] = []
    found = {name: _Found([], 0, set()) for name in edited}
    for name, edits in edited.items():
        targets, of_each, left = _targets(study, seen, name, edits)
        together += [(name, one) for one in targets]
        found[name].beyond.update(number for number, _ in left)
        for every, one in of_each:
            found[name] = _more(found[name], explained(every, [one], simply=language.with_records))
    for (name, _), one in zip(together, explained(study, [one for _, one in together]), strict=True):
        found[name] = _more(found[name], [one], before=True)
    return found


def _again(language: Language, seen: Sequence[Seen], name: str, edits: Edits) -> _Found:
    """One relation, by the state before and what is known of the one after."""
    study = Study(language, Table([Row(one.state, one.words) for one in seen]))
    targets, of_each, left = _targets(study, seen, name, edits)
    found = _more(_Found([], 0, {number for number, _ in left}), explained(study, targets))
    for every, one in of_each:
        found = _more(found, explained(every, [one]))
    return found


def _targets(
    study: Study, seen: Sequence[Seen], name: str, edits: Edits
) -> tuple[list[Target], list[tuple[Study, Target]], set[tuple[int, Key]]]:
    relation = study.language.schema.relations[name]
    keys, left = addresses(study, relation, edits)
    of_each, left = domains(study.language, relation, seen, left)
    each = [target_of_each(study, relation, domain, seen, edits) for domain in of_each]
    return [target(study, relation, one, edits) for one in keys], each, left


def _more(found: _Found, effects: Sequence[tuple[Effect, int]], *, before: bool = False) -> _Found:
    more = [effect for effect, _ in effects]
    both = [*more, *found.effects] if before else [*found.effects, *more]
    return found._replace(effects=both, wrong=found.wrong + sum(wrong for _, wrong in effects))

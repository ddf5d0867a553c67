"""Which facts are explained first: what is known of the state to come, the rest may be explained by.

First every relation that an action changes is explained by the state before. Relations for which that does not do are
explained once more, one after the other, from those of many facts to those of few: each by the state before and what
becomes of the relations explained already. Last, relations of which that does not do are explained by what earlier
facts of them left to later ones (`folding`). In a prediction these are predictions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ...facts import Key, Relation, Schema, Value
from .addresses import addresses, domains
from .beside import NOTHING, Beside
from .copying import copied
from .effects import Effect, Target, explained, target_at, target_of_each
from .folding import folded
from .language import Language
from .offers import Offers, offered
from .passing import GONE, passed
from .reading import broad
from .study import Seen, Study
from .table import Row, Table, Words
from .terms import Held
from .texts import Digest, Length
from .told import NEW, Told
from .tree import Leaf

Edits = Sequence[Mapping[Key, Value | None]]
"""What becomes of the facts of a relation in each transition."""
TRUSTED = 2
"""What becomes of a relation's facts explains others if not more than one edit in so many is wrong."""


Saying = tuple[Effect, Key, Value | None, Leaf]


class Rules(NamedTuple):
    """The effects of a shape, in the order in which they are to be asked; `beyond`: transitions with edits beyond them;
    `new`: relations what becomes of which later effects may ask for; `folded`: those whose facts may ask what becomes
    of earlier ones; `passing`: what facts become on the way to what they are in the end; `beside`: what they
    are told beside a state."""

    effects: list[Effect]
    beyond: int
    new: frozenset[str]
    folded: frozenset[str] = frozenset()
    offers: tuple[Offers, ...] = ()
    passing: Sequence[Effect] = ()
    beside: Beside = NOTHING

    def predict(self, state: Told, words: Words) -> Iterator[Saying]:
        """(effect, key, value afterwards, the leaf that says so) of each fact that the effects speak of; of those that
        change a fact the first is right."""
        state, words = self.beside.told(state, words)
        for one in self.offers:
            state = state.with_table(one.relation.name, one.facts(state.state, words))
        if not self.folded:
            return iter(self._once(state, words)[0])
        for name in self.new:
            state = state.with_new(name, ())
        said, after = self._once(state, words)
        # the first fact is right at once and each time one more is, as facts ask what becomes of earlier ones alone
        for _ in range(len(said)):
            before, (said, after) = after, self._once(after, words)
            if after.tables == before.tables:
                break
        return iter(said)

    def passed(self, state: Told, words: Words) -> dict[tuple[str, Key], Value | None]:
        """What facts become on the way; None for absent."""
        if not self.passing:
            return {}
        state, words = self.beside.told(state, words)
        found: dict[tuple[str, Key], Value | None] = {}
        for effect in self.passing:
            absent = isinstance(keep := effect.answers[0], Held) and keep.relation.startswith(GONE)
            said = ((key, value) for key, value, _ in effect.predict(state, words) if value is not None)
            found |= {(effect.relation, key): None if absent else value for key, value in said}
        return found

    def _once(self, state: Told, words: Words) -> tuple[list[Saying], Told]:
        """The same where what becomes of facts is asked of the state if it is asked before it is said; and the state
        with all that was said."""
        said: list[Saying] = []
        for name, group in groupby(self.effects, lambda effect: effect.relation):
            after: dict[Key, Value | None] = {}
            for effect in group:
                for key, value, leaf in effect.predict(state, words):
                    if value != state.get(name, key):
                        after.setdefault(key, value)
                    said.append((effect, key, value, leaf))
            if name in self.new:
                state = state.with_new(name, after.items())
        return said, state


class _Found(NamedTuple):
    effects: list[Effect]
    wrong: int
    beyond: set[int]


def learned(language: Language, seen: Sequence[Seen]) -> Rules:
    """The effects of a shape of action."""
    passing = passed(language, seen)
    edited: dict[str, list[dict[Key, Value | None]]] = {}
    for number, one in enumerate(seen):
        for name, key, _, after in one.delta:
            edited.setdefault(name, [{} for _ in seen])[number][key] = after
    found = _first(language, seen, edited)
    poor = [name for name in edited if language.with_records and (found[name].wrong or found[name].beyond)]
    order, new = [name for name in edited if name not in poor], set[str]()
    order += _fine_first(language, poor, edited, found)
    languages, offers = dict[str, Language](), list[Offers]()
    for name in order:
        languages[name] = language
        if name in poor:
            again = _again(language, seen, name, edited[name], found)
            if (len(again.beyond), again.wrong) <= (len(found[name].beyond), found[name].wrong):
                found[name] = again
            more = _offered(language, seen, name, edited[name], found)
            if more is not None:
                found[name] = more[0]
                offers.append(more[1])
        few = TRUSTED * (found[name].wrong + len(found[name].beyond)) <= sum(map(len, edited[name]))
        if poor and found[name].effects and few and f"{NEW}{name}" not in language.schema.relations:
            language, seen = _with_new(language, seen, name, edited[name])
            new.add(name)
    folds = {name for name in order if name in new and _folded(languages[name], seen, name, edited[name], found)}
    effects = [effect for name in order for effect in found[name].effects]
    beyond = len({number for one in found.values() for number in one.beyond})
    return Rules(effects, beyond, frozenset(new), frozenset(folds), tuple(offers), passing)


def _fine_first(
    language: Language, names: Sequence[str], edited: Mapping[str, Edits], found: Mapping[str, _Found]
) -> list[str]:
    """Relations of many facts before those of few, as sums are of many; of one kind those with fewer errors first."""
    many: Counter[Any] = Counter()
    for name in names:
        kind = _kind(language, name)
        many[kind] = max(many[kind], len({key for row in edited[name] for key in row}))
    return sorted(names, key=lambda name: (-many[_kind(language, name)], found[name].wrong))


def _kind(language: Language, name: str) -> tuple[Any, ...]:
    return tuple(broad(type_) for _, type_ in language.schema.relations[name].key)


def _with_new(language: Language, seen: Sequence[Seen], name: str, edits: Edits) -> tuple[Language, Sequence[Seen]]:
    """With what becomes of a relation's facts as a relation."""
    schema = language.schema
    one = schema.relations[name]
    relations = [*schema.relations.values(), Relation(f"{NEW}{name}", one.key, one.value)]
    told = [
        row._replace(state=row.state.with_new(name, changes.items())) for row, changes in zip(seen, edits, strict=True)
    ]
    return language.of_schema(Schema(schema.name, schema.version, relations)), told


def _first(language: Language, seen: Sequence[Seen], edited: Mapping[str, Edits]) -> dict[str, _Found]:
    """Each relation by the state before: facts at keys of words together, of the others only what is simple."""
    study = Study(language, Table([Row(one.state, one.words) for one in seen]))
    every = {name: _targets(study, seen, name, edits) for name, edits in edited.items()}
    together = iter(explained(study, [one for targets, _, _ in every.values() for one in targets]))
    return {
        name: _found([next(together) for _ in targets], of_each, left, simply=language.with_records)
        for name, (targets, of_each, left) in every.items()
    }


def _again(
    language: Language,
    seen: Sequence[Seen],
    name: str,
    edits: Edits,
    found: Mapping[str, _Found],
    taken: Sequence[Collection[Key]] = (),
) -> _Found:
    """One relation, by the state before and what is known of the one after, and how long the texts found are; but for
    the facts that are `taken`."""
    study = Study(language, Table([Row(one.state, one.words) for one in seen]))
    answers = (answer for one in found.values() for effect in one.effects for answer in effect.answers)
    study.found += [Length(answer.of) for answer in answers if isinstance(answer, Digest)]
    targets, of_each, left = _targets(study, seen, name, edits, taken)
    return _found(explained(study, targets), of_each, left, simply=False)


def _offered(
    language: Language, seen: Sequence[Seen], name: str, edits: Edits, found: Mapping[str, _Found]
) -> tuple[_Found, Offers] | None:
    """One relation, by what linked facts offer first, if that is worth it."""
    relation = language.schema.relations[name]
    known = found[name]
    poor = (known.wrong or known.beyond) and not language.ways  # walks say what linked facts do
    best = offered(language, seen, relation, edits, known.effects) if poor else None
    if best is None:
        return None
    taken = [row.keys() - rest.keys() for row, rest in zip(edits, best.left, strict=True)]
    rest = _again(language, seen, name, best.left, found, taken)
    return _Found([best.effect, *rest.effects], rest.wrong + best.wrong, rest.beyond), best.offers


def _folded(language: Language, seen: Sequence[Seen], name: str, edits: Edits, found: dict[str, _Found]) -> bool:
    """Whether a relation is explained better by what earlier facts of it leave to later ones; then it is."""
    effects, wrong, beyond = found[name]
    if not wrong or len(effects) != 1 or effects[0].each not in language.schema.relations:
        return False
    others = [effect for other in found if other != name for effect in found[other].effects]
    relation, domain = (language.schema.relations[one] for one in (name, effects[0].each))
    every, target = target_of_each(language, relation, domain, seen, edits)
    again = folded(every, target, effects[0], others)
    if again is None or again[1] >= wrong:
        return False
    found[name] = _Found([again[0]], again[1], beyond)
    return True


def _targets(
    study: Study, seen: Sequence[Seen], name: str, edits: Edits, taken: Sequence[Collection[Key]] = ()
) -> tuple[list[Target], list[tuple[Study, Target]], set[int]]:
    """Facts at keys of words, facts at the keys of each of another relation, and transitions with edits of neither."""
    relation = study.language.schema.relations[name]
    keys, left = addresses(study, relation, edits)
    each, left = copied(study, relation, seen, edits, left)
    of_each, left = domains(study.language, relation, seen, left)
    each += [target_of_each(study.language, relation, domain, seen, edits, taken=taken) for domain in of_each]
    return [target_at(study, relation, one, edits) for one in keys], each, {number for number, _ in left}


def _found(
    effects: Sequence[tuple[Effect, int]], of_each: Sequence[tuple[Study, Target]], left: set[int], *, simply: bool
) -> _Found:
    both = [*effects, *(explained(every, [one], simply=simply)[0] for every, one in of_each)]
    return _Found([effect for effect, _ in both], sum(wrong for _, wrong in both), left)

"""One fact after another: what becomes of a fact where the facts before it of the same step have had their effect.

Rules about each fact of a relation read the state before, as if each were alone. Where that does not do, they are
learned once more with terms that read what the earlier ones left: the sum of a number over the earlier facts that are
about the same thing (what they used up of it), and, of values that are such sums in the end (`gathering`), how far they
have come. Which of two facts is the earlier one is decided by a number of theirs, then by their key; by which number
is tried out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, is_dataclass
from itertools import accumulate, combinations
from typing import Any

from ...facts import INT, Relation, Schema, Type
from .arithmetic import Chosen, Field, Made, Total, numbers
from .effects import Effect, Target, concluded, goals_of
from .gathering import Gathered
from .goals import Goal, remembered, settle, solve
from .language import Language
from .reading import broad
from .study import Study
from .table import Table, Term, facts_table, key_column, located
from .terms import Held, Part
from .told import NEW

MOST_THINGS = 2
"""Things that facts are about which share what is used up: a symbol, an account and a currency."""


@dataclass(frozen=True, eq=False)
class Earlier:
    """The sum of `amount` over the facts of a relation whose `joins` are what `keys` are here and whose `places` come
    before the place `own` here."""

    relation: str
    joins: tuple[Term, ...]
    keys: tuple[Term, ...]
    amount: Term
    places: tuple[Term, ...]
    own: tuple[Term, ...]
    type: Type = INT
    cost: float = 3.0

    def column(self, table: Table) -> list[Any]:
        facts = facts_table(table, self.relation)
        found: dict[Any, list[tuple[Any, int]]] = {}
        columns = (located(facts, self.joins), key_column(facts, self.places), facts.filled(self.amount))
        for (state, key), place, amount in zip(*columns, strict=True):
            if None not in (*key, *place):
                found.setdefault((state, key), []).append((place, amount))
        sums = {}
        for key, rows in found.items():
            rows.sort()
            sums[key] = [place for place, _ in rows], [0, *accumulate(amount for _, amount in rows)]
        here = zip(located(table, self.keys), key_column(table, self.own), strict=True)
        return [_before(sums.get(key), place) for key, place in here]

    def __str__(self) -> str:
        by = f" by {self.places[0]}" if not isinstance(self.places[0], Part) else ""
        return f"sum {self.amount} of earlier {self.relation}({', '.join(map(str, self.joins))}){by}"


def _before(sums: tuple[list[Any], list[int]] | None, place: Any) -> int:
    if sums is None or None in place:
        return 0
    return sums[1][bisect_left(sums[0], place)]


Place = tuple[tuple[Term, ...], tuple[Term, ...]]
"""What the facts of a relation are ordered by: as terms about one of them, and as terms about the fact looked at."""


class Fold:
    """The terms for a rule about each fact of `domain`, of what becomes of `relation` there."""

    def __init__(self, language: Language, relation: Relation, domain: Relation) -> None:
        new = Relation(f"{NEW}{relation.name}", relation.key, relation.value)
        schema = language.schema
        known = language.of_schema(Schema(schema.name, schema.version, [*schema.relations.values(), new]))
        self.here, self.there, self.new = language.of_each(domain), known.of_each(new), new
        # what becomes of an earlier fact itself is known; what becomes of things that facts are about is not yet
        alike = {f"{NEW}{one.name}" for one in schema.relations.values() if _kinds(one) == _kinds(relation)}
        self.domain, self._asks = domain, {*known.schema.relations, *alike}
        self._near, self._far = self.here.nearest(domain), self.there.nearest(new)

    def places(self) -> list[Place]:
        """The orders in which facts may follow one another: by one of their numbers and by their key, or by that."""
        sides = []
        for language in (self.there, self.here):
            held = Held(self.domain.name, language.parts, broad(self.domain.value))
            numbers = language.of_type([held, *language.fields(held)], INT)
            sides.append([language.parts, *((number, *language.parts) for number in numbers)])
        return list(zip(*sides, strict=True))

    def used(self, place: Place, keep: Term) -> Iterator[Term]:
        """What earlier facts have of this number in all: those about the same things."""
        amount: Term = Held(self.new.name, place[0][-len(self.new.key) :], broad(self.new.value))
        if isinstance(keep, Field):
            amount = Field(amount, keep.index, keep.name, keep.type)
        things = [type_ for type_ in self._near if type_ in self._far]
        groups = [group for count in range(1, MOST_THINGS + 1) for group in combinations(things, count)]
        for group in groups:
            joins, keys = (tuple(known[type_] for type_ in group) for known in (self._far, self._near))
            yield Earlier(self.new.name, joins, keys, amount, *place)

    def come(self, place: Place, effects: Sequence[Effect]) -> Iterator[Term]:
        """Values that are sums over these facts in the end, as the earlier ones left them."""
        for keep, total in _sums(effects, {self.new.name, self.domain.name}):
            if all(join.type in self._near for join in total.joins) and set(_asked(total.amount, set())) <= self._asks:
                keys = tuple(self._near[join.type] for join in total.joins)
                yield Total((_at(keys, keep), Earlier(total.relation, total.joins, keys, total.amount, *place)))


def folded(every: Study, target: Target, effect: Effect, effects: Sequence[Effect]) -> tuple[Effect, int] | None:
    """A rule about each fact of which those values are learned once more that terms about earlier facts explain better;
    None where there are none. `effects`: of other relations. The states of the table know what becomes of the facts."""
    whole, parts = goals_of(every, target)
    goals = parts or [whole]
    if len(effect.values) != len(goals):
        return None
    remembered(every, goals, effect.values)
    poor = [goal for goal in goals if goal.wrong and goal.type.kind == "int"]
    fold = Fold(every.language, target.relation, every.language.schema.relations[effect.each])
    sums = [(place, list(fold.come(place, effects))) for place in fold.places() if poor]
    tried = [[_tried(every, goal, come, list(fold.used(place, goal.keep))) for goal in poor] for place, come in sums]
    best = max(tried, key=lambda rows: sum(right for right, _ in rows), default=[])
    anew = {goal.name: (goal, terms) for goal, (right, terms) in zip(poor, best, strict=False) if right}
    if not anew:
        return None
    offered = dict.fromkeys(term for _, terms in anew.values() for term in terms)
    every.found = [*offered, *(term for goal in goals if not goal.wrong for term in goal.news)]
    again = [goal for goal, _ in anew.values()]
    settle(every, again)
    latest = {goal.name: goal.choice for goal in again}
    kept = [goal for goal in goals if goal.wrong and goal.name not in anew]
    remembered(every, kept, [renewed_if_right(every, goal, latest) for goal in kept])
    settle(every, [goal for goal in again if goal.wrong])
    return concluded(every, target, whole, parts)


def _tried(study: Study, goal: Goal, come: Sequence[Term], used: Sequence[Term]) -> tuple[int, list[Term]]:
    """How many of the rows in which a goal is wrong expressions of such terms explain, and the terms to offer."""
    one, wrong = Study(study.language, study.table), goal.missed(study.table.column(goal.choice))
    one.found = [*come, *used, *study.found]
    again = Goal(goal.name, goal.type, goal.keep, goal.after, wrong)
    solve(one, again, [])
    left, useful = wrong, set[Term]()
    for made in again.proposed:
        earlier = {part for part in numbers(made) if isinstance(part, Earlier)}
        if earlier:
            left &= again.missed(study.table.column(made))
            useful |= earlier
    return (wrong & ~left).bit_count(), [*come, *(term for term in used if term in useful)]


def renewed_if_right(study: Study, goal: Goal, latest: Mapping[str, Chosen]) -> Chosen:
    """What was found of a goal, renewed unless it is wrong more often so: a question about what was thought of a value
    is not always one about the value."""
    both: list[Chosen] = [renewed(goal.choice, latest, {}), goal.choice]
    return min(both, key=lambda one: goal.missed(study.table.column(one)).bit_count())


def renewed(what: Any, latest: Mapping[str, Chosen], done: dict[int, Any]) -> Any:
    """A term, literal or tree in which what was learned of a value is what was learned of it last, by its name."""
    if isinstance(what, Chosen) and what.name in latest:
        return latest[what.name]
    if id(what) not in done:
        done[id(what)] = what
        if isinstance(what, tuple):
            parts = [renewed(part, latest, done) for part in what]
            if any(part is not old for part, old in zip(parts, what, strict=True)):
                done[id(what)] = type(what)(*parts) if hasattr(what, "_fields") else tuple(parts)
        elif is_dataclass(what) and not isinstance(what, Type):
            values = {one.name: renewed(getattr(what, one.name), latest, done) for one in fields(what)}
            if any(value is not getattr(what, name) for name, value in values.items()):
                make: Any = type(what)
                done[id(what)] = make(**values)
    return done[id(what)]


def _at(keys: tuple[Term, ...], value: Term) -> Term:
    """The value of the fact at other keys."""
    if isinstance(value, Field):
        return Field(_at(keys, value.of), value.index, value.name, value.type)
    return Held(value.relation, keys, value.type) if isinstance(value, Held) else value


def _kinds(relation: Relation) -> list[Type]:
    return [broad(type_) for _, type_ in relation.key]


def _sums(effects: Sequence[Effect], relations: Set[str]) -> Iterator[tuple[Term, Gathered]]:
    """Values that change by a sum over these facts, as they were before, and the sums."""
    for effect in effects:
        for whole in effect.answers:
            for part in whole.parts if isinstance(whole, Made) else [whole]:
                for answer in part.answers if isinstance(part, Chosen) else [part]:
                    match answer:
                        case Total(more=(Field() | Held() as keep, Gathered(relation=name) as total)) if (
                            name in relations
                        ):
                            yield keep, total


def _asked(what: Any, done: set[int]) -> Iterator[str]:
    """The relations that a term asks, each at least once."""
    if id(what) in done or isinstance(what, Type):
        return
    done.add(id(what))
    if isinstance(what, tuple):
        for part in what:
            yield from _asked(part, done)
    elif is_dataclass(what):
        for one in fields(what):
            value = getattr(what, one.name)
            if not isinstance(value, str):
                yield from _asked(value, done)
            elif one.name in ("relation", "amount", "only"):
                yield value

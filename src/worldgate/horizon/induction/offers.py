"""Offers: facts that follow from several linked facts, and of all that are said of one the best.

Where edits are not explained by facts at keys of terms, joins that say them are mined (`mining`), by their keys and the
ids, the texts and the first numbers of their values. What they say in a state are *offers*, facts of a relation of its
own that no world has: a key, those parts of the value, and whatever else the linked facts are about. Rules about each
offer tell whether the fact is to become that, and the rest of the value. Of several offers for one fact the least is
taken, by an order over numbers and columns that is found from examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import msgspec

from ...facts import BOOL, Key, Relation, Schema, State, Type, Value
from .arithmetic import Total
from .effects import Effect, Target, concluded, goals_of
from .goals import settle
from .joins import Columns, Join, Source, Written
from .language import Language
from .mining import FEWEST, Edited, Miner
from .reading import broad
from .study import Seen, Study
from .table import Row, Table, Term, Words, packed, spaced, spread
from .terms import Held

OFFERED = "offered_"
MOST_ROWS = 6_000
"""Offers that a rule is learned from."""
MOST_NUMBERS = 2
"""Numbers of a value that linked facts have to say."""
MOST_MINED, MOST_CHECKED = 60, 400
"""Edits that joins are mined from, evenly spaced among those not explained; and those by which it is told what always
holds of the things in them."""


def said_by(relation: Relation) -> dict[int, tuple[str, Type]]:
    """The ids, the texts and the first numbers of a relation's value, with their names, by place."""
    parts = relation.value.parts
    numbers = [place for place, (_, type_) in enumerate(parts) if type_.kind == "int"][:MOST_NUMBERS]
    return {at: one for at, one in enumerate(parts) if one[1].kind in ("ref", "text") or at in numbers}


class Offers:
    """The offers of some joins as a relation."""

    def __init__(self, schema: Schema, of: str, joins: Sequence[Written]) -> None:
        self.of, self.written = of, tuple(joins)
        first = joins[0]
        own = [*schema.relations[of].key, *said_by(schema.relations[of]).values()]
        more = [schema.relations[first.facts[source.row - 1]].key[0] for source in first.key[len(own) :]]
        names = [f"{name}{number}" for number, (name, _) in enumerate([*own, *more])]
        types = [type_ for _, type_ in (*own, *more)]
        self.relation = Relation(f"{OFFERED}{of}", tuple(zip(names, types, strict=True)), BOOL)
        known = Schema(schema.name, schema.version, [*schema.relations.values(), self.relation])
        self._columns, self._joins = Columns(schema), [Join(one, known) for one in joins]

    def facts(self, state: State, words: Words) -> Mapping[Key, Value]:
        """What is offered in a state."""
        rows, texts = self._columns.of(state), tuple(str(word) for word in words)
        said = (join.said(bound) for join in self._joins for bound in join.bound(state, rows, texts))
        return dict(filter(None, said))


class Best(NamedTuple):
    """A rule about offers, the edits that it leaves, and how many facts it is right and wrong about."""

    effect: Effect
    offers: Offers
    left: Sequence[Mapping[Key, Value | None]]
    right: int
    wrong: int


def offered(
    language: Language,
    seen: Sequence[Seen],
    relation: Relation,
    edits: Sequence[Mapping[Key, Value | None]],
    effects: Sequence[Effect],
) -> Best | None:
    """A rule about each offer that says edits which these effects do not; None where there is none."""
    schema = seen[0].state.schema
    missed = list(_missed(seen, relation, edits, effects)) if relation.name in schema.relations else []
    apart = [_apart(relation, one) for one in missed]
    found = []
    for some in (missed, apart) if apart != missed else (missed,):
        offers = _mined(schema, relation, some)
        if offers is not None:
            found.append(_tried(language, seen, relation, edits, offers))
    best = max(found, key=lambda one: one.right - one.wrong, default=None)
    return best if best is not None and best.right > best.wrong else None


def _tried(
    language: Language,
    seen: Sequence[Seen],
    relation: Relation,
    edits: Sequence[Mapping[Key, Value | None]],
    offers: Offers,
) -> Best:
    """The rule about these offers."""
    told = [offers.facts(one.state.state, one.words) for one in seen]
    some = list(spread([sorted(facts) for facts in told], MOST_ROWS))
    rows = [Row(seen[number].state, seen[number].words, key) for number, key in some]
    study = Study(language.of_each(offers.relation, len(relation.key)), Table(rows))
    effect = _explained(study, relation, offers.relation.name, [edits[number] for number, _ in some])
    right = wrong = 0
    left: list[Mapping[Key, Value | None]] = []
    for one, facts, row in zip(seen, told, edits, strict=True):
        rest = dict(row)
        state = one.state.with_table(offers.relation.name, facts)
        for key, value, _ in effect.predict(state, one.words):
            if key in rest and rest[key] == value:
                del rest[key]
                right += 1
            else:
                wrong += 1
        left.append(rest)
    return Best(effect, offers, left, right, wrong)


def _apart(relation: Relation, one: Edited) -> Edited:
    """The same where what the value says is to be found in facts, though a word of the action says it, too."""
    said = {part for part in one.key[len(relation.key) :] if isinstance(part, str)} - set(one.key[: len(relation.key)])
    return one._replace(words=tuple("" if word in said else word for word in one.words))


def _missed(
    seen: Sequence[Seen],
    relation: Relation,
    edits: Sequence[Mapping[Key, Value | None]],
    effects: Sequence[Effect],
) -> Iterator[Edited]:
    """The facts that come to be, or to say other things, as these effects do not say, as offers."""
    for one, row in zip(seen, edits, strict=True):
        told: dict[Key, Value | None] = {}
        for effect in effects if row else ():
            for key, value, _ in effect.predict(one.state, one.words):
                if value != one.state.get(relation.name, key):
                    told.setdefault(key, value)
        words = tuple(map(str, one.words))
        for key, after in sorted(row.items(), key=lambda pair: pair[0]):
            anew = _things(relation, after) != _things(relation, one.state.get(relation.name, key))
            if after is not None and anew and told.get(key) != after:
                offer = (*key, *_said(relation, after))
                yield Edited(one.state.state, words, f"{OFFERED}{relation.name}", offer, True)


def _mined(schema: Schema, relation: Relation, missed: Sequence[Edited]) -> Offers | None:
    """The joins that say these."""
    offer = Relation(f"{OFFERED}{relation.name}", (*relation.key, *said_by(relation).values()), BOOL)
    miner, layouts = Miner(schema, [offer]), dict[tuple[Type, ...], list[Written]]()
    for one in miner.mined(offer, spaced(missed, MOST_MINED)) if len(missed) >= FEWEST else ():
        if one.facts:
            more = _others(one, schema)
            types = tuple(schema.relations[one.facts[source.row - 1]].key[0][1] for source in more)
            always = miner.always(one, missed[:MOST_CHECKED])
            layouts.setdefault(types, []).append(msgspec.structs.replace(always, key=(*one.key, *more)))
    joins = max(layouts.values(), key=len, default=[])
    return Offers(schema, relation.name, joins) if joins else None


def _said(relation: Relation, value: Any) -> tuple[Any, ...]:
    """What an offer says of a value."""
    parts = relation.row((), value)
    return tuple(parts[place] for place in said_by(relation))


def _things(relation: Relation, value: Any) -> tuple[Any, ...]:
    """The ids and texts of a value; nothing of none."""
    types = said_by(relation).values()
    said = zip(types, _said(relation, value), strict=True) if value is not None else ()
    return tuple(part for (_, type_), part in said if type_.kind != "int")


def _others(join: Written, schema: Schema) -> list[Source]:
    """What else the facts of a join are about: the first columns of theirs that nothing is linked to or taken from."""
    known = {(source.row, source.column) for source in join.key}
    found = []
    for row, (name, (own, to, column)) in enumerate(zip(join.facts, join.links, strict=True), 1):
        if (to, column) in known or (own == 0 and to >= 1 and column == 0):
            known.add((row, own))
        if (row, 0) not in known and schema.relations[name].key and schema.relations[name].key[0][1].entity:
            known.add((row, 0))
            found.append(Source(row, 0))
    return found


def _explained(study: Study, relation: Relation, name: str, edits: Sequence[Mapping[Key, Value | None]]) -> Effect:
    """The rule about each offer. What becomes of a fact that another offer was taken for says nothing of this one."""
    columns = study.language.parts
    count = len(relation.key)
    keys = columns[:count]
    before = study.table.column(Held(relation.name, keys, broad(relation.value)))
    after: list[Value | None] = []
    taken, known = [], []
    for row, edit, old in zip(study.table.rows, edits, before, strict=True):
        key = row.key[:count]
        new = edit.get(key)
        said = new is not None and _said(relation, new) == row.key[count : count + len(said_by(relation))]
        after.append(new if said else old)
        taken.append(said)
        known.append(said or new is None)
    target = Target(relation, keys, name, after, packed(taken))
    whole, fields = goals_of(study, target)
    whole.rows = packed(known)
    parts = fields or [whole]
    settle(study, parts)
    effect, _ = concluded(study, target, whole, fields)
    amounts: list[Term] = [part.choice for part in parts if part.type.kind == "int"]
    return effect._replace(order=_order(study, effect, [*amounts, *columns[count:]], edits))


def _order(
    study: Study, effect: Effect, terms: Sequence[Term], edits: Sequence[Mapping[Key, Value | None]]
) -> tuple[Term, ...]:
    """The order by which most of the facts that several offers are taken for become what the first one says."""
    taken: dict[tuple[int, Key], list[tuple[int, Any]]] = {}
    for row, key, value, _ in effect.taken(study.table):
        taken.setdefault((id(study.table.rows[row].state), key), []).append((row, value))
    several = {place: rows for place, rows in taken.items() if len({value for _, value in rows}) > 1}
    both = [*terms, *(Total((), (term,)) for term in terms if term.type.kind == "int")]
    orders = list(permutations(both, min(2, len(both)))) or [()]

    def right(order: tuple[Term, ...]) -> int:
        columns = [study.table.column(term) for term in order]
        best = (
            (min(rows, key=lambda one: tuple(column[one[0]] for column in columns)), key)
            for (_, key), rows in several.items()
        )
        return sum(edits[row].get(key) == value for (row, value), key in best)

    return max(orders, key=right)


__all__ = ["OFFERED", "Best", "Offers", "offered"]

"""The hypothesis language: which terms and literals a rule about one shape of action may be made of.

Expressible, for the words `?0`, `?1`, ... of an action and the key columns of one fact:

- facts at keys made of these, their presence and values: `up(?0) = true`, `no deny(?1, ?0)`, `clock()`, `link(?0~?1)`;
- one step further: `order_status(payment_order(?0))`, `bin_capacity(arm_at())`;
- equality of two terms, the order of two numbers or two names, comparison with a constant (of numbers, enums, truth
  values and texts that recur; never with the id of an entity);
- how many keys hold a value, and the sum of another fact over them (`count of part_bin = arm_at()`), also with a
  number among the words added;
- whether a path of facts leads from one thing to another, through things of which something is true; where nothing
  else tells examples apart, through things of which several conditions hold (`ways`), and whether there is a fact about
  a thing, also one that conditions hold of (`some`);
- with `records`: fields of records, and a record as a value for each of its fields; the fields and tables of an action
  that is a record; sums, products and quotients of whole numbers, by a unit of the schema and rounded, also to a
  multiple of a third (`arithmetic`), solved for from the examples (`solving`); what was learned of another value of the
  same step (`goals`); a key that is another number and some, so ids that are counted up; the date of a time; facts of
  the state to come that are explained already, `new_order(account, id)` (`stages`); sums over the facts that belong to
  one, of an expression learned where there is but one (`gathering`); the same over the facts before this one, in the
  order of a number of theirs and their key, so what earlier facts used up or left (`folding`); facts that follow from
  several facts linked by what they share, and of all that are said of one the least (`offers`);
- with `records`, too, where a relation leads from a thing by a text to a thing: the stages of the walk that a word is
  (`walks`), what is inside a thing at any depth and whether anything is, ids that say where a thing was made, and
  copies of all that is inside one (`making`); the settings that `${name}` in a word stands for; texts put together of
  others, lists of names, lengths, and digests of texts where a schema says that ids are these (`wording`, `texts`);
  some bits of a number, less those of another (`bits`); what a fact is on the way to what it becomes, where it is
  edited twice.

Not expressible: quantifiers within quantifiers, counts of what conditions hold of, paths under any other condition (so
a walk passes where it may not), other structure inside words (patterns, how names are quoted), what becomes of one fact
by what becomes of another of the same relation but by sums over earlier ones, and whatever happened before the state.
Without paths (`paths=False`) reachability is not expressible either, without records nothing above about them, nor
products and sums of three.

Level 1 has facts at keys of words, and comparisons; level 2 has all. Everything is enumerated in a fixed order, with
limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from functools import cached_property
from itertools import combinations, islice, permutations, product
from typing import Any, NamedTuple

from ...facts import INT, Relation, Schema, Type
from .arithmetic import Field
from .following import Ways
from .literals import Below, Is, Literal, NotAbove, Same
from .making import born
from .reading import broad
from .table import Table, Term
from .terms import Argument, Constant, Day, EitherWay, Held, Inside, Part, Path, Plus, Stage, Sum, is_followed
from .told import NEW

MOST_TERMS = 400
MOST_VALUES = 12
"""Constants that one term is compared with."""
MOST_NUMBERS = 40
"""Terms that are compared with one another as numbers."""

_CONSTANT = frozenset({"bool", "enum", "int", "text"})


class Beyond(NamedTuple):
    """What is found out beyond the schema: facts that have a name, how texts are followed, and facts that say how an
    action ended."""

    named: Sequence[Held] = ()
    ways: Ways | None = None
    endings: Set[str] = frozenset()


NOTHING = Beyond()


class Language:
    """The terms and literals over typed words and, for rules about every fact of `each`, its key."""

    def __init__(
        self,
        schema: Schema,
        words: Sequence[Argument],
        each: Relation | None = None,
        *,
        paths: bool = True,
        records: bool = True,
        about: int | None = None,
        more: Beyond = NOTHING,
    ) -> None:
        self.schema, self.with_paths, self.with_records, self.words = schema, paths, records, words
        self.more, self.named, self.ways = more, more.named, more.ways
        self.made = born(words, more.ways) if more.ways else []
        self.followed = list(filter(is_followed, schema.relations.values())) if records else []
        parts = [Part(index, name, broad(type_)) for index, (name, type_) in enumerate(each.key)] if each else []
        self.parts: tuple[Term, ...] = tuple(parts)
        self.variables: list[Term] = [*words, *parts]
        self._key = tuple(parts[:about])

    def of_type(self, terms: Sequence[Term], type_: Type) -> list[Term]:
        """Those that may stand where a value of this type is asked for."""
        wanted = broad(type_)
        return [term for term in terms if term.type == wanted]

    def of_each(self, relation: Relation, about: int | None = None) -> Language:
        """The same for rules about every fact of a relation; `about`: how many of its columns are the key of the fact
        that becomes something."""
        return self._with(self.schema, relation, about)

    def of_schema(self, schema: Schema) -> Language:
        """The same for rules that know more relations."""
        return self._with(schema)

    def _with(self, schema: Schema, each: Relation | None = None, about: int | None = None) -> Language:
        paths, records = self.with_paths, self.with_records
        return Language(schema, self.words, each, paths=paths, records=records, about=about, more=self.more)

    @cached_property
    def direct(self) -> list[Term]:
        """Facts at keys made of words and columns, and their fields."""
        found = [*self.named, *islice(self._facts(self.variables, 0), MOST_TERMS)]
        every = [term for term in [*self.variables, *found] if not isinstance(term, Stage)]
        texts = [term for term in every if term.type.kind == "text" and self.with_records]
        return [*self._opened(found), *(Day(text, text.type) for text in texts)]

    @cached_property
    def own(self) -> list[Term]:
        """Of rules about every fact: the facts at just its key, and their fields."""
        held = [term for term in self.direct if isinstance(term, Held) and self._key and term.keys == self._key]
        fields = [term for term in self.direct if isinstance(term, Field) and term.of in held]
        return [*fields, *held]

    @cached_property
    def further(self) -> list[Term]:
        """Facts at keys made with the help of a fact, and their fields."""
        found = [term for term in self.direct if term.type.entity]
        return self._opened(list(islice(self._facts([*self.variables, *found], len(found)), MOST_TERMS)))

    def _opened(self, terms: Sequence[Term]) -> list[Term]:
        """These and the fields of records among them."""
        return [*terms, *(part for term in terms for part in self.fields(term))]

    def nearest(self, relation: Relation) -> dict[Type, Term]:
        """The nearest thing of each kind that a fact is about, of rules about every fact of that relation."""
        own = Held(relation.name, self.parts, broad(relation.value))
        found: dict[Type, Term] = {}
        for term in (*self.parts, own, *self.fields(own), *self.direct, *self.further):
            if term.type.entity:
                found.setdefault(term.type, term)
        return found

    def fields(self, term: Term) -> list[Field]:
        """The fields of a record."""
        named = enumerate(term.type.fields if self.with_records else ())
        return [Field(term, index, name, broad(type_)) for index, (name, type_) in named]

    @cached_property
    def units(self) -> list[Constant]:
        """1, and 10**places for the places that the schema's numbers have."""
        values = [relation.value for relation in self.schema.relations.values()]
        places = {type_.places for value in values for _, type_ in value.parts}
        return [Constant(10**count, INT) for count in sorted({0, *places})]

    def keys(self, type_: Type) -> list[Term]:
        """Terms that may name a thing in a key, beside words: facts and, of records, also what is one step further."""
        found = self.of_type(self.direct, type_)
        return found + ([term for term in self.of_type(self.further, type_) if isinstance(term, Field)])

    def _facts(self, terms: list[Term], new: int) -> Iterator[Term]:
        """Facts at every key of these terms; where some are `new` (the last ones), with one of those at least."""
        fresh = set(terms[len(terms) - new :]) if new else set()
        for relation in self.schema.relations.values():
            type_ = broad(relation.value)
            for keys in product(*(self._keys(terms, relation, column) for _, column in relation.key)):
                if (not new or any(key in fresh for key in keys)) and not self._known(relation, keys):
                    yield Held(relation.name, keys, type_)
            if new == 0 and _about_two(relation):
                things = self.of_type(terms, relation.key[0][1])
                yield from (EitherWay(relation.name, *pair, type_) for pair in combinations(things, 2))

    def _keys(self, terms: Sequence[Term], relation: Relation, type_: Type) -> list[Term]:
        """Those of a type with which facts of a relation are looked up."""
        found = self.of_type(terms, type_)
        staged = any(isinstance(term, Stage) for term in terms)
        if not staged:
            return found
        if type_.kind == "text" and is_followed(relation):
            return [one for one in found if isinstance(one, Part) or getattr(one, "name", "") in ("last", "missing")]
        return [term for term in found if not isinstance(term, Stage) or term.is_there]

    def _ended(self, term: Term) -> bool:
        """Whether it says how the action before ended: what follows from that does so by chance."""
        while isinstance(term, Field):
            term = term.of
        return isinstance(term, Held) and term.relation in self.more.endings

    def _tells(self, term: Term, value: Any) -> bool:
        """Whether a rule may be about just this value: not about a name that a rule would know by heart."""
        if term.type.kind != "text" or not self.with_records:
            return True
        if term in self.named or (self.ways and isinstance(term, Stage | Part)):
            return False
        walked = {word.of for word in self.words if isinstance(word, Stage)}
        return str(term) not in walked or not any(mark.isalnum() for mark in value)

    def _known(self, relation: Relation, keys: Sequence[Term]) -> bool:
        """Whether the fact is a stage of a walk, or at a name that only the fact that is looked at has."""
        if not self.ways or not is_followed(relation):
            return False
        kinds = {key.of if isinstance(key, Stage) else type(key) for key in keys}
        return len(kinds) > 1 if Part in kinds else len(kinds) == 1 and not relation.name.startswith(NEW)

    @cached_property
    def sums(self) -> list[Term]:
        """Counts and sums, and these with a word's number added."""
        found: list[Term] = []
        for relation in self.followed:
            things = self._keys(self.variables, relation, relation.value)
            stages = [term for term in things if isinstance(term, Stage | Part)]
            found += [one for term in stages for one in (Inside(relation.name, term), Sum(relation.name, term))]
        for relation in self.schema.relations.values():
            if len(relation.key) == 1 and relation.value.entity:
                of = [None, *self._amounts(relation)]
                held = self.of_type([*self.variables, *self.direct], relation.value)
                found += [Sum(relation.name, term, amount) for term in held for amount in of]
        numbers = [term for term in self.variables if term.type.kind == "int" and not isinstance(term, Stage)]
        found = found[:MOST_NUMBERS]
        return [*found, *(Plus(number, 1, total) for number in numbers for total in found)]

    def _amounts(self, of: Relation) -> Iterator[str]:
        for relation in self.schema.relations.values():
            if relation.key and relation.value.kind == "int" and [t for _, t in relation.key] == [t for _, t in of.key]:
                yield relation.name

    @cached_property
    def paths(self) -> list[Term]:
        """Whether one thing can be reached from another."""
        found: list[Term] = []
        for relation in filter(_about_two, self.schema.relations.values() if self.with_paths else ()):
            entity = relation.key[0][1]
            things = self.of_type(self.variables, entity)
            for only in (None, *self._truths(entity)):
                found += [Path(relation.name, True, only, *pair) for pair in combinations(things, 2)]
                found += [Path(relation.name, False, only, *pair) for pair in permutations(things, 2)]
        for relation in self.followed if self.with_paths else ():
            things = self._keys(self.variables, relation, relation.value)
            stages = [term for term in things if isinstance(term, Stage) and term.name in ("at", "to")]
            below = [term for term in things if not isinstance(term, Stage) or term.name in ("at", "parent")]
            pairs = ((one, other) for one in stages for other in below if one is not other)
            found += [Path(relation.name, False, None, *pair, named=True) for pair in pairs]
        return found[:MOST_TERMS]

    def _truths(self, entity: Type) -> Iterator[str]:
        for relation in self.schema.relations.values():
            if [type_ for _, type_ in relation.key] == [entity] and relation.value.kind == "bool":
                yield relation.name

    def terms(self, level: int) -> list[Term]:
        """All terms of a level, in a fixed order."""
        found = [*self.variables, *self.direct]
        return found if level == 1 else [*found, *self.further, *self.sums, *self.paths]

    def literals(self, level: int, table: Table) -> Iterator[Literal]:
        """All literals of a level, with constants taken from the table, in a fixed order."""
        terms = self.terms(level)
        if self.with_records:  # many of their fields are of facts that never are
            terms = [term for term in terms if not self._ended(term) and table.present(term)]
        for term in terms:
            yield from _about_one(term, table, self._tells)
        by_type: dict[Type, list[Term]] = {}
        for term in terms:
            by_type.setdefault(term.type, []).append(term)
        for type_, group in by_type.items():
            if type_.kind in ("ref", "enum", "text", "int", "decimal"):
                yield from (Same(*pair) for pair in islice(combinations(group, 2), 2 * MOST_TERMS))
            if type_.kind in ("int", "decimal"):
                yield from (Below(*pair) for pair in permutations(_telling(group, table)[:MOST_NUMBERS], 2))
            elif type_.kind in ("ref", "text"):
                yield from (Below(*pair) for pair in combinations([one for one in group if one.cost == 0], 2))


def _about_two(relation: Relation) -> bool:
    """Whether it relates two things of one kind."""
    return len(relation.key) == 2 and relation.key[0][1] == relation.key[1][1] and bool(relation.key[0][1].entity)


def _telling(numbers: Sequence[Term], table: Table) -> list[Term]:
    """Numbers that differ from one another, those first that are most often there."""
    different: dict[tuple[Any, ...], Term] = {}
    for term in numbers:
        different.setdefault(tuple(table.column(term)), term)
    return sorted(different.values(), key=lambda term: -table.present(term).bit_count())


def _about_one(term: Term, table: Table, tells: Callable[[Term, Any], bool]) -> Iterator[Literal]:
    """Presence, values and bounds. Values of ids are left out: a rule that names one is about that one only; so are
    those that do not tell."""
    counts = Counter(table.column(term))
    if None in counts and len(counts) > 1:
        yield Is(term, None)
    if term.type.kind not in _CONSTANT:
        return
    often = sorted((value for value in counts if value is not None), key=lambda value: (-counts[value], value))
    recurring = [value for value in often[:MOST_VALUES] if counts[value] > 1 or term.type.kind != "text"]
    if term.type.kind != "int" or len(often) <= MOST_VALUES:
        yield from (Is(term, value) for value in recurring if tells(term, value))
    if term.type.kind == "int":
        ordered = sorted(often)[:-1]
        step = max(1, len(ordered) // (2 * MOST_VALUES))
        yield from (NotAbove(term, bound) for bound in ordered[::step])

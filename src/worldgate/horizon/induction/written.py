"""Rules as plain data and back, so that what was learned can be kept in a file and asked again, exactly.

Terms and literals are shared by many rules, and made of one another: each is written once, in a list, and named by its
place there. What stands in a field is tagged where it is no plain value: `term`, `terms`, `tree`, `type`, `value`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import msgspec

from ...facts import INT, Key, Schema, Type, value_from_json, value_to_json
from .arithmetic import Chosen, Extreme, Field, Made, Product, Stepped, Total
from .beside import Beside
from .bits import Bits, Octal
from .coding import broad_types
from .effects import Effect
from .folding import Earlier
from .following import Ways
from .gathering import Gathered
from .joins import Written
from .literals import Below, Is, NotAbove, Same
from .making import Born, Copied
from .offers import Offers
from .reading import broad
from .some import Portion, Some
from .stages import Rules
from .terms import Argument, Constant, Day, EitherWay, Held, Inside, Part, Path, Plus, Stage, Sum
from .texts import Digest, Joined, Length, Listed
from .tree import Leaf, Split, Tree
from .walks import Walks
from .ways import Between, Way

_NUMBERS = (Field, Total, Product, Stepped, Extreme, Chosen, Made, Gathered, Earlier)
_TEXTS = (Bits, Octal, Joined, Length, Digest, Listed, Born, Copied)
_LINKS = (Way, Between, Some, Portion)
_TERMS = (Argument, Stage, Part, Constant, Held, Day, EitherWay, Inside, Sum, Path, Plus, *_NUMBERS, *_TEXTS, *_LINKS)
_CLASSES: Mapping[str, type[Any]] = {one.__name__: one for one in (*_TERMS, Is, NotAbove, Same, Below)}
_RECORD = Type("record", fields=(("any", INT),))
"""Of records that the schema does not have: those of an action's tables. Their fields have types of their own."""


class Writer:
    """Gathers the terms of rules."""

    def __init__(self, schema: Schema) -> None:
        self.schema, self.written = schema, list[list[Any]]()
        self._at: dict[int, int] = {}
        self._kept: list[Any] = []  # so that an identity is not used twice

    def rules(self, rules: Rules) -> list[Any]:
        """The rules of a shape; their terms are in `written`."""
        effects, passing = (list(map(self._effect, some)) for some in (rules.effects, rules.passing))
        offers = [[one.of, msgspec.to_builtins(one.written)] for one in rules.offers]
        settings, walks, tables = rules.beside
        known = [[name, [[*key, said] for key, said in table.items()]] for name, table in tables.items()]
        more: list[Any] = [offers, passing, settings, walks, known]
        while more and not more[-1]:
            more.pop()
        return [effects, rules.beyond, sorted(rules.new), sorted(rules.folded), *more]

    def _effect(self, one: Effect) -> list[Any]:
        order = [self._terms(one.order)] if one.order else []
        return [one.relation, one.each, *map(self._terms, (one.keys, one.answers)), self._tree(one.tree), *order]

    def _terms(self, terms: Sequence[Any]) -> list[int]:
        return [self._term(term) for term in terms]

    def _term(self, term: Any) -> int:
        if id(term) not in self._at:
            data = [type(term).__name__, *(self._field(term, one.name) for one in fields(term))]
            self._at[id(term)] = len(self.written)
            self._kept.append(term)
            self.written.append(data)
        return self._at[id(term)]

    def _field(self, term: Any, name: str) -> Any:
        value = getattr(term, name)
        if name == "make":
            records = self.schema.relations.values()
            return next(one.name for one in records if one.value.python is value)
        if name == "value":
            return {"value": value_to_json(value)}
        if isinstance(value, Type):
            return {"type": self._type(value)}
        if isinstance(value, Leaf | Split):
            return {"tree": self._tree(value)}
        if isinstance(value, _TERMS):
            return {"term": self._term(value)}
        return {"terms": self._terms(value)} if isinstance(value, tuple) else value

    def _type(self, type_: Type) -> Any:
        known, found = broad_types(self.schema), broad(type_)
        return known.index(found) if found in known else [found.kind, list(found.choices), found.entity]

    def _tree(self, tree: Tree) -> list[Any]:
        if isinstance(tree, Leaf):
            return list(tree)
        return [self._term(tree.literal), self._tree(tree.yes), self._tree(tree.no)]


class Reader:
    """Makes rules of data. Whatever is wrong with it is a KeyError, ValueError, TypeError, IndexError or
    AttributeError."""

    def __init__(self, schema: Schema, written: Sequence[Sequence[Any]]) -> None:
        self.schema, self.terms = schema, list[Any]()
        for data in written:
            self.terms.append(self._term(data))

    def rules(self, data: Sequence[Any]) -> Rules:
        """The rules of a shape."""
        effects, beyond, new, folded, *more = data
        none: tuple[Any, ...] = ([], [], "", None, [])
        offers, passing, settings, walks, known = (*more, *none[len(more) :])
        made, ways = ([self._effect(*one) for one in some] for some in (effects, passing))
        said = tuple(Offers(self.schema, of, msgspec.convert(joins, tuple[Written, ...])) for of, joins in offers)
        tables: dict[str, dict[Key, str]] = {name: {(key,): text for key, text in rows} for name, rows in known}
        beside = Beside(settings, _walks(walks), tables)
        return Rules(made, beyond, frozenset(new), frozenset(folded), said, ways, beside)

    def _effect(self, name: str, each: str, keys: Any, answers: Any, tree: Any, *order: Any) -> Effect:
        terms: list[Any] = [self._terms(keys), each, self._terms(answers), self._tree(tree), *map(self._terms, order)]
        return Effect(self.schema.relations[name].name, *terms)

    def _term(self, data: Sequence[Any]) -> Any:
        class_ = _CLASSES[data[0]]
        given: dict[str, Any] = {}
        for one, said in zip(fields(class_), data[1:], strict=True):
            given[one.name] = self._field(one.name, said)
        value = given.get("value")
        if "value" in given and value is not None:
            given["value"] = value_from_json(given["type"] if "type" in given else given["term"].type, value)
        return class_(**given)

    def _field(self, name: str, said: Any) -> Any:
        if name == "make":
            return self.schema.relations[said].value.python
        if not isinstance(said, dict):
            return said
        ((tag, what),) = said.items()
        match tag:
            case "type":
                if isinstance(what, int):
                    return broad_types(self.schema)[what]
                return _RECORD if what[0] == "record" else Type(what[0], choices=tuple(what[1]), entity=what[2])
            case "tree":
                return self._tree(what)
            case "term":
                return self.terms[what]
            case "terms":
                return self._terms(what)
        return what

    def _terms(self, places: Sequence[int]) -> tuple[Any, ...]:
        return tuple(self.terms[place] for place in places)

    def _tree(self, data: Sequence[Any]) -> Tree:
        if isinstance(data[1], int):
            return Leaf(*data)
        return Split(self.terms[data[0]], self._tree(data[1]), self._tree(data[2]))


def _walks(data: Any) -> Walks | None:
    if data is None:
        return None
    (relation, separator, start, stay, up, link, again), words, facts = data
    ways = Ways(relation, separator, start, tuple(stay), tuple(up), link, again)
    return Walks(ways, tuple(words), tuple((name, key) for name, key in facts))

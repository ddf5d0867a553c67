"""What the transitions of all shapes of action show together: ways to follow texts, known texts, facts with a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ...facts import TEXT, Schema
from .beside import Beside
from .following import Ways
from .reading import broad
from .study import Seen, sampled
from .table import facts_of
from .terms import Constant, Held
from .texts import digests, known_texts, with_texts
from .told import Tables
from .walks import walked, ways_of

MANY_SHAPES = 12
OFTEN = 8
"""Times that a shape of action is seen before what it changes says something about all."""
FEW_NAMES = 8
"""A relation whose one key is a text is a list of settings where no more of these are ever seen: each is a term."""


class Common(NamedTuple):
    """Ways to follow texts, what texts say of which there are digests (functions by kind of thing), facts that
    have a name, the relation of texts by name, if there is one, and facts that say how an action ended."""

    ways: Ways | None = None
    functions: Mapping[str, str] = MappingProxyType({})
    texts: Tables = MappingProxyType({})
    named: Sequence[Held] = ()
    settings: str = ""
    endings: frozenset[str] = frozenset()

    def schema(self, schema: Schema) -> Schema:
        """The schema and the texts that are known."""
        return with_texts(schema, self.functions)

    def beside(self, seen: Sequence[Seen]) -> Beside:
        """What rules about these actions, which are of one shape, are told."""
        beside = Beside(self.settings, None, self.texts)
        if self.ways is None:
            return beside
        names = ((held, key) for held in self.named for key in held.keys if isinstance(key, Constant))
        texts = [(held.relation, str(key.value)) for held, key in names if held.type == TEXT]
        some = [Seen(*beside.told(one.state, one.words), one.delta) for one in seen]
        return beside._replace(walks=walked(self.ways, some, texts))


def common(schema: Schema, shapes: Sequence[Sequence[Seen]]) -> Common:
    """What all these transitions show, by the shape of their actions."""
    seen = [one for shape in shapes for one in shape]
    functions = digests(schema)
    texts = known_texts(functions, schema, seen) if functions else {}
    named = _named(schema, seen)
    settings = (held.relation for held in named if held.type == TEXT)
    return Common(ways_of(schema, seen), functions, texts, named, next(settings, ""), _endings(schema, shapes))


def _endings(schema: Schema, shapes: Sequence[Sequence[Seen]]) -> frozenset[str]:
    """Facts without a key that actions of every shape change, of many: they say how an action ended."""
    often = [shape for shape in shapes if len(shape) >= OFTEN]
    changed = [{edit.relation for one in shape for edit in one.delta} for shape in often]
    every = frozenset[str]().union(*changed).intersection(*changed) if len(often) >= MANY_SHAPES else frozenset[str]()
    return frozenset(name for name in every if not schema.relations[name].key)


def _named(schema: Schema, seen: Sequence[Seen]) -> list[Held]:
    found = []
    for relation in schema.relations.values():
        if [type_ for _, type_ in relation.key] == [TEXT]:
            keys = {key for state in sampled(seen) for key, _ in facts_of(state, relation.name)}
            keys |= {edit.key for one in seen for edit in one.delta if edit.relation == relation.name}
            if len(keys) <= FEW_NAMES:
                names = [Constant(name, TEXT, 0.5) for (name,) in sorted(keys)]
                found += [Held(relation.name, (name,), broad(relation.value)) for name in names]
    return found

"""What facts become on the way to what they are in the end, where deltas edit them more than once."""

from __future__ import annotations

from collections.abc import Sequence

from ...facts import BOOL, Key, Relation, Value
from .addresses import addresses
from .effects import Effect, explained, target_at
from .language import Language
from .study import Seen, Study
from .table import Row, Table

WAY = "way_"
"""What the name of a relation begins with where its facts are what others become on the way."""
GONE = "gone_"
"""The same where they say which of the others are absent on the way."""


def passed(language: Language, seen: Sequence[Seen]) -> list[Effect]:
    """The effects that say so; of a fact that is absent on the way they say true."""
    edited: dict[tuple[str, bool], list[dict[Key, Value | None]]] = {}
    for number, one in enumerate(seen):
        met = set[tuple[str, Key]]()
        for name, key, before, _ in one.delta:
            if (name, key) in met and language.with_records:
                kind = (name, before is None)
                edited.setdefault(kind, [{} for _ in seen])[number][key] = True if before is None else before
            met.add((name, key))
    study, found = Study(language, Table([Row(one.state, one.words) for one in seen])), list[Effect]()
    for (name, absent), edits in edited.items():
        relation = language.schema.relations[name]
        mark, value = (GONE, BOOL) if absent else (WAY, relation.value)
        none = Relation(f"{mark}{name}", relation.key, value)  # a state has no such facts
        targets = [target_at(study, none, keys, edits) for keys in addresses(study, none, edits)[0]]
        found += [effect._replace(relation=name) for effect, _ in explained(study, targets)]
    return found

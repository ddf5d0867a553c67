"""Copies: facts about what is made again elsewhere of all that is inside a thing, each told from the one it copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...facts import Key, Relation, Value
from .effects import Target, target_of_each
from .making import copies
from .study import Seen, Study
from .table import Row, Table, keys_of, located


def copied(
    study: Study,
    relation: Relation,
    seen: Sequence[Seen],
    edits: Sequence[Mapping[Key, Value | None]],
    left: set[tuple[int, Key]],
) -> tuple[list[tuple[Study, Target]], set[tuple[int, Key]]]:
    """Facts about copies of what one thing has inside; and the edits that these do not reach."""
    language, found = study.language, list[tuple[Study, Target]]()
    if language.ways is None or len(left) < 2:
        return found, left
    domain = language.schema.relations[language.ways.relation]
    thing, name = language.of_each(domain).parts
    some = [seen[number] for number in sorted({number for number, _ in left})]
    rows = [Row(one.state, one.words, key) for one in some for key in keys_of(one.state, domain.name)]
    changed = {(id(seen[number].state), key): (number, key) for number, key in left}
    for outer, inner in copies(language.words, thing, name, language.ways):
        keys = (outer, name) if relation.name == domain.name else (inner,)
        reached = changed.keys() & located(Table(rows), keys)
        if len(reached) > 1 and len(keys) == len(relation.key):
            every, target = target_of_each(language, relation, domain, seen, edits, keys)
            every.language.made.append(inner)
            found.append((every, target))
            left = left - {changed[one] for one in reached}
    return found, left

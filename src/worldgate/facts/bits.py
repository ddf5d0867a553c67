"""What it takes to say a fact, and what it takes to correct a wrong delta.

An edit is said in symbols of an alphabet of 64, so 6 bits each, as published for this measure:

- one for the relation together with what happens to the fact: removed, or set to true or to false;
- one for each key column, whatever its type;
- one for each scalar of a value that is not a boolean: the value, or every field of a record;
- for a text or bytes among those, one more for each character or byte.

`before` costs nothing and is not compared: it is what the state says already. To reveal a fact costs what the
edit that sets it does. The prices are fixed, not an entropy: a number of any size is one symbol.

A network's edits cost the published number of fields with the operation: up 2, link, service and deny 3, flow 4,
clock and exit 2. Elsewhere the published figures are of another schema and differ: there a file's path is one
symbol for each segment, where here an entry names its directory by one; content is priced by its characters, where here
a fact holds a digest, one symbol; and a value of the environment, free text here, is one symbol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from .delta import Delta, Edit
from .entities import Row
from .schema import Schema, Type

SYMBOL_BITS: Final = 6
"""log2(64)."""


class _Price(NamedTuple):
    removed: int
    present: int  # with every scalar of the value, but without what texts cost by their length
    measured: bool  # the value is a text or bytes
    fields: tuple[int, ...]  # which fields of a record are texts or bytes


def symbols(schema: Schema, rows: Iterable[Row]) -> int:
    """How many symbols it takes to say these facts, or these edits. `UnknownRelation` for another schema's."""
    prices, count = _prices(schema), 0
    for row in rows:
        price = prices.get(row[0])
        if price is None:
            schema.relation(row[0])  # raises
            continue
        value: Any = row[-1]
        if value is None:
            count += price.removed
            continue
        count += price.present
        if price.measured:
            count += len(value)
        for at in price.fields:
            count += len(value[at])
    return count


def residual(predicted: Iterable[Edit], true: Iterable[Edit]) -> tuple[Delta, Delta]:
    """(false edits, missed edits): what is left of two multisets when equal edits are taken from both.

    Edits are equal when they do the same to the same fact, whatever their `before`. In the order they stand.
    """
    true = tuple(true)
    left = Counter([(relation, key, after) for relation, key, _, after in true])
    false: list[Edit] = []
    for edit in predicted:
        does = (edit[0], edit[1], edit[3])
        if left[does]:
            left[does] -= 1
        else:
            false.append(edit)
    missed: list[Edit] = []
    for edit in true:
        does = (edit[0], edit[1], edit[3])
        if left[does]:
            left[does] -= 1
            missed.append(edit)
    return tuple(false), tuple(missed)


def bits_to_correct(schema: Schema, predicted: Delta, true: Delta) -> int:
    """The bits it takes to say every edit that only one of two deltas has: 0 exactly for equal multisets; symmetric.

    Raises the numbered error of an edit among them that does not fit the schema.
    """
    if predicted == true:
        return 0
    try:
        false, missed = residual(predicted, true)
    except TypeError:  # a key or value that cannot be hashed is none of ours
        false, missed = predicted, true
    for relation, key, _, after in (*false, *missed):
        schema.check(relation, key, after)
    return SYMBOL_BITS * symbols(schema, (*false, *missed))


@lru_cache(maxsize=64)
def _prices(schema: Schema) -> dict[str, _Price]:
    prices = {}
    for name, relation in schema.relations.items():
        type_, removed = relation.value, 1 + len(relation.key)
        scalars = 0 if type_.kind == "bool" else len(type_.parts)
        fields = tuple(at for at, (_, field) in enumerate(type_.fields) if _measured(field))
        prices[name] = _Price(removed, removed + scalars, _measured(type_), fields)
    return prices


def _measured(type_: Type) -> bool:
    return type_.kind in ("text", "bytes")

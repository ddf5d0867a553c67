"""Facts: the ground everything stands on.

A *fact* is a relation applied to a key, with a value. A `Schema` declares the relations; a `State`
is an immutable set of facts; a delta is a tuple of `Edit`s that say what stood before.

>>> from worldgate.facts import BOOL, Relation, Schema, State, diff, distance, invert, ref
>>> schema = Schema("lamps", "1", [Relation("lit", (("lamp", ref("lamp")),), BOOL)])
>>> dark = State.of(schema, [("lit", ("hall",), False)])
>>> light = dark.set("lit", ("hall",), True)
>>> diff(dark, light)
(Edit(relation='lit', key=('hall',), before=False, after=True),)
>>> light.apply(invert(diff(dark, light))) == dark
True
>>> distance(dark, light)
1.0
"""

from .bits import SYMBOL_BITS, bits_to_correct, residual, symbols
from .codec import (
    canonical_json,
    delta_bytes,
    delta_from_json,
    delta_to_json,
    edit_to_json,
    fact_to_json,
    facts_from_json,
    facts_to_json,
    format_address,
    format_edit,
    format_fact,
    format_value,
    json_decode,
    parse_edit,
    parse_fact,
    tell_edit,
    tell_fact,
    value_from_json,
    value_to_json,
)
from .delta import Delta, Edit, Net, compose, invert
from .draft import Draft, Reads
from .entities import Entity, Mentions, References, Row, entities_of, facts_about, references
from .errors import (
    BadKey,
    BadSchema,
    BadValue,
    Conflict,
    Error,
    NotFinite,
    Undecodable,
    UnknownRelation,
    numbers,
)
from .flips import Admit, Pool
from .maps import Address, Fact, Source
from .schema import BOOL, BYTES, DECIMAL, INT, TEXT, Key, Relation, Schema, Type, Value, enum, record, ref
from .state import State, View, conflict, decode, diff, distance, encode

__all__ = [
    "BOOL",
    "BYTES",
    "DECIMAL",
    "INT",
    "SYMBOL_BITS",
    "TEXT",
    "Address",
    "Admit",
    "BadKey",
    "BadSchema",
    "BadValue",
    "Conflict",
    "Delta",
    "Draft",
    "Edit",
    "Entity",
    "Error",
    "Fact",
    "Key",
    "Mentions",
    "Net",
    "NotFinite",
    "Pool",
    "Reads",
    "References",
    "Relation",
    "Row",
    "Schema",
    "Source",
    "State",
    "Type",
    "Undecodable",
    "UnknownRelation",
    "Value",
    "View",
    "bits_to_correct",
    "canonical_json",
    "compose",
    "conflict",
    "decode",
    "delta_bytes",
    "delta_from_json",
    "delta_to_json",
    "diff",
    "distance",
    "edit_to_json",
    "encode",
    "entities_of",
    "enum",
    "fact_to_json",
    "facts_about",
    "facts_from_json",
    "facts_to_json",
    "format_address",
    "format_edit",
    "format_fact",
    "format_value",
    "invert",
    "json_decode",
    "numbers",
    "parse_edit",
    "parse_fact",
    "record",
    "ref",
    "references",
    "residual",
    "symbols",
    "tell_edit",
    "tell_fact",
    "value_from_json",
    "value_to_json",
]

"""What the words of an action are, for any world: a name and arguments, read off its canonical text.

Words are separated by white space, brackets, commas and semicolons; quotes hold a word together, and so does having
nothing in between; a word that ends in a colon is the label of the next one and is left out. So
`grip(part: "a", force: 40)` is `grip` of `a` and `40`, and `connect h1 h2 80` is `connect` of three. A word that begins
with a name and an equals sign is two; `A=1` is `=` of `A` and `1`. What a word is (an id, a number, text) is decided by
the column it is put into. Of structure inside words only that of texts that lead somewhere is understood (`walks`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from ...facts import Delta, Key, State, Type, Value

MOST_WORDS = 8
"""Arguments beyond these are counted in the shape and otherwise not looked at."""

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|[^\s(),;"\']+')
_WORD = re.compile(f"(?:{_PIECE.pattern})+")
_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_INT = re.compile(r"-?[0-9]{1,18}\Z", re.ASCII)


class Call(NamedTuple):
    """An action as words."""

    name: str
    words: tuple[str, ...]

    @property
    def shape(self) -> tuple[str, int]:
        """Calls of one shape are generalised over together."""
        return self.name, len(self.words)


def read(action: Any) -> Call:
    """The words of an action, as the world parsed it."""
    words: list[str] = []
    for found in _WORD.findall(str(action)):
        pieces = [piece for piece in _PIECE.findall(found) if not piece.endswith(":")]
        if pieces:
            word = "".join(map(_unquoted, pieces))
            named = _NAMED.fullmatch(word)
            words += [word] if named is None else [*([] if words else ["="]), *named.groups()]
    return Call(words[0] if words else "", tuple(words[1:]))


def _unquoted(word: str) -> str:
    if word[0] == "'":
        return word[1:-1]
    if word[0] == '"':
        try:
            return str(json.loads(word))
        except ValueError:
            return word[1:-1]
    return word


def typed(word: Value, type_: Type) -> Value | None:
    """`word` as a value of that kind, or None when it cannot be one. Bounds are not looked at."""
    kind = type_.kind
    if not isinstance(word, str):
        return word if type(word) is type_.python else None
    if kind in ("ref", "text"):
        return word
    if kind == "int":
        return int(word) if _INT.match(word) else None
    if kind == "enum":
        return word if word in type_.choices else None
    if kind == "bool":
        return {"true": True, "false": False}.get(word)
    if kind == "decimal" and _INT.match(word.replace(".", "", 1)):
        return Decimal(word)
    return None


def broad(type_: Type) -> Type:
    """The type without unit, bounds and places: values of one broad type may be compared."""
    return Type(type_.kind, choices=type_.choices, entity=type_.entity, fields=type_.fields)


def known_ids(states: Iterable[State], deltas: Iterable[Delta]) -> dict[str, set[Value]]:
    """The ids of each entity that occur anywhere in these states and deltas."""
    found: dict[str, set[Value]] = {}

    def note(state: State, relation: str, key: Key, *values: Value | None) -> None:
        declared = state.schema.relations[relation]
        for (_, type_), part in zip(declared.key, key, strict=True):
            if type_.entity:
                found.setdefault(type_.entity, set()).add(part)
        if declared.value.entity:
            found.setdefault(declared.value.entity, set()).update(value for value in values if value is not None)

    state = None
    for state in states:
        for relation, key, value in state.facts():
            note(state, relation, key, value)
    if state is not None:
        for delta in deltas:
            for edit in delta:
                note(state, *edit)
    return found

"""Numbered errors: what was found, what was expected, what to do.

Every error that a caller can meet is a subclass of `Error` with a number of its own; the numbers
are unique over the whole package, and `numbers()` lists them for the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

_registry: dict[str, type[Error]] = {}


class Error(Exception):
    """Base of every numbered error.

    `found` and `expected` are short phrases; `do` is what the reader can do about it.
    """

    number: ClassVar[str] = "WG000"
    title: ClassVar[str] = "error"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "number" in cls.__dict__:
            known = _registry.setdefault(cls.number, cls)
            if known.__qualname__ != cls.__qualname__:
                raise TypeError(f"{cls.number} is both {known.__qualname__} and {cls.__qualname__}")

    def __init__(self, found: str, expected: str, do: str = "") -> None:
        self.found, self.expected = found, expected
        self.do = do if not do or do.endswith(".") else f"{do}."
        super().__init__(found, expected, do)

    def __str__(self) -> str:
        advice = f". {self.do}" if self.do else ""
        return f"{self.number} {self.title}: found {self.found}; expected {self.expected}{advice}"

    @classmethod
    def within(cls, name: str, said: object, expected: str, do: str = "", *, place: str = "") -> Self:
        """What is wrong in a document of that name; a numbered error met there tells what it expected itself."""
        where = f" at `$.{place}`" if place else ""
        if isinstance(said, Error):
            return cls(f"{name}: {said.title} ({said.number}), {said.found}{where}", said.expected, said.do or do)
        return cls(f"{name}: {said}{where}", expected, do)

    def to_json(self) -> dict[str, str]:
        """The same as data: number, title, found, expected, do."""
        return {
            "number": self.number,
            "title": self.title,
            "found": self.found,
            "expected": self.expected,
            "do": self.do,
        }


def numbers() -> Mapping[str, type[Error]]:
    """All error classes by number (of the modules imported so far)."""
    return dict(sorted(_registry.items()))


class UnknownRelation(Error):
    number, title = "WG101", "unknown relation"


class BadKey(Error):
    number, title = "WG102", "key does not fit the relation"


class BadValue(Error):
    number, title = "WG103", "value does not fit the relation"


class NotFinite(BadValue):
    number, title = "WG104", "number is not finite"


class Conflict(Error):
    """A delta's `before` does not hold. `relation`, `key`, `before` and `actual` say where."""

    number, title = "WG105", "the state is not the one the delta was made for"
    relation: str
    key: tuple[Any, ...]
    before: Any
    actual: Any


class Undecodable(Error):
    """Text or bytes that are not a fact, an edit or a state. `position` counts from 0."""

    number, title = "WG106", "undecodable"
    position: int

    def __init__(self, found: str, expected: str, do: str = "", *, position: int = 0) -> None:
        super().__init__(f"{found} at position {position}", expected, do)
        self.position = position


class BadSchema(Error):
    number, title = "WG107", "schema is not well-formed"

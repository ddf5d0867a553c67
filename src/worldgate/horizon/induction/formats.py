"""What is read out of values whose type declares a format: parts, and where they lie.

A *part* is another value, which becomes a thing of its own: `10.0.0.1/24` has an address and a network. A *span* is
the whole numbers from `low` to `high` of a space: spans of one space lie within one another or apart. A value that is
not of its format has neither. A format that is not in the table says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, NamedTuple

from ...facts import Type


class Span(NamedTuple):
    space: int
    low: int
    high: int


class Format(NamedTuple):
    """`parts`: of each part its name, the format it has itself, and the part of a value."""

    parts: tuple[tuple[str, str, Callable[[str], Any]], ...] = ()
    span: Callable[[str], Span] | None = None


def _point(text: str) -> Span:
    found = ip_address(text)
    return Span(found.version, int(found), int(found))


def _range(text: str) -> Span:
    found = ip_network(text)
    return Span(found.version, int(found.network_address), int(found.broadcast_address))


FORMATS: Mapping[str, Format] = {
    "ip-address": Format(span=_point),
    "ip-prefix": Format(span=_range),
    "ip-interface": Format(
        parts=(
            ("address", "ip-address", lambda text: str(ip_interface(text).ip)),
            ("network", "ip-prefix", lambda text: str(ip_interface(text).network)),
        )
    ),
    "ip-port": Format(parts=(("number", "port-number", lambda text: int(text.partition("/")[0])),)),
}


def kind_of(type_: Type) -> str:
    """The kind of thing that values of this type name: those of one kind may be the same."""
    return f"ref {type_.entity}" if type_.entity else type_.format or type_.kind


@lru_cache(maxsize=1 << 16)
def parts(format_: str, value: Any) -> tuple[Any, ...]:
    """The parts of a value, None where it has none."""
    try:
        return tuple(part(value) for _, _, part in FORMATS[format_].parts)
    except ValueError:
        return (None,) * len(FORMATS[format_].parts)


@lru_cache(maxsize=1 << 16)
def span(format_: str, value: Any) -> Span | None:
    """Where a value lies."""
    place = FORMATS[format_].span if format_ in FORMATS else None
    try:
        return place(value) if place else None
    except ValueError:
        return None


def within(spans: Iterable[tuple[Span, int]]) -> Iterator[tuple[int, int]]:
    """Of numbered spans, (inner, the least other one around it); O(n log n). Of equal ones the first is outermost."""
    around: list[tuple[Span, int]] = []
    for one, number in sorted(spans, key=lambda row: (row[0].space, row[0].low, -row[0].high)):
        while around and (around[-1][0].space != one.space or around[-1][0].high < one.low):
            around.pop()
        if around:
            yield number, around[-1][1]
        around.append((one, number))


__all__ = ["FORMATS", "Format", "Span", "kind_of", "parts", "span", "within"]

"""Worlds by name. The shipped ones are loaded on first use; users register theirs. Some are made anew with options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

import msgspec

from ..facts import Error, json_decode
from .contract import World
from .documents import converted

_FACTORIES: dict[str, str | Callable[[], World]] = {
    "deep-files": "worldgate.worlds.filesystem.deep:DeepFiles",
    "filesystem": "worldgate.worlds.filesystem:world",
    "support-desk": "worldgate.worlds.declared:support_desk",
    "market": "worldgate.worlds.market:world",
    "network": "worldgate.worlds.network:world",
    "network-0": "worldgate.worlds.network:bare",
    "plain-files": "worldgate.worlds.filesystem.plain:PlainFiles",
    "robot-cell": "worldgate.worlds.declared:robot_cell",
}
WITH_OPTIONS = {"network": "worldgate.worlds.network:Network"}
"""Worlds that are made anew with options, a class with its `Options`; all others are those that are registered."""
_worlds: dict[str, World] = {}


class UnknownWorld(Error):
    number, title = "WG202", "unknown world or option"


def register(name: str, factory: Callable[[], World]) -> None:
    """Make `factory()` available as `get(name)`. Replacing a name is an error."""
    if name in _FACTORIES:
        raise UnknownWorld(f"a second world named {name!r}", "a name not yet taken")
    _FACTORIES[name] = factory


def names() -> Iterator[str]:
    """The names of all registered worlds, sorted."""
    yield from sorted(_FACTORIES)


def get(name: str) -> World:
    """The world of that name, made once."""
    if name not in _worlds:
        factory = _FACTORIES.get(name)
        if factory is None:
            raise UnknownWorld(repr(name), f"one of {', '.join(names())}")
        _worlds[name] = (_imported(factory) if isinstance(factory, str) else factory)()
    return _worlds[name]


def world_of(name: str, options: Mapping[str, Any]) -> World:
    """The world of that name with these options, made once a process; `UnknownWorld` for options it does not take."""
    return _world(name, msgspec.json.encode(options, order="sorted"))


@lru_cache(maxsize=16)
def _world(name: str, options: bytes) -> World:
    given = json_decode(options)
    if name not in WITH_OPTIONS:
        made = get(name)
        if given:
            raise UnknownWorld(f"options {given} of {name}", f"none; options are for {', '.join(WITH_OPTIONS)}")
        return made
    maker = _imported(WITH_OPTIONS[name])
    try:
        taken = converted(given, maker.Options, "$.options")
    except msgspec.ValidationError as error:
        raise UnknownWorld(f"{name}: {error}", "options that the world takes") from error
    return maker(name, **msgspec.structs.asdict(taken))  # type: ignore[no-any-return]


def _imported(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)

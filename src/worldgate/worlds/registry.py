"""Worlds by name. The shipped ones are loaded on first use; users register theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from ..facts import Error
from .contract import World

_FACTORIES: dict[str, str | Callable[[], World]] = {
    "filesystem": "worldgate.worlds.filesystem:world",
    "support-desk": "worldgate.worlds.declared:support_desk",
    "market": "worldgate.worlds.market:world",
    "network": "worldgate.worlds.network:world",
    "network-0": "worldgate.worlds.network:bare",
    "robot-cell": "worldgate.worlds.declared:robot_cell",
}
_worlds: dict[str, World] = {}


class UnknownWorld(Error):
    number, title = "WG202", "unknown world"


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
        if isinstance(factory, str):
            module, _, attribute = factory.partition(":")
            factory = getattr(import_module(module), attribute)
        _worlds[name] = factory()
    return _worlds[name]

"""A network as its hosts describe it: a state from what `ip`, `nft`, `sysctl` and `ss` print on each of them.

Nothing is guessed: what this world cannot say is left out and told, with its host and the reason. A state from which
something was left out may let more or less through than the network does; with `strict` it is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ....facts import Fact, State
from ..schema import SCHEMA
from . import hosts
from .documents import BadDocuments, Inexact, Left, read
from .layout import placed
from .nft import Ruleset


class Imported(NamedTuple):
    """The state, and what is not in it."""

    state: State
    left_out: tuple[Left, ...]


def imported(folder: Path, *, strict: bool = False) -> Imported:
    """The network of a folder that has a folder for each host (`documents` says which files).

    Raises `BadDocuments`, and with `strict` `Inexact` where something is left out.
    """
    given, left = read(folder), list[Left]()
    facts: list[Fact] = [("clock", (), 0), ("exit", (), 0)]
    where = placed(given, left)
    for host in given:
        facts += hosts.facts(host, where[host.name], left)
        if host.ruleset is None:
            left.append(Left(host.name, "filters and translations", "`nft -j list ruleset` was not given"))
        else:
            facts += Ruleset(host.name, host.ruleset, left).facts()
    if left and strict:
        do = f"Import it without strict and read what is left out ({len(left)} in all), or change the network."
        raise Inexact(str(left[0]), "a network that this world can say exactly", do)
    return Imported(State.of(SCHEMA, facts), tuple(left))


__all__ = ["BadDocuments", "Imported", "Inexact", "Left", "imported"]

"""How to get every body from where it is to where it belongs, by renames alone. Pure.

The stage is a directory beside the slots: a body that leaves its slot waits there. Because this
starts from where bodies *are*, the same function makes the commit, and rolls it back from any point
at which it was interrupted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Final, Literal, NamedTuple

STAGE: Final = -1
"""The stage as a place's directory."""


class Place(NamedTuple):
    """A name in the directory `parent` (a body, or the stage)."""

    parent: int
    name: str


class Move(NamedTuple):
    """rename or link `body` from `source` to `target`, which is free; or exchange it with what is there."""

    kind: Literal["rename", "link", "exchange"]
    body: int
    source: Place
    target: Place


def rearrange(
    found: Mapping[Place, int | None],
    staged: Mapping[int, Collection[str]],
    goal: Mapping[Place, int | None],
    is_dir: Callable[[int], bool],
) -> tuple[Move, ...]:
    """The moves after which every place of `goal` holds its body (None: is free).

    `found` says what is in those places now, `staged` which names each body has in the stage. Bodies
    that nothing needs end up in the stage. Directories are never exchanged: one may lie beneath the
    other until all that must leave have left. A file is replaced by an exchange, so that its name
    is at no time missing.
    """
    return _Rearrangement(found, staged, goal, is_dir).moves()


class _Rearrangement:
    def __init__(
        self,
        found: Mapping[Place, int | None],
        staged: Mapping[int, Collection[str]],
        goal: Mapping[Place, int | None],
        is_dir: Callable[[int], bool],
    ) -> None:
        self.found, self.goal, self.is_dir = found, goal, is_dir
        self.ready = defaultdict(list, {body: sorted(names) for body, names in staged.items()})
        self.taken = {name for names in staged.values() for name in names}
        self.made: list[Move] = []

    def moves(self) -> tuple[Move, ...]:
        wrong = [place for place in self.goal if self.found[place] != self.goal[place]]
        self._supply(wrong)
        exchanges = []
        for place in wrong:
            body, wanted = self.found[place], self.goal[place]
            if body is None:
                continue
            if wanted is not None and self.ready[wanted] and not self.is_dir(body) and not self.is_dir(wanted):
                exchanges.append((place, body, self.ready[wanted].pop()))
            else:
                self.ready[body].append(self._to_stage("rename", body, place))
        for place, body, name in exchanges:
            wanted = self.goal[place]
            assert wanted is not None
            self.made.append(Move("exchange", wanted, Place(STAGE, name), place))
            self.ready[body].append(name)
        exchanged = {place for place, _, _ in exchanges}
        for place in wrong:
            wanted = self.goal[place]
            if wanted is not None and place not in exchanged:
                self.made.append(Move("rename", wanted, Place(STAGE, self.ready[wanted].pop()), place))
        return tuple(self.made)

    def _supply(self, wrong: list[Place]) -> None:
        """Give bodies that gain names as many links in the stage as they will need."""
        needed = Counter(body for place in wrong if (body := self.goal[place]) is not None)
        leaving = Counter(body for place in wrong if (body := self.found[place]) is not None)
        somewhere = {body: place for place, body in self.found.items() if body is not None}
        for body, count in needed.items():
            lacking = count - len(self.ready[body]) - leaving[body]
            for _ in range(lacking):
                source = Place(STAGE, self.ready[body][0]) if self.ready[body] else somewhere[body]
                self.ready[body].append(self._to_stage("link", body, source))

    def _to_stage(self, kind: Literal["rename", "link"], body: int, source: Place) -> str:
        count = 0
        while (name := f"{body}.{count}") in self.taken:
            count += 1
        self.taken.add(name)
        self.made.append(Move(kind, body, source, Place(STAGE, name)))
        return name

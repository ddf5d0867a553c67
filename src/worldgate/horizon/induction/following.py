"""Following a text from thing to thing, in one state: cut into parts, each the key of what comes next (see `walks`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ...facts import Key, State, Value
from .told import Told

MOST_LINKS = 8
"""Texts of things that one walk follows."""
MOST_ABOVE = 400
"""Things that one is in, one in another."""


class Ways(NamedTuple):
    """How texts are followed: along `relation`, cut at `separator`, from the value of `start`, or from the top where
    they begin with a separator. Parts in `stay` and `up` are no names; `link` holds the texts of things. `again` stands
    between an id that is taken and the number, from 2 on, that makes it another."""

    relation: str
    separator: str
    start: str = ""
    stay: tuple[str, ...] = ("",)
    up: tuple[str, ...] = ()
    link: str = ""
    again: str = ""


class Trail(NamedTuple):
    """A walk: the thing `to` which it leads and `at` which it ends before a text of that is followed; the `parent` and
    the `last` part; the thing where it `stopped` and the part `missing` there; ids for the names up to the first that
    is missing and for the `whole`; how many parts are left (`rest`); the names that lead there from the top, `path`;
    and the beginning of the text that `led` to where it stopped."""

    parent: Value | None = None
    last: str | None = None
    at: Value | None = None
    to: Value | None = None
    stopped: Value | None = None
    missing: str | None = None
    first: Value | None = None
    whole: Value | None = None
    rest: int | None = None
    path: str | None = None
    led: str | None = None


_NOWHERE = Trail()


class Walker:
    """Follows texts in one state."""

    def __init__(self, state: State | Told, ways: Ways) -> None:
        self.state, self.ways = state if isinstance(state, Told) else Told(state, {}), ways
        self._fetch: Callable[[Any], Any] = state.fetcher()
        self._above: Mapping[Value, Key] | None = None
        every = state.schema.relations
        thing = every[ways.relation].value
        self._about = [one.name for one in every.values() if [type_ for _, type_ in one.key] == [thing]]

    def begun(self) -> str | None:
        """The names that lead from the top to where walks begin."""
        begin = self._begin()
        return None if begin is None else self._path(begin)

    def _begin(self) -> Value | None:
        return self._fetch((self.ways.start, ())) if self.ways.start else self._any()

    def walk(self, text: Value | None) -> Trail:
        """Where a text leads from the start."""
        begin = self._begin()
        if not isinstance(text, str) or not text or begin is None:
            return _NOWHERE
        return self._follow(text, begin, MOST_LINKS)

    def _follow(self, text: str, begin: Value | None, links: int) -> Trail:
        relation, separator, _, stay, up, *_ = self.ways
        here: Value | None = self._top(begin) if text.startswith(separator) else begin
        raw = text.split(separator)
        places = [place for place, part in enumerate(raw) if part not in stay]
        parts, trail = [raw[place] for place in places], _NOWHERE
        for number, part in enumerate(parts):
            if number:
                here = trail.to
            if part in up:
                above = self._parent(here)
                here = here if above is None else above[0]
                trail = Trail(at=here, to=here)
                continue
            at = self._fetch((relation, (here, part)))
            to = at if at is None else self._through(at, here, links)
            trail = Trail(here, part, at, to)
            if to is None and (at is None or number + 1 < len(parts)):
                led = separator.join(raw[: places[number] + (at is not None)])
                return self._missed(trail, parts[number:])._replace(led=led)
        at, to = (trail.at, trail.to) if parts else (here, here)
        path = self._path(at)
        return trail._replace(at=at, to=to, stopped=at, rest=0, path=path, led=text)

    def _missed(self, trail: Trail, left: Sequence[str]) -> Trail:
        here = trail.parent if trail.at is None else trail.at
        parent, last = trail.parent if len(left) == 1 else None, left[-1] if left[-1] not in self.ways.up else None
        first, whole = self.made(here, left[:1]), self.made(here, left)
        return Trail(parent, last, None, None, here, left[0], first, whole, len(left), self._join(here, left))

    def made(self, thing: Value | None, names: Sequence[str]) -> str:
        """The id of what is made at a thing by these names."""
        return self._free(self._join(thing, names))

    def between(self, outer: Value | None, thing: Value | None) -> list[str] | None:
        """The names that lead from one thing to another inside; None if it is not."""
        names: list[str] = []
        while thing != outer:
            above = self._parent(thing)
            if above is None or len(names) > MOST_ABOVE:
                return None
            thing = above[0]
            names.append(str(above[1]))
        return names[::-1]

    def _join(self, thing: Value | None, names: Sequence[str]) -> str:
        return self.ways.separator.join((*([self._path(thing)] if self._parent(thing) else []), *names))

    def _free(self, name: str) -> str:
        """The name, or with a number behind it where that is the id of a thing that is there."""
        found, number = name, 2
        while self.ways.again and any(self._fetch((relation, (found,))) is not None for relation in self._about):
            found, number = f"{name}{self.ways.again}{number}", number + 1
        return found

    def _through(self, thing: Value, beside: Value | None, links: int) -> Value | None:
        """Where the thing's own text leads; the thing if it has none."""
        text = self._fetch((self.ways.link, (thing,))) if self.ways.link else None
        if text is None:
            return thing
        return self._follow(text, beside, links - 1).to if text and links else None

    def _path(self, thing: Value | None) -> str:
        """The names that lead to the thing from the top."""
        names: list[str] = []
        while (above := self._parent(thing)) is not None and len(names) < MOST_ABOVE:
            thing = above[0]
            names.append(str(above[1]))
        return self.ways.separator.join(reversed(names))

    def _top(self, thing: Value | None) -> Value | None:
        for _ in range(MOST_ABOVE):
            above = self._parent(thing)
            if above is None:
                break
            thing = above[0]
        return thing

    def _parent(self, thing: Value | None) -> Key | None:
        """The least of the keys at which the thing is."""
        state, relation = self.state.state, self.ways.relation
        if state.schema.relations[relation].inverse:
            return min(state.owners(relation, thing), default=None) if thing is not None else None
        if self._above is None:
            self._above = {thing: key for key, thing in sorted(self.state.facts_of(relation), reverse=True)}
        return self._above.get(thing) if thing is not None else None

    def _any(self) -> Value | None:
        return min((key[0] for key, _ in self.state.facts_of(self.ways.relation)), default=None)

"""Words that lead somewhere: a text whose parts are followed, one after the other, from thing to thing.

A relation of a thing and a text to a thing of the same kind can be followed: the entries of a directory, the shelves
of a rack. How a text is cut into parts, where it begins, which parts stay where they are or lead back, and whether a
thing with a text of its own is passed by following that: of these `Ways` those are taken with which the words of the
actions seen lead to most of what is there and what is changed. Nothing but the schema and the transitions is asked.

Each stage of a walk is one more word of the action, of which rules speak as of any other: the thing `to` which it
leads and `at` which it ends before a text of that is followed, the `parent` and the `last` part, the thing where it
`stopped`, what `led` there and the part `missing` there, how much is left (`rest`), the names that lead there from the
top (`path`) and ids that are such names: of all parts (`whole`) and up to the first that is missing (`first`). So are
the names that lead to where a walk begins.

Not covered: parts that are patterns, things that may not be passed, several relations to follow.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from ...facts import INT, TEXT, Schema, Type
from .following import Trail, Walker, Ways
from .reading import broad
from .study import Seen
from .table import Words, spaced
from .terms import Argument, Stage, is_followed
from .told import Told

SOME = 400
"""Transitions by which ways are judged, evenly spaced."""
FEW = 6
"""Separators and odd parts that are tried, the most frequent ones."""
STAGES = Trail._fields
_KINDS: Mapping[str, Type] = {"last": TEXT, "missing": TEXT, "path": TEXT, "led": TEXT, "rest": INT}
_NUMBERED = re.compile(r"([^A-Za-z0-9]+)[0-9]+")


class Walks(NamedTuple):
    """The ways, the words of a shape of action that lead somewhere, and facts that have a name and do."""

    ways: Ways
    words: tuple[int, ...]
    facts: tuple[tuple[str, str], ...] = ()

    def stages(self, state: Told, words: Words) -> Words:
        """The words, and the stages of those that lead somewhere."""
        walker = Walker(state, self.ways)
        texts = [*(words[index] for index in self.words), *(state.get(name, (key,)) for name, key in self.facts)]
        stages: list[Any] = [stage for text in texts for stage in walker.walk(text)]
        return (*words, *stages, walker.begun())

    def typed(self, words: Sequence[Argument], schema: Schema, arity: int) -> list[Argument]:
        """The typed words, but for ids that are found by walking, and the stages, which stand behind all `arity`."""
        thing = broad(schema.relations[self.ways.relation].value)
        kept = [word for word in words if word.index not in self.words or word.type != thing]
        texts = [*(f"?{index}" for index in self.words), *(f'{name}("{key}")' for name, key in self.facts)]
        places = enumerate(product(texts, STAGES), arity)
        stages = [Stage(at, _KINDS.get(name, thing), of=text, name=name) for at, (text, name) in places]
        return [*kept, *stages, Stage(arity + len(stages), TEXT, of=f"{self.ways.start}()", name="path")]


def ways_of(schema: Schema, seen: Sequence[Seen]) -> Ways | None:
    """The ways with which the words seen lead to most; None where nothing can be followed."""
    some = spaced(seen, SOME)
    relations = list(filter(is_followed, schema.relations.values()))
    if not relations or not some:
        return None
    texts = [word for one in some for word in one.words if isinstance(word, str)]
    separators = _often(mark for text in texts for mark in sorted(set(text)) if not mark.isalnum())
    first = [Ways(one.name, mark) for one in relations for mark in separators or ["/"]]
    starts = [one for one in schema.relations.values() if not one.key and one.value in {r.value for r in relations}]
    best = _best(some, [way._replace(start=name) for way in first for name in ["", *(one.name for one in starts)]])
    names = {key[1] for one in some for key, _ in one.state.facts_of(best.relation)}
    thing = schema.relations[best.relation].value
    texted = [one.name for one in schema.relations.values() if one.value == TEXT and [t for _, t in one.key] == [thing]]
    texts += [text for one in some for name in texted for _, text in one.state.facts_of(name)]
    inner = (part for text in texts if best.separator in text for part in text.split(best.separator))
    for part in _often(part for part in inner if part not in names and not any(mark.isalnum() for mark in part)):
        stay, up = best._replace(stay=(*best.stay, part)), best._replace(up=(*best.up, part))
        best = _best(some, [best, stay, up])
    best = _best(some, [best, *(best._replace(link=name) for name in texted)])
    return best._replace(again=_again(best, seen))


def _again(ways: Ways, seen: Sequence[Seen]) -> str:
    """What stands most often between the names that lead to something new and a number."""
    found = Counter[str]()
    for one in seen:
        made = [str(edit.after) for edit in one.delta if edit.relation == ways.relation and edit.before is None]
        walker = Walker(one.state, ways)
        for word in one.words if made else ():
            whole = walker.walk(word).whole
            rests = [_NUMBERED.fullmatch(name, len(str(whole))) for name in made if name.startswith(str(whole))]
            found.update(rest[1] for rest in rests if rest)
    return min(found, key=lambda mark: (-found[mark], mark), default="")


def walked(ways: Ways, seen: Sequence[Seen], named: Sequence[tuple[str, str]]) -> Walks:
    """The words of a shape that lead to something, or where something is changed, three times in ten; and facts that
    have a name and lead to what some fact becomes, one time in twenty."""
    some = spaced(seen, SOME)
    hits = Counter(index for one in some for index, _ in _hits(ways, one))
    words = tuple(index for index in range(len(some[0].words)) if hits[index] * 10 >= 3 * len(some))
    facts = tuple(fact for fact in named if sum(_becomes(ways, fact, one) for one in some) * 20 >= len(some) + 20)
    return Walks(ways, words, facts)


def _becomes(ways: Ways, fact: tuple[str, str], one: Seen) -> bool:
    """Whether something becomes what the text of a fact leads to, and no word does."""
    walker, (name, key) = Walker(one.state, ways), fact
    thing = walker.walk(one.state.get(name, (key,))).to
    words = [walker.walk(word).to for word in one.words]
    return thing is not None and thing not in words and any(edit.after == thing for edit in one.delta)


def _often(marks: Iterable[str]) -> list[str]:
    counts = Counter(marks)
    return sorted(counts, key=lambda mark: (-counts[mark], mark))[:FEW]


def _best(seen: Sequence[Seen], ways: Sequence[Ways]) -> Ways:
    """The first of those with the highest score."""
    return max(ways, key=lambda way: sum(telling for one in seen for _, telling in _hits(way, one)))


def _hits(ways: Ways, one: Seen) -> Iterator[tuple[int, bool]]:
    """The words that lead to something, or where something is changed; and whether what they lead to is changed."""
    walker = Walker(one.state, ways)
    changed = {value for edit in one.delta for value in (*edit.key, edit.after)} - {None}
    places = {edit.key for edit in one.delta if edit.relation == ways.relation}
    for index, word in enumerate(one.words):
        trail = walker.walk(word)
        telling = trail.to in changed or bool({(trail.parent, trail.last), (trail.stopped, trail.missing)} & places)
        if telling or trail.to is not None:
            yield index, telling

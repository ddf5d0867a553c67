"""Pools: the questions of a source's walks, and batches drawn from them.

A pool is all questions of some walks. Pools and draws are pure functions of (source, seed, number), so it does not
matter which process makes them. Seeds of fresh walks are 2**32 or more: no seed that people write is among them.

Not covered: a world that does not come back from a state that no step leads to, with `noise` or `contrasts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate, islice
from operator import itemgetter
from random import Random
from typing import Any, NamedTuple, TypeVar

import msgspec

from ..facts import Edit, Pool, State
from ..horizon.trajectory import Step, net
from ..worlds import World, world_of
from ..worlds.beyond import admitted, labelled
from ..worlds.check import walk as walked
from .errors import BadTraining
from .family import Encoder, Question, offered
from .residual import asked as questions_of
from .source import Source

FRESH = 2**32
"""The least seed of a fresh walk."""
TRIES = 100
"""Of so many pools, one after the other, one has a question, or the training ends."""
T = TypeVar("T")


class Walk(NamedTuple):
    """One walk to be made: `steps` steps are asked after `burn_in` that are not."""

    world: World
    driver: str
    drivers: tuple[str, ...]
    seed: int
    burn_in: int
    steps: int


class Classed(NamedTuple):
    """A question and the class by which it is balanced: its outcome, and what that was found to hang on."""

    outcome: str
    question: Any


def walks(source: Source, seed: int | str, number: int | str) -> Iterator[Walk]:
    """The walks of pool `number`; of given walks there is one pool."""
    for given in source.walks:
        made = world_of(given.world, given.options)
        for each in given.seeds:
            yield Walk(made, given.driver, (given.driver,), each, 0, given.steps)
    if not source.places:
        return
    random = Random(f"walks/{seed}/{number}")
    weights = [place.weight for place in source.places]
    for _ in range(source.walks_each):
        (place,) = random.choices(source.places, weights)
        driver, begin = random.choice(place.drivers), FRESH + random.getrandbits(60)
        burn_in = random.randint(0, source.burn_in)
        yield Walk(world_of(place.world, place.options), driver, place.drivers, begin, burn_in, source.episode)


def steps(walk: Walk) -> Iterator[Step]:
    """The steps of a walk that are asked."""
    taken = walked(walk.world, walk.driver, walk.seed, walk.burn_in + walk.steps)
    for text, before, moved in islice(taken, walk.burn_in, None):
        yield Step(before, text, walk.world.parse(text), moved.delta, moved.state, net(moved.delta))


def sample(source: Source, seed: int) -> list[Step]:
    """Transitions to make an encoder from: all of given walks, or those of fresh ones that no pool has."""
    several = msgspec.structs.replace(source, walks_each=source.sample)
    return [step for walk in walks(several, seed, -1) for step in steps(walk)]


def classed(questions: Iterable[Question], hangs_on: str = "") -> Iterator[Classed]:
    """Each with its class."""
    return (Classed(f"{question.outcome}{hangs_on}", question) for question in questions)


def first(made: Callable[[int | str], list[T]], number: int) -> list[T]:
    """What is made of `number`; where that is nothing, of another number that follows from it."""
    tried = (made(f"{number}/{again}" if again else number) for again in range(TRIES))
    return next(filter(None, tried), [])


def pool(source: Source, encoder: Encoder, seed: int, number: int) -> list[Classed]:
    """All questions of pool `number`, in order; of other walks where these have none."""
    made = partial(_pool, source, encoder, seed)
    return first(made, number) if source.places else made(number)


def _pool(source: Source, encoder: Encoder, seed: int, number: int | str) -> list[Classed]:
    return [
        question
        for at, walk in enumerate(walks(source, seed, number))
        for question in _questions(source, encoder, walk, Random(f"levers/{seed}/{number}/{at}"))
    ]


def _questions(source: Source, encoder: Encoder, walk: Walk, random: Random) -> Iterator[Classed]:
    if source.unroll > 1:
        row = list(steps(walk))
        for end in range(source.unroll, len(row) + 1):
            yield from classed(offered(encoder, "windows", "unroll")(row[end - source.unroll : end]))
        return
    for step in _asked(source, walk, random):
        questions = questions_of(encoder, step, source.look)
        yield from classed(questions)
        for relation, other in _contrasts(source, walk.world, step, random):
            yield from classed(questions_of(encoder, other, source.look), f"/{relation}")


def _asked(source: Source, walk: Walk, random: Random) -> Iterator[Step]:
    flips = None
    for step in steps(walk):
        state: State = step.before
        asked: Step | None = step
        if source.noise and random.random() < source.noise:
            flips = flips or Pool.of(state, admit=admitted(walk.world))
            wrong = flips.flips(state, random, random.randint(1, source.noise_facts))
            state = state.force(tuple(wrong))
            asked = ask(walk.world, state, step.text)
        if asked is not None:
            yield asked
        yield from _others(source, walk, state, step.text, random)


def _contrasts(source: Source, world: World, step: Step, random: Random) -> Iterator[tuple[str, Step]]:
    """(relation, step) of two states, one fact of that relation apart, in which the action does not do the same.

    Facts of the relation are altered one after the other, and where what the action does turns is found by halving;
    there is no such pair where the world has no answer on the way.
    """
    for _ in range(source.contrasts):
        edits = tuple(_altered(step.before, random))
        turned = _moved(world, step, edits)
        if turned is None or turned.net == step.net:
            continue
        low, high, same = 0, len(edits), step
        while high - low > 1:
            middle = (low + high) // 2
            other = _moved(world, step, edits[:middle])
            if other is None:
                break
            if other.net == step.net:
                low, same = middle, other
            else:
                high, turned = middle, other
        else:
            yield edits[0].relation, same
            yield edits[0].relation, turned


def _moved(world: World, step: Step, edits: tuple[Edit, ...]) -> Step | None:
    return ask(world, step.before.force(edits), step.text) if edits else None


def _altered(state: State, random: Random) -> Iterator[Edit]:
    """All facts of one relation, in any order, change: to the value of another, if there is one, else they go."""
    by: dict[str, list[tuple[Any, Any]]] = {}
    for relation, key, value in state.facts():
        if key:
            by.setdefault(relation, []).append((key, value))
    if by:
        relation = random.choice(sorted(by))
        facts = sorted(by[relation], key=itemgetter(0))
        values = list(dict.fromkeys(value for _, value in facts))
        for key, value in random.sample(facts, len(facts)):
            yield Edit(relation, key, value, random.choice([one for one in values if one != value] or [None]))


def _others(source: Source, walk: Walk, state: State, text: str, random: Random) -> Iterator[Step]:
    """The steps of other actions in the same state; fewer where drivers say the same again or have nothing to say."""
    seen = {text}
    for _ in range(source.counterfactuals):
        driver = random.choice(walk.drivers)
        try:
            other = walk.world.drivers[driver](state, random)
            asked = None if other in seen else ask(walk.world, state, other)
        except Exception:  # of a state that no step leads to nothing is promised, not even that drivers say an action
            continue
        if asked is not None:
            seen.add(other)
            yield asked


def ask(world: World, state: State, text: str) -> Step | None:
    """The oracle's step from any state; None where it has none."""
    action = world.parse(text)
    moved = labelled(world, state, action)
    return None if moved is None else Step(state, text, action, moved.delta, moved.state, net(moved.delta))


class Balanced:
    """Draws questions, balanced over outcomes as `Source` says."""

    def __init__(self, questions: Sequence[Classed], balance: float) -> None:
        if not questions:
            raise BadTraining("walks without any question", "transitions that the family has questions about")
        sizes = Counter(question.outcome for question in questions)
        self._questions = questions
        self._weights = list(accumulate(sizes[question.outcome] ** (balance - 1.0) for question in questions))

    def draw(self, count: int, random: Random) -> list[Question]:
        """`count` of them, with replacement."""
        return [one.question for one in random.choices(self._questions, cum_weights=self._weights, k=count)]

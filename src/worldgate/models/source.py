"""What to train on: transitions of worlds, from fresh walks without end or from given ones, and questions about them.

A source is data. Either it lists *places* (worlds with drivers), whose walks begin anew for each pool, or *walks* of
given seeds. A *pool* is all questions of some walks; batches are drawn from it. Pools and draws are pure functions of
(source, seed, number), so it does not matter which process makes them. Seeds of fresh walks are 2**32 or more: no seed
that people write is among them.

Levers, each off by default: `noise` (wrong facts in the state before the oracle labels the step), `counterfactuals`
(other actions asked in the same state), `unroll` (several steps as one question), `balance`.

Not covered: a world that does not come back from a state that no step leads to, with `noise`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from random import Random
from typing import Any, NamedTuple

import msgspec

from ..facts import Error, Pool, State
from ..horizon.trajectory import Step, net
from ..worlds import World, world_of
from ..worlds.beyond import admitted, labelled
from ..worlds.check import walk as walked
from .errors import BadTraining
from .family import Encoder, Question

FRESH = 2**32
"""The least seed of a fresh walk."""
SAMPLE = 96
"""Fresh walks from which an encoder is made."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Place(_Strict, frozen=True):
    """A world with options, the drivers that walk it, and how often it is chosen beside other places."""

    world: str
    drivers: tuple[str, ...]
    options: dict[str, int | str] = {}
    weight: float = 1.0


class Walks(_Strict, frozen=True):
    """The first `steps` steps of one driver from each of these seeds."""

    world: str
    driver: str
    seeds: tuple[int, ...]
    steps: int
    options: dict[str, int | str] = {}


class Source(_Strict, frozen=True):
    """`batch` questions at a time, of `places` or of `walks`.

    Of places: a pool holds `walks_each` fresh walks, of each of which `episode` steps are asked, after a number of
    steps drawn from 0 to `burn_in`; the next `share` batches are drawn from it. Of walks: one pool holds them all.
    A batch is drawn with replacement: an outcome that is the share f of its pool is drawn in proportion to
    f ** `balance` (1: as they come, 0: all outcomes alike), and then any question of it.

    `noise`: the share of steps that are asked from a state with up to `noise_facts` wrong facts; the walk goes on from
    the true one. `counterfactuals`: so many other actions are asked in each state, each from a driver of the place.
    `unroll`: so many steps in a row are one question, which the family must offer.
    """

    batch: int = 32
    places: tuple[Place, ...] = ()
    walks: tuple[Walks, ...] = ()
    walks_each: int = 4
    episode: int = 32
    burn_in: int = 0
    share: int = 1
    balance: float = 1.0
    noise: float = 0.0
    noise_facts: int = 3
    counterfactuals: int = 0
    unroll: int = 1


class Walk(NamedTuple):
    """One walk to be made: `steps` steps are asked after `burn_in` that are not."""

    world: World
    driver: str
    drivers: tuple[str, ...]
    seed: int
    burn_in: int
    steps: int


def checked(source: Source) -> Source:
    """The source, or `BadTraining` with what is wrong in it."""
    for problem in _problems(source):
        raise BadTraining(f"source: {problem}", "what docs/models.md tells")
    return source


def _problems(source: Source) -> Iterator[str]:
    if bool(source.places) == bool(source.walks):
        yield "neither places nor walks, or both"
    for name in ("batch", "walks_each", "episode", "share", "noise_facts", "unroll"):
        if getattr(source, name) < 1:
            yield f"{name} {getattr(source, name)}, less than 1"
    for name in ("burn_in", "counterfactuals"):
        if getattr(source, name) < 0:
            yield f"{name} {getattr(source, name)}, less than 0"
    for name in ("balance", "noise"):
        if not 0 <= getattr(source, name) <= 1:
            yield f"{name} {getattr(source, name)}, not in [0, 1]"
    if source.unroll > 1 and (source.noise or source.counterfactuals):
        yield "unroll with noise or counterfactuals, which break a row of steps"
    schemas = set()
    for one in places(source):
        try:
            world = world_of(one.world, one.options)
        except Error as error:
            yield str(error)
            return
        schemas.add(world.schema.digest)
        for driver in one.drivers if isinstance(one, Place) else (one.driver,):
            if driver not in world.drivers:
                yield f"driver {driver!r} of {one.world}, not one of {', '.join(sorted(world.drivers))}"
    if any(not place.drivers or not 0 < place.weight < float("inf") for place in source.places):
        yield "a place without drivers, or of a weight that is not above 0"
    if any(not walks.seeds or walks.steps < source.unroll for walks in source.walks):
        yield "walks without seeds, or of fewer steps than one question has"
    if source.places and source.episode < source.unroll:
        yield "an episode of fewer steps than one question has"
    if len(schemas) > 1:
        yield "worlds of several schemas"


def places(source: Source) -> tuple[Place | Walks, ...]:
    """All that it lists."""
    return (*source.places, *source.walks)


def versions(source: Source) -> dict[str, str]:
    """The version of each of its worlds, by name."""
    return {one.world: world_of(one.world, one.options).version for one in places(source)}


def world(source: Source) -> World:
    """The first of its worlds, whose schema all of them have."""
    first = places(source)[0]
    return world_of(first.world, first.options)


def walks(source: Source, seed: int | str, number: int) -> Iterator[Walk]:
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
    """Transitions to make an encoder from: all of given walks, or those of `SAMPLE` fresh ones that no pool has."""
    several = msgspec.structs.replace(source, walks_each=SAMPLE)
    return [step for walk in walks(several, seed, -1) for step in steps(walk)]


def pool(source: Source, encoder: Encoder, seed: int, number: int) -> list[Question]:
    """All questions of pool `number`, in order."""
    return [
        question
        for at, walk in enumerate(walks(source, seed, number))
        for question in _questions(source, encoder, walk, Random(f"levers/{seed}/{number}/{at}"))
    ]


def _questions(source: Source, encoder: Encoder, walk: Walk, random: Random) -> Iterator[Question]:
    if source.unroll > 1:
        row = list(steps(walk))
        for end in range(source.unroll, len(row) + 1):
            yield from windows_of(encoder)(row[end - source.unroll : end])
        return
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
            yield from encoder.questions(asked)
        for other in _others(source, walk, state, step.text, random):
            yield from encoder.questions(other)


def _others(source: Source, walk: Walk, state: State, text: str, random: Random) -> Iterator[Step]:
    """The steps of other actions in the same state; fewer where drivers say the same again or have nothing to say."""
    seen = {text}
    for _ in range(source.counterfactuals):
        driver = random.choice(walk.drivers)
        try:
            other = walk.world.drivers[driver](state, random)
        except Exception:  # of a state that no step leads to nothing is promised
            continue
        if other not in seen and (asked := ask(walk.world, state, other)) is not None:
            seen.add(other)
            yield asked


def ask(world: World, state: State, text: str) -> Step | None:
    """The oracle's step from any state; None where it has none."""
    action = world.parse(text)
    moved = labelled(world, state, action)
    return None if moved is None else Step(state, text, action, moved.delta, moved.state, net(moved.delta))


def windows_of(encoder: Encoder) -> Any:
    """The encoder's way to ask several steps as one, or `BadTraining`."""
    found = getattr(encoder, "windows", None)
    if found is None:
        raise BadTraining(
            f"unroll with {type(encoder).__name__}", "a family whose encoder has `windows`", "Leave it out"
        )
    return found


class Balanced:
    """Draws questions, balanced over outcomes as `Source` says."""

    def __init__(self, questions: Sequence[Question], balance: float) -> None:
        if not questions:
            raise BadTraining("walks without any question", "transitions that the family has questions about")
        sizes = Counter(question.outcome for question in questions)
        self._questions = questions
        self._weights = list(accumulate(sizes[question.outcome] ** (balance - 1.0) for question in questions))

    def draw(self, count: int, random: Random) -> list[Question]:
        """`count` of them, with replacement."""
        return random.choices(self._questions, cum_weights=self._weights, k=count)

"""What to train on, as data: transitions of worlds, from fresh walks without end or from given ones.

A source lists *places* (worlds with drivers), whose walks begin anew for each pool, or *walks* of given seeds. Levers,
each off by default: `noise` (wrong facts in the state before the oracle labels the step),
`counterfactuals` (other actions asked in the same state), `contrasts` (pairs of states, a fact apart, in which an
action does not do the same), `unroll` (several steps as one question), `look` (what a partial look decides is not
asked), `balance`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..facts import Error
from ..worlds import World, world_of
from .errors import BadTraining
from .residual import Look, problems


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
    steps drawn from 0 to `burn_in`; the next `share` batches are drawn from it. The encoder is made
    from `sample` walks of its own. Of walks: one pool holds them all, and the encoder is made from them.
    A batch is drawn with replacement: an outcome that is the share f of its pool is drawn in proportion to
    f ** `balance` (1: as they come, 0: all outcomes alike), and then any question of it.

    `noise`: the share of steps that are asked from a state with up to `noise_facts` wrong facts; the walk goes on from
    the true state.
    `counterfactuals`: so many other actions are asked in each state, each from a driver of the place.
    `contrasts`: so often facts of some relation go one after the other, or take the values of others, until the action
    does something else; the two states where that turns, a fact apart, are asked, in classes of their own by that
    relation, which they hang on.
    `unroll`: so many steps in a row are one question, which the family must offer.
    `look`: what a look at a part of the entities decides is not asked, where the family can leave it out.
    """

    batch: int = 32
    places: tuple[Place, ...] = ()
    walks: tuple[Walks, ...] = ()
    walks_each: int = 4
    episode: int = 32
    burn_in: int = 0
    share: int = 1
    sample: int = 96
    balance: float = 1.0
    noise: float = 0.0
    noise_facts: int = 3
    counterfactuals: int = 0
    contrasts: int = 0
    unroll: int = 1
    look: Look | msgspec.UnsetType = msgspec.UNSET  # not written where it is absent, nor are digests others


def checked(source: Source) -> Source:
    """The source, or `BadTraining` with what is wrong in it."""
    for place, said in _problems(source):
        raise BadTraining(f"{said} at `$.source{place and '.'}{place}`", "what docs/models.md tells")
    return source


def _problems(source: Source) -> Iterator[tuple[str, str]]:
    """(field, what is wrong in it)."""
    if bool(source.places) == bool(source.walks):
        yield "", "neither places nor walks, or both"
    for name in ("batch", "walks_each", "episode", "share", "sample", "noise_facts", "unroll"):
        if getattr(source, name) < 1:
            yield name, f"{getattr(source, name)}, less than 1"
    for name in ("burn_in", "counterfactuals", "contrasts"):
        if getattr(source, name) < 0:
            yield name, f"{getattr(source, name)}, less than 0"
    for name in ("balance", "noise"):
        if not 0 <= getattr(source, name) <= 1:
            yield name, f"{getattr(source, name)}, not in [0, 1]"
    if source.unroll > 1 and (source.noise or source.counterfactuals or source.contrasts or source.look):
        yield "unroll", "unroll with noise, counterfactuals, contrasts or a look, which are of single steps"
    schemas = set()
    for at, one in enumerate(places(source)):
        place = f"places[{at}]" if source.places else f"walks[{at}]"
        try:
            world = world_of(one.world, one.options)
        except Error as error:
            yield place, str(error)
            return
        schemas.add(world.schema.digest)
        for problem in problems(source.look, world.schema) if source.look else ():
            yield "look", problem
        for driver in one.drivers if isinstance(one, Place) else (one.driver,):
            if driver not in world.drivers:
                yield place, f"driver {driver!r} of {one.world}, not one of {', '.join(sorted(world.drivers))}"
    for at, one in enumerate(source.places):
        if not one.drivers or not 0 < one.weight < float("inf"):
            yield f"places[{at}]", "a place without drivers, or of a weight that is not above 0"
    for at, given in enumerate(source.walks):
        if not given.seeds or given.steps < source.unroll:
            yield f"walks[{at}]", "walks without seeds, or of fewer steps than one question has"
    if source.places and source.episode < source.unroll:
        yield "episode", "an episode of fewer steps than one question has"
    if len(schemas) > 1:
        yield "", "worlds of several schemas"


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

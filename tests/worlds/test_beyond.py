"""Walks that begin with wrong facts: so many, the same in each process, and going on whatever is wrong."""

from __future__ import annotations

import pytest

from worldgate.facts import State
from worldgate.worlds import World, get, names
from worldgate.worlds.beyond import Mistaken, TooFew, labelled
from worldgate.worlds.check import walk


def _apart(world: World, state: State) -> set[tuple[str, object]]:
    """The addresses at which a state differs from the world's beginning."""
    return {fact[:2] for fact in set(world.initial(3).facts()) ^ set(state.facts())}


@pytest.mark.parametrize("name", list(names()))
def test_a_walk_from_wrong_facts_goes_on(name: str) -> None:
    for facts in (1, 16):
        world = Mistaken(get(name), facts)
        for driver in world.drivers:
            taken = list(walk(world, driver, 3, 20))
            assert len(taken) == 20
            assert [moved.delta for *_, moved in taken] == [moved.delta for *_, moved in walk(world, driver, 3, 20)]


def test_so_many_facts_are_wrong_and_more_hold_the_fewer() -> None:
    world = get("network-0")
    few, more = (_apart(world, Mistaken(world, facts).initial(3)) for facts in (4, 16))
    assert (len(few), len(more)) == (4, 16)
    assert few < more
    assert {relation for relation, _ in _apart(world, Mistaken(world, 8, ("up", "deny")).initial(3))} == {"up", "deny"}


def test_where_not_so_many_facts_can_be_wrong_none_is() -> None:
    with pytest.raises(TooFew, match="facts of up"):
        Mistaken(get("network-0"), 6, ("up",)).initial(3)


def test_where_the_world_has_no_answer_nothing_changes() -> None:
    market = get("market")
    unanswered = [
        moved.delta
        for seed in range(4)
        for text, state, moved in walk(Mistaken(market, 40), "everyday", seed, 20)
        if labelled(market, state, market.parse(text)) is None
    ]
    assert unanswered
    assert not any(unanswered)

"""`check_world` accepts every registered world, and refuses a world that breaks any one law."""

from __future__ import annotations

import os
from random import Random

import pytest

from worldgate.facts import INT, Draft, Edit, Relation, Schema, State, ref
from worldgate.worlds import BrokenContract, Outside, Transition, check_world, get, names, transition
from worldgate.worlds.check import walk

SCHEMA = Schema("counters", "1", [Relation("count", (("name", ref("counter")),), INT)])


class Counters:
    """`add NAME N`: a world of counters that never fall below zero."""

    name, version, schema = "counters", "1", SCHEMA

    def __init__(self) -> None:
        self.drivers = {"any": self.drive}

    def initial(self, seed: int) -> State:
        return State.of(SCHEMA, [("count", ("a",), seed), ("count", ("b",), 0)])

    def parse(self, text: str):
        verb, _, rest = text.partition(" ")
        name, _, number = rest.partition(" ")
        if (
            verb != "add"
            or name not in ("a", "b")
            or not number.lstrip("-").isascii()
            or not number.lstrip("-").isdigit()
        ):
            raise Outside(repr(text)[:40], "add NAME N")
        return _Add(name, int(number))

    def step(self, state: State, action) -> Transition:
        draft = Draft(state)
        new = draft.get("count", (action.name,)) + action.number
        if new < 0:
            return transition(draft, {"refused": "below zero"})
        draft.set("count", (action.name,), new)
        return transition(draft, {"count": new})

    def properties(self):
        return {"counters are not negative": lambda state: next((f"{f}" for f in state.facts() if f[2] < 0), None)}

    def drive(self, state: State, random: Random) -> str:
        return f"add {random.choice('ab')} {random.randint(-3, 3)}"


class _Add(tuple):
    def __new__(cls, name, number):
        return super().__new__(cls, (name, number))

    name = property(lambda self: self[0])
    number = property(lambda self: self[1])

    def __str__(self) -> str:
        return f"add {self.name} {self.number}"


class Undetermined(Counters):
    calls = 0

    def step(self, state, action):
        moved = super().step(state, action)
        self.calls += 1
        return moved._replace(observation={**moved.observation, "calls": self.calls})


class DeltaLies(Counters):
    def step(self, state, action):
        moved = super().step(state, action)
        return moved._replace(delta=(*moved.delta, Edit("count", ("b",), moved.state.get("count", ("b",)), 99)))


class ReadsTooLittle(Counters):
    def step(self, state, action):
        moved = super().step(state, action)
        return moved._replace(observation={**moved.observation, "other": state.get("count", ("b",))})


class Negative(Counters):
    def step(self, state, action):
        draft = Draft(state)
        draft.set("count", (action.name,), draft.get("count", (action.name,)) + action.number)
        return transition(draft, {})


class BeginsAnyhow(Counters):
    calls = 0

    def initial(self, seed):
        self.calls += 1
        return super().initial(seed).set("count", ("a",), self.calls)


class BeginsBroken(Counters):
    def initial(self, seed):
        return super().initial(seed).set("count", ("a",), -1)


class SaysObjects(Counters):
    def step(self, state, action):
        moved = super().step(state, action)
        return moved._replace(observation={**moved.observation, "action": ("a", "tuple")})


class SaysSets(Counters):
    def step(self, state, action):
        moved = super().step(state, action)
        return moved._replace(observation={**moved.observation, "action": object})


class ParsesLoosely(Counters):
    def parse(self, text):
        return _Loose(*super().parse(text))


class _Loose(_Add):
    def __str__(self) -> str:
        return f"add {self.name} {self.number + 1}"


class Crashes(Counters):
    def parse(self, text):
        return _Add(*text.split(" ")[1:2], int(text.split(" ")[2]))


def test_a_world_that_keeps_the_contract_passes():
    report = check_world(Counters(), seeds=range(2), steps=30, processes=False)
    assert report.steps == 60
    assert 0 < report.succeeded < 60
    assert report.laws == ("counters are not negative",)


@pytest.mark.parametrize(
    ("world", "law"),
    [
        (Undetermined, "determinism"),
        (DeltaLies, "the delta leads to the state"),
        (ReadsTooLittle, "the read set is complete"),
        (Negative, "counters are not negative"),
        (BeginsAnyhow, "determinism of the initial state"),
        (BeginsBroken, "the beginning"),
        (SaysObjects, "observations are JSON values"),
        (SaysSets, "not JSON"),
        (ParsesLoosely, "parses to the same action"),
        (Crashes, "raises"),
    ],
)
def test_each_broken_law_is_found(world, law):
    with pytest.raises(BrokenContract) as caught:
        check_world(world(), seeds=range(3), steps=40, processes=False)
    assert law in str(caught.value)


@pytest.mark.parametrize("name", list(names()))
def test_every_registered_world_keeps_the_contract(name):
    report = check_world(get(name), seeds=range(2), steps=int(os.environ.get("WORLDGATE_CHECK_STEPS", "60")))
    assert report.steps == 120 * len(get(name).drivers)
    assert 0 < report.succeeded < report.steps, "a workload in which nothing fails, or nothing works, tests little"


@pytest.mark.parametrize("name", list(names()))
def test_walks_differ_by_seed_and_driver(name):
    world = get(name)
    walks = [tuple(text for text, *_ in walk(world, driver, seed, 12)) for driver in world.drivers for seed in (0, 1)]
    assert len(set(walks)) == len(walks)

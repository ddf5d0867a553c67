"""Small networks, and a short way to walk them."""

from __future__ import annotations

from typing import Any

from worldgate.facts import State
from worldgate.worlds.network import SCHEMA, Network, explain
from worldgate.worlds.network.actions import parse
from worldgate.worlds.network.properties import PROPERTIES
from worldgate.worlds.network.rules import step
from worldgate.worlds.network.starts import empty

LEVEL_0_STARTS = ("empty", "scattered", "ring", "tree", "islands")
LEVEL_0_DRIVERS = ("uniform", "weighted", "adversarial", "everyday", "outages")


def bare(*hosts: str) -> State:
    """These hosts, up, and nothing else."""
    return State.of(SCHEMA, empty(hosts, (), None))


def act(state: State, text: str) -> tuple[State, int]:
    """The state after an action, and its exit code."""
    moved = step(state, parse(text))
    return moved.state, moved.observation["exit"]


def run(state: State, *texts: str) -> State:
    """The state after these actions, all of which must succeed; the properties hold in it."""
    for text in texts:
        state, code = act(state, text)
        assert code == 0, (text, code)
    holds(state)
    return state


def exit_of(state: State, text: str) -> int:
    """The exit code of an action. One that fails changes nothing but the code."""
    moved = step(state, parse(text))
    if moved.observation["exit"]:
        assert {edit.relation for edit in moved.delta} <= {"exit"}, (text, moved.delta)
    assert moved.state.get("exit", ()) == moved.observation["exit"]
    return moved.observation["exit"]


def holds(state: State) -> None:
    """Every property of the network."""
    for name, property_ in PROPERTIES.items():
        assert property_(state) is None, (name, property_(state))


def facts(state: State) -> dict[tuple[str, Any], Any]:
    return {(relation, key): value for relation, key, value in state.facts()}


def why(state: State, source: str, target: str, port: str = "80") -> str:
    """What blocks the way; there must be something."""
    answer = explain(state, source, target, port)
    assert not answer.reached, answer
    assert answer.why
    return answer.why


def path(state: State, source: str, target: str, port: str = "80") -> str:
    """The hosts on the way; there must be one."""
    answer = explain(state, source, target, port)
    assert answer.reached, answer.why
    assert not answer.why
    return " ".join(answer.path)


def settled(state: State, most: int = 40) -> tuple[State, int]:
    """The state after as many advances as it takes until nobody has something to tell, and their number."""
    for number in range(most):
        if not state.select("unsettled"):
            return state, number
        state = run(state, "advance")
    raise AssertionError(f"not settled after {most} advances")


__all__ = ["Network", "act", "bare", "exit_of", "facts", "holds", "path", "run", "settled", "why"]

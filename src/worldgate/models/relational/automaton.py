"""A net whose messages are hard, as the finite automaton that it is.

The state of a node follows from its kind, its marks and the channels that it has been told, what a fact says from its
relation, its sorts and the states of its nodes, and an answer from the states of the nodes that the ask is about. Few
of each occur, so each is computed once, one vector at a time, and looked up from then on: what is predicted does not
depend on what is predicted beside it. In each round only the facts of nodes that changed in the round before are
looked at. O(changes) a lane, besides O(facts) a state; numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from . import valued
from .encoder import Lanes
from .graph import Graph, Numbers

Floats = np.ndarray[Any, np.dtype[np.float32]]
News = tuple[tuple[int, int], ...]
"""(column, channels as bits) of what a fact tells those of its nodes that were not told so before."""
MOST = 1_000_000
"""So many of what is said are kept; then it begins anew."""


class _Known(dict[Any, Any]):
    """What `make` says of each key, kept."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make

    def __missing__(self, key: Any) -> Any:
        found = self[key] = self._make(key)
        return found


class Web(NamedTuple):
    """A graph ready for rounds. Of each fact what it says by the states of its nodes, how to take these of the states
    of all nodes, and its nodes; of each node its facts."""

    facts: list[tuple[_Known, Callable[[list[int]], Any], Numbers]]
    of: list[list[int]]


class Automaton:
    """Made of the weights of a net, by name; it shares nothing with them. `answers`: how many each template has;
    `turned`: of each layout the sort of facts that are read the other way, 0 where none is."""

    def __init__(self, weights: Mapping[str, Any], answers: Sequence[int], turned: Sequence[int]) -> None:
        self._weights: dict[str, Floats] = {name: value.numpy(force=True).copy() for name, value in weights.items()}
        self._answers, self._turned, self._width = answers, turned, len(self._weights["told.bias"])
        for number, sort in enumerate(turned):
            if sort:  # the same two nodes are told what is said both ways
                tell = self._weights[f"tell.{number}.weight"]
                self._weights[f"tell.{number}.weight"] = np.concatenate([tell, self._swapped(self._swapped(tell).T).T])
        self._begin()

    def _swapped(self, pair: Floats) -> Floats:
        """What belongs to the other of two nodes first."""
        return np.roll(pair, self._width, axis=0)

    def _begin(self) -> None:
        self._made: list[tuple[int, Numbers, int]] = []  # of each state its kind, its marks, and the channels as bits
        self._vectors: list[Floats] = []
        self._states = _Known(self._state)
        self._grown = _Known(self._grow)
        self._facts = _Known(self._fact)
        self._parts = _Known(self._part)
        self._answered = _Known(self._answer)
        self._kept = 0

    def chances(self, lanes: Lanes) -> list[list[float]]:
        """Of each ask the probability of each of its answers."""
        if self._kept > MOST:
            self._begin()
        webs = [self._web(graph) for graph in lanes.graphs]
        plain = [self._settled(web, graph.kinds) for web, graph in zip(webs, lanes.graphs, strict=True)]
        ends = [self._marked(webs[graph], plain[graph].copy(), marks) for graph, marks in lanes.marked()]
        return [
            self._answered[template, tuple([ends[lane][node] for node in nodes])]
            for lane, nodes, template in lanes.about()
        ]

    def _web(self, graph: Graph | valued.Graph) -> Web:
        facts: list[tuple[_Known, Callable[[list[int]], Any], Numbers]] = []
        for number, (joins, sorts) in enumerate(zip(graph.joins, graph.sorts, strict=True)):
            facts += [
                (self._facts[number, sort], itemgetter(*nodes), nodes) for nodes, sort in zip(joins, sorts, strict=True)
            ]
        of: list[list[int]] = [[] for _ in graph.kinds]
        for at, (_, _, nodes) in enumerate(facts):
            for node in nodes:
                of[node].append(at)
        return Web(facts, of)

    def _settled(self, web: Web, kinds: Sequence[int]) -> list[int]:
        """The state of each node where nothing is marked."""
        return self._spread(web, [self._states[kind, (), 0] for kind in kinds], range(len(kinds)))

    def _marked(self, web: Web, states: list[int], marks: Iterable[tuple[int, int]]) -> list[int]:
        """The state of each node where these nodes are marked."""
        of: dict[int, Numbers] = {}
        for node, mark in marks:
            of[node] = (*of.get(node, ()), mark)
        for node, some in of.items():
            kind, _, told = self._made[states[node]]
            states[node] = self._states[kind, tuple(sorted(some)), told]
        return self._spread(web, states, of)

    def _spread(self, web: Web, states: list[int], active: Iterable[int]) -> list[int]:
        """The states in the end, beginning with those of the nodes `active`, which are new."""
        facts, of, grown = web.facts, web.of, self._grown
        while active:
            told: dict[int, int] = {}
            for at in set().union(*map(of.__getitem__, active)):
                said, states_of, nodes = facts[at]
                for column, bits in said[states_of(states)]:
                    told[nodes[column]] = told.get(nodes[column], 0) | bits
            for node, bits in told.items():
                states[node] = grown[states[node], bits]
            active = told
        return states

    def _state(self, key: tuple[int, Numbers, int]) -> int:
        kind, marks, told = key
        self._made.append(key)
        weights = self._weights
        still = weights["kinds.weight"][kind] + weights["marks.weight"][list(marks)].sum(0)
        bits = np.array([told >> channel & 1 for channel in range(self._width)], np.float32)
        self._vectors.append(np.maximum(still + weights["told.weight"] @ bits + weights["told.bias"], 0))
        return len(self._made) - 1

    def _grow(self, key: tuple[int, int]) -> int:
        state, bits = key
        kind, marks, told = self._made[state]
        found: int = self._states[kind, marks, told | bits]
        return found

    def _fact(self, key: tuple[int, Numbers]) -> _Known:
        """What facts of a relation with these sorts say, by the states of their nodes."""
        number, (first, *more) = key
        of = self._weights[f"sorts.{number}.weight"]
        adds, turned = of[[first, *more]].sum(0), self._turned[number]
        if turned:
            adds = np.concatenate([adds, self._swapped(of[[turned, *more]].sum(0))])

        width, made, parts = self._width, self._made, self._parts
        begun = _Known(lambda state: adds + parts[number, 0, state])

        def say(states: int | Numbers) -> News:
            self._kept += 1
            every = states if isinstance(states, tuple) else (states,)
            said = begun[every[0]]
            for column, state in enumerate(every[1:], 1):
                said = said + parts[number, column, state]
            whole = int.from_bytes(np.packbits(said > 0.5, bitorder="little"), "little")
            if turned:
                whole |= whole >> 2 * width
            news = []
            for column, state in enumerate(every):
                new = whole >> column * width & (1 << width) - 1 & ~made[state][2]
                if new:
                    news.append((column, new))
            return tuple(news)

        return _Known(say)

    def _part(self, key: tuple[int, int, int]) -> Floats:
        """What the state of a column's node adds to what a relation's facts say."""
        number, column, state = key
        weights = self._weights[f"tell.{number}.weight"][:, column * self._width : (column + 1) * self._width]
        found: Floats = weights @ self._vectors[state]
        return found

    def _answer(self, key: tuple[int, Numbers]) -> list[float]:
        template, states = key
        weights, count = self._weights, self._answers[template]
        read = weights["read.weight"] @ np.concatenate([self._vectors[state] for state in states])
        hidden = np.maximum(read + weights["read.bias"] + weights["ask.weight"][template], 0)
        scores = hidden @ weights["answer"][template, :, :count] + weights["prior"][template, :count]
        shares = np.exp(scores - scores.max())
        found: list[float] = (shares / shares.sum()).tolist()
        return found

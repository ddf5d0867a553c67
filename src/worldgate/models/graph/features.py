"""One state and action as a graph: nodes, the facts as sums of features, and where each belongs.

O(facts) in time and size, whatever the number of nodes. What a layout does not know (an action or a label never seen)
has no feature, and facts of relations never seen are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

from ...facts import State, Type, Value
from ...horizon.induction.reading import MOST_WORDS, Call, read, typed
from .layout import WORD, Layout, symlog

Node = tuple[str, Value]
"""(kind, id or value)."""
_INT, _DECIMAL = Type("int"), Type("decimal")


class Graph(NamedTuple):
    """`said` are (fact, feature, weight); `whole` the facts about the whole; `unary` (fact, node); `edges` (type,
    source, target, fact). A fact is a number here: one of the state, or of what is said of a node or of the action."""

    nodes: list[Node]
    facts: int
    said: list[tuple[int, int, float]]
    whole: list[int]
    unary: list[tuple[int, int]]
    edges: list[tuple[int, int, int, int]]
    words: dict[int, str]
    """The nodes that words of the action name, and the words."""


def graph_of(layout: Layout, state: State, action: Any) -> Graph:
    """The graph of a state and an action, the same whatever the order in which the state holds its facts."""
    call = read(action)
    graph = Graph([], 0, [], [], [], [], {})
    number: dict[Node, int] = {}

    def node(kind: str, value: Value) -> int:
        found = number.setdefault((kind, value), len(number))
        if found == len(graph.nodes):
            graph.nodes.append((kind, value))
        return found

    rows = sorted((fact for fact in state.facts() if fact[0] in layout.columns), key=lambda fact: fact[:2])
    for fact, (relation, key, value) in enumerate(rows):
        columns = layout.columns[relation]
        row = columns.relation.row(key, value)
        graph.said.extend((fact, feature, weight) for feature, weight in _said(layout, relation, row))
        here = [(at, node(columns.cells[at].kind, row[at])) for at in columns.nodes]
        if not here:
            graph.whole.append(fact)
        elif len(here) == 1:
            graph.unary.append((fact, here[0][1]))
        for (one, source), (other, target) in combinations(here, 2):
            graph.edges.append((columns.edges[one, other], source, target, fact))
            graph.edges.append((columns.edges[other, one], target, source, fact))
    facts = len(rows)
    named = _named(graph, number, call, node)
    for at, features in enumerate(_of_nodes(graph, named)):
        graph.said.extend((facts + at, feature, weight) for feature, weight in _known(layout, features))
        graph.unary.append((facts + at, at))
    facts += len(graph.nodes)
    graph.said.extend((facts, feature, weight) for feature, weight in _known(layout, _of_action(call)))
    graph.whole.append(facts)
    return graph._replace(facts=facts + 1, words={at: call.words[roles[0]] for at, roles in sorted(named.items())})


def pointable(graph: Graph, kind: str) -> dict[Value, int]:
    """The nodes to point at for a cell of this kind, by what they mean: those of the kind, and those that words of the
    action name and that could be of it, where no node of the kind means the same."""
    found = {value: at for at, (own, value) in enumerate(graph.nodes) if own == kind}
    type_ = Type(kind[1:]) if kind.startswith(":") else Type("ref", entity=kind)
    for at, word in graph.words.items():
        value = typed(word, type_)
        if value is not None:
            found.setdefault(value, at)
    return found


def _said(layout: Layout, relation: str, row: tuple[Any, ...]) -> Iterator[tuple[int, float]]:
    """The features of a fact."""
    yield layout.features[relation], 1.0
    for cell, value in zip(layout.columns[relation].cells, row, strict=True):
        if cell.role == "number":
            yield layout.features[cell.place], symlog(value)
        elif cell.role == "label" and (feature := layout.features.get(f"{cell.place}={value!s}")) is not None:
            yield feature, 1.0


def _named(
    graph: Graph, number: dict[Node, int], call: Call, node: Callable[[str, Value], int]
) -> dict[int, list[int]]:
    """The places of the words that name each node; a word that names none gets one of its own."""
    named: dict[int, list[int]] = {}
    for role, word in enumerate(call.words[:MOST_WORDS]):
        said = (word, typed(word, _INT), typed(word, _DECIMAL))
        kinds = dict.fromkeys(kind for kind, _ in graph.nodes if kind != WORD)
        here = [
            number[kind, value] for kind in kinds for value in said if value is not None and (kind, value) in number
        ]
        for at in here or [node(WORD, word)]:
            named.setdefault(at, []).append(role)
    return named


def _of_nodes(graph: Graph, named: dict[int, list[int]]) -> Iterator[list[tuple[str, float]]]:
    for at, (kind, value) in enumerate(graph.nodes):
        features = [(f"kind={kind}", 1.0), (f"id={kind}={value!r}", 1.0)]
        features += [(f"role={role}", 1.0) for role in named.get(at, ())]
        amount = typed(value, _DECIMAL) if kind == WORD and isinstance(value, str) else value
        if amount is not None and not isinstance(amount, str | bytes | tuple):
            features.append(("number", symlog(amount)))
        yield features


def _of_action(call: Call) -> Iterator[tuple[str, float]]:
    yield f"action={call.name}", 1.0
    for role, word in enumerate(call.words[:MOST_WORDS]):
        yield f"word{role}={word}", 1.0
        if (amount := typed(word, _DECIMAL)) is not None:
            yield f"word{role}#", symlog(amount)


def _known(layout: Layout, features: Iterable[tuple[str, float]]) -> list[tuple[int, float]]:
    return [(layout.features[name], weight) for name, weight in features if name in layout.features]

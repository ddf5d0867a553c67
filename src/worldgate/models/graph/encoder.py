"""Transitions of a world as batches of graphs and of the tokens of their deltas. numpy alone.

A transition is one question; its outcome is the action's name and the kinds of change. Batches are concatenated graphs,
O(facts), and tokens padded to the longest delta.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec
import numpy as np

from ...facts import Schema, State
from ...horizon.induction.reading import read
from ...horizon.trajectory import Step, event
from .config import GraphConfig, NotGraphable
from .features import Graph, graph_of, pointable
from .layout import Layout, Seen, look
from .tokens import END, FIRST, Net, Tokens

Array = np.ndarray[Any, Any]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that an encoder is made of, besides the schema whose digest it says."""

    schema: str
    config: GraphConfig
    seen: Seen


class Question(NamedTuple):
    """One transition to learn."""

    outcome: str
    state: State
    action: Any
    net: Net


class Encoder:
    """The encoder of a schema under a config; see `family.Encoder`."""

    def __init__(self, schema: Schema, config: GraphConfig, seen: Seen) -> None:
        self.schema, self.config, self.seen = schema, config, seen
        self.layout = Layout(schema, config, seen)
        self.tokens = Tokens(self.layout)

    @classmethod
    def of(cls, config: GraphConfig, schema: Schema, sample: Iterable[Step]) -> Encoder:
        """One that knows the actions, labels and numbers of a sample."""
        return cls(schema, config, look(schema, config, sample))

    @classmethod
    def restored(cls, document: Document, schema: Schema) -> Encoder:
        """The same again; `NotGraphable` for another schema."""
        if document.schema != schema.digest:
            raise NotGraphable(f"schema {schema.name} {schema.digest[:12]}", f"the one with {document.schema[:12]}")
        return cls(schema, document.config, document.seen)

    def document(self) -> Document:
        return Document(self.schema.digest, self.config, self.seen)

    def __reduce__(self) -> tuple[Any, ...]:
        return Encoder, (self.schema, self.config, self.seen)

    def questions(self, step: Step) -> Sequence[Question]:
        """One."""
        events = {event(self.schema, relation, *change) for (relation, _), change in step.net.items()}
        outcome = f"{read(step.action).name}: {', '.join(sorted(events)) or 'nothing'}"
        return [Question(outcome, step.before, step.action, step.net)]

    def sayable(self, step: Step) -> bool:
        """Whether all of the delta can be said."""
        graph = graph_of(self.layout, step.before, step.action)
        names = {kind: pointable(graph, kind) for kind in self.tokens.kinds}
        return self.tokens.example(step.before, step.net, names)[1]

    def batch(self, questions: Sequence[Question]) -> dict[str, Array]:
        """Arrays of `graphs`, and of the tokens (B questions, T tokens, V known tokens, N nodes of the largest graph):
        `slot` and `said` (B, T), the token before each; `right` (B, T, V + N), all of them false where nothing is to be
        learned."""
        graphs = [graph_of(self.layout, question.state, question.action) for question in questions]
        arrays, names = self.graphs(graphs)
        known, most = len(self.tokens.tokens), max(len(graph.nodes) for graph in graphs)
        pairs = enumerate(zip(questions, names, strict=True))
        rows = [self.tokens.example(one.state, one.net, there, bool(at % 2))[0] for at, (one, there) in pairs]
        longest = max(map(len, rows))
        slot, said = np.full((len(rows), longest), FIRST), np.full((len(rows), longest), END)
        right = np.zeros((len(rows), longest, known + most), dtype=bool)
        for at, points in enumerate(rows):
            slot[at, : len(points)] = [point.slot for point in points]
            said[at, 1 : len(points)] = [point.said for point in points[:-1]]
            for place, point in enumerate(points):
                right[at, place, list(point.choices)] = True
        return {**arrays, "slot": slot, "said": said, "right": right}

    def graphs(self, graphs: Sequence[Graph]) -> tuple[dict[str, Array], list[dict[str, dict[Any, int]]]]:
        """Concatenated graphs as arrays, and what each node means to a pointer (see `pointable`).

        `said` is (entry, weight), `edges` is sorted by type with `counts` of each type and one weight an edge: 1 over
        the number of edges of its type that end where it does. `target` (kinds, B, N) says what may be pointed at,
        `first` (B, V) which tokens may begin an edit.
        """
        names = [{kind: pointable(graph, kind) for kind in self.tokens.kinds} for graph in graphs]
        node = list(accumulate((len(graph.nodes) for graph in graphs), initial=0))
        fact = list(accumulate((graph.facts for graph in graphs), initial=0))
        offsets = list(enumerate(zip(graphs, node, fact, strict=False)))
        said = [(i + f, feature, weight) for _, (graph, _, f) in offsets for i, feature, weight in graph.said]
        edges = np.array(
            [(k, a + n, b + n, i + f) for _, (graph, n, f) in offsets for k, a, b, i in graph.edges], dtype=np.int64
        ).reshape(-1, 4)
        edges = edges[np.argsort(edges[:, 0], kind="stable")]
        _, group, size = np.unique(edges[:, 0] * node[-1] + edges[:, 2], return_inverse=True, return_counts=True)
        place = {number: kind for kind, number in enumerate(self.tokens.kinds)}
        target = np.zeros((max(1, len(place)), len(graphs), max(len(graph.nodes) for graph in graphs)), dtype=bool)
        first = np.zeros((len(graphs), len(self.tokens.tokens)), dtype=bool)
        for at, known in enumerate(names):
            first[at, list(self.tokens.feasible(kind for kind, some in known.items() if some))] = True
            for kind, some in known.items():
                target[place[kind], at, list(some.values())] = True
        return {
            "said_fact": np.array([one[0] for one in said], dtype=np.int64),
            "said_feature": np.array([one[1] for one in said], dtype=np.int64),
            "said_weight": np.array([one[2] for one in said], dtype=np.float32),
            "facts": np.array(fact[-1]),
            "nodes": np.array([len(graph.nodes) for graph in graphs]),
            "whole": _pairs((i + f, at) for at, (graph, _, f) in offsets for i in graph.whole),
            "unary": _pairs((i + f, a + n) for _, (graph, n, f) in offsets for i, a in graph.unary),
            "edges": edges,
            "counts": np.bincount(edges[:, 0], minlength=self.layout.edge_types),
            "share": (1.0 / size[group]).astype(np.float32) if len(edges) else np.zeros(0, dtype=np.float32),
            "target": target,
            "first": first,
        }, names


def _pairs(found: Iterable[tuple[int, int]]) -> Array:
    return np.array(list(found), dtype=np.int64).reshape(-1, 2)

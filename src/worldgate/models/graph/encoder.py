"""Transitions of a world as batches of graphs and of the tokens of their deltas. numpy alone.

A transition is one question; its outcome is the action's name and the kinds of change. Batches are concatenated graphs,
O(facts), and tokens padded to the longest delta.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from ...facts import Address, Edit, Schema, State
from ...horizon.induction.reading import read
from ...horizon.trajectory import Step, event
from ..residual import Split
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
    """One transition to learn, but for what is said at the addresses `decided`."""

    outcome: str
    state: State
    action: Any
    net: Net
    decided: frozenset[Address] = frozenset()


class Packed(NamedTuple):
    """A graph as arrays: `said` (entry, feature) and its `weight`, the rest as in `Graph`."""

    nodes: int
    facts: int
    said: Array
    weight: Array
    whole: Array
    unary: Array
    edges: Array


def packed(graph: Graph) -> Packed:
    """Once for a graph that is in many batches."""
    return Packed(
        len(graph.nodes),
        graph.facts,
        _rows([(fact, feature) for fact, feature, _ in graph.said], 2),
        np.array([weight for _, _, weight in graph.said], dtype=np.float32),
        _rows(graph.whole, 1),
        _rows(graph.unary, 2),
        _rows(graph.edges, 4),
    )


def joined(graphs: Sequence[Packed], edge_types: int) -> dict[str, Array]:
    """Concatenated graphs: `edges` is sorted by type with `counts` of each type and one weight an edge: 1 over the
    number of edges of its type that end where it does."""
    sizes = np.array([(graph.facts, graph.nodes) for graph in graphs], dtype=np.int64).reshape(-1, 2)
    fact, node = (sizes.cumsum(axis=0) - sizes).T
    nothing = np.zeros_like(fact)
    said = _moved([graph.said for graph in graphs], fact, nothing)
    edges = _moved([graph.edges for graph in graphs], nothing, node, node, fact)
    edges = edges[np.argsort(edges[:, 0], kind="stable")]
    _, group, size = np.unique(
        edges[:, 0] * int(sizes[:, 1].sum()) + edges[:, 2], return_inverse=True, return_counts=True
    )
    whole = _moved([graph.whole for graph in graphs], fact)
    at = np.repeat(np.arange(len(graphs)), [len(graph.whole) for graph in graphs])
    return {
        "said_fact": said[:, 0],
        "said_feature": said[:, 1],
        "said_weight": np.concatenate([graph.weight for graph in graphs]),
        "facts": np.array(sizes[:, 0].sum()),
        "nodes": sizes[:, 1],
        "whole": np.stack([whole[:, 0], at], axis=1),
        "unary": _moved([graph.unary for graph in graphs], fact, node),
        "edges": edges,
        "counts": np.bincount(edges[:, 0], minlength=edge_types),
        "share": (1.0 / size[group]).astype(np.float32) if len(edges) else np.zeros(0, dtype=np.float32),
    }


def _rows(found: Sequence[Any], width: int) -> Array:
    return np.array(found, dtype=np.int64).reshape(-1, width)


def _moved(parts: Sequence[Array], *offsets: Array) -> Array:
    """The rows of all parts, each column moved by its offset of the part."""
    by: Array = np.repeat(np.stack(offsets, axis=1), [len(part) for part in parts], axis=0)
    return np.concatenate(parts) + by


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

    def residual(self, question: Question, split: Split) -> Question | None:
        """The question without what is decided; None where no fact of the state is open. Where edits end is always
        learned, also of a step that has none."""
        if not split([Edit(*fact, None) for fact in question.state.facts()])[1]:
            return None
        every = self.tokens.every(question.state, question.net)
        decided, _ = split([Edit(*address, *change) for address, change in every.items()])
        return question._replace(decided=frozenset(edit[:2] for edit in decided))

    def batch(self, questions: Sequence[Question]) -> dict[str, Array]:
        """Arrays of `graphs`, and of the tokens (B questions, T tokens, V known tokens, N nodes of the largest graph):
        `slot` and `said` (B, T), the token before each; `right` (B, T, V + N), all of them false where nothing is to be
        learned."""
        graphs = [graph_of(self.layout, question.state, question.action) for question in questions]
        arrays, names = self.graphs(graphs)
        known, most = len(self.tokens.tokens), max(len(graph.nodes) for graph in graphs)
        pairs = enumerate(zip(questions, names, strict=True))
        rows = [self.tokens.example(one.state, one.net, there, bool(at % 2), one.decided) for at, (one, there) in pairs]
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
        """What is `joined`, and what each node means to a pointer (see `pointable`): `target` (kinds, B, N) says what
        may be pointed at, `first` (B, V) which tokens may begin an edit."""
        names = [{kind: pointable(graph, kind) for kind in self.tokens.kinds} for graph in graphs]
        place = {number: kind for kind, number in enumerate(self.tokens.kinds)}
        target = np.zeros((max(1, len(place)), len(graphs), max(len(graph.nodes) for graph in graphs)), dtype=bool)
        first = np.zeros((len(graphs), len(self.tokens.tokens)), dtype=bool)
        for at, known in enumerate(names):
            first[at, list(self.tokens.feasible(kind for kind, some in known.items() if some))] = True
            for kind, some in known.items():
                target[place[kind], at, list(some.values())] = True
        arrays = joined([packed(graph) for graph in graphs], self.layout.edge_types)
        return {**arrays, "target": target, "first": first}, names

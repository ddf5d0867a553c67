"""Questions about single facts, and graphs with marks as arrays.

A question is one fact that an action may change, and which answers are right. Its *lane* is a copy of the state's graph
in which the things are marked that the action's words name (and those of the fact, where the template is about each
fact of a relation). Questions of one action share a lane wherever they mark the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from ...facts import INT, Edit, Schema, State, Value
from ...horizon.induction.joins import Columns
from ...horizon.induction.reading import typed
from ...horizon.trajectory import Step
from ..family import Arrays
from ..residual import Split
from . import graph as plain
from . import valued
from .graph import WORLD, Graph, Layout
from .templates import OTHER, Ask, Document, Template, asks, ready, spoken

Array = np.ndarray[Any, np.dtype[np.int64]]
Words = tuple[str, ...]


class Question(NamedTuple):
    """An ask with the answers that are right, a bit each, and what becomes of the fact."""

    outcome: str
    state: State
    shape: tuple[str, int]
    words: Words
    ask: Ask
    right: tuple[bool, ...]
    after: Value | None


class Encoder:
    """Templates, and what follows from them and the schema."""

    def __init__(self, schema: Schema, document: Document) -> None:
        self.schema, self._templates = schema, document
        self.templates = ready(document, schema)
        self._seen = {(shape.name, len(shape.words)): shape.seen for shape in document.shapes}
        self.keywords, self.rows = frozenset(document.keywords), Columns(schema)
        self.reading = valued.Reading(schema, document.unordered) if document.formats else None
        of = valued if document.formats else plain
        self.layouts, kinds = of.layouts(schema, document.unordered), of.kinds_of(schema)
        self.turned = [layout.turned for layout in self.layouts]
        self.kinds = len(kinds) + 1
        self.words = {
            (shape.name, len(shape.words)): [
                kinds.get(word if document.formats else f"ref {word}", WORLD) for word in shape.words
            ]
            for shape in document.shapes
        }
        self.columns = {
            relation.name: [kinds[of.kind_of(type_)] for _, type_ in relation.key]
            for relation in schema.relations.values()
        }
        self.row_kinds = {
            name: [kinds.get(kind, WORLD) for kind in (valued.fact_kind(name), *row)]
            for name, row in self.rows.kinds.items()
        }
        self.numbers = {kind for kind, _ in self.reading.numbers} if self.reading else set[int]()
        self.marks = {name: number for number, name in enumerate(self._marks())}
        every = [(shape, template) for shape, group in self.templates.items() for template in group]
        self.answers = [len(template.answers) for _, template in every]
        named = (shape[1] + self._about(template) for shape, template in every)
        self.roles = 1 + max(named, default=0)

    def _marks(self) -> Iterator[tuple[Any, ...]]:
        """What a node may be marked as: a word of a shape, one that comes before another, a column of a fact."""
        for shape, kinds in self.words.items():
            yield from ((shape, one) for one in range(len(kinds)))
            yield from ((shape, *pair) for pair in permutations(range(len(kinds)), 2))
        for relation, kinds in self.columns.items():
            yield from ((relation, column) for column in range(len(kinds)))

    def _about(self, template: Template) -> int:
        """How many things an ask of a template is about, beside the words."""
        facts = template.join.written.facts if template.join else ()
        return len(self.columns.get(template.each, ())) + sum(len(self.row_kinds[name]) for name in facts)

    def graph(self, state: State) -> Graph | valued.Graph:
        """The graph of a state. Facts of relations that the sample has none of are left out: no weight has learned
        what they say."""
        facts = (fact for fact in state.facts() if fact[0] in self._templates.seen)
        return valued.Graph(facts, self.reading) if self.reading else Graph(facts, self.layouts)

    def document(self) -> Document:
        """All that is needed to make it again."""
        return self._templates

    def doubt(self, state: State, action: Any) -> float:
        """How probable it is, by Laplace's rule of succession, that something never seen decides here: 1 / (n + 2)
        after n transitions of the sample of this shape, or from states with facts of some relation, the fewest of all
        that this action and state have. 1.0 for a shape never seen."""
        name, words = spoken(action, self.keywords)
        shape = name, len(words)
        if shape not in self._seen:
            return 1.0
        of = self._templates.seen
        return 1.0 / (2 + min([self._seen[shape], *(of.get(name, 0) for name in {fact[0] for fact in state.facts()})]))

    def asks(self, state: State, action: Any) -> tuple[tuple[str, int], Words, list[Ask]] | None:
        """The shape and words of an action and every fact it may change; None for a shape never seen."""
        name, words = spoken(action, self.keywords)
        shape = name, len(words)
        if shape not in self.templates:
            return None
        return shape, words, list(asks(self.templates[shape], state, words, self.rows))

    def questions(self, step: Step) -> Sequence[Question]:
        """A question for each fact that the action may change."""
        found = self.asks(step.before, step.action)
        if found is None:
            return []
        shape, words, asked = found
        questions = []
        for ask in asked:
            change = step.net.get((ask.template.relation, ask.key))
            after = ask.now if change is None else change[1]
            right = tuple(value == after for value in ask.values)
            if ask.values[0] is OTHER:
                right = (not right[1], right[1])
            if any(right):
                outcome = f"{ask.template.number}{''.join('-+'[one] for one in right)}"
                questions.append(Question(outcome, step.before, shape, words, ask, right, after))
        return questions

    def residual(self, question: Question, split: Split) -> Question | None:
        """The question, unless what becomes of its fact is decided."""
        ask = question.ask
        _, left = split([Edit(ask.template.relation, ask.key, ask.now, question.after)])
        return question if left else None

    def batch(self, questions: Sequence[Question]) -> Arrays:
        """The arrays of `Lanes`, and `right` (asks, most answers): 1 where an answer is right."""
        lanes = Lanes(self)
        for one in questions:
            lanes.add(one.state, one.shape, one.words, one.ask)
        right = np.zeros((len(questions), max(self.answers, default=1)), np.float32)
        for row, one in enumerate(questions):
            right[row, : len(one.right)] = one.right
        return {**lanes.arrays(), "right": right}


class Lanes:
    """Gathers asks into the arrays of one batch, all of int64.

    `kinds` (nodes of all graphs); of each relation r that has facts `joins_r` (facts, nodes each) and `sorts_r`
    (facts, sorts each). `lanes` (lanes, 3): the first node of its graph and its own, and how many nodes it has;
    `marked`, `marks`: a node of a lane and its mark; `roles` (asks, roles): the nodes of its lane that an ask is
    about, the world first; `template` (asks). The facts once more for each lane: `facts_r`, of what it is a copy, and
    `lane_r` as `joins_r`.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.graphs: list[Graph | valued.Graph] = []
        self._graph_of: dict[Any, int] = {}
        self._states: list[State] = []  # so that an identity is not used twice
        self._lanes: dict[tuple[Any, ...], int] = {}
        self._marks: list[list[tuple[int, int]]] = []
        self._graph: list[int] = []
        self._asks: list[tuple[int, list[int], int]] = []

    def add(self, state: State, shape: tuple[str, int], words: Words, ask: Ask) -> None:
        """One more ask."""
        which = (id(state), words) if self.encoder.reading else id(state)  # words that are values join others
        at = self._graph_of.get(which)
        if at is None:
            at = self._graph_of[which] = len(self.graphs)
            self.graphs.append(self.encoder.graph(state))
            self._states.append(state)
        graph, each = self.graphs[at], ask.template.each
        kinds = self.encoder.words[shape]
        named = [self._named(graph, kind, word) for kind, word in zip(kinds, words, strict=True)]
        columns = self.encoder.columns[each] if each else ()
        parts = [graph.node(kind, part) for kind, part in zip(columns, ask.part, strict=True)]
        key = (at, shape, words, each, ask.part)
        if key not in self._lanes:
            self._lanes[key] = len(self._marks)
            self._graph.append(at)
            marks = [(node, self.encoder.marks[shape, one]) for one, node in enumerate(named) if node != WORLD]
            marks += [(named[one], self.encoder.marks[shape, one, other]) for one, other in _ordered(kinds, words)]
            marks += [(node, self.encoder.marks[each, column]) for column, node in enumerate(parts)]
            self._marks.append(marks)
        about = [node for one in self._bound(graph, ask) for node in one]
        self._asks.append((self._lanes[key], [*named, *parts, *about], ask.template.number))

    def _named(self, graph: Graph | valued.Graph, kind: int, word: str) -> int:
        """The node that a word is, the world where it is none."""
        value = typed(word, INT) if kind in self.encoder.numbers else word
        return graph.node(kind, value) if kind and value is not None else WORLD

    def _bound(self, graph: Graph | valued.Graph, ask: Ask) -> Iterator[list[int]]:
        """The nodes of the facts that a join put together: each fact's own, where it has one, and its columns'."""
        if ask.template.join is None:
            return
        for name, row in zip(ask.template.join.written.facts, ask.rows, strict=True):
            own, *kinds = self.encoder.row_kinds[name]
            fact = graph.node(own, row[: len(self.encoder.columns[name])]) if own else WORLD
            yield [
                fact,
                *(
                    graph.node(kind, value) if kind and value is not None else WORLD
                    for kind, value in zip(kinds, row, strict=True)
                ),
            ]

    def marked(self) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Of each lane its graph, and which of its nodes have which marks."""
        return zip(self._graph, self._marks, strict=True)

    def about(self) -> Iterator[tuple[int, list[int], int]]:
        """Of each ask its lane, the nodes of its roles, and its template."""
        for lane, nodes, template in self._asks:
            yield lane, [WORLD, *nodes, *[WORLD] * (self.encoder.roles - 1 - len(nodes))], template

    def arrays(self) -> dict[str, Array]:
        """The arrays."""
        both = [  # before nodes are counted: what follows from values adds some
            list(map(Layout.both_ways, self.encoder.layouts, graph.joins, graph.sorts)) for graph in self.graphs
        ]
        every, sorts = ([[pair[of] for pair in pairs] for pairs in both] for of in (0, 1))
        sizes = np.array([len(graph.kinds) for graph in self.graphs], np.int64)
        starts, of = np.cumsum(sizes) - sizes, np.array(self._graph, np.int64)
        own = np.cumsum(sizes[of]) - sizes[of]
        found = {"kinds": np.array([kind for graph in self.graphs for kind in graph.kinds], np.int64)}
        found["lanes"] = np.stack([starts[of], own, sizes[of]], 1)
        for number in range(len(self.encoder.layouts)):
            counts = np.array([len(joins[number]) for joins in every], np.int64)
            if not counts.any():
                continue
            first = np.repeat(starts, counts)[:, None]
            found[f"joins_{number}"] = np.array([row for joins in every for row in joins[number]], np.int64) + first
            found[f"sorts_{number}"] = np.array([row for one in sorts for row in one[number]], np.int64)
            facts = spans((np.cumsum(counts) - counts)[of], counts[of])
            found[f"facts_{number}"] = facts
            found[f"lane_{number}"] = found[f"joins_{number}"][facts] + np.repeat(own - starts[of], counts[of])[:, None]
        marks = [(own[lane] + node, mark) for lane, some in enumerate(self._marks) for node, mark in some]
        found["marked"], found["marks"] = np.array(marks, np.int64).reshape(-1, 2).T
        of_asks, roles, templates = zip(*self.about(), strict=True)
        found["roles"] = np.array(roles, np.int64) + own[list(of_asks)][:, None]
        found["template"] = np.array(templates, np.int64)
        return found


def _ordered(kinds: Sequence[int], words: Words) -> Iterator[tuple[int, int]]:
    """The pairs of words of one kind of thing of which the first comes before the other."""
    for one, other in permutations(range(len(words)), 2):
        if kinds[one] and kinds[one] == kinds[other] and words[one] < words[other]:
            yield one, other


def spans(starts: Array, lengths: Array) -> Array:
    """start, start + 1, ... of each span, one after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) - np.repeat(ends - lengths - starts, lengths)

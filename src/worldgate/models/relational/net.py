"""The relational net: rounds of messages along facts until nothing changes.

Each node holds what it has been told: `width` channels, at first 0. In a round every fact reads the states of the nodes
it joins and tells each of them, in each channel, 0 or 1; a node keeps the maximum of all that it was ever told. So what
is told only grows, the rounds come to an end whatever the number of nodes, and the input is read anew in each round.
It is done twice: without marks, once for a state, and from there with the marks of each lane. The weights of a relation
are the same in each round and for each fact. At last a template's head reads the nodes that the ask is about.

In training messages are at first anything between 0 and 1 and are made hard at random, more and more of them; the
gradient is that of the soft ones. What is said is penalised (`activity`): as nothing told is ever taken back, weights
that drift towards saying more end with everything told to everyone, from where no gradient leads back. The harder
messages are, the less: at last the penalty alone would move weights, until what is hard turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ...facts import Delta, Edit, Error, Relation, State, Value
from ...horizon.predictor import Prediction
from ..drawing import draw
from ..family import tensors
from .automaton import Automaton
from .encoder import Encoder, Lanes, Question, Words
from .settling import Facts, settle, spans
from .templates import OTHER, Ask

LEAK = 0.05
"""The slope of a message outside of [0, 1], in gradients alone."""
STILL = 1e-3
"""Soft messages that grow by less stand still."""


class Relational(nn.Module):
    """See the module. `harden`: the step of training from which on messages become hard, and that at which all are;
    (0, 0): never. At most `rounds` rounds where messages are soft. `activity`: the weight, in the loss, of the mean of
    what is said above 0, which falls to 0 as messages become hard."""

    step: Tensor
    known: Tensor
    tell: Any
    sorts: Any

    def __init__(
        self, encoder: Encoder, width: int, head: int, harden: tuple[int, int], rounds: int, activity: float
    ) -> None:
        super().__init__()
        self.encoder, self.width, self.harden, self.rounds = encoder, width, harden, rounds
        self.activity = activity
        self._automaton: tuple[int, Automaton] | None = None
        self.kinds = nn.Embedding(encoder.kinds, width)
        self.marks = nn.Embedding(max(1, len(encoder.marks)), width)
        self.told = nn.Linear(width, width)
        joins = [len(layout.columns) * width for layout in encoder.layouts]
        self.tell = nn.ModuleList(nn.Linear(size, size, bias=False) for size in joins)
        widths = [layout.width for layout in encoder.layouts]
        self.sorts = nn.ModuleList(nn.EmbeddingBag(*sizes, mode="sum") for sizes in zip(widths, joins, strict=True))
        templates, most = len(encoder.answers), max(encoder.answers, default=1)
        self.ask = nn.Embedding(templates, head)
        self.read = nn.Linear(encoder.roles * width, head)
        self.answer = nn.Parameter(torch.randn(templates, head, most) / head**0.5)
        self.prior = nn.Parameter(torch.zeros(templates, most))
        known = torch.arange(most) < torch.tensor(encoder.answers)[:, None]
        self.register_buffer("known", known, persistent=False)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        with torch.no_grad():
            for one in self.sorts:
                one.weight.mul_(0.3)

    def __getstate__(self) -> dict[str, Any]:
        """Of a copy: without what was looked up, which is told by functions that know this net's states."""
        return {**self.__dict__, "_automaton": None}

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """The mean of -log(the probability that is given to right answers), and what is said."""
        said: list[Tensor] = []
        scores = self.forward(batch, said).log_softmax(-1)
        self.step += 1
        loss = -scores.masked_fill(batch["right"] == 0, -torch.inf).logsumexp(-1).mean()
        weight = self.activity * (1.0 - self._hardness())
        return loss + weight * torch.stack(said).mean() if weight and said else loss

    def forward(self, batch: dict[str, Tensor], said: list[Tensor] | None = None) -> Tensor:
        """The score of each answer, (asks, most answers), for the arrays of `Lanes`. The mean of what is said above 0
        in each round is added to `said`."""
        facts = {
            number: Facts(batch[f"joins_{number}"], sorts(batch[f"sorts_{number}"]))
            for number, sorts in enumerate(self.sorts)
            if f"joins_{number}" in batch
        }
        still = self.kinds(batch["kinds"])
        first, _, sizes = batch["lanes"].T
        of = spans(first, sizes)
        marked = still[of].index_add(0, batch["marked"], self.marks(batch["marks"]))
        copies = {
            number: Facts(batch[f"lane_{number}"], one.sorts[batch[f"facts_{number}"]]) for number, one in facts.items()
        }
        told = self._settled(still, torch.zeros_like(still), facts, said)
        states = self._state(marked, self._settled(marked, told[of], copies, said))
        at = batch["template"]
        hidden = torch.relu(self.read(states[batch["roles"]].flatten(1)) + self.ask(at))
        scores = torch.einsum("qh,qha->qa", hidden, self.answer[at]) + self.prior[at]
        return scores.masked_fill(~self.known[at], -torch.inf)

    def _state(self, still: Tensor, told: Tensor) -> Tensor:
        return torch.relu(still + self.told(told))

    def _settled(self, still: Tensor, told: Tensor, facts: dict[int, Facts], said: list[Tensor] | None) -> Tensor:
        """What the nodes have been told in the end, all messages in all rounds."""
        hard = self._hardness()
        rounds = still.numel() + 1 if hard == 1.0 else self.rounds
        ends = STILL if hard < 1.0 else 0.0
        weights = {number: self.tell[number].weight for number in facts}
        some: Tensor | None = still.new_zeros((), dtype=torch.bool)
        if hard:  # the same in all rounds: what is hard in any of them has been told for good
            size = sum(one.joins.numel() for one in facts.values()), self.width
            some = None if hard == 1.0 else torch.rand(size, device=still.device) < hard

        def state(told: Tensor) -> Tensor:
            return self._state(still, told)

        def say(words: Tensor) -> Tensor:
            if said is not None:
                said.append(words.relu().mean())
            return message(words, some)

        return settle(facts, weights, told, state, say, rounds, ends)

    def _hardness(self) -> float:
        """The share of messages that are hard now."""
        first, last = self.harden
        if not self.training or not last:
            return float(bool(last))
        return min(1.0, max(0.0, (int(self.step) - first) / max(1, last - first)))

    def predict(self, pairs: Sequence[tuple[State, Any]]) -> list[Prediction]:
        """The most probable value of each fact that an action may change. Uncertainty: 1 - the product of their
        probabilities and of what `Encoder.doubt` leaves; 1.0 for a shape of action never seen."""
        lanes, found = Lanes(self.encoder), [self.encoder.asks(*pair) for pair in pairs]
        for (state, _), asked in zip(pairs, found, strict=True):
            if asked:
                shape, words, asks = asked
                for ask in asks:
                    lanes.add(state, shape, words, ask)
        rows = iter(self._chances(lanes) if lanes.graphs else ())
        said = [self._answered(pair, asked, rows) for pair, asked in zip(pairs, found, strict=True)]
        return [_doubted(one, self.encoder.doubt(*pair)) for one, pair in zip(said, pairs, strict=True)]

    def _chances(self, lanes: Lanes) -> list[list[float]]:
        """Of each ask the probability of each answer."""
        if not self.harden[1]:
            return [list(row) for row in self.forward(tensors(lanes.arrays(), self.prior.device)).softmax(-1).tolist()]
        version = sum(weight._version for weight in self.parameters())
        if self._automaton is None or self._automaton[0] != version:  # it has learned since
            self._automaton = version, Automaton(self.state_dict(), self.encoder.answers, self.encoder.turned)
        return self._automaton[1].chances(lanes)

    def drawn(self, pairs: Sequence[tuple[State, Any]]) -> tuple[list[Delta], Tensor]:
        """Answers drawn from their probabilities; see `family.Net`."""
        found = [self.encoder.asks(*pair) for pair in pairs]
        every = [(at, one, ask) for at, one in enumerate(found) if one for ask in one[2]]
        asked = [Question("", pairs[at][0], shape, words, ask, (), None) for at, (shape, words, _), ask in every]
        logs, rows = 0.0 * self.prior.sum() + self.prior.new_zeros(len(pairs)), list[list[float]]()
        self.step += 1
        if asked:
            scores = self.forward(tensors(self.encoder.batch(asked), logs.device)).log_softmax(-1)
            chosen = draw(scores)
            of = torch.tensor([at for at, _, _ in every], device=logs.device)
            logs = logs.index_add(0, of, scores.gather(1, chosen[:, None])[:, 0])
            rows = one_hot(chosen, scores.shape[1]).tolist()
        said = iter(rows)
        return [self._answered(pair, one, said).delta for pair, one in zip(pairs, found, strict=True)], logs

    def _answered(
        self, pair: tuple[State, Any], asked: tuple[Any, Words, list[Ask]] | None, rows: Iterator[list[float]]
    ) -> Prediction:
        """The prediction for a state and action, with the chances of all answers to what was asked in `rows`."""
        return self._said(asked[2], rows) if asked else Prediction((), 1.0)

    def _said(self, asked: Sequence[Ask], rows: Iterator[list[float]]) -> Prediction:
        edits: dict[tuple[str, Any], Edit] = {}
        joined: dict[tuple[str, Any], float] = {}
        right = 1.0
        for ask in asked:
            chances: dict[Value | None, float] = {}
            for value, chance in zip(ask.values, next(rows), strict=False):
                chances[value] = chances.get(value, 0.0) + chance
            value = max(chances, key=chances.__getitem__)
            right *= chances[value]
            relation, place = self.encoder.schema.relations[ask.template.relation], (ask.template.relation, ask.key)
            if value == ask.now or value is OTHER or not _fits(relation, ask.key, value):
                continue
            if ask.template.join is None:
                edits.setdefault(place, Edit(*place, ask.now, value))
            elif chances[value] > joined.get(place, 0.0):  # of several values that joins say, the most probable
                joined[place] = chances[value]
                edits[place] = Edit(*place, ask.now, value)
        return Prediction(tuple(edits.values()), 1.0 - right)


def _fits(relation: Relation, key: Any, value: Value | None) -> bool:
    try:
        relation.check(key, value)
    except Error:
        return False
    return True


def _doubted(said: Prediction, doubt: float) -> Prediction:
    return said._replace(uncertainty=1.0 - (1.0 - (said.uncertainty or 0.0)) * (1.0 - doubt))


def message(said: Tensor, some: Tensor | None) -> Tensor:
    """What is said as 0 to 1, and as 0 or 1 where `some` is true (None: everywhere), with a gradient of its own."""
    hard = (said > 0.5).to(said.dtype)
    if some is None and not said.requires_grad:
        return hard
    soft = said.clamp(0.0, 1.0)
    value = hard if some is None else torch.where(some, hard, soft.detach())
    slope = soft + LEAK * (said - soft)
    return value + (slope - slope.detach())

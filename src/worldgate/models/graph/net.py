"""The graph network: message passing, a recurrent Gaussian belief over the pooled graph, and a decoder of deltas.

As published: rounds of mean aggregation over the edges of each relation and direction, concatenated with the node and
mapped linearly, plus the graph's vector, GELU, residual LayerNorm; a mean pool; a GRU cell from a zero state; a latent
whose mean squared deviation is the uncertainty; a causal transformer each of whose tokens is shifted by the vector.
Ours: an edge's message is the node it comes from plus what the fact says; under "pointer" the decoder also attends to
the nodes, and scores them beside the known tokens.

A message costs the same whatever the number of nodes, so a pass is O(facts); the decoder's look at the nodes is
O(tokens * nodes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...facts import Delta, State
from ...horizon.predictor import Prediction
from ..drawing import draw
from ..family import tensors
from ..text.batch import padded
from .attention import Block, Look
from .encoder import Encoder
from .features import graph_of
from .tokens import END, FIRST

Batch = dict[str, Tensor]
CHUNK = 64
"""Predictions made together."""
LEAST = 1e-4
"""The least deviation of the latent."""


class Round(nn.Module):
    """One round of messages."""

    def __init__(self, width: int, edge_types: int) -> None:
        super().__init__()
        self.own, self.whole = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.other = nn.Parameter(torch.empty(edge_types, width, width).uniform_(-1, 1) / width**0.5)
        self.norm = nn.LayerNorm(width)

    def forward(self, nodes: Tensor, facts: Tensor, whole: Tensor, graph: Tensor, batch: Batch) -> Tensor:
        """`nodes` (N, d), `facts` (M, d), `whole` (B, d) and the graph of each node (N,)."""
        new = self.own(nodes) + self.whole(whole)[graph]
        begin = 0
        for number, count in enumerate(batch["counts"].tolist()):
            if count:
                _, source, target, fact = batch["edges"][begin : begin + count].unbind(1)
                said = (nodes[source] + facts[fact]) @ self.other[number]
                new = new.index_add(0, target, said * batch["share"][begin : begin + count, None])
                begin += count
        return self.norm(nodes + functional.gelu(new))  # type: ignore[no-any-return]


class GraphEncoder(nn.Module):
    """Arrays of graphs to node vectors, and to one vector a graph."""

    def __init__(self, features: int, edge_types: int, width: int, rounds: int) -> None:
        super().__init__()
        self.said = nn.Embedding(features, width)
        self.rounds = nn.ModuleList(Round(width, edge_types) for _ in range(rounds))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """(nodes (N, d), pooled (B, d), the graphs' own vectors (B, d))."""
        width, sizes = self.said.embedding_dim, batch["nodes"]
        said = self.said(batch["said_feature"]) * batch["said_weight"][:, None]
        facts = said.new_zeros(int(batch["facts"]), width).index_add(0, batch["said_fact"], said)
        whole = _summed(facts, batch["whole"], len(sizes))
        graph = torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)
        nodes = _summed(facts, batch["unary"], len(graph))
        for one in self.rounds:
            nodes = one(nodes, facts, whole, graph, batch)
        pooled = nodes.new_zeros(len(sizes), width).index_add(0, graph, nodes) / sizes.clamp(min=1)[:, None]
        return nodes, pooled, whole


def _summed(facts: Tensor, pairs: Tensor, count: int) -> Tensor:
    return facts.new_zeros(count, facts.shape[1]).index_add(0, pairs[:, 1], facts[pairs[:, 0]])


class Net(nn.Module):
    """The predictor of an encoder's schema; see `family.Net`."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.coding, config, width = encoder, encoder.config, encoder.config.width
        layout, tokens = encoder.layout, encoder.tokens
        self.known, self.pointing = len(tokens.tokens), config.identity == "pointer"
        self.encode = GraphEncoder(len(layout.features), layout.edge_types, width, config.rounds)
        self.cell = nn.GRUCell(width, width)
        self.belief = nn.Linear(width, 2 * config.latent)
        self.condition = nn.Linear(width + config.latent, width)
        self.token, self.place = nn.Embedding(self.known, width), nn.Embedding(config.block, width)
        self.blocks = nn.Sequential(*(Block(width, config.heads) for _ in range(config.layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, self.known)
        if self.pointing:
            self.look = Look(width, config.heads)
            self.named, self.asked, self.shown = (nn.Linear(width, width) for _ in range(3))
        legal = torch.zeros(len(tokens.slots), self.known, dtype=torch.bool)
        for at, slot in enumerate(tokens.slots):
            legal[at, list(slot.legal)] = True
        kinds = torch.tensor([tokens.kinds.index(slot.kind) if slot.kind else -1 for slot in tokens.slots])
        self.register_buffer("legal", legal, persistent=False)
        self.register_buffer("kinds", kinds, persistent=False)
        self.legal: Tensor
        self.kinds: Tensor

    # --- learning ---------------------------------------------------------------------------------

    def loss(self, batch: Batch) -> Tensor:
        """Minus the log of the probability that a token is one of the right ones, a mean over tokens."""
        nodes, vector, _ = self._read(batch)
        logits = self._scores(batch, nodes, vector, batch["slot"], batch["said"])
        right = batch["right"]
        taught = right.any(dim=-1)
        wanted = logits.masked_fill(~right, -torch.inf)[taught].logsumexp(dim=-1)
        return (logits[taught].logsumexp(dim=-1) - wanted).mean()

    def _read(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """(nodes (B, N, d) padded, the vector that conditions the decoder (B, d), the uncertainty (B,))."""
        nodes, pooled, whole = self.encode(batch)
        state = self.cell(pooled + whole)
        mean, deviation = self.belief(state).chunk(2, dim=-1)
        deviation = functional.softplus(deviation) + LEAST
        latent = mean + deviation * torch.randn_like(mean) if self.training else mean
        vector = self.condition(torch.cat([state, latent], dim=-1))
        padded = nodes.new_zeros(*batch["target"].shape[1:], nodes.shape[1])
        padded[self._there(batch)] = nodes
        return padded, vector, deviation.square().mean(dim=-1)

    def _there(self, batch: Batch) -> Tensor:
        sizes = batch["nodes"]
        return torch.arange(batch["target"].shape[2], device=sizes.device) < sizes[:, None]

    def _scores(self, batch: Batch, nodes: Tensor, vector: Tensor, slot: Tensor, said: Tensor) -> Tensor:
        """Logits (B, T, V + N) of the next token, minus infinity where it is not legal."""
        length = said.shape[1]
        tokens = self.token(said.clamp(max=self.known - 1))
        if self.pointing:
            at = (said - self.known).clamp(min=0)[..., None].expand(-1, -1, nodes.shape[2])
            pointed = self.named(nodes).gather(1, at) if nodes.shape[1] else torch.zeros_like(tokens)
            tokens = torch.where((said < self.known)[..., None], tokens, pointed)
        tokens = self.blocks(tokens + self.place.weight[:length] + vector[:, None])
        legal = self.legal[slot]
        legal = torch.where((slot == FIRST)[..., None], legal & batch["first"][:, None], legal)
        if not self.pointing:
            logits = self.head(self.norm(tokens)).masked_fill(~legal, -torch.inf)
            return functional.pad(logits, (0, nodes.shape[1]), value=-torch.inf)
        tokens = self.norm(self.look(tokens, nodes, self._there(batch)))
        scores = self.asked(tokens) @ self.shown(nodes).transpose(1, 2) / nodes.shape[2] ** 0.5
        kind = self.kinds[slot]
        target = batch["target"][kind.clamp(min=0), torch.arange(len(slot), device=slot.device)[:, None]]
        legal = torch.cat([legal, target & (kind >= 0)[..., None]], dim=-1)
        return torch.cat([self.head(tokens), scores], dim=-1).masked_fill(~legal, -torch.inf)

    # --- predicting -------------------------------------------------------------------------------

    def predict(self, pairs: Sequence[tuple[State, Any]]) -> list[Prediction]:
        """Greedy and together; `uncertainty` is the mean squared deviation of the latent."""
        return [one for at in range(0, len(pairs), CHUNK) for one in self._predict(pairs[at : at + CHUNK])]

    @torch.no_grad()
    def _predict(self, pairs: Sequence[tuple[State, Any]]) -> list[Prediction]:
        batch, names = self._batch(pairs)
        nodes, vector, uncertainty = self._read(batch)
        said, _ = self._decoded(batch, nodes, vector, lambda scores: scores.argmax(dim=-1))
        deltas = self._deltas(pairs, said, names)
        return [Prediction(delta, unsure) for delta, unsure in zip(deltas, uncertainty.tolist(), strict=True)]

    def drawn(self, pairs: Sequence[tuple[State, Any]]) -> tuple[list[Delta], Tensor]:
        """Tokens drawn one by one; see `family.Net`."""
        batch, names = self._batch(pairs)
        nodes, vector, _ = self._read(batch)
        with torch.no_grad():
            said, slots = self._decoded(batch, nodes, vector, draw)
        tokens, slot = (torch.from_numpy(padded(rows)).to(vector.device) for rows in (said, slots))
        logs = self._scores(batch, nodes, vector, slot[:, :-1], tokens[:, :-1]).log_softmax(dim=-1)
        lengths = torch.tensor([len(row) - 1 for row in said], device=vector.device)
        there = torch.arange(logs.shape[1], device=vector.device) < lengths[:, None]
        chosen = logs.gather(2, tokens[:, 1:, None])[..., 0]
        return self._deltas(pairs, said, names), torch.where(there, chosen, 0.0).sum(dim=1)

    def _batch(self, pairs: Sequence[tuple[State, Any]]) -> tuple[Batch, list[dict[str, dict[Any, int]]]]:
        arrays, names = self.coding.graphs([graph_of(self.coding.layout, *pair) for pair in pairs])
        return tensors(arrays, self.legal.device), names

    def _decoded(
        self, batch: Batch, nodes: Tensor, vector: Tensor, choose: Callable[[Tensor], Tensor]
    ) -> tuple[list[list[int]], list[list[int]]]:
        """The tokens of each delta and their slots, one after the other as `choose` takes them from their scores."""
        said, slots, going = [[END] for _ in vector], [[FIRST] for _ in vector], list(range(len(vector)))
        for _ in range(self.coding.config.block):
            part = {"target": batch["target"][:, going], "first": batch["first"][going], "nodes": batch["nodes"][going]}
            given = (torch.tensor([rows[at] for at in going], device=vector.device) for rows in (slots, said))
            codes = choose(self._scores(part, nodes[going], vector[going], *given)[:, -1]).tolist()
            for at, code in zip(going, codes, strict=True):
                said[at].append(code)
                slots[at].append(self.coding.tokens.after(slots[at][-1], code))
            going = [at for at in going if said[at][-1] != END]
            if not going:
                break
        return said, slots

    def _deltas(self, pairs: Sequence[tuple[State, Any]], said: list[list[int]], names: list[Any]) -> list[Delta]:
        found = []
        for (state, _), row, known in zip(pairs, said, names, strict=True):
            meaning = {kind: {node: value for value, node in some.items()} for kind, some in known.items()}
            found.append(self.coding.tokens.delta(state, row[1:], meaning))
        return found

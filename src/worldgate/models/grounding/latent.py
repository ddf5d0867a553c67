"""The network of a grounding study: an encoder of graphs and a predictor of the next state's vector."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..family import tensors
from ..graph.encoder import Encoder, Packed, joined
from ..graph.net import GraphEncoder
from .objectives import contrast, unspread

if TYPE_CHECKING:
    from .study import Row, Study


class Latent(nn.Module):
    """An encoder, a predictor and, with machinery, the average of the encoder that makes the target."""

    def __init__(self, study: Study, encoder: Encoder) -> None:
        super().__init__()
        self.study, self.coding, width = study, encoder, study.width
        features = len(encoder.layout.features)
        self.encode = GraphEncoder(features, encoder.layout.edge_types, width, study.rounds)
        self.predict = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.slow = deepcopy(self.encode).requires_grad_(False) if study.machinery else self.encode
        random = np.random.default_rng(study.seed)
        projection = random.standard_normal((features, width)).astype(np.float32) / features**0.5
        self.register_buffer("projection", torch.from_numpy(projection), persistent=False)
        self.projection: Tensor

    def loss(self, rows: Sequence[Row]) -> Tensor:
        """The loss of a batch of examples."""
        sums = self.sums([row.before for row in rows])
        guess = self.predict(sums)
        with torch.no_grad():
            truth = self.truths([row.after for row in rows])
        spread = unspread(sums) + unspread(guess) if self.study.machinery else torch.zeros(())
        if not self.study.negatives:
            return functional.mse_loss(guess, truth) + spread
        most = max(1, *(len(row.wrong) for row in rows))
        there = torch.tensor([[at < len(row.wrong) for at in range(most)] for row in rows])
        wrong = guess.new_zeros(*there.shape, guess.shape[1])
        graphs = [graph for row in rows for graph in row.wrong]
        if graphs:
            with torch.no_grad():
                wrong[there] = self.truths(graphs)
        return contrast(guess, truth, wrong, there, self.study.temperature) + spread

    def follow(self) -> None:
        """Move the average towards the encoder."""
        if self.slow is not self.encode:
            with torch.no_grad():
                for slow, now in zip(self.slow.parameters(), self.encode.parameters(), strict=True):
                    slow.lerp_(now, 1 - self.study.average)

    def sums(self, graphs: Sequence[Packed], *, slow: bool = False) -> Tensor:
        """The vectors of graphs (B, d)."""
        arrays = joined(graphs, self.coding.layout.edge_types)
        _, pooled, whole = (self.slow if slow else self.encode)(tensors(arrays))
        return pooled + whole  # type: ignore[no-any-return]

    def guesses(self, graphs: Sequence[Packed]) -> Tensor:
        """The predicted vectors of what states and actions lead to (B, d)."""
        return self.predict(self.sums(graphs))  # type: ignore[no-any-return]

    def truths(self, graphs: Sequence[Packed]) -> Tensor:
        """The target vectors of states (B, d)."""
        if self.study.target == "learned":
            return self.sums(graphs, slow=True)
        bags = np.zeros((len(graphs), len(self.projection)), dtype=np.float32)
        for at, graph in enumerate(graphs):
            np.add.at(bags[at], graph.said[:, 1], graph.weight)
        return torch.from_numpy(np.sign(bags) * np.log1p(np.abs(bags))) @ self.projection

    def nearness(self, guesses: Tensor, truths: Tensor) -> Tensor:
        """How near each guess is to each truth (n, n): cosines where that was learned, else minus distances."""
        if self.study.negatives:
            return functional.normalize(guesses, dim=-1) @ functional.normalize(truths, dim=-1).T
        return -(guesses[:, None] - truths[None]).square().sum(dim=-1)

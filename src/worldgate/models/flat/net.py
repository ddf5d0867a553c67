"""A decoder-only transformer over the text of a transition.

Pre-norm blocks, learned positions, GELU with four times the width, a head of its own, no dropout. A prediction is
decoded greedily under the grammar: whatever the weights, the delta fits the schema. Prompts are encoded once, and keys
and values are kept. What is said for one pair does not depend on those beside it, but for the rounding of sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from ...facts import State
from ...horizon.predictor import Prediction
from ..text.batch import learned, padded
from ..text.decoding import decode
from ..text.grammar import Caps, Grammar, nameable
from ..text.tokens import PAD
from .encoder import Config, FlatEncoder

Kept = tuple[Tensor, Tensor]
"""Keys and values, each (rows, heads, positions, width of a head)."""


class Block(nn.Module):
    """Attention to earlier tokens, then two layers by token, each added to what was there."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attended, self.thought = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.give = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, at: Tensor | None = None, kept: Kept | None = None) -> Tensor:
        """x: (rows, tokens, width). With `kept`, keys and values of these tokens are put there, at positions `at`
        (rows, tokens), and each token attends to all positions up to its own."""
        rows, length, width = x.shape
        asked = self.ask(self.attended(x)).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        seen = None
        if kept is not None and at is not None:
            row = torch.arange(rows, device=x.device)[:, None]
            for store, new in zip(kept, (key, value), strict=True):
                store[row, :, at] = new.transpose(1, 2)
            key, value = kept
            seen = torch.arange(key.shape[2], device=x.device) <= at[:, None, :, None]
        found = scaled_dot_product_attention(query, key, value, attn_mask=seen, is_causal=seen is None)
        x = x + self.give(found.transpose(1, 2).reshape(rows, length, width))
        thought: Tensor = self.mlp(self.thought(x))
        return x + thought


class FlatNet(nn.Module):
    """The net of the family `flat`."""

    def __init__(self, config: Config, encoder: FlatEncoder) -> None:
        super().__init__()
        self.config, self.encoder, self.grammar = config, encoder, Grammar(encoder.vocabulary)
        size, width = encoder.vocabulary.size, config.width
        self.token, self.place = nn.Embedding(size, width), nn.Embedding(config.block, width)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, size, bias=False)
        for table in (self.token, self.place, self.head):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, tokens: Tensor, at: Tensor | None = None, kept: Sequence[Kept] | None = None) -> Tensor:
        """What the blocks make of (rows, tokens): (rows, tokens, width), to be asked of the head."""
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1], device=tokens.device) if at is None else at)
        for number, block in enumerate(self.blocks):
            x = block(x, at, None if kept is None else kept[number])
        found: Tensor = self.norm(x)
        return found

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean cross-entropy of the delta's tokens, in nats."""
        tokens, places = batch["tokens"], learned(batch)
        return cross_entropy(self.head(self(tokens)[:, :-1][places]), tokens[:, 1:][places])

    @torch.inference_mode()
    def predict(self, pairs: Sequence[tuple[State, Any]]) -> list[Prediction]:
        """The deltas expected, with the uncertainty that the config asks for."""
        if not pairs:
            return []
        prompts = [self.encoder.prompt(*pair) for pair in pairs]
        run, caps = Run(self, prompts), Caps(self.config.edits)
        cursors = [
            self.grammar.cursor(state, caps=caps, named=nameable(state, action) if self.config.named else None)
            for state, action in pairs
        ]
        said = decode(cursors, run.logits, run.follow, self.encoder.reply)
        return [Prediction(one.delta, one.wrong if self.config.uncertainty == "wrong" else one.entropy) for one in said]


class Run:
    """Sequences being decoded. `logits` are those after the prompts."""

    def __init__(self, net: FlatNet, prompts: Sequence[Sequence[int]]) -> None:
        device, width = net.head.weight.device, net.config.width // net.config.heads
        tokens = torch.from_numpy(padded(prompts, PAD)).to(device)
        rows, longest = tokens.shape
        shape = (rows, net.config.heads, longest + net.encoder.reply, width)
        self.net, self.live = net, torch.arange(rows, device=device)
        self.kept = [(torch.zeros(shape, device=device), torch.zeros(shape, device=device)) for _ in net.blocks]
        self.lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        at = torch.arange(longest, device=device).expand(rows, -1)
        self.logits = net.head(net(tokens, at, self.kept)[self.live, self.lengths - 1])

    def follow(self, rows: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """See `decoding.Follow`. Rows that have ended are carried along until half of them have."""
        self.live = self.live[torch.tensor(rows, device=self.live.device)]
        if 2 * len(rows) <= len(self.lengths):
            self.kept = [(keys[self.live], values[self.live]) for keys, values in self.kept]
            self.lengths = self.lengths[self.live]
            self.live = torch.arange(len(rows), device=self.live.device)
        fed = torch.full_like(self.lengths, PAD)
        fed[self.live] = torch.tensor(tokens, device=fed.device)
        end = int(self.lengths.max()) + 1
        seen = [(keys[:, :, :end], values[:, :, :end]) for keys, values in self.kept]
        found = self.net(fed[:, None], self.lengths[:, None], seen)
        self.lengths[self.live] += 1
        logits: Tensor = self.net.head(found[self.live, 0])
        return logits

"""The layers of the decoder: tokens look at those before them, and at the nodes of their graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """A layer of a causal transformer, pre-norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.looked, self.seen = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.thought = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        asked, shown, given = (_split(part, self.heads) for part in self.looked(self.before(tokens)).chunk(3, dim=-1))
        seen = functional.scaled_dot_product_attention(asked, shown, given, is_causal=True)
        tokens = tokens + self.seen(_joined(seen))
        return tokens + self.thought(self.between(tokens))  # type: ignore[no-any-return]


class Look(nn.Module):
    """Cross-attention from tokens to the nodes of their graph, and to one more that is nothing."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.nothing = nn.LayerNorm(width), nn.Parameter(torch.zeros(width))
        self.asked, self.shown, self.seen = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )

    def forward(self, tokens: Tensor, nodes: Tensor, there: Tensor) -> Tensor:
        """`tokens` (B, T, d), `nodes` (B, N, d), and which of them are `there` (B, N)."""
        nodes = torch.cat([self.nothing.expand(len(nodes), 1, -1), nodes], dim=1)
        mask = functional.pad(there, (1, 0), value=True)[:, None, None, :]
        shown, given = (_split(part, self.heads) for part in self.shown(nodes).chunk(2, dim=-1))
        asked = _split(self.asked(self.norm(tokens)), self.heads)
        seen = functional.scaled_dot_product_attention(asked, shown, given, attn_mask=mask)
        return tokens + self.seen(_joined(seen))  # type: ignore[no-any-return]


def _split(x: Tensor, heads: int) -> Tensor:
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)

"""Rounds of messages until nothing new is told, every message in every round, with gradients.

Shapes: N nodes, F facts of a relation that joins k nodes, d channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear


class Facts(NamedTuple):
    """The facts of one relation: the nodes of each (F, k), and what its sorts add to what it says (F, k * d)."""

    joins: Tensor
    sorts: Tensor


def settle(
    facts: Mapping[int, Facts],
    weights: Mapping[int, Tensor],
    told: Tensor,
    state: Callable[[Tensor], Tensor],
    message: Callable[[Tensor], Tensor],
    rounds: int,
    still: float,
) -> Tensor:
    """What every node (N, d) has been told in the end; `state` makes states of that, and a relation's weights
    (k * d, k * d) what is said to each node of a fact by the states of all. What grows by no more than `still` stands
    still, and after so many `rounds` it ends anyway.
    """
    if not facts:
        return told
    width = told.shape[1]
    at = torch.cat([joins.reshape(-1) for joins, _ in facts.values()])
    sizes, to = [joins.numel() for joins, _ in facts.values()], at[:, None].expand(-1, width)
    sorts = torch.cat([one.sorts.view(-1, width) for one in facts.values()])
    for _ in range(rounds):
        before, parts = told, torch.split(state(told)[at], sizes)
        said = [
            linear(part.view(len(facts[number].joins), -1), weights[number]).view(-1, width)
            for number, part in zip(facts, parts, strict=True)
        ]
        told = told.scatter_reduce(0, to, message(torch.cat(said) + sorts), "amax")
        if not bool((told.detach() - before.detach() > still).any()):
            break
    return told


def spans(starts: Tensor, lengths: Tensor) -> Tensor:
    """start, start + 1, ... of each span, one after the other."""
    ends = lengths.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    return torch.arange(total, device=starts.device) - (ends - lengths - starts).repeat_interleave(lengths)

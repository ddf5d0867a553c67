"""Rounds of messages until nothing new is told, in two ways that come to the same.

`settle` sends every message in every round, with gradients; `spread` sends only those of facts of whose nodes one has
changed, so its cost is that of what changes and not of the rounds. Both start from what has been told so far, which
only grows.

Shapes: N nodes, F facts of a relation that joins k nodes, d channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

Tell = Callable[[int, Tensor], Tensor]
"""Of a relation's number and the states (F, k * d) of the nodes of some facts: what is said to each but for sorts."""


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


class Web(NamedTuple):
    """Facts with the way from nodes to them. `starts` (N + 1): where the facts of a node begin in `at`."""

    joins: Tensor
    sorts: Tensor
    starts: Tensor
    at: Tensor


def web(facts: Facts, nodes: int) -> Web:
    """The facts of one relation, found by node."""
    joined = facts.joins.reshape(-1)
    order = torch.argsort(joined, stable=True)
    counts = torch.bincount(joined, minlength=nodes)
    return Web(*facts, torch.cat([counts.new_zeros(1), counts.cumsum(0)]), order // facts.joins.shape[1])


def spread(
    webs: Mapping[int, Web],
    told: Tensor,
    active: Tensor,
    of: Tensor,
    shift: Tensor,
    state: Callable[[Tensor, Tensor], Tensor],
    tell: Tell,
    message: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """(what every node has been told in the end, its state), beginning with the nodes `active`, whose states are new.

    Nodes are those of all lanes: `of` (N) is the node of a graph that it is a copy of, `shift` (N) what is added to the
    nodes of that graph in this lane. `state` is of some nodes and what they have been told.
    """
    width = told.shape[1]
    states = state(torch.arange(len(told)), told)
    while len(active):
        own, heard, said = of[active], [], []
        for number, one in webs.items():
            counts = one.starts[own + 1] - one.starts[own]
            facts = one.at[spans(one.starts[own], counts)]
            if len(facts):
                nodes = one.joins[facts] + shift[active].repeat_interleave(counts)[:, None]
                say = message(tell(number, states[nodes].flatten(1)) + one.sorts[facts])
                heard.append(nodes.reshape(-1))
                said.append(say.view(-1, width))
        if not heard:
            break
        nodes, place = torch.unique(torch.cat(heard), return_inverse=True)
        before = told[nodes]
        after = before.scatter_reduce(0, place[:, None].expand(-1, width), torch.cat(said), "amax")
        changed = (after > before).any(1)
        active, new = nodes[changed], after[changed]
        told[active] = new
        states[active] = state(active, new)
    return told, states


def spans(starts: Tensor, lengths: Tensor) -> Tensor:
    """start, start + 1, ... of each span, one after the other."""
    ends = lengths.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    return torch.arange(total) - (ends - lengths - starts).repeat_interleave(lengths)

"""The objectives of latent prediction, and two measures of a representation's health."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SPREAD = 1.0
"""The standard deviation that every dimension is pushed to have."""
COVARIANCE = 1 / 25
"""The weight of the covariance term beside that of the variance."""


def unspread(x: Tensor) -> Tensor:
    """The variance and covariance terms of VICReg (Bardes, Ponce and LeCun, 2022) of (B, d); 0 where nothing is
    collapsed or redundant."""
    centred = x - x.mean(dim=0)
    deviation = (centred.square().mean(dim=0) + 1e-4).sqrt()
    covariance = centred.T @ centred / max(1, len(x) - 1)
    off = covariance - torch.diag(torch.diag(covariance))
    return functional.relu(SPREAD - deviation).mean() + COVARIANCE * off.square().sum() / x.shape[1]


def contrast(guess: Tensor, truth: Tensor, wrong: Tensor, there: Tensor, temperature: float) -> Tensor:
    """InfoNCE over cosines (van den Oord, Li and Vinyals, 2018): `guess` and `truth` (B, d) against `wrong` (B, k, d),
    of which those that are `there` (B, k) count."""
    near = functional.cosine_similarity(guess, truth, dim=-1)[:, None]
    far = functional.cosine_similarity(guess[:, None], wrong, dim=-1).masked_fill(~there, -torch.inf)
    return functional.cross_entropy(
        torch.cat([near, far], dim=1) / temperature, torch.zeros(len(near), dtype=torch.int64)
    )


def effective_rank(x: Tensor) -> float:
    """exp of the entropy of the normalised singular values of the centred (n, d) (Roy and Vetterli, 2007)."""
    values = torch.linalg.svdvals((x - x.mean(dim=0)).double())
    if float(values.sum()) == 0.0:
        return 0.0
    share = values / values.sum()
    return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))


def deviation(x: Tensor) -> float:
    """The mean over dimensions of the standard deviation of (n, d)."""
    return float(x.std(dim=0, correction=0).mean())

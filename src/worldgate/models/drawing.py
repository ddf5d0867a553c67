"""One answer drawn from scores."""

from __future__ import annotations

import torch
from torch import Tensor


def draw(scores: Tensor) -> Tensor:
    """Of each row one column, with the probability that its softmax gives it, by torch's random numbers.

    The greatest of scores with Gumbel noise; scores that are no number raise nothing here, and end the training later.
    """
    return (scores.detach() - torch.empty_like(scores).exponential_().log()).argmax(-1)

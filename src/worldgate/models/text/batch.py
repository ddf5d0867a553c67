"""Sequences of unlike lengths as arrays, of which a net learns the replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def padded(rows: Sequence[Sequence[int]], pad: int = 0) -> NDArray[np.int64]:
    """Rows of one length, filled with `pad` at the end."""
    found = np.full((len(rows), max(map(len, rows))), pad, dtype=np.int64)
    for row, tokens in zip(found, rows, strict=True):
        row[: len(tokens)] = tokens
    return found


def batch(prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]]) -> dict[str, NDArray[Any]]:
    """`tokens` (rows, longest), and of each row the lengths of its `prompt` and of all its tokens (`end`)."""
    rows = [[*prompt, *reply] for prompt, reply in zip(prompts, replies, strict=True)]
    lengths = [np.array(list(map(len, each)), dtype=np.int64) for each in (prompts, rows)]
    return {"tokens": padded(rows), "prompt": lengths[0], "end": lengths[1]}


def learned(batch: dict[str, Tensor]) -> Tensor:
    """(rows, longest - 1): the places whose next token is one of a reply."""
    at = batch["tokens"].new_tensor(range(1, batch["tokens"].shape[1]))
    return (at >= batch["prompt"][:, None]) & (at < batch["end"][:, None])

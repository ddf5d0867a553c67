"""What a predictor of the graph family is made of, as data; and its numbered error."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...facts import Error

Identity = Literal["none", "onehot", "pointer"]


class NotGraphable(Error):
    number, title = "WG507", "not for this graph network"


class GraphConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of the network, and how it knows entities.

    `identity` is "none" (a node is what the facts say of it; ids are tokens that the decoder must guess: as published),
    "onehot" (nodes also carry which id they are, of those seen when the encoder was made) or "pointer" (the decoder
    looks at the nodes and names one by pointing, so any id of any state can be said). Entities of a kind in `closed`
    are no nodes but labels of facts: a few ids that are the same in every state, such as ports.

    `width` is that of a node, `rounds` those of message passing; `latent` is the width of the Gaussian belief; `layers`
    and `heads` are the decoder's, and `block` the most tokens of a delta: edits that do not fit are not said.
    """

    identity: Identity = "pointer"
    closed: tuple[str, ...] = ()
    width: int = 64
    rounds: int = 3
    latent: int = 16
    layers: int = 2
    heads: int = 2
    block: int = 256

    def __post_init__(self) -> None:
        sizes = (self.width, self.rounds, self.latent, self.layers, self.heads, self.block)
        if min(sizes) < 1 or self.width % self.heads:
            raise NotGraphable(f"sizes {sizes}", "sizes of 1 or more, the width a multiple of the heads")

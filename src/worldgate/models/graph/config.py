"""What a predictor of the graph family is made of, as data; and its numbered error."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...facts import Error
from ..family import Size

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
    width: Size = 64
    rounds: Size = 3
    latent: Size = 16
    layers: Size = 2
    heads: Size = 2
    block: Size = 256

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise NotGraphable(f"width {self.width} with {self.heads} heads", "the width a multiple of the heads")

"""The graph family: message passing over a state's entities, a recurrent Gaussian belief, a decoder of deltas.

layout     what is a node, an edge, a feature      features   one state and action as a graph
tokens     deltas as tokens, and their grammar     encoder    batches
net        the network (torch)                     config     its sizes, and how it knows entities
"""

from typing import Any

from ..family import Family
from .config import GraphConfig
from .encoder import Document, Encoder


def _net(_: GraphConfig, encoder: Encoder) -> Any:
    from .net import Net

    return Net(encoder)


FAMILY = Family(GraphConfig, Document, Encoder.of, Encoder.restored, _net)

__all__ = ["FAMILY", "Document", "Encoder", "GraphConfig"]

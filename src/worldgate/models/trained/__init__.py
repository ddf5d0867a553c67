"""Checkpoints that come with the package; each is made by the training file of its name in `examples/models`."""

from pathlib import Path

NETWORK_0 = Path(__file__).with_name("network-0.safetensors")
"""The relational net on the network world, level 0, of any size."""
GRAPH_PUBLISHED = Path(__file__).with_name("graph-published.safetensors")
"""The published architecture, trained on 120 transitions of five hosts: what the other one is compared with."""

"""Checkpoints that come with the package; each is made by the training file of its name in `examples/models`."""

from pathlib import Path

NETWORK_0 = Path(__file__).with_name("network-0.safetensors")
"""The relational net on the network world, level 0, of any size."""

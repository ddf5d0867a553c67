"""Hosts, links, services, routes, filters and flows; reachability is derived."""

from .reachability import Answer, explain, matrix, opened, reachable
from .schema import SCHEMA
from .world import Network


def world() -> Network:
    """The network world, level 1."""
    return Network()


def bare() -> Network:
    """Level 0: five hosts, nothing else."""
    return Network("network-0", hosts=5, start="empty")


__all__ = ["SCHEMA", "Answer", "Network", "bare", "explain", "matrix", "opened", "reachable", "world"]

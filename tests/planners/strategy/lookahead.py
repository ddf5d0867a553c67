"""The assertion that a way of deciding does not depend on what has not happened yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .markets import Bars

Decide = Callable[[Sequence[Bars]], Sequence[Any]]
"""Decides once a tick, given the whole path, as a backtest is: nothing but its own care keeps it from looking ahead."""


def assert_no_lookahead(decide: Decide, path: Sequence[Bars], other: Sequence[Bars]) -> None:
    """At every tick the decisions so far are the same when the later bars are those of `other`, or are not there."""
    decided = list(decide(path))
    assert len(decided) == len(path) <= len(other)
    for now in range(1, len(path) + 1):
        for future in (other[now : len(path)], ()):
            found = list(decide([*path[:now], *future]))[:now]
            assert found == decided[:now], f"after tick {now} another future gives {found[-1]}, not {decided[now - 1]}"

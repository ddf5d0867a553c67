"""The answer of a compare-and-swap that finds another value, shared by all targets."""

from __future__ import annotations

from collections.abc import Sequence

from ...facts import Error
from ..base import Mismatch


class Stale(Error):
    """The target is not what the run saw. `differences` has every fact that is not."""

    number, title = "WG601", "the target changed since the run was simulated"
    differences: tuple[Mismatch, ...]

    @classmethod
    def of(cls, differences: Sequence[Mismatch], found: str = "") -> Stale:
        """The error for these differences (or, where only a token over everything differs, for `found`)."""
        # the facts that place things (long keys) say more at a glance than their attributes
        ordered = tuple(sorted(differences, key=lambda row: (-len(row.address[1]), len(str(row)), str(row))))
        first = found or str(ordered[0])
        more = f", and {len(ordered) - 1} more" if len(ordered) > 1 else ""
        error = cls(first + more, "the facts the run read and changed", "Simulate the plan again from here.")
        error.differences = ordered
        return error

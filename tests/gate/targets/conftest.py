"""What the tests of the directory target share."""

from __future__ import annotations

from tests.gate.targets.platforms import platform

__all__ = ["platform"]

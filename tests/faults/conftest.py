"""What the tests of interrupted commits share."""

from __future__ import annotations

from tests.gate.targets.platforms import platform

__all__ = ["platform"]

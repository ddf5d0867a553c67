"""The rows of the table of platforms that can be run here, forced for a test.

`linux` is the system's own. `posix` uses none of its calls: what macOS gets where its own calls are lacking too.
"""

from __future__ import annotations

import pytest

from worldgate.gate.targets import writes
from worldgate.gate.targets.platform import LINUX, POSIX, Platform

PLATFORMS = {"linux": LINUX, "posix": POSIX}


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """What every `Writes` that is given no platform has now."""
    forced = PLATFORMS[request.param]
    monkeypatch.setattr(writes, "HERE", forced)
    return forced


def attributes_are_covered() -> bool:
    """Whether extended attributes are facts on the platform that is in force."""
    return writes.HERE.system.attributes

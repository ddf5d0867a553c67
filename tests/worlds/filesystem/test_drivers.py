"""The random workloads: repeatable, inside the grammar, and interesting."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from worldgate.worlds.filesystem import world

WORLD = world()


def outcomes(driver: str, programs: int, length: int) -> Counter[tuple[str, str]]:
    """How often each command succeeded, failed or was refused."""
    counts: Counter[tuple[str, str]] = Counter()
    for seed in range(programs):
        state, random = WORLD.initial(seed), Random(f"{driver} {seed}")
        for _ in range(length):
            text = WORLD.drivers[driver](state, random)
            made = WORLD.step(state, WORLD.parse(text))
            seen = made.observation
            outcome = "refused" if "refused" in seen else "fails" if seen["exit"] else "succeeds"
            counts[text.split()[0], outcome] += 1
            state = made.state
    return counts


@pytest.mark.parametrize("driver", sorted(WORLD.drivers))
def test_a_driver_repeats_itself(driver: str) -> None:
    assert outcomes(driver, 3, 20) == outcomes(driver, 3, 20)


@pytest.mark.parametrize("driver", sorted(WORLD.drivers))
def test_commands_both_succeed_and_fail(driver: str) -> None:
    counts = outcomes(driver, 60, 30)
    total = counts.total()
    succeeded = sum(count for (_, outcome), count in counts.items() if outcome == "succeeds")
    refused = sum(count for (_, outcome), count in counts.items() if outcome == "refused")
    assert succeeded > total * (0.6 if driver == "everyday" else 0.25)
    assert total - succeeded > total * 0.1
    assert refused < total * 0.05
    for command in ("cd", "cp", "ln", "mkdir", "mv", "rm"):
        assert counts[command, "succeeds"] > 5, command
        assert counts[command, "fails"] > 5, command

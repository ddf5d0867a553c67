"""What the benchmarks share: CPU time of a call, and a table."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any


def cpu(call: Callable[[int], Any], count: int, repeats: int = 5) -> float:
    """Median CPU seconds of one `call(i)`, over `repeats` rounds of `count` calls."""
    rounds = []
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        for number in range(count):
            call(number)
        rounds.append((time.process_time() - start) / count)
    return median(rounds)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("| " + " | ".join("---" for _ in head) + " |")
    for row in rows:
        print("| " + " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row) + " |")

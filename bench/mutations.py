"""Spoil valid plans in each of many ways, 1,000 times each: how many are refused, with which number.

    python bench/mutations.py [mutants of each kind]

A mutant that means the same as its plan (same verdict and results, by trying every order) is counted as
such and need not be refused. Anything else must be refused by the expected number; the script exits 1 otherwise.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import chain
from pathlib import Path
from random import Random
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.gate.mutants import MUTATORS, cases, judged
from worldgate.worlds import get

WORLDS = ("support-desk", "robot-cell")


def main(wanted: int) -> int:
    start, plans = perf_counter(), 0
    counts: dict[str, Counter[str]] = {name: Counter() for name in MUTATORS}
    randoms = {name: Random(name) for name in MUTATORS}
    for case in chain.from_iterable(zip(*(cases(get(name), 1) for name in WORLDS), strict=True)):
        plans += 1
        for name, mutator in MUTATORS.items():
            if counts[name].total() < wanted and (mutant := mutator(case, randoms[name])):
                counts[name][judged(case, mutant)] += 1
        if all(count.total() >= wanted for count in counts.values()):
            break
    print(f"{'mutator':<22}{'mutants':>8}{'refused':>9}{'same':>7}{'missed':>8}  numbers")
    missed = 0
    for name, count in counts.items():
        wrong = sum(times for outcome, times in count.items() if outcome.startswith("missed"))
        numbers = " ".join(f"{outcome}:{times}" for outcome, times in count.most_common() if outcome != "same")
        refused = count.total() - count["same"] - wrong
        print(f"{name:<22}{count.total():>8}{refused:>9}{count['same']:>7}{wrong:>8}  {numbers}")
        missed += wrong
    print(f"{missed} missed; {plans} valid plans, {perf_counter() - start:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))

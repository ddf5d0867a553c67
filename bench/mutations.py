"""Spoil 1,000 valid plans in each of many ways: how many are refused, with which number.

    python bench/mutations.py [plans]

A mutant that means the same as its plan (same verdict and results, by trying every order) is counted as
such and need not be refused. Anything else must be refused by the expected number; the script exits 1 otherwise.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import chain, islice
from pathlib import Path
from random import Random
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.gate.mutants import MUTATORS, cases, judged
from worldgate.worlds import get


def main(plans: int) -> int:
    start, missed = perf_counter(), 0
    worlds = [get("support-desk"), get("robot-cell")]
    drawn = list(islice(chain.from_iterable(zip(*(cases(world, 1) for world in worlds), strict=True)), plans))
    print(f"{plans} valid plans, {sum(len(case.steps) for case in drawn)} steps, in {perf_counter() - start:.0f} s")
    print(f"{'mutator':<22}{'mutants':>8}{'refused':>9}{'same':>7}{'missed':>8}  numbers")
    for name, mutator in MUTATORS.items():
        random = Random(name)
        made = [(case, mutant) for case in drawn if (mutant := mutator(case, random))]
        counts = Counter(judged(case, mutant) for case, mutant in made)
        wrong = sum(count for outcome, count in counts.items() if outcome.startswith("missed"))
        same = counts.pop("same", 0)
        numbers = " ".join(f"{outcome}:{count}" for outcome, count in counts.most_common())
        print(f"{name:<22}{len(made):>8}{len(made) - same - wrong:>9}{same:>7}{wrong:>8}  {numbers}", flush=True)
        missed += wrong
    print(f"{missed} missed, {perf_counter() - start:.0f} s in all")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))

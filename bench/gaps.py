"""Where rule induction falls short: of the edits held out, those that its rules reach, and those they get right.

An edit is reached if a rule speaks of the fact at its key, and right if the rule says what became of it. Gaps are
ordered by how many edits are not right. False edits are those predicted that are none.

    python bench/gaps.py [WORLD [DRIVER [TRANSITIONS]]]
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from horizon import HELD_OUT, TEST, transitions
from measure import table

from worldgate.horizon.induction import Induction
from worldgate.worlds import get

MOST = 10


def main() -> None:
    name, driver, size = (*sys.argv[1:], *("market", "everyday", "1000")[len(sys.argv) - 1 :])
    rules = Induction(get(name).schema)
    for lesson in transitions(name, driver, 0, int(size)):
        rules.learn(*lesson)
    exact: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    counts: dict[tuple[str, str], Counter[str]] = {}
    for state, action, delta in transitions(name, driver, HELD_OUT, TEST):
        shape = rules.shape_of(action)
        said = rules.predict(state, action).delta
        steps[shape] += 1
        exact[shape] += Counter(said) == Counter(delta)
        reached = rules.reached(state, action)
        for edit in delta:
            count = counts.setdefault((shape, edit.relation), Counter())
            count["edits"] += 1
            count["reached"] += edit[:2] in reached
            count["right"] += edit in said
        for edit in set(said) - set(delta):
            counts.setdefault((shape, edit.relation), Counter())["false"] += 1
    table("One step exact", ("shape", "steps", "exact"), [(one, steps[one], exact[one] / steps[one]) for one in steps])
    worst = sorted(counts.items(), key=lambda row: (row[1]["right"] - row[1]["edits"], row[0]))[:MOST]
    table("The largest gaps", ("shape", "relation", "edits", "reached", "right", "false"), list(map(_row, worst)))


def _row(gap: tuple[tuple[str, str], Counter[str]]) -> tuple[Any, ...]:
    (shape, relation), count = gap
    edits = max(1, count["edits"])
    return shape, relation, count["edits"], count["reached"] / edits, count["right"] / edits, count["false"]


if __name__ == "__main__":
    main()

"""Where rule induction falls short: of the edits held out, those that its rules reach, and those they get right.

Of a fact that a step edits twice, what both edits come to is meant. An edit is reached if a rule speaks of the fact at
its key, and right if the rule says what became of it. Gaps are ordered by how many edits are not right. False edits are
those predicted that are none. A step that is not exact is put down to the first relation, in the order in which rules
explain them, that comes out wrong, and what of it.

    python bench/gaps.py [WORLD [DRIVER [TRANSITIONS]]] [--sets N] [--in WORLD]

With `--sets`, rules of so many training sets are judged, by walks that are the same for all. What rules lack is not
always seen in one set, and rules that were made better by looking at one are better on that one.
With `--in`, what is held out is of another world of that schema, as `deep-files` is one of the filesystem's.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from horizon import HELD_OUT, STEPS, TEST, transitions
from measure import table

from worldgate.facts import Delta, Edit, State
from worldgate.horizon.induction import Induction
from worldgate.horizon.trajectory import net
from worldgate.worlds import get

MOST = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    for option, default in (("world", "market"), ("driver", "everyday"), ("size", "1000")):
        parser.add_argument(option, nargs="?", default=default)
    parser.add_argument("--in", dest="elsewhere")
    parser.add_argument("--sets", type=int, default=1)
    given = parser.parse_args()
    name, driver = given.world, given.driver
    held_out = transitions(given.elsewhere or name, driver, HELD_OUT, TEST)
    exact: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    causes: Counter[tuple[str, str]] = Counter()
    counts: dict[tuple[str, str], Counter[str]] = {}
    each = []
    for one in range(given.sets):
        rules = Induction(get(name).schema)
        for lesson in transitions(name, driver, one * -(-int(given.size) // STEPS), int(given.size)):
            rules.learn(*lesson)
        right = _judged(rules, held_out, causes, counts)
        each.append(right.total() / len(held_out))
        exact += right
        steps += Counter(rules.shape_of(action) for _, action, _ in held_out)
    if given.sets > 1:
        table("Each set", ("set", "exact"), enumerate(each))
    shares = [(one, steps[one], exact[one] / steps[one]) for one in steps]
    whole = ("all", steps.total(), exact.total() / steps.total())
    table("One step exact", ("shape", "steps", "exact"), [*shares, whole])
    rows = [(*cause, count, count / steps[cause[0]]) for cause, count in causes.most_common(2 * MOST)]
    table("Why steps are not exact", ("shape", "first wrong", "steps", "share"), rows)
    worst = sorted(counts.items(), key=lambda row: (row[1]["right"] - row[1]["edits"], row[0]))[:MOST]
    table("The largest gaps", ("shape", "relation", "edits", "reached", "right", "false"), list(map(_row, worst)))


def _judged(
    rules: Induction,
    held_out: Sequence[tuple[Any, Any, Any]],
    causes: Counter[tuple[str, str]],
    counts: dict[tuple[str, str], Counter[str]],
) -> Counter[str]:
    """How often steps of each shape are exact; what is wrong in the others is counted in the two given."""
    exact: Counter[str] = Counter()
    order = {name: dict.fromkeys(one.relation for one in found.effects) for (name, _), found in rules.rules.items()}
    for state, action, delta in held_out:
        shape = rules.shape_of(action)
        said, true = _net(rules.predict(state, action).delta), _net(delta)
        exact[shape] += said == true
        if said != true:
            every = dict.fromkeys([*order.get(shape.split()[0], ()), *state.schema.relations])
            causes[shape, next(filter(None, (_wrong(one, state, said, true) for one in every)), "order")] += 1
        reached = rules.reached(state, action)
        for edit in true:
            count = counts.setdefault((shape, edit.relation), Counter())
            count["edits"] += 1
            count["reached"] += edit[:2] in reached
            count["right"] += edit in said
        for edit in said - true:
            counts.setdefault((shape, edit.relation), Counter())["false"] += 1
    return exact


def _net(delta: Delta) -> set[Edit]:
    """What a delta comes to."""
    return {Edit(*address, *change) for address, change in net(delta).items()}


def _wrong(relation: str, state: State, said: set[Edit], true: set[Edit]) -> str:
    """What of a relation's facts comes out wrong; "" for nothing."""
    told, was = ({edit.key: edit.after for edit in edits if edit.relation == relation} for edits in (said, true))
    found = set[str]()
    for key in told.keys() | was.keys():
        before = state.get(relation, key)
        one, other = told.get(key, before), was.get(key, before)
        if one is None or other is None or not hasattr(one, "_fields"):
            found |= {"missing" if one is None else "false" if other is None else "value"} if one != other else set()
        else:
            found |= {field for field, a, b in zip(one._fields, one, other, strict=True) if a != b}
    return f"{relation}: {', '.join(sorted(found))}" if found else ""


def _row(gap: tuple[tuple[str, str], Counter[str]]) -> tuple[Any, ...]:
    (shape, relation), count = gap
    edits = max(1, count["edits"])
    return shape, relation, count["edits"], count["reached"] / edits, count["right"] / edits, count["false"]


if __name__ == "__main__":
    main()

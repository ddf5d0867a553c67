"""The heaviest set of steps that may run at the same time.

Steps are numbered; `after[i]` is the bitmask of the steps that come after step i in every order. Steps
without an order between them (an antichain) can run at once. By Dilworth's theorem the heaviest
antichain weighs as much as the fewest chains that cover every step as often as it weighs; the
chains come from a maximum matching, the antichain itself from its vertex cover (Koenig).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def heaviest(weights: Mapping[int, int], after: Sequence[int]) -> list[int]:
    """The steps of an antichain of the greatest total weight. Weights are small positive integers."""
    copies = [step for step, weight in sorted(weights.items()) for _ in range(weight)]
    follows = [
        [right for right, later in enumerate(copies) if after[copies[left]] >> later & 1] for left in range(len(copies))
    ]
    before = _matching(follows)
    matched = {left: right for right, left in enumerate(before) if left is not None}
    lefts, rights = _alternating([left for left in range(len(copies)) if left not in matched], follows, before)
    # a copy is in the antichain when neither of its two sides is in the vertex cover
    free = {copies[number] for number in range(len(copies)) if number in lefts and number not in rights}
    return sorted(free)


def pairs(steps: Sequence[int], after: Sequence[int]) -> list[tuple[int, int]]:
    """Every two of these steps that may run at the same time."""
    return [
        (one, two)
        for position, one in enumerate(steps)
        for two in steps[position + 1 :]
        if not (after[one] >> two & 1 or after[two] >> one & 1)
    ]


def _matching(follows: Sequence[Sequence[int]]) -> list[int | None]:
    """For each right vertex the left one it is matched with, in a maximum matching."""
    before: list[int | None] = [None] * len(follows)
    for start in range(len(follows)):
        came_from: dict[int, int] = {}
        frontier, end = [start], None
        while frontier and end is None:
            left = frontier.pop()
            for right in follows[left]:
                if right in came_from:
                    continue
                came_from[right] = left
                if before[right] is None:
                    end = right
                    break
                frontier.append(before[right])  # type: ignore[arg-type]
        while end is not None:  # turn the augmenting path over
            left = came_from[end]
            previous = next((right for right, other in enumerate(before) if other == left), None)
            before[end] = left
            end = previous
    return before


def _alternating(
    free: Sequence[int], follows: Sequence[Sequence[int]], before: Sequence[int | None]
) -> tuple[set[int], set[int]]:
    """The left and right vertices that alternating paths reach from the unmatched left ones."""
    lefts, rights, stack = set(free), set[int](), list(free)
    while stack:
        for right in follows[stack.pop()]:
            if right not in rights:
                rights.add(right)
                left = before[right]
                if left is not None and left not in lefts:
                    lefts.add(left)
                    stack.append(left)
    return lefts, rights

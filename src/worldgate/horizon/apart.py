"""How far two states are apart, kept while both move: O(edits) a step, whatever the size of the states.

`Apart.distance` is `facts.distance` of the two states, |A △ B| / (|A| + |B|), and `distances` the same within each
relation that differs. Kept are the addresses that differ and the number of facts of each relation, so nothing depends
on how long the states remember their history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ..facts import Address, State, diff


def count(state: State) -> Counter[str]:
    """The number of facts of each relation; O(state)."""
    return Counter(relation for relation, _, _ in state.facts())


class Apart:
    """Two states, `left` and `right`, and where they differ."""

    __slots__ = ("_fetch", "differing", "left", "right", "sizes", "weights")

    def __init__(self, left: State, right: State, sizes: Mapping[str, int] | None = None) -> None:
        """`sizes`: the facts of each relation in both together, if they are known; counting them is O(state)."""
        self.left, self.right = left, right
        self._fetch = left.fetcher(), right.fetcher()
        self.differing: dict[Address, int] = {}  # to how many of the two have a fact there: its share in |A △ B|
        self.weights: Counter[str] = Counter()  # |A △ B| of each relation
        self.sizes: Counter[str] = Counter(sizes) if sizes is not None else count(left) + count(right)
        for edit in diff(left, right):
            weight = (edit.before is not None) + (edit.after is not None)
            self.differing[edit.relation, edit.key] = weight
            self.weights[edit.relation] += weight

    def move(self, left: State, right: State, addresses: Iterable[Address]) -> None:
        """Both states move; `addresses`, each named once, are all at which either may have changed."""
        old_left, old_right = self._fetch
        new_left, new_right = self._fetch = left.fetcher(), right.fetcher()
        differing, weights, sizes = self.differing, self.weights, self.sizes
        for address in addresses:
            one, two = new_left(address), new_right(address)
            has = (one is not None) + (two is not None)
            had = (old_left(address) is not None) + (old_right(address) is not None)
            if has != had:
                sizes[address[0]] += has - had
            weight = 0 if one == two else has
            was = differing.pop(address, 0)
            if weight:
                differing[address] = weight
            if weight != was:
                weights[address[0]] += weight - was
        self.left, self.right = left, right

    @property
    def weight(self) -> int:
        """|A △ B|."""
        return sum(self.weights.values())

    @property
    def distance(self) -> float:
        """0 for equal states, 1 for disjoint ones; the same float as `facts.distance`."""
        weight = sum(self.weights.values())
        return weight / sum(self.sizes.values()) if weight else 0.0

    @property
    def distances(self) -> dict[str, float]:
        """Within each relation that differs."""
        return {name: weight / self.sizes[name] for name, weight in self.weights.items() if weight}

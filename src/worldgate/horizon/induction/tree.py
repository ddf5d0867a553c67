"""Decision trees over literals, for examples that may have several right answers.

Each example is labelled with the *set* of answers that are right for it (setting a fact that holds already changes
nothing, and so does leaving it alone). The impurity of a set of examples is the entropy of a greedy cover: the answer
that is right most often takes all examples it is right for, the next best takes of the rest, and so on. A split must
save more bits than it takes to name its literal (minimum description length), so that chance does not make rules.
Where no literal does, one about a kind is asked if the next ones save what all of these take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf, log2
from typing import NamedTuple

from .literals import Literal, of_kind
from .table import Table

AHEAD = 64
"""Parts of the examples in which a second question is looked for where none is worth asking."""

Labels = Mapping[int, int]
"""Sets of right answers (a bit an answer) and the rows that have them (a bit a row)."""
NO_ANSWER = 1
"""The set of examples for which none is right. They are told apart from the others, but no leaf can answer them: one
mostly of these says what is best for the examples around it, with the doubt of its own."""


class Leaf(NamedTuple):
    """The answer for the examples that come here; of the `support` ones seen it was wrong for `errors`."""

    answer: int
    support: int
    errors: int

    @property
    def doubt(self) -> float:
        """The expected share of errors by Laplace's rule of succession: (errors + 1) / (support + 2)."""
        return (self.errors + 1) / (self.support + 2)

    def alike(self, other: Leaf) -> bool:
        """Whether it says the same, and both are mostly right or both are not."""
        return self.answer == other.answer and (self.doubt > 0.5) is (other.doubt > 0.5)


class Split(NamedTuple):
    """One question, and where each answer leads."""

    literal: Literal
    yes: Tree
    no: Tree


Tree = Leaf | Split
Candidate = tuple[Literal, int]


def grow(labels: Labels, candidates: Sequence[Candidate], rows: int, around: Mapping[int, int] | None = None) -> Tree:
    """The tree for these rows, one question at a time. `around`: how many examples there are of each label where these
    come from."""
    here = {mask: some for mask, bits in labels.items() if (some := bits & rows)}
    counts = {mask: bits.bit_count() for mask, bits in here.items()}
    if around is None or 2 * counts.get(NO_ANSWER, 0) <= rows.bit_count():
        around = counts
    best = _best(here, candidates, rows)[0] or _ahead(here, candidates, rows)
    if best is None:
        return _leaf(counts, around)
    literal, bits = best
    then, otherwise = (grow(labels, candidates, some, around) for some in (rows & bits, rows & ~bits))
    if isinstance(then, Leaf) and isinstance(otherwise, Leaf) and then.alike(otherwise):
        return _leaf(counts, around)
    return Split(literal, then, otherwise)


def _best(labels: Labels, candidates: Sequence[Candidate], rows: int) -> tuple[Candidate | None, float]:
    """The question that saves most bits, the first of equally good ones, and how many bits it leaves; none if none
    saves what it takes to name it."""
    counts, many = _counts(labels, rows), rows.bit_count()
    whole = _impurity(counts, inf)
    best, gain = None, 0.0
    if whole > 0:
        price = log2(len(candidates) + 1)
        for literal, bits in candidates:
            yes = bits & rows
            if not yes or yes == rows:
                continue
            most = whole - price - literal.cost - gain - 1e-9  # what the parts may have
            if most <= 0:
                continue
            inside = _counts(labels, yes)
            outside = {mask: left for mask, count in counts.items() if (left := count - inside.get(mask, 0))}
            parts = (inside, outside) if 2 * yes.bit_count() > many else (outside, inside)  # the larger one first
            first = _impurity(parts[0], most)
            if first < most and (both := first + _impurity(parts[1], most - first)) < most:
                best, gain = (literal, bits), whole - price - literal.cost - both
    return best, whole - gain


def _ahead(labels: Labels, candidates: Sequence[Candidate], rows: int) -> Candidate | None:
    """The question about a kind after which others save more than it takes to name it and them, where none does by
    itself: what is bought and what is sold may need contrary answers."""
    best, most, known = None, _impurity(_counts(labels, rows), inf), set[int]()
    price = log2(len(candidates) + 1)
    for literal, bits in candidates if most > 2 * price else ():
        yes = bits & rows
        if yes and yes != rows and yes not in known and of_kind(literal):
            known |= {yes, rows & ~yes}
            left = price + literal.cost + sum(_best(labels, candidates, some)[1] for some in (yes, rows & ~yes))
            if left < most - 1e-9:
                best, most = (literal, bits), left
            if len(known) >= AHEAD:
                break
    return best


def saved(labels: Labels, bits: int, rows: int) -> float:
    """How many bits fewer it takes to tell the answers of these rows once a question is answered."""
    parts = (_counts(labels, some) for some in (rows, rows & bits, rows & ~bits))
    whole, yes, no = (_impurity(part, inf) for part in parts)
    return whole - yes - no


def routed(tree: Tree, table: Table, rows: int) -> Iterator[tuple[Leaf, int]]:
    """The leaves that these rows of a table come to, and which rows."""
    if not rows:
        return
    if isinstance(tree, Leaf):
        yield tree, rows
        return
    yes = tree.literal.bits(table) & rows
    yield from routed(tree.yes, table, yes)
    yield from routed(tree.no, table, rows & ~yes)


def leaves(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """Every leaf with the answers that lead to it, in words."""
    if isinstance(tree, Leaf):
        yield path, tree
        return
    yield from leaves(tree.yes, (*path, tree.literal.said(True)))
    yield from leaves(tree.no, (*path, tree.literal.said(False)))


def _counts(labels: Labels, rows: int) -> dict[int, int]:
    return {mask: count for mask, bits in labels.items() if (count := (bits & rows).bit_count())}


def _impurity(counts: Mapping[int, int], most: float) -> float:
    """Bits to tell which answer of a greedy cover is right for each example; `inf` as soon as it is above `most`.

    A cover's sets do not grow, so where the last one took s examples and r are left, the rest takes r log(n / s) bits
    at least.
    """
    if len(counts) < 2:
        return 0.0
    left = sum(counts.values())
    whole = left * log2(left)
    for _, size in _cover(counts):
        whole -= size * log2(size)
        left -= size
        if left and whole - left * log2(size) > most:
            return inf
    return whole


def _cover(counts: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """(answer, how many examples it is taken for), greedily; the first of equally good answers."""
    left = {mask: count for mask, count in counts.items() if count}
    while left:
        together = -1
        for mask in left:
            together &= mask
        if together:
            yield (together & -together).bit_length() - 1, sum(left.values())
            return
        scores: dict[int, int] = {}
        for mask, count in left.items():
            while mask:
                low = mask & -mask
                scores[low] = scores.get(low, 0) + count
                mask ^= low
        best = size = 0
        for low, score in scores.items():
            if score > size or (score == size and low < best):
                best, size = low, score
        yield best.bit_length() - 1, size
        left = {mask: count for mask, count in left.items() if not mask & best}


def _leaf(counts: Mapping[int, int], around: Mapping[int, int]) -> Leaf:
    answered = {mask: count for mask, count in around.items() if mask != NO_ANSWER}
    answer, _ = next(_cover(answered), (0, 0))
    right = sum(count for mask, count in counts.items() if mask != NO_ANSWER and mask >> answer & 1)
    support = sum(counts.values())
    return Leaf(answer, support, support - right)

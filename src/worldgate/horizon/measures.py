"""What a record comes to: how long a rollout is faithful, how it errs, and how well its uncertainty tells.

Everything here is a function of records, or of numbers taken from them; nothing runs a world. A step is *faithful* at
epsilon when its divergence does not exceed epsilon. What cannot be computed is None, never NaN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import fsum, sqrt
from random import Random
from typing import NamedTuple

from .errors import BadMeasure
from .record import Edits, RunRecord

# --- horizons ------------------------------------------------------------------------------------


def horizon(record: RunRecord, epsilon: float) -> int:
    """H_epsilon: the first step whose divergence exceeds epsilon; the number of steps if none does."""
    return next((step for step, apart in enumerate(record.divergences) if apart > epsilon), record.steps)


class Recovery(NamedTuple):
    """Faithful steps in all; how many steps it takes to return, on average over the times it does; and whether it
    strays more often than it returns, which is that it ends astray."""

    faithful: int
    strays: int
    returns: int
    mean_return: float | None


def recovery(record: RunRecord, epsilon: float) -> Recovery:
    """The horizon of a rollout that may come back. A stray is a run of unfaithful steps; its length is its return."""
    runs = list(_runs(record, epsilon))
    strays = [length for faithful, length in runs if not faithful]
    returned = strays if not runs or runs[-1][0] else strays[:-1]
    faithful = sum(length for faithful, length in runs if faithful)
    return Recovery(faithful, len(strays), len(returned), mean(returned))


class Windowed(NamedTuple):
    """The longest run of faithful steps, and the mean faithful beginning of the stretches between looks."""

    longest: int
    mean_between: float | None


def windowed(record: RunRecord, epsilon: float) -> Windowed:
    """A stretch begins at a looked-at step (the first at step 0) and ends before the next; it counts until the first
    step in it that is not faithful. Looks that showed a derived relation only, or nothing, begin none."""
    longest = max((length for faithful, length in _runs(record, epsilon) if faithful), default=0)
    begins = sorted({0, *(look.step for look in record.looks if look.full and look.answered)})
    stretches = [record.divergences[at:end] for at, end in zip(begins, [*begins[1:], record.steps], strict=True)]
    good = [next((n for n, apart in enumerate(each) if apart > epsilon), len(each)) for each in stretches if each]
    return Windowed(longest, mean(good))


def area(record: RunRecord) -> float | None:
    """The area under 1 - divergence, as a share of the steps: 1 for a rollout that is exact throughout."""
    return None if not record.steps else 1 - fsum(record.divergences) / record.steps


def _runs(record: RunRecord, epsilon: float) -> Iterator[tuple[bool, int]]:
    for faithful, run in groupby(apart <= epsilon for apart in record.divergences):
        yield faithful, sum(1 for _ in run)


# --- errors --------------------------------------------------------------------------------------


def drift(records: Iterable[RunRecord]) -> dict[str, float]:
    """The mean divergence within each relation that ever differs, over all steps of all records."""
    sums: Counter[str] = Counter()
    steps = 0
    for record in records:
        steps += record.steps
        for name, row in record.drift.items():
            sums[name] += fsum(row)  # type: ignore[assignment]
    return {name: sums[name] / steps for name in sorted(sums)}


def pooled(tables: Iterable[Mapping[str, Edits]]) -> dict[str, Edits]:
    """The counts of several records (`edits` or `events`) added up, by name."""
    rows: dict[str, list[Edits]] = {}
    for table in tables:
        for name, edits in table.items():
            rows.setdefault(name, []).append(edits)
    return {name: summed(found) for name, found in sorted(rows.items())}


def summed(edits: Iterable[Edits]) -> Edits:
    """All counts added up."""
    rows = list(edits)
    return Edits(sum(row.true for row in rows), sum(row.found for row in rows), sum(row.false for row in rows))


def recall(edits: Iterable[Edits]) -> float | None:
    """The share of true edits that were found; None where there were none."""
    every = summed(edits)
    return every.found / every.true if every.true else None


def precision(edits: Iterable[Edits]) -> float | None:
    """The share of what was found among that and what is false; None where there is neither."""
    every = summed(edits)
    said = every.found + every.false
    return every.found / said if said else None


def rare(
    events: Mapping[str, Edits], share: float, among: Mapping[str, int] | None = None
) -> tuple[tuple[str, ...], float | None]:
    """(the rare events, the recall over all of them).

    An event, such as "up: true -> false", is rare if it makes up less than `share` of all true edits; these are counted
    in `among` (the number of each event in a training set, say), or in `events` itself. One that `among` lacks is rare.
    """
    counts = {name: edits.true for name, edits in events.items()} if among is None else among
    most = share * sum(counts.values())
    names = tuple(
        name for name in sorted(events) if events[name].true and (not counts.get(name) or counts[name] < most)
    )
    return names, recall(events[name] for name in names)


def bits(record: RunRecord) -> float | None:
    """Bits-to-correct of a predicted delta, on average over the steps."""
    return mean(record.bits)


# --- uncertainty ---------------------------------------------------------------------------------


class Bin(NamedTuple):
    """The steps whose uncertainty is in [low, high): how many, and the means over them. The last bin has its high."""

    low: float
    high: float
    number: int
    uncertainty: float | None
    error: float | None


def signals(records: Iterable[RunRecord]) -> list[tuple[float, float]]:
    """(uncertainty, divergence before correction) of all steps that have an uncertainty."""
    return [
        (signal, apart)
        for record in records
        for signal, apart in zip(record.signals, record.proposed, strict=True)
        if signal is not None
    ]


def pearson(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The correlation of two columns; None for fewer than two rows, or where one column is constant."""
    if len(pairs) < 2:
        return None
    columns = [[float(part) for part in column] for column in zip(*pairs, strict=True)]
    if any(min(column) == max(column) for column in columns):
        return None
    centred = [[part - fsum(column) / len(column) for part in column] for column in columns]
    spread = [sqrt(fsum(part * part for part in column)) for column in centred]
    if not all(spread):
        return None
    together = fsum(one * two for one, two in zip(*centred, strict=True))
    return max(-1.0, min(1.0, together / spread[0] / spread[1]))


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The correlation of ranks; equal values share the mean of theirs."""
    if len(pairs) < 2:
        return None
    one, two = (ranks(column) for column in zip(*pairs, strict=True))
    return pearson(list(zip(one, two, strict=True)))


def ranks(values: Sequence[float]) -> list[float]:
    """Fractional ranks from 1."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found, at = [0.0] * len(values), 0
    for _, group in groupby(order, key=values.__getitem__):
        places = list(group)
        for place in places:
            found[place] = at + (len(places) + 1) / 2
        at += len(places)
    return found


def reliability(pairs: Sequence[tuple[float, float]], bins: int = 10) -> list[Bin]:
    """Bins of equal width from the least uncertainty to the greatest (one bin where they are the same)."""
    if bins < 1:
        raise BadMeasure(f"{bins} bins", "1 or more")
    if not pairs:
        return []
    low, high = min(signal for signal, _ in pairs), max(signal for signal, _ in pairs)
    bins = bins if high > low else 1
    inside: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for pair in pairs:
        inside[min(int((pair[0] - low) / (high - low) * bins), bins - 1) if high > low else 0].append(pair)
    edges = [low + (high - low) * place / bins for place in range(bins)] + [high]
    return [
        Bin(edges[place], edges[place + 1], len(rows), mean([one for one, _ in rows]), mean([two for _, two in rows]))
        for place, rows in enumerate(inside)
    ]


# --- many rollouts -------------------------------------------------------------------------------


class Interval(NamedTuple):
    """A mean, the ends of its interval, and the number of values it is of."""

    mean: float
    low: float
    high: float
    number: int


def bootstrap(
    values: Iterable[float], *, seed: int = 0, resamples: int = 1000, confidence: float = 0.95
) -> Interval | None:
    """The percentile bootstrap of the mean (Efron, Annals of Statistics 7, 1979). Of one value: that value; of none:
    None.

    What varies between the values is all that the interval covers: values of one training seed say nothing of another.
    """
    if resamples < 1 or not 0 < confidence < 1:
        raise BadMeasure(f"{resamples} resamples at {confidence}", "1 or more, at a confidence between 0 and 1")
    known = [float(value) for value in values]
    if not known:
        return None
    random, count = Random(seed), len(known)
    means = (fsum(random.choices(known, k=count)) / count for _ in range(resamples))
    return Interval(fsum(known) / count, *ends(means, confidence), count)


def ends(means: Iterable[float], confidence: float) -> tuple[float, float]:
    """Between which a share `confidence` of resampled means lies, with as many below as above."""
    ordered, tail = sorted(means), (1 - confidence) / 2
    low, high = (ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in (tail, 1 - tail))
    return low, high


def over(
    records: Iterable[RunRecord], measure: Callable[[RunRecord], float | None], *, seed: int = 0
) -> Interval | None:
    """The mean of a measure over records, with its interval. Records for which it is None are left out of the count."""
    return bootstrap((value for value in map(measure, records) if value is not None), seed=seed)


def mean(values: Sequence[float]) -> float | None:
    """None of none."""
    return fsum(values) / len(values) if values else None

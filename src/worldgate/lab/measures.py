"""What tables and figures show of runs: each measure a ratio of two numbers a record, and its interval over runs.

A measure over many runs is the sum of numerators over the sum of denominators, which is the mean where the denominator
is 1; or the median of the ratios. Runs of which it is None are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from ..horizon import RunRecord, measures
from ..horizon.measures import Interval
from .errors import library

RESAMPLES = 1000
CONFIDENCE = 0.95
SURE = 0.1
"""Of this uncertainty and more a prediction counts as refused (El-Yaniv and Wiener, JMLR 11, 2010)."""


class Measure(NamedTuple):
    """`of(record, epsilon)` is (numerator, denominator), or None. `epsilon`: whether it depends on that; `median`: that
    of runs their median is meant, not their mean."""

    about: str
    of: Callable[[Any, float], tuple[float, float] | None]
    epsilon: bool = False
    median: bool = False


def one(about: str, of: Callable[[Any], float | None]) -> Measure:
    """A measure that is a number of each record, and a mean over them."""

    def pair(record: Any, _: float) -> tuple[float, float] | None:
        value = of(record)
        return None if value is None else (value, 1.0)

    return Measure(about, pair)


def _within(about: str, of: Callable[[RunRecord, float], int], *, per_kilobit: bool = False) -> Measure:
    """A number of steps of each record at epsilon."""

    def pair(record: RunRecord, epsilon: float) -> tuple[float, float]:
        return float(of(record, epsilon)), record.spent.bits / 1000 if per_kilobit else 1.0

    return Measure(about, pair, epsilon=True)


def _faithful(record: RunRecord, epsilon: float) -> int:
    return measures.recovery(record, epsilon).faithful


def _edits(record: RunRecord, bottom: Callable[[Any], int]) -> tuple[float, float]:
    every = measures.summed(record.edits.values())
    return float(every.found), float(bottom(every))


def _seconds(record: RunRecord) -> list[Any]:
    return [look for look in record.looks if look.by is not None]


def _blind(record: RunRecord, _: float) -> tuple[float, float]:
    agreed = [look for look in record.looks if look.agreed]
    return float(sum(record.proposed[look.step] > 0 for look in agreed)), float(len(agreed))


def _unsure(record: RunRecord, _: float) -> tuple[float, float]:
    said = [signal for signal in record.signals if signal is not None]
    return sum(said), float(len(said))


def _said(record: RunRecord) -> list[tuple[float, bool]]:
    """Of each prediction that says how uncertain it is, that, and whether it is wrong."""
    rows = zip(record.signals, record.bits, strict=True)
    return [(signal, bits > 0) for signal, bits in rows if signal is not None]


def _sure(record: RunRecord) -> tuple[float, float, float]:
    """(predictions less uncertain than `SURE`, those of them that are wrong, all that say an uncertainty)."""
    said = _said(record)
    sure = [wrong for signal, wrong in said if signal < SURE]
    return float(len(sure)), float(sum(sure)), float(len(said))


def _ranked(record: RunRecord, _: float) -> tuple[float, float]:
    """Of the pairs of a wrong and a right prediction (a tie counts half), which is the area under the ROC curve."""
    said = _said(record)
    pairs = [(wrong, right) for wrong, is_wrong in said if is_wrong for right, other in said if not other]
    return sum((wrong > right) + (wrong == right) / 2 for wrong, right in pairs), float(len(pairs))


def _judged(record: RunRecord) -> tuple[float, ...]:
    """How faithful the judged relation was at each step; the least, where there are several."""
    return tuple(map(min, zip(*record.derived.values(), strict=True)))


def _judged_horizon(record: RunRecord, epsilon: float) -> tuple[float, float] | None:
    rows = _judged(record)
    # what is recorded is 1 - a share, which is rounded as 1 - epsilon is
    end = next((step for step, faithful in enumerate(rows) if faithful < 1 - epsilon), len(rows))
    return (float(end), 1.0) if rows else None


_HORIZON = _within("H, the first step whose divergence exceeds epsilon (steps)", measures.horizon)
MEASURES: Mapping[str, Measure] = {
    "horizon": _HORIZON,
    "median horizon": _HORIZON._replace(median=True),
    "faithful": _within("steps of the rollout whose divergence does not exceed epsilon", _faithful),
    "area": one("mean of 1 - divergence over the steps", measures.area),
    "calls": one("calls of the full oracle", lambda record: float(record.spent.calls)),
    "entries": one("entries shown of the derived relation", lambda record: float(record.spent.entries)),
    "bits": one("bits that looks showed", lambda record: float(record.spent.bits)),
    "horizon per kilobit": _within("H per 1000 bits that looks showed", measures.horizon, per_kilobit=True),
    "faithful per kilobit": _within("faithful steps per 1000 bits that looks showed", _faithful, per_kilobit=True),
    "exact": Measure(
        "share of predicted deltas that are exactly the true ones",
        lambda record, _: (float(sum(bits == 0 for bits in record.bits)), float(record.steps)),
    ),
    "right": Measure(
        "share of steps that come to the true state, before a look",
        lambda record, _: (float(sum(not distance for distance in record.proposed)), float(record.steps)),
    ),
    "uncertainty": Measure("mean uncertainty of the predictions", _unsure),
    "coverage": Measure(f"share of predictions with an uncertainty below {SURE}", lambda r, _: _sure(r)[::2]),
    "selective risk": Measure(f"share of those below {SURE} that are wrong", lambda r, _: _sure(r)[1::-1]),
    "ranked": Measure("how often a wrong prediction is more uncertain than a right one of its rollout", _ranked),
    "recall": Measure("share of true edits that were predicted", lambda r, _: _edits(r, lambda row: row.true)),
    "precision": Measure(
        "share of predicted edits that are true", lambda r, _: _edits(r, lambda row: row.found + row.false)
    ),
    "bits to correct": one("bits it takes to correct a predicted delta, a step", measures.bits),
    "settled": Measure(
        "share of looks that the second oracle settled alone",
        lambda record, _: (float(sum(look.agreed for look in _seconds(record))), float(len(_seconds(record)))),
    ),
    "blind": Measure("share of looks settled so though the state was not the true one", _blind),
    "judged": one("mean faithfulness of the judged relation", lambda record: measures.mean(_judged(record))),
    "judged horizon": Measure(
        "first step at which the judged relation is wrong in more than a share epsilon", _judged_horizon, epsilon=True
    ),
}


@lru_cache(maxsize=64)
def _drawn(count: int, label: str) -> Any:
    """How often each of `count` is drawn in each resample; of one, once."""
    numpy, random = library("numpy"), Random(f"bootstrap/{label}")
    rows = [random.choices(range(count), k=count) for _ in range(RESAMPLES)]
    return numpy.array([numpy.bincount(row, minlength=count) for row in rows], dtype=float)


def interval(table: Sequence[Sequence[tuple[float, float] | None]], *, median: bool = False) -> Interval | None:
    """The measure over training sets (rows) and seeds (columns), with its percentile interval; None of no values.

    The pigeonhole bootstrap (Owen, Annals of Applied Statistics 1, 2007): rows and columns are resampled, each with
    replacement, since runs that share a training set or a seed are not independent. With one training set the interval
    covers seeds alone. Resamples whose denominator is 0 are left out.
    """
    numpy = library("numpy")
    top, bottom = (
        numpy.array([[0.0 if pair is None else pair[part] for pair in row] for row in table]) for part in (0, 1)
    )
    if not bottom.sum():
        return None
    sets, seeds = _drawn(len(table), "sets"), _drawn(len(table[0]), "seeds")
    middle = _medians if median else _means
    (whole,) = middle(top, bottom, numpy.ones((1, len(table))), numpy.ones((1, len(table[0]))))
    ends = measures.ends(middle(top, bottom, sets, seeds), CONFIDENCE)
    return Interval(whole, *ends, sum(pair is not None for row in table for pair in row))


def _means(top: Any, bottom: Any, sets: Any, seeds: Any) -> list[float]:
    """The measure of each resample, of which it is given how often it has each row and each column."""
    over, under = (((sets @ part) * seeds).sum(axis=1) for part in (top, bottom))
    found: list[float] = (over[under > 0] / under[under > 0]).tolist()
    return found


def _medians(top: Any, bottom: Any, sets: Any, seeds: Any) -> list[float]:
    """The same of medians: of an even number of runs the mean of the two in the middle."""
    numpy = library("numpy")
    values = top[bottom > 0] / bottom[bottom > 0]
    order = numpy.argsort(values)
    weights = (sets[:, :, None] * seeds[:, None, :])[:, bottom > 0][:, order].cumsum(axis=1)
    weights = weights[weights[:, -1] > 0]
    half = weights[:, -1:] / 2
    low, high = (values[order][part.argmax(axis=1)] for part in (weights >= half, weights > half))
    found: list[float] = ((low + high) / 2).tolist()
    return found

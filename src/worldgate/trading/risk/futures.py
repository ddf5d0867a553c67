"""Futures: bars that may come, sampled; each sampler behind the one interface `Sampler`.

- `Bootstrap` draws from bars that have passed, by the stationary bootstrap (D. N. Politis and J. P. Romano, The
  Stationary Bootstrap, Journal of the American Statistical Association 89, 1994): blocks of geometric length, joined
  end to end. All symbols take the same bars, so that what moved together does.
- `filtered.Filtered` draws the same blocks, and scales each bar to the volatility there is.
- `Recorded` takes windows of bars that did happen, each as one future.
- `generated.Generated` is the model of `worlds.market.generator`.

Whatever has the shape of `Sampler` is one: a learned model as well.

Random numbers are the raw output of PCG64, whose sequence numpy keeps; the rest is +, -, *, / and rounding, which
IEEE 754 fixes to the last bit: the same arguments give the same bars on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ...facts import State
from ...worlds.market.actions import instant
from ...worlds.market.bars import FIELDS, Bars
from .arrays import RANGE, np
from .errors import BadFutures, BadHistory

if TYPE_CHECKING:
    from .arrays import Ints

LEAST = 20
"""So many bars of history at least."""


class Sampler(Protocol):
    """Where futures come from."""

    @property
    def name(self) -> str:
        """What it is called in an assessment."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Which symbols have a bar, at every step."""

    def times(self, steps: int) -> Sequence[str]:
        """When the bars end, after the latest bar of the market; the same for all futures."""

    def paths(self, n: int, steps: int, seed: int) -> Mapping[str, Ints]:
        """By symbol an array of int64 [5, n, steps]: open, high, low, close and volume, in hundred-millionths and on
        the tick. A function of its arguments alone."""


class Start(NamedTuple):
    """Where the prices of a symbol go on from: its latest close, and its tick."""

    close: int
    tick: int


def starts(state: State, symbols: Sequence[str]) -> dict[str, Start]:
    """Where the futures of a market begin. Raises `BadFutures` for a symbol without a price."""
    found = {}
    for symbol in symbols:
        bar, instrument = state.get("bar", (symbol,)), state.get("instrument", (symbol,))
        if bar is None or instrument is None:
            raise BadFutures(f"{symbol}, which has no price in this market", "symbols that have had a bar")
        found[symbol] = Start(bar.close, instrument.tick)
    return found


class Calendar(NamedTuple):
    """When bars come: after `last`, at the distances of the latest bars that have passed, over and over."""

    last: str
    gaps: tuple[timedelta, ...]

    @classmethod
    def of(cls, times: Sequence[str], last: str) -> Calendar:
        moments = [instant(time) for time in times]
        return cls(last, tuple(after - before for before, after in pairwise(moments)) or (timedelta(days=1),))

    def times(self, steps: int) -> list[str]:
        """The next so many."""
        latest = self.gaps[-steps:]
        dates = len(self.last) == 10 and not any(gap % timedelta(days=1) for gap in latest)
        now, found = instant(self.last).astimezone(UTC), []
        try:
            for number in range(steps):
                now += latest[number % len(latest)]
                found.append(_written(now, dates))
        except OverflowError as error:
            raise BadFutures(f"{steps} bars after {self.last}", "times before the year 10000") from error
        return found


def _written(moment: datetime, dates: bool) -> str:
    return moment.date().isoformat() if dates else f"{moment.replace(tzinfo=None).isoformat()}Z"


class Stream:
    """Random numbers that are named."""

    def __init__(self, *names: object) -> None:
        digest = sha256("/".join(("worldgate futures", *map(str, names))).encode()).digest()
        self._raw = np.random.PCG64(int.from_bytes(digest)).random_raw

    def uniform(self, *shape: int) -> Ints:
        """From 0 to below 1, in steps of 2**-53."""
        raw: Ints = self._raw(shape)
        return (raw >> 11) * 2.0**-53

    def normal(self, n: int) -> Ints:
        """Mean 0, variance 1, within 6 of 0: the sum of twelve uniform numbers, as in the generator; of 32 bits."""
        raw: Ints = self._raw((6, n))
        total: Ints = (raw & 0xFFFFFFFF).sum(axis=0) + (raw >> 32).sum(axis=0)
        return (total + 6.0) * 2.0**-32 - 6.0


def on_grid(prices: Ints, tick: int) -> Ints:
    """Prices, as floats in hundred-millionths, at the nearest tick: one at least, and within int64."""
    most = min(2**52, 2**60 // tick)
    ticks: Ints = np.clip(np.rint(prices / tick), 1, most).astype(np.int64)
    return ticks * tick


@dataclass(frozen=True)
class Bootstrap:
    """`history`: whole bars of `starts`' symbols. Blocks have `block` bars on average, by default the cube root of how
    many there are. Raises `BadHistory`."""

    history: Bars
    starts: Mapping[str, Start]
    last: str
    block: int = 0
    name: str = "bootstrap"

    def __post_init__(self) -> None:
        if not set(self.starts) <= set(self.history.symbols) or not self.history.whole or len(self.history) <= LEAST:
            found = f"{len(self.history)} bars of {', '.join(self.history.symbols)}"
            raise BadHistory(found, f"more than {LEAST} of each of {', '.join(self.starts)}, and none missing")
        if any(max(self.history.column(symbol, "volume")) >= RANGE for symbol in self.starts):
            raise BadHistory("a volume that does not fit", f"volumes below {RANGE}")
        if not self.block:
            object.__setattr__(self, "block", max(round(len(self.history) ** (1 / 3)), 1))

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.starts)

    def times(self, steps: int) -> Sequence[str]:
        return Calendar.of(self.history.times[-steps - 1 :], self.last).times(steps)

    def paths(self, n: int, steps: int, seed: int) -> Mapping[str, Ints]:
        size = len(self.history) - 1
        stream = Stream(seed, self.name)
        fresh = (stream.uniform(steps, n) * size).astype(np.int64)
        ends = stream.uniform(steps, n) * self.block < 1
        index = fresh
        for step in range(1, steps):
            index[step] = np.where(ends[step], fresh[step], (index[step - 1] + 1) % size)
        return {symbol: self._bars(symbol, start, index) for symbol, start in self.starts.items()}

    def _bars(self, symbol: str, start: Start, index: Ints) -> Ints:
        """The bars at these places of the history, each from the close of the one before it."""
        opened, high, low, close = (np.array(self.history.column(symbol, name), float) for name in FIELDS[:4])
        volume = np.array(self.history.column(symbol, "volume"), np.int64)[1:]
        with np.errstate(over="ignore", under="ignore"):
            closes = start.close * np.cumprod((close[1:] / close[:-1])[index], axis=0)
            shapes = ((part / close)[1:][index] for part in (opened, high, low, close))
            prices = [on_grid(closes * shape, start.tick) for shape in shapes]
        return np.stack([*prices, volume[index]]).transpose(0, 2, 1)


@dataclass(frozen=True)
class Recorded:
    """Windows of bars that happened, one after each of the bars `first`, in that order; n is at most their number.
    Prices are scaled so that each window goes on from the present close. What is asked for is not drawn: `seed`
    makes no difference."""

    bars: Bars
    starts: Mapping[str, Start]
    last: str
    first: Sequence[int]
    name: str = "recorded"

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.starts)

    def times(self, steps: int) -> Sequence[str]:
        return Calendar.of(self.bars.times[-steps - 1 :], self.last).times(steps)

    def paths(self, n: int, steps: int, seed: int) -> Mapping[str, Ints]:
        first = np.array(self.first[:n])
        if len(first) < n or (n and first.max() + steps >= len(self.bars)):
            raise BadHistory(f"{len(self.first)} windows in {len(self.bars)} bars", f"{n} of {steps} bars")
        index = first[:, None] + 1 + np.arange(steps)
        found = {}
        for symbol, start in self.starts.items():
            columns = [np.array(self.bars.column(symbol, name)) for name in FIELDS]
            scale = start.close / columns[3][first][:, None]
            prices = [on_grid(column[index] * scale, start.tick) for column in columns[:4]]
            found[symbol] = np.stack([*prices, columns[4][index].astype(np.int64)])
        return found

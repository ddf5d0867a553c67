"""Bars from a seed: correlated, with regimes and jumps, and around a level that they return to.

The log price x of a symbol, relative to its baseline, is an Ornstein-Uhlenbeck process at whole steps (Uhlenbeck and
Ornstein 1930; for log prices Schwartz 1997), with drift and volatility from a Markov chain of regimes that all symbols
share (Hamilton 1989), shocks that are correlated (one common factor, Sharpe 1963, or the Cholesky factor of a matrix),
and jumps at the open (Merton 1976):

    x' = x + jump - reversion * x + drift(regime) + volatility(regime) * z

A path of four moves, the points of a Brownian bridge, leads from open to close and gives high and low. Whatever would
leave [-width, width] is held there, so every price stays within baseline * exp(-width) and baseline * exp(width), to
the tick, however many steps there are.

The same arguments give the same bars on every machine: random numbers are `random.Random.random()`, whose sequence
Python keeps, seeded with a SHA-256; the rest is +, -, *, / and square root, which IEEE 754 fixes to the last bit. So no
logarithm, exponential or Gaussian of the platform is used: a normal number is twelve uniform ones less six (within
+-6), and `_exp` is a series. Every symbol draws from a stream of its own: adding one leaves the others as they are.

Not covered: days without trade, calendars, corporate actions, and any likeness to a particular market.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

from .bars import FIELDS, BadRequest, Bars
from .units import ONE, parse_amount, show

MOST_STEPS = 10**7


def _within(name: str, value: float, lowest: float, highest: float) -> None:
    """Also refuses what is no number, not finite, or a bool."""
    if type(value) not in (int, float) or not lowest <= value <= highest:
        raise BadRequest(f"{name} {value!r}", f"a number from {lowest:g} to {highest:g}")


@dataclass(frozen=True)
class Regime:
    """A state of the market: drift and volatility of a log price for each step, and how long it lasts on average."""

    name: str
    drift: float
    volatility: float
    steps: float


CALM = Regime("calm", 0.0003, 0.008, 120)
FALLING = Regime("falling", -0.001, 0.016, 40)
STORM = Regime("storm", 0.0, 0.03, 15)


@dataclass(frozen=True)
class Model:
    """The numbers behind the formula, for each step. When a regime ends, each of the others is as likely to follow.

    `reversion`: the part of the distance to the baseline that is made up; `jumps`: how often a symbol jumps, and
    `jump`: by how much, as a standard deviation of the log price; `width`: the log of the largest factor that a price
    is ever away from its baseline.
    """

    regimes: tuple[Regime, ...] = (CALM, FALLING, STORM)
    reversion: float = 0.005
    jumps: float = 0.004
    jump: float = 0.06
    width: float = 2.0

    def __post_init__(self) -> None:
        _within("reversion", self.reversion, 0.0001, 1)
        _within("jumps", self.jumps, 0, 1)
        _within("jump", self.jump, 0, self.width / 8)
        _within("width", self.width, 0.1, 4)
        if not self.regimes:
            raise BadRequest("no regimes", "one at least")
        for regime in self.regimes:
            _within(f"{regime.name}: volatility", regime.volatility, 0, self.width / 40)
            _within(f"{regime.name}: drift", regime.drift, -self.width / 40, self.width / 40)
            _within(f"{regime.name}: steps", regime.steps, 1, 1e9)


Correlation = float | Sequence[Sequence[float]]


def generate(
    symbols: Sequence[str],
    steps: int,
    seed: int,
    *,
    model: Model = Model(),
    correlation: Correlation = 0.5,
    baseline: str | Mapping[str, str] = "100",
    volume: str = "1000000",
    tick: int = ONE // 100,
    start: str = "2000-01-03",
    every: timedelta = timedelta(days=1),
) -> Bars:
    """So many bars of each symbol; the same for the same arguments. Raises `BadRequest`.

    `correlation` is that of the shocks of a step: one number from 0 to 1 for all pairs, or a matrix in the order of
    `symbols`. `baseline` and `volume` (its order of magnitude) are decimal text, `tick` hundred-millionths. Times are
    `start` and every `every` from there: dates when both are whole days, else RFC 3339 in UTC.
    """
    if len(set(symbols)) != len(symbols) or not symbols:
        raise BadRequest(f"symbols {list(symbols)}", "one at least, and none twice")
    if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
        raise BadRequest(f"{steps!r} steps", f"an int from 1 to {MOST_STEPS}")
    if type(seed) is not int or type(tick) is not int or tick < 1:
        raise BadRequest(f"seed {seed!r} and tick {tick!r}", "ints, and a positive tick")
    levels = {symbol: _level(symbol, baseline, tick, model.width) for symbol in symbols}
    size = parse_amount(volume, "volume") // ONE
    times = _times(start, every, steps)
    phases = regimes(steps, seed, model)
    shocks = _shocks(symbols, steps, seed, correlation)
    columns = {
        symbol: _path(model, phases, shock, _stream(seed, "path", symbol), levels[symbol], tick, size)
        for symbol, shock in zip(symbols, shocks, strict=True)
    }
    return Bars.of(times, columns)


def regimes(steps: int, seed: int, model: Model = Model()) -> list[Regime]:
    """The regime of each step, the same for all symbols: the truth behind what a strategy can only guess."""
    uniform = _stream(seed, "regimes").random
    now, path = model.regimes[0], []
    for _ in range(steps):
        if len(model.regimes) > 1 and uniform() * now.steps < 1:
            others = [regime for regime in model.regimes if regime is not now]
            now = others[int(uniform() * len(others))]
        path.append(now)
    return path


def _path(
    model: Model, phases: Sequence[Regime], shocks: Sequence[float], stream: Random, level: int, tick: int, size: int
) -> list[list[int]]:
    """Open, high, low, close and volume of one symbol."""
    uniform, width = stream.random, model.width
    columns: list[list[int]] = [[] for _ in FIELDS]
    x, scale = 0.0, level / tick
    for phase, z in zip(phases, shocks, strict=True):
        jump = model.jump * _normal(uniform) if uniform() < model.jumps else 0.0
        first = max(-width, min(width, x + jump))
        move = phase.drift - model.reversion * first + phase.volatility * z
        half, early, late = _normal(uniform) / 2, _normal(uniform), _normal(uniform)
        inner = (half / 2 + early * _QUARTER, half, half / 2 + late * _QUARTER)
        points = [first + move * part / 4 + phase.volatility * at for part, at in enumerate(inner, 1)]
        x = max(-width, min(width, first + move))
        open_, close = _price(first, scale), _price(x, scale)
        high = max(open_, close, _price(min(width, max(points)), scale))
        low = min(open_, close, _price(max(-width, min(points)), scale))
        busy = 0.5 + uniform() + 20 * (abs(x - first) + abs(jump))
        for column, value in zip(columns, (open_ * tick, high * tick, low * tick, close * tick), strict=False):
            column.append(value)
        columns[4].append(int(size * busy) * ONE)
    return columns


_QUARTER = math.sqrt(1 / 8)
"""Standard deviation of a Brownian bridge of length 1/2 at its middle."""


def _shocks(symbols: Sequence[str], steps: int, seed: int, correlation: Correlation) -> list[list[float]]:
    """Correlated normal numbers, a list for each symbol."""
    own = [
        [_normal(uniform) for _ in range(steps)] for uniform in (_stream(seed, "own", one).random for one in symbols)
    ]
    if isinstance(correlation, int | float):
        _within("correlation", correlation, 0, 1)
        common, alone = math.sqrt(correlation), math.sqrt(1 - correlation)
        uniform = _stream(seed, "common").random
        factor = [common * _normal(uniform) for _ in range(steps)]
        return [[shared + alone * noise for shared, noise in zip(factor, noises, strict=True)] for noises in own]
    factors = _cholesky(correlation, len(symbols))
    return [[_dot(row, noises) for noises in zip(*own, strict=True)] for row in factors]


def _cholesky(matrix: Sequence[Sequence[float]], size: int) -> list[list[float]]:
    """The lower triangle L with L L' = matrix (Cholesky-Banachiewicz), which must be a correlation matrix."""
    if [len(row) for row in matrix] != [size] * size:
        raise BadRequest(f"a correlation matrix with rows of {[len(row) for row in matrix]}", f"{size} rows of {size}")
    lower = [[0.0] * size for _ in range(size)]
    for i, row in enumerate(matrix):
        for j in range(i + 1):
            _within(f"correlation {i}, {j}", row[j], *((1, 1) if i == j else (-1, 1)))
            if row[j] != matrix[j][i]:
                raise BadRequest(f"correlations {row[j]} and {matrix[j][i]} of {i} and {j}", "the same both ways")
            rest = row[j] - _dot(lower[i][:j], lower[j])
            if i == j and rest < -1e-12:
                raise BadRequest(f"a correlation matrix that fails at row {i}", "one that is positive semidefinite")
            if i == j:
                lower[i][i] = math.sqrt(max(rest, 0.0))
            elif lower[j][j] > 1e-9:
                lower[i][j] = rest / lower[j][j]
            elif abs(rest) > 1e-6:
                raise BadRequest(f"a correlation matrix that fails at row {i}", "one that is positive semidefinite")
    return lower


def _dot(row: Sequence[float], numbers: Sequence[float]) -> float:
    """Their product, added from the left: `sum` rounds otherwise from Python 3.12 on."""
    total = 0.0
    for factor, number in zip(row, numbers, strict=False):
        total += factor * number
    return total


def _stream(seed: int, *names: str) -> Random:
    return Random(int.from_bytes(sha256("/".join(("worldgate bars", str(seed), *names)).encode()).digest()))


def _normal(uniform: Callable[[], float]) -> float:
    """Mean 0, variance 1, within 6 of 0 (Irwin 1927, Hall 1927: a sum of twelve uniform numbers has variance 1)."""
    return (
        uniform() + uniform() + uniform() + uniform() + uniform() + uniform()
        + uniform() + uniform() + uniform() + uniform() + uniform() + uniform() - 6.0
    )  # fmt: skip


def _exp(x: float) -> float:
    """The exponential for |x| <= 4 to 12 digits, with the same bits everywhere: its series at x/1024, then squared."""
    y = x / 1024
    value = 1 + y * (1 + y / 2 * (1 + y / 3 * (1 + y / 4 * (1 + y / 5))))
    for _ in range(10):
        value *= value
    return value


def _price(x: float, scale: float) -> int:
    """The price in ticks."""
    return round(scale * _exp(x))


def _level(symbol: str, baseline: str | Mapping[str, str], tick: int, width: float) -> int:
    if isinstance(baseline, Mapping) and symbol not in baseline:
        raise BadRequest(f"no baseline for {symbol}", "one for every symbol")
    level = parse_amount(baseline[symbol] if isinstance(baseline, Mapping) else baseline, f"baseline of {symbol}")
    smallest = math.ceil(_exp(width)) * tick
    if not smallest <= level <= 10**16:
        raise BadRequest(f"baseline {show(level)} of {symbol}", f"from {show(smallest)} to {show(10**16)}")
    return level


def _times(start: str, every: timedelta, steps: int) -> list[str]:
    try:
        first = datetime.fromisoformat(start)
        first = first.astimezone(UTC).replace(tzinfo=None) if first.tzinfo else first
        moments = [first + every * number for number in range(steps)]
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRequest(f"start={start!r}, {steps} steps of {every}", "times before the year 10000") from error
    if every <= timedelta(0):
        raise BadRequest(f"every={every}", "a time that is positive")
    dates = len(start) == 10 and not every % timedelta(days=1)
    return [moment.date().isoformat() if dates else f"{moment.isoformat()}Z" for moment in moments]

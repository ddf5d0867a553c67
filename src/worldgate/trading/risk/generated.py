"""The generator's model for all futures at once: as `worlds.market.generator` in distribution, not in its numbers.

It is not fitted to anything. It uses the generator's own exponential and Cholesky factor, so that it too has the same
bits on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, Any

from ...worlds.market.generator import _QUARTER, Correlation, Model, _cholesky, _exp
from ...worlds.market.units import ONE
from .arrays import np
from .futures import Calendar, Start, Stream, on_grid

if TYPE_CHECKING:
    from .arrays import Ints


@dataclass(frozen=True)
class Generated:
    """The generator's model from the present closes on. `baselines` (by default the closes) are what prices return to;
    the first regime is the model's first, as in `generate`. `volume` is the usual volume of a bar, in units."""

    starts: Mapping[str, Start]
    calendar: Calendar
    model: Model = field(default_factory=Model)
    correlation: Correlation = 0.5
    baselines: Mapping[str, int] = field(default_factory=dict)
    volume: int = 1_000_000
    name: str = "generator"

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.starts)

    def times(self, steps: int) -> Sequence[str]:
        return self.calendar.times(steps)

    def paths(self, n: int, steps: int, seed: int) -> Mapping[str, Ints]:
        regimes = self._regimes(n, steps, Stream(seed, "regimes"))
        shocks = self._shocks(n, steps, seed)
        return {
            symbol: self._path(symbol, regimes, shock, Stream(seed, "path", symbol))
            for symbol, shock in zip(self.starts, shocks, strict=True)
        }

    def _regimes(self, n: int, steps: int, stream: Stream) -> Ints:
        """Which regime there is, [steps, n]."""
        count = len(self.model.regimes)
        lasting = np.array([regime.steps for regime in self.model.regimes])
        path, now = np.zeros((steps, n), np.int64), np.zeros(n, np.int64)
        if count > 1:
            for row in path:
                ends = stream.uniform(n) * lasting[now] < 1
                other = (stream.uniform(n) * (count - 1)).astype(np.int64)
                now = np.where(ends, other + (other >= now), now)
                row[:] = now
        return path

    def _shocks(self, n: int, steps: int, seed: int) -> list[Ints]:
        """Correlated normal numbers, [steps, n] for each symbol."""
        own = [Stream(seed, "own", symbol).normal(steps * n).reshape(steps, n) for symbol in self.starts]
        if isinstance(self.correlation, int | float):
            common = sqrt(self.correlation) * Stream(seed, "common").normal(steps * n).reshape(steps, n)
            return [common + sqrt(1 - self.correlation) * noise for noise in own]
        rows = _cholesky(self.correlation, len(own))
        return [sum(part * noise for part, noise in zip(row, own, strict=True)) for row in rows]  # type: ignore[misc]

    def _path(self, symbol: str, regimes: Ints, shocks: Ints, stream: Stream) -> Ints:
        """`worlds.market.generator._path`, for all futures."""
        model, start = self.model, self.starts[symbol]
        (steps, n), width = regimes.shape, model.width
        drift, deep = (np.array([getattr(one, name) for one in model.regimes]) for name in ("drift", "volatility"))
        base = self.baselines.get(symbol, start.close)
        x = np.full(n, max(-width, min(width, _log(start.close / base))))
        logs, volume = np.empty((4, steps, n)), np.empty((steps, n), np.int64)
        for step in range(steps):
            volatility = deep[regimes[step]]
            jump = np.where(stream.uniform(n) < model.jumps, model.jump * stream.normal(n), 0.0)
            first = np.clip(x + jump, -width, width)
            move = drift[regimes[step]] - model.reversion * first + volatility * shocks[step]
            half, early, late = stream.normal(n) / 2, stream.normal(n), stream.normal(n)
            inner = (half / 2 + early * _QUARTER, half, half / 2 + late * _QUARTER)
            points = [first + move * part / 4 + volatility * at for part, at in enumerate(inner, 1)]
            x = np.clip(first + move, -width, width)
            points = np.clip([*points, first, x], -width, width)
            logs[:, step] = first, points.max(axis=0), points.min(axis=0), x
            busy = 0.5 + stream.uniform(n) + 20 * (np.abs(x - first) + np.abs(jump))
            volume[step] = (self.volume * busy).astype(np.int64) * ONE
        exp: Any = _exp
        return np.stack([*on_grid(base * exp(logs), start.tick), volume]).transpose(0, 2, 1)


def _log(value: float) -> float:
    """The x of `_exp(x)` = value, by halving; as exact, and the same everywhere."""
    low, high = -4.0, 4.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _exp(middle) < value else (low, middle)
    return low

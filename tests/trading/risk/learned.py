"""A sampler that is fitted to bars: AR(1) returns with GARCH(1, 1) variance, shocks drawn from its residuals.

    r' = c + phi r + e',  e' = s' z,  s'^2 = w + a e^2 + b s^2        (T. Bollerslev, J. of Econometrics 31, 1986)

phi by least squares, a and b from a small grid by Gaussian likelihood, w from the variance. It shows that whatever has
the interface will do; nothing in `src` knows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from worldgate.trading.risk.futures import Calendar, Start, Stream, on_grid
from worldgate.worlds.market import ONE
from worldgate.worlds.market.bars import Bars

GRID = [(a, b) for a in (0.03, 0.08, 0.15) for b in (0.5, 0.7, 0.8, 0.9) if a + b < 1]


class Garch:
    """Fitted to each symbol of `starts`; shocks are drawn jointly, so that symbols stay correlated."""

    name = "garch"

    def __init__(self, history: Bars, starts: Mapping[str, Start], last: str) -> None:
        self.starts, self.calendar = dict(starts), Calendar.of(history.times, last)
        self.fits = {symbol: _fit(np.array(history.column(symbol, "close"), float)) for symbol in starts}

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.starts)

    def times(self, steps: int) -> Sequence[str]:
        return self.calendar.times(steps)

    def paths(self, n: int, steps: int, seed: int) -> Mapping[str, Any]:
        stream = Stream(seed, self.name)
        size = min(len(fit[-1]) for fit in self.fits.values())
        drawn = (stream.uniform(steps, n) * size).astype(np.int64)
        return {symbol: self._path(symbol, drawn, stream.uniform(3, steps, n)) for symbol in self.starts}

    def _path(self, symbol: str, drawn: Any, noise: Any) -> Any:
        c, phi, w, a, b, r, e2, s2, shocks = self.fits[symbol]
        steps, n = drawn.shape
        returns, tick = np.empty((steps, n)), self.starts[symbol].tick
        for step in range(steps):
            s2 = w + a * e2 + b * s2
            shock = np.sqrt(s2) * shocks[drawn[step]]
            r, e2 = c + phi * r + shock, shock * shock
            returns[step] = r
        close = self.starts[symbol].close * np.exp(np.cumsum(returns, axis=0))
        opened = close * np.exp(-returns * noise[0])
        reach = np.abs(returns).mean()
        high = np.maximum(opened, close) * (1 + reach * noise[1])
        low = np.minimum(opened, close) * (1 - reach * noise[2])
        prices = [on_grid(price, tick) for price in (opened, high, low, close)]
        return np.stack([*prices, np.full((steps, n), 1_000_000 * ONE)]).transpose(0, 2, 1)


def _fit(close: Any) -> tuple[Any, ...]:
    r = np.diff(np.log(close))
    phi = float(np.corrcoef(r[:-1], r[1:])[0, 1])
    c = float(r.mean() * (1 - phi))
    e = r[1:] - c - phi * r[:-1]
    best = max(((_likelihood(e, a, b)[0], a, b) for a, b in GRID))
    _, a, b = best
    variances = _likelihood(e, a, b)[1]
    shocks = e / np.sqrt(variances)
    shocks /= shocks.std()
    return c, phi, e.var() * (1 - a - b), a, b, float(r[-1]), float(e[-1] ** 2), float(variances[-1]), shocks


def _likelihood(e: Any, a: float, b: float) -> tuple[float, Any]:
    variances = np.empty_like(e)
    now = variance = e.var()
    for at, shock in enumerate(e):
        variances[at] = now
        now = variance * (1 - a - b) + a * shock * shock + b * now
    return -float((np.log(variances) + e * e / variances).sum()), variances

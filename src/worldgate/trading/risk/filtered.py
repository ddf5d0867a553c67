"""Filtered historical simulation: the bootstrap's bars, each scaled from the volatility it came in to the one it meets.

    s(t)  = sqrt(v(t)),  v(t+1) = L v(t) + (1 - L) r(t)^2        L = 0.94, r the change of the close
    r'(k) = r(t) s'(k) / s(t)                                    t drawn by the bootstrap, s' along the future

G. Barone-Adesi, K. Giannopoulos and L. Vosper, VaR without Correlations for Portfolios of Derivative Securities,
Journal of Futures Markets 19 (1999); the volatility is that of RiskMetrics (J. P. Morgan, Technical Document, 4th
edition, 1996), whose L for daily bars it is. The history's average stands for v before its first bar. A bar's open,
high and low keep their distances from its close, scaled alike. No price falls by more than 95 % in a bar.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from ...worlds.market.bars import FIELDS
from .arrays import np
from .futures import Bootstrap, Start, on_grid

if TYPE_CHECKING:
    from .arrays import Ints

DECAY = 0.94
DEEPEST = -0.95
CALMEST = 1e-4
"""The least variance, as a part of the history's: bars without any change do not make the next one immense."""


@dataclass(frozen=True)
class Filtered(Bootstrap):
    """As `Bootstrap`; every symbol has a volatility of its own, and all take the same bars."""

    name: str = "filtered"

    def _bars(self, symbol: str, start: Start, index: Ints) -> Ints:
        opened, high, low, close = (np.array(self.history.column(symbol, name), float) for name in FIELDS[:4])
        volume = np.array(self.history.column(symbol, "volume"), np.int64)[1:]
        moves = close[1:] / close[:-1] - 1
        deviation = np.array(deviations(moves.tolist()))
        shapes = [(part / close - 1)[1:] for part in (opened, high, low)]
        price, variance = np.full(index.shape[1], float(start.close)), np.full(index.shape[1], deviation[-1] ** 2)
        prices = np.empty((4, *index.shape), np.int64)
        with np.errstate(over="ignore", under="ignore"):
            for step, drawn in enumerate(index):
                scale = np.sqrt(variance) / deviation[drawn]
                move = np.maximum(moves[drawn] * scale, DEEPEST)
                price = price * (1 + move)
                variance = DECAY * variance + (1 - DECAY) * move * move
                for place, shape in enumerate(shapes):
                    prices[place, step] = on_grid(price * (1 + np.maximum(shape[drawn] * scale, DEEPEST)), start.tick)
                prices[3, step] = on_grid(price, start.tick)
        return np.stack([*prices, volume[index]]).transpose(0, 2, 1)


def deviations(moves: Iterable[float]) -> list[float]:
    """The volatility that each move came in, and the one after the last."""
    moves = list(moves)
    variance = sum(move * move for move in moves) / len(moves) or 1.0  # where nothing ever moved, any will do
    least = variance * CALMEST
    found = []
    for move in moves:
        found.append(sqrt(variance))
        variance = max(DECAY * variance + (1 - DECAY) * move * move, least)
    return [*found, sqrt(variance)]

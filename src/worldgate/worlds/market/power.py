"""What an account can cover within one tick, from trade to trade."""

from __future__ import annotations

from .schema import Book
from .units import ceil, notional


class Power:
    """Equity and the margin of what is held, at the prices seen so far in the tick."""

    def __init__(self, book: Book) -> None:
        self.equity, self.margin = book.equity, book.margin
        self._last: dict[str, int] = {}

    def price(self, symbol: str, held: int, before: int, now: int, margin: int) -> None:
        """A held symbol goes from one price to another."""
        self.equity += notional(now, held) - notional(before, held)
        self.margin += _margin(held, now, margin) - _margin(held, before, margin)
        self._last[symbol] = now

    def take(self, symbol: str, held: int, after: int, price: int, margin: int, fee: int) -> bool:
        """Whether a trade at `price` is covered; if so it is taken. One that only reduces always is."""
        equity, needed = self.equity - fee, self.margin
        if held:
            equity += notional(price - self._last[symbol], held)
            needed -= _margin(held, self._last[symbol], margin)
        needed += _margin(after, price, margin)
        reduces = held * after >= 0 and abs(after) < abs(held)
        if not reduces and equity < needed:
            return False
        self.equity, self.margin, self._last[symbol] = equity, needed, price
        return True


def _margin(held: int, price: int, margin: int) -> int:
    return ceil(notional(price, abs(held)), margin)

"""What a position and its working orders are worth, and how an account's book follows.

A book is the sum of the marks of its positions. Changing one position changes the book by the
difference of two marks, whatever else is held.
"""

from __future__ import annotations

from typing import Final

from .fills import commission
from .schema import Book, Costs, Order, Position
from .units import ONE, ceil

Mark = tuple[int, int, int, int, int, int, int, int, int]
"""long, short, buying, selling, opening, working, margin, reserve, due: as in `Book`, of one position."""

FLAT = Position()
_book: Final = tuple.__new__  # makes a Book of a tuple without a call of Python code
NOTHING: Mark = (0, 0, 0, 0, 0, 0, 0, 0, 0)


def mark(position: Position, margin: int, close: int) -> Mark:
    """The position valued at `close`, with what its working orders may make of it in the worst case."""
    quantity, _, _, _, buying, selling, buying_value, selling_value, due = position
    held = quantity * close // ONE
    long, short = (held, 0) if held > 0 else (0, -held)
    gross = long + short
    security = ceil(gross, margin)
    if not buying and not selling:
        return long, short, 0, 0, 0, 0, security, 0, 0
    buys = buying_value - short if buying > (-quantity if quantity < 0 else 0) else 0  # beyond what they buy back
    sells = selling_value - long if selling > (quantity if quantity > 0 else 0) else 0
    worst = max(gross, long + buys, short + sells)
    reserve = ceil(worst, margin) - security
    return long, short, buying_value, selling_value, buys + sells, worst - gross, security, reserve, due


def moved(book: Book, before: Mark, after: Mark, cash: int = 0) -> Book:
    """The book when a position's mark, and the cash, change."""
    # written out: this runs twice an order
    equity, long, short, buying, selling, opening, working, margin, reserve, due, traded, peak, day = book
    long_0, short_0, buying_0, selling_0, opening_0, working_0, margin_0, reserve_0, due_0 = before
    long_1, short_1, buying_1, selling_1, opening_1, working_1, margin_1, reserve_1, due_1 = after
    sums = (
        equity + cash + long_1 - long_0 - short_1 + short_0,
        long + long_1 - long_0,
        short + short_1 - short_0,
        buying + buying_1 - buying_0,
        selling + selling_1 - selling_0,
        opening + opening_1 - opening_0,
        working + working_1 - working_0,
        margin + margin_1 - margin_0,
        reserve + reserve_1 - reserve_0,
        due + due_1 - due_0,
        traded,
        peak,
        day,
    )
    return _book(Book, sums)


def worst_value(order: Order, close: int) -> int:
    """What the rest of an order is worth at the latest close, or at its own price where that is higher."""
    price = order.price
    return (order.quantity - order.filled) * (price if price > close else close) // ONE


def due(order: Order, costs: Costs, close: int) -> int:
    """The commission that the rest of an order costs at that worth."""
    return commission(costs, worst_value(order, close), order.traded)

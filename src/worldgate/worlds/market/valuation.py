"""What a position and its working orders are worth, and how an account's book follows.

A book is the sum of the marks of its positions. Changing one position changes the book by the
difference of two marks, whatever else is held.
"""

from __future__ import annotations

from operator import add, sub
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
    equity = book[0] + cash + after[0] - before[0] - after[1] + before[1]
    return _book(Book, (equity, *map(sub, map(add, book[1:10], after), before), *book[10:]))


def worst_value(order: Order, close: int) -> int:
    """What the rest of an order is worth at the latest close, or at its own price where that is higher."""
    price = order.price
    return (order.quantity - order.filled) * (price if price > close else close) // ONE


def due(order: Order, costs: Costs, close: int) -> int:
    """The commission that the rest of an order costs at that worth."""
    return commission(costs, worst_value(order, close), order.traded)

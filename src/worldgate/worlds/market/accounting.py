"""The journal: every movement of value as postings that sum to zero.

Positive is a debit; `Journal` says which ledger holds what. In each account and currency the balances sum to zero.
The postings are made from the trade and the position before it alone: they share no code with the rules that change
cash and positions, so that the two can be held against each other.
"""

from __future__ import annotations

from operator import add

from .schema import Journal, Position
from .units import notional, share


def of_transfer(amount: int) -> Journal:
    """Money paid in, or (negative) out."""
    return Journal(cash=amount, capital=-amount)


def of_fill(before: Position, side: str, quantity: int, price: int, commission: int) -> Journal:
    """A trade: what it closes leaves the inventory at cost, what it opens enters it at the price."""
    held, cost = before.quantity, before.cost
    value = notional(price, quantity)
    if side == "buy":
        covers = min(quantity, max(-held, 0))
        at = notional(price, covers)
        released = share(-cost, covers, -held) if covers else 0
        return Journal(-commission - value, released + value - at, at - released, commission)
    sells = min(quantity, max(held, 0))
    at = notional(price, sells)
    spent = share(cost, sells, held) if sells else 0
    return Journal(value - commission, at - value - spent, spent - at, commission)


def posted(before: Journal | None, *entries: Journal) -> Journal:
    """The balances after these entries."""
    balances = before or Journal()
    for entry in entries:
        balances = Journal._make(map(add, balances, entry))
    return balances

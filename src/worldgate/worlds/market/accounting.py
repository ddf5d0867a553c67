"""The journal: every movement of value as postings that sum to zero.

Positive is a debit. Cash and inventory are what the account has (`inventory` at cost, negative for what
is owed from short sales), fees what trading cost; capital (paid in) and realised (earned) are credits, so
their balances are negative when money came in. In each account and currency the balances sum to zero.
The postings are made from the trade and the position before it alone: they share no code with the
rules that change cash and positions, so that the two can be held against each other.
"""

from __future__ import annotations

from .schema import Position
from .units import notional, share

Postings = tuple[tuple[str, int], ...]
"""(ledger, amount) pairs of one account in one currency."""


def of_transfer(amount: int) -> Postings:
    """Money paid in, or (negative) out."""
    return ("cash", amount), ("capital", -amount)


def of_fill(before: Position, side: str, quantity: int, price: int, commission: int) -> Postings:
    """A trade: what it closes leaves the inventory at cost, what it opens enters it at the price."""
    cash, inventory, realised = -commission, 0, 0
    held, cost = before.quantity, before.cost
    if side == "buy":
        covers = min(quantity, max(-held, 0))
        paid = notional(price, quantity)
        released = share(-cost, covers, -held) if covers else 0
        cash -= paid
        inventory += released + notional(price, quantity - covers)
        realised -= released - notional(price, covers)
    else:
        sells = min(quantity, max(held, 0))
        got = notional(price, quantity)
        spent = share(cost, sells, held) if sells else 0
        cash += got
        inventory -= spent + notional(price, quantity - sells)
        realised -= notional(price, sells) - spent
    return ("cash", cash), ("inventory", inventory), ("realised", realised), ("fees", commission)

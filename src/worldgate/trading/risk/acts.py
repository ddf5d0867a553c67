"""Orders, cancels and transfers in n futures at once. Each says in which futures it is refused, and changes those not.

The rules are those of `worlds.market.orders`. What needs no price (an unknown symbol, a quantity that is no whole
lots) is refused in all futures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...worlds.market.actions import LARGEST_ID, Cancel, Place, Transfer
from ...worlds.market.units import MOST
from .arrays import RANGE, np
from .portfolio import CANCELLED, REFUSED, WORKING, Portfolio, Slot, Terms, commission, marked, worst_value

if TYPE_CHECKING:
    from .arrays import Ints, Mask


COVERED = ("margin", "reserve", "due")
"""What equity must cover."""


def act(portfolio: Portfolio, action: Any) -> Mask:
    """In which futures the action is refused."""
    refused = _ACTS[type(action)](portfolio, action)
    portfolio.forget()
    return refused


def place(portfolio: Portfolio, action: Place) -> Mask:
    """A new working order."""
    account, symbol = action.account, action.symbol
    terms = portfolio.terms.get(symbol)
    if terms is None or not _well_formed(portfolio, action, terms):
        return np.ones(portfolio.n, bool)
    last, side = portfolio.sequence.get(account, np.zeros(portfolio.n, np.int64)), 1 if action.side == "buy" else -1
    number = np.full(portfolio.n, action.id) if action.id else last + 1
    slot = Slot(
        account, symbol, side, action.kind, action.price // terms.tick, action.quantity // terms.lot, action.tif,
        portfolio.clock, "", 0, number, portfolio.full(0), portfolio.full(0), np.full(portfolio.n, WORKING, np.int8),
    )  # fmt: skip
    refused = (number <= last) | (number > LARGEST_ID) | _uncovered(portfolio, slot, terms)
    if refused.all():
        return refused
    slot.status[refused] = REFUSED
    portfolio.sequence[account] = np.where(refused, last, number)
    portfolio.slots.append(slot)
    portfolio.slots.sort(key=lambda one: (one.placed, one.account))  # stable: then as they were placed
    return refused


def _well_formed(portfolio: Portfolio, action: Place, terms: Terms) -> bool:
    """Whether the order may be taken at some price."""
    price = action.price
    priced = 0 < price <= MOST and not price % terms.tick
    return (
        (action.account, terms.currency) in portfolio.cash
        and action.symbol in portfolio.close
        and 0 < action.quantity <= MOST
        and not action.quantity % terms.lot
        and (not price if action.kind == "market" else priced)
    )


def _uncovered(portfolio: Portfolio, slot: Slot, terms: Terms) -> Mask:
    """Where more would be sold than may be, or equity does not cover what the order opens."""
    owned, purse = (slot.account, slot.symbol), (slot.account, terms.currency)
    close = portfolio.close[slot.symbol]
    quantity, before = portfolio.holding(owned).quantity, portfolio.mark(owned)
    rests, values = [before.buying, before.selling], [before.buying_value, before.selling_value]
    value, at = worst_value(slot, close, terms), slot.side < 0
    rests[at], values[at] = rests[at] + slot.quantity, values[at] + value
    fee = commission(terms, value, slot.traded)
    after, book = marked(terms, quantity, close, rests, values, before.due + fee), portfolio.book(purse)
    needed = sum((getattr(book, name) - getattr(before, name) + getattr(after, name) for name in COVERED), start=0)
    # what must be covered needs more than 0 and no less than the margin: this takes in the world's margin call
    refused: Mask = ((after.opening > before.opening) | (fee > value)) & (book.equity < needed)
    if slot.side < 0 and slot.account not in portfolio.shorting:
        refused |= after.selling > quantity
    return refused


def cancel(portfolio: Portfolio, action: Cancel) -> Mask:
    """The end of the order that has that id: in each future there is one at most."""
    found = np.zeros(portfolio.n, bool)
    for slot in portfolio.slots:
        if slot.account == action.account:
            ends = slot.live & (slot.id == action.id)
            slot.status[ends] = CANCELLED
            found |= ends
    return ~found


def transfer(portfolio: Portfolio, action: Transfer) -> Mask:
    """Money in or out. The peak moves in proportion, in Python ints: its product with the equity has no range."""
    purse = (action.account, action.currency)
    if purse not in portfolio.cash or not 0 < action.amount <= MOST:
        return np.ones(portfolio.n, bool)
    book, amount = portfolio.book(purse), action.amount
    refused = np.zeros(portfolio.n, bool)
    if action.verb == "withdraw":
        refused = amount > np.minimum(portfolio.cash[purse], book.equity - book.margin - book.reserve - book.due)
        amount = -amount
    peak, before = book.peak.astype(object), book.equity.astype(object)
    positive = before > 0
    grown = np.where(positive, -(-peak * (before + amount) // np.where(positive, before, 1)), peak + amount)
    grown = np.where(positive & (before + amount == 0) & (peak > before), peak, grown)
    moved = np.where(refused, 0, portfolio.full(amount))
    portfolio.cash[purse] = portfolio.cash[purse] + moved
    portfolio.paid_in[purse] = portfolio.paid_in[purse] + moved
    grown = np.where(refused, peak, grown)
    portfolio.peak[purse] = grown.astype(portfolio.dtype) if np.abs(grown).max() < RANGE else grown
    return refused


_ACTS: Mapping[type, Callable[[Portfolio, Any], Ints]] = {Place: place, Cancel: cancel, Transfer: transfer}

"""Placing and cancelling orders, and moving money. O(1) in what the account holds.

A new order needs equity for the margin of everything held and working at worst-case prices, and for the commissions
of all that works. One that only reduces a position needs none, if it trades for at least what it costs: what is
worth less than the commission of closing it is not closed on credit. Rules raise `Refused` before they write.
"""

from __future__ import annotations

from typing import Any, Final

from ...facts import Draft
from ..contract import Observation
from . import accounting
from .actions import LARGEST_GAP, LARGEST_ID, Cancel, Place, Transfer
from .errors import (
    BadPrice,
    BadQuantity,
    BadTransfer,
    BuyingPower,
    DuplicateOrder,
    MarginCall,
    NotAnAction,
    NotFree,
    NotHeld,
    NotWorking,
    UnknownAccount,
    UnknownSymbol,
    Unpriced,
)
from .fills import commission
from .schema import KINDS, LIVE, SIDES, TIFS, Book, Costs, Instrument, Order, Position
from .units import MOST, show
from .valuation import FLAT, mark, moved, worst_value

FREE = Costs()
_made: Final = tuple.__new__  # makes a record of a tuple without a call of Python code
_PLACE, _CANCEL, _TRANSFER = ((str, int, str, str, int, str, int, str), (int, str), (str, int, str, str))


def place(draft: Draft, action: Place) -> Observation:
    """A new working order."""
    well_formed(action, _PLACE)
    side, quantity, symbol, kind, price, tif, id_, account = action
    if side not in SIDES or kind not in KINDS or tif not in TIFS:
        raise NotAnAction(f"{side} {kind} {tif}", f"one of each of {SIDES}, {KINDS}, {TIFS}")
    instrument, close = instrument_of(draft, symbol), close_of(draft, symbol)
    if quantity <= 0 or quantity % instrument.lot or quantity > MOST:
        raise BadQuantity(show(quantity), f"a positive multiple of {show(instrument.lot)}")
    if (price <= 0 or price % instrument.tick or price > MOST) if kind != "market" else price:
        raise BadPrice(show(price), f"a positive multiple of {show(instrument.tick)}, or no price on a market order")
    last, book = draft.get("sequence", (account,)) or 0, book_of(draft, account, instrument.currency)
    id_ = id_ or last + 1
    if not last < id_ <= min(last + LARGEST_GAP, LARGEST_ID):
        raise DuplicateOrder(f"order {id_}", f"an id above {last}, by at most {LARGEST_GAP}")
    address = (account, symbol)
    before: Position = draft.get("position", address) or FLAT
    order = Order(symbol, side, kind, quantity, price, tif, draft.get("clock", ()))
    value = worst_value(order, close)
    fee = commission(draft.get("costs", (symbol,)) or FREE, value)
    after = _with(before, order, quantity, value, fee)
    if side == "sell" and after.selling > before.quantity and not draft.get("shorting", (account,)):
        free = max(before.quantity - before.selling, 0)
        raise NotHeld(
            f"a sale of {show(quantity)} {symbol}", f"at most {show(free)}, or an account that may sell short"
        )
    old, new = mark(before, instrument.margin, close), mark(after, instrument.margin, close)
    changed = moved(book, old, new)
    if new[4] > old[4] or fee > value:  # it opens something, or costs more than it trades for
        _covered(book, changed)
    draft.write(
        (
            ("order", (account, id_), order),
            ("position", address, after),
            ("book", (account, instrument.currency), changed),
            ("sequence", (account,), id_),
        )
    )
    return {"ok": True, "order": id_, "undo": str(Cancel(id_, account))}


def _covered(before: Book, after: Book) -> None:
    needed = after.margin + after.reserve + after.due
    if before.equity < before.margin or before.equity <= 0:
        raise MarginCall(f"an equity of {show(before.equity)}", f"{show(before.margin)}, or an order that reduces")
    if before.equity < needed:
        raise BuyingPower(f"an equity of {show(before.equity)}", f"at least {show(needed)} as margin and commissions")


def cancel(draft: Draft, action: Cancel) -> Observation:
    """The end of a working order."""
    well_formed(action, _CANCEL)
    id_, account = action
    order: Order | None = draft.get("order", (account, id_))
    if order is None or order.status not in LIVE:
        found = "one that there is not" if order is None else f"one that is {order.status}"
        raise NotWorking(f"order {id_} of {account}, {found}", "a working order")
    instrument, close = instrument_of(draft, order.symbol), close_of(draft, order.symbol)
    rest, value = order.quantity - order.filled, worst_value(order, close)
    before: Position = draft.get("position", (account, order.symbol)) or FLAT
    fee = commission(draft.get("costs", (order.symbol,)) or FREE, value, order.traded)
    after = _with(before, order, -rest, -value, -fee)
    old, new = mark(before, instrument.margin, close), mark(after, instrument.margin, close)
    book = book_of(draft, account, instrument.currency)
    draft.write(
        (
            ("order", (account, id_), _made(Order, (*order[:8], "cancelled", *order[9:]))),
            ("position", (account, order.symbol), after if after != FLAT else None),
            ("book", (account, instrument.currency), moved(book, old, new)),
        )
    )
    return {"ok": True, "order": id_, "filled": show(order.filled)}


def transfer(draft: Draft, action: Transfer) -> Observation:
    """Money in or out. The peak moves in proportion, so that a transfer is no drawdown and repairs none."""
    well_formed(action, _TRANSFER)
    verb, amount, currency, account = action
    if verb not in ("deposit", "withdraw"):
        raise NotAnAction(verb, "deposit or withdraw")
    if not 0 < amount <= MOST:
        raise BadTransfer(show(amount), "a positive amount")
    book, address = book_of(draft, account, currency), (account, currency)
    cash = draft.get("cash", address) or 0
    if verb == "withdraw":
        free = min(cash, book.equity - book.margin - book.reserve - book.due)
        if amount > free:
            raise NotFree(f"{show(amount)} {currency}", f"at most {show(max(free, 0))}")
        amount = -amount
    equity = book.equity + amount
    if book.equity <= 0:
        peak = book.peak + amount
    elif equity:
        peak = max(equity, -(-book.peak * equity // book.equity))
    else:  # nothing is left to keep the proportion of
        peak = book.peak if book.peak > book.equity else 0
    draft.write((("cash", address, cash + amount), ("book", address, book._replace(equity=equity, peak=peak))))
    draft.set("journal", address, accounting.posted(draft.get("journal", address), accounting.of_transfer(amount)))
    back = "withdraw" if amount > 0 else "deposit"
    return {"ok": True, "cash": show(cash + amount), "undo": str(Transfer(back, abs(amount), currency, account))}


def well_formed(action: Any, types: tuple[type, ...]) -> None:
    """An action made directly has fields of the types that `parse` gives them."""
    if tuple(map(type, action)) != types:
        raise NotAnAction(f"{type(action).__name__}{tuple(action)!r:.80}", ", ".join(kind.__name__ for kind in types))


def _with(position: Position, order: Order, quantity: int, value: int, fee: int) -> Position:
    """The position when working orders on the order's side grow by that much."""
    held, cost, realised, fees, buying, selling, buys, sells, owed = position
    if order.side == "buy":
        parts = (held, cost, realised, fees, buying + quantity, selling, buys + value, sells, owed + fee)
    else:
        parts = (held, cost, realised, fees, buying, selling + quantity, buys, sells + value, owed + fee)
    return _made(Position, parts)


def instrument_of(draft: Draft, symbol: str) -> Instrument:
    found: Instrument | None = draft.get("instrument", (symbol,))
    if found is None:
        raise UnknownSymbol(symbol, "an instrument of this market")
    return found


def close_of(draft: Draft, symbol: str) -> int:
    bar = draft.get("bar", (symbol,))
    if bar is None:
        raise Unpriced(symbol, "a bar first")
    return int(bar.close)


def book_of(draft: Draft, account: str, currency: str) -> Book:
    found: Book | None = draft.get("book", (account, currency))
    if found is None:
        raise UnknownAccount(f"{account} in {currency}", "an account that has a book in that currency")
    return found

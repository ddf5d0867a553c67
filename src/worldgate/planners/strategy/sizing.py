"""How large an order is, and why there is none: position caps, new exposure, short sales and cash.

What working orders could still do counts as done; what an order of this evaluation takes, the next one does not have;
what a sale would bring is not there before it fills. Values are at the latest close, with commission, without slippage.
"""

from __future__ import annotations

from ...facts import State
from ...worlds.market.actions import Place
from ...worlds.market.fills import commission
from ...worlds.market.schema import Book, Costs, Instrument, Position
from ...worlds.market.units import notional, show
from .rules import Side
from .spec import Sizing


class Desk:
    """Sizes the orders of one evaluation."""

    def __init__(self, sizing: Sizing, account: str, state: State) -> None:
        self._quantity, self._account, self._state = int(sizing.order_quantity), account, state
        self._exposure: int | None = sizing.max_new_exposure
        self._cash: dict[str, int] = {}
        self._short = sizing.allow_short and bool(state.get("shorting", (account,)))
        self._no_short = f"account {account} may not go short" if sizing.allow_short else "no shorting"

    def order(self, side: Side, symbol: str, cap: int) -> Place | str:
        """The order, or why there is none."""
        instrument, bar = self._state.get("instrument", (symbol,)), self._state.get("bar", (symbol,))
        if instrument is None or bar is None:
            return f"the market has no {'instrument' if instrument is None else 'price for'} {symbol}"
        if self._quantity % instrument.lot:
            return f"order quantity {show(self._quantity)} is no multiple of the lot {show(instrument.lot)}"
        held = self._state.get("position", (self._account, symbol)) or Position()
        quantity = self._quantity if side == "BUY" or self._short else min(self._quantity, held.quantity - held.selling)
        if quantity <= 0:
            return f"{self._no_short}, {'all that is held is being sold' if held.quantity > 0 else 'nothing held'}"
        after = quantity + (held.quantity + held.buying if side == "BUY" else held.selling - held.quantity)
        if after > cap:
            way = "long" if side == "BUY" else "short"
            return f"at the position cap {show(cap)}: with what is on order it would be {show(after)} {way}"
        opened = notional(bar.close, min(quantity, max(after, 0)))
        if self._exposure is not None and opened > self._exposure:
            return f"new exposure left {show(self._exposure)} < {show(opened)} needed"
        if side == "BUY" and (missing := self._pay(symbol, instrument, notional(bar.close, quantity))):
            return missing
        if self._exposure is not None:
            self._exposure -= opened
        return Place(side.lower(), quantity, symbol, tif="ioc", account=self._account)

    def _pay(self, symbol: str, instrument: Instrument, value: int) -> str:
        """Set cash aside for a purchase; why not, where there is too little."""
        costs = self._state.get("costs", (symbol,)) or Costs()
        needed = value + commission(costs, value)
        left = self._cash.get(instrument.currency)
        if left is None:
            key = (self._account, instrument.currency)
            book: Book = self._state.get("book", key) or Book()
            left = (self._state.get("cash", key) or 0) - book.buying - book.due
        if needed > left:
            return f"cash left {show(left)} < {show(needed)} needed"
        self._cash[instrument.currency] = left - needed
        return ""

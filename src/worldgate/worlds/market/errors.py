"""The numbered errors of the market: bad settings, and refusals of a step.

A refusal is raised inside the rules and becomes the step's observation; it never leaves `step`.
"""

from __future__ import annotations

from ...facts import Error

# --- settings of a market ---------------------------------------------------------------------------


class BadInstrument(Error):
    """Tick and lot of a symbol are above 0, their product is a whole number; margin is above 0 and at most 1."""

    number, title = "WG205", "instrument is not well-formed"


class BadCosts(Error):
    """Costs are not negative; fractions are at most 1; they are for a symbol that there is."""

    number, title = "WG206", "costs are not well-formed"


class BadCash(Error):
    """The cash an account begins with is not negative, in a named currency."""

    number, title = "WG207", "starting cash is not well-formed"


class BadAccount(Error):
    """An account's name, or who may sell short."""

    number, title = "WG208", "account is not well-formed"


class BadMarket(Error):
    """A market needs at least one instrument and one account, as mappings from their names."""

    number, title = "WG209", "market settings are not well-formed"


# --- refusals of a step -----------------------------------------------------------------------------


class Refused(Error):
    """A rule of the market said no; `rule` is a word for it."""

    rule = ""

    def to_json(self) -> dict[str, str]:
        message = f"{self.title}: {self.found}; expected {self.expected}"

        return {"number": self.number, "rule": self.rule, "message": message}


class UnknownSymbol(Refused):
    """There is no such instrument."""

    number, title, rule = "WG234", "unknown symbol", "symbol"


class UnknownAccount(Refused):
    """There is no such account, or it has no book in the currency."""

    number, title, rule = "WG235", "unknown account", "account"


class BadQuantity(Refused):
    """A quantity is a positive multiple of the instrument's lot."""

    number, title, rule = "WG236", "quantity is not whole lots", "lot"


class BadPrice(Refused):
    """The price of a limit or stop order is a positive multiple of the tick; a market order has none."""

    number, title, rule = "WG237", "price is not on the tick", "tick"


class DuplicateOrder(Refused):
    """The id of an order is above every id that its account used before."""

    number, title, rule = "WG238", "order id was used before", "duplicate"


class Unpriced(Refused):
    """A symbol has no price before its first bar; nothing is valued at zero instead."""

    number, title, rule = "WG239", "symbol has no price yet", "price"


class BuyingPower(Refused):
    """Equity does not cover the margin of holdings and working orders at worst-case prices."""

    number, title, rule = "WG240", "insufficient buying power", "buying power"


class NotHeld(Refused):
    """More is sold than is held (less what working orders sell already), and the account may not sell short."""

    number, title, rule = "WG241", "more sold than held", "short"


class NotWorking(Refused):
    """There is no such order, or it is at its end."""

    number, title, rule = "WG242", "no such working order", "order"


class NotAfter(Refused):
    """The time of a tick is after that of the tick before."""

    number, title, rule = "WG243", "time does not move on", "time"


class BadBar(Refused):
    """A bar has positive prices on the tick, low <= open, close <= high, and a volume that is not negative."""

    number, title, rule = "WG244", "bar is not well-formed", "bar"


class NotFree(Refused):
    """What is withdrawn is neither cash nor free of margin."""

    number, title, rule = "WG245", "more withdrawn than is free", "free cash"


class NotAnAction(Refused):
    """An action made directly has a field that no text could have given it."""

    number, title, rule = "WG246", "action is not well-formed", "form"


class MarginCall(Refused):
    """Equity is below the margin of what is held: only orders that reduce it are taken."""

    number, title, rule = "WG247", "margin call", "margin call"


class BadTransfer(Refused):
    """The amount of a transfer is positive."""

    number, title, rule = "WG248", "amount is not positive", "amount"

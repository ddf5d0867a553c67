"""The market: orders on bars that are yet to come, exact money, a journal that must agree.

>>> from worldgate.worlds.market import Instrument, MarketWorld, ONE, open_market
>>> world = MarketWorld()
>>> state = open_market({"GOOG": Instrument("USD", ONE // 100, ONE, ONE)}, cash={"main": {"USD": 1000 * ONE}})
>>> for text in ("tick 2013-01-02 GOOG 10 11 9 10 500", "buy 20 GOOG", "tick 2013-01-03 GOOG 10.5 11 10 11 500"):
...     state, _, seen, _ = world.step(state, world.parse(text))
>>> seen["fills"][0]["price"], state.get("cash", ("main", "USD")) // ONE
('10.5', 790)
"""

from .actions import Action, Cancel, Place, Tick, Transfer, instant, parse
from .errors import BadAccount, BadCash, BadCosts, BadInstrument, BadMarket, Refused
from .schema import LIVE, SCHEMA, Bar, Book, Costs, Fill, Instrument, Order, Position
from .start import open_market
from .units import ONE, BadAmount, fraction_of, notional, parse_amount, show
from .world import MarketWorld

__all__ = [
    "LIVE",
    "ONE",
    "SCHEMA",
    "Action",
    "BadAccount",
    "BadAmount",
    "BadCash",
    "BadCosts",
    "BadInstrument",
    "BadMarket",
    "Bar",
    "Book",
    "Cancel",
    "Costs",
    "Fill",
    "Instrument",
    "MarketWorld",
    "Order",
    "Place",
    "Position",
    "Refused",
    "Tick",
    "Transfer",
    "fraction_of",
    "instant",
    "notional",
    "open_market",
    "parse",
    "parse_amount",
    "show",
    "world",
]


def world() -> MarketWorld:
    """The market world."""
    return MarketWorld()

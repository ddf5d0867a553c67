"""Strategies: files of rules over bars, and the planner that follows them.

>>> from worldgate.planners.strategy import View, load_strategy
>>> from worldgate.worlds.market.schema import Bar
>>> from worldgate.worlds.market.units import ONE
>>> strategy = load_strategy('''{
...   "metadata": {"name": "dip", "version": "1", "description": "Buys below 100."},
...   "universe": {"symbols": ["GOOG"]},
...   "sizing": {"order_quantity": 1, "max_position": 10},
...   "rules": [{"type": "threshold_price", "symbol": "GOOG", "buy_below": 100}]
... }''')
>>> view = View(strategy)
>>> view.observe([("GOOG", Bar("2013-01-02", *[99 * ONE] * 4, 1000))])
>>> view.signals()["GOOG"]
[Signal(rule=0, symbol='GOOG', side='BUY', rationale='close 99 <= buy_below 100')]
"""

from .errors import (
    BadNumber,
    BadStrategy,
    ConflictingRules,
    Contradiction,
    OutOfStep,
    OutsideUniverse,
    RepeatedSymbol,
    UnfitMarket,
)
from .load import load_strategy, make_strategy
from .planner import Proposal, Skipped, StrategyPlanner, check_market
from .spec import Strategy, json_schema
from .view import Signal, View

__all__ = [
    "BadNumber",
    "BadStrategy",
    "ConflictingRules",
    "Contradiction",
    "OutOfStep",
    "OutsideUniverse",
    "Proposal",
    "RepeatedSymbol",
    "Signal",
    "Skipped",
    "Strategy",
    "StrategyPlanner",
    "UnfitMarket",
    "View",
    "check_market",
    "json_schema",
    "load_strategy",
    "make_strategy",
]

"""The market world: accounts, orders, bars and money under the world contract."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ...facts import Key, State
from ..contract import Driver, Measure, Property, Transition
from . import rules
from .actions import GRAMMAR, Action, parse
from .drivers import DRIVERS
from .measures import MEASURES
from .properties import PROPERTIES
from .schema import SCHEMA, Costs, Instrument, Journal
from .start import open_market
from .units import ONE

_CENT = ONE // 100


class MarketWorld:
    """Several accounts trade several symbols on bars that enter as `tick` actions."""

    name, version, schema = "market", SCHEMA.version, SCHEMA
    drivers: Mapping[str, Driver] = DRIVERS
    measures: Mapping[str, Measure] = MEASURES
    grammar = GRAMMAR

    def initial(self, seed: int) -> State:
        """A small market before its first bar; costs, margins and cash vary with the seed."""
        random = Random(seed)
        costs = Costs(
            rate=random.choice((0, ONE // 1000, ONE // 400)),
            per_order=random.choice((0, ONE)),
            minimum=random.choice((0, ONE // 2)),
            spread=random.choice((0, ONE // 500)),
            slippage=random.choice((0, ONE // 2000)),
            volume_share=random.choice((0, ONE // 10, ONE // 4)),
        )
        margin = random.choice((ONE, ONE // 2, ONE // 4))
        instruments = {
            "ACME": Instrument("USD", _CENT, ONE, margin),
            "BOLT": Instrument("USD", _CENT, 10 * ONE, ONE),
            "COIN": Instrument("USD", _CENT, _CENT, margin),
            "DAMM": Instrument("EUR", _CENT // 2, ONE, ONE),
        }
        cash = {
            "main": {"USD": random.randint(20_000, 60_000) * ONE, "EUR": random.randint(5_000, 9_000) * ONE},
            "alice": {"USD": random.randint(20_000, 60_000) * ONE},
        }
        return open_market(
            instruments, cash=cash, costs=dict.fromkeys(("ACME", "BOLT", "COIN"), costs), shorting=["alice"]
        )

    def parse(self, text: str) -> Action:
        """The action of a text such as `buy 10 GOOG limit 104.5`."""
        return parse(text)

    def step(self, state: State, action: Any) -> Transition:
        """What the action does, or a refusal with its number."""
        return rules.step(state, action)

    def properties(self) -> Mapping[str, Property]:
        """Conservation of value, proven fills, books equal to those from scratch, and so on."""
        return PROPERTIES

    def event(self, before: State, after: State) -> bool:
        """Whether the step was none of an actor's: a tick of the market, or money that came from outside or left."""
        if before.get("clock", ()) != after.get("clock", ()):
            return True
        return any(_paid_in(before, purse) != _paid_in(after, purse) for purse in after.select("cash"))


def _paid_in(state: State, purse: Key) -> int:
    journal: Journal | None = state.get("journal", purse)
    return journal.capital if journal else 0

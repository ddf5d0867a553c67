"""From signals to orders: a strategy as a planner.

A proposal is a function of the strategy, the bars observed and the state, which is asked for the present only. Every
BUY or SELL that becomes no order is recorded with its reason. Orders are market orders good for the next tick of their
symbol (`ioc`), so a rest never meets a later signal. The sizes are the strategy's own manners; the market and the gate
judge every order again, and theirs is the last word. Margin, the price of the fill and policies are theirs alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...facts import State
from ...worlds.market.actions import MAIN, Place
from ...worlds.market.schema import Bar
from ...worlds.market.units import show
from .errors import OutOfStep, UnfitMarket
from .rules import Side
from .sizing import Desk
from .spec import Strategy
from .view import Signal, View


class Skipped(NamedTuple):
    """A signal that became no order."""

    rule: int
    symbol: str
    side: Side
    reason: str


class Proposal(NamedTuple):
    """Orders in the order of the universe, all that was said, and what of it was not done."""

    actions: tuple[Place, ...]
    signals: tuple[Signal, ...]
    skipped: tuple[Skipped, ...]


class StrategyPlanner:
    """Proposes for one account. `observe` every tick that the market accepts, then `propose` for the state after it.

    `clock` is the market's when observing begins; to resume, make a planner and observe the same bars.
    """

    def __init__(self, strategy: Strategy, account: str = MAIN, clock: int = 0) -> None:
        self.strategy, self.account, self.view = strategy, account, View(strategy, clock)
        sizing = strategy.sizing
        self._caps = {
            symbol: sizing.max_position_by_symbol.get(symbol, sizing.max_position)
            for symbol in strategy.universe.symbols
        }

    def observe(self, bars: Iterable[tuple[str, Bar]]) -> None:
        """Take the bars of one tick."""
        self.view.observe(bars)

    def skim(self, rows: Iterable[Sequence[int]]) -> tuple[int, bool]:
        """Take ticks by their closes for as long as nothing is said: see `View.skim`."""
        return self.view.skim(rows)

    def look(self, bars: Iterable[tuple[str, Bar]]) -> None:
        """See the bars of the tick at which something was said."""
        self.view.look(bars)

    def propose(self, state: State) -> Proposal:
        """The orders for the state after the latest tick; raises `OutOfStep` when it is after another one."""
        self._same_moment(state)
        signals = self.view.signals()
        desk = Desk(self.strategy.sizing, self.account, state)
        actions: list[Place] = []
        skipped: list[Skipped] = []
        for symbol, said in signals.items():
            spoken = [signal for signal in said if signal.side != "HOLD"]
            if not spoken:
                continue
            holding, refused = self._choose(said, spoken)
            if holding:
                found = desk.order(holding[0].side, symbol, self._caps[symbol])
                if isinstance(found, Place):
                    actions.append(found)
                else:
                    refused = [(signal, found) for signal in holding] + refused
            skipped += [Skipped(signal.rule, symbol, signal.side, reason) for signal, reason in refused]
        return Proposal(tuple(actions), tuple(one for said in signals.values() for one in said), tuple(skipped))

    def _same_moment(self, state: State) -> None:
        clock = state.get("clock", ()) or 0
        if clock != self.view.clock:
            raise OutOfStep(f"a view at {self.view.clock}", f"the state's clock, {clock}", "Observe each tick once")
        for symbol, bar in self.view.bars.items():
            if state.get("bar", (symbol,)) != bar:
                raise OutOfStep(f"another bar of {symbol} in the state", f"the one observed, {bar}")

    def _choose(self, said: list[Signal], spoken: list[Signal]) -> tuple[list[Signal], list[tuple[Signal, str]]]:
        """The signals that hold for a symbol (of one side), and why the others do not."""
        if not self.view.due:
            reason = f"not an evaluation step: tick {self.view.clock}, the next is {self.view.next_due}"
            return [], [(signal, reason) for signal in spoken]
        first, *rest = spoken
        if self.strategy.combine != "agree":
            return [first], [(signal, f"$.rules[{first.rule}] says {first.side} before it") for signal in rest]
        others = [(signal, next((other for other in said if other.side != signal.side), None)) for signal in spoken]
        refused = [(signal, f"$.rules[{other.rule}] says {other.side}") for signal, other in others if other]
        return ([], refused) if refused else (spoken, [])


def check_market(strategy: Strategy, state: State) -> None:
    """Raise `UnfitMarket` unless the market has every symbol and trades it in the strategy's quantity."""
    quantity = strategy.sizing.order_quantity
    for index, symbol in enumerate(strategy.universe.symbols):
        instrument = state.get("instrument", (symbol,))
        if instrument is None:
            raise UnfitMarket(symbol, "a symbol of the market", path=f"$.universe.symbols[{index}]")
        if quantity % instrument.lot:
            lots = f"a multiple of the lot of {symbol}, {show(instrument.lot)}"
            raise UnfitMarket(show(quantity), lots, path="$.sizing.order_quantity")

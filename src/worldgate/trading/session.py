"""The loop, without anything durable: bar in, orders filled, strategy asked, plan judged, next state.

    tick -> signals -> plan -> simulate -> verify -> entry

A session is a pure function of the market it begins in, the bars, the planner, the policy and the budget: run again
on the same, it yields the same entries. `desk` makes them durable, `replay` compares them with what was recorded.

A bar is the market's own event and happens whatever anyone plans. Orders proposed after it are one plan, judged as a
whole: all of them are placed, or none. A step is the bars, at most `SPAN`, up to one at which the planner says
something, with what they filled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from ..facts import Delta, Error, State, compose
from ..gate.budget import Budget, Meter
from ..gate.decision import Breach
from ..gate.plan import make_plan
from ..gate.policy import Policy
from ..gate.risk import Assess
from ..gate.verify import Verification
from ..planners.strategy import Proposal
from ..worlds.market import MarketWorld
from ..worlds.market.actions import Tick
from ..worlds.market.bars import FIELDS, Bars
from ..worlds.market.schema import Bar, Fill
from ..worlds.market.spans import Passed, passed, sound
from ..worlds.market.units import show

SPAN = 1024
CLOSE = FIELDS.index("close")
SILENT = Proposal((), (), ())


class BadFeed(Error):
    """The bars do not follow from the state: an earlier time, an unknown symbol, a price off the tick."""

    number, title = "WG380", "the market does not take this bar"


class Proposer(Protocol):
    """What a session asks: it sees each bar once, in order, and the state after it."""

    def observe(self, bars: Iterable[tuple[str, Bar]]) -> None:
        """Take the bars of one tick."""

    def skim(self, rows: Iterable[Sequence[int]]) -> tuple[int, bool]:
        """Take ticks by the closes of `symbols` until there is something to say: (how many, whether there is)."""

    def look(self, bars: Iterable[tuple[str, Bar]]) -> None:
        """See the bars of the tick at which there is something to say."""

    def propose(self, state: State) -> Proposal:
        """What to do now."""


class Filled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fill and its proof: placed and filled at clocks, at a price within the range of the bar."""

    account: str
    order: int
    symbol: str
    side: str
    quantity: str
    price: str
    commission: str
    realised: str
    placed: int
    at: int
    low: str
    high: str


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is recorded of one or more bars: what filled, and what was said and decided after the last of them.

    `step` is the clock then, `bars` how many they are. Signals and skipped ones are (rule, symbol, side, why).
    """

    step: int
    bars: int = 1
    time: str
    verdict: Literal["hold", "approve", "reject"] = "hold"
    signals: tuple[tuple[int, str, str, str], ...] = ()
    skipped: tuple[tuple[int, str, str, str], ...] = ()
    actions: tuple[str, ...] = ()
    breaches: tuple[Breach, ...] = ()
    fills: tuple[Filled, ...] = ()


class Advanced(NamedTuple):
    """A step, its delta and the state that it leads to."""

    step: Step
    delta: Delta
    state: State


class _Feed:
    """The bars of a session from `at` on, and whether the market takes all of them: looked at once, not bar by bar."""

    def __init__(self, bars: Bars, state: State, at: int) -> None:
        self.bars = bars
        self.columns = {symbol: [bars.column(symbol, name) for name in FIELDS] for symbol in bars.symbols}
        left = {symbol: [column[at:] for column in each] for symbol, each in self.columns.items()}
        self.sound = bars.whole and sound(state, bars.times[at:], left)


class Session:
    """A loop from `state` on. `policy` and `budget` hold for each plan; `symbols` are those that the planner skims.
    `assess` answers what the policy asks about futures."""

    def __init__(
        self,
        state: State,
        planner: Proposer,
        symbols: Sequence[str],
        policy: Policy,
        budget: Budget,
        assess: Assess | None = None,
    ) -> None:
        self.assess = assess
        self.world, self.state, self.planner, self.policy, self.budget = MarketWorld(), state, planner, policy, budget
        self.symbols, self.spoken = symbols, False

    def run(self, bars: Bars) -> Iterator[Advanced]:
        """The steps over the bars that the state has not seen."""
        at, end = self.state.get("clock", ()) or 0, len(bars)
        feed = _Feed(bars, self.state, at)
        while at < end:
            upto = at + self._seen(feed, at)
            delta, fills = self._passed(feed, at, upto)
            yield self._step(bars.times[upto - 1], upto - at, delta, fills)
            at = upto

    def _seen(self, feed: _Feed, at: int) -> int:
        """Show the planner bars until it has something to say, at most `SPAN`; how many it has seen."""
        if not feed.bars.whole:
            self.planner.observe(feed.bars.at(at).bars)
            self.spoken = True  # what it makes of a missing bar, it says itself
            return 1
        closes = [feed.columns[symbol][CLOSE][at : at + SPAN] for symbol in self.symbols]
        taken, self.spoken = self.planner.skim(zip(*closes, strict=True))
        if self.spoken:
            self.planner.look(feed.bars.at(at + taken - 1).bars)
        return taken

    def _passed(self, feed: _Feed, at: int, end: int) -> tuple[Delta, tuple[Filled, ...]]:
        """Bars, as many at once as no order is live in; one by one where that cannot be, for the world to say why."""
        deltas, fills = list[Delta](), list[Filled]()
        while at < end:
            moved = None
            if feed.sound:
                moved = passed(self.state, feed.bars.times, feed.columns, at, end, checked=True)
            if moved is None:
                moved = self._tick(feed.bars.at(at))
            self.state = moved.state
            deltas.append(moved.delta)
            fills += [_filled(numbered, fill) for numbered, fill in moved.fills.items()]
            at += moved.bars
        return deltas[0] if len(deltas) == 1 else compose(*deltas), tuple(fills)

    def _tick(self, tick: Tick) -> Passed:
        moved = self.world.step(self.state, tick)
        if refused := moved.observation.get("refused"):
            found = f"{refused['message']} ({refused['number']})"
            raise BadFeed(found, "a bar that follows", "Mend the bars and run again.")
        filled = [(seen["account"], seen["order"]) for seen in moved.observation.get("fills", ())]
        return Passed(moved.state, moved.delta, 1, {numbered: moved.state.get("fill", numbered) for numbered in filled})

    def _step(self, time: str, count: int, delta: Delta, fills: tuple[Filled, ...]) -> Advanced:
        """What is decided after the last of `count` bars."""
        said = self.planner.propose(self.state) if self.spoken else SILENT
        actions = tuple(map(str, said.actions))
        found: dict[str, Any] = {}
        if actions:
            found, more = self._judged(actions)
            delta = compose(delta, more)
        step = Step(
            step=self.state.get("clock", ()),
            bars=count,
            time=time,
            signals=said.signals,
            skipped=said.skipped,
            actions=actions,
            fills=fills,
            **found,
        )
        return Advanced(step, delta, self.state)

    def _judged(self, actions: Sequence[str]) -> tuple[dict[str, Any], Delta]:
        """Verify the plan of these actions; take its effect when it is approved."""
        plan = make_plan(actions, world=self.world.name)
        verified = Verification(
            self.world, self.state, plan, self.policy, Meter(self.budget), whole=False, assess=self.assess
        ).of_plan()
        if verified.decision.verdict != "approve":
            return {"verdict": "reject", "breaches": verified.decision.breaches}, ()
        self.state = verified.simulation.after
        return {"verdict": "approve", "breaches": verified.warnings}, verified.simulation.delta


def _filled(numbered: tuple[str, int], fill: Fill) -> Filled:
    amounts = (fill.quantity, fill.price, fill.commission, fill.realised, fill.low, fill.high)
    quantity, price, commission, realised, low, high = map(show, amounts)
    return Filled(
        account=numbered[0],
        order=numbered[1],
        symbol=fill.symbol,
        side=fill.side,
        quantity=quantity,
        price=price,
        commission=commission,
        realised=realised,
        placed=fill.placed,
        at=fill.at,
        low=low,
        high=high,
    )

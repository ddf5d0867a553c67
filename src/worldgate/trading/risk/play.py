"""A plan played over futures: in bulk, and alone through the world itself.

`play` is fast, `alone` is the reference: for every future both give the same money and the same breaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ...facts import State
from ...gate.measured import Bound
from ...worlds.contract import Outside
from ...worlds.market import MarketWorld
from ...worlds.market.actions import Action, Place, Tick, Transfer, instant
from ...worlds.market.measures import MEASURES
from ...worlds.market.properties import facts_of
from ...worlds.market.schema import LIVE, Bar
from .acts import act
from .arrays import RANGE, np
from .bulk import CLOSE, HIGH, LOW, OPEN, VOLUME, fits, tick
from .errors import BadFutures
from .futures import Sampler
from .limits import Limit, limits_of
from .plan import RiskPlan
from .portfolio import Owned, Portfolio

if TYPE_CHECKING:
    from .arrays import Ints, Mask

REFUSED = "refused"
"""The name of what goes wrong when the market refuses an action of the plan."""


class Futures(NamedTuple):
    """Checked bars: by symbol [5, steps, n], in hundred-millionths."""

    times: Sequence[str]
    bars: Mapping[str, Ints]
    n: int

    @classmethod
    def of(cls, state: State, sampler: Sampler, n: int, steps: int, seed: int) -> Futures:
        """What the sampler gives. Raises `BadFutures` where the market would not take it."""
        times, paths = sampler.times(steps), sampler.paths(n, steps, seed)
        _check_times(state.get("time", ()), times, steps)
        for symbol, found in paths.items():
            instrument = state.get("instrument", (symbol,))
            if instrument is None or state.get("bar", (symbol,)) is None:
                raise BadFutures(f"bars of {symbol}", "bars of symbols that this market has a price of")
            if not isinstance(found, np.ndarray) or found.dtype != np.int64 or found.shape != (5, n, steps):
                told = f"{getattr(found, 'dtype', type(found).__name__)} {getattr(found, 'shape', '')}"
                raise BadFutures(f"{symbol}: {told}", f"int64 (5, {n}, {steps})")
            if not _is_well_formed(found, instrument.tick):
                raise BadFutures(
                    f"{symbol}: a bar that the market would refuse",
                    f"prices above 0 and at most {RANGE} on the tick of {instrument.tick}, low <= open, close <= high",
                )
        bars = {symbol: np.ascontiguousarray(paths[symbol].transpose(0, 2, 1)) for symbol in sorted(paths)}
        return cls(times, bars, n)

    def ticks(self, future: int) -> list[Tick]:
        """One future as actions of the world."""
        columns = {symbol: bars[:, :, future].T.tolist() for symbol, bars in self.bars.items()}
        return [
            Tick(time, tuple((symbol, Bar(time, *rows[step])) for symbol, rows in columns.items()))
            for step, time in enumerate(self.times)
        ]


def _check_times(last: str | None, times: Sequence[str], steps: int) -> None:
    try:
        moments = [instant(time) for time in (*([] if last is None else [last]), *times)]
    except Outside as error:
        raise BadFutures(f"time {error.found}", error.expected) from error
    if len(times) != steps or any(after <= before for before, after in pairwise(moments)):
        raise BadFutures(f"{len(times)} times after {last}", f"{steps}, each after the one before")


def _is_well_formed(bars: Ints, tick: int) -> bool:
    opened, high, low, close, volume = bars
    return bool(
        low.min() > 0
        and high.max() <= RANGE
        and volume.min() >= 0
        and volume.max() < RANGE
        and (low <= np.minimum(opened, close)).all()
        and (np.maximum(opened, close) <= high).all()
        and not (bars[:4] % tick).any()
    )


class Played(NamedTuple):
    """By future: the profit and loss (what was paid in or out left aside), the equity after each bar [steps, n], and
    by limit whether it was breached."""

    profit: Ints
    equity: Ints
    breached: dict[str, Mask]


def play(state: State, plan: RiskPlan, futures: Futures, limits: Mapping[str, Bound], purse: Owned) -> Played:
    """The plan over all futures at once; money is that of `purse`."""
    portfolio, bars = begin(state, plan, futures)
    judges = [Limit(name, bound, state) for name, bound in limits.items()]
    breached = {name: np.zeros(futures.n, bool) for name in (REFUSED, *limits)}
    first = portfolio.equity(purse)
    equity: list[Ints] = []

    def judge() -> None:
        for limit in judges:
            if not breached[limit.name].all():
                breached[limit.name] |= limit.breached(portfolio)

    for entry in plan.entries:
        if not isinstance(entry, int):
            breached[REFUSED] |= act(portfolio, entry)
            judge()
            continue
        for _ in range(entry):
            step = len(equity)
            tick(portfolio, futures.times[step], {symbol: bar[:, step] for symbol, bar in bars.items()})
            equity.append(portfolio.equity(purse))
            judge()
    return Played(equity[-1] - first - portfolio.paid_in[purse], np.array(equity), breached)


def begin(state: State, plan: RiskPlan, futures: Futures) -> tuple[Portfolio, dict[str, Ints]]:
    """The portfolio that the plan starts from, and the bars with prices in ticks: of int64 where all amounts fit."""
    tick_of = {symbol: state.get("instrument", (symbol,)).tick for symbol in futures.bars}
    highest = {symbol: int(bars[HIGH].max()) // tick_of[symbol] for symbol, bars in futures.bars.items()}
    (now,) = facts_of(state, "bar")
    for (symbol,), bar in now.items():
        highest[symbol] = max(highest.get(symbol, 0), bar.close // state.get("instrument", (symbol,)).tick)
    volume = max((int(bars[VOLUME].max()) for bars in futures.bars.values()), default=0)
    dtype = np.int64 if fits(state, plan.actions, highest, volume) else object
    scaled = {}
    for symbol, bars in futures.bars.items():
        scaled[symbol] = bars.astype(dtype)
        scaled[symbol][[OPEN, HIGH, LOW, CLOSE]] //= tick_of[symbol]
    return Portfolio.of(state, futures.n, dtype), scaled


class Alone(NamedTuple):
    """One future, as the world has it."""

    profit: int
    equity: list[int]
    breached: set[str]
    state: State


def alone(state: State, actions: Iterable[Action], limits: Mapping[str, Bound], purse: Owned) -> Alone:
    """The actions, ticks among them, step by step through the world."""
    world, first = MarketWorld(), state
    equity, breached, paid = list[int](), set[str](), 0
    for action in actions:
        state, _, seen, _ = world.step(state, action)
        if not seen["ok"]:
            breached.add(REFUSED)
        elif isinstance(action, Transfer) and (action.account, action.currency) == purse:
            paid += action.amount if action.verb == "deposit" else -action.amount
        if isinstance(action, Tick):
            equity.append(state.get("book", purse).equity)
        left = limits.keys() - breached
        breached |= {name for name in left if _beyond(first, state, name, limits[name])}
    now = state.get("book", purse).equity
    return Alone(now - first.get("book", purse).equity - paid, equity, breached, state)


def _beyond(first: State, state: State, name: str, bound: Bound) -> bool:
    """Whether the measure is beyond its limit at any key."""
    measure = MEASURES[name]
    (keys,) = facts_of(state, measure.relation)
    for key in keys:
        value = measure.value(state, key)
        most, least = limits_of(measure, bound, first, key)
        if value is not None and ((most is not None and value > most) or (least is not None and value < least)):
            return True
    return False


def needed(state: State, plan: RiskPlan) -> set[str]:
    """The symbols that must have bars: those held, on order or in the plan, and priced."""
    positions, orders, bars = facts_of(state, "position", "order", "bar")
    found = {symbol for (_, symbol), one in positions.items() if one.quantity}
    found |= {one.symbol for one in orders.values() if one.status in LIVE}
    return found | {one.symbol for one in plan.actions if isinstance(one, Place) and (one.symbol,) in bars}

"""The market world beside backtesting.py: random order programs and the strategies, on backtesting.py's own real data.

    python bench/market_kernel.py --programs 1000          # the figures in docs/worlds/market.md
    python bench/market_kernel.py --programs 40 --seed 7 --strategies 6 --json
    python bench/market_kernel.py --rates                  # how often each action of each driver succeeds

A program is a stretch of GOOG (daily), EURUSD (hourly) or BTCUSD (monthly) with an account that trades on it, of one
of `FAMILIES`: each leaves aside what docs/worlds/market.md names as different. Orders are drawn while our world runs;
backtesting.py is given the same ones. A strategy is run three times: by `worldgate.trading`, by backtesting.py from the
orders that came of it, and by backtesting.py with the rule written a second time over pandas' rolling windows.

Exit status 1, and what differs, when anything does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

os.environ.setdefault("TQDM_DISABLE", "1")
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pandas
    from backtesting import Strategy as Peer
    from backtesting import test as real

from worldgate.facts import State
from worldgate.gate.budget import Budget
from worldgate.gate.policy import Policy
from worldgate.planners.strategy import Strategy, StrategyPlanner, load_strategy, make_strategy
from worldgate.trading.session import Filled, Session
from worldgate.worlds.market import (
    ONE,
    Bar,
    Book,
    Cancel,
    Costs,
    Instrument,
    MarketWorld,
    Place,
    Position,
    open_market,
    parse_amount,
)
from worldgate.worlds.market.actions import MAIN, instant
from worldgate.worlds.market.bars import Bars
from worldgate.worlds.market.kernel import Account, Walk, differences, distance, peer, walk, watched
from worldgate.worlds.market.schema import LIVE, SIDES, TIFS, Fill

SHIPPED = Path(__file__).parents[1] / "examples" / "strategies"
PER_MILLE = ONE // 1000


class Data(NamedTuple):
    """A real series: its step of prices, the cash of an account, what a strategy orders at a time, and the part of the
    equity that a random program exposes, so that it stays covered at every price of every bar."""

    tick: int
    cash: int
    quantity: int
    part: float


DATA = {
    "GOOG": Data(ONE // 100, 20_000, 10, 0.8),
    "EURUSD": Data(1000, 20_000, 4_000, 0.8),
    "BTCUSD": Data(ONE // 100, 400_000, 1, 0.2),
}
Decide = Callable[[State], Place | Cancel | None]


@cache
def bars_of(name: str) -> tuple[Bar, ...]:
    """The whole series, exactly as its decimals say; volumes to eight places."""
    frame = getattr(real, name)
    form = "%Y-%m-%d" if name != "EURUSD" else "%Y-%m-%dT%H:%M:%SZ"
    rows = zip(
        frame.index.strftime(form), frame[["Open", "High", "Low", "Close"]].to_numpy(), frame["Volume"], strict=True
    )
    return tuple(
        Bar(time, *(parse_amount(repr(float(price)), name) for price in prices), round(volume * ONE))
        for time, prices, volume in rows
    )


# --- random programs --------------------------------------------------------------------------------


class Seen(NamedTuple):
    """What a program looks at: its account after the latest bar."""

    bar: Bar
    book: Book
    held: int
    live: Sequence[int]

    @classmethod
    def of(cls, state: State, name: str) -> Seen:
        position = state.get("position", (MAIN, name)) or Position()
        live = sorted(id_ for (_, id_), order in state.select("order").items() if order.status in LIVE)
        return cls(state.get("bar", (name,)), state.get("book", (MAIN, "USD")), position.quantity, live)

    def units(self, share: float) -> int:
        """Whole units for that share of the equity that is not yet exposed, at the worst."""
        room = self.book.equity * share - self.book.long - self.book.short - self.book.working
        return max(int(room / self.bar.close), 0)


def anything(name: str, bars: Sequence[Bar], random: Random) -> Decide:
    """All kinds of orders on both sides, several at a time, in any direction, and cancels."""

    def decide(state: State) -> Place | Cancel | None:
        seen = Seen.of(state, name)
        if random.random() < 0.65:
            return None
        if seen.live and random.random() < 0.3:
            return Cancel(random.choice(seen.live))
        side = random.choice(SIDES)
        most = seen.units(DATA[name].part)
        if seen.held and random.random() < 0.5:  # towards nothing, or through it
            side = "sell" if seen.held > 0 else "buy"
            most = min(most, abs(seen.held) // ONE) + abs(seen.held) // ONE * (not seen.live)
        if not most:
            return None
        return order(side, random.randint(1, most), name, bars, state, random)

    return decide


def single(name: str, bars: Sequence[Bar], random: Random) -> Decide:
    """One order at a time, of any kind: it opens from nothing, or closes some or all."""

    def decide(state: State) -> Place | Cancel | None:
        seen = Seen.of(state, name)
        if seen.live:
            return Cancel(seen.live[0]) if random.random() < 0.1 else None
        if random.random() < 0.4:
            return None
        if seen.held:
            units = abs(seen.held) // ONE
            units = random.choice((units, random.randint(1, units)))
            return order("sell" if seen.held > 0 else "buy", units, name, bars, state, random)
        most = seen.units(DATA[name].part)
        return order(random.choice(SIDES), random.randint(1, most), name, bars, state, random) if most else None

    return decide


def one_sided(name: str, bars: Sequence[Bar], random: Random) -> Decide:
    """Market orders, one or more after a bar, all on one side."""
    sides: dict[int, str] = {}

    def decide(state: State) -> Place | None:
        seen = Seen.of(state, name)
        most = seen.units(DATA[name].part)
        if random.random() < 0.6 or not most:
            return None
        drawn = random.choice(SIDES)
        side = sides.setdefault(state.get("clock", ()), drawn)
        return Place(side, random.randint(1, most) * ONE, name, tif=random.choice(TIFS))

    return decide


def edge(every: int) -> Callable[[str, Sequence[Bar], Random], Decide]:
    """Market orders about as large as equity covers, one after every so many bars; never through nothing."""

    def family(name: str, bars: Sequence[Bar], random: Random) -> Decide:
        def decide(state: State) -> Place | None:
            seen = Seen.of(state, name)
            at = state.get("clock", ())
            if at == done[0] or at % every != 1 % every or random.random() < 0.4:
                return None
            done[0] = at
            if seen.held and random.random() < 0.5:
                units = random.randint(1, abs(seen.held) // ONE)
                return Place("sell" if seen.held > 0 else "buy", units * ONE, name)
            margin = state.get("instrument", (name,)).margin
            rate = state.get("costs", (name,)).rate
            free = seen.book.equity - seen.book.margin
            units = int(free * random.uniform(0.95, 1.05) / (seen.bar.close * (margin + rate) / ONE))
            side = random.choice(SIDES) if not seen.held else "buy" if seen.held > 0 else "sell"
            return Place(side, units * ONE, name) if units > 0 else None

        done = [0]
        return decide

    return family


def order(side: str, units: int, name: str, bars: Sequence[Bar], state: State, random: Random) -> Place:
    """Of any kind; its price is near the close, or one at which the next bar turns."""
    kind, tif = random.choice(("market", "limit", "stop")), random.choice(("gtc", *TIFS))
    if kind == "market":
        return Place(side, units * ONE, name, tif=tif)
    tick, bar = state.get("instrument", (name,)).tick, state.get("bar", (name,))
    near = bar.close + round(random.uniform(-1.5, 1.5) * (bar.high - bar.low))
    turns = bars[min(state.get("clock", ()), len(bars) - 1)][1:5]
    price = random.choice(turns) if random.random() < 0.4 else near
    return Place(side, units * ONE, name, kind, max(price // tick, 1) * tick, tif)


def bodiless(bars: Sequence[Bar]) -> Iterator[Bar]:
    """Bars that open where they close."""
    return (bar._replace(open=bar.close) for bar in bars)


def repeated(bars: Sequence[Bar]) -> Iterator[Bar]:
    """Each bar without a body, and again as its close alone."""
    for bar in bodiless(bars):
        later = (instant(bar.time) + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield bar
        yield Bar(later, *[bar.close] * 4, 0)


class Family(NamedTuple):
    """Programs of one kind: how they are drawn, the terms they are traded on, what is done to the bars, and whether
    backtesting.py is given the orders, too, that our world refuses for want of equity."""

    draw: Callable[[str, Sequence[Bar], Random], Decide]
    terms: Callable[[Random], tuple[int, Costs]]
    bars: Callable[[Sequence[Bar]], Iterator[Bar]] = iter
    uncovered: bool = False


def proportional(random: Random) -> tuple[int, Costs]:
    return random.choice((ONE // 4, ONE // 10)), Costs(rate=random.choice((0, PER_MILLE, 5 * PER_MILLE // 2)))


def fixed(random: Random) -> tuple[int, Costs]:
    per_order, minimum = random.choice((ONE // 2, ONE, 999 * ONE // 100)), random.choice((0, 2 * ONE))
    return ONE // 4, Costs(random.choice((0, PER_MILLE)), per_order, minimum)


def spread(random: Random) -> tuple[int, Costs]:
    costs = Costs(random.choice((0, PER_MILLE)), spread=random.choice((PER_MILLE // 5, PER_MILLE, 5 * PER_MILLE)))
    return ONE // 4, costs._replace(slippage=random.choice((0, PER_MILLE // 2)))


def tight(random: Random) -> tuple[int, Costs]:
    """Margin, and a commission only where nothing is borrowed: of others, the peer asks cover for a part."""
    margin = random.choice((ONE, ONE, ONE // 2, ONE // 5, ONE // 20))
    return margin, Costs(rate=random.choice((0, 20 * PER_MILLE)) if margin == ONE else 0)


FAMILIES = {
    "any orders": Family(anything, proportional),
    "fees by order": Family(single, fixed),
    "spread": Family(one_sided, spread),
    "cover at the fill": Family(edge(1), tight, bodiless),
    "cover when placed": Family(edge(2), tight, repeated, uncovered=True),
}


class Result(NamedTuple):
    """What came of one comparison."""

    name: str
    data: str
    bars: int
    orders: int
    trades: int
    uncovered: int
    distance: int
    different: list[str]


def program(seed: int, most: int = 250) -> tuple[str, str, State, Sequence[Bar], Walk]:
    """A program by its number: family, data, first state, bars, and how it went in our world."""
    random = Random(seed)
    family = list(FAMILIES)[seed % len(FAMILIES)]
    name = random.choice(list(DATA))
    draw, terms, shape, uncovered = FAMILIES[family]
    whole = bars_of(name)
    length = random.randint(40, min(most, len(whole)))
    start = random.randint(0, len(whole) - length)
    bars = tuple(shape(whole[start : start + length]))
    margin, costs = terms(random)
    instruments = {name: Instrument("USD", DATA[name].tick, ONE, margin)}
    first = open_market(instruments, cash={MAIN: {"USD": DATA[name].cash * ONE}}, costs=costs, shorting=[MAIN])
    return family, name, first, bars, walk(first, bars, draw(name, bars, random), uncovered=uncovered)


def programs(seeds: Sequence[int]) -> Iterator[Result]:
    """Each program on both sides."""
    for seed in seeds:
        family, name, first, bars, went = program(seed)
        bars = bars[: len(went.account.standings)]
        theirs = peer(first, bars, went.orders)
        found = [f"{family} of seed {seed}: {line}" for line in differences(went.account, theirs)]
        uncovered = went.ended.get("rejected", 0)
        if FAMILIES[family].uncovered:
            found += [f"{family} of seed {seed}: taken, and rejected at the same price"] * uncovered
            uncovered = len(went.refused)
        orders = sum(isinstance(action, Place) for actions in went.orders.values() for action in actions)
        far = distance(went.account, theirs)
        yield Result(family, name, len(bars), orders, len(went.account.trades), uncovered, far, found)


# --- strategies -------------------------------------------------------------------------------------


def strategies(random: Random, count: int) -> Iterator[tuple[str, str, Strategy]]:
    """The shipped files with their first symbol replaced, then rules of each type with settings drawn at random."""
    for path in sorted(SHIPPED.glob("*.json")):
        document = load_strategy(path.read_text(encoding="utf-8")).to_json()
        symbol = document["universe"]["symbols"][0]
        name = "BTCUSD" if path.stem == "threshold" else "GOOG"  # whose prices pass its thresholds
        document["rules"] = [{**rule, "symbol": name} for rule in document["rules"] if rule["symbol"] == symbol]
        document["universe"]["symbols"] = [name]
        document["sizing"]["max_position_by_symbol"] = {}
        document["timing"]["start"] = max(document["timing"]["start"], 2)  # where backtesting.py begins
        yield path.name, name, make_strategy(document)
    for number in range(count):
        name = list(DATA)[number % len(DATA)]
        rule = RULES[number // len(DATA) % len(RULES)](random, [bar.close for bar in bars_of(name)])
        quantity = DATA[name].quantity
        document = {
            "metadata": {"name": "drawn", "version": "1", "description": "One rule."},
            "universe": {"symbols": [name]},
            "timing": {"evaluate_every": random.choice((1, 2, 5)), "start": random.randint(2, 9)},
            "sizing": {"order_quantity": quantity, "max_position": quantity * random.randint(1, 6)},
            "rules": [{**rule, "symbol": name}],
        }
        yield rule["type"], name, make_strategy(document)


def _threshold(random: Random, closes: list[int]) -> dict[str, Any]:
    low, high = sorted(random.sample(sorted(set(closes)), 2))
    return {"type": "threshold_price", "buy_below": str(low / ONE), "sell_above": str(high / ONE)}


def _crossover(random: Random, closes: list[int]) -> dict[str, Any]:
    short, mode = random.randint(1, 20), random.choice(("level", "cross", "cross"))
    return {"type": "sma_crossover", "short_window": short, "long_window": short + random.randint(1, 40), "mode": mode}


def _reversion(random: Random, closes: list[int]) -> dict[str, Any]:
    buy, sell = (str(random.randint(-200, 200) / 100) for _ in SIDES)
    if float(buy) >= float(sell):
        buy, sell = "-1.5", "0.5"
    return {"type": "mean_reversion_zscore", "window": random.randint(6, 50), "z_buy_below": buy, "z_sell_above": sell}


RULES = (_threshold, _crossover, _reversion)


def heard(rule: dict[str, Any], closes: pandas.Series, tick: int, evaluated: pandas.Series) -> pandas.Series:
    """1 for BUY and -1 for SELL at each bar, as pandas' rolling windows have it. Closes are in whole ticks."""
    if rule["type"] == "threshold_price":
        buy, sell = (round(float(rule[name] or 0) * ONE / tick) for name in ("buy_below", "sell_above"))
        return (closes <= buy).astype(int) - (closes >= (sell or float("inf"))).astype(int)
    if rule["type"] == "mean_reversion_zscore":
        window = closes.rolling(rule["window"])
        z = (closes - window.mean()) / window.std(ddof=0)
        return (z <= float(rule["z_buy_below"])).astype(int) - (z >= float(rule["z_sell_above"])).astype(int)
    short, long = (closes.rolling(rule[name]).mean() for name in ("short_window", "long_window"))
    side = (short > long).astype(int) - (short < long).astype(int)
    if rule["mode"] == "level":
        return side
    known = side.where(side.ne(0) & evaluated)  # the sides that evaluations found
    return side.where(side * known.ffill().shift(1) < 0, 0)


def written_again(strategy: Strategy, tick: int, rate: float) -> type:
    """The strategy as one of backtesting.py's: its rules over rolling windows, its sizes from the account as it is."""
    document = strategy.to_json()
    every, start = document["timing"]["evaluate_every"], document["timing"]["start"]
    quantity, cap = (float(document["sizing"][name]) for name in ("order_quantity", "max_position"))
    most = float(document["sizing"]["max_new_exposure"] or "inf")

    class Again(Peer):  # type: ignore[misc]
        def init(self) -> None:
            closes = (self.data.Close.s * ONE / tick).round()
            clocks = pandas.Series(range(1, len(closes) + 1), closes.index)
            evaluated = (clocks >= start) & ((clocks - start) % every == 0)
            first = pandas.Series(0, closes.index)
            for rule in document["rules"]:
                first = first.where(first != 0, heard(rule, closes, tick, evaluated))
            self.heard = first.where(evaluated, 0).to_numpy()

        def next(self) -> None:
            close, held = self.data.Close[-1], self.position.size
            cash, value = self.equity - held * close, quantity * close
            match self.heard[len(self.data) - 1]:
                case 1 if held + quantity <= cap and value <= most and value * (1 + rate) <= cash:
                    self.buy(size=quantity)
                case -1 if held > 0:
                    self.sell(size=min(quantity, held))

    return Again


def taken(filled: Filled) -> Fill:
    """A fill as it was recorded."""
    names = ("quantity", "price", "commission", "low", "high", "realised")
    amounts = {name: parse_amount(getattr(filled, name)) for name in names}
    return Fill(filled.symbol, filled.side, placed=filled.placed, at=filled.at, **amounts)


def compared(name: str, strategy: Strategy, rate: int) -> tuple[Account, int, dict[str, Account]]:
    """Our session and its orders; and the peer with the session's orders, and with the rules."""
    tick, cash, *_ = DATA[name]
    whole = bars_of(name)
    columns = {name: [[bar[at] for bar in whole] for at in range(1, 6)]}
    instruments = {name: Instrument("USD", tick, ONE, ONE)}
    first = open_market(instruments, cash={MAIN: {"USD": cash * ONE}}, costs=Costs(rate=rate))
    ours, orders = Account.of(first), {}
    loop = Session(first, StrategyPlanner(strategy), (name,), Policy.default("market"), Budget.of({}))
    for advanced in loop.run(Bars.of([bar.time for bar in whole], columns)):
        ours.look(advanced.state, map(taken, advanced.step.fills))
        clock, live = advanced.step.step, sorted(advanced.state.select("order").items())
        new = [
            Place(one.side, one.quantity, name, tif=one.tif, id=id_) for (_, id_), one in live if one.placed == clock
        ]
        orders |= {clock - 1: new} if new else {}
    rules = watched(first, whole, written_again(strategy, tick, rate / ONE))
    return ours, sum(map(len, orders.values())), {"orders": peer(first, whole, orders), "rules": rules}


def rerun(drawn: Iterator[tuple[str, str, Strategy]], random: Random) -> Iterator[tuple[str, Result]]:
    """Each strategy both ways."""
    for kind, name, strategy in drawn:
        ours, orders, both = compared(name, strategy, random.choice((0, PER_MILLE)))
        for way, theirs in both.items():
            told = f"{kind} on {name}, its {way}: {json.dumps(strategy.to_json())}"
            found = [f"{told}\n{line}" for line in differences(ours, theirs)]
            trades, far = len(ours.trades), distance(ours, theirs)
            yield way, Result(kind, name, len(bars_of(name)), orders, trades, 0, far, found)


# --- the run ----------------------------------------------------------------------------------------


def table(results: Sequence[Result]) -> Iterator[str]:
    """A row for each name."""
    yield "| | runs | bars | orders | trades | not covered | largest difference |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name in dict.fromkeys(result.name for result in results):
        of = [result for result in results if result.name == name]
        sums = [sum(getattr(result, part) for result in of) for part in ("bars", "orders", "trades", "uncovered")]
        far = max(result.distance for result in of) / ONE
        yield f"| {name} | {len(of)} | {' | '.join(f'{total:,}' for total in sums)} | {far:.8f} |"


def rates(walks: int = 30, steps: int = 200) -> Iterator[str]:
    """How often the actions of each driver succeed."""
    world, counts = MarketWorld(), Counter()
    for driver in world.drivers:
        for seed in range(walks):
            state, random = world.initial(seed), Random(f"{driver} {seed}")
            for _ in range(steps):
                action = world.parse(world.drivers[driver](state, random))
                state, _, seen, _ = world.step(state, action)
                counts[driver, type(action).__name__, seen["ok"]] += 1
    yield "| action | " + " | ".join(f"{driver}: ok / refused" for driver in world.drivers) + " |"
    yield "| --- |" + " ---: |" * len(world.drivers)
    for kind in ("Place", "Cancel", "Transfer", "Tick"):
        cells = (f"{counts[driver, kind, True]} / {counts[driver, kind, False]}" for driver in world.drivers)
        yield f"| {kind} | {' | '.join(cells)} |"


def main() -> int:
    """Run all of it; print tables, or one JSON line a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=400)
    parser.add_argument("--strategies", type=int, default=54, help="those drawn, beside the shipped ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rates", action="store_true", help="only the success rates of the world's drivers")
    options = parser.parse_args()
    if options.rates:
        print(*rates(), sep="\n")
        return 0
    began, random = time.perf_counter(), Random(options.seed)
    parts = {
        "programs": list(programs(range(options.seed, options.seed + options.programs))),
        "orders": [],
        "rules": [],
    }
    for way, result in rerun(strategies(random, options.strategies), random):
        parts[way].append(result)
    different = [line for results in parts.values() for result in results for line in result.different]
    for part, results in parts.items():
        if options.json:
            sums = {name: sum(getattr(one, name) for one in results) for name in ("orders", "trades", "uncovered")}
            print(json.dumps({"part": part, "runs": len(results), **sums}))
        else:
            print(f"\n{'random programs' if part == 'programs' else f'strategies, by their {part}'}\n")
            print(*table(results), sep="\n")
    print(*different, f"\n{len(different)} differences, {time.perf_counter() - began:.0f} s", sep="\n", file=sys.stderr)
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())

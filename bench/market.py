"""How fast the market's loop is, with every order judged and every step recorded durably, and how it grows.

    python bench/market.py             # beside backtesting.py on the same bars with the same rule, and to 100,000 bars
    python bench/market.py --long      # to 1,000,000 bars

Times are CPU time of this process, the best of several passes; wall time is told where a disk is waited for. The
peer is `Backtest.run` of backtesting.py with its own moving averages, which records nothing and judges nothing. What
the imports of both leave in memory is kept from the garbage collector, so that neither pays for the other's. After
`make compiled` the same is told of the compiled modules, from a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from worldgate import COMPILED
from worldgate.facts import State
from worldgate.gate.budget import Budget, Meter
from worldgate.gate.conditions import Conditions
from worldgate.gate.plan import make_plan
from worldgate.gate.policy import make_policy
from worldgate.gate.simulate import simulate
from worldgate.gate.verify import Verification
from worldgate.planners.strategy import make_strategy
from worldgate.trading.desk import Desk, describe
from worldgate.trading.inputs import Inputs, Market
from worldgate.worlds.market import MarketWorld
from worldgate.worlds.market.actions import Place
from worldgate.worlds.market.bars import FIELDS, Bars
from worldgate.worlds.market.schema import Instrument
from worldgate.worlds.market.start import open_market
from worldgate.worlds.market.units import ONE

os.environ["TQDM_DISABLE"] = "1"
BUILT = Path(__file__).resolve().parent.parent / "build" / "compiled"  # by `make compiled`
SHORT, LONG = 10, 20
POLICY = {"version": 1, "world": "market", "measures": {"leverage": {"max": "1.5"}, "cash": {"min": 0}}}


def google() -> Any:
    """The peer's own bars: GOOG, daily, 2004 to 2013."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting.test import GOOG
    return GOOG


def bars_of(frame: Any, copies: int = 1) -> Bars:
    """The frame's bars, so many times over; in copies, an hour apart."""
    columns = [[round(value * ONE) for value in frame[name.capitalize()]] * copies for name in FIELDS]
    if copies == 1:
        return Bars.of([str(time.date()) for time in frame.index], {"GOOG": columns})
    start = datetime(2000, 1, 1)
    times = [f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}" for hour in range(len(columns[0]))]
    return Bars.of(times, {"GOOG": columns})


def inputs_of(bars: Bars) -> Inputs:
    """A crossing of two moving averages, ten shares, long or flat, under a policy with two limits."""
    rule = {"type": "sma_crossover", "symbol": "GOOG", "short_window": SHORT, "long_window": LONG, "mode": "cross"}
    strategy = make_strategy({
        "metadata": {"name": "cross", "version": "1", "description": "SMA cross."}, "universe": {"symbols": ["GOOG"]},
        "sizing": {"order_quantity": 10, "max_position": 10}, "rules": [rule],
    })  # fmt: skip
    return describe(strategy, make_policy(POLICY, "bench"), Budget.of({}), Market(cash=Decimal(1_000_000)), bars)


def loop(inputs: Inputs, bars: Bars) -> tuple[float, float, State]:
    """(CPU seconds, wall seconds, the last state) of a whole session in a new folder, reports left out."""
    with tempfile.TemporaryDirectory() as folder, Desk.at(Path(folder) / "out", inputs, bars) as desk:
        cpu, wall = time.process_time(), time.perf_counter()
        desk.run()
        return time.process_time() - cpu, time.perf_counter() - wall, desk.broker.state


def peer(frame: Any) -> tuple[float, int]:
    """(CPU seconds, trades) of backtesting.py on a frame of bars."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy
        from backtesting.lib import crossover
        from backtesting.test import SMA

        class Cross(Strategy):
            def init(self) -> None:
                self.short, self.long = self.I(SMA, self.data.Close, SHORT), self.I(SMA, self.data.Close, LONG)

            def next(self) -> None:
                if crossover(self.short, self.long):
                    self.buy(size=10)
                elif crossover(self.long, self.short):
                    self.position.close()

        with contextlib.redirect_stderr(io.StringIO()):
            test = Backtest(frame, Cross, cash=1_000_000, finalize_trades=True)
            cpu = time.process_time()
            found = test.run()
    return time.process_time() - cpu, int(found["# Trades"])


def against_the_peer() -> None:
    """The same bars, the same rule: GOOG as it is, and twenty times over."""
    import pandas

    print("| bars | orders | worldgate, bars/s | backtesting.py, bars/s | ratio | worldgate, wall |")
    print("| --- | --- | --- | --- | --- | --- |")
    peer(google())
    gc.collect()
    gc.freeze()
    for copies in (1, 20):
        bars = bars_of(google(), copies)
        inputs = inputs_of(bars)
        frame = google() if copies == 1 else pandas.concat([google()] * copies)
        if copies > 1:
            frame.index = pandas.date_range("2000", periods=len(frame), freq="h")
        mine, theirs = [], []
        for _ in range(9 if copies == 1 else 3):
            mine.append(loop(inputs, bars))
            theirs.append(peer(frame)[0])
        cpu, wall, state = min(mine, key=lambda run: run[0])
        orders = state.get("sequence", ("main",))
        rates = [len(bars) / seconds for seconds in (cpu, min(theirs), wall)]
        ratio = rates[0] / rates[1]
        print(f"| {len(bars):,} | {orders} | {rates[0]:,.0f} | {rates[1]:,.0f} | {ratio:.2f} | {rates[2]:,.0f} |")


def growth(sizes: tuple[int, ...]) -> None:
    """Cost a bar, and peak memory beyond the bars themselves, as sessions grow."""
    print("\n| bars | orders a 1,000 bars | µs a bar | times the first | peak memory, MB |")
    print("| --- | --- | --- | --- | --- |")
    first = 0.0
    for size in sizes:
        bars = bars_of(google(), -(-size // len(google())))
        bars = Bars.of(bars.times[:size], {"GOOG": [bars.column("GOOG", name)[:size] for name in FIELDS]})
        inputs = inputs_of(bars)
        runs = [loop(inputs, bars) for _ in range(9 if size < 10_000 else 3 if size <= 100_000 else 1)]
        cost, orders = min(run[0] for run in runs) / size * 1e6, runs[0][2].get("sequence", ("main",)) / size * 1000
        first = first or cost
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {size:,} | {orders:.1f} | {cost:.1f} | {cost / first:.2f} | {peak:,.0f} |")


def best(run: Callable[[], object], passes: int = 5) -> float:
    """CPU seconds of the fastest pass."""
    times = []
    for _ in range(passes):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return min(times)


def holding(symbols: int) -> State:
    """An account that holds a share of each of so many symbols."""
    names = [f"S{number}" for number in range(symbols)]
    instruments = dict.fromkeys(names, Instrument("USD", ONE // 100, ONE, ONE))
    state, world = open_market(instruments, cash={"main": {"USD": 10**9 * ONE}}), MarketWorld()
    for day in range(1, 4):
        time_ = f"2020-01-0{day}"
        rows = "; ".join(f"{name} 10 11 9 10 1000" for name in names)
        state = world.step(state, world.parse(f"tick {time_} {rows}")).state
        if day == 1:
            for name in names:
                state = world.step(state, Place("buy", ONE, name)).state
    return state


def rates(symbols: int) -> tuple[float, float]:
    """Actions a second, simulated alone and verified under a policy: orders placed and cancelled, as one plan."""
    world, policy, budget = MarketWorld(), make_policy(POLICY, "bench"), Budget.of({"steps": "unlimited"})
    state = holding(symbols)
    first = state.get("sequence", ("main",)) + 1
    ids = range(first, first + 500)
    plan = make_plan([text for id_ in ids for text in (f"buy 1 S{id_ % 10} id {id_}", f"cancel {id_}")], world="market")

    def alone() -> None:
        for _ in simulate(world, state, plan, Conditions(world)):
            pass

    def judged() -> None:
        found = Verification(world, state, plan, policy, Meter(budget), whole=False).of_plan()
        assert found.decision.verdict == "approve"

    return len(plan.steps) / best(alone), len(plan.steps) / best(judged)


def actions() -> None:
    print("\n| symbols held | simulate, actions/s | verify, actions/s |")
    print("| --- | --- | --- |")
    for symbols in (10, 4_000):
        simulated, verified = rates(symbols)
        print(f"| {symbols:,} | {simulated:,.0f} | {verified:,.0f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    given = parser.parse_args()
    print(f"{'compiled' if COMPILED else 'pure Python'}\n")
    against_the_peer()
    growth((1_000, 10_000, 100_000, 1_000_000) if given.long else (1_000, 10_000, 100_000))
    actions()
    if not COMPILED and BUILT.exists():
        print(flush=True)
        subprocess.run([sys.executable, *sys.argv], check=True, env={**os.environ, "PYTHONPATH": str(BUILT)})

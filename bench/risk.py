"""What assessing a plan over many futures costs, and whether what it predicts comes true.

    python bench/risk.py

Speed: 10,000 futures of 50 bars for a plan of two symbols, in wall and CPU seconds of one process with one thread; the
peer is the world's own step, future by future, over the same bars (a sample of them, scaled). Limit: 2 seconds of each.

Calibration: at every window of the second half of some bars, samplers are given the bars before it; a limit on the
drawdown is set at which they predict a breach rate alpha, and the windows beyond theirs are counted. Windows do not
overlap. GOOG (daily) and EURUSD (hourly) are data that backtesting.py ships; in the first, the halves are swapped as
well. The rest is made by the generator, with its default model.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import gc
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import table

from worldgate.gate.policy import Policy, load_policy
from worldgate.gate.risk import Risk
from worldgate.trading.inputs import Listing, Market
from worldgate.trading.risk.assess import assess
from worldgate.trading.risk.calibrate import ALPHAS, Calibration, calibrate, rated
from worldgate.trading.risk.filtered import Filtered
from worldgate.trading.risk.futures import Bootstrap, Calendar, Sampler, Start, starts
from worldgate.trading.risk.generated import Generated
from worldgate.trading.risk.plan import load_risk_plan
from worldgate.trading.risk.play import Futures, alone, play
from worldgate.trading.risk.run import opened, sampler_of
from worldgate.worlds.market import ONE
from worldgate.worlds.market.bars import FIELDS, Bars, part, read_bars
from worldgate.worlds.market.generator import generate

ROOT = Path(__file__).resolve().parent.parent
PLANS = {
    "two market orders": "[buy 30 ALFA, buy 50 BRAVO, tick 50]",
    "limits, stops, sales": "[buy 30 ALFA, buy 50 BRAVO limit 41, tick 10, sell 10 ALFA limit 130,"
    " sell 10 ALFA stop 95, tick 30, cancel 2, sell 10 ALFA, tick 10]",
}
POLICY = """
version: 1
world: market
measures: {cash: {min: 0}, leverage: {max: 1}, position_share: {max: 0.8}, drawdown: {max: 0.1}}
"""
PURSE = ("main", "USD")
LIMIT = 2.0
CENT = ONE // 100
MARKS = {"calibrated": "", "cautious": " <", "bold": " >"}
"""After a rate: whether it is below or above what its interval allows."""


def timed(call: Callable[[], Any], repeats: int = 5) -> tuple[float, float]:
    """Median wall and CPU seconds."""
    rounds = []
    for _ in range(repeats):
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        rounds.append((time.perf_counter() - wall, time.process_time() - cpu))
    return median(one for one, _ in rounds), median(one for _, one in rounds)


def speed(policy: Policy) -> Iterator[tuple[Any, ...]]:
    bars = read_bars(ROOT / "examples/bars/daily.csv", symbols=("ALFA", "BRAVO"))
    state = opened(Market(), bars)
    limits = policy.document.measures
    for name, text in PLANS.items():
        plan = load_risk_plan(text, 50)
        for sampler in ("filtered", "bootstrap", "generator"):
            risk = Risk(sampler=sampler)  # type: ignore[arg-type]
            source = sampler_of(state, bars, risk)
            wall, cpu = timed(partial(assess, state, plan, policy, risk, source))
            futures = Futures.of(state, source, 4096, plan.steps, 1)
            walks = [list(plan.walk(futures.ticks(at))) for at in range(100)]
            one = timed(partial(list, (alone(state, walk, limits, PURSE) for walk in walks)), 1)[1] / len(walks)
            bulk = timed(partial(play, state, plan, futures, limits, PURSE))[1] / futures.n
            yield name, sampler, wall, cpu, 1e6 * bulk, 1e6 * one, one / bulk


Make = Callable[[Bars, dict[str, Start], str], Sampler]
SAMPLERS: dict[str, Make] = {
    "bootstrap": Bootstrap,
    "bootstrap, blocks of 1": partial(Bootstrap, block=1),
    "bootstrap, blocks of 50": partial(Bootstrap, block=50),
    "bootstrap, last 250": lambda bars, begin, last: Bootstrap(part(bars, len(bars) - 251, len(bars)), begin, last),
    "filtered": Filtered,
    "generator": lambda bars, begin, last: Generated(begin, Calendar.of(bars.times, last)),
}


def calibration() -> Iterator[tuple[Any, ...]]:
    pool: dict[str, list[list[Calibration]]] = {name: [] for name in SAMPLERS}
    for source, bars, tick in sources():
        (symbol,) = bars.symbols
        half = len(bars) // 2
        market = Market(cash=Decimal(10_000), default=Listing(tick=Decimal(tick) / ONE))
        state = opened(market, part(bars, 0, half))
        begin, last = starts(state, bars.symbols), state.get("time", ())
        for steps in (5, 20):
            plan = load_risk_plan(f"[buy {9_000 * ONE // begin[symbol].close} {symbol}, tick {steps}]", steps)
            for name, sampler in SAMPLERS.items():
                make = partial(_made, sampler, begin, last)
                rows = calibrate(state, plan, make, bars, half, PURSE, futures=2000)
                pool[name].append(rows)
                yield source, steps, rows[0].windows, name, *map(told, rows)
    for name, found in pool.items():
        windows = sum(rows[0].windows for rows in found)
        counts = [sum(row.beyond for row in column) for column in zip(*found, strict=True)]
        rows = [rated(alpha, count, windows, Decimal("0.95")) for alpha, count in zip(ALPHAS, counts, strict=True)]
        yield "all", "5, 20", windows, name, *map(told, rows)


def told(row: Calibration) -> str:
    return f"{row.observed}{MARKS[row.verdict]}"


def _made(make: Make, begin: dict[str, Start], last: str, bars: Bars) -> Sampler:
    return make(bars, begin, last)


def sources() -> Iterator[tuple[str, Bars, int]]:
    """Bars of one symbol, and its tick."""
    if spec := find_spec("backtesting"):
        folder = Path(next(iter(spec.submodule_search_locations or ()))) / "test"
        goog = read_bars({"GOOG": folder / "GOOG.csv"}, tick=ONE // 100, rounding="nearest")
        yield "GOOG", goog, ONE // 100
        yield "GOOG, halves swapped", swapped(goog), ONE // 100
        yield (
            "EURUSD",
            read_bars({"EURUSD": folder / "EURUSD.csv"}, tick=ONE // 10**5, rounding="nearest"),
            ONE // 10**5,
        )
    else:
        print("backtesting is not installed: no calibration on GOOG and EURUSD")
    for seed in (0, 1):
        yield f"generated, seed {seed}", generate(["A"], 4000, seed), ONE // 100


def swapped(bars: Bars) -> Bars:
    """The later half first; its prices end where the earlier half's begin."""
    half, (symbol,) = len(bars) // 2, bars.symbols
    *prices, volume = (list(bars.column(symbol, name)) for name in FIELDS)
    up, down = prices[3][0], prices[3][-1]
    columns = [[round(price * up / down / CENT) * CENT for price in one[half:]] + one[:half] for one in prices]
    return Bars.of(bars.times, {symbol: [*columns, volume[half:] + volume[:half]]})


def main() -> None:
    rows = list(speed(load_policy(POLICY)))
    head = ("plan", "sampler", "wall s", "CPU s", "bulk us a future", "world us a future", "ratio")
    table("10,000 futures of 50 bars, two symbols, four limits", head, rows)
    head = ("bars", "horizon", "windows", "sampler", "0.01", "0.05", "0.1", "0.25")
    table("Part of the windows beyond a limit with that predicted rate (< cautious, > bold)", head, calibration())
    if any(max(wall, cpu) > LIMIT for _, _, wall, cpu, *_ in rows):
        sys.exit("over the limit")


if __name__ == "__main__":
    main()

"""What assessing a plan over many futures costs, and whether what it predicts comes true.

    python bench/risk.py

Speed: 10,000 futures of 50 bars for a plan of two symbols, in wall and CPU seconds of one process with one thread; the
peer is the world's own step, future by future, over the same bars (a sample of them, scaled). Limit: 2 seconds of each.

Calibration: samplers are given the first half of some bars; limits on the drawdown are set at which they predict a
breach rate alpha; the rate in windows of the second half is what was observed. The interval is of windows that do not
overlap. For GOOG, the daily data that backtesting.py ships, the halves are taken the other way round as well. The files
under examples/bars are made by the generator.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import gc
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import table

from worldgate.gate.policy import Policy, load_policy
from worldgate.trading.inputs import Market
from worldgate.trading.risk.assess import assess
from worldgate.trading.risk.calibrate import calibrate, parted
from worldgate.trading.risk.plan import load_risk_plan
from worldgate.trading.risk.play import Futures, alone, play
from worldgate.trading.risk.run import opened, sampler_of
from worldgate.trading.risk.settings import Risk
from worldgate.worlds.market import ONE
from worldgate.worlds.market.bars import Bars, read_bars

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
        for sampler in ("bootstrap", "generator"):
            risk = Risk(sampler=sampler)  # type: ignore[arg-type]
            source = sampler_of(state, bars, risk)
            wall, cpu = timed(partial(assess, state, plan, policy, risk, source))
            futures = Futures.of(state, source, 4096, plan.steps, 1)
            walks = [list(plan.walk(futures.ticks(at))) for at in range(100)]
            one = timed(partial(list, (alone(state, walk, limits, PURSE) for walk in walks)), 1)[1] / len(walks)
            bulk = timed(partial(play, state, plan, futures, limits, PURSE))[1] / futures.n
            yield name, sampler, wall, cpu, 1e6 * bulk, 1e6 * one, one / bulk


def calibration() -> Iterator[tuple[Any, ...]]:
    for source, first, rest, symbol in sources():
        state = opened(Market(cash=Decimal(10_000)), first)
        close = state.get("bar", (symbol,)).close
        for steps in (5, 20):
            plan = load_risk_plan(f"[buy {9_000 * ONE // close} {symbol}, tick {steps}]", steps)
            for name in ("bootstrap", "generator"):
                sampler = sampler_of(state, first, Risk(sampler=name), (symbol,))  # type: ignore[arg-type]
                for row in calibrate(state, plan, sampler, rest, PURSE):
                    observed = f"{row.observed} of {row.windows}"
                    apart = f"{row.beyond} of {row.disjoint}"
                    held = f"{row.low} to {row.high}"
                    yield source, steps, name, row.limit, row.predicted, observed, apart, held, row.verdict


def sources() -> Iterator[tuple[str, Bars, Bars, str]]:
    """Bars to learn from, bars to watch, and the symbol to buy."""
    for name in ("daily", "hourly"):
        yield f"{name}.csv, ALFA", *parted(read_bars(ROOT / f"examples/bars/{name}.csv"), Fraction(1, 2)), "ALFA"
    if spec := find_spec("backtesting"):
        goog = Path(next(iter(spec.submodule_search_locations or ()))) / "test" / "GOOG.csv"
        early, late = parted(read_bars({"GOOG": goog}, tick=ONE // 100, rounding="nearest"), Fraction(1, 2))
        yield "GOOG, late after early", early, late, "GOOG"
        yield "GOOG, early after late", late, early, "GOOG"
    else:
        print("backtesting is not installed: no calibration on GOOG")


def main() -> None:
    rows = list(speed(load_policy(POLICY)))
    head = ("plan", "sampler", "wall s", "CPU s", "bulk us a future", "world us a future", "ratio")
    table("10,000 futures of 50 bars, two symbols, four limits", head, rows)
    head = ("bars", "horizon", "sampler", "drawdown limit", "predicted", "observed, all windows", "disjoint",
            "95 % interval", "verdict")  # fmt: skip
    table("Predicted and observed rates of a breach", head, calibration())
    if any(max(wall, cpu) > LIMIT for _, _, wall, cpu, *_ in rows):
        sys.exit("over the limit")


if __name__ == "__main__":
    main()

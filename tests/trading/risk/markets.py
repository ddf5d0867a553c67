"""Markets in the middle of things, plans for them, and futures that try hard."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

from worldgate.facts import State
from worldgate.trading.risk.futures import Calendar, Start, starts
from worldgate.worlds.market import ONE, MarketWorld
from worldgate.worlds.market.actions import Place, Transfer
from worldgate.worlds.market.drivers import DRIVERS
from worldgate.worlds.market.properties import facts_of

WORLD = MarketWorld()


def begun(seed: int, steps: int = 40) -> State:
    """A market with several accounts and currencies, with positions and orders; every symbol has had a bar."""
    random, state = Random(seed), WORLD.initial(seed)
    driver = DRIVERS[("everyday", "turns", "adversarial")[seed % 3]]
    while steps > 0 or len(facts_of(state, "bar")[0]) < 4:
        state = WORLD.step(state, WORLD.parse(driver(state, random))).state
        steps -= 1
    return state


def planned(state: State, seed: int, length: int) -> str:
    """A plan of orders, cancels, transfers and bars. Some of it is refused, in some futures or in all."""
    random, texts = Random(seed), []
    drivers = [DRIVERS["everyday"], DRIVERS["turns"], DRIVERS["adversarial"]]
    while len(texts) < length:
        text = random.choice(drivers)(state, random)
        texts.append(f"tick {random.randint(1, 4)}" if text.startswith("tick") else text)
        chance = random.random()
        if chance < 0.2:
            texts.append(str(Transfer(random.choice(("deposit", "withdraw")), random.randint(1, 9000) * ONE, "USD")))
        elif chance < 0.4:
            texts.append(f"cancel {random.randint(1, 40)} account {random.choice(('main', 'alice'))}")
        elif chance < 0.5:
            texts.append(str(Place("sell", random.randint(1, 300) * ONE, "ACME", tif="day", account="alice")))
    return "\n".join(f"- {text}" for text in [*texts, "tick 2"])


class Wild:
    """Bars that jump, gap and hardly trade; of all symbols of a market, or of some."""

    name = "wild"

    def __init__(self, state: State, without: str = "", size: int = 1) -> None:
        (instruments,) = facts_of(state, "instrument")
        self.starts: dict[str, Start] = starts(state, [symbol for (symbol,) in instruments if symbol != without])
        self.lots = {symbol: state.get("instrument", (symbol,)).lot for symbol in self.starts}
        self.last, self.size = state.get("time", ()), size

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.starts)

    def times(self, steps: int) -> list[str]:
        return Calendar.of(("2024-01-01T00:00:00Z", "2024-01-01T07:00:00Z"), self.last).times(steps)

    def paths(self, n: int, steps: int, seed: int) -> Mapping[str, Any]:
        random = np.random.default_rng(seed)
        found = {}
        for symbol, start in self.starts.items():
            closes = start.close * self.size * np.exp(np.cumsum(random.normal(0, 0.05, (n, steps)), axis=1))
            opens = closes * np.exp(random.normal(0, 0.03, (n, steps)))
            prices = np.stack([opens, np.maximum(opens, closes), np.minimum(opens, closes), closes])
            prices[1] *= random.choice([1.0, 1.02], (n, steps))
            prices[2] *= random.choice([1.0, 0.98], (n, steps))
            ticks = np.maximum(np.rint(prices / start.tick), 1).astype(np.int64)
            volume = random.choice([0, 10, 200, 50_000], (n, steps)) * self.lots[symbol]
            found[symbol] = np.stack([*(ticks * start.tick), volume])
        return found

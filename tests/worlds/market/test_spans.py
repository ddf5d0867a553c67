"""Many bars at once: exactly what stepping through them one by one leads to, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.facts import Delta, State, compose
from worldgate.worlds.check import walk
from worldgate.worlds.market import LIVE, ONE, Bar, Cancel, Tick, instant
from worldgate.worlds.market.spans import Columns, passed, sound
from worldgate.worlds.market.units import MOST

from .markets import WORLD, flat, holds, market, run

SEEDS = st.integers(0, 10**6)
DRIVERS = st.sampled_from(sorted(WORLD.drivers))
A = {"A": [[100 * ONE], [101 * ONE], [99 * ONE], [100 * ONE], [5 * ONE]]}


def walked(driver: str, seed: int, *, rest: bool) -> State:
    """The end of a random walk; with `rest`, without working orders, after a tick or right after the cancels."""
    *_, (_, _, last) = walk(WORLD, driver, seed, 60)
    state = last.state
    for _, (account, id_), order in list(state.facts("order")) if rest else ():
        if order.status in LIVE:
            state = WORLD.step(state, Cancel(id_, account)).state
    return state


def stretch(state: State, random: Random, count: int) -> tuple[list[str], dict[str, Columns]]:
    """Bars of some of the symbols at times from hours to days apart."""
    moment = instant(state.get("time", ()) or "2024-01-02T09:00:00Z")
    times = []
    for _ in range(count):
        moment += random.choice((timedelta(hours=1), timedelta(hours=1), timedelta(hours=15), timedelta(days=3)))
        times.append(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    symbols = [symbol for _, (symbol,), _ in state.facts("instrument") if random.random() < 0.75] or ["ACME"]
    return times, {symbol: _columns(state, random, symbol, count) for symbol in symbols}


def _columns(state: State, random: Random, symbol: str, count: int) -> Columns:
    tick, bar = state.get("instrument", (symbol,)).tick, state.get("bar", (symbol,))
    at = bar.close // tick if bar else 4_000
    rows = []
    for _ in range(count):
        opened, at = (max(at + random.randint(-at // 9, at // 9), 2) for _ in range(2))
        high, low = max(opened, at) + random.randint(0, 9), max(min(opened, at) - random.randint(0, 9), 1)
        rows.append((opened * tick, high * tick, low * tick, at * tick, random.randint(0, 1000) * ONE))
    return [list(column) for column in zip(*rows, strict=True)]


class Taken(NamedTuple):
    """Bars taken one way or the other: the state after them, the net delta, and every fill with its order, in turn."""

    state: State
    delta: Delta
    fills: list[Any]


def folded(state: State, times: Sequence[str], columns: dict[str, Columns]) -> Taken | None:
    """`step` over the bars; None when one is refused."""
    deltas, fills = [], []
    for at, time in enumerate(times):
        bars = tuple((symbol, Bar(time, *(column[at] for column in each))) for symbol, each in columns.items())
        moved = WORLD.step(state, Tick(time, bars))
        if not moved.observation["ok"]:
            return None
        state = moved.state
        keys = [(seen["account"], seen["order"]) for seen in moved.observation.get("fills", ())]
        fills += [(key, state.get("fill", key)) for key in keys]
        deltas.append(moved.delta)
    return Taken(state, compose(*deltas), fills)


def together(state: State, times: Sequence[str], columns: dict[str, Columns]) -> Taken | None:
    """`passed`, until all of the bars are taken."""
    deltas, fills, at = [], [], 0
    while at < len(times):
        moved = passed(state, times, columns, at)
        if moved is None:
            return None
        assert moved.bars == len(times) - at or any(order.status in LIVE for _, _, order in moved.state.facts("order"))
        holds(moved.state)
        assert state.apply(moved.delta) == moved.state
        state, at = moved.state, at + moved.bars
        deltas.append(moved.delta)
        fills += moved.fills.items()
    return Taken(state, compose(*deltas), fills)


def assert_as_stepped(state: State, times: Sequence[str], columns: dict[str, Columns]) -> bool:
    """`passed` and the fold agree to the last fact and fill; whether they took the bars."""
    found, wanted = together(state, times, columns), folded(state, times, columns)
    assert (found is None) == (wanted is None)
    if found is None or wanted is None:
        return False
    assert found == wanted
    assert found.state.fingerprint == wanted.state.fingerprint
    return True


@settings(max_examples=50, deadline=None)
@given(DRIVERS, SEEDS, st.integers(1, 25), st.booleans())
def test_it_is_step_folded(driver: str, seed: int, count: int, rest: bool) -> None:
    state = walked(driver, seed, rest=rest)
    times, columns = stretch(state, Random(seed), count)
    assert assert_as_stepped(state, times, columns)
    after = together(state, times, columns).state
    more, further = stretch(after, Random(seed + 1), 3)
    assert assert_as_stepped(after, more, further), "and once more from there"


def test_a_fill_and_the_bars_after_it_are_passed_at_once() -> None:
    """Bought at 10, the best at 90, sold at nothing: one delta without the order and its fill, which it tells of."""
    state, _ = run(market(), flat(1, "10"), "buy 10 A")
    prices = [ONE * price for price in (10, 90, 40)]
    times, columns = ["2024-01-02", "2024-01-03", "2024-01-04"], {"A": [*[list(prices)] * 4, [0, 0, 0]]}
    found = passed(state, times, columns)
    assert (found.bars, len(found.fills)) == (3, 1)
    assert {edit.relation for edit in found.delta} & {"order", "fill"} == {"order"}
    assert found.state.get("book", ("main", "USD")).peak == 1800 * ONE
    assert assert_as_stepped(state, times, columns)


def test_the_walks_have_everything_that_matters() -> None:
    """Long and short, several accounts and currencies, ended orders and fills, a fall below the peak, a new day."""
    seen = set()
    for driver in WORLD.drivers:
        for seed in range(16):
            state = walked(driver, seed, rest=True)
            seen |= {("long", of[0]) for _, of, held in state.facts("position") if held.quantity > 0}
            seen |= {("short", of[0]) for _, of, held in state.facts("position") if held.quantity < 0}
            seen |= {("order", order.status) for _, _, order in state.facts("order")}
            seen |= {("traded", of[1]) for _, of, book in state.facts("book") if book.traded}
            seen |= {("fallen", of[1]) for _, of, book in state.facts("book") if book.peak > book.equity}
            seen |= {("fill", True)} if state.select("fill") else set()
    wanted = {("long", "main"), ("long", "alice"), ("short", "alice"), ("fill", True)}
    wanted |= {("order", status) for status in ("filled", "cancelled")}
    wanted |= {(what, currency) for what in ("traded", "fallen") for currency in ("USD", "EUR")}
    assert wanted <= seen


def test_a_peak_within_the_stretch_stays() -> None:
    state, _ = run(market(), flat(1, "10"), "buy 10 A", flat(2, "10"), flat(3, "10"))
    prices = [ONE * price for price in (10, 90, 40)]
    columns = {"A": [*[list(prices)] * 4, [0, 0, 0]]}
    assert assert_as_stepped(state, ["2024-01-04", "2024-01-05", "2024-01-06"], columns)
    book = passed(state, ["2024-01-04", "2024-01-05", "2024-01-06"], columns).state.get("book", ("main", "USD"))
    assert (book.peak, book.equity) == (1800 * ONE, 1300 * ONE)


@pytest.mark.parametrize(
    ("times", "traded"),
    [
        (["2024-01-02T11:00:00Z", "2024-01-02T12:00:00Z"], 100),
        (["2024-01-02T11:00:00Z", "2024-01-03T12:00:00Z"], 0),
        (["2024-01-03T11:00:00+23:00", "2024-01-02T13:00:00Z"], 0),
        pytest.param(
            ["2024-01-02T11:00:00Z", "2024-01-03T11:30:00+23:00", "2024-01-02T13:00:00Z"],
            0,
        ),
    ],
    ids=["same day", "next day", "another day and back, by offsets", "the same day, another, and back"],
)
def test_turnover_is_of_the_day(times: list[str], traded: int) -> None:
    start = market()
    start, _ = run(start, "tick 2024-01-02T08:00:00Z A 10 10 10 10 1000", "buy 10 A")
    start, _ = run(start, "tick 2024-01-02T10:00:00Z A 10 10 10 10 1000")
    assert start.get("book", ("main", "USD")).traded == 100 * ONE
    columns = {"A": [[10 * ONE] * len(times)] * 4 + [[0] * len(times)]}
    assert assert_as_stepped(start, times, columns)
    assert passed(start, times, columns).state.get("book", ("main", "USD")).traded == traded * ONE


# --- what it leaves to `step` ---------------------------------------------------------------------


def spoilt(random: Random, times: list[str], columns: dict[str, Columns]) -> Iterator[str]:
    """Spoil one thing, in place; what it was."""
    at, each = random.randrange(len(times)), columns[random.choice(list(columns))]
    opened, high, low, close, volume = each
    changes = {
        "off the tick": lambda: close.__setitem__(at, close[at] + 1),
        "low above open": lambda: low.__setitem__(at, opened[at] + 10**6),
        "high below close": lambda: high.__setitem__(at, close[at] - 10**6),
        "no price": lambda: [column.__setitem__(at, 0) for column in each],
        "negative": lambda: [column.__setitem__(at, -ONE) for column in each],
        "negative volume": lambda: volume.__setitem__(at, -1),
        "too high": lambda: high.__setitem__(at, MOST + ONE),
        "too much": lambda: volume.__setitem__(at, MOST + 1),
        "a float": lambda: close.__setitem__(at, float(close[at])),
        "a bool": lambda: volume.__setitem__(at, True),
        "unknown": lambda: columns.__setitem__("NONE", [list(column) for column in each]),
        "no time": lambda: times.__setitem__(at, "soon"),
        "no such day": lambda: times.__setitem__(at, "2024-02-30"),
        "a time again": lambda: times.__setitem__(at, times[at - 1] if at else "2000-01-01"),
    }
    for name in changes:
        saved = [[list(column) for column in one] for one in columns.values()], list(times)
        changes[name]()
        yield name
        columns.pop("NONE", None)
        for one, old in zip(columns.values(), saved[0], strict=True):
            for column, values in zip(one, old, strict=True):
                column[:] = values
        times[:] = saved[1]


@settings(max_examples=15, deadline=None)
@given(DRIVERS, SEEDS, st.integers(1, 6))
def test_a_bar_that_step_refuses_is_not_passed(driver: str, seed: int, count: int) -> None:
    state, random = walked(driver, seed, rest=True), Random(seed)
    times, columns = stretch(state, random, count)
    names = []
    for name in spoilt(random, times, columns):
        assert not assert_as_stepped(state, times, columns), name
        names.append(name)
    assert len(names) == 14
    assert assert_as_stepped(state, times, columns), "unspoilt again"


@settings(max_examples=15, deadline=None)
@given(DRIVERS, SEEDS, st.integers(2, 12))
def test_what_is_sound_as_a_whole_may_be_passed_in_parts(driver: str, seed: int, count: int) -> None:
    state, random = walked(driver, seed, rest=True), Random(seed)
    times, columns = stretch(state, random, count)
    assert sound(state, times, columns)
    assert sound(walked(driver, seed, rest=False), times, columns), "whatever is on order"
    whole, at, parted = passed(state, times, columns).state, 0, state
    while at < count:
        upto = min(at + random.randint(1, 3), count)
        part = {symbol: [column[at:upto] for column in each] for symbol, each in columns.items()}
        parted = passed(parted, times[at:upto], part, checked=True).state
        at = upto
    assert parted == whole
    for name in spoilt(random, times, columns):
        assert not sound(state, times, columns), name


def test_while_an_order_is_live_bars_are_passed_one_by_one() -> None:
    state, _ = run(market(), flat(1, "100"), "buy 1 A limit 99")
    times, columns = ["2024-01-02", "2024-01-03", "2024-01-04"], {"A": [[100 * ONE] * 3] * 4 + [[0] * 3]}
    found = passed(state, times, columns)
    assert found.bars == 1
    assert passed(found.state, times, columns, 1).bars == 1
    state, _ = run(state, "cancel 1")
    assert passed(state, times, columns).bars == 3
    assert assert_as_stepped(state, times, columns)


def test_no_bars_are_not_passed() -> None:
    state, _ = run(market(), flat(1, "100"))
    assert passed(state, ["2024-01-02"], {}) is None
    assert WORLD.step(state, Tick("2024-01-02", ())).observation["refused"]["number"] == "WG246"

"""Many bars at once, while nothing is on order: what stepping through them one by one leads to.

`passed` is `step` folded over a stretch of ticks, for a state without live orders. Positions then stay as they are,
and only marks, peaks and the clock move: a stretch costs a few passes over its columns and one delta. What it cannot
take (an order, a bar that `step` would refuse) it leaves to `step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import le, lt

from ...facts import Draft, State
from ..contract import Outside, Transition, transition
from .actions import instant
from .schema import LIVE, Bar, Book, Instrument, Position
from .units import MOST, ONE
from .valuation import mark, moved

Columns = Sequence[Sequence[int]]
"""Open, high, low, close and volume of one symbol, an int for each time."""


def passed(state: State, times: Sequence[str], columns: Mapping[str, Columns]) -> Transition | None:
    """The transition over these bars, one of each symbol at each time; None where only `step` can say."""
    draft = Draft(state)
    orders = draft.select("order")
    if any(order.status in LIVE for order in orders.values()) or not _ascend(draft.get("time", ()), times):
        return None
    instruments: dict[str, Instrument] = {symbol: draft.get("instrument", (symbol,)) for symbol in columns}
    if not all(one and _well_formed(columns[symbol], one.tick) for symbol, one in instruments.items()):
        return None
    day = times[-1][:10]
    for account, currency in sorted(draft.select("cash")):
        before: Book = draft.get("book", (account, currency)) or Book()
        after, path = before, []
        for symbol, instrument in instruments.items():
            if instrument.currency != currency:
                continue
            held: Position | None = draft.get("position", (account, symbol))
            if held and held.quantity:
                last, closes = draft.get("bar", (symbol,)).close, columns[symbol][3]
                marks = [mark(held, instrument.margin, close) for close in (last, closes[-1])]
                after = moved(after, marks[0], marks[1])
                path.append([held.quantity * (close - last) // ONE for close in closes])
        gains = path[0] if len(path) == 1 else [*map(sum, zip(*path, strict=True))] or [0]
        traded = before.traded if day == times[0][:10] == before.day else 0
        peak = max(before.peak, before.equity + max(gains))
        draft.set("book", (account, currency), after._replace(peak=peak, traded=traded, day=day))
    draft.write(("order", key, None) for key in sorted(orders))
    draft.write(("fill", key, None) for key in sorted(draft.select("fill")))
    draft.write((("clock", (), (draft.get("clock", ()) or 0) + len(times)), ("time", (), times[-1])))
    draft.write(("bar", (symbol,), Bar(times[-1], *(one[-1] for one in each))) for symbol, each in columns.items())
    return transition(draft, {"ok": True, "time": times[-1], "bars": len(times)})


def _ascend(last: str | None, times: Sequence[str]) -> bool:
    """Whether these are times, each after the one before."""
    try:
        moments = [instant(time) for time in (times if last is None else (last, *times))]
    except Outside:
        return False
    return all(map(lt, moments, moments[1:]))


def _well_formed(columns: Columns, tick: int) -> bool:
    """Whether a tick with each of these bars would be taken; a few C loops instead of a check a bar."""
    opens, highs, lows, closes, volumes = columns
    kinds = {type(value) for column in columns for value in column}
    in_order = (map(le, lows, opens), map(le, opens, highs), map(le, lows, closes), map(le, closes, highs))
    return (
        kinds == {int}
        and min(lows) > 0
        and max(highs) <= MOST
        and min(volumes) >= 0
        and max(volumes) <= MOST
        and all(map(all, in_order))
        and not any(price % tick for column in (opens, highs, lows, closes) for price in column)
    )

"""Many bars at once, while nothing is on order: what stepping through them one by one leads to.

`passed` is `step` folded over a stretch of ticks, for a state without live orders. Positions then stay as they are,
and only marks, peaks and the clock move: a stretch costs a few passes over its columns and one delta. What it cannot
take (an order, a bar that `step` would refuse) it leaves to `step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import le, mod
from typing import Any

from ...facts import Draft, State
from ..contract import Outside, Transition, transition
from .actions import instant
from .schema import LIVE, Bar, Book, Instrument, Position
from .units import MOST, ONE
from .valuation import mark, moved

Columns = Sequence[Sequence[int]]
"""Open, high, low, close and volume of one symbol, an int for each time."""


def sound(known: State | Draft, times: Sequence[str], columns: Mapping[str, Columns]) -> bool:
    """Whether `step` would take these bars, one after the other, were they the next."""
    if not columns or not _ascend(known.get("time", ()), times):
        return False
    instruments = {symbol: known.get("instrument", (symbol,)) for symbol in columns}
    return all(one and _well_formed(columns[symbol], one.tick) for symbol, one in instruments.items())


def passed(
    state: State, times: Sequence[str], columns: Mapping[str, Columns], *, checked: bool = False
) -> Transition | None:
    """The transition over these bars, one of each symbol at each time; None where only `step` can say.

    With `checked` they are known to be `sound`, as a part of a longer stretch that is.
    """
    draft = Draft(state)
    orders = draft.select("order")
    if any(order.status in LIVE for order in orders.values()) or not (checked or sound(draft, times, columns)):
        return None
    time, day = times[-1], times[-1][:10]
    one_day = times[0][:10] == day and all(one[:10] == day for one in times)
    writes: list[tuple[str, Any, Any]] = []
    for account, currency in sorted(draft.select("cash")):
        purse = (account, currency)
        before: Book = draft.get("book", purse) or Book()
        after, gain = _marked(draft, account, currency, before, columns)
        traded = before.traded if before.day == day and one_day else 0
        writes.append(("book", purse, Book._make((*after[:10], traded, max(before.peak, before.equity + gain), day))))
    writes += [("order", key, None) for key in sorted(orders)]
    writes += [("fill", key, None) for key in sorted(draft.select("fill"))]
    writes += [("clock", (), (draft.get("clock", ()) or 0) + len(times)), ("time", (), time)]
    writes += [("bar", (symbol,), Bar(time, *[column[-1] for column in each])) for symbol, each in columns.items()]
    draft.write(writes)
    return transition(draft, {"ok": True, "time": time, "bars": len(times)})


def _marked(draft: Draft, account: Any, currency: Any, book: Book, columns: Mapping[str, Columns]) -> tuple[Book, int]:
    """The book at the last closes, and how much more than now its equity was at the best of all."""
    changes: list[tuple[int, int, Sequence[int]]] = []
    for symbol, each in columns.items():
        instrument: Instrument = draft.get("instrument", (symbol,))
        if instrument.currency != currency:
            continue
        held: Position | None = draft.get("position", (account, symbol))
        if held and held.quantity:
            last, closes = draft.get("bar", (symbol,)).close, each[3]
            book = moved(book, mark(held, instrument.margin, last), mark(held, instrument.margin, closes[-1]))
            changes.append((held.quantity, last, closes))
    if len(changes) == 1:
        ((quantity, last, closes),) = changes
        return book, quantity * ((max if quantity > 0 else min)(closes) - last) // ONE
    paths = [[quantity * (close - last) // ONE for close in closes] for quantity, last, closes in changes]
    return book, max(map(sum, zip(*paths, strict=True)), default=0)


def _ascend(last: str | None, times: Sequence[str]) -> bool:
    """Whether these are times, each after the one before."""
    try:
        before = None if last is None else instant(last)
        for time in times:
            now = instant(time)
            if before is not None and now <= before:
                return False
            before = now
    except Outside:
        return False
    return True


def _well_formed(columns: Columns, tick: int) -> bool:
    """Whether a tick with each of these bars would be taken; a few C loops instead of a check a bar."""
    opens, highs, lows, closes, volumes = columns
    in_order = (map(le, lows, opens), map(le, opens, highs), map(le, lows, closes), map(le, closes, highs))
    return (
        all(set(map(type, column)) == {int} for column in columns)
        and min(lows) > 0
        and max(highs) <= MOST
        and min(volumes) >= 0
        and max(volumes) <= MOST
        and all(map(all, in_order))
        and not any(any(map(mod, column, repeat(tick))) for column in (opens, highs, lows, closes))
    )

"""Many bars at once: what stepping through them one by one leads to.

`passed` is `step` folded over bars up to the first after which no order is live, and from there over all the rest, of
which each moves only prices, marks and peaks: a stretch costs a pass over the closes of what is held, and one delta.
What it cannot take (a bar that `step` would refuse) it leaves to `step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice, repeat
from operator import le, lt, mod
from typing import NamedTuple

from ...facts import Delta, Draft, State
from ..contract import Outside
from .actions import instant
from .schema import Bar, Fill
from .ticks import Columns, Later, Moment, Numbered
from .units import MOST

_ZEROS = str.maketrans("123456789", "0" * 9)
_MANY = 4096
_SHAPES = ("0000-00-00", "0000-00-00T00:00:00Z", "0000-00-00T00:00:00.000000Z")


class Passed(NamedTuple):
    """The state after so many bars, the edits that lead there, and the fills of the first: the rest had none."""

    state: State
    delta: Delta
    bars: int
    fills: Mapping[Numbered, Fill]


def sound(known: State | Draft, times: Sequence[str], columns: Mapping[str, Columns]) -> bool:
    """Whether `step` would take these bars, one after the other, were they the next."""
    if not columns or not times or not _ascend(known.get("time", ()), times):
        return False
    instruments = {symbol: known.get("instrument", (symbol,)) for symbol in columns}
    return all(one and _well_formed(columns[symbol], one.tick) for symbol, one in instruments.items())


def passed(
    state: State,
    times: Sequence[str],
    columns: Mapping[str, Columns],
    start: int = 0,
    end: int | None = None,
    *,
    checked: bool = False,
) -> Passed | None:
    """Over the bars from `start` to `end`, one of each symbol at each time: over all of them, or over the first where
    orders are live after it. None where only `step` can say.

    With `checked` they are known to be `sound`, as a part of a longer stretch that is.
    """
    end = len(times) if end is None else end
    if not checked and not sound(state, times[start:end], _part(columns, start, end)):
        return None
    draft, time = Draft(state), times[start]
    bars = {symbol: Bar(time, *[column[start] for column in each]) for symbol, each in columns.items()}
    moment = Moment(draft, time, bars)
    last = moment.meet() or end == start + 1
    draft.write(moment.settled(None if last else Later(times, columns, start + 1, end)))
    return Passed(draft.now(), tuple(draft.edits), 1 if last else end - start, moment.fills)


def _part(columns: Mapping[str, Columns], start: int, end: int) -> dict[str, Columns]:
    return {symbol: [column[start:end] for column in each] for symbol, each in columns.items()}


def _ascend(last: str | None, times: Sequence[str]) -> bool:
    """Whether these are times, each after the one before."""
    try:
        if _alike(times):  # so that their texts sort as the moments do
            return (last is None or instant(last) < instant(times[0])) and all(map(lt, times, islice(times, 1, None)))
        before = None if last is None else instant(last)
        for time in times:
            now = instant(time)
            if before is not None and now <= before:
                return False
            before = now
    except Outside:
        return False
    return True


def _alike(times: Sequence[str]) -> bool:
    """Whether these are times of one canonical shape, looked at many at once; raises `Outside` for one that is none."""
    shape = times[0].translate(_ZEROS)
    if shape not in _SHAPES or set(map(len, times)) != {len(shape)}:
        return False
    for at in range(0, len(times), _MANY):
        part = times[at : at + _MANY]
        if "".join(part).translate(_ZEROS) != shape * len(part):
            return False
    try:
        for _ in map(datetime.fromisoformat, times):
            pass
    except ValueError as error:
        raise Outside(f"{error!s:.80}", "a date, or a date and time as RFC 3339 writes it") from error
    return True


def _of_ints(column: Sequence[int]) -> bool:
    packed = type(column) is memoryview and column.format == "q"
    return packed or set(map(type, column)) == {int}


def _well_formed(columns: Columns, tick: int) -> bool:
    """Whether a tick with each of these bars would be taken; a few C loops instead of a check a bar."""
    opens, highs, lows, closes, volumes = columns
    in_order = (map(le, lows, opens), map(le, opens, highs), map(le, lows, closes), map(le, closes, highs))
    return (
        all(map(_of_ints, columns))
        and min(lows) > 0
        and max(highs) <= MOST
        and min(volumes) >= 0
        and max(volumes) <= MOST
        and all(map(all, in_order))
        and not any(any(map(mod, column, repeat(tick))) for column in (opens, highs, lows, closes))
    )

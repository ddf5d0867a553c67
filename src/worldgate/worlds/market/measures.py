"""What a policy can limit in a market: exact values derived from a state.

Money and quantities are ints in hundred-millionths; ratios are Fractions of 1. Exposures are worst
case: what is held, and what working orders would add, at the latest close or their own price where that
is higher. A ratio over equity takes an equity of nothing or less as the smallest amount there
is, so that no limit is passed by having lost everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from ...facts import Key, State
from ..contract import Measure
from .schema import LIVE, Book, Order, Position
from .units import ONE
from .valuation import Mark, mark, worst_value

Value = int | Fraction | None


def _of_book(value: Callable[[Book], Value]) -> Callable[[State, Key], Value]:
    def measured(state: State, key: Key) -> Value:
        book: Book | None = state.get("book", key)
        return None if book is None else value(book)

    return measured


def _over(amount: int, equity: int) -> Fraction:
    return Fraction(amount, max(equity, 1))


def _gross(book: Book) -> int:
    return book.long + book.short + book.working


def _drawdown(book: Book) -> Fraction:
    return Fraction(book.peak - book.equity, max(book.peak, 1))


def _cash(state: State, key: Key) -> Value:
    book: Book | None = state.get("book", key)
    return None if book is None else (state.get("cash", key) or 0) - book.buying - book.due


def _mark(state: State, key: Key) -> Mark | None:
    position: Position | None = state.get("position", key)
    if position is None:
        return None
    return mark(position, state.get("instrument", key[1:]).margin, state.get("bar", key[1:]).close)


def _position_value(state: State, key: Key) -> int | None:
    found = _mark(state, key)
    return None if found is None else found[0] + found[1] + found[5]


def _position_share(state: State, key: Key) -> Value:
    value = _position_value(state, key)
    if value is None:
        return None
    return _over(value, state.get("book", (key[0], state.get("instrument", key[1:]).currency)).equity)


def _of_order(value: Callable[[Order, int], Value]) -> Callable[[State, Key], Value]:
    def measured(state: State, key: Key) -> Value:
        order: Order | None = state.get("order", key)
        if order is None or order.status not in LIVE:
            return None
        return value(order, state.get("bar", (order.symbol,)).close)

    return measured


def _deviation(order: Order, close: int) -> Value:
    return Fraction(abs(order.price - close), close) if order.price else None


def _opens_no_more(before: State, after: State, key: Key) -> bool:
    old, new = before.get("book", key), after.get("book", key)
    return new is None or new.opening <= (old.opening if old else 0)


def _pays_for_itself(before: State, after: State, key: Key) -> bool:
    """Whether nothing more is opened, at commissions that are no more than what is traded for them."""
    old, new = before.get("book", key), after.get("book", key)
    if old is None or new is None:
        return new is None
    trades = new.buying + new.selling - old.buying - old.selling
    return bool(new.opening <= old.opening and new.due - old.due <= max(trades, 0))


def _opens_no_more_of_it(before: State, after: State, key: Key) -> bool:
    old, new = _mark(before, key), _mark(after, key)
    return new is None or new[4] <= (old[4] if old else 0)


def _measure(number: str, relation: str, unit: str, about: str, value: Any, eases: Any = None) -> Measure:
    return Measure(number, relation, unit, about, value, 1 if unit == "ratio" else ONE, eases)


MEASURES: Mapping[str, Measure] = {
    "cash": _measure(
        "WG450",
        "book",
        "money",
        "cash left if every working buy fills and all commissions are paid",
        _cash,
        _pays_for_itself,
    ),
    "equity": _measure(
        "WG451",
        "book",
        "money",
        "cash and holdings at the latest closes, less the commissions of working orders",
        _of_book(lambda b: b.equity - b.due),
        _pays_for_itself,
    ),
    "leverage": _measure(
        "WG452",
        "book",
        "ratio",
        "gross exposure over equity",
        _of_book(lambda b: _over(_gross(b), b.equity)),
        _opens_no_more,
    ),
    "gross_exposure": _measure(
        "WG453", "book", "money", "long and short holdings together", _of_book(_gross), _opens_no_more
    ),
    "net_long": _measure(
        "WG454",
        "book",
        "money",
        "long less short, if every working buy fills",
        _of_book(lambda b: b.long - b.short + b.buying),
    ),
    "net_short": _measure(
        "WG464",
        "book",
        "money",
        "short less long, if every working sell fills",
        _of_book(lambda b: b.short - b.long + b.selling),
    ),
    "position_value": _measure(
        "WG455", "position", "money", "exposure in one symbol", _position_value, _opens_no_more_of_it
    ),
    "position_share": _measure(
        "WG456", "position", "ratio", "exposure in one symbol over equity", _position_share, _opens_no_more_of_it
    ),
    "order_quantity": _measure(
        "WG457", "order", "quantity", "what is left of a working order", _of_order(lambda o, _: o.quantity - o.filled)
    ),
    "order_value": _measure(
        "WG458", "order", "money", "value of what is left of a working order", _of_order(worst_value)
    ),
    "turnover": _measure(
        "WG459",
        "book",
        "ratio",
        "filled today and working, over equity",
        _of_book(lambda b: _over(b.traded + b.buying + b.selling, b.equity)),
        _opens_no_more,
    ),
    "drawdown": _measure(
        "WG460",
        "book",
        "ratio",
        "loss since the highest equity, as a part of it",
        _of_book(_drawdown),
        _opens_no_more,
    ),
    "price_deviation": _measure(
        "WG461", "order", "ratio", "distance of a limit or stop price from the close", _of_order(_deviation)
    ),
    "opening": _measure(
        "WG462", "book", "money", "value of working orders that open or extend something", _of_book(lambda b: b.opening)
    ),
}

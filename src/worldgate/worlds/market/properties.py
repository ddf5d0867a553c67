"""What holds in every state of a market, computed from scratch from the facts.

Nothing here uses the incremental valuation or the rules: a book is recomputed from cash, positions,
orders and bars; the journal, from the postings it was written with, is held against cash and positions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ...facts import State
from ..contract import Property
from .schema import LIVE, Costs, Journal, Order, Position
from .units import ONE


def facts_of(state: State, *relations: str) -> list[dict[Any, Any]]:
    """The facts of each of these relations, sorted by key."""
    found: dict[str, dict[Any, Any]] = {relation: {} for relation in relations}
    for relation, key, value in sorted(state.facts(), key=lambda fact: fact[:2]):
        if relation in found:
            found[relation][key] = value
    return [found[relation] for relation in relations]


def conservation(state: State) -> str | None:
    """Each account's journal sums to zero, and says what cash and positions say."""
    journal, cash, positions, instruments = facts_of(state, "journal", "cash", "position", "instrument")
    nothing = dict.fromkeys(("cash", "inventory", "realised", "fees"), 0)
    sums = {key: nothing | {"cash": amount} for key, amount in cash.items()}
    for (account, symbol), position in positions.items():
        of = sums.setdefault((account, instruments[symbol,].currency), dict(nothing))
        of["inventory"] += position.cost
        of["realised"] -= position.realised
        of["fees"] += position.fees
    for key in sorted(sums.keys() | journal.keys()):
        ledgers = journal.get(key) or Journal()
        if sum(ledgers):
            return f"the journal of {key} sums to {sum(ledgers)}"
        for ledger, amount in sums.get(key, nothing).items():
            if getattr(ledgers, ledger) != amount:
                return f"{ledger} of {key}: {getattr(ledgers, ledger)} in the journal, {amount} held"
    return None


def books(state: State) -> str | None:
    """Each book is what cash, positions, orders and the latest closes make of it."""
    stored, cash, positions, orders, instruments, bars, costs = facts_of(
        state, "book", "cash", "position", "order", "instrument", "bar", "costs"
    )
    names = ("equity", "long", "short", "buying", "selling", "opening", "working", "margin", "reserve", "due")
    sums = {key: dict.fromkeys(names, 0) | {"equity": amount} for key, amount in cash.items()}
    for (account, symbol), position in positions.items():
        instrument = instruments[symbol,]
        if (symbol,) not in bars:
            return f"{account} has {symbol}, which has no price"
        live = [o for (owner, _), o in orders.items() if owner == account and o.symbol == symbol and o.status in LIVE]
        of, close = sums[account, instrument.currency], bars[symbol,].close
        for name, amount in _worth(position, live, close, instrument.margin).items():
            of[name] += amount
        of["due"] += sum(_due(order, costs.get((symbol,), Costs()), close) for order in live)
    if stored.keys() != sums.keys():
        return f"books {sorted(stored)} with cash {sorted(sums)}"
    for key, book in stored.items():
        for name, amount in sums[key].items():
            if getattr(book, name) != amount:
                return f"{name} of {key} is {getattr(book, name)}, from scratch {amount}"
        if book.peak < book.equity:
            return f"the peak of {key} is {book.peak}, below its equity of {book.equity}"
    return None


def _worth(position: Position, live: list[Order], close: int, margin: int) -> dict[str, int]:
    held = position.quantity * close // ONE
    rest = {"buy": 0, "sell": 0}
    value = {"buy": 0, "sell": 0}
    for order in live:
        left = order.quantity - order.filled
        rest[order.side] += left
        value[order.side] += left * max(order.price, close) // ONE
    new_long = value["buy"] - max(-held, 0) if rest["buy"] > max(-position.quantity, 0) else 0
    new_short = value["sell"] - max(held, 0) if rest["sell"] > max(position.quantity, 0) else 0
    worst = max(abs(held), max(held, 0) + new_long, max(-held, 0) + new_short)
    security = -(-abs(held) * margin // ONE)
    return {
        "equity": held,
        "long": max(held, 0),
        "short": max(-held, 0),
        "buying": value["buy"],
        "selling": value["sell"],
        "opening": new_long + new_short,
        "working": worst - abs(held),
        "margin": security,
        "reserve": -(-worst * margin // ONE) - security,
    }


def _due(order: Order, costs: Costs, close: int) -> int:
    """What an order costs once it is filled at its worth, less what it has cost: `round` is half to even."""
    rest = (order.quantity - order.filled) * max(order.price, close) // ONE
    traded = [order.traded, order.traded + rest]
    before, after = (max(costs.minimum, costs.per_order + round(Fraction(costs.rate * one, ONE))) for one in traded)
    return after - (before if order.filled else 0)


def working(state: State) -> str | None:
    """What positions say is in working orders, and will be paid for them, is the sum of those orders."""
    positions, orders, bars, costs = facts_of(state, "position", "order", "bar", "costs")
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for (account, _), order in orders.items():
        if order.status in LIVE:
            left, side = order.quantity - order.filled, order.side == "sell"
            sums[account, order.symbol][side] += left
            close = bars[order.symbol,].close
            sums[account, order.symbol][2 + side] += left * max(order.price, close) // ONE
            sums[account, order.symbol][4] += _due(order, costs.get((order.symbol,), Costs()), close)
    for key in sorted(sums.keys() | positions.keys()):
        found = list(positions[key][4:]) if key in positions else None
        if found != sums[key]:
            return f"the position of {key} has {found} in orders, the orders {sums[key]}"
    return None


def orders(state: State) -> str | None:
    """An order's status says how much of it is filled; its id was given out and its clock has been."""
    found, sequences, instruments = facts_of(state, "order", "sequence", "instrument")
    clock = state.get("clock", ())
    for (account, id_), order in found.items():
        part = 0 < order.filled < order.quantity
        whole = {"working": order.filled == 0, "partial": part, "filled": order.filled == order.quantity}
        fits = whole.get(order.status, order.filled == 0 or part)
        lot, tick = instruments[order.symbol,].lot, instruments[order.symbol,].tick
        exact = order.quantity % lot == order.filled % lot == order.price % tick == 0
        valued = (order.filled == 0) == (order.traded == 0) and order.traded >= 0
        if not fits or not exact or not valued or (order.kind == "market") != (order.price == 0):
            return f"order {id_} of {account} is {order}"
        if not 0 < id_ <= sequences.get((account,), 0) or not 0 <= order.placed <= clock:
            return f"order {id_} of {account}, placed at {order.placed} of {clock}"
        bar = state.get("bar", (order.symbol,))
        if not order.day and order.placed < clock and bar.time == state.get("time", ()) and order.status in LIVE:
            return f"order {id_} of {account}, placed at {order.placed}, met no bar until {clock}"
    return None


def fills(state: State) -> str | None:
    """Every fill came after its order was placed, at a price within the bar."""
    (found,) = facts_of(state, "fill")
    for key, fill in found.items():
        if not fill.placed < fill.at == state.get("clock", ()) or not fill.low <= fill.price <= fill.high:
            return f"the fill of {key} is {fill}"
    return None


def covered(state: State) -> str | None:
    """Accounts that may not sell short hold at least what their working orders sell."""
    (positions,) = facts_of(state, "position")
    for (account, symbol), position in positions.items():
        if position.quantity < position.selling and not state.get("shorting", (account,)):
            return f"{account} has {position} in {symbol}"
    return None


PROPERTIES: Mapping[str, Property] = {
    "value is conserved": conservation,
    "books are what they are from scratch": books,
    "working is the sum of orders": working,
    "orders keep their states": orders,
    "fills are proven": fills,
    "nothing is sold that is not held": covered,
}

"""Where and for how much an order fills in a bar, and what that does to a position. Pure.

An order meets only bars that came after it. A market order fills at the open, a stop order at its
price or at an open beyond it; both are moved against the trader by half the spread and the slippage,
rounded to the tick against the trader, and stay within the bar. A limit order fills at its price or
at an open that is better, never worse. The order of prices within a bar is not known: an order fills
when the bar reaches its price at all.
"""

from __future__ import annotations

from .schema import Bar, Costs, Order
from .units import ONE, fraction_of, notional, share


def fill_price(order: Order, bar: Bar, costs: Costs, tick: int) -> int | None:
    """The price at which the order fills in the bar, or None."""
    sign, best, worst = (1, bar.low, bar.high) if order.side == "buy" else (-1, bar.high, bar.low)
    price = sign * order.price
    if order.kind == "limit":
        if sign * bar.open <= price:
            return bar.open
        return order.price if sign * best <= price else None
    if order.kind == "stop" and sign * bar.open < price:
        return _against(order.price, sign, bar, costs, tick) if sign * worst >= price else None
    return _against(bar.open, sign, bar, costs, tick)


def _against(price: int, sign: int, bar: Bar, costs: Costs, tick: int) -> int:
    """`price` moved by half the spread and the slippage against a buyer (sign 1) or seller (-1), within the bar."""
    exact, step = price * (2 * ONE + sign * (costs.spread + 2 * costs.slippage)), 2 * ONE * tick
    moved = sign * -(-sign * exact // step) * tick
    return min(max(moved, bar.low), bar.high)


def capacity(bar: Bar, costs: Costs, lot: int) -> int | None:
    """How much all orders together may fill in the bar, in whole lots; None without a limit."""
    return bar.volume * costs.volume_share // ONE // lot * lot if costs.volume_share else None


def commission(costs: Costs, value: int, before: int = 0) -> int:
    """What a fill of that value costs an order which had traded `before`.

    An order costs `max(minimum, per_order + rate * traded)` in all, in however many fills; each pays what it adds.
    """
    whole = max(costs.minimum, costs.per_order + fraction_of(before + value, costs.rate))
    return whole - commission(costs, before) if before else whole


def traded(quantity: int, cost: int, change: int, price: int) -> tuple[int, int, int]:
    """(quantity, cost, realised) after `change` (signed) at `price`: first what is held is closed, then the rest opens.

    The cost of what is closed is its share of the whole, half to even; the rest stays, so nothing is lost.
    """
    sign = 1 if change > 0 else -1
    closed = min(abs(change), abs(quantity)) if quantity * change < 0 else 0
    removed = share(cost, closed, abs(quantity)) if closed else 0
    realised = -sign * notional(price, closed) - removed
    return quantity + change, cost - removed + sign * notional(price, abs(change) - closed), realised

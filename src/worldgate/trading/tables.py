"""What a report says, as tables of plain text: written once, shown by `report` and by `page`.

Cells may hold anything that a strategy's author, a symbol or a rule says; whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..gate.decision import Breach
from ..gate.policy import explain
from ..worlds.market.units import show
from .inputs import Charges, Listing
from .summary import Metrics, Refusal, Summary

SYMBOLS = 100
"""Rows, and names in a list, at most."""
ORDERS = 5
BREACHES = 10
UNDEFINED = "not defined"
REPLAY = "worldgate replay tape.json"

Cells = tuple[str, ...]


class Table(NamedTuple):
    """A table; the columns named in `numbers` hold numbers. `note` says what is left out, or that there is nothing."""

    title: str
    columns: Cells
    rows: tuple[Cells, ...]
    numbers: frozenset[str] = frozenset()
    note: str = ""

    def kind(self, column: str) -> str:
        """How a column is set: as numbers, never broken, or as text."""
        return "number" if column in self.numbers else "fixed" if column == "Time" else ""


def tables(summary: Summary) -> tuple[Table, ...]:
    """All of them, in the order of a report."""
    return tuple(make(summary) for make in (inputs, measures, refusals, skipped, holdings, trades))


def title(summary: Summary) -> str:
    """What was run, in a line."""
    strategy = summary.inputs.parts()[0].metadata
    return f"{strategy.name} {strategy.version} on {_names(summary.bars.symbols, 5)}"


# --- what it came to ------------------------------------------------------------------------------


def measures(summary: Summary) -> Table:
    """Every number, and how it is counted."""
    metrics, currency = summary.metrics, summary.inputs.market.currency
    found = _results(metrics, currency)
    return Table("Results", ("Measure", "Value", "How it is counted"), tuple(found), frozenset({"Value"}))


def _results(metrics: Metrics, currency: str) -> Iterator[Cells]:
    period = "by the bar"
    if metrics.periods_per_year is not None:
        period = (
            f"by the year, of {metrics.periods_per_year:.2f} bars: those between first and last / years of 365.25 d"
        )
    yield "First cash", money(metrics.cash, currency), "before the first bar"
    yield "Final equity", money(metrics.equity, currency), "cash and holdings at the last closes; agrees with the tape"
    yield "Profit", money(metrics.profit, currency), "realised + unrealised - commissions"
    yield "Realised", money(metrics.realised, currency), "by fills that close something, at average cost"
    yield "Unrealised", money(metrics.unrealised, currency), "on what is held, at the last closes"
    yield "Commissions", money(metrics.fees, currency), "of all fills"
    yield "Total return", percent(metrics.total_return), "profit / first cash"
    if metrics.annual_return is not None:
        yield "Annual return", percent(metrics.annual_return), "(final equity / first cash) ^ (1 / years) - 1"
    else:
        yield "Annual return", UNDEFINED, "not given for less than a year"
    yield "Volatility", percent(metrics.volatility), f"standard deviation of returns bar to bar; {period}"
    yield "Sharpe ratio", number(metrics.sharpe), "mean / standard deviation of returns, riskless rate 0; likewise"
    yield "Sortino ratio", number(metrics.sortino), "mean / downside deviation of returns, target 0; likewise"
    yield "Maximum drawdown", percent(metrics.drawdown.fraction), _fall(metrics, currency)
    yield "Turnover", number(metrics.turnover), f"value traded, {money(metrics.traded, currency)} / mean equity"
    yield "Bars with a position", percent(metrics.invested), f"of {grouped(str(metrics.bars))} bars"
    yield "Mean exposure", percent(metrics.mean_exposure), "gross exposure / equity at the closes"
    yield "Largest exposure", percent(metrics.largest_exposure), "likewise"
    yield "Fills", grouped(str(metrics.fills)), "of orders placed at an earlier bar"
    won = f"{metrics.wins} with a profit, {metrics.losses} with a loss, before commissions"
    yield "Round trips", grouped(str(metrics.round_trips)), f"fills that close something: {won}"
    sums = f"gained {money(metrics.gained, currency)}, lost {money(metrics.lost.lstrip('-'), currency)}"
    yield "Win rate", percent(metrics.win_rate), f"of round trips; {sums}"
    placed = f"{grouped(str(metrics.orders))} orders in them"
    shadow = f"; {metrics.shadow} against a policy in shadow mode" * bool(metrics.shadow)
    yield "Plans approved", grouped(str(metrics.approved)), placed + shadow
    yield "Plans rejected", grouped(str(metrics.rejected)), "none of their orders was placed"
    yield "Holds", grouped(str(metrics.holds)), "bars without orders"


def _fall(metrics: Metrics, currency: str) -> str:
    fall = metrics.drawdown
    if not fall.low:
        return "the equity never fell"
    back = f"recovered {fall.recovered}" if fall.recovered else "not recovered"
    return f"{money(fall.amount, currency)}, from {fall.peak} to {fall.low}; {back}"


# --- what was not done ----------------------------------------------------------------------------


def refusals(summary: Summary) -> Table:
    """The plans that were refused, a row a breach."""
    found = summary.refusals
    columns = ("Step", "Time", "Orders", "Decision", "Rule", "Found", "Allowed", "Margin", "Why")
    rows = tuple(row for refusal in found for row in _breaches(refusal))
    note = left_out(found.omitted, found.count, "refused plans") if rows else "No plan was refused."
    return Table("Refusals", columns, rows, frozenset({"Step", "Found", "Allowed", "Margin"}), note)


def _breaches(refusal: Refusal) -> Iterator[Cells]:
    said = "shadow" if refusal.shadow else "rejected"
    first = (str(refusal.step), refusal.time, _names(refusal.actions, ORDERS, "; "), said)
    for breach in refusal.breaches[:BREACHES]:
        yield (*first, f"{breach.rule} ({breach.number})", *bounds(breach), clip(breach.message))
    if more := refusal.breaches[BREACHES:]:
        yield (*first, f"and {len(more)} more", "", "", "", "")


def bounds(breach: Breach) -> tuple[str, str, str]:
    """Found, allowed and margin; empty where the rule is not about a quantity."""
    if breach.found == "" and breach.allowed == "":
        return "", "", ""
    return clip(str(breach.found)), clip(str(breach.allowed)), str(breach.margin)


def skipped(summary: Summary) -> Table:
    """Signals without an order, by reason."""
    rows = tuple((clip(reason), grouped(str(count))) for reason, count in summary.metrics.skipped.items())
    note = "A number in a reason is written #." if rows else "Every signal became an order."
    return Table("Skipped signals", ("Reason", "Signals"), rows, frozenset({"Signals"}), note)


# --- what was done --------------------------------------------------------------------------------


def holdings(summary: Summary) -> Table:
    """What was traded and is held, by symbol."""
    columns = ("Symbol", "Fills", "Traded", "Realised", "Commissions", "Held", "Cost", "Last close", "Value", "Open")
    rows = tuple(
        (symbol, *map(grouped, (str(one.fills), *map(show, one.amounts))))
        for symbol, one in list(summary.holdings.items())[:SYMBOLS]
    )
    note = left_out(len(summary.holdings) - len(rows), len(summary.holdings), "symbols")
    note = note or ("Open: the unrealised result." if rows else "Nothing was traded.")
    return Table("By symbol", columns, rows, frozenset(columns[1:]), note)


def trades(summary: Summary) -> Table:
    """The first and the last fills."""
    columns = ("Step", "Time", "Order", "Symbol", "Side", "Quantity", "Price", "Commission", "Realised")
    rows = tuple(
        (str(fill.step), fill.time, str(fill.order), fill.symbol, fill.side, *map(grouped, fill.amounts))
        for fill in summary.fills
    )
    note = left_out(summary.fills.omitted, summary.fills.count, "fills; executions.json has all") or (
        "" if rows else "Nothing was filled."
    )
    numbers = frozenset({"Step", "Order", "Quantity", "Price", "Commission", "Realised"})
    return Table("Trades", columns, rows, numbers, note)


# --- what it rests on -----------------------------------------------------------------------------


def inputs(summary: Summary) -> Table:
    """Strategy, bars, market, policy and budget."""
    given = summary.inputs
    strategy, policy, *_ = given.parts()
    feed, market, said = given.bars, given.market, strategy.metadata
    rows = [
        ("Strategy", f"{said.name} {said.version}"),
        ("What it does", clip(said.description, 1000)),
        ("Strategy digest", strategy.digest),
        ("Symbols", _names(feed.symbols, SYMBOLS)),
        ("Bars", f"{grouped(str(feed.rows))}, from {feed.first} to {feed.last}"),
        ("Bars digest", feed.digest),
        ("First cash", money(f"{market.cash:f}", market.currency)),
        ("Short sales", "allowed" if market.shorting else "not allowed"),
        ("Trading", _listing(market.default)),
        *((f"Trading {symbol}", _listing(one)) for symbol, one in sorted(market.symbols.items())[:SYMBOLS]),
        *(("Policy", line) for line in explain(policy).splitlines()),
        ("Budget", ", ".join(f"{name} {most}" for name, most in sorted(given.budget.items())) or "no limits"),
        ("World", f"{given.world} {given.version}"),
        ("Session", given.digest),
        ("Schema of the evidence", str(given.schema_version)),
    ]
    return Table("Inputs", ("Input", "Value"), tuple(rows))


def _listing(listing: Listing) -> str:
    margin = f", margin {listing.margin:f}" if listing.margin != 1 else ""
    return f"tick {listing.tick:f}, lot {listing.lot:f}{margin}; {_costs(listing.costs)}"


def _costs(costs: Charges) -> str:
    words = {
        "rate": "commission {:f} of the value",
        "per_order": "{:f} an order",
        "minimum": "at least {:f} an order",
        "spread": "spread {:f} of the price",
        "slippage": "slippage {:f} of the price",
        "volume_share": "at most {:f} of a bar's volume",
    }
    return (
        ", ".join(text.format(value) for name, text in words.items() if (value := getattr(costs, name))) or "no costs"
    )


# --- words ----------------------------------------------------------------------------------------


def grouped(amount: str) -> str:
    """Decimal text with its thousands apart: 1,234.5."""
    sign, digits = ("-", amount[1:]) if amount.startswith("-") else ("", amount)
    whole, point, places = digits.partition(".")
    return f"{sign}{int(whole):,}{point}{places}"


def money(amount: str, currency: str) -> str:
    return f"{grouped(amount)} {currency}"


def percent(value: float | None) -> str:
    return UNDEFINED if value is None else f"{100 * value:,.2f} %"


def number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:,.3f}"


def clip(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def left_out(omitted: int, count: int, what: str) -> str:
    """A note on the middle of a list."""
    return f"{grouped(str(omitted))} in the middle left out, of {grouped(str(count))} {what}." if omitted else ""


def _names(names: Iterable[str], most: int, mark: str = ", ") -> str:
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return mark.join(map(clip, every[:most])) + more


def plain(text: str) -> str:
    """One line without anything that is not printed."""
    return "".join(mark if mark.isprintable() else "?" for mark in " ".join(text.split()))

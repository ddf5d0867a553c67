"""A session's report as one HTML page that needs nothing else: no script, no font, no address but its own.

All text is escaped; and were a piece of it not, the page's policy lets nothing run and nothing load. The page follows
the reader's light or dark scheme, prints, and fits a telephone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files

from ..worlds.market.units import ONE, parse_amount, show
from .charts import Axis, Chart, Mark
from .recount import Fill
from .samples import Line, Point
from .summary import Refusal, Summary
from .tables import (
    ORDERS,
    REPLAY,
    Cells,
    Table,
    bounds,
    clip,
    grouped,
    holdings,
    inputs,
    measures,
    number,
    percent,
    plain,
    refusals,
    skipped,
    title,
    trades,
)

CHARTS = 12
"""Symbols whose prices are drawn: those with most fills and refusals."""
STYLE = (files(__package__) / "page.css").read_text(encoding="utf-8")

SIGNS = {
    "buy": ("bought", "M0 -1L6 9H-6Z", -4),
    "sell": ("sold", "M0 1L6 -9H-6Z", 4),
    "refused": ("plan refused", "M-5 -3L-3 -5L0 -2L3 -5L5 -3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0Z", 0),
}
"""What a sign says, its shape (the points of the first two touch the price), how far down it is in a legend."""


def page(summary: Summary) -> str:
    """The page; the same bytes for the same summary."""
    parts = [
        *_head(plain(title(summary))),
        *_top(summary),
        *_charts(summary),
        *(part for make in (measures, holdings, refusals, skipped, trades, inputs) for part in _table(make(summary))),
        "<h2>Replay</h2>",
        "<p>Computes the tape again and compares every byte.</p>",
        f"<pre><code>{escape(REPLAY)}</code></pre>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _head(name: str) -> Iterator[str]:
    known = b64encode(sha256(STYLE.encode()).digest()).decode()
    rules = f"default-src 'none'; style-src 'sha256-{known}'; base-uri 'none'; form-action 'none'"
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{rules}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{escape(name)}</title>"
    yield f"<style>{STYLE}</style>"
    yield "</head>"
    yield "<body>"
    yield '<svg width="0" height="0" aria-hidden="true"><defs>'
    yield from (f'<path id="{sign}" d="{shape}"/>' for sign, (_, shape, _) in SIGNS.items())
    yield "</defs></svg>"
    yield f"<h1>{escape(name)}</h1>"


def _top(summary: Summary) -> Iterator[str]:
    """The headline numbers."""
    metrics, currency = summary.metrics, summary.inputs.market.currency
    fall = metrics.drawdown
    ratios = "by the bar" if metrics.periods_per_year is None else "by the year"
    yearly = "in less than a year" if metrics.annual_return is None else f"{percent(metrics.annual_return)} a year"
    trips = f"{metrics.round_trips} round trips, {percent(metrics.win_rate)} won"
    cards = (
        ("Final equity", grouped(metrics.equity), f"{currency}, from {grouped(metrics.cash)}"),
        ("Total return", percent(metrics.total_return), yearly),
        ("Maximum drawdown", percent(fall.fraction), f"low on {fall.low}" if fall.low else "never fell"),
        ("Sharpe ratio", number(metrics.sharpe), f"Sortino {number(metrics.sortino)}, {ratios}"),
        ("Fills", grouped(str(metrics.fills)), trips if metrics.round_trips else "no round trips"),
        ("Plans refused", grouped(str(metrics.rejected)), f"{grouped(str(metrics.approved))} approved"),
    )
    yield f"<p>{grouped(str(metrics.bars))} bars, {escape(metrics.first)} to {escape(metrics.last)}</p>"
    yield '<dl class="numbers">'
    for name, value, note in cards:
        yield f'<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd class="note">{escape(note)}</dd></div>'
    yield "</dl>"


# --- charts ---------------------------------------------------------------------------------------


def _charts(summary: Summary) -> Iterator[str]:
    axis = Axis(summary.bars.times)
    metrics, currency = summary.metrics, summary.inputs.market.currency
    fell = [Point(at, -value) for at, value in summary.drawdown]
    about = f"{len(summary.bars)} bars, {metrics.first} to {metrics.last}"
    charts = (
        Chart(
            "equity", f"Equity, {currency}", f"From {metrics.cash} to {metrics.equity}. {about}.",
            summary.equity, _amount, height=240,
        ),
        Chart(
            "drawdown", "Drawdown", f"At most {percent(metrics.drawdown.fraction)} below the peak so far. {about}.",
            fell, _percent, "fall", (0, -ONE // 100), height=140,
        ),
        Chart(
            "exposure", "Exposure", f"Gross exposure / equity, {percent(metrics.mean_exposure)} on average. {about}.",
            summary.exposure, _percent, "exposed", (0, ONE // 10), height=140,
        ),
    )  # fmt: skip
    notes = ("at every close", "below the peak so far", "gross, as a part of equity")
    yield "<h2>Account</h2>"
    for chart, note in zip(charts, notes, strict=True):
        yield from _figure(chart, axis, note)
    yield "<h2>Prices</h2>"
    yield from _prices(summary, axis, about)


def _prices(summary: Summary, axis: Axis, about: str) -> Iterator[str]:
    """A chart for each symbol, with what was bought, sold and refused."""
    every = summary.bars.symbols
    busy = {symbol: holding.fills for symbol, holding in summary.holdings.items()}
    order = sorted(every, key=lambda symbol: -busy.get(symbol, 0) - summary.refused.get(symbol, 0))[:CHARTS]
    if len(every) > len(order):
        yield f"<p>{len(order)} of {grouped(str(len(every)))} symbols: those with most fills and refusals.</p>"
    for kept, what in ((summary.fill_marks, "fills"), (summary.refusal_marks, "refused plans")):
        if kept.omitted:
            yield f"<p>One in {kept.step} of {grouped(str(kept.count))} {what} is marked.</p>"
    for index, symbol in enumerate(order):
        closes = summary.bars.column(symbol, "close")
        marks = [_fill(fill) for fill in summary.fill_marks if fill.symbol == symbol]
        marks += [mark for one in summary.refusal_marks if symbol in one.symbols for mark in _refused(one, closes)]
        chart = Chart(
            f"price-{index}", plain(symbol), f"Closes, {busy.get(symbol, 0)} fills. {about}.",
            _line(closes), _amount, "price", marks=marks,
        )  # fmt: skip
        yield from _figure(chart, axis, "close", {mark.sign for mark in marks})


def _line(closes: Sequence[int]) -> Sequence[Point]:
    """A line through the closes that are there."""
    line = Line(len(closes))
    for at, close in enumerate(closes):
        if close:
            line.add(at, close)
    return line.points()


def _fill(fill: Fill) -> Mark:
    done = SIGNS[fill.side][0]
    result = f", realised {fill.realised}" if fill.realised != "0" else ""
    text = f"{fill.time}: {done} {fill.quantity} at {fill.price}, commission {fill.commission}{result}"
    return Mark(fill.side, fill.step - 1, parse_amount(fill.price), text)


def _refused(refusal: Refusal, closes: Sequence[int]) -> Iterator[Mark]:
    """At the close at which the plan was made: what was found, and what was allowed."""
    at = refusal.step - 1
    close = next((closes[back] for back in range(at, -1, -1) if closes[back]), 0)
    if close:
        said = "would be refused" if refusal.shadow else "refused"
        texts = [f"{refusal.time}: {said}: {'; '.join(refusal.actions[:ORDERS])}"]
        for breach in refusal.breaches[:ORDERS]:
            found, allowed, margin = bounds(breach)
            sums = f"found {found}, allowed {allowed}, margin {margin}" if found else breach.message
            texts.append(f"{breach.rule} ({breach.number}): {sums}")
        yield Mark("refused", at, close, "\n".join(clip(plain(text)) for text in texts))


def _figure(chart: Chart, axis: Axis, note: str, signs: Collection[str] = ()) -> Iterator[str]:
    yield "<figure>"
    legend = "".join(
        f'<span><svg viewBox="-6 -6 12 12" aria-hidden="true"><use href="#{sign}" class="{sign}" y="{down}"/></svg>'
        f"{said}</span>"
        for sign, (said, _, down) in SIGNS.items()
        if sign in signs
    )
    yield f"<figcaption>{escape(chart.title)} <span>{escape(note)}</span>{legend}</figcaption>"
    yield chart.svg(axis)
    yield "</figure>"


# --- tables and text ------------------------------------------------------------------------------


def _table(table: Table) -> Iterator[str]:
    yield f"<h2>{escape(table.title)}</h2>"
    if table.rows:
        kinds = [f' class="{kind}"' if (kind := table.kind(column)) else "" for column in table.columns]
        yield '<div class="wide"><table>'
        yield _row("th", table.columns, [f' scope="col"{kind}' for kind in kinds])
        yield from (_row("td", row, kinds) for row in table.rows)
        yield "</table></div>"
    if table.note:
        yield f"<p>{escape(table.note)}</p>"


def _row(tag: str, cells: Cells, kinds: Sequence[str]) -> str:
    inside = "".join(f"<{tag}{kind}>{escape(plain(cell))}</{tag}>" for cell, kind in zip(cells, kinds, strict=True))
    return f"<tr>{inside}</tr>"


def _amount(value: int) -> str:
    """A round value on an axis, in little room."""
    for unit, letter in ((10**9, "bn"), (10**6, "M")):
        if abs(value) >= unit * ONE:
            return f"{grouped(show(value // unit))}{letter}"
    return grouped(show(value))


def _percent(value: int) -> str:
    return f"{grouped(show(100 * value))} %"

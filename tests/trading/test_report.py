"""Reports: every table whole, every text escaped, one page that needs nothing else, the same bytes each time."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.gate.decision import Breach
from worldgate.trading.charts import APART, GRID, LABELS, Axis, Chart, levels
from worldgate.trading.metrics import MARKS
from worldgate.trading.page import page
from worldgate.trading.recount import Fill
from worldgate.trading.report import escaped, markdown
from worldgate.trading.samples import POINTS, Ends, Every, Point
from worldgate.trading.summary import Refusal, Summary
from worldgate.trading.tables import grouped, tables
from worldgate.worlds.market.generator import generate

from .sessions import run, six, threshold

NASTY = '<script>alert("1")</script> a|b `c` \\| [d](http://e) ![f](//g)\n# h \u202e *i* &amp;'
VOID = {"meta"}


@pytest.fixture(scope="module")
def summary() -> Summary:
    """A session with fills and refusals, in which every text that others write is nasty."""
    bars = generate(["A", "B"], 120, 5)
    found = run(
        bars,
        [threshold("A", "99", "101"), threshold("B", "99", "101")],
        quantity=5,
        name=NASTY,
        policy={"leverage": {"max": "0.9"}},
    ).summary()
    fills, refusals, marks = Ends[Fill](50), Ends[Refusal](50), Every[Refusal](MARKS)
    for fill in found.fills:
        fills.add(Fill(fill.step, NASTY, fill.order, NASTY, fill.side, *fill.amounts))
    for refusal in found.refusals:
        breaches = tuple(Breach(number="WG452", rule=NASTY, message=NASTY, found=NASTY) for _ in refusal.breaches)
        one = Refusal(refusal.step, NASTY, False, (NASTY, NASTY), breaches, refusal.symbols)
        refusals.add(one)
        marks.add(one)
    assert fills.count
    assert refusals.count
    holdings = {NASTY: next(iter(found.holdings.values()))}
    return replace(found, fills=fills, refusals=refusals, refusal_marks=marks, holdings=holdings)


# --- Markdown -------------------------------------------------------------------------------------


def cells(line: str) -> list[str]:
    """The cells of a table's line, as GitHub Flavored Markdown splits it."""
    assert line.startswith("| ")
    assert line.endswith(" |")
    return re.findall(r" ((?:\\.|[^|\\])*) (?=\|)", line[1:])


def md_tables(text: str) -> Iterator[list[list[str]]]:
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        yield [cells(line) for line in block.splitlines()]


def test_every_row_has_as_many_cells_as_its_header(summary: Summary) -> None:
    found = list(md_tables(markdown(summary)))
    assert len(found) == sum(bool(table.rows) for table in tables(summary)) == 6
    for table, rows in zip(tables(summary), found, strict=True):
        assert {len(row) for row in rows} == {len(table.columns)}
        assert len(rows) == len(table.rows) + 2


def test_nothing_in_it_is_markup_of_others(summary: Summary) -> None:
    text = re.sub(r"\\.", "", markdown(summary))
    assert not re.search(r"[<`\[](?!``|`sh)", text.replace("```", ""))
    assert "\u202e" not in text
    assert [line for line in text.splitlines() if line.startswith("#")][1:] == [
        "## Inputs", "## Results", "## Refusals", "## Skipped signals", "## By symbol", "## Trades", "## Replay",
    ]  # fmt: skip


@given(st.text())
def test_an_escaped_text_is_one_cell_in_one_line(text: str) -> None:
    assert cells(f"| {escaped(text)} | x |") == [escaped(text), "x"]
    assert len(escaped(text).splitlines()) <= 1


def test_the_report_says_what_was_found_and_allowed() -> None:
    text = markdown(six(policy={"leverage": {"max": "0.05"}}).summary())
    assert "| 2 | 2013-01-02 | buy 10 ACME ioc | rejected | measures.leverage (WG452) | 0.1 | 0.05 | 0.05 |" in text
    assert "| Policy | leverage: at most 0.05 |" in text
    assert "Nothing was filled." in text


def test_what_is_left_out_is_said() -> None:
    bars = generate(["A"], 900, 1)
    found = run(bars, [{"type": "sma_crossover", "symbol": "A", "short_window": 2, "long_window": 3, "mode": "level"}])
    summary = found.summary()
    assert summary.fills.count > 100
    assert f"{summary.fills.count - 100} in the middle left out, of {summary.fills.count} fills" in markdown(summary)
    kept = [int(row[2]) for rows in md_tables(markdown(summary)) if "Order" in rows[0] for row in rows[2:]]
    orders = [row["order"] for row in found.executions]
    assert kept == orders[:50] + orders[-50:]


# --- the page -------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Elements must close in their order; gathers them, their attributes and their texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))


@pytest.fixture(scope="module")
def read(summary: Summary) -> Reader:
    reader = Reader()
    reader.feed(page(summary))
    reader.close()
    assert not reader.open
    return reader


def test_the_page_is_whole_and_needs_nothing_else(read: Reader) -> None:
    assert {tag for tag, _ in read.seen} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "dl", "div", "dt", "dd", "figure",
        "figcaption", "span", "svg", "desc", "defs", "path", "line", "text", "use", "table", "tr", "th", "td",
        "pre", "code",
    }  # fmt: skip
    for _, attributes in read.seen:
        assert not attributes.keys() & {"src", "srcset", "style", "action", "xlink:href", "data"}
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith("#")
    style = "".join(text for tag, text in read.texts if tag == "style")
    assert not re.search(r"url\(|@import|@font-face|expression", style)


def test_the_page_lets_nothing_run_and_nothing_load(read: Reader) -> None:
    style = "".join(text for tag, text in read.texts if tag == "style")
    (policy,) = (seen["content"] for tag, seen in read.seen if tag == "meta" and "http-equiv" in seen)
    allowed = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"


def test_nasty_texts_stay_texts(summary: Summary, read: Reader) -> None:
    assert "<script" not in page(summary).lower()
    shown = [text for tag, text in read.texts if '<script>alert("1")</script>' in text]
    assert len(shown) > 20
    assert "\u202e" not in page(summary)
    titles = [text for tag, text in read.texts if tag == "title"]
    assert sum("alert" in text for text in titles) > 2  # the page's, and those of marks


def test_every_chart_is_an_image_with_a_name(read: Reader) -> None:
    charts = [seen for tag, seen in read.seen if seen.get("class") == "chart"]
    ids = {seen["id"] for _, seen in read.seen if seen.get("id")}
    assert len(charts) == 5
    for chart in charts:
        assert chart["role"] == "img"
        assert set((chart["aria-labelledby"] or "").split()) <= ids
    assert {seen["href"] for tag, seen in read.seen if tag == "use"} == {"#buy", "#sell", "#refused"}
    assert {"buy", "sell", "refused"} <= ids


def test_the_same_session_gives_the_same_bytes() -> None:
    first, second = (six(policy={"leverage": {"max": "0.11"}}).summary() for _ in range(2))
    assert page(first) == page(second) == page(first)
    assert markdown(first) == markdown(second)


def test_a_mark_says_the_number_that_caused_it() -> None:
    text = page(six(policy={"leverage": {"max": "0.05"}}).summary())
    said = "measures.leverage (WG452): found 0.1, allowed 0.05, margin 0.05"
    assert f"<title>2013-01-02: refused: buy 10 ACME ioc\n{said}</title>" in text


def test_a_page_is_bounded() -> None:
    bars = generate(["A"], 3000, 2)
    rules = [{"type": "sma_crossover", "symbol": "A", "short_window": 2, "long_window": 3, "mode": "level"}]
    summary = run(bars, rules, policy={"leverage": {"max": "0.95"}}).summary()
    text = page(summary)
    assert summary.fill_marks.omitted
    assert f"One in {summary.fill_marks.step} of {grouped(str(summary.fills.count))} fills is marked." in text
    assert text.count("<title>") <= 2 * MARKS + 6
    for line in re.findall(r'class="line [^>]* d="M([^"]*)"', text):
        assert line.count("L") < POINTS
    assert len(text) < 600_000


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_sessions_have_a_page(steps: int) -> None:
    reader = Reader()
    reader.feed(page(run(generate(["A"], steps, 1), [threshold("A", "1", "2000")]).summary()))
    assert not reader.open


# --- charts ---------------------------------------------------------------------------------------


@given(st.lists(st.integers(-(10**15), 10**15), max_size=5))
def test_levels_are_round_few_and_around_all_values(values: list[int]) -> None:
    found = levels(values)
    (step,) = {high - low for low, high in pairwise(found)}
    assert 2 <= len(found) <= 6
    assert re.fullmatch("[125]0*", str(step))
    assert all(level % step == 0 for level in found)
    assert all(found[0] <= value <= found[-1] for value in values)


DAYS = [f"{year}-{month:02d}-{day:02d}" for year in range(2004, 2010) for month in range(1, 13) for day in range(1, 29)]
MINUTES = [
    f"2024-03-{day:02d}T{minute // 60:02d}:{minute % 60:02d}:00Z" for day in (5, 6) for minute in range(570, 960)
]


@settings(max_examples=50)
@given(st.sampled_from([DAYS, MINUTES]), st.data())
def test_times_are_labelled_in_order_and_apart(times: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(times) - 1))
    axis = Axis(times[start : start + data.draw(st.integers(1, len(times)))])
    places = [place for place, _ in axis.ticks]
    assert 1 <= len(places) <= LABELS + 1
    assert all(0 <= place <= GRID for place in places)
    assert all(after - before >= APART for before, after in pairwise(places))
    labels = [label for _, label in axis.ticks]
    assert labels == sorted(set(labels))


@pytest.mark.parametrize(
    ("times", "labels"),
    [
        (DAYS, ["2004", "2005", "2006", "2007", "2008", "2009"]),
        (DAYS[5:600], ["2004-01", "2004-04", "2004-07", "2004-10", "2005-01", "2005-04", "2005-07", "2005-10"]),
        (DAYS[:50], ["2004-01-01", "2004-01-11", "2004-01-21", "2004-02-01", "2004-02-11", "2004-02-21"]),
        (MINUTES[:300], ["03-05 10:00", "03-05 11:00", "03-05 12:00", "03-05 13:00", "03-05 14:00"]),
    ],
)
def test_labels_are_round(times: list[str], labels: list[str]) -> None:
    assert [label for _, label in Axis(times).ticks] == labels


def test_a_chart_escapes_its_texts() -> None:
    chart = Chart("x", NASTY, NASTY, [Point(0, 1), Point(1, 2)], lambda _: NASTY)
    assert "<script" not in chart.svg(Axis(["2013-01-01", "2013-01-02"]))

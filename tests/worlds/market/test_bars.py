"""Bars are read exactly or refused with the place and the number of the fault."""

from __future__ import annotations

import hashlib
import json
import re
import resource
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reference import ROOT
from worldgate.worlds.market.actions import Tick, parse
from worldgate.worlds.market.bars import BadBars, Bars, read_bars, write_csv
from worldgate.worlds.market.schema import Bar
from worldgate.worlds.market.units import ONE, parse_amount

EXAMPLES = ROOT / "examples" / "bars"
HEADER = "Date,Open,High,Low,Close,Volume\n"
DAYS = ("2013-01-02,10,12,9.5,11,100\n", "2013-01-03,11,11.25,10,10.5,200\n", "2013-01-04,10.5,13,10.5,12,0\n")
DAILY = HEADER + "".join(DAYS)


def put(place: Path, text: str, name: str = "GOOG.csv") -> Path:
    path = place / name
    path.write_text(text, encoding="utf-8")
    return path


def parquet(place: Path, columns: dict[str, Any], name: str = "GOOG.parquet") -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as store

    store.write_table(pyarrow.table(columns), place / name)
    return place / name


# --- what is read ---------------------------------------------------------------------------------


def test_a_file_of_one_symbol_is_named_by_the_file(tmp_path: Path) -> None:
    bars = read_bars(put(tmp_path, DAILY))
    assert bars.symbols == ("GOOG",)
    assert bars.times == ("2013-01-02", "2013-01-03", "2013-01-04")
    assert bars.at(1) == Tick("2013-01-03", (("GOOG", Bar("2013-01-03", *amounts("11 11.25 10 10.5 200"))),))
    assert list(bars.column("GOOG", "close")) == amounts("11 10.5 12")


def test_ticks_are_actions_with_a_text(tmp_path: Path) -> None:
    bars = read_bars([put(tmp_path, DAILY), put(tmp_path, DAILY, "MSFT.csv")])
    assert str(bars.at(0)) == "tick 2013-01-02 GOOG 10 12 9.5 11 100; MSFT 10 12 9.5 11 100"
    assert [parse(str(tick)) for tick in bars] == list(bars.ticks()) == [bars.at(index) for index in range(len(bars))]
    assert list(bars.ticks(2)) == [bars.at(2)]
    assert list(bars.ticks(3)) == []


def test_a_given_name_goes_before_that_of_the_file(tmp_path: Path) -> None:
    assert read_bars({"BRK/A": put(tmp_path, DAILY, "some file.csv")}).symbols == ("BRK/A",)


@pytest.mark.parametrize(
    "header",
    ["date,OPEN,High,low,Close,Volume", "Timestamp,Open,High,Low,Price,Vol_1", ",Open,High,Low,Close,Volume",
     "\ufeffDateTime, Open , High,Low,Close, volume"],
)  # fmt: skip
def test_columns_go_by_common_names(tmp_path: Path, header: str) -> None:
    bars = read_bars(put(tmp_path, DAILY.replace(HEADER.strip(), header)))
    assert list(bars.column("GOOG", "open")) == amounts("10 11 10.5")
    volume = "0 0 0" if "Vol_1" in header else "100 200 0"
    assert list(bars.column("GOOG", "volume")) == amounts(volume)


def test_the_place_of_a_column_the_order_of_rows_by_symbol_and_further_columns_do_not_matter(tmp_path: Path) -> None:
    a = put(tmp_path, "Volume,Symbol,Adj Close,Close,Low,High,Open,Date\n7,B,nan,2,1,3,2,2013-01-02\n"
            "9,A,,5,4,6,5,2013-01-02\n7,B,nan,2,1,3,2,2013-01-03\n\n8,A,,5,4,6,5,2013-01-03\n", "a.csv")  # fmt: skip
    b = put(tmp_path, "Ticker,Date,Open,High,Low,Close,Volume\nA,2013-01-02,5,6,4,5,9\nA,2013-01-03,5.0,6,4,5,8\n"
            "B,2013-01-02,2,3,1,2,7.00\nB,2013-01-03,2,3,1e0,2,7\n", "b.csv")  # fmt: skip
    assert read_bars(a) == read_bars(b)
    assert read_bars(a).digest == read_bars(b).digest
    assert read_bars(a, symbols=["B"]).symbols == ("B",)
    assert read_bars(a, symbols=["B"]).digest != read_bars(a).digest


def test_closes_alone_are_bars_of_one_price(tmp_path: Path) -> None:
    bars = read_bars(put(tmp_path, "Date,Price\n2013-01-02,5\n2013-01-03,6.5\n"))
    assert bars.at(1).bars == (("GOOG", Bar("2013-01-03", *amounts("6.5 6.5 6.5 6.5 0"))),)


def test_a_json_path_says_its_times_or_where_they_begin(tmp_path: Path) -> None:
    steps = [{"A": 99.86, "B": 197.65}, {"A": 99.74, "B": 194.19}]
    path = put(tmp_path, json.dumps({"symbols": ["A", "B"], "steps": steps}), "path.json")
    bars = read_bars(path, start="2013-01-31")
    assert str(bars.at(1)) == "tick 2013-02-01 A 99.74 99.74 99.74 99.74 0; B 194.19 194.19 194.19 194.19 0"
    timed = [{"time": "2013-01-31", **steps[0]}, {"time": "2013-02-01", **steps[1]}]
    assert read_bars(put(tmp_path, json.dumps({"symbols": ["A", "B"], "steps": timed}), "timed.json")) == bars
    refuses("WG218", path, "step 0: no time")


@pytest.mark.parametrize(
    ("written", "times"),
    [
        ("2013-01-02 2013-01-03", "2013-01-02 2013-01-03"),
        ("2013-01-02T00:00 2013-01-03T00:00:00", "2013-01-02 2013-01-03"),
        ("2013-01-02T09:30 2013-01-03T00:00:00", "2013-01-02T09:30:00Z 2013-01-03T00:00:00Z"),
        ("2013-01-02T00:00:00Z 2013-01-03T00:00:00+00:00", "2013-01-02T00:00:00Z 2013-01-03T00:00:00Z"),
        ("2013-03-08T09:30:00-05:00 2013-03-11T09:30:00-0400", "2013-03-08T14:30:00Z 2013-03-11T13:30:00Z"),
        ("2020-01-02T00:00:20.20 2020-01-02T00:00:21", "2020-01-02T00:00:20.200000Z 2020-01-02T00:00:21.000000Z"),
        ("2013-01-02T00:00:20.123456000Z", "2013-01-02T00:00:20.123456Z"),
    ],
)  # fmt: skip
def test_times_are_dates_or_rfc_3339_in_utc(tmp_path: Path, written: str, times: str) -> None:
    rows = "".join(f"{time},5\n" for time in written.split())
    assert read_bars(put(tmp_path, "Date,Close\n" + rows)).times == tuple(times.split())
    assert read_bars(put(tmp_path, "Date,Close\n" + rows.replace("T", " "))).times == tuple(times.split())


# --- Parquet --------------------------------------------------------------------------------------


def test_parquet_has_the_digest_of_the_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from datetime import date, datetime

    columns: dict[str, Any] = {
        "Volume": [100.0, 200.0, 0.0],
        "Close": [Decimal("11.00"), Decimal("10.50"), Decimal("12.00")],
        "High": pyarrow.array([12, 11.25, 13], pyarrow.float32()),
        "Low": [9.5, 10.0, 10.5],
        "Open": [10.0, 11.0, 10.5],
    }
    days = [date(2013, 1, day) for day in (2, 3, 4)]
    moments = [datetime(2013, 1, day) for day in (2, 3, 4)]
    wanted = read_bars(put(tmp_path, DAILY))
    for times in (days, moments, ["2013-01-02", "2013-01-03", "2013-01-04"], pyarrow.array(moments, "timestamp[ns]")):
        assert read_bars(parquet(tmp_path, {"__index_level_0__": times, **columns})) == wanted
    zoned = pyarrow.array(moments, pyarrow.timestamp("ms", tz="America/New_York"))
    assert read_bars(parquet(tmp_path, {"Date": zoned, **columns})).times[0] == "2013-01-02T00:00:00Z"


def test_a_binary_float_counts_as_its_shortest_text(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    single = pyarrow.array([0.1, 357.38], pyarrow.float32())
    for prices in ([0.1, 357.38], single):
        path = parquet(tmp_path, {"Date": ["2013-01-02", "2013-01-03"], "Close": prices})
        assert list(read_bars(path).column("GOOG", "close")) == amounts("0.1 357.38")
    refuses(
        "WG217", parquet(tmp_path, {"Date": ["2013-01-02"], "Close": [0.1 + 0.2]}), "row 0, column Close", "nearest"
    )


@pytest.mark.parametrize("close", [float("nan"), None, float("inf"), -1.0, True, "5,0"])
def test_parquet_lets_no_bad_price_through(tmp_path: Path, close: Any) -> None:
    refuses("WG216", parquet(tmp_path, {"Date": ["2013-01-02"], "Close": [close]}), "row 0, column Close")


def test_parquet_faults_are_numbered(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    refuses("WG212", put(tmp_path, "no such thing", "x.parquet"))
    refuses("WG212", parquet(tmp_path, {"Date": ["2013-01-02"], "Close": [[1.0]]}))
    refuses("WG218", parquet(tmp_path, {"Date": [20130102], "Close": [1.0]}), "row 0, column Date: '20130102'")


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    refuses("WG212", put(tmp_path, "", "x.parquet"), "pyarrow", "worldgate[market]")


# --- what is refused ------------------------------------------------------------------------------


def amounts(text: str) -> list[int]:
    return [parse_amount(word) for word in text.split()]


def refuses(number: str, paths: Any, *said: str, **options: Any) -> None:
    with pytest.raises(BadBars) as caught:
        read_bars(paths, **options)
    assert caught.value.number == number, caught.value
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("number", "text", "said"),
    [
        ("WG219", "", "an empty file"),
        ("WG219", HEADER, "no row"),
        ("WG212", "Date,Open,High,Low\n", "no column for close"),
        ("WG212", "Date,Open,Close\n", "no column for high, low"),
        ("WG212", "Open,High,Low,Close\n", "no column for time"),
        ("WG212", "Date,Time,Close\n", "columns Date and Time; expected one column for the time"),
        ("WG212", "Date;Close\n2013-01-02;5\n", "no column for time, close among Date;Close"),
        ("WG212", DAILY + "2013-01-05,1,2\n", "line 5: 3 cells; expected 6"),
        ("WG212", DAILY + '2013-01-05,"1\n', "unexpected end of data"),
        ("WG213", DAILY + DAYS[2], "line 5: GOOG at 2013-01-04 again; expected one bar; the first is in"),
        ("WG213", DAILY + DAYS[0], "line 5: GOOG at 2013-01-02 again"),
        ("WG214", HEADER + "\n" + DAYS[1] + DAYS[0], "line 4: GOOG at 2013-01-02 after 2013-01-03"),
        ("WG218", DAILY + "2013-02-29,1,1,1,1,1\n", "line 5, column Date: '2013-02-29'"),
        ("WG218", DAILY + ",1,1,1,1,1\n", "line 5, column Date: nothing"),
        ("WG218", DAILY + "1357084800,1,1,1,1,1\n", "column Date: '1357084800'"),
        ("WG218", DAILY + "02/01/2013,1,1,1,1,1\n", "column Date: '02/01/2013'"),
        ("WG218", DAILY + "20130105,1,1,1,1,1\n", "column Date"),
        ("WG218", DAILY + "2013-01-05T23:00:00.0000001,1,1,1,1,1\n", "to the microsecond"),
        ("WG218", DAILY + "0001-01-01T00:00:00+09:00,1,1,1,1,1\n", "column Date"),
        ("WG218", DAILY + "2013-01-05T09:30:00,1,1,1,1,1\n", "line 5: 2013-01-05T09:30:00, a time without a zone"),
        ("WG218", DAILY + "2013-01-05T00:00:00Z,1,1,1,1,1\n", "a time with a zone; expected a date, as in"),
        ("WG218", "Date,Close\n2013-01-05T09:30,1\n2013-01-05T09:31Z,1\n", "line 3: 2013-01-05T09:31:00Z"),
        ("WG216", DAILY + "2013-01-05,1,2,1.5,2,1\n", "line 5: open 1, high 2, low 1.5, close 2"),
        ("WG216", DAILY + "2013-01-05,1,2,3,1,1\n", "line 5"),
        ("WG216", DAILY + "2013-01-05,1,2,1,2.5,1\n", "line 5"),
        ("WG216", DAILY + "2013-01-05,1,1,1,1,\n", "line 5, column Volume: nothing"),
        ("WG216", DAILY + "2013-01-05,1,1,1,1,-1\n", "line 5, column Volume: -1"),
        ("WG216", DAILY + "2013-01-05,1,1,1,1,1e300\n", "column Volume: 1e300"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(tmp_path: Path, number: str, text: str, said: str) -> None:
    path = put(tmp_path, text)
    refuses(number, path, str(path), said)


@pytest.mark.parametrize(
    "price",
    ["", " ", "nan", "NaN", "inf", "-inf", "0", "0.0", "-1", "1_0", "1,0", "$5", "٣", "1e999", "1e12", "9" * 5000],
)  # fmt: skip
def test_a_bad_price_is_refused_wherever_it_stands(tmp_path: Path, price: str) -> None:
    for column in range(1, 5):
        cells = ["2013-01-05", "1", "1", "1", "1", "1"]
        cells[column] = f'"{price}"'
        name = HEADER.split(",")[column]
        refuses("WG216", put(tmp_path, DAILY + ",".join(cells)), f"line 5, column {name}: ")


def test_a_price_finer_than_its_tick_is_refused_or_rounded_when_asked(tmp_path: Path) -> None:
    path = put(tmp_path, "Date,Close\n2013-01-02,357.380004882812\n2013-01-03,357.385\n")
    refuses(
        "WG217", path, "line 2, column Close: 357.380004882812; expected a multiple of 0.00000001", 'rounding="near'
    )
    rounded = read_bars(path, tick=ONE // 100, rounding="nearest")
    assert list(rounded.column("GOOG", "close")) == amounts("357.38 357.38")
    refuses("WG217", put(tmp_path, "Date,Close\n2013-01-03,357.385\n"), "a multiple of 0.01", tick={"GOOG": ONE // 100})
    refuses("WG220", path, "no tick for GOOG", tick={"GOOGL": 1})
    refuses("WG216", put(tmp_path, "Date,Close\n2013-01-03,0.001\n"), tick=ONE, rounding="nearest")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.decimals(min_value="0.00000001", max_value=10**10, places=8), st.booleans())
def test_every_exact_price_is_read_exactly(tmp_path: Path, price: Decimal, scientific: bool) -> None:
    text = f"{price:E}" if scientific else str(price)
    assert list(read_bars(put(tmp_path, f"Date,Close\n2013-01-02,{text}\n")).column("GOOG", "close")) == [price * ONE]


def test_a_gap_is_refused_or_left(tmp_path: Path) -> None:
    whole, short = put(tmp_path, DAILY), put(tmp_path, HEADER + DAYS[0] + DAYS[2], "MSFT.csv")
    refuses("WG215", [whole, short], f"{short}, line 3: no bar of MSFT at 2013-01-03", 'gaps="leave"')
    refuses("WG215", [whole, put(tmp_path, HEADER + DAYS[0], "S.csv")], "S.csv, the end: no bar of S at 2013-01-03")
    bars = read_bars([whole, short], gaps="leave")
    assert [[symbol for symbol, _ in tick.bars] for tick in bars] == [["GOOG", "MSFT"], ["GOOG"], ["GOOG", "MSFT"]]
    assert bars.digest != read_bars(whole).digest


def test_a_hole_in_time_is_refused_when_asked(tmp_path: Path) -> None:
    path = put(tmp_path, DAILY + "2013-01-07,12,12,12,12,1\n")
    assert len(read_bars(path, longest_gap=timedelta(days=3))) == 4
    refuses("WG215", path, "3 days, 0:00:00 from 2013-01-04 to 2013-01-07", longest_gap=timedelta(days=2))


@pytest.mark.parametrize("symbols", ["GOOG", "", [1], [None], 7, b"GOOG"])
def test_symbols_are_a_collection_of_texts(tmp_path: Path, symbols: Any) -> None:
    refuses("WG220", put(tmp_path, DAILY), "a collection of symbols", symbols=symbols)


def test_a_file_or_a_symbol_that_is_not_right_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, DAILY)
    refuses("WG213", [path, path], f"GOOG in {path} and in {path}")
    refuses("WG219", path, "no bars of MSFT", symbols=["GOOG", "MSFT"])
    refuses("WG219", [], "no bars")
    refuses("WG212", tmp_path / "none.csv", "No such file")
    refuses("WG212", tmp_path, "no suffix")
    refuses("WG212", put(tmp_path, "", "x.xlsx"), ".xlsx; expected one of .csv")
    refuses("WG212", put(tmp_path, DAILY, "two words.csv"), "symbol 'two words'", "{symbol: path}")
    refuses("WG212", put(tmp_path, "Date,Symbol,Close\n2013-01-02,,5\n"), "line 2, column Symbol: symbol ''")
    refuses("WG212", {"A": put(tmp_path, "Date,Symbol,Close\n2013-01-02,B,5\n")}, "a column of symbols")
    refuses("WG220", path, "rounding='up'", rounding="up")
    refuses("WG220", path, "gaps='fill'", gaps="fill")
    refuses("WG220", path, "tick 0.01", tick=0.01)
    refuses("WG220", path, "longest_gap=3", longest_gap=3)
    (tmp_path / "latin.csv").write_bytes(b"Date,Close\n2013-01-02,\xe9\n")
    refuses("WG212", tmp_path / "latin.csv", "utf-8")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("WG212", "{"),
        ("WG212", "[]"),
        ("WG212", '{"symbols": ["A"], "steps": [1]}'),
        ("WG212", '{"symbols": [["A"]], "steps": []}'),
        ("WG212", '{"symbols": ["A", "A"], "steps": []}'),
        ("WG212", '{"symbols": ["A"], "steps": [{"A": 1, "B": 2}]}'),
        ("WG212", '{"symbols": ["A"], "steps": [{"A": 1, "A": 2}]}'),
        ("WG212", "[" * 100_000),
        ("WG215", '{"symbols": ["A", "B"], "steps": [{"A": 1, "B": 1}, {"A": 1}]}'),
        ("WG216", '{"symbols": ["A"], "steps": [{"A": NaN}]}'),
        ("WG216", '{"symbols": ["A"], "steps": [{"A": true}]}'),
        ("WG216", '{"symbols": ["A"], "steps": [{"A": [1]}]}'),
        ("WG219", '{"symbols": ["A"], "steps": []}'),
    ],
)
def test_faults_of_a_json_path_are_numbered(tmp_path: Path, number: str, text: str) -> None:
    refuses(number, put(tmp_path, text, "path.json"), "path.json", start="2000-01-01")


def test_positions_are_from_0_to_the_last(tmp_path: Path) -> None:
    bars = read_bars(put(tmp_path, DAILY))
    for index in (-1, 3, True, "0"):
        with pytest.raises(BadBars, match="WG219"):
            bars.at(index)  # type: ignore[arg-type]
    for start in (-1, 4):
        with pytest.raises(BadBars, match="WG219"):
            bars.ticks(start)
    for symbol, name in (("MSFT", "close"), ("GOOG", "vwap")):
        with pytest.raises(BadBars, match="WG219"):
            bars.column(symbol, name)


# --- from code, and to a file ---------------------------------------------------------------------


def test_bars_do_not_change(tmp_path: Path) -> None:
    bars = read_bars(put(tmp_path, DAILY))
    with pytest.raises(TypeError):
        bars.column("GOOG", "close")[0] = 1  # type: ignore[index]
    assert len({bars, read_bars(put(tmp_path, DAILY))}) == 1


@pytest.mark.parametrize(
    ("number", "times", "columns"),
    [
        ("WG212", ["2013-01-02"], {"A": [[1], [1], [1], [1], [0, 0]]}),
        ("WG212", ["2013-01-02"], {"A": [[1], [1], [1], [1]]}),
        ("WG212", ["2013-01-02"], {"A b": [[1], [1], [1], [1], [0]]}),
        ("WG216", ["2013-01-02"], {"A": [[1.0], [1], [1], [1], [0]]}),
        ("WG216", ["2013-01-02"], {"A": [[1], [1], [1], [2], [0]]}),
        ("WG216", ["2013-01-02"], {"A": [[2**63] * 1] * 4 + [[0]]}),
        ("WG218", ["yesterday"], {"A": [[1], [1], [1], [1], [0]]}),
        ("WG219", [], {}),
        ("WG214", ["2013-01-02", "2013-01-01"], {"A": [[1, 1]] * 5}),
    ],
)
def test_bars_from_code_are_checked_as_well(number: str, times: list[str], columns: Any) -> None:
    with pytest.raises(BadBars, match=number):
        Bars.of(times, columns)


def test_what_is_written_has_the_digest_and_reads_back(tmp_path: Path) -> None:
    long = put(
        tmp_path, "Date,Symbol,Close,Volume\n2013-01-02,A,0.1,1e14\n2013-01-02,B,5,1\n2013-01-03,B,5,1\n", "l.csv"
    )
    bars = read_bars(long, gaps="leave")
    write_csv(bars, tmp_path / "out.csv")
    assert hashlib.sha256((tmp_path / "out.csv").read_bytes()).hexdigest() == bars.digest
    assert read_bars(tmp_path / "out.csv", gaps="leave") == bars
    assert list(bars.column("A", "volume")) == [10**14 * ONE, 0]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = put(tmp_path, DAILY)
    with pytest.raises(BadBars, match="WG220"):
        write_csv(read_bars(path), path)
    assert path.read_text() == DAILY
    with pytest.raises(BadBars, match="WG220"):
        write_csv(read_bars(path), tmp_path / "no" / "folder.csv")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_file_that_cannot_be_written_whole_is_not_there(tmp_path: Path) -> None:
    bars = read_bars(ROOT / "examples" / "bars" / "daily.csv")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 13, before[1]))
    try:
        with pytest.raises(BadBars, match=r"WG220.*large"):
            write_csv(bars, tmp_path / "out.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    write_csv(bars, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "bars.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, {})


def test_examples_are_those_of_their_sums() -> None:
    listed = dict(reversed(line.split("  ")) for line in (EXAMPLES / "SHA256SUMS").read_text().splitlines())
    assert set(listed) == {path.name for path in EXAMPLES.iterdir()} - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((EXAMPLES / name).read_bytes()).hexdigest() == digest
        bars = read_bars(EXAMPLES / name)
        assert len(bars) > 1
        if name.endswith(".csv"):
            assert bars.digest == digest

"""The grammar of actions: one canonical text each, everything else is outside."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.worlds import Outside
from worldgate.worlds.market import ONE, Bar, Cancel, Place, Tick, Transfer, parse
from worldgate.worlds.market.actions import instant

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._^=/-]{0,8}", fullmatch=True)
AMOUNTS = st.integers(0, 10**15)
TIMES = st.dates().map(str) | st.datetimes().map(lambda time: f"{time:%Y-%m-%dT%H:%M:%S}Z".rjust(20, "0"))
PLACES = st.builds(
    Place,
    st.sampled_from(("buy", "sell")),
    AMOUNTS,
    NAMES,
    st.sampled_from(("limit", "stop")),
    AMOUNTS,
    st.sampled_from(("gtc", "day", "ioc")),
    st.integers(0, 10**15 - 1),
    NAMES,
) | st.tuples(AMOUNTS, NAMES, NAMES).map(lambda row: Place("buy", row[0], row[1], account=row[2]))


@st.composite
def ticks(draw):
    time = draw(TIMES)
    bars = st.builds(Bar, st.just(time), *[AMOUNTS] * 5)
    return Tick(time, tuple(draw(st.dictionaries(NAMES, bars, min_size=1, max_size=3)).items()))


ACTIONS = (
    PLACES
    | st.builds(Cancel, st.integers(1, 10**15 - 1), NAMES)
    | st.builds(Transfer, st.sampled_from(("deposit", "withdraw")), AMOUNTS, NAMES, NAMES)
    | ticks()
)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("buy 10 GOOG", Place("buy", 10 * ONE, "GOOG")),
        ("buy 10 GOOG limit 104.5", Place("buy", 10 * ONE, "GOOG", "limit", 10_450_000_000)),
        (
            "sell 0.5 BTC/USD stop 90 day id 12 account alice",
            Place("sell", ONE // 2, "BTC/USD", "stop", 90 * ONE, "day", 12, "alice"),
        ),
        ("cancel 12", Cancel(12)),
        ("cancel 12 account alice", Cancel(12, "alice")),
        ("deposit 1000 USD", Transfer("deposit", 1000 * ONE, "USD")),
        ("withdraw 10 USD account alice", Transfer("withdraw", 10 * ONE, "USD", "alice")),
        (
            "tick 2013-01-02 GOOG 357.38 361.15 355.96 359.29 5115500; MSFT 1 2 0.5 1.5 10",
            Tick(
                "2013-01-02",
                (
                    ("GOOG", Bar("2013-01-02", 35738000000, 36115000000, 35596000000, 35929000000, 5115500 * ONE)),
                    ("MSFT", Bar("2013-01-02", ONE, 2 * ONE, ONE // 2, ONE * 3 // 2, 10 * ONE)),
                ),
            ),
        ),
    ],
)
def test_canonical_texts(text, action):
    assert parse(text) == action
    assert type(parse(text)) is type(action)
    assert str(action) == text


@settings(max_examples=50)
@given(ACTIONS)
def test_every_action_reads_back(action):
    assert parse(str(action)) == action
    assert type(parse(str(action))) is type(action)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "buy",
        "buy 10",
        "buy ten GOOG",
        "buy -1 GOOG",
        "buy 1e3 GOOG",
        "buy nan GOOG",
        "buy 0.123456789 GOOG",
        "buy 999999999999999999999 GOOG",
        "buy 10  GOOG",
        "buy 10 GOOG ",
        "buy 10 GOOG\n",
        "buy 10 GOOG market",
        "buy 10 GOOG limit",
        "buy 10 GOOG limit 1 stop 2",
        "buy 10 GOOG fok",
        "buy 10 GOOG id 0",
        "buy 10 GOOG id 01",
        "buy 10 GOOG account",
        "buy 10 GOOG; sell 10 GOOG",
        "BUY 10 GOOG",
        "hold 10 GOOG",
        "cancel",
        "cancel all",
        "cancel 0",
        "deposit 10",
        "deposit ten USD",
        "tick",
        "tick 2013-01-02",
        "tick 2013-02-30 A 1 1 1 1 1",
        "tick 2013-01-02T10:00:00 A 1 1 1 1 1",
        "tick 2013-01-02 A 1 1 1 1",
        "tick 2013-01-02 A 1 1 1 1 1;",
        "tick 2013-01-02 A 1 1 1 1 1; A 1 1 1 1 1",
        "tick 2013-01-02 A 1 1 1 1 NaN",
    ],
)
def test_anything_else_is_outside(text):
    with pytest.raises(Outside):
        parse(text)


def test_times_are_moments():
    assert instant("2024-01-02T01:00:00+02:00") == instant("2024-01-01T23:00:00Z") < instant("2024-01-02")
    assert instant("2024-01-02") == instant("2024-01-02T00:00:00Z")

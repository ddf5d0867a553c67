"""The chain: what a hash covers, by vectors anyone can compute and by properties."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from worldgate.gate.chain import KINDS, START, BadRecord, check, digest, encode_body, follow, parse_time

AT = "2030-01-01T00:00:00Z"
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
bodies = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3, alphabet="abc"), inner),
        max_leaves=6,
    ),
    max_size=4,
)
entries = st.tuples(
    st.sampled_from(sorted(KINDS - {"opened"})), st.text("abcXYZ019-._:", max_size=12), bodies, st.just(AT)
)


def build(entries_):
    last, rows = (0, START), []
    for kind, run, body, at in [("opened", "", {}, AT), *entries_]:
        record = follow(last, kind, run, body, at)
        rows.append(record.row)
        last = (record.seq, record.hash)
    return rows


def assert_chain_holds(rows):
    assert list(check(rows, verifier=None)) == []


def assert_change_is_named(rows, changed):
    assume(rows != changed)
    damages = list(check(changed, verifier=None))
    ended_early = len(changed) < len(rows) and changed == rows[: len(changed)]
    assert damages or ended_early  # only the head can tell that the end was cut off


@patient
@given(st.lists(entries, max_size=6), st.data())
def test_a_chain_holds_and_a_changed_column_does_not(entries_, data):
    rows = build(entries_)
    assert_chain_holds(rows)
    at = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, 7))
    old = rows[at][column]
    kind = {int: st.integers(-5, 20), bytes: st.binary(max_size=8), str: st.text(max_size=70)}[type(old)]
    new = data.draw(kind | st.just(type(old)()))
    assert_change_is_named(rows, [*rows[:at], (*rows[at][:column], new, *rows[at][column + 1 :]), *rows[at + 1 :]])


@patient
@given(st.lists(entries, min_size=1, max_size=6), st.data())
def test_removed_repeated_and_moved_records_are_named(entries_, data):
    rows = build(entries_)
    order = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=len(rows) + 1))
    assert_change_is_named(rows, [rows[at] for at in order])


@pytest.mark.parametrize(
    "column_and_value",
    [
        (0, "1"),
        (1, b"failed"),
        (4, "{}"),
        (4, None),
        (5, "0" * 63),
        (6, "0" * 65),
        (7, "0" * 127),
        (2, "a\nb"),
        (3, "now"),
    ],
)
def test_a_column_of_another_type_or_form_is_a_field_damage(column_and_value):
    column, value = column_and_value
    row = build([("failed", "run", {}, AT)])[1]
    bad = (*row[:column], value, *row[column + 1 :])
    assert "field" in [damage.kind for damage in check([build([])[0], bad], verifier=None)] or column == 0


def test_damage_is_said_once_and_the_walk_goes_on():
    rows = build([("failed", "run", {"n": n}, AT) for n in range(5)])
    rows[2] = (*rows[2][:4], b"{}", *rows[2][5:])
    rows[4] = (*rows[4][:2], "other", *rows[4][3:])
    assert [(damage.kind, damage.seq) for damage in check(rows, verifier=None)] == [("hash", 3), ("hash", 5)]
    assert str(next(check(rows, verifier=None))).startswith("record 3: hash: found hash ")


def test_a_record_rewritten_with_its_hash_no_longer_carries_the_next():
    rows = build([("failed", "run", {"n": n}, AT) for n in range(4)])
    forged = follow((rows[1][0], rows[1][6]), "committed", "run", {}, AT).row
    damages = list(check([*rows[:2], forged, *rows[3:]], verifier=None))
    assert [(damage.kind, damage.seq) for damage in damages] == [("link", 4)]


def test_a_signature_where_no_key_is_named_is_a_damage():
    rows = build([("failed", "run", {}, AT)])
    rows[1] = (*rows[1][:7], "ab" * 64)
    assert [(damage.kind, damage.seq) for damage in check(rows, verifier=None)] == [("signature", 2)]


def test_a_first_record_stands_first_and_only_there():
    opened = build([])[0]
    second = follow((1, opened[6]), "opened", "", {}, AT).row
    assert [damage.kind for damage in check([opened, second], verifier=None)] == ["field"]
    assert [damage.kind for damage in check([follow((0, START), "failed", "", {}, AT).row], verifier=None)] == ["field"]


def test_the_hash_is_what_sha256sum_says():
    text = f"worldgate ledger 1\n2\nfailed\nrun1\n{AT}\n{'ab' * 32}\n" + '{"why":"naïve"}'
    done = subprocess.run(["sha256sum"], input=text.encode(), capture_output=True, check=True)
    body = encode_body({"why": "naïve"})
    assert digest(2, "failed", "run1", AT, body, "ab" * 32) == done.stdout.split()[0].decode()


def test_no_two_records_share_the_hashed_bytes():
    """A newline in a field could move a border; the fields before the body may not hold one."""
    for kind, run, at in (("failed\nx", "r", AT), ("failed", "r\nx", AT), ("failed", "r", AT + "\nx")):
        with pytest.raises(BadRecord):
            follow((1, START), kind, run, {}, at)


def test_bodies_have_one_text():
    body = {"b": 1, "a": {"d": 2, "c": ["x", None]}}
    assert encode_body(body) == b'{"a":{"c":["x",null],"d":2},"b":1}'
    assert follow((1, START), "failed", "run", encode_body(body), AT) == follow((1, START), "failed", "run", body, AT)


@pytest.mark.parametrize("text", ["2030-02-30T00:00:00Z", "2030-01-01T24:00:00Z", "２030-01-01T00:00:00Z", "", 5])
def test_times_that_are_none_are_refused(text):
    with pytest.raises(BadRecord):
        parse_time(text)


def test_times_are_ordered_as_moments():
    assert parse_time("2030-01-01T00:00:00.5Z") > parse_time("2030-01-01T00:00:00Z")

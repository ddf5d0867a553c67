"""The laws hold over generated schemas, and every malformed input has its own error."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldgate.facts import (
    BOOL,
    DECIMAL,
    INT,
    TEXT,
    BadKey,
    BadSchema,
    BadValue,
    Conflict,
    Draft,
    Edit,
    NotFinite,
    Relation,
    Schema,
    State,
    Type,
    Undecodable,
    UnknownRelation,
    compose,
    decode,
    delta_from_json,
    delta_to_json,
    diff,
    encode,
    enum,
    format_edit,
    invert,
    numbers,
    parse_edit,
    parse_fact,
    record,
    ref,
)
from worldgate.facts.schema import Key, Value

from . import asserts
from .strategies import cases, deltas, schemas, states


class Size(NamedTuple):
    width: int
    height: Decimal
    unit: str


class Unsized(NamedTuple):
    width: float


LAMPS = Schema(
    "lamps",
    "1",
    [
        Relation("lit", (("lamp", ref("lamp")),), BOOL),
        Relation("watts", (("lamp", ref("lamp")),), INT),
        Relation("price", (), DECIMAL),
        Relation("wire", (("a", TEXT), ("b", TEXT)), ref("lamp"), index=(0, 1), inverse=True),
    ],
)
LIT = State.of(LAMPS, [("lit", ("hall",), True), ("watts", ("hall",), 40), ("wire", ("x", "y"), "hall")])


@given(cases())
def test_laws_hold_over_generated_schemas(case):
    asserts.assert_laws_of_facts(*case)


@given(st.data())
def test_distance_of_any_two_states(data):
    schema = data.draw(schemas())
    left, right = data.draw(states(schema)), data.draw(states(schema))
    asserts.assert_distance_is_a_metric(left, right)
    assert left.apply(diff(left, right)) == right


@given(st.data())
def test_forks_diff_as_if_they_shared_nothing(data):
    base = data.draw(states(data.draw(schemas())))
    left, right = base.apply(data.draw(deltas(base))), base.apply(data.draw(deltas(base)))
    assert diff(left, right) == diff(State.of(base.schema, left.facts()), State.of(base.schema, right.facts()))


@given(cases())
def test_composition_is_applying_in_turn(case):
    state, delta = case
    middle = len(delta) // 2
    assert state.apply(compose(delta[:middle], delta[middle:])) == state.apply(delta)
    assert compose(delta, invert(delta)) == ()


@given(cases())
def test_a_draft_is_the_same_as_apply(case):
    state, delta = case
    draft = Draft(state)
    for edit in delta:
        assert draft.get(edit.relation, edit.key) == edit.before
        draft.set(edit.relation, edit.key, edit.after)
        if edit.after is not None and state.schema.relations[edit.relation].inverse:
            assert edit.key in draft.owners(edit.relation, edit.after)
    after, done, reads = draft.finish()
    assert after == state.apply(delta) == state.apply(done)
    assert {(edit.relation, edit.key) for edit in delta} <= reads


def test_a_write_that_changes_nothing_is_a_read():
    draft = Draft(LIT)
    draft.set("watts", ("hall",), 40)
    draft.set("watts", ("attic",), 7)
    _, delta, reads = draft.finish()
    assert reads == {("watts", ("hall",))}
    assert delta == (Edit("watts", ("attic",), None, 7),)


@given(cases())
def test_force_is_total(case):
    state, delta = case
    empty = State.of(state.schema)
    forced = empty.force(delta)
    assert forced == empty.apply(diff(empty, forced))
    for edit in compose(delta):
        last = [found.after for found in delta if found[:2] == edit[:2]][-1]
        assert forced.get(edit.relation, edit.key) == last


@given(cases())
def test_states_are_equal_or_differ(case):
    state, delta = case
    for other in (state, state.apply(delta), decode(state.schema, encode(state)), 1):
        assert (state != other) is not (state == other)


@given(cases())
def test_states_pickle(case):
    assert pickle.loads(pickle.dumps(case[0])) == case[0]


class _Backing:
    """A source over a plain state."""

    def __init__(self, state: State) -> None:
        self.state = state

    def get(self, relation: str, key: Key) -> Value | None:
        return self.state.get(relation, key)

    def select(self, relation: str, prefix: Key) -> Mapping[Key, Value]:
        return self.state.select(relation, prefix)

    def owners(self, relation: str, value: Value) -> frozenset[Key]:
        return self.state.owners(relation, value)

    def facts(self):
        return self.state.facts()


@given(cases())
def test_a_state_on_a_source_is_the_state_itself(case):
    state, delta = case
    sourced = State.of(state.schema, source=_Backing(state))
    assert sourced.fingerprint == state.fingerprint
    after = sourced.apply(delta)
    assert encode(after) == encode(state.apply(delta))
    asserts.assert_indexes_agree(after)
    assert diff(sourced, after) == diff(state, state.apply(delta))
    assert after.apply(invert(delta)) == sourced


def test_the_log_stays_bounded_and_diff_stays_right():
    state = first = State.of(LAMPS, [("watts", ("hall",), 0)])
    for watts in range(1, 5000):
        state = state.set("watts", ("hall",), watts)
    links, log = 0, state._log
    while log is not None:
        links, log = links + 1, log.parent
    assert links < 3000
    assert diff(first, state) == (Edit("watts", ("hall",), 0, 4999),)
    assert state.fingerprint == State.of(LAMPS, state.facts()).fingerprint


def test_fingerprints_do_not_depend_on_process_or_hash_seed():
    code = (
        "from worldgate.facts import *;"
        "s = Schema('t', '1', [Relation('r', (('k', TEXT),), INT, index=(0,))]);"
        "x = State.of(s, [('r', (str(i),), i) for i in range(50)]);"
        "print(x.fingerprint, encode(x).hex())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("fact", "error", "says"),
    [
        (("dim", ("hall",), 1), UnknownRelation, "one of lit, watts"),
        (("lit", (), True), BadKey, "a tuple of 1: (lamp)"),
        (("lit", ("a", "b"), True), BadKey, "a tuple of 1"),
        (("lit", "hall", True), BadKey, "a tuple of 1"),
        (("lit", (7,), True), BadKey, "lit.lamp: 7 (int) is not ref"),
        (("lit", ("hall",), 1), BadValue, "1 (int) is not bool"),
        (("watts", ("hall",), True), BadValue, "True (bool) is not int"),
        (("watts", ("hall",), 4.0), BadValue, "4.0 (float) is not int"),
        (("price", (), Decimal("NaN")), NotFinite, "NaN is not finite"),
        (("price", (), Decimal("Infinity")), NotFinite, "not finite"),
        (("wire", ("a", "b"), "\ud800"), BadValue, "lone surrogate at 0"),
        (("wire", ("a\ud800", "b"), "x"), BadKey, "lone surrogate at 1"),
    ],
)
def test_ill_typed_facts_are_refused(fact, error, says):
    for attempt in (lambda: LIT.set(*fact), lambda: State.of(LAMPS, [fact])):
        with pytest.raises(error) as caught:
            attempt()
        assert says in str(caught.value)
        assert str(caught.value).startswith(error.number)
    before = Edit(fact[0], fact[1], None, fact[2])
    with pytest.raises(error):
        State.of(LAMPS).apply((before,))


def test_overwriting_checks_the_value_too():
    for value, error in ((True, BadValue), (4.0, BadValue), ("4", BadValue)):
        with pytest.raises(error):
            LIT.set("watts", ("hall",), value)
    assert LIT.set("watts", ("hall",), 40) is LIT


def test_a_record_changes_as_one_and_every_field_is_checked():
    schema = Schema("shelf", "1", [Relation("size", (("box", TEXT),), record(Size, unit=enum("cm", "in")))])
    small, large = Size(2, Decimal("2.5"), "cm"), Size(4, Decimal(5), "cm")
    state = State.of(schema, [("size", ("a",), small)])
    assert state.get("size", ("a",)).height == Decimal("2.5")
    edit = diff(state, state.set("size", ("a",), large))[0]
    line = 'size("a"): {width: 2, height: 2.5, unit: "cm"} -> {width: 4, height: 5, unit: "cm"}'
    assert format_edit(edit) == line
    assert parse_edit(schema, line) == edit
    assert delta_from_json(schema, delta_to_json((edit,)))[0].after == large
    assert isinstance(delta_from_json(schema, delta_to_json((edit,)))[0].after, Size)
    for value, says in (
        ((2, Decimal(1), "cm"), "(tuple) is not record"),
        (Size(True, Decimal(1), "cm"), "width: True (bool) is not int"),
        (Size(2, Decimal("NaN"), "cm"), "height: NaN is not finite"),
        (Size(2, Decimal(1), "m"), "unit: 'm' is not one of cm, in"),
    ):
        with pytest.raises((BadValue, NotFinite), match=re.escape(says)):
            state.set("size", ("a",), value)
    for line, position in (
        ('size("a") = 4', 11),
        ('size("a") = {width: 2, depth: 2.5}', 22),
        ('size("a") = {width: 2, height: 2.5}', 34),
        ('size("a") = {width: 2, height: 2.5, unit: "m"}', 41),
    ):
        with pytest.raises(Undecodable) as caught:
            parse_fact(schema, line)
        assert caught.value.position == position
    for row in (
        ["size", ["a"], None, [2, "2.5"]],
        ["size", ["a"], None, {"width": 2}],
        ["size", ["a"], None, [2, "2.5", None]],
    ):
        with pytest.raises(Undecodable):
            delta_from_json(schema, [row])


def test_a_conflict_names_the_first_edit_that_does_not_hold():
    delta = (Edit("watts", ("hall",), 40, 60), Edit("lit", ("hall",), False, None), Edit("price", (), Decimal(1), None))
    with pytest.raises(Conflict) as caught:
        LIT.apply(delta)
    assert (caught.value.relation, caught.value.key) == ("lit", ("hall",))
    assert (caught.value.before, caught.value.actual) == (False, True)
    assert LIT.get("watts", ("hall",)) == 40, "nothing is half done"


def test_unknown_reads_are_refused_too():
    with pytest.raises(UnknownRelation):
        LIT.get("dim", ())
    with pytest.raises(KeyError):
        LIT.select("lit", ())
    with pytest.raises(KeyError):
        LIT.owners("lit", True)


@pytest.mark.parametrize(
    ("line", "position"),
    [
        ("", 0),
        ("dim(1) = 2", 0),
        ("lit hall = true", 3),
        ('lit("hall", "x") = true', 10),
        ('lit("hall") = 1', 13),
        ('lit("hall") = true !', 18),
        ('lit("hall) = true', 4),
        ("watts(3) = 4", 6),
        ('watts("hall") = absent', 15),
        ('watts("hall") = 1.5', 15),
    ],
)
def test_undecodable_lines_say_where(line, position):
    with pytest.raises(Undecodable) as caught:
        parse_fact(LAMPS, line)
    assert caught.value.position == position
    assert f"at position {position}" in str(caught.value)


def test_undecodable_edits_say_where():
    with pytest.raises(Undecodable) as caught:
        parse_edit(LAMPS, 'watts("hall"): 1 > 2')
    assert caught.value.position == 16


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"schema":"x","facts":[]}',
        encode(LIT).replace(b"true", b"1"),
        encode(LIT).replace(b'"lit"', b'"dim"'),
        encode(LIT).replace(b"40", b"NaN"),
        encode(LIT)[:-1],
    ],
)
def test_undecodable_states_are_refused(data):
    with pytest.raises(Undecodable):
        decode(LAMPS, data)


@pytest.mark.parametrize(
    "row",
    [
        None,
        [1],
        ["lit", ["a"], True],
        ["lit", "a", True, None],
        ["lit", ["a"], 1, None],
        ["lit", [{"x": 1}], True, None],
    ],
)
def test_undecodable_deltas_name_the_row(row):
    good = ["watts", ["a"], None, 1]
    with pytest.raises(Undecodable) as caught:
        delta_from_json(LAMPS, [good, row])
    assert caught.value.position == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Relation("Bad", (), INT),
        lambda: Relation("r", (("9", INT),), INT),
        lambda: Relation("r", (("k", INT),), INT, index=(1,)),
        lambda: enum("a", "a"),
        lambda: enum(),
        lambda: ref(""),
        lambda: Schema("s", "1", [Relation("r", (), INT), Relation("r", (), BOOL)]),
        lambda: Type("record"),
        lambda: record(Size, width=record(Size)),
        lambda: record(Size, depth=INT),
        lambda: record(Unsized),
        lambda: Relation("r", (("size", record(Size)),), INT),
    ],
)
def test_malformed_schemas_are_refused(make):
    with pytest.raises(BadSchema):
        make()


def test_error_numbers_are_unique_and_complete():
    for number, kind in numbers().items():
        assert kind.number == number
        assert kind.title != "error", number

"""Bits-to-correct: the published figures for a network's edits, and the laws over generated schemas."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.facts import (
    BOOL,
    BYTES,
    DECIMAL,
    INT,
    TEXT,
    BadKey,
    BadValue,
    Edit,
    Relation,
    Schema,
    UnknownRelation,
    bits_to_correct,
    record,
    ref,
    residual,
    symbols,
)

from .strategies import deltas, schemas, states

HOST, PORT = ref("host"), ref("port")
NETWORK = Schema(
    "net",
    "1",
    [
        Relation("up", (("host", HOST),), BOOL),
        Relation("link", (("a", HOST), ("b", HOST)), BOOL),
        Relation("service", (("host", HOST), ("port", PORT)), BOOL),
        Relation("deny", (("host", HOST), ("source", HOST)), BOOL),
        Relation("flow", (("source", HOST), ("destination", HOST), ("port", PORT)), BOOL),
        Relation("clock", (), INT),
        Relation("exit", (), INT),
    ],
)


class Parcel(NamedTuple):
    label: str
    sealed: bool
    weight: Decimal
    seal: bytes


MIXED = Schema(
    "mixed",
    "1",
    [
        Relation("note", (("name", TEXT),), TEXT),
        Relation("raw", (), BYTES),
        Relation("price", (("name", TEXT), ("number", INT)), DECIMAL),
        Relation("parcel", (("number", INT),), record(Parcel)),
    ],
)


def assert_correction_is_a_distance(schema: Schema, one: tuple[Edit, ...], two: tuple[Edit, ...]) -> None:
    """0 exactly for multisets of edits that do the same; symmetric; no order matters."""
    does = [Counter((edit.relation, edit.key, edit.after) for edit in delta) for delta in (one, two)]
    bits = bits_to_correct(schema, one, two)
    assert (bits == 0) == (does[0] == does[1])
    assert bits == bits_to_correct(schema, two, one) == bits_to_correct(schema, one[::-1], two)
    apart = (does[0] - does[1]) + (does[1] - does[0])
    assert bits == 6 * sum(symbols(schema, [edit]) * count for edit, count in apart.items())


@pytest.mark.parametrize(
    ("relation", "key", "fields"),
    [
        ("up", ("h1",), 2),
        ("link", ("h1", "h2"), 3),
        ("service", ("h1", "80"), 3),
        ("deny", ("h1", "h2"), 3),
        ("flow", ("h1", "h2", "80"), 4),
    ],
)
def test_a_network_edit_costs_its_published_number_of_fields(relation, key, fields):
    for before, after in ((None, True), (True, None), (True, False)):
        edit = Edit(relation, key, before, after)
        assert symbols(NETWORK, [edit]) == fields
        assert bits_to_correct(NETWORK, (), (edit,)) == 6 * fields
    assert symbols(NETWORK, [(relation, key, True)]) == fields


@pytest.mark.parametrize("relation", ["clock", "exit"])
def test_a_number_of_the_network_costs_two(relation):
    assert bits_to_correct(NETWORK, (Edit(relation, (), 0, 1),), ()) == 12
    assert bits_to_correct(NETWORK, (Edit(relation, (), 0, 1),), (Edit(relation, (), 0, 2),)) == 24


def test_values_cost_their_scalars_and_texts_their_length():
    assert symbols(MIXED, [("note", ("n",), "")]) == 3
    assert symbols(MIXED, [("note", ("a long name",), "four")]) == 7
    assert symbols(MIXED, [Edit("note", ("n",), "four", None)]) == 2
    assert symbols(MIXED, [("raw", (), b"abc")]) == 5
    assert symbols(MIXED, [("price", ("p", 1), Decimal("12345.67"))]) == 4
    assert symbols(MIXED, [("parcel", (1,), Parcel("ab", True, Decimal(1), b"abc"))]) == 2 + 4 + 2 + 3
    assert symbols(MIXED, [("raw", (), b""), ("raw", (), b"")]) == 4


def test_what_stood_before_costs_nothing():
    assert bits_to_correct(NETWORK, (Edit("clock", (), 1, 3),), (Edit("clock", (), 2, 3),)) == 0


def test_the_residual_is_false_edits_and_missed_ones():
    one, two, three = (Edit("up", (host,), True, False) for host in ("h1", "h2", "h3"))
    assert residual((one, two, two), (two, three)) == ((one, two), (three,))
    assert residual((), ()) == ((), ())


@given(st.data())
@settings(max_examples=50)
def test_correction_over_generated_schemas(data):
    state = data.draw(states(data.draw(schemas())))
    one, two = data.draw(deltas(state)), data.draw(deltas(state))
    for other in (two, data.draw(st.permutations(one)), one[1:], (*one, *one[:1])):
        assert_correction_is_a_distance(state.schema, one, tuple(other))
    assert symbols(state.schema, state.facts()) == sum(symbols(state.schema, [fact]) for fact in state.facts())


def test_edits_that_do_not_fit_are_refused():
    good = (Edit("up", ("h1",), None, True),)
    for bad, error in (
        (Edit("rail", (), None, 1), UnknownRelation),
        (Edit("up", (["h1"],), None, True), BadKey),
        (Edit("clock", (), None, "late"), BadValue),
    ):
        for pair in (((bad,), good), (good, (bad,))):
            with pytest.raises(error):
                bits_to_correct(NETWORK, *pair)
    with pytest.raises(UnknownRelation):
        symbols(NETWORK, [("rail", (), 1)])

"""What a run rests on: the facts it read or changed, and nothing else."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.facts import INT, TEXT, Delta, Edit, Relation, Schema, State, Type, record
from worldgate.gate.base import Mismatch, addresses, mismatches, observe

SCHEMA = Schema(
    "small",
    "1",
    [
        Relation("at", (("row", TEXT), ("column", TEXT)), INT, index=(1,)),
        Relation("here", (), TEXT, local=True),
    ],
)
KEYS = st.tuples(st.sampled_from("xy"), st.sampled_from("abc"))
FACTS = st.dictionaries(KEYS, st.integers(0, 3), max_size=6)


def state(facts: dict[tuple[str, str], int]) -> State:
    return State.of(SCHEMA, [("at", key, value) for key, value in facts.items()])


def test_addresses_are_shared_sorted_and_named_once() -> None:
    edits: Delta = (Edit("at", ("y", "a"), None, 1), Edit("at", ("x", "a"), 1, None), Edit("here", (), None, "z"))
    reads = [("at", ("x", "a")), ("at", ("x",)), ("here", ())]
    assert addresses(SCHEMA, reads, edits) == [("at", ("x", "a")), ("at", ("x",)), ("at", ("y", "a"))]


@given(FACTS, FACTS, st.lists(KEYS, max_size=4), st.lists(st.sampled_from("xy"), max_size=2))
@settings(max_examples=100)
def test_a_base_holds_exactly_where_its_facts_are_the_same(
    one: dict[tuple[str, str], int], two: dict[tuple[str, str], int], keys: list[tuple[str, str]], rows: list[str]
) -> None:
    wanted = addresses(SCHEMA, [*(("at", key) for key in keys), *(("at", (row,)) for row in rows)], ())
    base = observe(state(one), wanted)
    found = {mismatch.address for mismatch in mismatches(state(two), base)}
    expected = {("at", key) for key in keys if one.get(key) != two.get(key)}
    for row in rows:
        groups = [{key: value for key, value in facts.items() if key[0] == row} for facts in (one, two)]
        if groups[0] != groups[1]:
            expected.add(("at", (row,)))
    assert found == expected
    assert mismatches(state(one), base) == []


def test_a_mismatch_says_what_was_and_what_is() -> None:
    assert str(Mismatch(("at", ("x", "a")), 1, None)) == 'at("x", "a") was 1 and is absent'


class Held(NamedTuple):
    owner: str
    cents: int
    count: int


def test_amounts_are_told_for_people_and_of_records_only_what_differs() -> None:
    cents = Type("int", places=2)
    schema = Schema(
        "purse", "1", [
            Relation("cash", (("who", TEXT),), cents),
            Relation("held", (("who", TEXT),), record(Held, owner=TEXT, cents=cents, count=INT)),
        ],
    )  # fmt: skip
    assert str(Mismatch.of(schema, ("cash", ("x",)), 1250, None)) == 'cash("x") was 12.5 and is absent'
    one, other = Held("x", 100, 3), Held("x", 250, 3)
    assert str(Mismatch.of(schema, ("held", ("x",)), one, other)) == 'held("x") was cents 1 and is cents 2.5'
    assert "cents: 1, count: 3}" in str(Mismatch.of(schema, ("held", ("x",)), one, None))
    assert str(Mismatch.of(schema, ("cash", ()), "aa", "bb")) == 'cash() was "aa" and is "bb"', "digests"


def test_a_group_is_not_its_neighbour_s() -> None:
    """The digest of a group covers keys, values, and where one fact ends and the next begins."""
    groups = [{("x", "a"): 1, ("x", "b"): 2}, {("x", "a"): 2, ("x", "b"): 1}, {("x", "ab"): 12}, {("x", "a"): 1}, {}]
    digests = [observe(state(group), [("at", ("x",))])[0][1] for group in groups]
    assert len(set(digests)) == len(groups)

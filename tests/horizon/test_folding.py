"""Rules about one fact after another: what earlier facts of a step leave to later ones."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from worldgate.facts import INT, Edit, Relation, Schema, State, record, ref
from worldgate.horizon.induction import Induction
from worldgate.horizon.induction.arithmetic import Chosen, Field
from worldgate.horizon.induction.folding import Earlier, renewed, renewed_if_right
from worldgate.horizon.induction.goals import Goal
from worldgate.horizon.induction.language import Language
from worldgate.horizon.induction.literals import Is
from worldgate.horizon.induction.records import said
from worldgate.horizon.induction.study import Study
from worldgate.horizon.induction.table import Row, Table
from worldgate.horizon.induction.terms import Argument, Constant, Held, Part
from worldgate.horizon.induction.told import Told
from worldgate.horizon.induction.tree import Leaf, Split
from worldgate.horizon.induction.written import Reader, Writer

TANK = ref("tank")


class Wish(NamedTuple):
    tank: str
    wanted: int
    rank: int


class Grant(NamedTuple):
    tank: str
    amount: int


class Serve(NamedTuple):
    day: str


SCHEMA = Schema(
    "tanks",
    "1",
    [
        Relation("tank", (("id", TANK),), INT),
        Relation("wish", (("number", INT),), record(Wish, tank=TANK)),
        Relation("grant", (("number", INT),), record(Grant, tank=TANK)),
    ],
)


def serving(random: Random, *, lasting: bool) -> tuple[State, Serve, tuple[Edit, ...]]:
    """Those of low rank first, each gets what it wants or what is left in its tank. Tanks that are not `lasting` are
    full again after it."""
    left = {name: random.randint(0, 10**6) for name in ("a", "b")}
    numbers = random.sample(range(100), random.randint(1, 5))
    wishes = {
        number: Wish(random.choice("ab"), random.randint(1, 6 * 10**5), random.randint(0, 3)) for number in numbers
    }
    facts = [("tank", (name,), level) for name, level in left.items()]
    facts += [("wish", (number,), wish) for number, wish in wishes.items()]
    state, delta = State.of(SCHEMA, facts), []
    for number, wish in sorted(wishes.items(), key=lambda row: (row[1].rank, row[0])):
        amount = min(wish.wanted, left[wish.tank])
        left[wish.tank] -= amount
        delta.append(Edit("grant", (number,), None, Grant(wish.tank, amount)))
    if lasting:
        old = {name: state.get("tank", (name,)) for name in left}
        delta += [Edit("tank", (name,), old[name], level) for name, level in left.items() if level != old[name]]
    return state, Serve(random.choice(("monday", "tuesday"))), tuple(delta)


def taught(count: int, *, lasting: bool) -> Induction:
    random, rules = Random(1), Induction(SCHEMA)
    for _ in range(count):
        rules.learn(*serving(random, lasting=lasting))
    return rules


@pytest.mark.parametrize(
    ("lasting", "left"),
    [
        (True, "tank(wish(number).tank) + sum new tank(id) of one of earlier wish(wish(number).tank)"),
        (False, "tank(wish(number).tank) - sum new_grant(number).amount of earlier new_grant(new_grant(number).tank)"),
    ],
)
def test_each_fact_sees_what_earlier_ones_left(lasting, left):
    rules, random = taught(300, lasting=lasting), Random(2)
    assert f"{left} by wish(number).rank" in rules.explain()
    for _ in range(100):
        state, action, delta = serving(random, lasting=lasting)
        assert Counter(rules.predict(state, action).delta) == Counter(delta)


def test_such_rules_are_data():
    rules, writer = taught(200, lasting=True), Writer(SCHEMA)
    (found,) = rules.rules.values()
    data, written = msgspec.json.decode(msgspec.json.encode([writer.rules(found), writer.written]))
    again = Reader(SCHEMA, written).rules(data)
    assert again.folded == {"grant"}
    random = Random(3)
    for _ in range(20):
        state, action, delta = serving(random, lasting=True)
        call = said(action)
        told = again.predict(Told(state, call.tables), call.words)
        edits = {Edit(one.relation, key, state.get(one.relation, key), value) for one, key, value, _ in told}
        assert {edit for edit in edits if edit.before != edit.after} == {*delta}


def test_facts_without_a_thing_share_nothing():
    wishes = [("wish", (number,), Wish(tank, 5, number)) for number, tank in enumerate(("a", "a", "b"))]
    state = State.of(SCHEMA, wishes)
    table, number = Table([Row(state, (), (number,)) for number in range(3)]), Part(0, "number", INT)
    wish = Held("wish", (number,), SCHEMA.relations["wish"].value)
    tank, wanted = Field(wish, 0, "tank", TANK), Field(wish, 1, "wanted", INT)
    full = Held("tank", (tank,), INT)  # there is no such fact
    for thing, earlier in ((tank, [0, 5, 0]), (full, [0, 0, 0])):
        assert Earlier("wish", (thing,), (thing,), wanted, (number,), (number,)).column(table) == earlier


def _answer(name: str, *values: int) -> Chosen:
    """What is `values[0]` for the word 0 and the next one for another."""
    asked = Is(Argument(0, INT), 0)
    return Chosen(
        name, tuple(Constant(value, INT) for value in values), Split(asked, Leaf(0, 5, 0), Leaf(1, 5, 0)), INT
    )


def test_what_asks_a_value_learned_anew_asks_the_new_one_unless_that_makes_it_wrong():
    level, old = Constant(0, INT), _answer("level", 0, 1)
    amount = Chosen("amount", (Constant(7, INT), level), Split(Is(old, 0), Leaf(0, 5, 0), Leaf(1, 5, 0)), INT)
    rows = [Row(State.of(SCHEMA, []), (number % 2,)) for number in range(10)]
    study = Study(Language(SCHEMA, [Argument(0, INT)]), Table(rows))
    goal = Goal("amount", INT, level, [7, 0] * 5, study.all, found=amount)
    for values, right in (((0, 5), True), ((0, 0), False)):
        latest = {"level": _answer("level", *values)}
        again = renewed(amount, latest, {})
        assert study.table.column(again) == ([7, 0] * 5 if right else [7] * 10)
        assert (renewed_if_right(study, goal, latest) is amount) is not right

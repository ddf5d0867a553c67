"""Rules over records and numbers: fields, exact arithmetic, ids that are counted up, actions that are records."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, NamedTuple

import pytest

from worldgate.facts import INT, Edit, Relation, Schema, State, Type, enum, record, ref
from worldgate.horizon.induction import Induction
from worldgate.horizon.induction.arithmetic import ROUNDINGS, Extreme, Product, Total
from worldgate.horizon.induction.gathering import itself
from worldgate.horizon.induction.language import Language
from worldgate.horizon.induction.records import said
from worldgate.horizon.induction.solving import Solver
from worldgate.horizon.induction.table import Row, Table, Term
from worldgate.horizon.induction.terms import Argument, Constant
from worldgate.worlds import get
from worldgate.worlds.check import walk

CENTS = Type("int", places=2)
ACCOUNT, KIND = ref("account"), enum("saving", "giro")


class Account(NamedTuple):
    kind: str
    balance: int
    paid: int


class Line(NamedTuple):
    account: str
    amount: int
    fee: int


class Pay(NamedTuple):
    account: str
    amount: int


SCHEMA = Schema(
    "bank",
    "1",
    [
        Relation("account", (("id", ACCOUNT),), record(Account, kind=KIND, balance=CENTS, paid=CENTS)),
        Relation("rate", (), CENTS),
        Relation("least", (), CENTS),
        Relation("last", (), INT),
        Relation("line", (("number", INT),), record(Line, account=ACCOUNT, amount=CENTS, fee=CENTS)),
    ],
)


def payment(random: Random, *, free: bool = True) -> tuple[State, Pay, tuple[Edit, ...]]:
    """A payment costs a share, rounded up, and at least something; saving accounts pay nothing (if `free`)."""
    names = [f"a{number}" for number in range(4)]
    kinds = {name: random.choice(("saving", "giro")) for name in names}
    accounts = {name: Account(kinds[name], random.randint(0, 10**7), random.randint(0, 10**6)) for name in names}
    rate, least, last = random.randint(1, 9), random.randint(100, 5_000), random.randint(0, 50)
    facts = [("account", (name,), account) for name, account in accounts.items()]
    facts += [("rate", (), rate), ("least", (), least), ("last", (), last)]
    action = Pay(random.choice(names), random.randint(1, 10**5))
    kind, balance, paid = before = accounts[action.account]
    fee = 0 if free and kind == "saving" else max(least, -(-action.amount * rate // 100))
    after = Account(kind, balance - action.amount - fee, paid + fee)
    delta = (
        Edit("account", (action.account,), before, after),
        Edit("line", (last + 1,), None, Line(action.account, action.amount, fee)),
        Edit("last", (), last, last + 1),
    )
    return State.of(SCHEMA, facts), action, delta


def taught(count: int, **options: Any) -> Induction:
    random, rules = Random(1), Induction(SCHEMA, **options)
    for _ in range(count):
        rules.learn(*payment(random))
    return rules


def exactness(rules: Induction, count: int = 60) -> float:
    random = Random(2)
    rows = [payment(random) for _ in range(count)]
    return sum(Counter(rules.predict(state, action).delta) == Counter(delta) for state, action, delta in rows) / count


def test_records_are_made_of_what_was_learned_of_their_fields():
    rules = taught(200)
    assert exactness(rules) == 1.0
    text = rules.explain()
    assert "line(last() + 1)" in text  # an id that is counted up
    assert "max((rate() * new line(last() + 1).amount / 100 rounded up), least())" in text
    assert "fee: new account(?0).paid - account(?0).paid" in text  # what was learned of one value serves another


def test_what_was_made_is_of_the_type_of_the_schema():
    state, action, _ = payment(Random(3))
    delta = taught(200).predict(state, action).delta
    assert {type(edit.after) for edit in delta} == {Account, Line, int}
    state.apply(delta)


def test_without_records_none_of_it_is_known():
    assert exactness(taught(200, records=False)) == 0.0


def _solved(keep: int, after: Any) -> str:
    """The first expression found for a value of three words, from forty examples."""
    random = Random(4)
    rows = [Row(State.of(SCHEMA), tuple(random.randint(10**4, 10**6) for _ in range(3))) for _ in range(40)]
    words = [Argument(index, INT) for index in range(3)]
    solver = Solver(words, [], [Constant(1, INT), Constant(100, INT)], rows)
    found = solver.solve(words[keep], [after(*row.words) for row in rows])
    assert len(found) == 1
    assert found[0].column(Table(rows)) == [after(*row.words) for row in rows]
    return str(found[0])


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (lambda a, b, c: a + b - c, "?0 + ?1 - ?2"),
        (lambda a, b, c: a - b * c // 100, "?0 - (?2 * ?1 / 100 rounded down)"),
        (lambda a, b, c: -(-a * b // c), "(?1 * ?0 / ?2 rounded up)"),
        (lambda a, b, c: a + (b + c) * b // 100, None),
        (lambda a, b, c: b * c - a * b, None),
    ],
)
def test_expressions_are_solved_for(after, text):
    assert _solved(0, after) == text or text is None


def _share(rate: int, least: int, value: int) -> int:
    return max(least, rate * value // 100)


def _priced(count: int) -> tuple[list[Row], list[Term]]:
    """Rows of a rate, the least that is paid, and two values, and these as terms."""
    random, words = Random(7), [Argument(index, INT) for index in range(4)]
    ranges = ((1, 99), (10**4, 10**5), (10**4, 10**6), (10**4, 10**6))
    return [Row(State.of(SCHEMA), tuple(random.randint(*one) for one in ranges)) for _ in range(count)], words


def test_an_expression_may_have_several_extremes():
    rows, words = _priced(60)
    after = [_share(rate, least, max(one, other)) for rate, least, one, other in (row.words for row in rows)]
    found = Solver(words, [], [Constant(1, INT), Constant(100, INT)], rows).solve(Constant(0, INT), after)
    assert any(term.column(Table(rows)) == after for term in found), list(map(str, found))


def test_what_is_added_to_what_there_was_is_found_from_what_it_is_alone():
    rows, (rate, least, value, before) = _priced(40)
    units = [Constant(1, INT), Constant(100, INT)]
    after = [_share(a, b, c + d) - _share(a, b, d) for a, b, c, d in (row.words for row in rows)]
    alone = Extreme(Product(rate, value, units[1]), least, larger=True)
    solver = Solver([rate, least, value, before], [], units, rows)
    assert not any(term.column(Table(rows)) == after for term in solver.solve(Constant(0, INT), after))
    found = solver.solve(Constant(0, INT), after, [alone])
    assert [str(term) for term in found] == [
        "max((?0 * (?2 + ?3) / 100 rounded down), ?1) - max((?0 * ?3 / 100 rounded down), ?1)"
    ]


def test_an_extreme_that_is_right_once_more_is_chance():
    rows, words = _priced(40)
    after = [one + other for _, _, one, other in (row.words for row in rows)]
    words[1] = Argument(4, INT)
    rows = [row._replace(words=(*row.words, 10**7)) for row in rows]
    rows[5] = rows[5]._replace(words=(*rows[5].words[:4], 17))
    after[5] = 17
    found = Solver(words, [], [Constant(1, INT)], rows).solve(Constant(0, INT), after)
    assert [str(term) for term in found] == ["?3 + ?2"]


def test_what_is_taken_away_may_have_an_extreme_where_there_was_nothing():
    rows, words = _priced(40)
    after = [-min(one, other) for _, _, one, other in (row.words for row in rows)]
    found = Solver(words, [], [Constant(1, INT)], rows).solve(Constant(0, INT), after)
    assert [str(term) for term in found] == ["- min(?2, ?3)"]


def test_what_is_added_up_is_of_each_fact_by_itself():
    schema = get("market").schema
    order = schema.relations["order"]
    known = itself(Language(schema, []).of_each(order), order).schema.relations
    assert set(known) == {"instrument", "costs", "clock", "time", "bar", "order", "fill"}


def test_nothing_is_found_for_chance():
    random = Random(5)
    rows = [Row(State.of(SCHEMA), (random.randint(1, 10**9), random.randint(1, 10**9))) for _ in range(40)]
    words = [Argument(index, INT) for index in range(2)]
    assert Solver(words, [], [Constant(1, INT)], rows).solve(words[0], [random.getrandbits(40) for _ in rows]) == []


@pytest.mark.parametrize(
    ("top", "bottom", "values"),
    [(7, 2, (3, 4, 4)), (5, 2, (2, 3, 2)), (-7, 2, (-4, -3, -4)), (-5, 2, (-3, -2, -2)), (8, 2, (4, 4, 4))],
)
def test_rounding_is_exact(top, bottom, values):
    assert tuple(rounded(top, bottom) for rounded in ROUNDINGS.values()) == values


def test_an_absent_number_counts_as_nothing_and_a_quotient_by_it_is_absent():
    table = Table([Row(State.of(SCHEMA), ("x", 6))])
    absent, six = Argument(0, INT), Argument(1, INT)
    assert Total((six, absent), (six,)).column(table) == [0]
    assert Product(six, six, Constant(4, INT)).column(table) == [9]
    assert Product(six, six, absent).column(table) == [None]


def test_an_action_that_is_a_record_is_its_fields_and_tables():
    parse = get("market").parse
    cancel = said(parse("cancel 12 account alice"))
    assert (cancel.shape, cancel.words) == (("cancel", 2), (12, "alice"))
    tick = said(parse("tick 2024-01-02 ACME 1 2 0.5 1.5 10; BOLT 3 3 3 3 0"))
    assert (tick.shape, tick.words) == (("tick", 1), ("2024-01-02",))
    assert [bar.close for bar in tick.tables["tick_bars"].values()] == [150_000_000, 300_000_000]
    assert said(parse("cancel 12"), records=False).words == ("12",)
    assert said("open a b").shape == ("open", 2)


def test_money_of_the_market_is_exact():
    world = get("market")
    rules, right = Induction(world.schema), []
    for seed in (*range(9), *range(5000, 5004)):
        for text, state, moved in walk(world, "everyday", seed, 100):
            if text.startswith(("deposit", "withdraw")):
                action = world.parse(text)
                if seed < 5000:
                    rules.learn(state, action, moved.delta)
                else:
                    right.append(Counter(rules.predict(state, action).delta) == Counter(moved.delta))
    assert len(right) > 10
    assert all(right)
    assert "peak: (book(?3, ?2).peak * new book(?3, ?2).equity / book(?3, ?2).equity rounded up)" in rules.explain()


class Deal(NamedTuple):
    quantity: int
    price: int
    fee: int


SHOP = Schema(
    "shop",
    "1",
    [
        *(Relation(name, (), CENTS) for name in ("wanted", "held", "quoted", "tick", "spread", "share", "least")),
        Relation("deal", (), record(Deal, quantity=CENTS, price=CENTS, fee=CENTS)),
    ],
)


def deal(random: Random) -> tuple[State, str, tuple[Edit, ...]]:
    """A price goes up by a share and on to the next tick; the fee is a share of what is paid, and something more."""
    held, tick, spread, share, least = (random.randint(*of) for of in ((0, 999), (2, 9), (1, 30), (1, 30), (1, 500)))
    wanted, quoted = held + random.randint(100, 9_999), random.randint(10**3, 10**5)
    facts = {"wanted": wanted, "held": held, "quoted": quoted, "tick": tick}
    facts |= {"spread": spread, "share": share, "least": least}
    quantity, raised = wanted - held, quoted - (-quoted * spread // 100)
    price = -(-raised // tick) * tick
    after = Deal(quantity, price, least + share * (quantity * price // 100) // 100)
    state = State.of(SHOP, [("deal", (), Deal(0, 0, 0)), *((name, (), value) for name, value in facts.items())])
    return state, "buy", (Edit("deal", (), Deal(0, 0, 0), after),)


def test_what_is_rounded_to_steps_is_multiplied_with_what_else_was_made():
    random, rules = Random(6), Induction(SHOP)
    for _ in range(80):
        rules.learn(*deal(random))
    rows = [deal(random) for _ in range(40)]
    assert [rules.predict(state, action).delta for state, action, _ in rows] == [delta for *_, delta in rows]


class Stock(NamedTuple):
    here: int
    owed: int
    ordered: int


class Move(NamedTuple):
    of: str
    here: int
    owed: int
    ordered: int


STORE = Schema(
    "store",
    "1",
    [
        Relation("stock", (("of", ref("thing")),), record(Stock, here=INT, owed=INT, ordered=INT)),
        Relation("moves", (), INT),
    ],
)


def moved(random: Random) -> tuple[State, Move, tuple[Edit, ...]]:
    """What a thing has of each kind goes up or down; where nothing of any kind is left, there is no fact."""
    before = Stock(*(random.choice((0, random.randint(-9_999, 9_999))) for _ in range(3)))
    change = [-one if random.random() < 0.7 else random.randint(-9_999, 9_999) for one in before]
    after = Stock(*(one + more for one, more in zip(before, change, strict=True)))
    state = State.of(STORE, [("stock", ("a",), before), ("moves", (), 1)])
    edits = Edit("stock", ("a",), before, after if any(after) else None), Edit("moves", (), 1, 2)
    return state, Move("a", *change), edits


def test_a_record_of_nothing_but_zeros_may_be_none():
    random, rules = Random(7), Induction(STORE)
    for _ in range(300):
        rules.learn(*moved(random))
    assert "absent if (here, owed, ordered) = {here: 0, owed: 0, ordered: 0}  [" in rules.explain()
    rows = [moved(random) for _ in range(60)]
    assert [{*rules.predict(state, action).delta} for state, action, _ in rows] == [{*delta} for *_, delta in rows]


class Offer(NamedTuple):
    amount: int
    limit: int
    paid: int


EXCHANGE = Schema(
    "exchange",
    "1",
    [
        Relation("offer", (), record(Offer, amount=INT, limit=CENTS, paid=CENTS)),
        Relation("quoted", (), CENTS),
    ],
)


def offered(random: Random) -> tuple[State, str, tuple[Edit, ...]]:
    """Who buys pays the lower of two prices; who sells, which is an amount below zero, is paid the higher one."""
    amount, limit, quoted = random.choice((-1, 1)) * random.randint(1, 99), *(random.randint(1, 9_999) for _ in "12")
    before, paid = Offer(amount, limit, 0), (max if amount < 0 else min)(limit, quoted)
    state = State.of(EXCHANGE, [("offer", (), before), ("quoted", (), quoted)])
    return state, "close", (Edit("offer", (), before, before._replace(paid=paid)),)


def test_where_no_question_tells_which_number_is_right_one_may_tell_whether_the_higher_or_the_lower_is():
    random, rules = Random(0), Induction(EXCHANGE)
    for _ in range(100):
        rules.learn(*offered(random))
    rows = [offered(random) for _ in range(60)]
    assert [rules.predict(state, action).delta for state, action, _ in rows] == [delta for *_, delta in rows]

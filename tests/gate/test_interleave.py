"""Parallel branches: what is found, which two steps are named, and that leaving orders out finds the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worldgate.facts import INT, Draft, Relation, Schema, State
from worldgate.gate.antichain import heaviest, pairs
from worldgate.gate.exploration import Explorer
from worldgate.gate.interleave import Interleavings, check
from worldgate.gate.plan import Plan, Step, make_plan
from worldgate.worlds import Transition, World, get, transition
from worldgate.worlds.declared import world_from_text

REGISTERS = world_from_text("""
world: registers
version: "1"
values: {a: int, b: int, c: int}
collections: {things: {each: thing, fields: {size: int}}}
resources:
  lock: {exclusive: true}
  slots: {capacity: 2}
  fuel: {consumable: 3}
start: {a: 0, b: 0, c: 0}
actions:
  set_a: {params: {to: int}, effects: {a(): to}}
  set_b: {params: {to: int}, effects: {b(): to}}
  add_a: {params: {by: int}, effects: {a(): a() + by}}
  copy_a_to_b: {effects: {b(): a()}}
  copy_b_to_c: {effects: {c(): b()}}
  when_a_is: {params: {it: int}, requires: [a() == it], effects: {c(): c() + 1}}
  take: {acquires: [lock]}
  give: {releases: [lock]}
  with_lock: {uses: {lock: 1}}
  slow: {uses: {slots: 1}, timeout_s: 10, retries: 1}
  burn: {uses: {fuel: 1}}
  make: {params: {thing: {new: thing}}, effects: {thing(thing): {size: 1}}}
  count: {effects: {c(): size(things())}}
  swap: {effects: {a(): b(), b(): a()}}
limits: {max_time_s: 100}
""")


def parallel(*actions: str, **when: str) -> Plan:
    """Steps s1, s2, ... without an order."""
    steps = [Step(id=f"s{n}", do=do, needs=(), when=when.get(f"s{n}", "")) for n, do in enumerate(actions, 1)]
    return make_plan(steps, world="registers")


def checked(plan: Plan, world: World = REGISTERS, **options: object) -> Interleavings:
    return check(world, world.initial(0), plan, **options)  # type: ignore[arg-type]


def named(found: Interleavings) -> list[tuple[str, str]]:
    return [(breach.number, breach.step) for breach in found.breaches]


# --- each fault, and the steps it names -------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (("set_a(to: 1)", "set_b(to: 1)"), []),
        (("set_a(to: 1)", "set_a(to: 1)"), []),
        (("add_a(by: 1)", "add_a(by: 2)", "set_b(to: 4)"), []),
        (("set_b(to: 4)", "set_a(to: 1)", "set_a(to: 2)"), [("WG314", "s2, s3")]),
        (("set_a(to: 1)", "copy_a_to_b()"), [("WG314", "s1, s2")]),
        (("set_a(to: 7)", "set_b(to: 1)", "when_a_is(it: 7)"), [("WG315", "s1, s3")]),
        (("when_a_is(it: 7)",), [("WG266", "s1")]),
        (("with_lock()", "set_a(to: 1)", "with_lock()"), [("WG311", "s1, s3")]),
        (('make(thing: "x")', 'make(thing: "y")'), []),
        (('make(thing: "x")', "set_a(to: 1)", "count()"), [("WG314", "s1, s3")]),
        (("slow()", "slow()"), []),
        (("slow()", "slow()", "slow()"), [("WG312", "s1, s2, s3")]),
        (("burn()", "burn()", "burn()"), []),
        (("take()", "with_lock()"), [("WG311", "s1, s2")]),
        (("take()", "take()"), [("WG311", "s1, s2")]),
        (("give()",), [("WG268", "s1")]),
        (("nonsense()",), [("WG257", "s1")]),
    ],
)
def test_what_is_found_and_which_steps_are_named(actions: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    assert named(checked(parallel(*actions))) == expected


def test_an_exhausted_consumable_names_two_steps_that_compete_for_it() -> None:
    found = checked(parallel("burn()", "burn()", "set_a(to: 1)", "burn()", "burn()"))
    assert {breach.number for breach in found.breaches} == {"WG313"}
    assert all(len(breach.step.split(", ")) == 2 and "s3" not in breach.step for breach in found.breaches)
    in_a_row = checked(make_plan(["burn()"] * 4, world="registers"))
    assert named(in_a_row) == [("WG269", "s4")]


def test_the_exchange_of_the_two_named_steps_alone_makes_the_difference() -> None:
    (breach,) = checked(parallel("set_a(to: 1)", "set_b(to: 1)", "add_a(by: 2)", "set_b(to: 1)")).breaches
    one, two = breach.step.split(", ")
    alone = [Step(id=n, do={"s1": "set_a(to: 1)", "s3": "add_a(by: 2)"}[n], needs=()) for n in (one, two)]
    assert named(checked(make_plan(alone, world="registers"))) == [("WG314", "s1, s3")]


def test_a_condition_that_depends_on_the_order() -> None:
    assert named(checked(parallel("set_a(to: 1)", "set_b(to: 2)", s2="a() == 1"))) == [("WG316", "s1, s2")]
    ordered = [
        Step(id="x", do="set_a(to: 1)", needs=()),
        Step(id="y", do="set_b(to: 2)", needs=("x",), when="a() == 1"),
    ]
    assert named(checked(make_plan(ordered, world="registers"))) == []


def test_a_condition_that_can_only_be_asked_in_some_order() -> None:
    plan = parallel("set_a(to: 1)", 'make(thing: "x")', s1='thing_size("x") > 0')
    assert named(checked(plan)) == [("WG315", "s1, s2")]


def test_branches_that_exclude_each_other_may_both_need_the_lock() -> None:
    either = parallel("with_lock()", "with_lock()", s1="a() == 0", s2="a() != 0")
    assert named(checked(either)) == []
    assert named(checked(parallel("with_lock()", "with_lock()", s1="a() == 0", s2="b() == 0"))) == [("WG311", "s1, s2")]


def test_status_is_of_the_one_step_needed() -> None:
    plan = make_plan(
        [
            Step(id="first", do="set_a(to: 1)"),
            Step(id="yes", do="set_b(to: 1)", when="status == 0"),
            Step(id="no", do="set_b(to: 2)", when="status != 0"),
            Step(id="after-skipped", do="set_b(to: 3)", when="status == 0"),
        ]
    )
    found = checked(plan)
    assert named(found) == []
    assert found.final == checked(make_plan(["set_a(to: 1)", "set_b(to: 1)"])).final


@pytest.mark.parametrize(
    ("when", "number"),
    [("status == 0", "WG319"), ("nope() == 1", "WG253"), ("a()", "WG253"), ("a() / 0 == 1", "WG222")],
)
def test_a_condition_that_cannot_be_used_is_refused(when: str, number: str) -> None:
    (breach,) = checked(parallel("set_a(to: 1)", s1=when)).breaches
    assert breach.number in (number, "WG275")


def test_a_bound_that_was_reached_is_a_breach() -> None:
    plan = parallel(*(f"add_a(by: {2**n})" for n in range(8)))
    assert checked(plan).complete
    found = checked(plan, bound=40)
    assert (found.complete, found.explored, named(found)) == (False, 40, [("WG317", "")])


def test_limits_of_the_world_hold_for_the_whole_plan() -> None:
    assert named(checked(make_plan(["slow()"] * 5, world="registers"))) == []
    assert named(checked(make_plan(["slow()"] * 6, world="registers"))) == [("WG318", "")]


def test_independent_steps_cost_one_order() -> None:
    cell = get("support-desk")
    steps = [Step(id=f"t{n}", do=f'open_ticket(ticket: "x{n}", customer: "ada")', needs=()) for n in range(8)]
    found = check(cell, cell.initial(0), make_plan(steps))
    assert (found.explored, found.breaches) == (9, ())


def test_filesystem_branches_that_touch_different_files_commute_and_others_do_not() -> None:
    world = get("filesystem")
    state = world.initial(0)

    def names(*actions: str) -> list[tuple[str, str]]:
        steps = [Step(id=f"s{n}", do=do, needs=()) for n, do in enumerate(actions, 1)]
        return named(check(world, state, make_plan(steps, world="filesystem")))

    assert names("mkdir p", "mkdir q", "touch r") == []
    assert names("mkdir p", "touch s", "mkdir p") == [("WG314", "s1, s3")]
    assert names("mkdir p", "touch p/x") == [("WG314", "s1, s2")]
    assert names("mkdir q", "cd q") == [("WG314", "s1, s2")]


class Shell:
    """A world with facts of the acting process, writes that read nothing, and exit codes."""

    name, version, drivers = "shell", "1", {}
    schema = Schema("shell", "1", [Relation("x", (), INT), Relation("where", (), INT, local=True),
                                   Relation("said", (), INT, local=True)])  # fmt: skip

    def initial(self, seed: int) -> State:
        return State.of(self.schema, [("x", (), 0), ("where", (), 0), ("said", (), seed)])

    def parse(self, text: str) -> tuple[str, int]:
        word, number = text.split()
        return word, int(number)

    def step(self, state: State, action: tuple[str, int]) -> Transition:
        draft, (word, number) = Draft(state), action
        if word == "put":
            draft.set("x", (), number)
        elif word == "go":
            draft.set("where", (), number)
        elif word == "here":
            draft.set("x", (), draft.get("where", ()))
        draft.set("said", (), number)
        return transition(draft, {"exit": draft.get("x", ()) if word == "test" else 0})

    def properties(self) -> dict[str, object]:
        return {}


def shell(*steps: Step) -> list[tuple[str, str]]:
    return named(checked(make_plan(steps), Shell()))  # type: ignore[arg-type]


def test_writes_that_read_nothing_depend_on_each_other() -> None:
    assert shell(Step(id="a", do="put 1", needs=()), Step(id="b", do="put 2", needs=())) == [("WG314", "a, b")]


def test_facts_of_the_acting_process_count_for_what_follows_and_not_for_the_result() -> None:
    going = (Step(id="a", do="go 1", needs=()), Step(id="b", do="go 2", needs=()))
    assert shell(*going) == []
    assert shell(*going, Step(id="c", do="here 0", needs=("a", "b"))) == [("WG314", "a, b")]


def test_the_exit_code_a_condition_asks_for_tells_orders_apart() -> None:
    steps = (Step(id="try", do="test 0", needs=()), Step(id="put", do="put 1", needs=()))
    then = Step(id="then", do="say 1", needs=("try",), when="status == 0")
    assert {number for number, _ in shell(*steps, then)} == {"WG314", "WG316"}


# --- leaving orders out finds the same ---------------------------------------------------------------

REGISTER_ACTIONS = [
    *("set_a(to: 1)", "set_a(to: 2)", "set_b(to: 1)", "add_a(by: 1)", "copy_a_to_b()", "copy_b_to_c()", "swap()"),
    *('make(thing: "x")', 'make(thing: "y")', "count()"),
    *("when_a_is(it: 1)", "take()", "give()", "with_lock()", "slow()", "burn()"),
]
CONDITIONS = ["", "", "", 'thing_size("x") > 0', "a() == 1", "b() == 0", "c() > 0"]


@st.composite
def plans(draw: st.DrawFn, actions: Sequence[str], conditions: Sequence[str]) -> Plan:
    steps: list[Step] = []
    for number in range(draw(st.integers(2, 5))):
        needs = draw(st.sets(st.sampled_from([step.id for step in steps]), max_size=2)) if steps else ()
        do, when = draw(st.sampled_from(actions)), draw(st.sampled_from(conditions))
        steps.append(Step(id=f"s{number}", do=do, needs=tuple(sorted(needs)), when=when))
    return make_plan(steps)


def assert_reduction_finds_the_same(world: World, state: State, plan: Plan) -> None:
    """Leaving out equivalent orders changes neither the results nor the faults."""
    reduced, full = check(world, state, plan), check(world, state, plan, reduce=False)
    assert reduced.complete
    assert full.complete
    assert {breach.number for breach in reduced.breaches} == {breach.number for breach in full.breaches}
    assert reduced.final == full.final
    assert reduced.explored <= full.explored


@given(plans(REGISTER_ACTIONS, CONDITIONS))
@example(  # refused in every order, for two reasons
    Plan(
        steps=(
            Step(do="set_a(to: 1)", id="s0", needs=()),
            Step(do='make(thing: "x")', id="s1", needs=("s0",), when='thing_size("x") > 0'),
            Step(do='make(thing: "x")', id="s2", needs=()),
        )
    )
)
@settings(max_examples=300, deadline=None)
def test_leaving_orders_out_finds_the_same_in_a_declared_world(plan: Plan) -> None:
    assert_reduction_finds_the_same(REGISTERS, REGISTERS.initial(0), plan)


def assert_named_steps_depend_on_each_other(world: World, state: State, plan: Plan) -> None:
    """Where the order matters, the two steps named have no order, and one writes what the other looks at or writes."""
    explorer = Explorer(world, state, plan, reduce=False)
    explorer.explore(10_000)
    for breach in check(world, state, plan).breaches:
        if breach.number in ("WG313", "WG314", "WG315", "WG316"):
            one, two = (explorer.graph.number[name] for name in breach.step.split(", "))
            assert not explorer.graph.ordered(one, two)
            assert explorer.dependent[one] >> two & 1


@given(plans(REGISTER_ACTIONS, CONDITIONS))
@settings(max_examples=200, deadline=None)
def test_the_steps_named_depend_on_each_other(plan: Plan) -> None:
    assert_named_steps_depend_on_each_other(REGISTERS, REGISTERS.initial(0), plan)


FILES = ["mkdir d", "touch d/f", "touch g", "rm g", "mv g h", "echo one > g", "cd d", "pwd", "ls", "cat g", "rm -r d"]


@given(plans(FILES, ["", "", "true"]))
@settings(max_examples=80, deadline=None)
def test_leaving_orders_out_finds_the_same_in_the_filesystem(plan: Plan) -> None:
    world = get("filesystem")
    assert_reduction_finds_the_same(world, world.initial(0), plan)


# --- antichains --------------------------------------------------------------------------------------


@st.composite
def orders(draw: st.DrawFn) -> tuple[dict[int, int], list[int]]:
    size = draw(st.integers(1, 7))
    after = [0] * size
    for one in reversed(range(size)):
        for two in range(one + 1, size):
            if draw(st.integers(0, 2)) == 0:
                after[one] |= 1 << two | after[two]
    return {step: draw(st.integers(1, 3)) for step in range(size)}, after


@given(orders())
@settings(max_examples=200, deadline=None)
def test_the_heaviest_antichain_is_the_heaviest(order: tuple[dict[int, int], list[int]]) -> None:
    weights, after = order

    def apart(steps: Sequence[int]) -> bool:
        return len(pairs(steps, after)) == len(steps) * (len(steps) - 1) // 2

    found = heaviest(weights, after)
    best = max(
        sum(weights[step] for step in some)
        for size in range(len(after) + 1)
        for some in combinations(range(len(after)), size)
        if apart(some)
    )
    assert apart(found)
    assert sum(weights[step] for step in found) == best

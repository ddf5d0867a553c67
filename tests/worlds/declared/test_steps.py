"""One step: what it does, and each refusal, which changes nothing."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from worldgate.facts import Edit, State
from worldgate.worlds import get
from worldgate.worlds.check import check_world
from worldgate.worlds.declared import DeclaredWorld, world_from_text
from worldgate.worlds.declared.promises import broken_promise

BANK = """
world: bank
version: "1"
collections:
  accounts:
    each: account
    fields:
      balance: {type: int, min: -50, max: 1000}
      note: {type: text, optional: true}
      heir: {ref: account, optional: true}
values:
  turn: {type: int, min: 0, max: 9}
resources:
  desk: {exclusive: true}
  ink: {consumable: 2}
invariants:
  no-overdraft: {each: account, holds: account_balance(account) >= 0}
  hundred: sum_account_balance(accounts()) <= 100
actions:
  transfer:
    params: {from: {ref: account}, to: {ref: account}, amount: {type: int, min: 0}}
    requires: [account_balance(from) > 0]
    effects:
      account_balance(from): account_balance(from) - amount
      account_balance(to): account_balance(to) + amount
  open:
    params: {account: {new: account}, balance: int}
    effects: {account(account): {balance: balance}}
    undo: "close(account: account)"
  close: {params: {account: {ref: account}}, effects: {account(account): null}}
  swap: {params: {a: {ref: account}, b: {ref: account}}, effects: {account_balance(a): account_balance(b), account_balance(b): account_balance(a)}}
  will: {params: {account: {ref: account}, heir: text}, effects: {account_heir(account): heir}}
  unwill: {params: {account: {ref: account}}, effects: {account_heir(account): null}}
  read: {params: {account: {ref: account}}, requires: [account_note(account) != ""]}
  tick: {effects: {turn(): turn() + 1}, ensures: [turn() < 4]}
  lock: {acquires: [desk]}
  unlock: {releases: [desk]}
  write: {params: {account: {ref: account}, note: text}, effects: {account_note(account): note}, uses: {desk: 1, ink: 1}}
  divide: {params: {by: int}, requires: [turn() / by == 0]}
  named: {params: {id: text}, effects: {account(id): {balance: 1}}}
start:
  turn: 3
  accounts: {a: {balance: 60}, b: {balance: 40, heir: a}}
"""  # noqa: E501


@pytest.fixture(scope="module")
def bank() -> DeclaredWorld:
    return world_from_text(BANK)


def after(world: DeclaredWorld, *actions: str) -> tuple[State, dict[str, Any]]:
    state, seen = world.initial(0), {}
    for action in actions:
        moved = world.step(state, world.parse(action))
        state, seen = moved.state, dict(moved.observation)
    return state, seen


def test_effects_are_computed_on_the_state_before(bank: DeclaredWorld) -> None:
    moved = bank.step(bank.initial(0), bank.parse('swap(a: "a", b: "b")'))
    assert moved.delta == (
        Edit("account_balance", ("a",), 60, 40),
        Edit("account_balance", ("b",), 40, 60),
    )
    assert moved.observation == {"ok": True, "risk": "low"}


@pytest.mark.parametrize(
    ("actions", "number", "rule"),
    [
        (['transfer(from: "a", to: "z", amount: 1)'], "WG264", "actions.transfer.params.to"),
        (['open(account: "a", balance: 0)'], "WG265", "actions.open.params.account"),
        (['named(id: "a")'], "WG265", "actions.named.effects.account(id)"),
        (['transfer(from: "a", to: "b", amount: 60)', 'transfer(from: "a", to: "b", amount: 1)'], "WG266",
         "actions.transfer.requires[0]"),
        (["lock()", "lock()"], "WG267", "actions.lock.acquires[0]"),
        (["lock()", 'write(account: "a", note: "x")'], "WG267", "actions.write.uses.desk"),
        (["unlock()"], "WG268", "actions.unlock.releases[0]"),
        (['write(account: "a", note: "x")'] * 3, "WG269", "actions.write.uses.ink"),
        (['transfer(from: "a", to: "a", amount: 1)'], "WG270", "actions.transfer.effects.account_balance(to)"),
        (['transfer(from: "a", to: "b", amount: 200)'], "WG271", "actions.transfer.effects.account_balance(from)"),
        (['named(id: "")'], "WG271", "actions.named.effects.account(id)"),
        (['will(account: "a", heir: "z")'], "WG272", "actions.will.effects"),
        (['close(account: "a")'], "WG272", "actions.close.effects"),
        (["tick()"], "WG273", "actions.tick.ensures[0]"),
        (['transfer(from: "a", to: "b", amount: 61)'], "WG274", "invariants.no-overdraft"),
        (['open(account: "c", balance: 1)'], "WG274", "invariants.hundred"),
        (['read(account: "a")'], "WG275", "actions.read.requires[0]"),
        (["divide(by: 0)"], "WG275", "actions.divide.requires[0]"),
    ],
)  # fmt: skip
def test_a_refusal_names_its_rule_and_changes_nothing(
    bank: DeclaredWorld, actions: list[str], number: str, rule: str
) -> None:
    before, seen = after(bank, *actions[:-1])
    assert not actions[:-1] or seen["ok"]
    moved = bank.step(before, bank.parse(actions[-1]))
    assert not moved.observation["ok"]
    assert (moved.observation["refused"]["number"], moved.observation["refused"]["rule"]) == (number, rule)
    assert moved.state == before
    assert moved.delta == ()
    assert moved.reads


def test_what_was_referred_to_can_go_when_the_reference_is_gone(bank: DeclaredWorld) -> None:
    state, seen = after(bank, 'unwill(account: "b")', 'close(account: "a")')
    assert seen["ok"]
    assert list(state.facts("account")) == [("account", ("b",), True)]
    assert state.get("account_balance", ("a",)) is None


def test_an_undo_is_offered_with_its_arguments(bank: DeclaredWorld) -> None:
    state, seen = after(bank, 'open(account: "c", balance: 0)')
    assert seen["undo"] == 'close(account: "c")'
    assert bank.step(state, bank.parse(seen["undo"])).state == bank.initial(0)


def test_an_absent_field_is_named(bank: DeclaredWorld) -> None:
    _, seen = after(bank, 'read(account: "a")')
    assert 'account_note("a"), which is absent' in seen["refused"]["found"]


def test_what_is_written_is_read_even_when_it_stays_as_it_is(bank: DeclaredWorld) -> None:
    moved = bank.step(bank.initial(0), bank.parse('transfer(from: "a", to: "b", amount: 0)'))
    assert moved.delta == ()
    assert ("account_balance", ("b",)) in moved.reads


def test_invariants_of_a_things_own_fields_are_asked_of_what_was_touched_only(bank: DeclaredWorld) -> None:
    moved = bank.step(bank.initial(0), bank.parse('write(account: "a", note: "x")'))
    assert not {address for address in moved.reads if address[0] == "account_balance"}
    own = {invariant.name: invariant.own for invariant in bank.model.invariants}
    assert own == {"no-overdraft": True, "hundred": False}


def test_a_macro_that_hides_the_variable_is_not_taken_for_own() -> None:
    hidden = """holds: '["a"].all(account, account_balance(account) >= 0)'"""
    world = world_from_text(BANK.replace("holds: account_balance(account) >= 0", hidden))
    assert not world.model.invariants[0].own
    _, seen = after(world, 'transfer(from: "a", to: "b", amount: 61)')
    assert seen["refused"]["number"] == "WG274"


def test_steps_in_other_threads_do_not_meet(bank: DeclaredWorld) -> None:
    from concurrent.futures import ThreadPoolExecutor

    rich, poor = bank.initial(0), bank.initial(0).set("account_balance", ("a",), 0)
    action = bank.parse('transfer(from: "a", to: "b", amount: 0)')
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda state: bank.step(state, action).observation["ok"], [rich, poor] * 300))
    assert seen == [True, False] * 300


@pytest.mark.parametrize("name", ["support-desk", "robot-cell"])
def test_shipped_worlds_keep_the_contract(name: str) -> None:
    report = check_world(get(name), seeds=range(3), steps=50)
    assert report.succeeded > report.steps // 3


@pytest.mark.parametrize("name", ["support-desk", "robot-cell"])
def test_shipped_worlds_keep_their_promises(name: str) -> None:
    world = get(name)
    assert isinstance(world, DeclaredWorld)
    for driver in world.drivers.values():
        for seed in range(6):
            state, random = world.initial(seed), Random(seed)
            for _ in range(100):
                action = world.parse(driver(state, random))
                assert broken_promise(world, state, action) is None
                state = world.step(state, action).state


def test_a_broken_promise_is_found() -> None:
    false = BANK.replace('undo: "close(account: account)"', 'undo: "write(account: account, note: turn_text)"')
    with pytest.raises(Exception, match="WG253"):
        world_from_text(false)
    bump = "  bump: {effects: {turn(): (turn() + 1) % 9}, idempotent: true}"
    start_ = "  start: {effects: {turn(): 0}, undo: unlock()}"
    world = world_from_text(BANK.replace("  tick: {", f"{bump}\n{start_}\n  tick: {{"))
    start = world.initial(0)
    assert "a second time changes" in str(broken_promise(world, start, world.parse("bump()")))
    assert "is refused" in str(broken_promise(world, start, world.parse("start()")))
    leaves = world_from_text(BANK.replace("  tick: {", "  reset: {effects: {turn(): 0}, undo: lock()}\n  tick: {"))
    assert "leaves" in str(broken_promise(leaves, leaves.initial(0), leaves.parse("reset()")))


@pytest.mark.parametrize("name", ["support-desk", "robot-cell"])
def test_what_a_world_is_for_happens_in_its_everyday_workload(name: str) -> None:
    world, done = get(name), set()
    assert isinstance(world, DeclaredWorld)
    for seed in range(4):
        state, random = world.initial(seed), Random(seed)
        for _ in range(120):
            action = world.parse(world.drivers["everyday"](state, random))
            moved = world.step(state, action)
            if moved.observation["ok"]:
                done.add(action.name)
            state = moved.state
    assert done == set(world.model.actions)


def test_another_seed_starts_elsewhere_and_the_same_seed_in_the_same_place() -> None:
    for name in ("support-desk", "robot-cell"):
        world = get(name)
        assert len({world.initial(seed).fingerprint for seed in range(8)}) > 4
        assert world.initial(5) == world.initial(5)


def test_an_invariant_on_every_thing_is_asked_of_a_new_one() -> None:
    world = world_from_text("""
world: shop
version: "1"
collections: {stalls: {each: stall}}
values: {open: bool}
invariants: {stalls-only-when-open: {each: stall, holds: open()}}
start: {open: false}
actions: {put: {params: {stall: {new: stall}}, effects: {stall(stall): {}}}}
""")
    refused = world.step(world.initial(0), world.parse('put(stall: "s")')).observation["refused"]
    assert (refused["number"], refused["rule"]) == ("WG274", "invariants.stalls-only-when-open")

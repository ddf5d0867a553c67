"""The stages in order, every breach of the first that fails, the shortest refused prefix, and nothing that passes
because something raised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gate.houses import House, assert_whole, numbers
from tests.worlds.market import markets
from worldgate.facts import State
from worldgate.gate.budget import BadBudget, Budget, Meter
from worldgate.gate.plan import BadPlan, EmptyPlan, Step, load_plan, make_plan
from worldgate.gate.policy import BadPolicy, Policy, load_policy, make_policy
from worldgate.gate.proposal import Proposal
from worldgate.gate.rules import Rule
from worldgate.gate.simulate import Did
from worldgate.gate.verify import Verification, Verified
from worldgate.gate.workspace import Workspace
from worldgate.worlds import Transition, get
from worldgate.worlds.filesystem import FilesystemWorld


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("w"))


# --- stages ----------------------------------------------------------------------------------------


def test_the_first_stage_that_fails_is_the_one_reported(house: House) -> None:
    def judged(grammar: bool, steps: bool, transition: bool, files: bool) -> tuple[str, str]:
        plan = [*(["sudo reboot"] * grammar), "rm a", *(["rm b"] * transition)]
        budget = {"steps": 0 if steps else 9, "files": 0 if files else 9}
        found = house.plan(*plan, budget=budget, protect=["b"], limits={"deleted": 0}).decision
        return found.verdict, found.stage

    assert judged(True, True, True, True) == ("reject", "grammar")
    assert judged(False, True, True, True) == ("reject", "budget")  # before anything is simulated
    assert judged(False, False, True, True) == ("reject", "transitions")
    assert judged(False, False, False, True) == ("reject", "budget")  # what the net effect takes
    assert judged(False, False, False, False) == ("reject", "final")


def test_parallel_branches_are_judged_before_anything_runs(house: House) -> None:
    plan = house.planned(Step(do="cp a c", id="x", needs=()), Step(do="cp b c", id="y", needs=()))
    found = house.workspace.plan(plan, house.policy(protect=["c"]), Budget.of({"steps": 0}))
    assert (found.decision.stage, numbers(found)) == ("plan", ["WG314"])
    assert found.doc.refused_prefix is not None
    assert found.doc.refused_prefix.prefix == ("x", "y")


def test_every_breach_of_the_stage_is_reported_with_what_was_found_and_allowed(house: House) -> None:
    found = house.plan("sudo a", "rm a", "su b").decision
    assert [(breach.number, breach.step) for breach in found.breaches] == [("WG201", "s1"), ("WG201", "s3")]
    limits = {"deleted": 1, "bytes_deleted": 3}
    breaches = house.plan("rm a", "rm b", limits=limits, edits={"entry": 1}).decision.breaches
    rows = [(breach.number, breach.found, breach.allowed, breach.margin, breach.fact) for breach in breaches]
    assert rows == [
        ("WG430", 2, 1, 1, "- a"),
        ("WG434", 8, 3, 5, "- a"),
        ("WG438", 2, 1, 1, 'entry(".", "a"): "a" -> absent'),
    ]
    (breach,) = house.plan("rm a", "rm b", budget={"files": 1}).decision.breaches
    assert (breach.number, breach.rule) == ("WG501", "budget")
    assert "files" in str(breach.found)
    (breach,) = house.plan("rmdir d").decision.breaches
    assert (breach.number, breach.step, breach.found, breach.allowed) == ("WG321", "s1", 1, 0)
    assert "not empty" in breach.message


def test_a_step_may_fail_where_a_later_one_asks_for_its_status(house: House) -> None:
    handled = [Step(do="rmdir d", id="try"), Step(do="rm -r d", id="force", when="status != 0")]
    assert house.plan(*handled).approved
    assert not house.plan(handled[0], Step(do="rm -r d", id="force")).approved


@pytest.mark.parametrize("when", ["no such(", "nothing_of_this_world() == 1"])
def test_a_condition_that_is_none_is_refused_before_anything_runs(house: House, when: str) -> None:
    found = house.plan("cp a n", Step(do="rm b", id="last", when=when), protect=["/n"])
    assert found.decision.stage == "grammar"


def test_what_the_world_alone_brings_about_is_no_step_of_a_plan() -> None:
    state, bars = markets.market(), markets.flat(1, "10")

    def judged(engine: Literal["oracle", "event"]) -> Verified:
        plan = make_plan([bars], engine=engine, world="market")
        return Verification(markets.WORLD, state, plan, Policy.default("market"), Meter(Budget.of({}))).of_plan()

    found = judged("oracle")
    assert (found.decision.stage, numbers_of(found)) == ("transitions", ["WG327"])
    assert found.decision.breaches[0].step == "s1"
    assert judged("event").decision.verdict == "approve"


def test_a_command_that_was_ended_by_a_limit_is_refused() -> None:
    state, plan = get("filesystem").initial(0), make_plan(["sleep 9"], engine="kernel")
    ended = Did(plan.steps[0], state, state, (), {"killed": "seconds", "exit": 137}, frozenset())
    judge = Verification(FilesystemWorld(), state, plan, Policy.default(), Meter(Budget.of({})))
    (breach,) = judge.of_steps(lambda: iter([ended])).decision.breaches
    assert (breach.number, breach.step) == ("WG326", "s1")
    assert breach.message == "sleep 9 was ended by its limit on seconds, half done"


def test_intent_is_judged_with_the_final_state(house: House) -> None:
    plan = load_plan("{steps: [cp a c, rm b], intent: {creates: [c], deletes: []}}")
    found = house.workspace.plan(plan, house.policy(), Budget.of({}))
    assert (found.decision.stage, numbers(found)) == ("final", ["WG413"])


def test_a_desk_is_judged_by_its_policy_and_its_intent(tmp_path: Path) -> None:
    desk = House(tmp_path / "desk", {}, "support-desk")
    block = 'block(customer: "ada")'
    assert numbers(desk.plan(block, invariants={"ada may order": '!customer_blocked("ada")'})) == ["WG440"]
    assert numbers(
        desk.plan(block, invariants={"no change": 'before_customer_blocked("ada") == customer_blocked("ada")'})
    ) == ["WG440"]
    assert desk.plan(block, invariants={"was free": '!before_customer_blocked("ada")'}).approved
    assert numbers(desk.plan(block, edits={"customer_blocked": 0})) == ["WG438"]
    plan = load_plan("{steps: ['block(customer: \"ada\")'], intent: {changes: []}}", world="support-desk")
    assert numbers(desk.workspace.plan(plan, desk.policy(), Budget.of({}))) == ["WG412"]
    refund = 'refund(refund: "r1", order: "o5", customer: "cleo", amount: 1)'
    refused = desk.plan(refund)
    assert (refused.decision.stage, len(refused.decision.breaches)) == ("transitions", 1)
    assert "is refused" in refused.decision.breaches[0].message
    assert_whole(desk)


def test_shadow_mode_reports_and_does_not_refuse(house: House) -> None:
    found = house.plan("rm a", protect=["a"], mode="shadow")
    assert found.approved
    assert {breach.number for breach in found.doc.warnings} == {"WG420"}
    assert not house.plan("sudo a", mode="shadow").approved
    assert not house.plan("rm a", mode="shadow", budget={"files": 0}).approved


def test_policy_and_plan_must_be_for_the_world(house: House) -> None:
    other = Policy.default("support-desk")
    found = house.workspace.plan(make_plan(["rm a"]), other, Budget.of({}))
    assert (found.decision.stage, numbers(found)) == ("grammar", ["WG401"])
    assert found.doc.refused_prefix is None, "no step is to blame"
    found = house.workspace.plan(make_plan(["rm a"], world="support-desk"), house.policy(), Budget.of({}))
    assert numbers(found) == ["WG323"]
    found = house.workspace.run_command(["true"], other, Budget.of({}))
    assert numbers(found) == ["WG401"]


def test_what_a_plan_uses_is_counted(house: House) -> None:
    used = house.plan("cp a n", "rm b").docs["decision"].budget  # type: ignore[attr-defined]
    assert (used["steps"], used["files"]) == (2, 2)


# --- the shortest prefix ---------------------------------------------------------------------------

NAMES = ("a", "b", "d/x", "d/y", "n", "m")
STEPS = st.one_of(
    st.sampled_from([f"rm -f {name}" for name in NAMES]),
    st.sampled_from([f"touch {name}" for name in NAMES]),
    st.sampled_from([f"chmod 666 {name}" for name in NAMES[:4]]),
    st.sampled_from([f"cp {one} {two}" for one in NAMES[:2] for two in NAMES[3:]]),
    st.sampled_from(["mkdir e", "rmdir e", "ln -s /etc/passwd n", "rmdir d", "sudo x"]),
)
RULES: dict[str, Any] = {
    "protect": ["/d/y"],
    "limits": {"deleted": 1, "created": 1},
    "invariants": {"keep": 'exists("a")'},
}


def rules_broken(found: Proposal) -> set[str]:
    return {breach.rule for breach in found.decision.breaches}


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=7), st.integers(0, 3))
def test_the_shown_prefix_is_refused_and_no_shorter_one_is(house: House, steps: list[str], files: int) -> None:
    guarded = house.workspace.guarded
    state = State.of(guarded.world.schema, guarded.session(), source=guarded.source())

    def judged(lines: list[str]) -> Verified:
        meter = Meter(Budget.of({"files": files}))
        plan = house.planned(*(Step(do=line) for line in lines))
        return Verification(guarded.world, state, plan, house.policy(**RULES), meter, whole=False).of_plan()

    def broken(found: Verified) -> set[str]:
        return {breach.rule for breach in found.decision.breaches}

    found = judged(steps)
    if found.decision.verdict == "approve":
        assert found.shrunk is None
        return
    assert found.shrunk is not None
    length = len(found.shrunk.prefix)
    assert found.shrunk.prefix == tuple(f"s{number}" for number in range(1, length + 1))
    assert broken(judged(steps[:length])) & broken(found)
    for shorter in range(1, length):
        less = judged(steps[:shorter])
        assert less.decision.stage != found.decision.stage or not broken(less) & broken(found)
    if found.shrunk.suffices:
        assert set(found.shrunk.suffices) < set(found.shrunk.prefix)
        kept = [line for number, line in enumerate(steps[:length], 1) if f"s{number}" in found.shrunk.suffices]
        assert broken(judged(kept)) & broken(found)


@pytest.mark.parametrize(
    ("steps", "options", "prefix", "suffices"),
    [
        (["cp a n", "rm a", "touch m", "rm b", "rm d/x"], {"limits": {"deleted": 1}}, 4, ["s2", "s4"]),
        (["cp a n", "rm b", "touch m"], {"protect": ["/b"]}, 2, ["s2"]),
        (["cp a n", "sudo x", "touch m"], {}, 2, ["s2"]),
        (["cp a n", "touch m", "rm b"], {"budget": {"steps": 1}}, 2, []),
        (["cp a n", "rm n", "touch m", "rm b"], {"budget": {"files": 1}}, 4, []),
        (["rm a"], {"protect": ["/a"]}, 1, []),
        (["touch n", "rm n", "true", "touch m"], {"limits": {"created": 0}}, 1, []),
    ],
)
def test_what_is_shown_of_a_refusal(
    house: House, steps: list[str], options: dict[str, Any], prefix: int, suffices: list[str]
) -> None:
    shrunk = house.plan(*steps, **options).doc.refused_prefix
    assert shrunk is not None
    assert (len(shrunk.prefix), list(shrunk.suffices)) == (prefix, suffices)


def test_a_long_plan_is_shrunk_too(house: House) -> None:
    steps = [f"touch n{number}" for number in range(100)]
    shrunk = house.plan(*steps, limits={"created": 70}).doc.refused_prefix
    assert shrunk is not None
    assert len(shrunk.prefix) == 71


@pytest.mark.parametrize(("length", "prefix", "suffices"), [(64, 1, ("s64",)), (65, 65, ())])
def test_up_to_64_steps_are_tried_one_by_one(house: House, length: int, prefix: int, suffices: tuple[str, ...]) -> None:
    there_and_back = ["touch n", "rm n", *["true"] * (length - 3), "touch m"]
    shrunk = house.plan(*there_and_back, limits={"created": 0}).doc.refused_prefix
    assert shrunk is not None
    assert len(shrunk.prefix) == prefix
    shrunk = house.plan(*["true"] * (length - 1), "rm b", protect=["/b"]).doc.refused_prefix
    assert shrunk is not None
    assert shrunk.suffices == suffices


def test_an_accepted_plan_shows_what_cannot_be_undone(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    found = house.command("true; rm a", allow_network=True)
    assert found.doc.cannot_be_undone == ()
    (house.root / "f").write_bytes(b"linked")
    (tmp_path / "outside").hardlink_to(house.root / "f")
    found = house.plan("chmod 600 f", allow_outside_links=True)
    assert found.approved
    assert found.doc.cannot_be_undone == ("f: also changes at links outside the workspace until undone",)


def test_what_has_no_way_back_is_shown_and_its_undo_is_refused(tmp_path: Path) -> None:
    desk = House(tmp_path / "desk", {}, "support-desk")
    ship = 'ship(order: "o1")'
    found = desk.plan('block(customer: "ben")', ship)
    assert found.doc.cannot_be_undone == (f"{ship}: there is no way back",)
    assert found.doc.undo is not None
    assert [breach.number for breach in found.doc.undo.breaches] == ["WG325"]
    run = desk.commit(found)
    assert numbers(desk.workspace.undo(run)) == ["WG325"]
    assert desk.plan('block(customer: "ada")').doc.cannot_be_undone == ()
    assert_whole(desk)


# --- fails closed ----------------------------------------------------------------------------------


class Raises(FilesystemWorld):
    """A world that raises when asked about certain actions."""

    def __init__(self, error: Exception, where: str, world: FilesystemWorld) -> None:
        super().__init__(world.blobs)
        self.error, self.where = error, where

    def parse(self, text: str) -> Any:
        if self.where == "parse" and "b" in text:
            raise self.error
        return super().parse(text)

    def step(self, state: State, action: Any) -> Transition:
        if self.where == "step" and "b" in str(action):
            raise self.error
        return super().step(state, action)

    def properties(self) -> Any:
        if self.where == "properties":
            raise self.error

        def holds(state: State) -> str | None:
            raise self.error

        return {"raises": holds} if self.where == "property" else {}


def verified(house: House, world: FilesystemWorld, policy: Policy, *steps: str) -> Verified:
    guarded = house.workspace.guarded
    state = State.of(world.schema, guarded.session(), source=guarded.source())
    plan, meter = make_plan(steps), Meter(Budget.of({}))
    return Verification(world, state, plan, policy, meter, whole=True).of_plan()


ERRORS = [ValueError("odd"), RecursionError("deep"), MemoryError(), StopIteration(), AssertionError(), KeyError("x")]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize(
    ("where", "stage"),
    [("parse", "grammar"), ("step", "transitions"), ("property", "final"), ("properties", "final")],
)
def test_a_world_that_raises_is_refused(house: House, error: Exception, where: str, stage: str) -> None:
    world = Raises(error, where, FilesystemWorld())
    found = verified(house, world, house.policy(), "chmod 600 a", "rm b", "chmod 644 a")
    assert found.decision.verdict == "reject"
    assert found.decision.stage == stage
    assert found.decision.breaches[0].number == "WG399"
    assert numbers_of(verified(house, FilesystemWorld(), house.policy(), "chmod 600 a", "rm b")) == []


def test_a_property_that_does_not_hold_refuses_where_the_state_is_whole(house: House) -> None:
    class Promises(FilesystemWorld):
        def properties(self) -> Any:
            return {"a stays": lambda state: None if state.get("entry", (".", "a")) else "a is gone"}

    found = verified(house, Promises(), house.policy(), "rm b", "rm a")
    assert (found.decision.stage, numbers_of(found)) == ("final", ["WG320"])
    assert (found.decision.breaches[0].rule, found.decision.breaches[0].message) == ("a stays", "a is gone")
    assert found.shrunk is not None
    assert found.shrunk.suffices == ("s2",)


def numbers_of(found: Verified) -> list[str]:
    return [breach.number for breach in found.decision.breaches]


def with_rule(check: Callable[[Any], Any], *, final: bool) -> Policy:
    """The default policy with a rule of our own."""
    plain, rule = Policy.default(), Rule("ours", None, check)
    return Policy("ours", plain.document, (*plain.transition, *(() if final else (rule,))), (rule,) if final else ())


def raising(_: Any) -> Any:
    raise ZeroDivisionError("a mistake in a rule")


@pytest.mark.parametrize("final", [False, True])
def test_a_rule_that_raises_refuses(house: House, final: bool) -> None:
    found = verified(house, FilesystemWorld(), with_rule(raising, final=final), "rm b")
    assert numbers_of(found) == ["WG442"]
    assert found.decision.stage == ("final" if final else "transitions")
    assert found.shrunk is not None


def test_a_policy_that_raises_as_a_whole_refuses(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy.default()
    monkeypatch.setattr(Policy, "judge", raising)
    assert numbers_of(verified(house, FilesystemWorld(), policy, "rm b")) == ["WG399"]


def test_a_summary_that_raises_refuses(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldgate.gate.verify.Summary", raising)
    found = verified(house, FilesystemWorld(), Policy.default(), "rm b")
    assert (found.decision.stage, numbers_of(found)) == ("budget", ["WG399"])


def test_a_simulation_that_leaves_steps_out_refuses(house: House) -> None:
    def lazy(state: State, done: int) -> Verified:
        plan = make_plan(["rm a", "rm b"])
        steps = [Did(step, state, state, (), {}, frozenset()) for step in plan.order[:done]]
        return Verification(FilesystemWorld(), state, plan, Policy.default(), Meter(Budget.of({}))).of_steps(
            lambda: iter(steps)
        )

    state = get("filesystem").initial(0)
    assert numbers_of(lazy(state, 0)) == numbers_of(lazy(state, 1)) == ["WG324"]
    assert lazy(state, 2).decision.verdict == "approve"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "steps: []",
        "null",
        "3",
        "steps: 3",
        "steps: [3]",
        "steps: [{do: x, if: y}]",
        "[a, {do: b, needs: [c]}]",
        "steps: [{do: a, id: x}, {do: b, id: x}]",
        "steps: [{do: a, id: x, needs: [x]}]",
        "{steps: [a], intent: {creates: .nan}}",
        "{steps: [a], intent: {creates: -1.5}}",
        "{steps: [a], engine: undo}",
        "{steps: [a], network: true}",
        "steps: [a\x00]",
        "{steps: [a, b], engine: kernel}",
        "{steps: [a], engine: magic}",
        "{steps: [a], steps: [b]}",
        "&x [*x]",
        "!!python/none x",
    ],
)
def test_plans_that_are_none_are_rejected(text: str) -> None:
    with pytest.raises(BadPlan):
        load_plan(text)


def test_empty_and_oversize_plans_are_rejected() -> None:
    with pytest.raises(EmptyPlan):
        make_plan([])
    assert len(make_plan(["true"] * 10_000).steps) == 10_000
    with pytest.raises(BadPlan, match="at most 10000"):
        make_plan(["true"] * 10_001)
    with pytest.raises(BadPlan, match="characters"):
        load_plan("[" + "a, " * 2_000_000 + "a]")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "version: 2",
        "{version: 1, more: 1}",
        "{version: 1, limits: {deleted: .nan}}",
        "{version: 1, limits: {deleted: .inf}}",
        "{version: 1, limits: {deleted: -1}}",
        "{version: 1, limits: {deleted: 1.5}}",
        "{version: 1, invariants: {x: 'no such'}}",
        "{version: 1, protect: ['[']}",
        "{version: 1, world: nowhere}",
        "{version: 1, version: 1}",
        "{version: 1, edits: {nothing: 1}}",
        "{version: 1, max_deleted_percent: 101}",
    ],
)
def test_policies_that_do_not_load_are_errors(text: str) -> None:
    with pytest.raises(BadPolicy):
        load_policy(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 1.5, None, "many", True, 10**19, "1e3", []])
def test_budgets_that_are_not_numbers_are_errors(value: Any) -> None:
    with pytest.raises(BadBudget):
        Budget.of({"files": value})


def test_no_policy_is_an_error_not_a_permission(house: House) -> None:
    for missing in (None, "", [], 3):
        with pytest.raises(BadPolicy):
            make_policy(missing, "none")
    with pytest.raises(AttributeError):
        house.workspace.plan(make_plan(["rm a"]), None, Budget.of({}))  # type: ignore[arg-type]


def test_a_kernel_that_is_not_there_approves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import worldgate.worlds.filesystem.kernel as kernel
    from worldgate.gate.guarded import NoKernel

    def gone(*_: Any, **__: Any) -> Any:
        raise NoKernel("no namespaces", "a kernel")

    records = len(house.kinds())
    monkeypatch.setattr(kernel, "run", gone)
    with pytest.raises(NoKernel):
        house.command("rm a")
    assert len(house.kinds()) == records


def test_a_world_without_a_kernel_runs_no_command(tmp_path: Path) -> None:
    desk = House(tmp_path / "desk", {}, "support-desk")
    with pytest.raises(Exception, match="WG233"):
        desk.command("ls")


def test_random_plans_never_escape_judgement(house: House) -> None:
    """Over random workloads a plan is approved or refused with a numbered breach; nothing else comes out."""
    world, random = get("filesystem"), Random(5)
    state, workspace = world.initial(3), Workspace(house.root, house.clock)
    verdicts = set()
    for _ in range(40):
        driver = random.choice(sorted(world.drivers))
        found = workspace.plan(make_plan([world.drivers[driver](state, random)]), Policy.default(), Budget.of({}))
        verdicts.add(found.decision.verdict)
        assert (found.decision.verdict == "approve") == (found.decision.breaches == ())
        assert all(number.startswith("WG") and number != "WG399" for number in numbers(found))
    assert verdicts == {"approve", "reject"}

"""Simulation: one way to a delta, its reads, and a recorder that remembers enough to do it again."""

from __future__ import annotations

from pathlib import Path

from tests.gate.houses import House
from worldgate.facts import State, compose
from worldgate.gate.conditions import Conditions
from worldgate.gate.plan import Step
from worldgate.gate.simulate import Recorder, Simulation, simulate


def simulated(house: House, *steps: str | Step) -> tuple[Simulation, Recorder]:
    guarded = house.workspace.guarded
    recorder = Recorder(guarded.source())
    state = State.of(guarded.world.schema, guarded.session(), source=recorder)
    plan = house.planned(*steps)
    done = tuple(simulate(guarded.world, state, plan, Conditions(guarded.world)))
    return Simulation(plan, state, done), recorder


def test_the_net_delta_leads_from_before_to_after_and_has_no_local_facts(tmp_path: Path) -> None:
    simulation, _ = simulated(House(tmp_path / "w"), "cd d", "touch new", "rm x", "cd ..", "mv a d/a")
    relations = simulation.before.schema.relations
    assert not any(relations[edit.relation].local for edit in simulation.delta)
    assert len({(edit.relation, edit.key) for edit in simulation.delta}) == len(simulation.delta)
    after = simulation.before.apply(simulation.delta)
    assert all(
        after.get(edit.relation, edit.key) == simulation.after.get(edit.relation, edit.key) for edit in simulation.delta
    )


def test_what_the_plan_wrote_itself_is_not_what_it_read(tmp_path: Path) -> None:
    simulation, _ = simulated(House(tmp_path / "w"), "cp a c", "cat c", "cat b")
    assert ("content", ("b",)) in simulation.reads
    assert ("content", ("a",)) in simulation.reads
    written = {("size", ("c",)), ("inode", ("c",))}
    assert not written & simulation.reads - {(edit.relation, edit.key) for edit in simulation.edits}


def test_every_edit_counts_also_one_that_is_taken_back(tmp_path: Path) -> None:
    simulation, _ = simulated(House(tmp_path / "w"), "chmod 600 a", "chmod 644 a")
    assert simulation.delta == ()
    assert {(edit.relation, edit.key) for edit in simulation.edits} >= {("inode", ("a",))}


def test_a_prefix_is_the_same_simulation_stopped(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    whole, _ = simulated(house, "mkdir n", "rm a", "rm b")
    part, _ = simulated(house, "mkdir n", "rm a")
    assert whole.prefix(2).delta == part.delta
    assert whole.prefix(0).after == whole.before
    assert compose(whole.prefix(3).delta) == compose(whole.delta)


def test_a_skipped_step_changes_nothing_and_its_followers_are_skipped_with_it(tmp_path: Path) -> None:
    steps = [
        Step(do="true", id="one"),
        Step(do="rm a", id="two", when="status != 0"),
        Step(do="rm b", id="three", when="status == 0"),
    ]
    simulation, _ = simulated(House(tmp_path / "w"), *steps)
    assert [(did.skipped, did.delta) for did in simulation.steps[1:]] == [(True, ()), (True, ())]


def test_what_was_recorded_is_enough_to_simulate_again(tmp_path: Path) -> None:
    house = House(tmp_path / "w")
    simulation, recorder = simulated(house, "ls d", "cp a c", "rm -r d", "cat b")
    guarded = house.workspace.guarded
    state = State.of(guarded.world.schema, [*recorder.recorded(), *guarded.session()])
    again = tuple(simulate(guarded.world, state, simulation.plan, Conditions(guarded.world)))
    assert [(did.delta, did.observation) for did in again] == [(did.delta, did.observation) for did in simulation.steps]
    assert recorder.recorded() == sorted(recorder.recorded(), key=lambda fact: fact[:2])

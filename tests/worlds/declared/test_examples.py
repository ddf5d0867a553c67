"""Every plan under examples/declared: the good ones are accepted, each hostile one is refused by its number."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldgate.facts import Error
from worldgate.gate.graph import COLUMNS, draw_svg, draw_text
from worldgate.gate.interleave import check
from worldgate.gate.plan import load_plan
from worldgate.worlds import get

ROOT = Path(__file__).parents[3] / "examples" / "declared"
GOOD = sorted(ROOT.glob("*/good/*.yaml"))
HOSTILE = sorted(ROOT.glob("*/hostile/*.yaml"))


def name(path: Path) -> str:
    return f"{path.parts[-3]}/{path.stem}"


def numbers(path: Path) -> set[str]:
    plan = load_plan(path.read_text(), name=path.name)
    assert plan.world == path.parts[-3]
    world = get(plan.world)
    found = check(world, world.initial(0), plan)
    assert found.complete or found.breaches
    return {breach.number for breach in found.breaches}


def test_there_are_plans_of_both_kinds_for_both_worlds() -> None:
    assert len(GOOD) >= 7
    assert len(HOSTILE) >= 30
    assert {path.parts[-3] for path in GOOD} == {path.parts[-3] for path in HOSTILE} == {"support-desk", "robot-cell"}


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_a_good_plan_is_accepted(path: Path) -> None:
    assert numbers(path) == set()


@pytest.mark.parametrize("path", HOSTILE, ids=name)
def test_a_hostile_plan_is_refused_by_its_number(path: Path) -> None:
    note = load_plan(path.read_text()).note
    assert note[:5] in numbers(path), note


@pytest.mark.parametrize("path", GOOD + HOSTILE, ids=name)
def test_every_plan_can_be_drawn(path: Path) -> None:
    plan = load_plan(path.read_text())
    assert all(len(line) <= COLUMNS for line in draw_text(plan).splitlines())
    assert draw_svg(plan).count("<rect") == len(plan.steps)


def test_refusing_means_that_nothing_happens() -> None:
    world = get("support-desk")
    for path in HOSTILE:
        plan = load_plan(path.read_text())
        if plan.world != world.name or not plan.is_chain:
            continue
        state = world.initial(0)
        for step in plan.order:
            try:
                moved = world.step(state, world.parse(step.do))
            except Error:
                continue
            assert moved.observation["ok"] or (moved.state == state and not moved.delta)
            state = moved.state

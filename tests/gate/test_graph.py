"""Drawings of plans: text in 80 columns with rails, and SVG."""

from __future__ import annotations

import doctest
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.gate import graph
from worldgate.gate.graph import COLUMNS, clipped, draw_svg, draw_text, needs_drawn
from worldgate.gate.plan import Plan, Step, make_plan

SVG = "{http://www.w3.org/2000/svg}"


def plan(*steps: tuple[str, tuple[str, ...]], **when: str) -> Plan:
    return make_plan([Step(id=name, do=f"do {name}", needs=needs, when=when.get(name, "")) for name, needs in steps])


DIAMOND = plan(("a", ()), ("b", ("a",)), ("c", ("a",)), ("d", ("b", "c", "a")), c="status == 0")


def test_a_diamond() -> None:
    assert draw_text(DIAMOND, failed=["b"]).splitlines() == [
        "○ a  do a",
        "├─╮",
        "✗ │ b  do b",
        "│ ◇ c  do c  when status == 0",
        "├─╯",
        "○ d  do d",
    ]


def test_the_step_of_a_breach_may_name_two() -> None:
    assert draw_text(DIAMOND, failed={"b, c"}).count("✗") == 2
    assert draw_svg(DIAMOND, failed={"b, c"}).count("✗") == 2


def test_rails_cross_and_join() -> None:
    crossing = plan(
        ("a", ()), ("b", ("a",)), ("c", ("a",)), ("d", ("a",)), ("e", ("b", "d")), ("f", ("c",)), ("g", ("b", "c", "d"))
    )
    assert draw_text(crossing).splitlines() == [
        "○ a  do a",
        "├─┬─╮",
        "○ │ │ b  do b",
        "├─┼─┼─╮",
        "│ ○ │ │ c  do c",
        "│ ├─┼─┤",
        "│ │ ○ │ d  do d",
        "├─┼─┴─┤",
        "○ │   │ e  do e",
        "  ○   │ f  do f",
        "      ○ g  do g",
    ]


def test_needs_that_others_imply_are_left_out() -> None:
    assert needs_drawn(DIAMOND) == {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


def test_a_label_is_clipped_and_kept_on_one_line() -> None:
    assert clipped("a  b\n c", 80) == "a b c"
    assert clipped("abcdef", 4) == "abc…"
    assert clipped("a\x1b[31mb\u202e", 80) == "a\ufffd[31mb\ufffd"


def test_a_plan_too_wide_for_rails_is_listed() -> None:
    wide = plan(*((f"s{n}", ()) for n in range(3)), *((f"t{n}{m}", (f"s{n}",)) for n in range(3) for m in range(12)))
    assert all(line[:2] == "○ " for line in draw_text(wide).splitlines())
    assert len(draw_text(wide).splitlines()) == len(wide.steps)


def test_the_picture_marks_what_failed_and_what_is_conditional() -> None:
    root = ElementTree.fromstring(draw_svg(DIAMOND, failed=["b"]))
    kinds = [box.get("class") for box in root.iter(f"{SVG}rect")]
    assert kinds == ["b", "b f", "b c", "b"]
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "✗ b" in texts
    assert "when status == 0" in texts


def test_the_examples_in_the_module_run() -> None:
    assert doctest.testmod(graph).failed == 0


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.sampled_from([step.id for step in steps]), max_size=3)) if steps else set()
        text = draw(st.text(max_size=120))
        name = f"{number}" + draw(st.text(max_size=25))
        steps.append(
            Step(id=name, do=text, needs=tuple(sorted(needs)), when=draw(st.sampled_from(["", "status == 0"])))
        )
    return make_plan(steps)


@given(plans())
@settings(max_examples=150, deadline=None)
def test_any_plan_can_be_drawn(found: Plan) -> None:
    lines = draw_text(found).splitlines()
    assert all(len(line) <= COLUMNS for line in lines)
    assert sum(any(mark in line for mark in "○◇") for line in lines) >= len(found.steps)
    root = ElementTree.fromstring(draw_svg(found))
    boxes = [(box.get("x"), box.get("y")) for box in root.iter(f"{SVG}rect")]
    assert len(set(boxes)) == len(found.steps)
    assert draw_svg(found) == draw_svg(found)

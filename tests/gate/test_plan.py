"""Plans: what is accepted, what order they run in, and each refusal."""

from __future__ import annotations

import pytest

from worldgate.gate.plan import (
    BadPlan,
    CyclicPlan,
    DuplicateStep,
    EmptyPlan,
    Intent,
    Step,
    UnknownNeed,
    load_plan,
    make_plan,
)


def test_a_list_is_a_chain():
    plan = load_plan("- mkdir a\n- touch a/b\n- rm a/b\n")
    assert [(step.id, step.do, step.needs) for step in plan.steps] == [
        ("s1", "mkdir a", ()),
        ("s2", "touch a/b", ("s1",)),
        ("s3", "rm a/b", ("s2",)),
    ]
    assert plan.is_chain


def test_a_graph_runs_in_topological_order_and_keeps_its_own_among_free_steps():
    plan = load_plan(
        "world: filesystem\nsteps:\n"
        "- {id: last, do: rmdir a, needs: [y, x]}\n- {id: y, do: touch y, needs: [a]}\n"
        "- {id: x, do: touch x, needs: [a]}\n- {id: a, do: mkdir a, needs: []}\n"
    )
    assert [step.id for step in plan.order] == ["a", "y", "x", "last"]
    assert not plan.is_chain


def test_json_is_yaml_and_the_digest_speaks_of_content():
    text = '{"steps": [{"do": "mkdir a"}], "intent": {"creates": ["a"], "deletes": 0}}'
    plan = load_plan(text)
    assert plan.intent == Intent(creates=("a",), deletes=0)
    assert plan.digest == load_plan("intent: {deletes: 0, creates: [a]}\nsteps: [mkdir a]").digest
    assert plan.digest != load_plan("steps: [mkdir b]").digest


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", BadPlan),
        ("just words", BadPlan),
        ("[]", EmptyPlan),
        ("steps: []", EmptyPlan),
        ("- 3", BadPlan),
        ("- {do: 3}", BadPlan),
        ("- {id: a}", BadPlan),
        ("- {do: x, timeout: 3}", BadPlan),
        ("steps: [x]\nmode: fast", BadPlan),
        ("steps: [x]\nsteps: [y]", BadPlan),
        ("steps: &s [x]\nnote: *s", BadPlan),
        ("steps: [x]\n---\nsteps: [y]", BadPlan),
        ("!!python/object/apply:os.system ['true']", BadPlan),
        ("]", BadPlan),
        ("steps: [{do: x, needs: [nowhere]}]", UnknownNeed),
        ("steps: [{do: x, id: a}, {do: y, id: a}]", DuplicateStep),
        ("steps: [{do: x, id: a, needs: [b]}, {do: y, id: b, needs: [a]}]", CyclicPlan),
        ("steps: [{do: x, id: a, needs: [a]}]", CyclicPlan),
        ("intent: {creates: [a], explodes: 1}\nsteps: [x]", BadPlan),
        ("{engine: kernel, steps: [a, b]}", BadPlan),
        ("{engine: telepathy, steps: [a]}", BadPlan),
        ("{network: true, steps: [a]}", BadPlan),
    ],
)
def test_malformed_plans_are_refused(text, error):
    with pytest.raises(error) as caught:
        load_plan(text)
    assert type(caught.value) is error


def test_a_plan_has_a_size():
    with pytest.raises(BadPlan):
        make_plan([Step(do="mkdir a")] * 10_001)
    with pytest.raises(BadPlan):
        load_plan("- " + "x" * 4_000_001)

"""A plan file as a planner's proposal; provenance in plans; a proposal is one thing or the other."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from tests.planners.llm.desk import GOOD, TOO_MUCH, VERIFY
from worldgate.facts import canonical_json
from worldgate.gate.plan import BadPlan, Provenance, load_plan, make_plan
from worldgate.planners.script import NoPlan, Proposed, script

ORIGIN = Provenance(name="script", model="", prompt="0" * 64, attempts=1)


def test_a_plan_file_is_proposed_as_it_is() -> None:
    text = json.dumps([GOOD])
    proposed = script(text, VERIFY, world="support-desk")
    assert proposed.plan is not None
    assert proposed.plan.digest == load_plan(text, world="support-desk").digest
    assert proposed.provenance == Provenance(
        name="script", model="", prompt=sha256(text.encode()).hexdigest(), attempts=1
    )
    assert json.loads(canonical_json(proposed.to_json()))["rejection"] is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("[]", "WG302"),
        ("", "WG301"),
        ("steps: [a]\nsteps: [b]", "WG301"),
        (json.dumps([TOO_MUCH]), "WG366"),
        (json.dumps([GOOD, "wipe_everything()"]), "WG366"),
        ("- '\ud800'", "WG301"),
    ],
)
def test_what_does_not_load_or_stand_is_a_rejection(text: str, number: str) -> None:
    proposed = script(text, VERIFY, world="support-desk")
    assert proposed.plan is None
    assert proposed.rejection is not None
    assert proposed.rejection.number == number
    assert json.loads(canonical_json(proposed.to_json()))["rejection"]["number"] == number


def test_a_proposal_is_a_plan_or_a_rejection() -> None:
    for plan, rejection in ((None, None), (make_plan(["a"]), NoPlan("a", "b"))):
        with pytest.raises(NoPlan, match="exactly one"):
            Proposed(plan, rejection, ORIGIN)


def test_plans_without_a_planner_keep_their_digest() -> None:
    """The digests of before plans could say who proposed them."""
    known = load_plan("world: support-desk\nsteps: ['next_day()']\nintent: {deletes: 0}\nnote: n\n")
    assert known.digest == "5056f90e76ad6e1b263360b48670608f99f524f42a5b91a75fedb9314b7d0c3b"
    assert make_plan(["mkdir a", "touch a/b"]).digest == (
        "1f68ffa5a4d9444f657b596588dc70358a9e73204fd7a3c274aadbf46b554498"
    )
    assert b"planner" not in canonical_json(known)


def test_a_planner_is_in_the_digest_and_survives_a_file() -> None:
    plan = make_plan(["mkdir a"], planner=ORIGIN)
    assert plan.digest != make_plan(["mkdir a"]).digest
    again = load_plan(canonical_json(plan).decode())
    assert again == plan
    assert again.digest == plan.digest


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "0" * 63},
        {"prompt": "0" * 64 + "\n"},
        {"prompt": "G" * 64},
        {"attempts": 0},
        {"attempts": True},
        {"name": ""},
        {"model": "m" * 201},
        {"approved": True},
    ],
)
def test_a_planner_s_fields_are_checked(fields: dict[str, Any]) -> None:
    planner = {"name": "openai", "model": "m", "prompt": "0" * 64, "attempts": 1, **fields}
    for given in (planner, None, "openai"):
        with pytest.raises(BadPlan):
            load_plan(json.dumps({"steps": ["a"], "planner": given}))

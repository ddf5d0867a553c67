"""From a model's text to a plan. Strict: what could be read in two ways is refused, nothing is dropped or mended.

The answer is one JSON document, alone or in one fence (three backticks, `json` or nothing after them) with nothing but
white space around it. Prose beside it is refused, also when it is harmless: which of two documents counts is not for
us to guess. Whether the actions exist is the gate's question, and a plan keeps all of them until it has answered.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

import msgspec

from ...gate.plan import BadPlan, EmptyPlan, Plan, Provenance, make_plan
from .errors import NoAnswer, NoSteps, NotAPlan, NotJson

MAX_RATIONALE = 4_000
"""Characters of a rationale; it becomes the plan's note."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "steps": {
            "type": "array",
            "description": "The actions, in order. At least one.",
            "items": {
                "type": "object",
                "properties": {"do": {"type": "string", "description": "One action in the grammar of the world."}},
                "required": ["do"],
                "additionalProperties": False,
            },
        },
        "rationale": {"type": ["string", "null"], "description": "Why, in a sentence or two."},
    },
    "required": ["steps", "rationale"],
    "additionalProperties": False,
}
"""What the model is asked for: the subset of JSON Schema that constrained decoders share, so every field is required
and an absent rationale is null. A rationale left out is accepted."""

_FENCED = re.compile(r"```(?:json)?[ \t]*\r?\n(.*)\n[ \t]*```", re.DOTALL)


class _Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    do: str


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    steps: list[_Step]
    rationale: str | None = None


def parse_answer(text: str, world: str, planner: Provenance) -> Plan:
    """The plan of an answer; raises an `Unusable` with its number."""
    bare = text.strip()
    if not bare:
        raise NoAnswer(f"{len(text)} characters of white space", "a JSON object with steps")
    fenced = _FENCED.fullmatch(bare)
    try:
        data = strict_json(fenced[1] if fenced else bare)
    except ValueError as error:
        raise NotJson(str(error), "one JSON object and nothing else, or one in a ```json fence") from error
    try:
        answer = msgspec.convert(data, _Answer)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter: half a character in a name
        raise NotAPlan(unicode(str(error)), '{"steps": [{"do": "..."}], "rationale": "..."}') from error
    return _plan(answer, world, planner)


def _plan(answer: _Answer, world: str, planner: Provenance) -> Plan:
    for number, step in enumerate(answer.steps, 1):
        if not step.do.strip():
            raise NotAPlan(f"step {number} does {step.do!r}", "an action in every step")
    note = answer.rationale or ""
    if len(note) > MAX_RATIONALE:
        raise NotAPlan(f"a rationale of {len(note)} characters", f"at most {MAX_RATIONALE}")
    try:
        return make_plan([step.do for step in answer.steps], world=world, note=note, planner=planner)
    except EmptyPlan as error:
        raise NoSteps("no steps", "at least one") from error
    except BadPlan as error:
        raise NotAPlan(error.found, error.expected, error.do) from error


def strict_json(text: str) -> Any:
    """The value of a JSON text; `ValueError` for a key twice, NaN, infinities, numbers without end, deep nesting."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


_HIDDEN = {mark: f"\\u{mark:04x}" for mark in (0x85, *range(0x2028, 0x202F), *range(0x2066, 0x206A))}


def unicode(text: str) -> str:
    """The text with what is not Unicode (stray bytes of a name, half a character) as question marks, and what could be
    taken for the end of a line, or turns the direction of one, as an escape."""
    return text.encode("utf-8", "replace").decode("utf-8").translate(_HIDDEN)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r:.60} twice")
    return table


def _refused(name: str) -> Any:
    raise ValueError(f"the number {name}")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"the number {digits:.40}")
    return number

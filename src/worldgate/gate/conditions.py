"""Conditions of plan steps: `when`, an expression over the state and `status`.

`status` is the exit code of the one step that is needed (0 done, 1 refused, or what a command
returned); it stands only in a step with exactly one need. When that step was itself skipped, so is
this one. A world may offer more to say about its state by having a method `condition`; the others
offer `status` alone. What a condition looks at belongs to the step's reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from ..facts import Draft, Error, Reads, State
from ..worlds import World
from ..worlds.expressions import Environment
from .plan import Plan, Step

Observations = Mapping[str, Mapping[str, Any]]
"""What each step done so far said, by its id. Skipped steps are not in it."""

_STATUS = re.compile(r"\bstatus\b(?!\s*\()")


class BadCondition(Error):
    number, title = "WG319", "condition cannot be used here"


@runtime_checkable
class Conditional(Protocol):
    """A world whose state plan conditions can ask about."""

    def condition(self, text: str) -> Callable[[Draft, Mapping[str, int]], bool]:
        """The compiled condition; called with a draft and the variables. Raises a numbered `Error`."""


class Conditions:
    """The conditions of one world, each compiled once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._compiled: dict[str, Callable[[Draft, Mapping[str, int]], bool]] = {}

    def check(self, plan: Plan) -> None:
        """Compile every condition of a plan; raises a numbered `Error` for the first that does not hold up."""
        for step in plan.steps:
            if step.when:
                self._compile(step.when)
                if mentions_status(step.when) and len(step.needs or ()) != 1:
                    raise BadCondition(f"status in {step.id}, which needs {len(step.needs or ())} steps", "one need")

    def holds(self, state: State, step: Step, observations: Observations) -> tuple[bool, Reads]:
        """(whether the step runs, what was looked at). Raises a numbered `Error` when that cannot be said."""
        runs, reads = self.look(state, step, observations)
        if isinstance(runs, Error):
            raise runs
        return runs, reads

    def look(self, state: State, step: Step, observations: Observations) -> tuple[bool | Error, Reads]:
        """As `holds`, with the error in place of the answer: what was looked at up to there counts too."""
        if not step.when:
            return True, frozenset()
        variables = {"status": 0}
        if mentions_status(step.when):
            (needed,) = step.needs or ("",)
            if needed not in observations:
                return False, frozenset()
            variables = {"status": status_of(observations[needed])}
        draft = Draft(state)
        try:
            runs: bool | Error = self._compile(step.when)(draft, variables)
        except Error as error:
            runs = error
        return runs, frozenset(draft.reads)

    def _compile(self, text: str) -> Callable[[Draft, Mapping[str, int]], bool]:
        if text not in self._compiled:
            if isinstance(self._world, Conditional):
                self._compiled[text] = self._world.condition(text)
            else:
                expression = Environment({"status": "int"}).compile(text)
                self._compiled[text] = lambda _, variables: bool(expression(**variables))
        return self._compiled[text]


def mentions_status(text: str) -> bool:
    """Whether an expression looks at the exit code of the needed step."""
    return bool(_STATUS.search(text))


def status_of(observation: Mapping[str, Any]) -> int:
    """The exit code in an observation; a refusal is 1."""
    return int(observation.get("exit", 1 if observation.get("refused") else 0))

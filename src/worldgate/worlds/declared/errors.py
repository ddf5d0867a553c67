"""The numbered errors of declared worlds: at load, at parse, and refusals of a step.

A refusal is raised inside the rules and becomes the step's observation; it never leaves `step`.
"""

from __future__ import annotations

from ...facts import Error
from ..contract import Outside

# --- loading a world file: `found` begins with the path in the YAML --------------------------------


class BadWorldFile(Error):
    number, title = "WG251", "world file is not well-formed"


class UnknownName(BadWorldFile):
    number, title = "WG252", "world file uses a name it does not declare"


class BadFormula(BadWorldFile):
    number, title = "WG253", "expression in a world file does not check"


class BadStart(BadWorldFile):
    number, title = "WG254", "starting state of a world file does not hold"


class DuplicateName(BadWorldFile):
    number, title = "WG255", "world file gives one name to two things"


# --- parsing an action ----------------------------------------------------------------------------


class NotACall(Outside):
    number, title = "WG256", "text is not one action"


class UnknownAction(Outside):
    number, title = "WG257", "unknown action"


class MissingParameter(Outside):
    number, title = "WG258", "parameter is missing"


class UnknownParameter(Outside):
    number, title = "WG259", "unknown parameter"


class WrongType(Outside):
    number, title = "WG260", "parameter is of another type"


class OutOfRange(Outside):
    number, title = "WG261", "parameter is out of range"


class WrongUnit(Outside):
    number, title = "WG262", "unit does not fit the parameter"


class RepeatedParameter(Outside):
    number, title = "WG263", "parameter is given twice"


# --- refusals of a step ---------------------------------------------------------------------------


class Refused(Error):
    """A rule said no. `rule` is the path of the rule in the world file, `kind` a word for it."""

    kind = ""

    def __init__(self, rule: str, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.rule = rule

    def to_json(self) -> dict[str, str]:
        return {
            "number": self.number,
            "kind": self.kind,
            "rule": self.rule,
            "message": f"{self.title}: {self.found}; expected {self.expected}",
            "found": self.found,
            "expected": self.expected,
        }


class UnknownId(Refused):
    number, title, kind = "WG264", "no such thing", "unknown"


class TakenId(Refused):
    number, title, kind = "WG265", "there is one of that id already", "taken"


class NotMet(Refused):
    number, title, kind = "WG266", "precondition does not hold", "precondition"


class Held(Refused):
    number, title, kind = "WG267", "resource is held", "held"


class NotHeld(Refused):
    number, title, kind = "WG268", "resource is not held", "not held"


class Exhausted(Refused):
    number, title, kind = "WG269", "resource is used up", "exhausted"


class TwoWrites(Refused):
    number, title, kind = "WG270", "effects write one fact twice", "effects"


class BadEffect(Refused):
    number, title, kind = "WG271", "effect is out of its type", "effects"


class Dangling(Refused):
    number, title, kind = "WG272", "effect leaves a reference to nothing", "effects"


class NotEnsured(Refused):
    number, title, kind = "WG273", "postcondition does not hold", "postcondition"


class Broken(Refused):
    number, title, kind = "WG274", "invariant would be broken", "invariant"


class NotEvaluated(Refused):
    number, title, kind = "WG275", "rule could not be evaluated", "evaluation"

"""Why a language model gave no plan: one number a reason.

An `Unusable` answer is the model's own fault and goes back to it as a repair; everything else ends the planning.
"""

from __future__ import annotations

from ..script import NoPlan


class MissingExtra(NoPlan):
    """The library is imported when a planner is made, not before; the error names the extra that brings it."""

    number, title = "WG351", "a planner's library is not installed"


class BadSetting(NoPlan):
    number, title = "WG352", "a planner's setting cannot be used"


class Unreachable(NoPlan):
    """No connection, or one that broke. Nothing is tried again by itself."""

    number, title = "WG353", "the endpoint cannot be reached"


class TimedOut(NoPlan):
    """The whole call took too long: looking the name up, connecting, sending and reading together."""

    number, title = "WG354", "the endpoint did not answer in time"


class Refused(NoPlan):
    """HTTP 3xx and 4xx but 429; redirects are not followed."""

    number, title = "WG355", "the endpoint refused the request"


class TooManyRequests(NoPlan):
    number, title = "WG356", "the endpoint asks for fewer requests"


class EndpointFailed(NoPlan):
    number, title = "WG357", "the endpoint failed"


class TooLarge(NoPlan):
    """Reading stops at the bound; the rest is not read."""

    number, title = "WG358", "the reply is too large"


class BadReply(NoPlan):
    """Another content type, bytes that are not UTF-8, not strict JSON, or not the fields of the protocol."""

    number, title = "WG359", "the reply does not follow the protocol"


class Declined(NoPlan):
    """The model refuses, or a filter or guardrail stopped it."""

    number, title = "WG361", "the model declined to answer"


class Unusable(NoPlan):
    """An answer that came through and is no plan."""


class CutOff(Unusable):
    number, title = "WG360", "the answer was cut off"


class NoAnswer(Unusable):
    number, title = "WG362", "the answer is empty"


class NotJson(Unusable):
    """Not exactly one strict JSON document: prose around it, two of them, a key twice, a number that is not finite."""

    number, title = "WG363", "the answer is not one JSON document"


class NotAPlan(Unusable):
    number, title = "WG364", "the answer is not a plan"


class NoSteps(Unusable):
    number, title = "WG365", "the answer is a plan without steps"


class BudgetSpent(NoPlan):
    """The next call does not fit into what is left. It is not made."""

    number, title = "WG367", "the budget of the planner is spent"


class Overspent(NoPlan):
    """The endpoint reports more than was reserved for the call; the meter has it, and the answer is not used."""

    number, title = "WG368", "the model used more than was reserved for it"

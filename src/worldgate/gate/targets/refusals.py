"""The numbered errors of the directory target."""

from __future__ import annotations

from ...facts import Error


class Uncommittable(Error):
    """The delta cannot be made exactly; nothing was changed. `reason` is a stable word."""

    number, title = "WG611", "the delta cannot be committed exactly"
    reason = ""


class CommitFailed(Error):
    """The commit met an error and everything is exactly as before. `__cause__` is the error."""

    number, title = "WG612", "the commit failed and was rolled back"


class OutcomeUnknown(Error):
    """The directory may be between before and after; the journal stays. Never a failure, never retried."""

    number, title = "WG613", "the outcome of the commit is not known"


class BadWorkplace(Error):
    number, title = "WG614", "the gate's own directory cannot be used"


def require(holds: bool, reason: str, found: str, expected: str) -> None:
    """Raise `Uncommittable` unless it holds."""
    if not holds:
        error = Uncommittable(found, expected, "Change the plan so that its result can be made exactly.")
        error.reason = reason
        raise error

"""Approvals: leave to commit one delta of one run, once.

An approval is a record in the ledger, and so are its end by `revoke` and its use by `spend`; there is no table
beside the chain that could be put back. `spend` reads the chain from the approval to its end, which the head
holds in place: a spent approval stays spent although the database was restored, edited or emptied. Approving the
same run again is a new approval.

Does not cover: who may approve (the caller decides), and a clock that was set forward to outlive an approval.
"""

from __future__ import annotations

import re

from ..facts import Error
from .chain import BadRecord, Record, parse_time
from .ledger import Ledger, Writing

_DIGEST = re.compile(r"[0-9a-f]{64}")


class NotApproved(Error):
    number, title = "WG721", "run is not approved"


class ApprovalExpired(Error):
    number, title = "WG722", "approval has expired"


class ClockError(Error):
    number, title = "WG723", "clock is earlier than the approval"


class OtherDelta(Error):
    number, title = "WG724", "approval is for another delta"


class AlreadySpent(Error):
    number, title = "WG725", "approval is spent"


class Revoked(Error):
    number, title = "WG726", "approval is revoked"


_ASK = "Ask for a new approval"


def approve(ledger: Ledger, run: str, delta: str, *, at: str, expires: str, by: str = "") -> str:
    """Approve the delta with that digest (SHA-256, hexadecimal) for one commit of the run until `expires`.

    Returns the approval's token, the hash of its record. An earlier approval of the run ends.
    """
    _check(run, delta)
    if parse_time(expires) <= parse_time(at):
        raise BadRecord(f"expiry {expires}", f"a time after {at}")
    return ledger.append("approved", run, {"by": by, "delta": delta, "expires": expires}, at=at).hash


def revoke(ledger: Ledger, run: str, *, at: str, why: str = "") -> Record:
    """End the run's approval. Raises `NotApproved`, `AlreadySpent` or `Revoked` when there is none to end."""
    with ledger.writing() as writing:
        approval = _live(writing, run)
        return writing.append("revoked", run, {"approval": approval.hash, "why": why}, at=at)


def check(ledger: Ledger, run: str, delta: str, *, now: str, token: str | None = None) -> Record:
    """The approval that `spend` would use now, or what `spend` would raise. Nothing is recorded."""
    _check(run, delta)
    with ledger.writing() as writing:
        return _usable(writing, run, delta, now, token)


def spend(ledger: Ledger, run: str, delta: str, *, now: str, token: str | None = None) -> Record:
    """Use the run's approval: of all that ever try, one succeeds. On return the use is durable.

    Raises `NotApproved`, `Revoked`, `AlreadySpent`, `OtherDelta`, `ClockError`, `ApprovalExpired`, or the ledger's
    errors; `token` asks for that very approval.
    """
    _check(run, delta)
    with ledger.writing() as writing:
        approval = _usable(writing, run, delta, now, token)
        return writing.append("spent", run, {"approval": approval.hash, "delta": delta}, at=now)


def _usable(writing: Writing, run: str, delta: str, now: str, token: str | None) -> Record:
    moment = parse_time(now)
    approval = _live(writing, run)
    terms = approval.data
    if token is not None and token != approval.hash:
        raise NotApproved(f"token {token:.12}", f"{approval.hash:.12}, the run's latest approval")
    if terms["delta"] != delta:
        raise OtherDelta(delta, terms["delta"], "Simulate again, and ask for approval of what comes out")
    if moment < parse_time(approval.at):
        raise ClockError(now, f"{approval.at} or later", "Set the clock right")
    if moment >= parse_time(terms["expires"]):
        raise ApprovalExpired(now, f"a time before {terms['expires']}", _ASK)
    return approval


def _live(writing: Writing, run: str) -> Record:
    """The run's latest approval, when nothing ended it, read from the checked chain."""
    seq = writing.latest(run, "approved")
    live, ended = None, None
    for record in writing.since(seq) if seq else ():
        if record.run != run:
            continue
        if record.kind == "approved":
            live, ended = record, None
        elif record.kind in ("spent", "revoked"):
            ended = record
    if live is None:
        raise NotApproved(run, "an approval", "Ask for one")
    if ended is not None:
        kind = AlreadySpent if ended.kind == "spent" else Revoked
        raise kind(f"{ended.kind} at {ended.at} (record {ended.seq})", "an approval not used yet", _ASK)
    return live


def _check(run: str, delta: str) -> None:
    if not run:
        raise BadRecord("no run", "the id of a run")
    if not _DIGEST.fullmatch(delta):
        raise BadRecord(f"delta digest {delta!r:.80}", "64 hexadecimal digits")

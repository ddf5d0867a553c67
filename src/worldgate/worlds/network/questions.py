"""What policies may ask of a network: which paths there are, and which ones a change opens.

A name stands for a zone or for a host; one that is neither refuses, so that a slip does not let everything pass.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...facts import State
from ..contract import Question
from .actions import port as port_of
from .reachability import explain, flows, literal, opened, walked


def hosts(name: str, *states: State) -> list[str]:
    """The hosts of a zone, or the one of that name, in any of these states; else `LookupError`."""
    found = {host for state in states for host in in_zone(name, state)}
    if not found:
        raise LookupError(f"no zone and no host {name!r}")
    return sorted(found)


def in_zone(name: str, state: State) -> list[str]:
    """The same in one state; there may be none."""
    found = {str(host) for (host,) in state.owners("zone", name)}
    return sorted(found | ({name} if state.get("up", (name,)) is not None else set()))


def _reachable(_: State, after: State, source: str, target: str, port: str) -> tuple[bool, str]:
    canonical = port_of(port)
    if canonical is None:
        raise LookupError(f"no port {port!r}")
    for host in (source, target):
        if after.get("up", (host,)) is None and (host == source or not literal(host)):
            raise LookupError(f"no host {host!r}")
    answer = explain(after, source, target, canonical)
    return answer.reached, f"{source} {target} {canonical}: {answer.why or ', '.join(answer.path)}"


def _opens_path(before: State, after: State, sources: str, targets: str) -> tuple[bool, str]:
    """What was outside a zone before counts as new there; what the change takes out of one still counts."""
    then = in_zone(sources, before), in_zone(targets, before)
    flow = opened(before, after, hosts(sources, before, after), hosts(targets, before, after), then=then)
    return flow is not None, str(flow or "")


def _isolated(before: State, after: State, sources: str, targets: str) -> tuple[bool, str]:
    flow = next(flows(after, hosts(sources, before, after), hosts(targets, before, after)), None)
    return flow is None, str(walked(after, flow)) if flow else ""


QUESTIONS: Mapping[str, Question] = {
    "reachable": Question(
        "Whether a connection from a host to a port of another would open.",
        "bool",
        ("string", "string", "string"),
        _reachable,
    ),
    "opens_path": Question(
        "Whether a host of one zone reaches a service in another that it did not reach before.",
        "bool",
        ("string", "string"),
        _opens_path,
    ),
    "isolated": Question(
        "Whether no host of one zone reaches any service in another.", "bool", ("string", "string"), _isolated
    ),
}

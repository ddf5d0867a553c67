"""What policies may ask of a network: which paths there are, and which ones a change opens.

A name stands for a zone or for a host; one that is neither refuses, so that a slip does not let everything pass.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...facts import State
from ..contract import Question
from .reachability import explain, flows, opened


def hosts(name: str, *states: State) -> list[str]:
    """The hosts of a zone, or the one of that name, in any of these states; else `LookupError`."""
    found = {key[0] for state in states for key in state.owners("zone", name)}
    if any(state.get("up", (name,)) is not None for state in states):
        found.add(name)
    if not found:
        raise LookupError(f"no zone and no host {name!r}")
    return sorted(map(str, found))


def _reachable(_: State, after: State, source: str, target: str, port: str) -> tuple[bool, str]:
    answer = explain(after, source, target, port)
    return answer.reached, f"{source} {target} {port}: {answer.why or ', '.join(answer.path)}"


def _opens_path(before: State, after: State, sources: str, targets: str) -> tuple[bool, str]:
    flow = opened(before, after, hosts(sources, before, after), hosts(targets, before, after))
    return flow is not None, str(flow or "")


def _isolated(_: State, after: State, sources: str, targets: str) -> tuple[bool, str]:
    flow = next(flows(after, hosts(sources, after), hosts(targets, after)), None)
    return flow is None, str(flow or "")


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

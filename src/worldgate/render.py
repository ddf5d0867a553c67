"""Runs as text: summary first, what cannot be undone on top, then what changes, then why it is refused.

Every function returns lines, each a (style, text) pair, so that the same lines go to a terminal, a pipe or a
test. Lines fit 80 columns where they can be shortened without losing what matters.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .facts import Error
from .gate.decision import TOLD, Breach, Decision
from .gate.run import DecisionDoc, RunDoc, TrajectoryDoc

Line = tuple[str, str]
WIDTH = 80
SHOWN = 20
_STYLES = {"+": "green", "-": "red", "~": "yellow"}
_VERDICTS = {"approve": "bold green", "reject": "bold red"}


def run_lines(run: RunDoc, doc: DecisionDoc, trajectory: TrajectoryDoc, *, full: bool = False) -> Iterator[Line]:
    """A run: the verdict, what cannot be undone, the changes, the breaches, the budget."""
    style, word = verdict(doc.decision)
    counts, amounts = _summary(doc.totals)
    first = f"{word}  run {run.run[:12]}  {counts}"
    whole = f"{first}, {amounts}" if amounts else first
    yield from ((style, text) for text in ([whole] if len(whole) <= WIDTH else [first, f"  {amounts}"]))
    yield from _what(run, trajectory, full)
    if doc.cannot_be_undone:
        yield "bold", "cannot be undone:"
        yield from (("bold red", f"  ! {note}") for note in doc.cannot_be_undone)
    yield from _changes([row["line"] for row in doc.changes], full)
    many = len(run.plan.steps) > 1
    yield from _breaches(doc.decision.breaches, "refused by", "red", many)
    yield from _breaches(doc.warnings, "would be refused (shadow mode) by", "yellow", many)
    if doc.refused_prefix and many:
        yield from wrapped("", f"shortest prefix refused: {', '.join(doc.refused_prefix.prefix)}")
        if doc.refused_prefix.suffices:
            yield from wrapped("", f"of these suffice: {', '.join(doc.refused_prefix.suffices)}")
    if doc.undo is not None and not doc.undo.approved:
        yield "yellow", "the undo would be refused under this policy:"
        yield from _breaches(doc.undo.breaches, "by", "yellow", many)
    yield from wrapped("dim", f"budget: {_budget(run.budget, doc.budget)}")


def verdict(decision: Decision) -> Line:
    """The verdict in a word, and its style."""
    return _VERDICTS.get(decision.verdict, "bold yellow"), TOLD.get(decision.verdict, decision.verdict)


def _summary(totals: Mapping[str, int]) -> tuple[str, str]:
    """How many paths, and how many bytes."""
    words = [f"{totals[name]} {name}" for name in ("deleted", "changed", "moved", "created") if totals.get(name)]
    freed, written = totals.get("bytes_deleted", 0), totals.get("bytes_created", 0) + totals.get("bytes_changed", 0)
    amounts = [f"{size(freed)} removed"] * bool(freed) + [f"{size(written)} written"] * bool(written)
    return ", ".join(words) or "nothing changes", ", ".join(amounts)


def _what(run: RunDoc, trajectory: TrajectoryDoc, full: bool) -> Iterator[Line]:
    results = {step.id: step for step in trajectory.steps}
    many = len(run.plan.steps) > 1
    if run.plan.engine == "kernel":
        (step,) = run.plan.steps
        seen = results[step.id].observation if step.id in results else {}
        yield "", clip(f"  exit {seen.get('exit', '?')}: {step.do}")
        if seen.get("killed"):
            yield "yellow", f"  ended by its limit on {seen['killed']}"
        for name in ("stdout", "stderr"):
            yield from _output(str(seen.get(name, "")), full)
    elif run.plan.engine == "undo":
        yield "", f"  undoes run {run.undoes[:12]}"
    elif many or full:
        for step in run.plan.steps:
            result = results.get(step.id)
            state = "not reached" if result is None else "skipped" if result.skipped else _outcome(result.observation)
            yield "", clip(f"  {step.id}: {step.do}", WIDTH - len(state) - 2) + f"  {state}".rstrip()
    else:
        yield "", clip(f"  {run.plan.steps[0].do}")
    if full:
        yield "dim", f"  under policy {run.policy_digest[:12]}"


def _outcome(observation: Mapping[str, Any]) -> str:
    if observation.get("refused"):
        return "refused"
    return f"exit {observation['exit']}" if observation.get("exit") else ""


def _output(text: str, full: bool) -> Iterator[Line]:
    lines = text.splitlines()
    kept = lines if full else lines[:5]
    yield from (("dim", plain(f"  | {line}") if full else clip(f"  | {line}")) for line in kept)
    if len(lines) > len(kept):
        yield "dim", f"  | ... {len(lines) - len(kept)} more lines"


def _changes(lines: Sequence[str], full: bool) -> Iterator[Line]:
    kept = list(lines) if full else list(collapse(lines))
    for line in kept[: None if full else SHOWN]:
        yield _STYLES.get(line[0], ""), f"  {plain(line) if full else clip(line, WIDTH - 2)}"
    if not full and len(kept) > SHOWN:
        yield "dim", f"  ... {len(kept) - SHOWN} more (worldgate show RUN)"


def collapse(lines: Iterable[str]) -> Iterator[str]:
    """A directory that is created or deleted stands for the same beneath it: `- build/ (and 12 beneath)`."""
    above, count = "", 0
    for line in lines:
        if above and line.startswith(above):
            count += 1
            continue
        if above:
            yield above + (f"  (and {count} beneath)" if count else "")
        above, count = (line, 0) if line[0] in "+-" and line.endswith("/") else ("", 0)
        if not above:
            yield line
    if above:
        yield above + (f"  (and {count} beneath)" if count else "")


def _breaches(breaches: Iterable[Breach], title: str, style: str, many: bool) -> Iterator[Line]:
    for breach in breaches:
        step = f" at step {breach.step}" if breach.step and many else ""
        yield f"bold {style}", clip(f"{title} {breach.rule} ({breach.number}){step}")
        yield from wrapped(style, f"  {breach.message}")
        if isinstance(breach.allowed, int) and breach.allowed:
            yield style, f"  found {breach.found}, allowed {breach.allowed}, over by {breach.margin}"
        if breach.fact:
            more = breach.found - 1 if isinstance(breach.found, int) and breach.allowed == 0 else 0
            note = f"  (and {more} more)" if more > 0 else ""
            yield "", clip(f"  {breach.fact}", WIDTH - len(note)) + note


def _budget(limits: Mapping[str, Any], used: Mapping[str, Any]) -> str:
    rows = [(name, used[name], limits[name]) for name in sorted(limits) if used.get(name) not in (0, "0", None)]
    shown = [f"{name} {_amount(name, some)} of {_amount(name, most)}" for name, some, most in rows]
    return ", ".join(shown) or "nothing used"


def _amount(name: str, count: Any) -> str:
    return size(count) if "bytes" in name and isinstance(count, int) else str(count)


def wrapped(style: str, text: str, width: int = WIDTH) -> Iterator[Line]:
    """A text in lines of at most `width` characters; the lines after the first are indented."""
    lead = text[: len(text) - len(text.lstrip())]
    for line in textwrap.wrap(plain(text), width, subsequent_indent=lead or "  ", break_on_hyphens=False) or [""]:
        yield style, line


def plain(text: str) -> str:
    """One line without anything that a terminal could take for a command."""
    return "".join(mark if mark.isprintable() else "?" for mark in text)


def clip(text: str, width: int = WIDTH) -> str:
    """One printable line of at most `width` characters; what was cut is marked."""
    text = plain(text)
    return text if len(text) <= width else text[: width - 3] + "..."


def size(count: int) -> str:
    """Bytes for people: 999 B, 12 kB, 3.4 MB."""
    if count < 1000:
        return f"{count} B"
    for unit in ("kB", "MB", "GB", "TB"):
        count_in = count / 1000 ** ("kB", "MB", "GB", "TB").index(unit) / 1000
        if count_in < 1000:
            break
    return f"{count_in:.1f} {unit}" if count_in < 10 else f"{count_in:.0f} {unit}"


def explain_lines(run: RunDoc, doc: DecisionDoc, rules: str) -> Iterator[Line]:
    """Why a run was decided as it was."""
    style, word = verdict(doc.decision)
    yield style, f"{word} at stage {doc.decision.stage}  run {run.run[:12]}"
    yield from _breaches(doc.decision.breaches, "because of", "red", len(run.plan.steps) > 1)
    if doc.refused_prefix:
        steps = {step.id: step.do for step in run.plan.steps}
        yield "bold", "the shortest prefix of the plan that is refused:"
        for name in doc.refused_prefix.prefix:
            needed = not doc.refused_prefix.suffices or name in doc.refused_prefix.suffices
            yield (
                "" if needed else "dim",
                clip(f"  {name}: {steps.get(name, '')}") + ("" if needed else "  (not needed)"),
            )
    if doc.undo is not None:
        word = "would be approved" if doc.undo.approved else "would be refused"
        yield "", f"the undo: {doc.undo.edits} edits, {word}"
    yield "bold", "rules in force:"
    for line in rules.splitlines():
        yield from (("", f"  {part}") for _, part in wrapped("", line, WIDTH - 2))
    yield "dim", f"base: {len(run.base)} facts read or changed must still hold at commit"


def outcomes(records: Sequence[Any]) -> list[Any]:
    """The records without the steps on the way: approvals, and commits that have begun and have an end."""
    last = {record.run: record.seq for record in records}
    return [
        record
        for record in records
        if record.kind not in ("approved", "spent", "started")
        or (record.kind != "approved" and record.seq == last[record.run])
    ]


def log_lines(records: Iterable[Any], runs: Any) -> Iterator[Line]:
    """The ledger, a line a record."""
    styles = {"committed": "green", "refused": "red", "failed": "red", "unknown": "bold red", "undone": "yellow"}
    for record in records:
        what = ""
        if record.kind in ("simulated", "refused"):
            try:
                what = _briefly(runs.load(record.run, "run"))
            except Exception as error:  # the log must be readable when a run's documents are not
                what = f"({error})"
        line = f"{record.seq:>4}  {record.at[:19]}Z  {record.kind:<10} {record.run[:12]:12}  {what}".rstrip()
        yield styles.get(record.kind, ""), clip(line)


def _briefly(run: RunDoc) -> str:
    steps = run.plan.steps
    more = f"  (and {len(steps) - 1} more)" if len(steps) > 1 else ""
    return f"undo of {run.undoes[:12]}" if run.undoes else clip(steps[0].do, WIDTH - 47 - len(more)) + more


def audit_lines(report: Any) -> Iterator[Line]:
    """What an audit found."""
    for problem in report.problems:
        yield from wrapped("bold red", f"{problem.place}: {problem.what}")
    for note in report.notes:
        yield from wrapped("dim", note)
    count = len(report.problems)
    word = f"{count} problem{'s' * (count != 1)}" if count else "whole"
    yield (
        "bold red" if report.problems else "bold green",
        f"{word}: {report.records} records, {report.executed} runs executed again",
    )


def error_lines(error: Error) -> Iterator[Line]:
    """An error: its number, what was found, what was expected, what to do; of several differences, the first few."""
    yield from wrapped("bold red", f"worldgate: {error.number} {error.title}")
    differences = [str(difference) for difference in getattr(error, "differences", ())]
    for text in differences[:SHOWN] or [error.found]:
        yield from wrapped("", f"  found {text}")
    if len(differences) > SHOWN:
        yield "", f"  ... and {len(differences) - SHOWN} more"
    yield from wrapped("", f"  expected {error.expected}")
    if error.do:
        yield from wrapped("", f"  {error.do}")

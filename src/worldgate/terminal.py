"""What the command line prints: lines with a style or one JSON document, errors, progress, a proposal and what follows.

Nothing printed can steer a terminal. Colour and progress appear on terminals only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from .facts import Error, canonical_json


def fail(error: Error) -> None:
    """Print an error: on standard error, or as JSON where that was asked for."""
    words = sys.argv[1:]
    if "--json" in words[: words.index("--") if "--" in words else None]:
        print_json({"error": error.to_json()})
    else:
        from .render import error_lines

        print_lines(error_lines(error), err=True)


def print_json(data: Any) -> None:
    """One line of ASCII: what is in a name or an output can neither steer a terminal nor fail to be encoded."""
    plain = json.loads(canonical_json(data))
    sys.stdout.write(json.dumps(plain, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n")


def print_lines(lines: Iterable[tuple[str, str]], *, err: bool = False) -> None:
    """Lines with their styles, such as `bold red`; colours are left out where no terminal is."""
    for style, text in lines:
        words = style.split()
        colour = next((word for word in words if word in ("red", "green", "yellow")), None)
        typer.echo(typer.style(text, fg=colour, bold="bold" in words, dim="dim" in words), err=err)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Say what is going on, on a terminal, while it goes on."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


@contextmanager
def stepping(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to tell how many of `total` are done; on a terminal it moves a bar."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def propose(proposal: Any, as_json: bool, notes: list[str]) -> None:
    """Print a proposal; exit 2 unless it is approved."""
    from .render import clip, run_lines

    docs = proposal.docs
    if as_json:
        print_json({"run": proposal.id, "decision": docs["decision"], "trajectory": docs["trajectory"]})
    else:
        print_lines(run_lines(docs["run"], docs["decision"], docs["trajectory"]))
        print_lines(("dim", clip(note)) for note in notes if note)
    if not proposal.approved:
        raise typer.Exit(2)


def following(proposal: Any) -> str:
    """What can be done next, in one line."""
    if proposal.approved and not proposal.doc.changes:
        return "there is nothing to commit"
    return f"to do it: worldgate commit {proposal.id[:12]}" if proposal.approved else "nothing was done"


def ground(policy: Any) -> str:
    """What holds when no policy is given, in one line."""
    if policy.document.world != "filesystem":
        return "no policy given: only the world's own rules hold"
    return f"no policy given: .git and secrets are protected, at most {policy.document.limits.deleted} paths deleted"


def finish(workspace: Any, proposal: Any, note: str, commit_at_once: bool, as_json: bool, drawing: str = "") -> None:
    """Commit if that was asked for and is approved; print the proposal and what can be done next."""
    notes = [*drawing.splitlines(), note, following(proposal)]
    if commit_at_once and proposal.approved:
        workspace.commit(proposal.id)
        notes[-2:] = [f"committed; to undo it: worldgate undo {proposal.id[:12]}"]
    propose(proposal, as_json, notes)

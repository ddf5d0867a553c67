"""The incidents: short stories that are run for real, each on a scratch copy of the Python standard library.

They are the transcripts in examples/incidents/ (see `transcript`): real `worldgate` commands in a real shell. Nothing
outside a temporary directory is read or written but the library itself, which is copied.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

import typer

from .facts import Error
from .render import clip
from .terminal import print_json
from .transcript import Ran, Session, parse

HERE = Path(__file__).parent
PACKAGED, CHECKOUT = HERE / "incidents", HERE.parents[1] / "examples" / "incidents"
TOO_MUCH = shutil.ignore_patterns("__pycache__", "site-packages", "dist-packages", "test", "lib-dynload", "config-*")
WIDTH = 80


class UnknownIncident(Error):
    number, title = "WG911", "unknown incident"


@dataclass(frozen=True)
class Told:
    """An incident that was run: its paragraphs, and its commands with what they did."""

    name: str
    parts: tuple[str | Ran, ...]
    seconds: float

    @property
    def title(self) -> str:
        return next((part[2:] for part in self.parts if isinstance(part, str) and part.startswith("# ")), self.name)

    @property
    def steps(self) -> list[Ran]:
        return [part for part in self.parts if isinstance(part, Ran)]

    @property
    def problem(self) -> str:
        return next((step.problem for step in self.steps if step.problem), "")


def incidents() -> dict[str, Path]:
    """The incident files by name, in order; the number that a file begins with is not part of its name."""
    folder = PACKAGED if PACKAGED.is_dir() else CHECKOUT
    return {path.stem.partition("-")[2]: path for path in sorted(folder.glob("[0-9]*.md"), key=_number)}


def _number(path: Path) -> int:
    return int(path.stem.partition("-")[0])


def run_incidents(only: Sequence[str] = (), *, as_json: bool = False) -> int:
    """Run all incidents, or those named, some at a time, and print them in order; how many did not go as told."""
    known = incidents()
    for name in only:
        if name not in known:
            raise UnknownIncident(repr(name), f"one of {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="worldgate-demo-") as temporary:
        scratch = Path(temporary)
        environment = prepare(scratch)
        library = scratch / "original"
        shutil.copytree(sysconfig.get_path("stdlib"), library, symlinks=True, ignore=TOO_MUCH)

        def tell_one(name: str) -> Told:
            place = scratch / name / "library"
            shutil.copytree(library, place, symlinks=True)
            return tell(name, known[name], Session(place, environment))

        told = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for one in pool.map(tell_one, only or known):
                told.append(one)
                if not as_json:
                    _print(one)
    failed = sum(bool(one.problem) for one in told)
    if as_json:
        print_json(_as_data(told))
    else:
        _total(told, failed)
    return failed


def prepare(scratch: Path) -> dict[str, str]:
    """The environment of the commands: `worldgate` and its tools on the path, all state in `scratch`."""
    tools = scratch / "bin"
    tools.mkdir()
    python = shlex.quote(sys.executable)
    programs = {
        "worldgate": "-c 'from worldgate.cli import main; main()'",
        "killed-at": "-m worldgate.killed",
        "python3": "",
    }
    for name, program in programs.items():
        (tools / name).write_text(f'#!/bin/sh\nexec {python} -P {program} "$@"\n')
        (tools / name).chmod(0o755)
    return os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "XDG_STATE_HOME": str(scratch / "state"),
        "PYTHONSAFEPATH": "1",
        "COLUMNS": str(WIDTH),
        "LC_ALL": "C.UTF-8",
    }


def tell(name: str, path: Path, session: Session) -> Told:
    """Run one incident; it ends at the first command that differs."""
    begun, told = monotonic(), []
    for part in parse(path.read_text(encoding="utf-8")):
        told.append(part if isinstance(part, str) else session.run(part))
        if isinstance(ran := told[-1], Ran) and ran.problem:
            break
    return Told(name, tuple(told), monotonic() - begun)


def _print(one: Told) -> None:
    for part in one.parts:
        if isinstance(part, Ran):
            _output(part)
        elif part.startswith("# "):
            _say(["", "", *textwrap.wrap(part[2:], WIDTH), "=" * min(len(part) - 2, WIDTH)], "bold")
        else:
            _say(["", *textwrap.wrap(part, WIDTH), ""])


def _prompted(text: str) -> list[str]:
    first, *more = text.splitlines()
    return [f"$ {first}", *(f"> {line}" for line in more)]


def _output(ran: Ran) -> None:
    _say(_prompted(ran.command), "cyan")
    _say([clip(line) for line in ran.shown])
    if ran.exit:
        _say([f"[exit {ran.exit}]"], "dim")
    if ran.problem:
        _say([ran.problem, "expected:", *(f"  {line}" for line in ran.expected)], "red")


def _say(lines: Sequence[str], style: str = "") -> None:
    for line in lines:
        colour = style if style in ("red", "green", "cyan") else None
        typer.echo(typer.style(line, fg=colour, bold=style == "bold" or None, dim=style == "dim" or None))


def _total(told: Sequence[Told], failed: int) -> None:
    _say(["", ""])
    for one in told:
        _say([f"{'FAILED' if one.problem else 'as told':8} {one.seconds:5.1f} s  {one.title}"[:WIDTH]],
             "red" if one.problem else "green")  # fmt: skip
    commands = sum(len(one.steps) for one in told)
    _say([f"{len(told)} incidents, {failed} failed; {commands} commands were run"], "bold")


def _as_data(told: Sequence[Told]) -> list[dict[str, object]]:
    return [
        {"name": one.name, "title": one.title, "problem": one.problem, "steps": [asdict(step) for step in one.steps]}
        for one in told
    ]

"""Transcripts: Markdown whose `console` blocks are run for real and compared with what they say.

    ```console
    $ worldgate try -- rm notes.txt
    approved  run 0123456789ab  1 deleted...
    ...
    [exit 0]
    ```

A line that begins with `$ ` is a command for `sh`; lines that begin with `> ` continue it. What follows is its
output, standard error included. `...` stands for any text within a line; alone on a line, for any number of lines.
`[exit N]` after the output is the exit code, 0 when left out. A run id (12 hexadecimal digits) stands for the one
that is printed in its place when it is first met, also in later commands.

The commands of one file share a directory; nothing else (variables, the current directory) is kept between them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ANY = "..."
LASTS = 300
"""Seconds after which a command is given up."""

_RUN = re.compile(r"\b[0-9a-f]{12}\b")
_EXIT = re.compile(r"\[exit (\d+)\]")
_FENCE = re.compile(r"^```(\w*)(?: .*)?$")


@dataclass(frozen=True)
class Command:
    """A command, the lines it is to print, and the code it is to exit with."""

    text: str
    output: tuple[str, ...]
    exit: int
    line: int


@dataclass(frozen=True)
class Ran:
    """What a command did. `shown` is its output with `...` for what the transcript leaves out."""

    command: str
    exit: int
    shown: tuple[str, ...]
    expected: tuple[str, ...]
    problem: str = ""


@dataclass
class Session:
    """Runs commands in a directory; remembers which printed id each written one stands for."""

    folder: Path
    environment: Mapping[str, str]
    ids: dict[str, str] = field(default_factory=dict)

    def text(self, command: Command) -> str:
        """The command as it is run: with the ids that were printed."""
        return _RUN.sub(lambda found: self.ids.get(found[0], found[0]), command.text)

    def run(self, command: Command) -> Ran:
        """Run one command; the problem says how it differs from the transcript."""
        text = self.text(command)
        done = subprocess.run(
            ["/bin/sh", "-c", text],
            cwd=self.folder, env=dict(self.environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LASTS, check=False,
        )  # fmt: skip
        code = done.returncode if done.returncode >= 0 else 128 - done.returncode
        printed = done.stdout.decode("utf-8", "replace").splitlines()
        shown = match(command.output, printed, self.ids)
        if code != command.exit:
            problem = f"line {command.line}: exit {code}, not {command.exit}"
        elif shown is None:
            problem = f"line {command.line}: another output"
        else:
            problem = ""
        return Ran(text, code, tuple(printed if problem or shown is None else shown), command.output, problem)


def parse(text: str) -> Iterator[str | Command]:
    """The paragraphs and the commands of a Markdown text, in order. Other code blocks are left out."""
    paragraph: list[str] = []
    block: list[tuple[int, str]] = []
    fence: str | None = None
    for number, line in enumerate([*text.splitlines(), ""], 1):
        edge = _FENCE.match(line)
        if fence is None and (edge or not line.strip()):
            if paragraph:
                yield " ".join(paragraph)
            paragraph = []
            fence = edge[1] if edge else None
        elif fence is None:
            paragraph.append(line.strip())
        elif edge:
            if fence == "console":
                yield from _commands(block)
            fence, block = None, []
        else:
            block.append((number, line))
    if fence is not None:
        raise ValueError("a code block without an end")


def _commands(block: Sequence[tuple[int, str]]) -> Iterator[Command]:
    starts = [index for index, (_, line) in enumerate(block) if line.startswith("$ ")]
    if block and starts[:1] != [0]:
        raise ValueError(f"line {block[0][0]}: a console block begins with a command")
    for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
        lines = [line for _, line in block[start:end]]
        more = 1
        while more < len(lines) and lines[more].startswith(">"):
            more += 1
        text = "\n".join(line[2:] for line in lines[:more])
        output, code = lines[more:], 0
        if output and (found := _EXIT.fullmatch(output[-1])):
            output, code = output[:-1], int(found[1])
        yield Command(text, tuple(output), code, block[start][0])


def match(expected: Sequence[str], printed: Sequence[str], ids: dict[str, str]) -> list[str] | None:
    """The printed lines with `...` for those that a line of `...` stands for; None when they do not fit.

    What the ids in `expected` stand for is added to `ids`.
    """
    shown: list[str] = []
    at = wanted = 0
    retry: tuple[int, int, int, dict[str, str]] | None = None
    while at < len(printed) or wanted < len(expected):
        if wanted < len(expected) and expected[wanted] == ANY:
            retry = (wanted, at, len(shown), dict(ids))
            wanted += 1
        elif wanted < len(expected) and at < len(printed) and _fits(expected[wanted], printed[at], ids):
            shown.append(printed[at])
            at, wanted = at + 1, wanted + 1
        elif retry is not None and retry[1] < len(printed):
            wanted, at, length, known = retry
            del shown[length:]
            if shown[-1:] != [ANY]:
                shown.append(ANY)
            ids.clear()
            ids.update(known)
            retry = (wanted, at + 1, len(shown), known)
            at, wanted = at + 1, wanted + 1
        else:
            return None
    return shown


def _fits(expected: str, printed: str, ids: dict[str, str]) -> bool:
    pattern, new = "", []
    for part in re.split(r"(\.\.\.|\b[0-9a-f]{12}\b)", expected.rstrip()):
        if part == ANY:
            pattern += ".*"
        elif not _RUN.fullmatch(part):
            pattern += re.escape(part)
        elif part in ids:
            pattern += re.escape(ids[part])
        else:
            new.append(part)
            pattern += "([0-9a-f]{12})"
    found = re.fullmatch(pattern, printed.rstrip())
    if found:
        ids.update(zip(new, found.groups(), strict=True))
    return found is not None

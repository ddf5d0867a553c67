"""Replay: compute a tape, or executions, again from the recorded inputs and the bars, and compare every byte.

The file names its session's inputs. The bars are looked for where the caller says, and must have the recorded
digest. What is compared is the file's own text, line by line, with what the session gives today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

import msgspec

from ..facts import Error
from ..worlds.market.bars import Bars
from . import files
from .desk import INPUTS, session
from .inputs import Inputs


class NotEvidence(Error):
    number, title = "WG385", "not a tape or executions"


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay found. `line` is the first line that differs (0: none), as it is and as it should be."""

    kind: str
    session: str
    rows: int
    line: int = 0
    found: str = ""
    expected: str = ""

    @property
    def same(self) -> bool:
        return not self.line


def inputs_of(path: Path) -> tuple[str, Inputs]:
    """The kind of an evidence file and the inputs that it names."""
    try:
        with path.open(encoding="utf-8") as file:
            top = msgspec.json.decode(file.readline().rstrip("\n") + "]}")
        kind, inputs = top["kind"], msgspec.convert(top["inputs"], Inputs)
        files.ROWS[kind]
    except FileNotFoundError as error:
        begun = path.name in (files.TAPE, files.EXECUTIONS) and (path.parent / INPUTS).exists()
        found = f"{path}, which is not there" + (": the session in this folder has not ended" if begun else "")
        do = "Run the same `worldgate market run` again: it goes on where it stopped, and writes this at its end."
        raise NotEvidence(found, "tape.json or executions.json of a session", do if begun else "") from error
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError, KeyError, TypeError, RecursionError) as error:
        raise NotEvidence(f"{path.name}: {error}", "tape.json or executions.json, as a session wrote it") from error
    return kind, inputs


def replay(path: Path, bars: Bars, progress: Callable[[int], None] = lambda _: None) -> Replayed:
    """Compute the file again and compare. Raises `NotEvidence`, `OtherBars` and what a session raises."""
    kind, inputs = inputs_of(path)
    inputs.check(bars)
    count = 0
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        for number, (found, expected) in enumerate(zip_longest(file, _document(kind, inputs, bars, progress)), 1):
            if found != expected:
                shown = ["the end of the file" if text is None else _text(text) for text in (found, expected)]
                return Replayed(
                    kind=kind, session=inputs.digest, rows=count, line=number, found=shown[0], expected=shown[1]
                )
            count = number - 2
    return Replayed(kind=kind, session=inputs.digest, rows=max(count, 0))


def _text(line: str) -> str:
    """A line to be shown: bytes that are not UTF-8 as escapes, and the want of an end in words."""
    shown = line[:-1] if line.endswith("\n") else f"{line} (and no end of the line)"
    return shown.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _document(kind: str, inputs: Inputs, bars: Bars, progress: Callable[[int], None]) -> Iterator[str]:
    """The lines that the file should have."""
    steps = ((advanced.step, advanced.delta) for advanced in session(inputs, bars))
    pending = files.head(kind, inputs)
    mark = "\n"
    for row, events in files.rows(inputs, bars, steps):
        progress(row["step"])
        for text in files.ROWS[kind](row, events):
            yield pending + mark
            pending, mark = text, ",\n"
    yield pending + "\n"
    yield "]}\n"

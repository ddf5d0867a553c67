"""A session's report as Markdown. Every table has as many cells in a row as in its header, whatever they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .summary import Summary
from .tables import REPLAY, Table, plain, tables, title

_SPECIAL = re.compile(r"[\\`*\[<&|~]")


def markdown(summary: Summary) -> str:
    """The report; the same bytes for the same summary."""
    parts = [f"# {escaped(title(summary))}"]
    parts += ["\n".join(_section(table)) for table in tables(summary)]
    parts.append(f"## Replay\n\nComputes the tape again and compares every byte:\n\n```sh\n{REPLAY}\n```")
    return "\n\n".join(parts) + "\n"


def _section(table: Table) -> Iterator[str]:
    yield f"## {escaped(table.title)}"
    if table.rows:
        yield ""
        yield _line(map(escaped, table.columns))
        yield _line("---:" if column in table.numbers else "---" for column in table.columns)
        yield from (_line(map(escaped, row)) for row in table.rows)
    if table.note:
        yield ""
        yield escaped(table.note)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """The text in one line, as Markdown that shows just it."""
    return _SPECIAL.sub(r"\\\g<0>", plain(text))

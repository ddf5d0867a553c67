"""The pages that are generated: docs/cli.md from the commands, docs/errors.md from the numbered errors.

python -m tests.reference        writes both; `tests/test_docs.py` fails while they are out of date
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

import worldgate
from worldgate.cli import app
from worldgate.facts import numbers
from worldgate.gate.decision import NUMBERS as VERIFICATION
from worldgate.gate.rules import NUMBERS
from worldgate.trading.risk.errors import NUMBERS as RISK
from worldgate.worlds import get, names

ROOT = Path(__file__).parents[1]

AREAS = {
    "1": "Facts", "2": "Worlds and kernels", "3": "Plans, verification and runs", "4": "Policies and intent",
    "5": "Budgets, and learned predictors", "6": "Workspaces and commits", "7": "The ledger and approvals",
    "9": "The command line",
}  # fmt: skip


def every_number() -> dict[str, tuple[str, str]]:
    """All numbers with title and explanation."""
    for module in pkgutil.walk_packages(worldgate.__path__, "worldgate."):
        importlib.import_module(module.name)
    errors = {number: (kind.title, _first(kind.__doc__)) for number, kind in numbers().items()}
    measures = {
        measure.number: (name.replace("_", " "), f"A measure is beyond its limit: {measure.about}.")
        for world in map(get, names())
        for name, measure in getattr(world, "measures", {}).items()
    }
    return dict(sorted((errors | VERIFICATION | NUMBERS | RISK | measures).items()))


def _first(doc: str | None) -> str:
    text = " ".join((doc or "").split())
    return text if text else ""


def errors_page() -> str:
    """docs/errors.md"""
    lines = [
        "# Errors and breaches",
        "",
        "Every error and every breach of a rule has a number, which keeps its meaning for ever. An error says what was",
        "found, what was expected, and what to do; with `--json` as `number`, `title`, `found`, `expected` and `do`.",
    ]
    area = ""
    for number, (title, meaning) in every_number().items():
        if number[2] != area:
            area = number[2]
            lines += ["", f"## {AREAS[area]}", "", "| number | name | meaning |", "| --- | --- | --- |"]
        lines.append(f"| {number} | {title} | {meaning.replace('|', '/')} |".replace("  |", " |"))
    return "\n".join(lines) + "\n"


def commands(group: Any = None, path: str = "worldgate") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups left out."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


CLI_HEAD = """# Commands

Every command takes `--help`. Every command but those about worlds and `demo` takes `--directory` (`-C`), the workspace
or a directory in it, by default the current one. With `--json`, standard output is one JSON document, also when the
command fails: `{"error": {"number": ..., "title": ..., "found": ..., "expected": ..., "do": ...}}`.

| exit code | meaning |
| --- | --- |
| 0 | approved, or done |
| 2 | rejected: a rule or a fact says no, or the record is not whole |
| 1 | an error: nothing was judged, or nothing was done |
| 130 | interrupted from the keyboard |

Results go to standard output, errors to standard error. Without a terminal there is no colour and no progress.
"""


def cli_page() -> str:
    """docs/cli.md"""
    parts = [CLI_HEAD]
    for name, command in commands():
        named = [param for param in command.params if param.param_type_name == "argument"]
        options = [param for param in command.params if param.param_type_name == "option" and param.name != "help"]
        usage = " ".join([name, "[OPTIONS]", *(_usage(param) for param in named)])
        parts.append(f"## {name}\n\n{' '.join(command.help.split())}\n\n```text\n{usage}\n```\n")
        rows = [f"| `{_usage(param)}` | {_help(param)} |" for param in named]
        rows += [f"| `{_option(param)}` | {_help(param)} |" for param in options]
        parts.append("| | |\n| --- | --- |\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _usage(param: Any) -> str:
    name = (param.metavar or param.name.upper()).removesuffix("...")
    many = "..." if param.nargs == -1 else ""
    return f"{name}{many}" if param.required else f"[{name}{many}]"


def _option(param: Any) -> str:
    flags = ", ".join(sorted(param.opts, key=len))
    return flags if param.is_flag else f"{flags} {param.metavar}".replace("|", "\\|")


def _help(param: Any) -> str:
    text = (param.help or "").replace("|", "\\|")
    default = param.default
    return text + (f" Default: {default}." if isinstance(default, int) and not isinstance(default, bool) else "")


PAGES = {"docs/errors.md": errors_page, "docs/cli.md": cli_page}

if __name__ == "__main__":
    for _path, _page in PAGES.items():
        (ROOT / _path).write_text(_page(), encoding="utf-8")

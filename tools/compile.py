"""Compile the hot modules ahead of time: `make compiled`, then run anything with `PYTHONPATH=build/compiled`.

Guarantees: the package itself is not touched; `build/compiled` is a whole copy of it, put there in one rename after
everything compiled, in which the compiled modules have no source left that could run instead. Remove the folder and
nothing remains. It does not follow later edits: make it again. Needs a C compiler and the `compile` extra, and serves
only the interpreter that made it.

Left out are modules that gain nothing, and those mypyc has no equal of: frozen dataclasses (they would not unpickle),
Structs (it crashes), two names assigned at once in a class (as every numbered error does).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build" / "compiled"
FACTS = ("draft", "maps")
FILESYSTEM = (
    "builtins",
    "calls",
    "copying",
    "expansion",
    "files",
    "modes",
    "moving",
    "operands",
    "options",
    "paths",
    "quoting",
    "removing",
    "rules",
    "session",
)
MODULES = (
    *(f"worldgate/facts/{name}.py" for name in FACTS),
    *(f"worldgate/worlds/filesystem/{name}.py" for name in FILESYSTEM),
)


def main() -> None:
    new = PLACE.with_suffix(".new")
    for old in (new, PLACE):
        shutil.rmtree(old, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "src" / "worldgate", new / "worldgate", ignore=ignore)
    command = [sys.executable, "-m", "mypyc", "--config-file", str(ROOT / "pyproject.toml"), *MODULES]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    made = subprocess.run(
        command, cwd=new, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    missing = [module for module in MODULES if not list((new / module).parent.glob(f"{Path(module).stem}.*.so"))]
    if made.returncode or missing:
        sys.exit(f"{made.stdout}\nnot compiled: {', '.join(missing) or 'see above'}")
    for module in MODULES:
        (new / module).unlink()
    for rest in ("build", ".mypy_cache"):
        shutil.rmtree(new / rest, ignore_errors=True)
    new.rename(PLACE)
    print(f"{len(MODULES)} modules compiled; run with PYTHONPATH={PLACE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

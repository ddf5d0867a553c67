"""How light the core is: what `pip install worldgate` puts on disk, and the CPU time of `worldgate --help`.

    python bench/core.py          # makes a fresh environment in a temporary directory

The limits: 80 MB with everything it needs (pip itself not counted), half a second of CPU. The peer is the
bare interpreter's start in the same run.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from statistics import median

from measure import table

ROOT = Path(__file__).resolve().parent.parent
BEFORE = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def cpu_of(command: list[str], repeats: int = 7) -> float:
    """Median CPU seconds (user and system) of a command."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found = []
    for _ in range(repeats + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(found[1:])  # the first run compiles


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "environment"
        venv.create(place, with_pip=True)
        python = str(place / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--compile", str(ROOT)], check=True)
        packages = next((place / "lib").iterdir()) / "site-packages"
        sizes = {
            path.name: megabytes(path) if path.is_dir() else path.stat().st_size / 1e6
            for path in packages.iterdir()
            if not path.name.startswith(BEFORE)
        }
        largest = sorted(sizes.items(), key=lambda row: -row[1])[:6]
        table("Installed, MB", ("package", "MB"), [*largest, ("everything", sum(sizes.values()))])
        bare, helped = cpu_of([python, "-c", "pass"]), cpu_of([str(place / "bin" / "worldgate"), "--help"])
        table("CPU seconds", ("command", "seconds"), [("python -c pass", bare), ("worldgate --help", helped)])
        if sum(sizes.values()) > 80 or helped > 0.5:
            sys.exit("over the limit")


if __name__ == "__main__":
    main()

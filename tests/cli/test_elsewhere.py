"""The command line on a system that is not Linux: everything but the kernel, which says what it needs.

What runs is the row of macOS with its own calls lacking, as `elsewhere.py` has it. macOS itself is not here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BECOME = "from tests.cli.elsewhere import become_macos\nbecome_macos()\n"


def python(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "XDG_STATE_HOME": str(place.parent / "heads")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=place, env=environment, capture_output=True, text=True, check=False
    )


def worldgate(place: Path, *arguments: str) -> str:
    done = python(place, str(ROOT / "tests/cli/elsewhere.py"), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "d").mkdir(parents=True)
    (place / "d/a").write_text("one\n")
    os.link(place / "d/a", place / "d/b")
    (place / "d/l").symlink_to("a")
    (place / "plan.yaml").write_text(
        'steps: [mkdir new, mv d/a new/x, chmod 600 d/b, "echo hi > new/f", cp -r d e, rm d/l]\n'
    )
    return place


def tree(place: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, links and content of everything outside the gate's own directory."""
    paths = [path for path in place.rglob("*") if ".worldgate" not in path.parts]
    rows = ((path, path.lstat()) for path in paths)
    return {
        str(path.relative_to(place)): (
            status.st_mode,
            0 if path.is_dir() else status.st_nlink,
            os.readlink(path) if path.is_symlink() else "" if path.is_dir() else path.read_text(),
        )
        for path, status in rows
    }


def test_a_change_is_planned_committed_undone_and_verified(place: Path) -> None:
    before = tree(place)
    assert "worldgate" in worldgate(place, "--help")
    worldgate(place, "init")
    said = worldgate(place, "plan", "plan.yaml")
    assert said.startswith("approved")
    run = said.split("worldgate commit ")[1].split()[0]
    assert tree(place) == before
    worldgate(place, "commit", run)
    after = tree(place)
    assert {path: row[2] for path, row in after.items() if path.startswith("new/")} == {
        "new/x": "one\n",
        "new/f": "hi\n",
    }
    assert after["new/x"] == after["d/b"] != before["d/b"]
    worldgate(place, "undo", run)
    assert tree(place) == before
    assert "undone" in worldgate(place, "log")
    assert worldgate(place, "verify").startswith("whole")


def test_a_kernel_is_refused_by_its_number(place: Path) -> None:
    done = python(place, str(ROOT / "tests/cli/elsewhere.py"), "try", "--", "rm -r d")
    assert done.returncode == 1
    assert "WG280" in done.stderr
    assert "the system darwin" in done.stderr
    assert (place / "d/a").exists()


def test_nothing_for_linux_alone_is_needed_to_import_the_core(place: Path) -> None:
    program = (
        "import importlib, pkgutil\n"
        "from worldgate import cli, facts, gate, worlds\n"
        "for room in (facts, gate, worlds):\n"
        "    for module in pkgutil.walk_packages(room.__path__, room.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "from worldgate.gate.targets import platform\n"
        "print(platform.HERE is platform.MACOS)\n"
    )
    done = python(place, "-c", BECOME + program)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("open('/proc/self/status')", "/proc/self/status"),
        ("os.stat('/proc/self/fd/0')", "/proc/self/fd/0"),
        ("LINUX.flush_all(os.open('.', os.O_RDONLY))", "syncfs"),
        ("os.O_PATH", "O_PATH"),
        ("os.utime(LINUX.system.hold(os.open('.', os.O_RDONLY), 'd').at)", "/proc/self/fd"),
    ],
)
def test_what_macos_lacks_would_be_noticed(place: Path, line: str, what: str) -> None:
    header = (
        "import os\nfrom worldgate.gate.targets.platform import LINUX\nfrom worldgate.worlds.filesystem import system\n"
    )
    done = python(place, "-c", BECOME + header + line)
    assert done.returncode == 1
    assert what in done.stderr.splitlines()[-1]

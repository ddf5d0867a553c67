"""`worldgate`, killed (SIGKILL) right before a given write of a commit: for incidents and demonstrations.

    killed-at 12 commit RUN          before the 12th write
    killed-at every plan.yaml        plan, commit, be killed and recover, once for every write there is

The writes are those that change the guarded directory; the tests of the ledger kill it at its own.
"""

from __future__ import annotations

import os
import signal
import sys
from hashlib import sha256
from pathlib import Path

from .cli import main
from .gate.budget import Budget
from .gate.plan import Plan, load_plan
from .gate.policy import Policy
from .gate.targets import directory
from .gate.targets.writes import Writes
from .gate.workspace import GATE, Workspace


def die_before(number: int) -> None:
    """From now on this process is killed right before that write."""

    def point(count: int, _name: str) -> None:
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    class Deadly(Writes):
        def __init__(self) -> None:
            super().__init__(point)

    directory.__dict__["Writes"] = Deadly  # what `DirectoryTarget` makes when it is given none


def every(plan: Plan) -> str:
    """Be killed before the first write of a commit, then before the second, until one is not; what was found after."""
    workspace = Workspace.find(Path("."))
    before, after = picture(workspace.root), ""
    found = {"before": 0, "after": 0, "neither": 0}
    number, killed = 0, True
    while killed:
        number += 1
        run = workspace.plan(plan, Policy.default(), Budget.of({})).id
        killed = _commit_dying(workspace, run, number)
        workspace.recover()
        now = picture(workspace.root)
        after = after or ("" if now == before else now)
        found["before" if now == before else "after" if now == after else "neither"] += killed
        if now == after:
            workspace.commit(workspace.undo(run).id)
    assert picture(workspace.root) == before
    return f"killed {number - 1} times: " + ", ".join(f"{count} {word}" for word, count in found.items())


def _commit_dying(workspace: Workspace, run: str, number: int) -> bool:
    child = os.fork()
    if child == 0:
        die_before(number)
        Workspace.find(workspace.root).commit(run)
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def picture(root: Path) -> str:
    """A digest of every path with its kind, mode and content."""
    whole = sha256()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - {GATE})
        for path in (Path(folder) / name for name in sorted([*folders, *files])):
            content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            row = f"{path.relative_to(root)} {path.lstat().st_mode:o} {sha256(content).hexdigest()}\n"
            whole.update(row.encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


if __name__ == "__main__":
    if sys.argv[1] == "every":
        sys.stdout.write(every(load_plan(Path(sys.argv[2]).read_text(encoding="utf-8"))) + "\n")
    else:
        die_before(int(sys.argv.pop(1)))
        main()

"""Complete mediation, read from the source: what can change a user's files is a short list, and nothing that
proposes can reach a commit.

Every module of the package is parsed. A call that changes files, starts a process or reaches past Python is found
by its name; only the modules listed here, each with its reason, may have one. Imports are walked too: worlds and
facts import nothing of the gate, and the targets are imported by the gate's table of targets alone.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "worldgate"
OS = {
    "chmod",
    "chown",
    "chroot",
    "copy_file_range",
    "execl",
    "execlp",
    "execv",
    "execve",
    "execvp",
    "execvpe",
    "fchmod",
    "fchown",
    "fork",
    "forkpty",
    "ftruncate",
    "kill",
    "lchown",
    "link",
    "makedirs",
    "mkdir",
    "mkfifo",
    "mknod",
    "popen",
    "posix_spawn",
    "pwrite",
    "remove",
    "removedirs",
    "removexattr",
    "rename",
    "renames",
    "replace",
    "rmdir",
    "sendfile",
    "setxattr",
    "spawnv",
    "symlink",
    "system",
    "truncate",
    "unlink",
    "unshare",
    "utime",
    "write",
}
PATH = {
    "chmod",
    "hardlink_to",
    "lchmod",
    "mkdir",
    "rename",
    "rmdir",
    "symlink_to",
    "touch",
    "unlink",
    "write_bytes",
    "write_text",
}
MODULES = {
    "ctypes",
    "importlib",
    "multiprocessing",
    "pty",
    "runpy",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
}
BUILTINS = {"__import__", "compile", "eval", "exec"}
WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE")

CHANGES = {  # the only code that changes what a user has
    "gate/targets/writes.py": "every writing call of a directory target",
    "gate/targets/platform.py": "those of them that are not the same on every system",
    "gate/targets/store.py": "the facts of a declared world",
    "gate/targets/broker.py": "the accounts of a paper broker",
}
KEEPS = {  # what the gate keeps for itself, below .worldgate or in the user's state directory
    "gate/workspace.py": "settings and locks",
    "gate/committing.py": "the pending commit",
    "gate/run.py": "the documents of runs",
    "gate/store.py": "the ledger's file",
    "gate/head.py": "the ledger's head",
    "gate/signing.py": "a signing key",
    "worlds/filesystem/blobs.py": "contents, for commit, undo and audit",
}
ISOLATES = {  # what runs a command over a copy, or a network in namespaces of its own
    "worlds/filesystem/inside/calls.py": "system calls for namespaces",
    "worlds/filesystem/inside/command.py": "becomes the command",
    "worlds/filesystem/inside/mounts.py": "builds the copy and what stands around it",
    "worlds/filesystem/inside/processes.py": "the processes in the sandbox",
    "worlds/filesystem/sandbox.py": "starts the sandbox",
    "worlds/filesystem/scratch.py": "the sandbox's scratch directory",
    "worlds/filesystem/upper.py": "reads the copy, where its modes forbid that",
    "worlds/network/kernel/__init__.py": "starts the process that everything is in",
    "worlds/network/kernel/inside.py": "namespaces, and what the system keeps for them",
    "worlds/network/kernel/netlink.py": "links, addresses and routes in them",
    "worlds/network/kernel/ruleset.py": "filters in them",
    "worlds/network/kernel/connections.py": "listens and connects in them",
}
ASKED = {  # what a person asks for by name, and what only reads or loads
    "cli.py": "plan --svg FILE",
    "cli_network.py": "network import: a new directory",
    "lab/demo.py": "the figure of a demonstration",
    "lab/figure.py": "pages and figures",
    "lab/parts.py": "loads what an experiment names",
    "lab/trained.py": "an experiment's models",
    "lab/work.py": "asks git for the revision",
    "models/checkpoint.py": "checkpoints",
    "models/family.py": "loads families by name",
    "models/training.py": "the state of a training, done with",
    "system.py": "files whole or not at all, and libraries of extras",
    "trading/desk.py": "a session's folder: inputs, bars and reports",
    "trading/page.py": "reads the style of a page",
    "workers.py": "other processes, for batches and runs",
    "trading/files.py": "a session's folder: tape and executions",
    "worlds/market/bars/table.py": "write_csv",
    "demo.py": "scratch directories of its own",
    "killed.py": "kills itself",
    "transcript.py": "runs the command line",
    "worlds/check.py": "walks a world again in another process",
    "worlds/declared/__init__.py": "reads world files of the package",
    "worlds/registry.py": "loads worlds by name",
    "worlds/filesystem/directory.py": "reads",
    "worlds/filesystem/system.py": "opens with flags that are computed: for looking",
    "worlds/filesystem/tree.py": "reads",
}
SYSTEM = {"io", "os", "pathlib", *MODULES}
INNER = ("facts/", "worlds/", "gate/", "planners/", "models/", "horizon/", "builder/")
LISTED = CHANGES | KEEPS | ISOLATES | ASKED


def used(path: Path) -> set[str]:
    """The calls and imports of a module that could change something."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    model = "worlds" in path.parts and not _system(tree)  # its functions are named like the calls they model
    constants = {
        target.id: ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= _imported(node)
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if owner == "os" and node.attr in OS:
                found.add(f"os.{node.attr}")
            elif not model and owner != "os" and node.attr in PATH and not owner.endswith("writes"):
                found.add(f".{node.attr}")
        elif isinstance(node, ast.Call):
            found |= _called(node, constants)
    return found


def _system(tree: ast.Module) -> bool:
    """Whether anything of the system is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and SYSTEM & {alias.name.split(".")[0] for alias in node.names}:
            return True
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] in SYSTEM:
            return True
    return False


def _imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        tops = {alias.name.split(".")[0] for alias in node.names}
        renamed = {"import os as" for alias in node.names if alias.name == "os" and alias.asname not in (None, "os")}
        return {f"import {top}" for top in tops & MODULES} | renamed
    top = (node.module or "").split(".")[0] if not node.level else ""
    named = {f"{top}.{alias.name}" for alias in node.names if alias.name in {*OS, *BUILTINS, "*", "open"}}
    return ({f"import {top}"} if top in MODULES else set()) | (named if top in ("os", "io", "builtins") else set())


def _called(node: ast.Call, constants: dict[str, str]) -> set[str]:
    """Calls that execute text, and calls of some `open` in a way that is not plainly for reading."""
    function = ast.unparse(node.func)
    if function in BUILTINS:
        return {function}
    if function == "os.open":
        flags = " ".join(ast.unparse(argument) for argument in node.args[1:2])
        flags = constants.get(flags, flags)
        return {"os.open"} if "O_" not in flags or any(flag in flags for flag in WRITING) else set()
    if function == "open" or function.endswith(".open"):
        place = 1 if function == "open" else 0
        modes = [*node.args[place : place + 1], *(one.value for one in node.keywords if one.arg == "mode")]
        texts = [mode.value if isinstance(mode, ast.Constant) else "w" for mode in modes]
        return {".open"} if any(set(str(text)) & set("wax+") for text in texts if len(str(text)) < 4) else set()
    return set()


def modules() -> dict[str, Path]:
    return {str(path.relative_to(SOURCE)): path for path in sorted(SOURCE.rglob("*.py"))}


def test_only_listed_modules_can_change_files() -> None:
    assert {name: calls for name, path in modules().items() if (calls := used(path)) and name not in LISTED} == {}


def test_the_list_names_nothing_that_changes_nothing() -> None:
    """A permission that nobody needs is withdrawn."""
    everything = modules()
    assert [name for name in LISTED if name not in everything or not used(everything[name])] == []


def imports(path: Path) -> set[str]:
    """The modules of the package that a module imports, as dotted names."""
    package = ("worldgate", *path.relative_to(SOURCE).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("worldgate")}
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if name.startswith("worldgate"):
                found |= {name, *(f"{name}.{alias.name}" for alias in node.names)}
    return found


def test_nothing_that_proposes_can_reach_a_commit() -> None:
    """What a planner may know of the gate is how a plan is written and judged."""
    judging = tuple(f"worldgate.gate.{name}" for name in ("budget", "decision", "plan", "policy", "risk", "verify"))
    for name, path in modules().items():
        if name.startswith(INNER) and not name.startswith("gate/"):
            known = judging if name.startswith("planners/") else ()
            assert not [one for one in imports(path) if one.startswith("worldgate.gate.") and not one.startswith(known)]


def test_targets_are_reached_through_the_table_of_targets_only() -> None:
    errors = {"worldgate.gate.targets.stale", "worldgate.gate.targets.refusals"}
    broker = {"worldgate.gate.targets.broker"}
    for name, path in modules().items():
        if name.startswith("gate/targets/") or name in ("gate/guarded.py", "killed.py"):
            continue
        reached = {one for one in imports(path) if one.startswith("worldgate.gate.targets.")}
        allowed = errors | broker if name == "trading/desk.py" else errors
        assert {one for one in reached if not any(one.startswith(module) for module in allowed)} == set(), name


def test_commit_of_a_target_is_called_in_one_place() -> None:
    places = [
        (name, ast.unparse(node.func))
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    ]
    inside = [place for place in places if place[0].startswith(INNER) and place[0] != "gate/guarded.py"]
    own = ("gate/targets/broker.py", "self._store.commit")  # a broker's store follows its record
    assert inside == [("gate/committing.py", "guarded.commit"), own]
    for name, call in places:
        if not name.startswith(INNER):  # the fronts: a person's word
            assert call in ("workspace.commit", "Workspace.find(workspace.root).commit", "self.broker.commit"), name


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("os.rename('a', 'b')", {"os.rename"}),
        ("remove = os.remove", {"os.remove"}),
        ("from os import unlink", {"os.unlink"}),
        ("import os as system", {"import os as"}),
        ("import subprocess", {"import subprocess"}),
        ("from shutil import rmtree", {"import shutil"}),
        ("open('x', 'w')", {".open"}),
        ("open('x', mode='ab')", {".open"}),
        ("open('x', some_mode)", {".open"}),
        ("path.open('w')", {".open"}),
        ("path.write_text('')", {".write_text"}),
        ("os.open('x', os.O_RDWR)", {"os.open"}),
        ("FLAGS = os.O_CREAT\nos.open('x', FLAGS)", {"os.open"}),
        ("os.open('x', flags)", {"os.open"}),
        ("exec('1')", {"exec"}),
        ("open('x')\nopen('x', 'rb')\npath.open('rb')\nos.open('x', os.O_RDONLY)\nself.writes.unlink(1, 'x')", set()),
    ],
)
def test_the_finder_finds(tmp_path: Path, line: str, found: set[str]) -> None:
    (tmp_path / "sample.py").write_text(line)
    assert used(tmp_path / "sample.py") == found

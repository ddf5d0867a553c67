"""What the tests of the directory, the sandbox and the kernel share: trees, and named asserts over them."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path

from worldgate.facts import Fact, State
from worldgate.worlds.filesystem.directory import DirectorySource
from worldgate.worlds.filesystem.kernel import KernelRun, run
from worldgate.worlds.filesystem.sandbox import Ended
from worldgate.worlds.filesystem.schema import SCHEMA

ODD = os.fsdecode(b"odd\xe9 \n'\"")  # not UTF-8, a newline, quotes


def furnish(root: Path) -> Path:
    """A small tree with one of everything."""
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    for name, text in (("a", "alpha\n"), ("b", "beta\n"), ("empty", ""), ("run.sh", "#!/bin/sh\necho ran\n")):
        (root / name).write_text(text)
    (root / "run.sh").chmod(0o755)
    (root / "dir" / "sub").mkdir(parents=True)
    (root / "dir" / "f").write_text("f\n" * 2000)
    (root / "dir" / "sub" / "g").write_text("g\n")
    (root / "dir" / "sub" / "same").write_text("alpha\n")
    (root / "hollow").mkdir(mode=0o700)
    (root / "links").mkdir()
    (root / "links" / "one").write_text("linked\n")
    os.link(root / "links" / "one", root / "links" / "two")
    os.link(root / "links" / "one", root / "dir" / "three")
    (root / "to-a").symlink_to("a")
    (root / "to-dir").symlink_to("dir")
    (root / "dangling").symlink_to("/nowhere/at/all")
    os.mkfifo(root / "fifo")
    (root / ODD).write_bytes(b"odd\n")
    os.setxattr(root / "a", "user.note", b"\x00\xff")
    for number, path in enumerate(sorted(root.rglob("*"))):
        os.utime(path, ns=(10**18 + number, 10**18 + number), follow_symlinks=False)
    return root


def photograph(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything of a tree that can be seen from outside, but times of access."""
    found: dict[str, tuple[object, ...]] = {}
    for directory, _, files in os.walk(root):
        for name in (".", *files, *(entry.name for entry in os.scandir(directory) if entry.is_symlink())):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            body: object = None
            if stat.S_ISREG(status.st_mode):
                body = Path(path).read_bytes()
            elif stat.S_ISLNK(status.st_mode):
                body = os.readlink(path)
            row = (*status[:7], status.st_mtime_ns, status.st_ctime_ns, body)
            found[os.path.relpath(path, root)] = row
    return found


def _paths(state: State) -> dict[str, list[str]]:
    """The paths of each inode, the least first."""
    children: dict[str, list[tuple[str, str]]] = {}
    for _, (directory, name), inode in state.facts("entry"):
        children.setdefault(str(directory), []).append((str(name), str(inode)))
    paths: dict[str, list[str]] = {".": ["."]}
    pending = [("", ".")]
    while pending:
        prefix, inode = pending.pop()
        for name, child in children.get(inode, ()):
            paths.setdefault(child, []).append(prefix + name)
            pending.append((f"{prefix}{name}/", child))
    return {inode: sorted(found) for inode, found in paths.items()}


def by_path(state: State) -> set[Fact]:
    """A state's facts with each inode called by the least of its paths: equal for states that differ in ids only."""
    paths = _paths(state)
    found = set()
    for relation, key, value in state.facts():
        if not SCHEMA.relation(relation).local:
            assert str(key[0]) in paths, f"{relation}{key} belongs to nothing"
            held = paths[str(value)][0] if relation == "entry" else value
            found.add((relation, (paths[str(key[0])][0], *key[1:]), held))
    return found


def by_name(state: State) -> set[Fact]:
    """What stands at each path, whether or not two paths are one file."""
    paths = _paths(state)
    return {
        (relation, (path, *key[1:]), value)
        for relation, key, value in state.facts()
        if relation not in ("entry", "outside") and not SCHEMA.relation(relation).local
        for path in paths[str(key[0])]
    }


def scan(root: Path) -> State:
    """The state of a directory."""
    return State.of(SCHEMA, source=DirectorySource(root))


def assert_same_facts(left: set[Fact], right: set[Fact]) -> None:
    """No fact on one side only."""
    assert left == right, (sorted(left - right, key=repr)[:12], sorted(right - left, key=repr)[:12])


def assert_delta_is_exact(root: Path, command: list[str] | str, **options: object) -> KernelRun:
    """The directory is untouched, and base + delta is what stands in the overlay, with its contents at hand."""
    before = photograph(root)
    merged: list[set[Fact]] = []

    def look(ended: Ended) -> None:
        state = State.of(SCHEMA, source=DirectorySource.at(ended.merged))
        merged.append(by_name(state))  # an overlay takes hard links apart, and counts those it hides

    result = run(root, command, look=look, **options)  # type: ignore[arg-type]
    assert photograph(root) == before
    after = result.base.apply(result.delta)
    assert_same_facts(by_name(after), merged[0])
    for edit in result.delta:
        if edit.relation == "content":
            for name in (edit.before, edit.after):
                if name is not None:
                    result.blobs.get(str(name))
    return result


def assert_as_without_sandbox(root: Path, twin: Path, command: str) -> KernelRun:
    """Base + delta is what the same command does to a copy of the directory without any sandbox."""
    subprocess.run(["cp", "-a", f"{root}/.", str(twin)], check=True)
    result = assert_delta_is_exact(root, command)
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    plain = subprocess.run(["/bin/sh", "-c", command], cwd=twin, capture_output=True, env=environment, check=False)
    assert (result.exit, result.stdout) == (plain.returncode, plain.stdout), (result.stderr, plain.stderr)
    assert_same_facts(by_path(result.base.apply(result.delta)), by_path(scan(twin)))
    return result


def listener(path: str) -> socket.socket:
    """A Unix socket that waits at a path."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    return server

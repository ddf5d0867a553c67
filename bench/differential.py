"""The filesystem oracle against real dash and coreutils, command by command.

Random programs run twice: by the rules, and by one long-lived real shell a program in a chroot on a
tmpfs inside its own user and mount namespaces, so that no `rm -r` can reach anything else. After every command
these must be equal: the exit status, standard output and error, the working directory, the shell's
variables, and of every path the kind, mode, owner, group, size, content, target and which paths are one inode.

    python bench/differential.py --commands 100000        # the figures in docs/worlds/filesystem.md
    python bench/differential.py --commands 3000 --seed 7 --json

Exit status 1 and the failing program when anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from worldgate.facts import State
from worldgate.worlds import Outside
from worldgate.worlds.filesystem import FilesystemWorld
from worldgate.worlds.filesystem.blobs import MemoryBlobs
from worldgate.worlds.filesystem.rules import TOOLS
from worldgate.worlds.filesystem.schema import ROOT, SCHEMA, Inode, inode_in

TOOLBOX = ".t"  # where the real programs are inside the world; a step that would change it is not run
PROC = "proc"  # a link to the toolbox's procfs, which the C library needs to change modes
HIDDEN = (TOOLBOX, PROC)  # from the drivers, and in comparisons
VARIABLES = ("A", "B", "OLDPWD", "PWD")
DRIVERS = ("everyday", "adversarial", "structural")
_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_KINDS = {0o100000: "file", 0o040000: "dir", 0o120000: "symlink"}
_ESCAPE = "surrogateescape"


# --- isolation -------------------------------------------------------------------------------------


def _libc(name: str, *arguments: Any) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def isolated(scratch: Path, uid: int, work: Any) -> int:
    """Run `work()` in a child with user and mount namespaces of its own and a tmpfs on `scratch`; its status.

    As root of the machine all ids from 0 to 65535 exist inside; else only `uid`, which stands for the caller.
    """
    ready, mapped = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            _libc("unshare", _NEWNS | _NEWUSER)
            os.write(ready[1], b"x")
            os.read(mapped[0], 1)
            if wide:
                os.setgid(0)
                os.setuid(0)
            _libc("mount", b"none", b"/", None, 0x44000, None)  # MS_REC | MS_PRIVATE
            _libc("mount", b"tmpfs", bytes(scratch), b"tmpfs", 0, b"mode=755,size=2g")
            status = work()
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    os.read(ready[0], 1)
    single = f"{uid} {os.getuid()} 1"
    if not wide:
        Path(f"/proc/{child}/setgroups").write_text("deny")
    Path(f"/proc/{child}/uid_map").write_text("0 200000 65536" if wide else single)
    Path(f"/proc/{child}/gid_map").write_text("0 200000 65536" if wide else f"{uid} {os.getgid()} 1")
    os.write(mapped[1], b"x")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


wide = os.getuid() == 0


def toolbox(root: Path) -> None:
    """Copy dash, the coreutils and what they load to `root`, so that they run with nothing else there."""
    box = root / TOOLBOX
    box.mkdir(mode=0o755)
    programs = {name: shutil.which(name, path="/bin:/usr/bin") for name in (*TOOLS, "dash")}
    libraries: set[str] = set()
    for name, program in programs.items():
        assert program, f"{name} is not installed"
        for line in os.popen(f"ldd {program}").read().splitlines():
            libraries.update(part for part in line.split() if part.startswith("/"))
        data = Path(program).read_bytes()
        for loader in (library for library in libraries if "/ld-" in library):
            short = f"/{TOOLBOX}/ld.so".encode()
            data = data.replace(loader.encode() + b"\0", short + b"\0" * (len(loader) + 1 - len(short)))
        (box / name).write_bytes(data)
        (box / name).chmod(0o755)
    for library in libraries:
        place = box / ("ld.so" if "/ld-" in library else os.path.basename(library))
        place.write_bytes(Path(library).read_bytes())
        place.chmod(0o755)
    locale = next((path for path in ("/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8") if os.path.isdir(path)), None)
    if locale:
        shutil.copytree(locale, box / "C.utf8")
    (box / "proc").mkdir()
    _libc("mount", b"/proc", bytes(box / "proc"), None, 0x5000, None)  # MS_BIND | MS_REC; chmod needs it
    os.chmod(root, 0o755)


# --- the real side -----------------------------------------------------------------------------------


class Shell:
    """One real shell session, in a chroot on `root`, as one user."""

    def __init__(self, root: Path, uid: int, gid: int, umask: int) -> None:
        self.root = bytes(root)
        self.out, self.err = os.memfd_create("out"), os.memfd_create("err")
        feed, answer = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._become(feed[0], answer[1], uid, gid, umask)
        os.close(feed[0])
        os.close(answer[1])
        self.feed, self.answer = feed[1], answer[0]
        self.lines = 0
        self.status = b"0"
        self._send(b"_r() { return $1; }\n")

    def _become(self, feed: int, answer: int, uid: int, gid: int, umask: int) -> None:
        try:
            null = os.open("/dev/null", os.O_RDONLY)
            for wanted, found in ((20, feed), (21, null), (22, answer), (23, self.out), (24, self.err)):
                os.dup2(found, wanted)
            for number, found in ((0, 20), (5, 21), (6, 22), (7, 23), (8, 24)):
                os.dup2(found, number)
            os.closerange(9, 64)
            os.chroot(self.root)
            os.chdir("/")
            os.umask(umask)
            if wide:
                os.setgroups([])
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            box = f"/{TOOLBOX}"
            settings = {"PATH": box, "LD_LIBRARY_PATH": box, "LOCPATH": box, "LC_ALL": "C.UTF-8"}
            os.execve(f"{box}/dash", ["sh"], settings)
        except BaseException as error:
            os.write(2, f"cannot start the shell: {error!r}\n".encode())
        finally:
            os._exit(71)

    def _send(self, text: bytes) -> None:
        self.lines += text.count(b"\n")
        view = memoryview(text)
        with contextlib.suppress(BrokenPipeError):  # the shell ended; reading its answer shows that
            while view:
                view = view[os.write(self.feed, view) :]

    def run(self, text: str) -> dict[str, Any] | None:
        """What the command did to the shell and printed; None for the variables when the shell ended."""
        for number in (self.out, self.err):
            os.ftruncate(number, 0)
            os.lseek(number, 0, os.SEEK_SET)
        names = b" ".join(b'"${%s-(unset)}"' % name.encode() for name in VARIABLES)
        self._send(b"_r " + self.status + b"\n")
        line = self.lines
        self._send(b"{ " + text.encode("utf-8", _ESCAPE) + b"\n} <&5 >&7 2>&8\n")
        self._send(b"_s=$?\nprintf '%s\\0' $_s " + names + b" . >&6\n")
        found = b""
        while not found.endswith(b"\0.\0"):
            piece = os.read(self.answer, 65536)
            if not piece:
                break
            found += piece
        parts = found.split(b"\0")
        alive = len(parts) > len(VARIABLES)
        self.status = parts[0] if alive else b"2"
        stderr = os.pread(self.err, 1 << 24, 0).decode("utf-8", _ESCAPE)
        for offset in range(1 + text.count("\n")):
            stderr = stderr.replace(f"sh: {line + 1 + offset}: ", f"sh: {1 + offset}: ")
        return {
            "exit": int(self.status),
            "stdout": os.pread(self.out, 1 << 24, 0).decode("utf-8", _ESCAPE),
            "stderr": stderr,
            "variables": [part.decode("utf-8", _ESCAPE) for part in parts[1:-2]] if alive else None,
            "cwd": self.cwd() if alive else None,
        }

    def cwd(self) -> str:
        path = os.readlink(b"/proc/%d/cwd" % self.pid)
        return path[len(self.root) :].decode("utf-8", _ESCAPE) or "/"

    def close(self) -> None:
        for number in (self.feed, self.answer, self.out, self.err):
            os.close(number)
        os.waitpid(self.pid, 0)


def materialise(state: State, root: bytes, blobs: Any) -> None:
    """Make the state's tree under `root`."""

    def fill(directory: str, path: bytes) -> None:
        for (name,), inode in state.select("entry", (directory,)).items():
            if inode in HIDDEN:
                continue
            if inode not in made:
                make(inode, path + b"/" + name.encode("utf-8", _ESCAPE))
            else:
                os.link(made[inode], path + b"/" + name.encode("utf-8", _ESCAPE), follow_symlinks=False)

    def make(inode: str, path: bytes) -> None:
        made[inode] = path
        kind = inode_in(state, inode).kind
        if kind == "dir":
            os.mkdir(path, 0o700)
            fill(inode, path)
        elif kind == "symlink":
            os.symlink(state.get("target", (inode,)).encode("utf-8", _ESCAPE), path)
        else:
            Path(os.fsdecode(path)).write_bytes(blobs.get(state.get("content", (inode,))))
        settle(inode, path)

    def settle(inode: str, path: bytes) -> None:
        kind, mode, uid, gid = inode_in(state, inode)
        if wide:
            os.chown(path, uid, gid, follow_symlinks=False)
        if kind != "symlink":
            os.chmod(path, mode)

    made: dict[str, bytes] = {}
    fill(ROOT, root)
    settle(ROOT, root)


def wipe(root: bytes) -> None:
    for entry in os.scandir(root):
        if os.fsdecode(entry.name) in HIDDEN:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


# --- what is compared --------------------------------------------------------------------------------

Facts = dict[str, tuple[Any, ...]]


def real_tree(root: bytes, hashes: dict[tuple[int, int], Any], skip: str = "") -> Facts:
    """Facts by path. Paths of one inode share its least path."""
    found: Facts = {}
    least: dict[int, str] = {}
    rows: list[tuple[str, os.stat_result, bytes]] = []

    def visit(directory: bytes, prefix: str) -> None:
        with os.scandir(directory) as entries:
            for entry in entries:
                if not skip and not prefix and os.fsdecode(entry.name) in HIDDEN:
                    continue
                path = prefix + entry.name.decode("utf-8", _ESCAPE)
                status = entry.stat(follow_symlinks=False)
                rows.append((path, status, entry.path))
                if status.st_mode & 0o170000 == 0o040000 and path != skip:
                    visit(entry.path, path + "/")

    visit(root, "")
    rows.sort(key=lambda row: row[0])
    groups = Counter(status.st_ino for _, status, _ in rows)
    for path, status, place in rows:
        kind = _KINDS.get(status.st_mode & 0o170000, "other")
        first = least.setdefault(status.st_ino, path)
        if kind != "dir" and status.st_nlink != groups[status.st_ino]:
            first += f" with {status.st_nlink} links"
        content: Any = None
        if kind == "file":
            content = hashes.get((status.st_ino, status.st_size)) if status.st_size > 8192 else None
            if content is None:
                with open(place, "rb") as file:
                    content = (status.st_size, sha256(file.read()).hexdigest())
                if status.st_size > 8192:
                    hashes[status.st_ino, status.st_size] = content
        elif kind == "symlink":
            content = os.readlink(place).decode("utf-8", _ESCAPE)
        mode = None if kind == "symlink" else status.st_mode & 0o7777
        found[path] = (kind, mode, status.st_uid, status.st_gid, content, first)
    root_status = os.lstat(root)
    found["."] = ("dir", root_status.st_mode & 0o7777, root_status.st_uid, root_status.st_gid, None, ".")
    return found


def model_tree(state: State) -> Facts:
    """The same of a state."""
    found: Facts = {}
    rows: list[tuple[str, str]] = []

    def visit(directory: str, prefix: str) -> None:
        for (name,), inode in state.select("entry", (directory,)).items():
            if not prefix and name in HIDDEN:
                continue
            rows.append((prefix + name, inode))
            if inode_in(state, inode).kind == "dir":
                visit(inode, f"{prefix}{name}/")

    visit(ROOT, "")
    least: dict[str, str] = {}
    for path, inode in [*sorted(rows), (".", ROOT)]:
        key = (inode,)
        kind, mode, uid, gid = inode_in(state, inode)
        content: Any = None
        if kind == "file":
            content = (state.get("size", key), state.get("content", key))
        elif kind == "symlink":
            content = state.get("target", key)
        shown = (kind, None if kind == "symlink" else mode, uid, gid, content)
        found[path] = (*shown, least.setdefault(inode, path))
    return found


def model_cwd(state: State) -> str:
    names, here, gone = [], state.get("cwd", ()) or ROOT, ""
    while here != ROOT:
        keys = sorted(state.owners("entry", here))
        if not keys:
            return " (deleted)"
        here = keys[0][0]
        names.append(keys[0][1])
    return "/" + "/".join(reversed(names)) + gone


def differences(state: State, seen: Any, real: dict[str, Any], tree: Facts) -> list[str]:
    """What the rules and reality disagree about, in words."""
    found = [
        f"{name}: rules {seen[name]!r}, real {real[name]!r}"
        for name in ("exit", "stdout", "stderr")
        if seen[name] != real[name]
    ]
    if real["variables"] is not None:
        for name, value in zip(VARIABLES, real["variables"], strict=True):
            expected = state.get("env", (name,))
            if name == "PWD" and expected is None:
                expected = model_cwd(state)
            if value != ("(unset)" if expected is None else expected):
                found.append(f"${name}: rules {expected!r}, real {value!r}")
        cwd = model_cwd(state)
        if cwd != real["cwd"] and not (cwd == " (deleted)" and real["cwd"].endswith(cwd)):
            found.append(f"cwd: rules {cwd!r}, real {real['cwd']!r}")
    expected_tree = model_tree(state)
    return found + [
        f"{path!r}: rules {expected_tree.get(path)}, real {tree.get(path)}"
        for path in sorted(expected_tree.keys() | tree.keys())
        if expected_tree.get(path) != tree.get(path)
    ]


def only_order(seen: Any, real: dict[str, Any], found: list[str]) -> bool:
    """Whether only the order of complaints differs: the real tools read directories in no order one can know."""
    same = sorted(seen["stderr"].splitlines()) == sorted(real["stderr"].splitlines())
    return len(found) == 1 and found[0].startswith("stderr") and same


# --- programs ----------------------------------------------------------------------------------------


def starting_state(world: FilesystemWorld, seed: int, box: Facts, only_uid: int | None) -> State:
    """The world's own start, with the toolbox in it (as files whose content nobody asks for)."""
    facts = list(world.initial(seed).facts())
    if only_uid is not None:
        mine = {"uid": only_uid, "gid": only_uid}
        facts = [(r, k, v._replace(**mine) if r in ("inode", "user") else v) for r, k, v in facts]
    facts += [("entry", (ROOT, PROC), PROC), ("inode", (PROC,), Inode("symlink", 0, 0, 0))]
    facts += [("target", (PROC,), f"{TOOLBOX}/proc")]
    for path, (kind, mode, uid, gid, content, _) in box.items():
        inode = f"{TOOLBOX}/{path}" if path != "." else TOOLBOX
        above, _, name = inode.rpartition("/")
        facts += [("entry", (above or ROOT, name), inode), ("inode", (inode,), Inode(kind, mode or 0, uid, gid))]
        if kind == "file":
            facts += [("size", (inode,), content[0]), ("content", (inode,), content[1])]
    return State.of(SCHEMA, facts)


def touches_toolbox(made: Any) -> bool:
    """Whether a step changes the toolbox, or looks into its procfs (copying the rest is fine)."""
    if any(address[1] and str(address[1][0]).startswith(f"{TOOLBOX}/proc") for address in made.reads):
        return True
    if made.state.get("user", ()).uid and not inode_in(made.state, ROOT).mode & 0o001:
        return True  # the shell would no longer reach its programs
    for edit in made.delta:
        if edit.relation == "cwd":
            continue
        parts = [str(part) for part in (*edit.key, edit.before)]
        if any(part in HIDDEN or part.startswith(TOOLBOX + "/") for part in parts):
            return True
        if edit.relation == "entry" and str(edit.after).startswith(HIDDEN):
            return True
    return False


class Runner:
    """Programs one after another on one scratch root."""

    def __init__(self, root: Path, only_uid: int | None) -> None:
        toolbox(root)
        self.root, self.only_uid = root, only_uid
        self.hashes: dict[tuple[int, int], Any] = {}
        os.symlink(f"{TOOLBOX}/proc", root / PROC)
        self.box = real_tree(bytes(root / TOOLBOX), {}, skip="proc")
        self.blobs = MemoryBlobs()
        for path in self.box:
            if self.box[path][0] == "file":
                self.blobs.put((root / TOOLBOX / path).read_bytes())
        self.counts: Counter[str] = Counter()
        self.by_command: Counter[tuple[str, bool]] = Counter()

    def shown(self, state: State) -> State:
        """What the drivers see: without the harness's own entries."""
        for name in HIDDEN:
            state = state.set("entry", (ROOT, name), None)
        return state

    def program(self, seed: int, driver: str, length: int, limit: int, trace: bool = False) -> list[str]:
        """One program; the report of its first difference, or nothing."""
        world, root = FilesystemWorld(MemoryBlobs(self.blobs)), bytes(self.root)
        state = starting_state(world, seed, self.box, self.only_uid)
        user = state.get("user", ())
        wipe(root)
        self.hashes.clear()
        materialise(state, root, world.blobs)
        random, history = Random(f"{seed} {driver}"), list[str]()
        shell = Shell(self.root, *user)
        try:
            for _ in range(2 * length):
                if len(history) == length or self.counts["commands"] >= limit:
                    break
                text = world.drivers[driver](self.shown(state), random)
                try:
                    made = world.step(state, world.parse(text))
                except Outside:
                    self.counts["outside"] += 1
                    continue
                if "refused" in made.observation or touches_toolbox(made):
                    self.counts["refused" if "refused" in made.observation else "spared"] += 1
                    continue
                real = shell.run(text)
                history.append(text)
                if trace:
                    print(f"$ {text}\n  {real}", flush=True)
                assert real is not None
                self.counts["commands"] += 1
                state = made.state
                self.by_command[text.split()[0], real["exit"] == 0] += 1
                found = differences(state, made.observation, real, real_tree(root, self.hashes))
                if found and only_order(made.observation, real, found):
                    self.counts["order"] += 1
                elif found:
                    return [f"seed {seed}, {driver}, uid {user.uid}, umask {user.umask:o}", *map(repr, history), *found]
                if real["variables"] is None:
                    self.counts["shell ended"] += 1
                    break
        finally:
            shell.close()
        self.counts["programs"] += 1
        return []


def campaign(root: Path, options: argparse.Namespace, only_uid: int | None) -> int:
    runner = Runner(root, only_uid)
    started, failures, seed = time.monotonic(), 0, options.seed
    while runner.counts["commands"] < options.commands and failures < options.failures:
        if only_uid is None or (only_uid == 0) == bool(seed % 2):
            for driver in DRIVERS if not options.driver else [options.driver]:
                report = runner.program(seed, driver, options.length, options.commands, options.trace)
                if report:
                    failures += 1
                    print("\n".join(report if options.full else [report[0], *report[-9:]]), flush=True)
                    print(flush=True)
        seed += 1
    seconds = time.monotonic() - started
    counts = dict(runner.counts)
    result = {**counts, "different": failures, "seconds": round(seconds, 1), "only_uid": only_uid}
    if options.json:
        print(json.dumps(result))
    else:
        print(", ".join(f"{name} {value}" for name, value in result.items()))
        for name in sorted({name for name, _ in runner.by_command}):
            good, bad = runner.by_command[name, True], runner.by_command[name, False]
            print(f"  {name:10} {good:7} succeed {bad:7} fail")
    return 1 if failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=5_000)
    parser.add_argument("--length", type=int, default=40, help="commands a program")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--driver", choices=DRIVERS)
    parser.add_argument("--failures", type=int, default=1, help="stop after so many programs that differ")
    parser.add_argument("--full", action="store_true", help="print failing programs whole")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    status = 0
    # Without root only one id can be had at a time: first as root of the namespace, then as a user.
    for only_uid in [None] if wide else [0, 1000]:
        scratch = Path(tempfile.mkdtemp(prefix="differential-"))
        try:
            status |= isolated(scratch, only_uid or 0, lambda s=scratch, u=only_uid: campaign(s, options, u))
        finally:
            scratch.rmdir()
    return status


if __name__ == "__main__":
    sys.exit(main())

"""Run any command over a real directory without changing it, or anything else.

The command gets its own user, mount, process, network, IPC and host-name namespaces. It sees the workspace
at its real path through an overlay whose upper layer is scratch memory; the rest of the machine is
read-only or hidden (`hidden.py`); there is no network unless it is allowed. It keeps the caller's user
id, and of root's capabilities only those over files and its own processes. When it ends, or exceeds a
limit, or the caller dies, the kernel ends every process it left and the scratch memory with them:
there is nothing to clean up.

Where the machine cannot do this, `NoIsolation` says what is missing. There is no weaker mode.

Not covered: bugs of the Linux kernel; timing and load that other processes can notice; what the caller
may read and `hidden.py` does not name stays readable.
"""

from __future__ import annotations

import marshal
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.abc import InspectLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any, Final, cast

from . import inside
from .diagnosis import NoIsolation, diagnose
from .hidden import PRIVATE, environment, hidden_paths, visible_paths
from .tree import WORKPLACE, mounts_beneath

BOOT: Final = (
    "import marshal, sys\n"
    "modules, request = marshal.load(open(int(sys.argv[1]), 'rb'))\n"
    "for name, code in modules:\n"
    "    module = sys.modules[name] = type(sys)(name)\n"
    "    module.__package__ = 'inside'\n"
    "    exec(code, module.__dict__)\n"
    "module.main(request, int(sys.argv[2]))\n"
)
"""The whole program of the bare Python inside: its modules come compiled, so that a run does not read them."""
GRACE: Final = 10.0
"""Seconds in which process 1 must end a sandbox it was told to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use, all its processes together. Crossing a limit ends the run.

    Except `output` (bytes kept of each of stdout and stderr; more is read and dropped), `written` and
    `files` (bytes and inodes in the workspace and the scratch directories together, held in memory: the
    command sees a full disk).
    """

    seconds: float = 60.0
    cpu_seconds: float = 120.0
    memory: int = 4 << 30
    processes: int = 512
    output: int = 4 << 20
    written: int = 1 << 30
    files: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A finished run. Close it (or use it in `with`) to let go of the scratch memory.

    `exit` is the exit code, 128 + n for a death by signal n. `killed` names the limit that ended the
    run, or is "". `upper` and `merged` are descriptors of the overlay's upper layer and of the whole.
    """

    exit: int
    stdout: bytes
    stderr: bytes
    stdout_truncated: bool
    stderr_truncated: bool
    killed: str
    seconds: float
    upper: int
    merged: int

    def close(self) -> None:
        """Let go of the overlay."""
        os.close(self.upper)
        os.close(self.merged)

    def __enter__(self) -> Ended:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def enclose(
    root: Path,
    argv: Sequence[str],
    *,
    limits: Limits,
    allow_net: bool = False,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    cwd: Path | None = None,
    prepare: Iterable[Sequence[str]] = (),
    scratch: Path | None = None,
) -> Ended:
    """Run `argv` in `cwd` (the root by default) over the directory `root`; raises `NoIsolation`.

    `env` replaces the caller's environment, which otherwise is passed on without what looks like a secret.
    `prepare` names groups of relative paths that are hard links of one file and must stay so when written.
    `scratch` is a directory that holds the upper layer, instead of memory (`scratch.Scratch` makes one).
    """
    if sys.platform != "linux":
        raise NoIsolation(f"the system {sys.platform}", "Linux 5.12 or newer", "Run this in a Linux virtual machine.")
    place = Path(os.path.realpath(root))
    if place == Path("/") or not place.is_dir():
        raise NoIsolation(f"{place} as the workspace", "a directory other than /")
    with _Streams(stdin, limits.output) as streams:
        request = _request(place, argv, limits, allow_net, env, cwd, prepare, scratch)
        return _Run(request, streams, limits).finish()


def probe() -> str | None:
    """Why commands cannot be isolated here, or None when they can. Runs `true` over an empty directory."""
    import tempfile

    with tempfile.TemporaryDirectory() as root:
        try:
            enclose(Path(root), ["/bin/true"], limits=Limits(seconds=20)).close()
        except NoIsolation as error:
            return str(error)
    return None


def _request(
    root: Path,
    argv: Sequence[str],
    limits: Limits,
    allow_net: bool,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    prepare: Iterable[Sequence[str]],
    scratch: Path | None,
) -> dict[str, Any]:
    """Everything the inside must know, as data."""
    where = str(root)
    home = os.path.expanduser("~")
    return {
        "root": where,
        "argv": list(argv),
        "cwd": str(cwd or root),
        "env": environment(os.environ) if env is None else dict(env),
        "umask": _umask(),
        "parent": os.getpid(),
        "privileged": os.geteuid() == 0,
        "allow_net": allow_net,
        "exclude": [WORKPLACE],
        "prepare": [list(group) for group in prepare],
        "stage": "/tmp",
        "scratch": "" if scratch is None else str(scratch),
        "private": [path for path in PRIVATE if os.path.isdir(path) and not _within(path, where)],
        "visible": visible_paths(allow_net),
        "mounts": [f"{where}/{path}" for path in _mounts(root)],
        "hidden": [path for path in hidden_paths(home, allow_net) if path != where],
        "written": limits.written,
        "files": limits.files,
        "processes": limits.processes,
        "memory": limits.memory,
        "cpu_seconds": limits.cpu_seconds,
        "rlimits": {
            "RLIMIT_CORE": 0,
            **({} if scratch is None else {"RLIMIT_FSIZE": limits.written}),
            "RLIMIT_CPU": max(1, int(limits.cpu_seconds)),
            "RLIMIT_DATA": limits.memory,
            "RLIMIT_NPROC": 4 * limits.processes,  # only a backstop: root is exempt, and process 1 counts
        },
    }


def _within(path: str, parent: str) -> bool:
    return path == parent or path.startswith(parent + "/")


def _mounts(root: Path) -> list[str]:
    """Mount points beneath the workspace, outermost only: the command sees them, read-only."""
    found = sorted(mounts_beneath(root))
    return [path for path in found if not any(_within(path, other) for other in found if other != path)]


def _umask() -> int:
    """This process's umask, read without setting it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022


class _Streams:
    """The command's three streams: input in memory, output read up to a limit and then dropped."""

    def __init__(self, stdin: bytes | None, keep: int) -> None:
        self.keep, self.kept, self.dropped = keep, {"out": b"", "err": b""}, {"out": False, "err": False}
        self._pieces: dict[str, list[bytes]] = {"out": [], "err": []}
        self._sizes = {"out": 0, "err": 0}
        self.input = os.memfd_create("stdin")
        self._write(stdin or b"")
        self.readers, self.writers = {}, []
        for name in ("out", "err"):
            reader, writer = os.pipe()
            self.readers[name] = reader
            self.writers.append(writer)
        self.inside = [self.input, *self.writers]

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.input, view) :]
        os.lseek(self.input, 0, os.SEEK_SET)

    def started(self) -> None:
        """The inside has its copies: close ours, so that its end is seen."""
        while self.inside:
            os.close(self.inside.pop())

    def read(self, name: str) -> bool:
        """Take what is there; False at the end."""
        data = os.read(self.readers[name], 1 << 16)
        room = self.keep - self._sizes[name]
        if len(data) > room:
            self.dropped[name] = True
        if room > 0:
            self._pieces[name].append(data[:room])
            self._sizes[name] += len(data[:room])
        return bool(data)

    def text(self, name: str) -> bytes:
        """What was kept."""
        return b"".join(self._pieces[name])

    def __enter__(self) -> _Streams:
        return self

    def __exit__(self, *_: object) -> None:
        self.started()
        for reader in self.readers.values():
            os.close(reader)


class _Run:
    """One run, seen from outside: the helper process, its control socket, the clock."""

    def __init__(self, request: dict[str, Any], streams: _Streams, limits: Limits) -> None:
        self._streams, self._limits = streams, limits
        self._control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._layers: list[int] = []
        self._ending: tuple[int, str] | None = None
        self._killed = ""
        description = os.memfd_create("request")
        try:
            with open(description, "wb", closefd=False) as file:
                marshal.dump((_modules(), {**request, "streams": list(streams.inside)}), file)
            os.lseek(description, 0, os.SEEK_SET)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-c", BOOT, str(description), str(inner.fileno())],
                pass_fds=(description, inner.fileno(), *streams.inside),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={
                    name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ
                },  # Python's own need
                cwd="/",
            )
        finally:
            inner.close()
            os.close(description)
            streams.started()

    def finish(self) -> Ended:
        """Serve the run until it has ended, and every process in it."""
        began = time.monotonic()
        try:
            self._serve(began + self._limits.seconds)
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            raise NoIsolation("a sandbox that did not end when told to", "its end", "Report this.") from None
        except BaseException:
            self._abandon()
            raise
        finally:
            self._control.close()
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        return self._ended(time.monotonic() - began)

    def _abandon(self) -> None:
        for descriptor in self._layers:
            os.close(descriptor)
        self._layers = []

    def _serve(self, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ, "control")
            for name, reader in self._streams.readers.items():
                selector.register(reader, selectors.EVENT_READ, name)
            while self._ending is None or len(selector.get_map()) > 0:
                left = deadline - time.monotonic()
                if left <= 0:
                    if self._killed:
                        raise NoIsolation("a sandbox that did not end when told to", "its end", "Report this.")
                    self._killed, deadline = "wall time", deadline + GRACE
                    self._control.send(b"K")
                    continue
                for key, _ in selector.select(left):
                    if key.data == "control":
                        if not self._hear():
                            selector.unregister(self._control)
                    elif not self._streams.read(key.data):
                        selector.unregister(key.fileobj)

    def _hear(self) -> bool:
        """One message of the inside; False at its end."""
        message, descriptors, _, _ = socket.recv_fds(self._control, 1 << 16, 2)
        self._layers += descriptors
        kind, rest = message[:1], message[1:]
        if kind == b"M":
            _map_users(self._process.pid)
            self._control.send(b"m")
        elif kind == b"E":
            raise diagnose(*marshal.loads(rest))
        elif kind == b"X":
            self._ending = marshal.loads(rest)
        elif not kind and self._ending is None:
            raise NoIsolation(
                "a sandbox that ended without a word", "its report", "Run it again; report it if it stays."
            )
        return bool(kind)

    def _ended(self, seconds: float) -> Ended:
        assert self._ending is not None
        status, reason = self._ending
        upper, merged = self._layers
        code = os.waitstatus_to_exitcode(status)
        streams = self._streams
        return Ended(
            exit=code if code >= 0 else 128 - code,
            stdout=streams.text("out"),
            stderr=streams.text("err"),
            stdout_truncated=streams.dropped["out"],
            stderr_truncated=streams.dropped["err"],
            killed=reason,
            seconds=seconds,
            upper=upper,
            merged=merged,
        )


@cache
def _modules() -> tuple[tuple[str, CodeType], ...]:
    """The modules of the inside by name, compiled."""
    found: list[tuple[str, CodeType]] = []
    for name in ("", *(f".{module}" for module in inside.MODULES)):
        spec = find_spec(inside.__name__ + name)
        assert spec is not None, name
        code = cast("InspectLoader", spec.loader).get_code(spec.name)
        assert code is not None
        found.append(("inside" + name, code))
    return tuple(found)


def _map_users(pid: int) -> None:
    """Root sees every user as outside; anyone else exists alone."""
    base = f"/proc/{pid}"
    try:
        if os.geteuid() == 0:
            for kind in ("uid_map", "gid_map"):
                rows = [line.split() for line in Path(f"/proc/self/{kind}").read_text().splitlines()]
                Path(f"{base}/{kind}").write_text("".join(f"{row[0]} {row[0]} {row[2]}\n" for row in rows))
        else:
            Path(f"{base}/uid_map").write_text(f"{os.geteuid()} {os.geteuid()} 1\n")
            Path(f"{base}/setgroups").write_text("deny")
            Path(f"{base}/gid_map").write_text(f"{os.getegid()} {os.getegid()} 1\n")
    except OSError as error:
        raise diagnose(f"map the users ({error.filename})", error.errno or 0) from error

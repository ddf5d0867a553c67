"""The sandbox holds against commands that try to get out, to stay, or to use up the machine."""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path

import pytest

from worldgate.worlds.filesystem import hidden, inside
from worldgate.worlds.filesystem.diagnosis import NoIsolation, diagnose
from worldgate.worlds.filesystem.kernel import KernelRun, run
from worldgate.worlds.filesystem.sandbox import Limits, enclose, probe

from .tree_asserts import furnish, listener, photograph

INTERPRETER = os.path.realpath(sys.executable)  # a virtual environment may lie below /tmp, which a command does not see
PYTHON = shlex.quote(INTERPRETER)
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="what only root could try")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return furnish(tmp_path / "root")


def python(root: Path, program: str, *, limits: Limits | None = None, allow_net: bool = False) -> KernelRun:
    """Run a Python program inside."""
    return run(root, [INTERPRETER, "-S", "-c", program], limits=limits, allow_net=allow_net)


def assert_refused(root: Path, command: str) -> None:
    """The command fails, and the directory is as before."""
    before = photograph(root)
    result = run(root, command)
    assert result.exit != 0, result.stdout
    assert photograph(root) == before


def processes_of(marker: str) -> list[str]:
    """Processes of this machine whose arguments contain a text."""
    found = []
    for name in os.listdir("/proc"):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in line and name.isdigit():
            found.append(name)
    return found


AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]


def interpreter_of_nobody() -> str:
    """A Python of this version that another user may start (this one may lie in root's home)."""
    wanted = f"{sys.version_info[0]}.{sys.version_info[1]}"
    program = "import os, sys; os.stat(sys.executable); print('%d.%d' % sys.version_info[:2])"
    for candidate in (sys.executable, f"/usr/bin/python{wanted}", f"/usr/local/bin/python{wanted}"):
        command = [*AS_NOBODY, "env", candidate, "-c", program]
        if subprocess.run(command, capture_output=True, check=False).stdout.decode().strip() == wanted:
            return candidate
    pytest.skip(f"no Python {wanted} that another user may start")


def test_this_machine_can_isolate() -> None:
    assert probe() is None


# --- the rest of the machine ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "echo x >> /etc/passwd",
        "touch /usr/bin/new",
        "rm -f /etc/hostname && ! test -e /etc/hostname",
        "chmod 777 /etc/passwd",
        "mv /bin/true /bin/other",
        "echo 1 > /proc/sys/kernel/panic",
        "echo x > /proc/sysrq-trigger",
        "echo 0 > /sys/kernel/mm/ksm/run",
        "chmod 600 /dev/null",
        "mount -o remount,rw /",
        "mount -t tmpfs none /mnt",
        "umount -l /etc/shadow",
        "umount -l .",
        "unshare -r true",
        "unshare -m true",
        "mknod device b 254 0",
        "mknod device c 1 1",
        "chroot / true",
        "nsenter -t 1 -m true",
        "sysctl -w kernel.hostname=x",
        "kill -9 1; kill -0 1 && ! kill -KILL 1",
    ],
)
def test_nothing_outside_the_workspace_can_be_changed(root: Path, command: str) -> None:
    assert_refused(root, command)


def test_a_file_beside_the_workspace_can_be_read_and_not_written(root: Path) -> None:
    beside = Path(os.__file__)
    assert run(root, ["cat", str(beside)]).stdout == beside.read_bytes()
    assert_refused(root, f"echo x >> {shlex.quote(str(beside))}")


def test_private_directories_are_empty_and_forgotten(root: Path) -> None:
    result = run(root, "ls -A /run /var/tmp /dev/shm; echo x > /tmp/left; echo x > /dev/shm/left; cat /tmp/left")
    assert result.stdout.decode().split() == ["/dev/shm:", "/run:", "/var/tmp:", "x"]
    assert not os.path.exists("/tmp/left")
    assert not os.path.exists("/dev/shm/left")
    assert result.delta == ()


def test_a_link_in_the_workspace_leads_nowhere_writable(tmp_path: Path) -> None:
    root = furnish(tmp_path / "root")
    target = Path(__file__).parent / "escaped"
    (root / "way-out").symlink_to(target.parent)
    assert_refused(root, "echo x > way-out/escaped")
    assert_refused(root, f"ln -s {shlex.quote(str(target.parent))} other && echo x > other/escaped")
    assert not target.exists()


def test_a_directory_under_tmp_beside_the_workspace_is_hidden(tmp_path: Path) -> None:
    root = furnish(tmp_path / "root")
    (tmp_path / "secret").write_text("secret")
    result = run(root, f"ls {shlex.quote(str(tmp_path))}")
    assert result.stdout.decode().split() == ["root"]


def test_credentials_are_hidden(root: Path) -> None:
    secret = next(path for path in ("/etc/shadow", "/etc/gshadow", "/etc/shadow-") if os.path.exists(path))
    assert run(root, f"cat {secret}").stdout == b""
    home = str(root / "home")
    os.makedirs(f"{home}/.ssh")
    Path(home, ".netrc").write_text("password")
    assert {f"{home}/.ssh", f"{home}/.netrc"} <= set(hidden.hidden_paths(home, True))


def test_credentials_in_a_home_that_is_the_workspace_are_hidden(root: Path) -> None:
    (root / ".ssh").mkdir()
    (root / ".ssh" / "id").write_text("private")
    (root / ".netrc").write_text("password")
    program = (
        "import sys; from pathlib import Path; from worldgate.worlds.filesystem.kernel import run;"
        "r = run(Path(sys.argv[1]), 'cat .ssh/id .netrc; ls -A .ssh'); print(r.stdout, len(r.delta))"
    )
    environment = {**os.environ, "HOME": str(root)}
    done = subprocess.run([sys.executable, "-c", program, str(root)], env=environment, capture_output=True, check=True)
    assert done.stdout == b"b'' 0\n"


def test_the_environment_is_passed_without_secrets(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "DB_PASSWORD", "PGPASSWORD", "SSH_AUTH_SOCK")
    for name in secrets:
        monkeypatch.setenv(name, "xyzzy")
    monkeypatch.setenv("DATABASE_URL", "postgres://me:xyzzy@host/db")
    monkeypatch.setenv("KEYBOARD", "qwerty")
    seen = run(root, "env; cat /proc/1/environ; cat /proc/*/cmdline").stdout
    assert b"xyzzy" not in seen
    assert b"KEYBOARD=qwerty" in seen
    assert run(root, "echo $GITHUB_TOKEN", env={"GITHUB_TOKEN": "given"}).stdout == b"given\n"


# --- the network, sockets, processes ------------------------------------------------------------------


def test_there_is_no_network(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        assert b"ConnectionRefusedError" in python(root, program).stderr
        assert python(root, program, allow_net=True).exit == 0
    assert b"unreachable" in python(root, "import socket; socket.create_connection(('192.0.2.1', 80), 2)").stderr


def test_a_command_has_a_loopback_of_its_own(root: Path) -> None:
    program = (
        "import socket; s = socket.create_server(('127.0.0.1', 0));"
        "socket.create_connection(s.getsockname(), 2); print('connected')"
    )
    assert python(root, program).stdout == b"connected\n"


def test_sockets_of_the_host_cannot_be_reached(root: Path) -> None:
    here = Path(__file__).parent
    place = (here if os.access(here, os.W_OK) else root.parent) / f".socket-{os.getpid()}"
    with listener(str(place)), listener(f"\0worldgate-{os.getpid()}"):
        try:
            for address in (repr(str(place)), repr(f"\0worldgate-{os.getpid()}")):
                program = f"import socket; socket.socket(socket.AF_UNIX).connect({address})"
                subprocess.run([sys.executable, "-c", program], check=True)
                answer = python(root, program).stderr
                assert b"ConnectionRefusedError" in answer or (b"FileNotFoundError" in answer and place.parent != here)
        finally:
            place.unlink()


def test_a_socket_in_the_workspace_is_only_a_file(root: Path) -> None:
    with chdir(root), listener("socket"), chdir("/"):
        assert (
            b"ConnectionRefusedError"
            in python(root, "import socket; socket.socket(socket.AF_UNIX).connect('socket')").stderr
        )


def test_processes_of_the_host_are_not_there(root: Path) -> None:
    result = run(root, f"ls /proc | grep -c '^[0-9]*$'; kill -0 {os.getpid()} || kill -9 {os.getppid()} || echo no")
    count, answer = result.stdout.decode().split()
    assert int(count) < 8
    assert answer == "no"


def test_process_1_is_out_of_reach(root: Path) -> None:
    assert_refused(root, "cat /proc/1/mem")
    assert_refused(root, "for one in /proc/1/fd/* /proc/1/cwd /proc/1/exe; do readlink $one && exit 0; done; exit 1")
    assert_refused(root, "ls /proc/1/root/")
    program = "import ctypes, sys; sys.exit(ctypes.CDLL(None, use_errno=True).ptrace(16, 1, 0, 0) != -1)"
    assert python(root, program).exit == 0


@ROOT_ONLY
def test_root_keeps_what_it_does_to_files_and_loses_the_rest(root: Path) -> None:
    status = dict(line.split(":\t") for line in run(root, "cat /proc/self/status").stdout.decode().splitlines())
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0x800004FB
    assert status["NoNewPrivs"] == "1"
    assert run(root, "chown 5:5 a && chmod 000 a && cat a").stdout == b"alpha\n"


# --- limits -------------------------------------------------------------------------------------------


def test_too_long(root: Path) -> None:
    began = time.monotonic()
    result = run(root, "trap '' TERM INT HUP; sleep 600 & sleep 600", limits=Limits(seconds=0.5))
    assert (result.killed, result.exit) == ("wall time", 137)
    assert time.monotonic() - began < 10


def test_too_many_processes(root: Path) -> None:
    result = run(root, "f() { f | f & }; f; sleep 60", limits=Limits(seconds=20, processes=60))
    assert result.killed == "processes"


def test_too_much_cpu(root: Path) -> None:
    result = run(
        root, "for i in 1 2 3; do (while :; do :; done) & done; wait", limits=Limits(seconds=20, cpu_seconds=1)
    )
    assert result.killed == "cpu time" or result.exit == 128 + signal.SIGXCPU


def test_too_much_memory(root: Path) -> None:
    alone = python(root, "b = bytearray(1 << 29); print(len(b))", limits=Limits(memory=1 << 28))
    assert b"MemoryError" in alone.stderr
    many = (
        "import os, time\nfor i in range(8):\n  if os.fork() == 0: b = b'x' * (1 << 26); time.sleep(60)\ntime.sleep(60)"
    )
    assert python(root, many, limits=Limits(seconds=20, memory=1 << 28)).killed == "memory"


def test_too_much_output(root: Path) -> None:
    result = run(root, "yes | head -c 30000000; yes >&2", limits=Limits(seconds=1.5, output=100_000))
    assert (len(result.stdout), result.stdout_truncated) == (100_000, True)
    assert (len(result.stderr), result.stderr_truncated) == (100_000, True)
    assert result.killed == "wall time"


def test_too_much_written(root: Path) -> None:
    result = run(root, "cat /dev/zero > big; cat /dev/zero > /tmp/big", limits=Limits(written=8 << 20))
    assert b"No space left" in result.stderr
    sizes = [edit.after for edit in result.delta if edit.relation == "size"]
    assert len(sizes) == 1
    assert int(str(sizes[0])) <= 8 << 20


def test_too_many_files(root: Path) -> None:
    result = run(root, "i=0; while [ $i -lt 3000 ]; do : > f$i || exit 9; i=$((i+1)); done", limits=Limits(files=500))
    assert result.exit == 9 or b"No space left" in result.stderr


# --- the end ---------------------------------------------------------------------------------------------


def test_what_a_command_leaves_running_ends_with_it(root: Path) -> None:
    marker = f"{time.time_ns()}"
    result = run(root, f"setsid sh -c 'trap \"\" HUP TERM; sleep 600; : {marker}' > /dev/null 2>&1 & echo started")
    assert result.stdout == b"started\n"
    assert processes_of(marker) == []


@pytest.mark.parametrize("victim", ["caller", "helper"])
def test_a_death_ends_the_command_and_leaves_nothing(root: Path, victim: str) -> None:
    marker = f"{time.time_ns()}"
    program = (
        "import sys; from pathlib import Path; from worldgate.worlds.filesystem.kernel import run;"
        f"run(Path(sys.argv[1]), 'echo x > x; sleep 600; : {marker}')"
    )
    before = photograph(root)
    caller = subprocess.Popen([sys.executable, "-c", program, str(root)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not any(
        b"sleep" in Path(f"/proc/{one}/cmdline").read_bytes() for one in processes_of(marker) if one != str(caller.pid)
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if victim == "caller":
        caller.kill()
    else:
        children = Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
    caller.wait(20)
    while processes_of(marker):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert photograph(root) == before


def test_descriptors_of_the_caller_do_not_leak_in(root: Path) -> None:
    with open(root / "a") as file:
        os.set_inheritable(file.fileno(), True)
        assert sorted(run(root, "ls /proc/self/fd").stdout.split())[:3] == [b"0", b"1", b"2"]
        assert len(run(root, "ls /proc/self/fd").stdout.split()) == 4  # and the directory being listed


# --- mounts, failures, other users ------------------------------------------------------------------------


@ROOT_ONLY
def test_a_mount_beneath_the_workspace_is_seen_read_only(root: Path) -> None:
    program = (
        "import json, sys; from pathlib import Path; from worldgate.worlds.filesystem.kernel import run;"
        "r = run(Path(sys.argv[1]), 'cat hollow/x; echo y > hollow/y; echo z > z');"
        "print(json.dumps([r.stdout.decode(), r.stderr.decode(), [e.key for e in r.delta if e.relation == 'entry']]))"
    )
    python = shlex.quote(sys.executable)
    inside = f"mount -t tmpfs none hollow && echo mounted > hollow/x && exec {python} -c {shlex.quote(program)} ."
    done = subprocess.run(["unshare", "-m", "sh", "-c", inside], cwd=root, capture_output=True, check=True)
    stdout, stderr, entries = json.loads(done.stdout)
    assert stdout == "mounted\n"
    assert "Read-only" in stderr
    assert entries == [[".", "z"]]


def test_a_machine_that_cannot_isolate_is_told_and_nothing_runs(root: Path) -> None:
    marks = root / "ran"
    for limit in ("user", "mnt"):
        program = (
            "import sys; from pathlib import Path; from worldgate.worlds.filesystem.kernel import NoIsolation, run\n"
            f"open('/proc/sys/user/max_{limit}_namespaces', 'w').write('0')\n"
            f"try: run(Path(sys.argv[1]), 'touch {marks}')\n"
            "except NoIsolation as error: print(error)"
        )
        command = ["unshare", "-Ur", sys.executable, "-c", program, str(root)]
        done = subprocess.run(command, capture_output=True, check=True)
        assert done.stdout.startswith(b"WG280"), done.stdout
        assert b"max_user_namespaces" in done.stdout or limit != "user"
    assert not marks.exists()


def test_the_whole_machine_is_no_workspace() -> None:
    with pytest.raises(NoIsolation):
        enclose(Path("/"), ["true"], limits=Limits())


def test_a_failure_names_its_step() -> None:
    error = diagnose("mount the overlay", 1)
    assert "mount the overlay" in str(error)
    assert error.do


@ROOT_ONLY
def test_an_unprivileged_user_gets_the_same() -> None:
    """The tests of this room again, as nobody, over directories of nobody's."""
    here = Path(__file__).resolve()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(here.parents[3] / "tests", place / "tests", ignore=ignore)
        paths = [str(here.parents[3] / "src"), str(Path(pytest.__file__).parents[1])]
        environment = {**os.environ, "PYTHONPATH": ":".join(paths), "HOME": str(place)}
        command = [*AS_NOBODY, interpreter_of_nobody(), "-B", "-m", "pytest"]
        options = [
            "-k",
            "not any_program and not too_ and not death",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            f"--basetemp={place}/tmp",
            f"--rootdir={place}",
        ]
        rooms = [f"tests/worlds/filesystem/{room}" for room in ("test_kernel.py", "test_sandbox.py")]
        done = subprocess.run(
            [*command, *options, *rooms], env=environment, cwd=place, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout.decode()[-6000:]


def test_the_inside_needs_only_the_standard_library(root: Path) -> None:
    for module in Path(inside.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.module in inside.MODULES
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
                assert {str(one).partition(".")[0] for one in names} <= sys.stdlib_module_names


@pytest.mark.skipif(not os.access(Path(__file__).parent, os.W_OK), reason="needs a place outside /tmp to put a pipe")
def test_a_named_pipe_of_the_host_cannot_be_written(root: Path) -> None:
    place = Path(__file__).parent / f".pipe-{os.getpid()}"
    os.mkfifo(place, 0o666)
    try:
        assert_refused(root, f"exec 3<> {shlex.quote(str(place))}")
    finally:
        place.unlink()

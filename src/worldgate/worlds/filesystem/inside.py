"""The part of the sandbox that runs inside it: a program of its own that needs only the standard library.

`sandbox.py` starts it as `python -I -S inside.py <request> <control>`, two inherited descriptors: a
file with the marshalled request, and a socket on which it asks for its user mapping, hands over the
overlay's upper layer, and tells how the command ended. Any step that fails ends everything, before
the command has started, with that step's name: there is no weaker mode.

First process: new namespaces, then wait. Second, process 1 of the namespace: mounts, then watch over
the command and its limits. Third: drops every privilege it does not need and becomes the command.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import ctypes
import fcntl
import marshal
import os
import resource
import select
import stat
import struct
import sys
from _socket import AF_INET, AF_UNIX, SCM_RIGHTS, SOCK_DGRAM, SOCK_SEQPACKET, SOL_SOCKET, socket
from collections.abc import Callable
from typing import Any

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 1, 2, 4, 8
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE, OPEN_TREE_CLONE = -100, 0x1000, 0x8000, 1
MOVE_FROM_EMPTY, MNT_DETACH = 4, 2
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
SIGKILL, SIGTERM = 9, 15
KEYCTL = {"x86_64": 250, "aarch64": 219}
LAST_CAPABILITY = 40
# chown, dac_override, fowner, fsetid, kill, setgid, setuid, net_bind_service, setfcap: what root does to
# files and to its own processes. No sys_admin, mknod, sys_ptrace, net_admin, sys_chroot and so on.
KEPT_CAPABILITIES = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 10, 31))
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
POLL_MS = 25

libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A step of the set-up that failed: (step, errno)."""


def call(step: str, function: Any, *arguments: Any) -> int:
    result: int = function(*arguments)
    if result < 0:
        raise Failed(step, ctypes.get_errno())
    return result


def mount(step: str, source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    kind_bytes = None if kind is None else kind.encode()
    call(step, libc.mount, source.encode(), os.fsencode(target), kind_bytes, ctypes.c_ulong(flags), data.encode())


def clone(step: str, path: str, *, at: int = AT_FDCWD, recursive: bool = False) -> int:
    """A detached copy of the mount at `path`."""
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    return call(step, libc.syscall, OPEN_TREE, at, os.fsencode(path), flags)


def attach(step: str, tree: int, path: str) -> None:
    call(step, libc.syscall, MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(path), MOVE_FROM_EMPTY)


def restrict(step: str, path: str, attributes: int, *, at: int = AT_FDCWD, recursive: bool = False) -> None:
    """Add mount attributes (read-only and so on) to the mount at `path`, or to all beneath it too."""
    request = struct.pack("=QQQQ", attributes, 0, 0, 0)
    flags = (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    call(step, libc.syscall, MOUNT_SETATTR, at, os.fsencode(path), flags, request, len(request))


def die_with(parent: int) -> None:
    """End when the parent does; `parent` is 0 for one outside this process namespace."""
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


# --- the mounts ---------------------------------------------------------------------------------------


def build(request: dict[str, Any]) -> tuple[int, int]:
    """Make the machine as the command shall see it; descriptors of the upper layer and of the merged tree."""
    root, stage = request["root"], request["stage"]
    mount("make the mounts private", "none", "/", None, MS_REC | MS_PRIVATE)
    lower = clone("clone the workspace", root)
    devices = {name: clone("clone a device", f"/dev/{name}") for name in DEVICES if os.path.exists(f"/dev/{name}")}
    for tree in devices.values():
        restrict("make a device's node read-only", "", ATTR_RDONLY | ATTR_NOSUID | ATTR_NOEXEC, at=tree)
    kept = [(path, clone("clone what stays visible", path, recursive=True)) for path in request["visible"]]
    restrict("make the machine read-only (mount_setattr)", "/", ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV, recursive=True)
    for _, tree in kept:
        restrict(
            "make what stays visible read-only", "", ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV, at=tree, recursive=True
        )
    upper, merged, pieces = overlay(request, stage, lower)
    private = {"/dev": "dev", **{path: path.strip("/").replace("/", ".") for path in request["private"]}}
    for path in sorted(private, key=len):
        attach("cover " + path, pieces[private[path]], path)
    fill_dev(devices, pieces["shm"])
    cover([path for path in request["hidden"] if root.startswith(path.rstrip("/") + "/")], pieces)
    os.makedirs(root, exist_ok=True)
    attach("attach the overlay", merged, root)
    for path, tree in kept:
        if not os.path.lexists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        attach("attach what stays visible", tree, path)
    cover([path for path in request["hidden"] if not root.startswith(path.rstrip("/") + "/")], pieces)
    mount("mount /proc", "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    forbid_nested()
    cover([path for path in request["hidden"] if path.startswith("/proc/")], pieces)
    restrict("make /proc read-only", "/proc", ATTR_RDONLY)
    return upper, os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def overlay(request: dict[str, Any], stage: str, lower: int) -> tuple[int, int, dict[str, int]]:
    """Stage the scratch space and the overlay: (upper layer, merged tree, the other pieces by name).

    Everything the command can write (the upper layer, /tmp, /dev/shm) is one tmpfs with one limit. It
    exists only in this namespace and through descriptors, so it is gone when the last process is.
    """
    limit = f"size={request['written']},nr_inodes={request['files']},mode=755"
    mount("mount the scratch space", "scratch", stage, "tmpfs", MS_NOSUID | MS_NODEV, limit)
    names = ["dev", "shm", "empty", *(path.strip("/").replace("/", ".") for path in request["private"])]
    for name in ("lower", "upper", "work", "merged", *names):
        os.mkdir(f"{stage}/{name}")
        os.chmod(f"{stage}/{name}", 0o555 if name == "empty" else 0o755 if name in ("dev", "run") else 0o1777)
    os.close(os.open(f"{stage}/blank", os.O_CREAT | os.O_WRONLY, 0o444))
    attach("attach the workspace", lower, f"{stage}/lower")
    copy_status(f"{stage}/lower", f"{stage}/upper")
    for name in request["exclude"]:
        os.mknod(f"{stage}/upper/{name}", stat.S_IFCHR, 0)  # a whiteout: the name is not there
    for group in request["prepare"]:
        prepare(stage, group)
    copy_status(f"{stage}/lower", f"{stage}/upper")
    layers = f"lowerdir={stage}/lower,upperdir={stage}/upper,workdir={stage}/work,userxattr,xino=on"
    mount("mount the overlay", "overlay", f"{stage}/merged", "overlay", MS_NOSUID | MS_NODEV, layers)
    upper = os.open(f"{stage}/upper", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    merged = clone("clone the overlay", f"{stage}/merged")
    pieces = {name: clone("clone the scratch space", f"{stage}/{name}") for name in (*names, "blank")}
    for name in ("empty", "blank"):
        restrict("make a cover read-only", "", ATTR_RDONLY | ATTR_NODEV | ATTR_NOSUID, at=pieces[name])
    call("detach the scratch space", libc.umount2, os.fsencode(stage), MNT_DETACH)
    return upper, merged, pieces


def prepare(stage: str, group: list[str]) -> None:
    """Copy a file of several links into the upper layer, with all of them, so that a write reaches all."""
    first = group[0]
    for path in group:
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            directory = "/".join(parts[:end])
            if not os.path.isdir(f"{stage}/upper/{directory}"):
                os.mkdir(f"{stage}/upper/{directory}")
                copy_status(f"{stage}/lower/{directory}", f"{stage}/upper/{directory}")
    source, target = f"{stage}/lower/{first}", f"{stage}/upper/{first}"
    status = os.lstat(source)
    if stat.S_ISREG(status.st_mode):
        with open(source, "rb") as reader, open(target, "xb") as writer:
            while piece := reader.read(1 << 20):
                writer.write(piece)
        os.setxattr(target, "user.overlay.prepared", os.fsencode(first))  # tells it from a file put in its place
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), target)
    else:
        os.mknod(target, status.st_mode)
    copy_status(source, target)
    for path in group[1:]:
        os.link(target, f"{stage}/upper/{path}", follow_symlinks=False)
    for path in group:  # linking changed the directories' times
        parts = path.split("/")[:-1]
        for end in range(len(parts), 0, -1):
            directory = "/".join(parts[:end])
            copy_status(f"{stage}/lower/{directory}", f"{stage}/upper/{directory}")


def copy_status(source: str, target: str) -> None:
    """Owner, mode, extended attributes and times."""
    status = os.lstat(source)
    try:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    except OSError as error:
        raise Failed("own a file of another user in the overlay", error.errno) from error
    if not stat.S_ISLNK(status.st_mode):
        for name in os.listxattr(source):
            counts = name.startswith(("user.", "system.posix_acl_")) or name == "security.capability"
            if counts and not name.startswith("user.overlay."):
                os.setxattr(target, name, os.getxattr(source, name))
        os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def cover(paths: list[str], pieces: dict[str, int]) -> None:
    """Lay an empty directory or an empty file over each path that exists."""
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue  # absent, or out of this user's reach: then out of the command's reach too
        name = "empty" if stat.S_ISDIR(status.st_mode) else "blank"
        attach("hide " + path, clone("clone a cover", "", at=pieces[name]), path)


def fill_dev(devices: dict[str, int], shm: int) -> None:
    for name, tree in devices.items():
        os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        attach("attach a device", tree, f"/dev/{name}")
    for name, target in LINKS.items():
        os.symlink(target, f"/dev/{name}")
    os.mkdir("/dev/shm", 0o1777)
    attach("attach /dev/shm", shm, "/dev/shm")
    os.mkdir("/dev/pts")
    mount("mount /dev/pts", "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    os.symlink("pts/ptmx", "/dev/ptmx")


def forbid_nested() -> None:
    """Forbid user namespaces inside, where a command would regain capabilities."""
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")


def raise_loopback() -> None:
    """The new network namespace has a loopback device of its own; bring it up."""
    device = socket(AF_INET, SOCK_DGRAM)
    try:
        fcntl.ioctl(device.fileno(), 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
    finally:
        device.close()


# --- the command ----------------------------------------------------------------------------------------


def drop_privileges(keep: int) -> None:
    """No capability outside `keep`, none gained by executing anything, a keyring of one's own."""
    number = KEYCTL.get(os.uname().machine)
    if number is None:
        raise Failed("join a new keyring on this architecture", 38)
    libc.syscall(number, 1, None)  # KEYCTL_JOIN_SESSION_KEYRING; fails only where there are no keyrings
    call("set no_new_privs", libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for bit in range(64):
        if not keep >> bit & 1 and libc.prctl(PR_CAPBSET_DROP, bit, 0, 0, 0) < 0:
            if bit <= LAST_CAPABILITY:
                raise Failed("drop a capability", ctypes.get_errno())
            break
    low, high = keep & 0xFFFFFFFF, keep >> 32
    header, data = struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", low, low, low, high, high, high)
    call("drop the capabilities", libc.capset, header, data)


def limit(request: dict[str, Any]) -> None:
    for name, wanted in request["rlimits"].items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))


def become(request: dict[str, Any], go: int) -> None:
    """Turn this process into the command; never returns."""
    os.setsid()
    for source, target in zip(request["streams"], (0, 1, 2), strict=True):
        os.dup2(source, target)
    for number in (13, 25):  # SIGPIPE and SIGXFSZ, which Python ignores and children would inherit
        _signal.signal(number, _signal.SIG_DFL)
    limit(request)
    os.chdir(request["cwd"])
    os.umask(request["umask"])
    drop_privileges(KEPT_CAPABILITIES if request["privileged"] else 0)
    os.write(go, b"r")  # what fails from here on is the command's own failure, as a shell would report it
    environment, argv = request["env"], request["argv"]
    try:
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        os.write(2, b"worldgate: " + os.fsencode(argv[0]) + b": " + os.strerror(error.errno or 0).encode() + b"\n")
        os._exit(127 if error.errno == 2 else 126)


def watch(command: int, control: socket, request: dict[str, Any]) -> tuple[int, str]:
    """Wait for the command: (wait status, the limit that ended it or ""). Kills whatever it left behind."""
    exited = os.pidfd_open(command)
    poll = select.poll()
    poll.register(exited, select.POLLIN)
    poll.register(control.fileno(), select.POLLIN)
    reason, status = "", None
    while status is None:
        ready = {descriptor for descriptor, _ in poll.poll(POLL_MS)}
        if control.fileno() in ready:
            control.recv(1)
            reason = "wall time"  # the outside says so; on its end, there is nobody left to tell
        else:
            reason = excess(request)
        if reason:
            break
        status = reap(command)
    end_all()
    while status is None:
        status = reap(command)
    return status, reason


def reap(command: int) -> int | None:
    """Collect dead processes; the wait status of the command when it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == command:
            found = status


def end_all() -> None:
    try:  # noqa: SIM105 (importing contextlib costs more than all the rest of this start)
        os.kill(-1, SIGKILL)  # everything in this namespace but process 1
    except ProcessLookupError:
        pass


def excess(request: dict[str, Any]) -> str:
    """The limit that all processes together exceed, or ""."""
    count = memory = ticks = 0
    for name in os.listdir("/proc"):
        if not name.isdigit() or name == "1":
            continue
        count += 1
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            with open(f"/proc/{name}/statm", "rb") as file:
                pages = file.read().split()
        except OSError:
            continue
        ticks += sum(int(fields[index]) for index in (11, 12, 13, 14))
        memory += int(pages[1]) - int(pages[2])
        if count > request["processes"]:
            return "processes"
    done = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ticks / os.sysconf("SC_CLK_TCK") + done.ru_utime + done.ru_stime > request["cpu_seconds"]:
        return "cpu time"
    return "memory" if memory * resource.getpagesize() > request["memory"] else ""


# --- the three processes ----------------------------------------------------------------------------------


def first(request: dict[str, Any], control: socket) -> None:
    die_with(request["parent"])
    flags = NEWUSER | NEWNS | NEWPID | NEWIPC | NEWUTS | NEWCGROUP | (0 if request["allow_net"] else NEWNET)
    call("make namespaces (unshare)", libc.unshare, flags)
    control.send(b"M")
    if control.recv(1) != b"m":
        os._exit(1)
    die_with(request["parent"])
    child = os.fork()
    if child == 0:
        guarded(lambda: second(request, control), control)
    for descriptor in request["streams"]:
        os.close(descriptor)
    control.close()
    os.waitpid(child, 0)


def second(request: dict[str, Any], control: socket) -> None:
    die_with(0)
    os.umask(0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if not request["allow_net"]:
        raise_loopback()
    upper, merged = build(request)
    read, write = os.pipe()
    command = os.fork()
    if command == 0:
        guarded(lambda: become(request, write), control)
    os.close(write)
    for descriptor in request["streams"]:
        os.close(descriptor)
    if os.read(read, 1) != b"r":
        return  # the child has said why
    send_descriptors(control, b"R", [upper, merged])
    status, reason = watch(command, control, request)
    control.send(b"X" + marshal.dumps((status, reason)))


def send_descriptors(control: socket, message: bytes, descriptors: list[int]) -> None:
    packed = struct.pack(f"={len(descriptors)}i", *descriptors)
    control.sendmsg([message], [(SOL_SOCKET, SCM_RIGHTS, packed)])


def guarded(work: Callable[[], None], control: socket) -> None:
    """Do the work, tell of what fails, and end this process: nothing falls through to a caller."""
    try:
        work()
    except Failed as error:
        control.send(b"E" + marshal.dumps(error.args))
    except OSError as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = where.tb_frame.f_code.co_name if where is not None else "?"
        control.send(b"E" + marshal.dumps((f"{place} {error.filename or ''}", error.errno or 0)))
    finally:
        os._exit(0)


def main() -> None:
    source, channel = int(sys.argv[1]), int(sys.argv[2])
    control = socket(AF_UNIX, SOCK_SEQPACKET, 0, channel)
    with open(source, "rb") as file:
        request = marshal.load(file)
    for descriptor in (channel, *request["streams"]):
        os.set_inheritable(descriptor, False)
    guarded(lambda: first(request, control), control)


if __name__ == "__main__":
    main()

"""The three processes of a sandbox: one that waits outside, process 1 that watches, and the command."""

from __future__ import annotations

import fcntl
import marshal
import os
import resource
import select
import struct
import time
from _socket import AF_INET, AF_UNIX, SCM_RIGHTS, SOCK_DGRAM, SOCK_SEQPACKET, SOL_SOCKET, socket

from .calls import (
    NEWCGROUP,
    NEWIPC,
    NEWNET,
    NEWNS,
    NEWPID,
    NEWUSER,
    NEWUTS,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    SIGKILL,
    Failed,
    call,
    libc,
)
from .command import become
from .mounts import build, lift

TYPE_CHECKING = False  # importing typing costs more than most of a run
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

POLL_MS, DISK_POLLS = 25, 10


def main(request: dict[str, Any], channel: int) -> None:
    """Run what is requested, and report on the socket `channel`. Never returns."""
    control = socket(AF_UNIX, SOCK_SEQPACKET, 0, channel)
    for descriptor in (channel, *request["streams"]):
        os.set_inheritable(descriptor, False)
    guarded(lambda: first(request, control), control)


def die_with(parent: int) -> None:
    """End when the parent does; `parent` is 0 for one outside this process namespace."""
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def first(request: dict[str, Any], control: socket) -> None:
    die_with(request["parent"])
    flags = NEWUSER | NEWNS | NEWPID | NEWIPC | NEWUTS | NEWCGROUP | (0 if request["allow_net"] else NEWNET)
    lifted = lift(request["mounts"])
    call("make namespaces (unshare)", libc.unshare, flags)
    control.send(b"M")
    if control.recv(1) != b"m":
        os._exit(1)
    die_with(request["parent"])
    child = os.fork()
    if child == 0:
        guarded(lambda: second(request, control, lifted), control)
    for descriptor in request["streams"]:
        os.close(descriptor)
    control.close()
    os.waitpid(child, 0)


def second(request: dict[str, Any], control: socket, lifted: list[tuple[str, int]]) -> None:
    die_with(0)
    os.umask(0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if not request["allow_net"]:
        raise_loopback()
    upper, merged = build(request, lifted)
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
    status, reason = watch(command, control, request, upper)
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


def watch(command: int, control: socket, request: dict[str, Any], upper: int) -> tuple[int, str]:
    """Wait for the command: (wait status, the limit that ended it or ""). Kills whatever it left behind."""
    exited = os.pidfd_open(command)
    poll = select.poll()
    poll.register(exited, select.POLLIN)
    poll.register(control.fileno(), select.POLLIN)
    reason, status, turn = "", None, 0
    while status is None:
        turn += 1
        ready = {descriptor for descriptor, _ in poll.poll(POLL_MS)}
        if control.fileno() in ready:
            control.recv(1)
            reason = "wall time"  # the outside says so; on its end, there is nobody left to tell
        else:
            reason = excess(request)
            if request["scratch"] and turn % DISK_POLLS == 0 and written(upper) > request["written"]:
                reason = "written"
        if reason:
            break
        status = reap(command)
    end_all()
    while status is None:
        time.sleep(0.001)
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


def written(upper: int) -> int:
    """Bytes on disk beneath the upper layer."""
    total = 0
    for _, directories, files, descriptor in os.fwalk(dir_fd=upper, onerror=None):
        for name in (*directories, *files):
            try:
                total += os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_blocks * 512
            except OSError:
                continue  # gone meanwhile
    return total


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


def raise_loopback() -> None:
    """The new network namespace has a loopback device of its own; bring it up."""
    device = socket(AF_INET, SOCK_DGRAM)
    try:
        fcntl.ioctl(device.fileno(), 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
    finally:
        device.close()

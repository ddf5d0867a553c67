"""From this program to the command: its streams, its limits, and the privileges that it does not get."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import ctypes
import os
import resource
import struct

from .calls import PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, SIGPIPE, SIGXFSZ, Failed, call, libc

TYPE_CHECKING = False  # importing typing costs more than most of a run
if TYPE_CHECKING:
    from typing import Any

KEYCTL = {"x86_64": 250, "aarch64": 219}
LAST_CAPABILITY = 40
KEPT_CAPABILITIES = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 10, 31))
"""Of root: chown, dac_override, fowner, fsetid, kill, setgid, setuid, net_bind_service, setfcap: what root does
to files and to its own processes. No sys_admin, mknod, sys_ptrace, net_admin, sys_chroot and so on."""
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # Landlock
WRITE_FILE, REFER = 1 << 1, 1 << 13


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


def confine(writable: list[str]) -> None:
    """Forbid to open for writing anything beneath other directories than these: Landlock, where there is one.

    The mounts are read-only already; but that does not hold for named pipes, which other programs read.
    """
    if libc.syscall(CREATE_RULESET, None, 0, 1) < 2:
        return  # no Landlock, or one that forbids every move between directories
    header = struct.pack("=Q", WRITE_FILE | REFER)
    rules = call("make a Landlock ruleset", libc.syscall, CREATE_RULESET, header, len(header), 0)
    for path, access in (("/", REFER), *((path, WRITE_FILE | REFER) for path in writable)):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", access, place)
        call("add a Landlock rule", libc.syscall, ADD_RULE, rules, 1, rule, 0)
        os.close(place)
    call("apply the Landlock ruleset", libc.syscall, RESTRICT_SELF, rules, 0)
    os.close(rules)


def limit(request: dict[str, Any]) -> None:
    """Set the limits of each process. Those of all together are watched from outside."""
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
    for number in (SIGPIPE, SIGXFSZ):  # which Python ignores and children would inherit
        _signal.signal(number, _signal.SIG_DFL)
    limit(request)
    os.chdir(request["cwd"])
    os.umask(request["umask"])
    drop_privileges(KEPT_CAPABILITIES if request["privileged"] else 0)
    confine(["/dev", request["root"], *request["private"]])
    os.write(go, b"r")  # what fails from here on is the command's own failure, as a shell would report it
    environment, argv = request["env"], request["argv"]
    try:
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        os.write(2, b"worldgate: " + os.fsencode(argv[0]) + b": " + os.strerror(error.errno or 0).encode() + b"\n")
        os._exit(127 if error.errno == 2 else 126)

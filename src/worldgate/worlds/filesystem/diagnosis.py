"""Why a machine cannot isolate a command, and what can be done about it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ...facts import Error


class NoIsolation(Error):
    number, title = "WG280", "this machine cannot isolate a command"


_MOUNTED: Final = "Run it as root, or over a directory without mount points beneath it."
ADVICE: Final[tuple[tuple[str, str, str], ...]] = (
    # file, the value that forbids, what to do
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "An administrator can run: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "An administrator can run: sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "An administrator can run: sysctl -w user.max_user_namespaces=10000"),
)


def diagnose(step: str, number: int) -> NoIsolation:
    """The error for a step that failed, with what can be done about it on this machine."""
    found = f"that it cannot {step}: {os.strerror(number)}"
    if "user attributes" in step:
        return NoIsolation(found, "Linux 6.6 or newer, or a scratch directory on disk", "Name one: run(scratch=...).")
    if "beneath" in step:
        return NoIsolation(found, "root's right to mount", _MOUNTED)
    for file, forbids, advice in ADVICE:
        try:
            if Path(file).read_text().strip() == forbids:
                return NoIsolation(found, "unprivileged user namespaces", advice)
        except OSError:
            continue
    general = (
        "It needs Linux 5.12 or newer with user namespaces and overlayfs; "
        "inside a container, one started with --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
        "--security-opt systempaths=unconfined, or --privileged"
    )
    return NoIsolation(found, "the right to do so", general + ".")

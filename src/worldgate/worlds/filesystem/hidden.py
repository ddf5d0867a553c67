"""What a sandboxed command does not get to see: tables, and the functions that read the machine by them.

Credentials are hidden by path and by the names of environment variables, so a secret in an unusual
place is not covered. Sockets in the file system are covered where they can be found: those that
/proc/net/unix lists with an absolute path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PRIVATE: Final = ("/tmp", "/var/tmp", "/run")
"""Directories that are empty and writable inside, and gone afterwards. /dev is made anew besides."""

HOME: Final = (
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".config/gcloud",
    ".config/gh",
    ".config/hub",
    ".config/op",
    ".config/rclone",
    ".config/containers/auth.json",
    ".config/pip/pip.conf",
    ".config/pypoetry/auth.toml",
    ".config/git/credentials",
    ".kube",
    ".docker/config.json",
    ".netrc",
    ".git-credentials",
    ".pypirc",
    ".npmrc",
    ".yarnrc.yml",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".m2/settings.xml",
    ".gradle/gradle.properties",
    ".terraform.d/credentials.tfrc.json",
    ".vault-token",
    ".pgpass",
    ".my.cnf",
    ".password-store",
    ".local/share/keyrings",
    ".huggingface/token",
    ".cache/huggingface/token",
    ".claude/.credentials.json",
    ".codex/auth.json",
    ".bash_history",
    ".zsh_history",
    ".python_history",
    ".psql_history",
)
"""Under the home directory."""

SYSTEM: Final = (
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssl/private",
    "/etc/krb5.keytab",
    "/etc/kubernetes",
    "/var/run/secrets",
    "/var/lib/kubelet",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/private",
    "/var/spool/cron",
    "/sys/kernel/debug",
    "/sys/kernel/tracing",
    "/sys/kernel/security",
    "/sys/fs/bpf",
    "/sys/firmware",
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/keys",
    "/proc/sysrq-trigger",
    "/proc/acpi",
    "/proc/scsi",
)
"""Anywhere else. Host keys of the SSH server are added by name."""

_SECRET_NAME: Final = re.compile(
    r"(?i)(^|_)(tokens?|secrets?|passw(or)?d|passwd|passphrase|pw|pwd|pat|credentials?|creds?|auth|cookie|dsn|"
    r"api_?keys?|access_?keys?|private_?keys?|keys?)($|_)|(token|secret|password|apikey)$"
)
_SECRET_VALUE: Final = re.compile(r"://[^/@\s:]*:[^/@\s]+@")
_LEADS_OUT: Final = frozenset(
    {"TMPDIR", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "GPG_AGENT_INFO", "DBUS_SESSION_BUS_ADDRESS", "XAUTHORITY", "DISPLAY"}
    | {"WAYLAND_DISPLAY", "DOCKER_HOST", "CONTAINER_HOST", "XDG_RUNTIME_DIR", "PWD", "OLDPWD"}
)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that a command gets: all but what looks like a secret or leads to a host's service."""
    return {
        name: value
        for name, value in variables.items()
        if name not in _LEADS_OUT and not _SECRET_NAME.search(name) and not _SECRET_VALUE.search(value)
    }


def hidden_paths(home: str, allow_net: bool) -> list[str]:
    """Absolute paths to cover, as they resolve now, outer ones first and nothing beneath another."""
    keys = sorted(str(path) for path in Path("/etc/ssh").glob("*_key")) if os.access("/etc/ssh", os.R_OK) else []
    wanted = {os.path.realpath(path) for path in (*SYSTEM, *keys, *(f"{home}/{name}" for name in HOME))}
    wanted = {path for path in wanted if os.path.lexists(path)}
    if not allow_net:
        wanted |= _sockets()
    covers: list[str] = []
    for path in sorted(wanted):
        if not any(path.startswith(cover + "/") for cover in covers if not os.path.isfile(cover)):
            covers.append(path)
    return covers


def visible_paths(allow_net: bool) -> list[str]:
    """What must stay visible although it lies under a private directory: the resolver's configuration."""
    resolver = os.path.realpath("/etc/resolv.conf")
    private = any(resolver.startswith(path + "/") for path in PRIVATE)
    return [resolver] if allow_net and private and os.path.isfile(resolver) else []


def _sockets() -> set[str]:
    """Sockets with a path, in every network namespace that this user can look into."""
    found: set[str] = set()
    done: set[str] = set()
    for process in ("self", *(name for name in os.listdir("/proc") if name.isdigit())):
        try:
            namespace = os.readlink(f"/proc/{process}/ns/net")
            if namespace in done:
                continue
            rows = Path(f"/proc/{process}/net/unix").read_bytes().splitlines()[1:]
        except OSError:
            continue
        done.add(namespace)
        for row in rows:
            fields = row.split(b" ", 7)
            path = row[row.find(b" /") + 1 :] if b" /" in row else b""
            if len(fields) >= 7 and path.startswith(b"/"):
                found.add(os.path.realpath(os.fsdecode(path)))
    return {path for path in found if os.path.exists(path)}

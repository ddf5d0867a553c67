"""The machine as the command shall see it, made of mounts in a namespace that nobody else has."""

from __future__ import annotations

import os
import stat

from .calls import (
    MNT_DETACH,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    NEWNS,
    NODEV,
    NOEXEC,
    NOSUID,
    RDONLY,
    Failed,
    attach,
    call,
    clone,
    libc,
    mount,
    restrict,
)

TYPE_CHECKING = False  # importing typing costs more than most of a run
if TYPE_CHECKING:
    from typing import Any

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}


def lift(paths: list[str]) -> list[tuple[str, int]]:
    """Take the mounts beneath the workspace off it, for an overlay cannot be laid over them; (path, copy).

    Only root can, in a mount namespace of root's own: in that of a user namespace they are locked in place.
    """
    if not paths:
        return []
    call("make a mount namespace for a workspace with mount points beneath it", libc.unshare, NEWNS)
    mount("make the mounts private", "none", "/", None, MS_REC | MS_PRIVATE)
    lifted = []
    for path in paths:
        tree = clone("clone a mount beneath the workspace", path, recursive=True)
        restrict("make a mount read-only", "", RDONLY | NOSUID | NODEV, at=tree, recursive=True)
        call("lift a mount off the workspace", libc.umount2, os.fsencode(path), MNT_DETACH)
        lifted.append((path, tree))
    return lifted


def build(request: dict[str, Any], lifted: list[tuple[str, int]]) -> tuple[int, int]:
    """Make the machine as the command shall see it; descriptors of the upper layer and of the merged tree."""
    root, stage = request["root"], request["stage"]
    mount("make the mounts private", "none", "/", None, MS_REC | MS_PRIVATE)
    lower = clone("clone the workspace", root)
    disk = clone("clone the scratch directory", request["scratch"]) if request["scratch"] else None
    devices = {name: clone("clone a device", f"/dev/{name}") for name in DEVICES if os.path.exists(f"/dev/{name}")}
    for tree in devices.values():
        restrict("make a device's node read-only", "", RDONLY | NOSUID | NOEXEC, at=tree)
    kept = [(path, clone("clone what stays visible", path, recursive=True)) for path in request["visible"]]
    restrict("make the machine read-only (mount_setattr)", "/", RDONLY | NOSUID | NODEV, recursive=True)
    for _, tree in kept:
        restrict("make what stays visible read-only", "", RDONLY | NOSUID | NODEV, at=tree, recursive=True)
    upper, merged, pieces = overlay(request, stage, lower, disk)
    private = {"/dev": "dev", **{path: path.strip("/").replace("/", ".") for path in request["private"]}}
    for path in sorted(private, key=len):
        attach("cover " + path, pieces[private[path]], path)
    fill_dev(devices, pieces["shm"])
    cover([path for path in request["hidden"] if root.startswith(path + "/")], pieces)
    os.makedirs(root, exist_ok=True)
    attach("attach the overlay", merged, root)
    for path, tree in (*lifted, *kept):
        if not os.path.lexists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        attach("attach what stays visible", tree, path)
    later = [path for path in request["hidden"] if not root.startswith(path + "/")]
    cover([path for path in later if not path.startswith("/proc/")], pieces)
    mount("mount /proc", "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    forbid_nested()
    cover([path for path in later if path.startswith("/proc/")], pieces)
    restrict("make /proc read-only", "/proc", RDONLY)
    return upper, os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def overlay(request: dict[str, Any], stage: str, lower: int, disk: int | None) -> tuple[int, int, dict[str, int]]:
    """Stage the scratch space and the overlay: (upper layer, merged tree, the other pieces by name).

    Everything the command can write (/tmp, /dev/shm, and the upper layer unless it is on `disk`) is one
    tmpfs with one limit. It exists only in this namespace and through descriptors, so it is gone when the
    last process is. Where it is staged, the private /tmp is laid over it.
    """
    limit = f"size={request['written']},nr_inodes={request['files']},mode=755"
    mount("mount the scratch space", "scratch", stage, "tmpfs", MS_NOSUID | MS_NODEV, limit)
    names = ["dev", "shm", "empty", *(path.strip("/").replace("/", ".") for path in request["private"])]
    layer = () if disk is not None else ("layer/upper", "layer/work")
    for name in ("lower", "layer", "merged", *layer, *names):
        os.mkdir(f"{stage}/{name}")
        os.chmod(f"{stage}/{name}", 0o555 if name == "empty" else 0o755 if name in ("dev", "run") else 0o1777)
    os.close(os.open(f"{stage}/blank", os.O_CREAT | os.O_WRONLY, 0o444))
    if disk is not None:
        attach("attach the scratch directory", disk, f"{stage}/layer")
    try:  # without these, the overlay would be there but could not make a directory anew
        os.setxattr(f"{stage}/layer/upper", "user.worldgate", b"")
        os.removexattr(f"{stage}/layer/upper", "user.worldgate")
    except OSError as error:
        raise Failed(
            "keep user attributes in scratch space",
            error.errno,
        ) from error
    attach("attach the workspace", lower, f"{stage}/lower")
    copy_status(f"{stage}/lower", f"{stage}/layer/upper")
    for name in request["exclude"]:
        os.mknod(f"{stage}/layer/upper/{name}", stat.S_IFCHR, 0)  # a whiteout: the name is not there
    for group in request["prepare"]:
        prepare(stage, group)
    copy_status(f"{stage}/lower", f"{stage}/layer/upper")
    layers = f"lowerdir={stage}/lower,upperdir={stage}/layer/upper,workdir={stage}/layer/work,userxattr,xino=on"
    mount("mount the overlay", "overlay", f"{stage}/merged", "overlay", MS_NOSUID | MS_NODEV, layers)
    upper = os.open(f"{stage}/layer/upper", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    merged = clone("clone the overlay", f"{stage}/merged")
    pieces = {name: clone("clone the scratch space", f"{stage}/{name}") for name in (*names, "blank")}
    for name in ("empty", "blank"):
        restrict("make a cover read-only", "", RDONLY | NODEV | NOSUID, at=pieces[name])
    return upper, merged, pieces


def prepare(stage: str, group: list[str]) -> None:
    """Copy a file of several links into the upper layer, with all of them, so that a write reaches all."""
    first = group[0]
    for path in group:
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            directory = "/".join(parts[:end])
            if not os.path.isdir(f"{stage}/layer/upper/{directory}"):
                os.mkdir(f"{stage}/layer/upper/{directory}")
                copy_status(f"{stage}/lower/{directory}", f"{stage}/layer/upper/{directory}")
    source, target = f"{stage}/lower/{first}", f"{stage}/layer/upper/{first}"
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
        os.link(target, f"{stage}/layer/upper/{path}", follow_symlinks=False)
    for path in group:  # linking changed the directories' times
        parts = path.split("/")[:-1]
        for end in range(len(parts), 0, -1):
            directory = "/".join(parts[:end])
            copy_status(f"{stage}/lower/{directory}", f"{stage}/layer/upper/{directory}")


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

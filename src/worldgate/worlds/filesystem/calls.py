"""The system calls that change the tree, each with the kernel's order of checks.

Every function either does the whole change on the tree's draft or raises `Failure` having changed
nothing. Times are not facts here, and neither is what a signal or a full disk would do.
"""

from __future__ import annotations

from .errno import (
    EACCES,
    EBUSY,
    EEXIST,
    EINVAL,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    ENOTEMPTY,
    EPERM,
    Failure,
    Unmodelled,
)
from .paths import MAX_PATH, READ, SEARCH, WRITE, Place, Tree, octets
from .schema import ROOT, inode_of

SETUID, SETGID, STICKY = 0o4000, 0o2000, 0o1000


# --- shared checks and edits -----------------------------------------------------------------------


def _check_create(tree: Tree, directory: str) -> None:
    if tree.is_detached(directory):
        raise Failure(ENOENT)
    if tree.uid and not tree.may(directory, WRITE | SEARCH):
        raise Failure(EACCES)


def _check_delete(tree: Tree, directory: str, inode: str) -> None:
    """Write permission on the directory; in a sticky one, also ownership of either."""
    if not tree.uid:
        return
    if not tree.may(directory, WRITE | SEARCH):
        raise Failure(EACCES)
    if tree.inode(directory).mode & STICKY and not tree.owns(inode) and not tree.owns(directory):
        raise Failure(EPERM)


def _new_inode(tree: Tree, directory: str, name: str, kind: str, mode: int) -> str:
    """A new inode of the user's, entered as `name`; a set-group-id directory passes its group on."""
    above = tree.path(directory)
    path = f"{above}/{name}" if above else name
    inode, number = path, 1
    while tree.inode(inode).kind:
        number += 1
        inode = f"{path}//{number}"
    group, parent = tree.gid, tree.inode(directory)
    if parent.mode & SETGID:
        group = parent.gid
        if kind == "dir":
            mode |= SETGID
    tree.enter(directory, name, inode, new=True)
    tree.put(inode, inode_of((kind, mode, tree.uid, group)))
    return inode


_RELATIONS = {"dir": (), "symlink": ("target", "outside"), "file": ("content", "size", "outside")}


def _forget(tree: Tree, inode: str) -> None:
    """Remove every fact of an inode that no entry names any more."""
    key = (inode,)
    for relation in _RELATIONS.get(tree.inode(inode).kind, ("outside",)):
        tree.set(relation, key, None)
    tree.put(inode, None)
    for name in tree.attributes(inode):
        tree.set("xattr", (inode, name), None)


def _drop_entry(tree: Tree, directory: str, name: str, inode: str) -> None:
    """Remove an entry that is not a directory, and its inode with the last link."""
    tree.leave(directory, name, inode)
    if not tree.entries_of(inode):
        _forget(tree, inode)


def _drop_dir(tree: Tree, directory: str, name: str, inode: str) -> None:
    """Remove an empty directory; while the shell stands in it or below it, it lives on without a name."""
    tree.leave(directory, name, inode)
    held: str | None = tree.cwd
    passed = set()
    while held is not None and held != inode and held not in passed:
        passed.add(held)
        held = tree.get("detached", (held,))
    if held != inode:
        _forget(tree, inode)
    else:
        tree.set("detached", (inode,), directory)


def release(tree: Tree, directory: str) -> None:
    """The shell leaves `directory`: removed directories that only it held are gone now."""
    held: str | None = directory
    while held is not None and (above := tree.get("detached", (held,))) is not None:
        tree.set("detached", (held,), None)
        _forget(tree, held)
        held = above


# --- the calls ---------------------------------------------------------------------------------------


def mkdir(tree: Tree, path: str, mode: int = 0o777) -> str:
    place = tree.locate(path, slash_follows=False)
    if place.inode is not None:
        raise Failure(EEXIST)
    _check_create(tree, place.dir)
    return _new_inode(tree, place.dir, place.name, "dir", mode & 0o1777 & ~tree.umask)


def rmdir(tree: Tree, path: str) -> None:
    place = tree.locate(path, slash_follows=False)
    if not place.dir:
        raise Failure({".": EINVAL, "..": ENOTEMPTY, "/": EBUSY}[place.name])
    if place.inode is None:
        raise Failure(ENOENT)
    rmdir_at(tree, place.dir, place.name, place.inode)


def rmdir_at(tree: Tree, directory: str, name: str, inode: str) -> None:
    """rmdir of an entry that was found."""
    _check_delete(tree, directory, inode)
    if not tree.is_dir(inode):
        raise Failure(ENOTDIR)
    if not tree.is_empty(inode):
        raise Failure(ENOTEMPTY)
    _drop_dir(tree, directory, name, inode)


def unlink(tree: Tree, path: str) -> None:
    place = tree.locate(path, slash_follows=False)
    if not place.dir:
        raise Failure(EISDIR)
    if place.inode is None:
        raise Failure(ENOENT)
    if place.slash:
        raise Failure(EISDIR if tree.is_dir(place.inode) else ENOTDIR)
    unlink_at(tree, place.dir, place.name, place.inode)


def unlink_at(tree: Tree, directory: str, name: str, inode: str) -> None:
    """unlink of an entry that was found."""
    _check_delete(tree, directory, inode)
    if tree.is_dir(inode):
        raise Failure(EISDIR)
    _drop_entry(tree, directory, name, inode)


def symlink(tree: Tree, target: str, path: str) -> str:
    if not target:
        raise Failure(ENOENT)
    if len(octets(target)) > MAX_PATH:
        raise Failure(ENAMETOOLONG)
    place = _to_create(tree, path)
    _check_create(tree, place.dir)
    inode = _new_inode(tree, place.dir, place.name, "symlink", 0)
    tree.set("target", (inode,), target)
    return inode


def _to_create(tree: Tree, path: str) -> Place:
    """The place of a new entry that is not a directory: free, and without a slash after its name."""
    place = tree.locate(path, slash_follows=False)
    if place.inode is not None:
        raise Failure(EEXIST)
    if place.slash or tree.is_detached(place.dir):
        raise Failure(ENOENT)
    return place


def link(tree: Tree, source: str, path: str) -> None:
    """A hard link to `source`, itself not followed; as with fs.protected_hardlinks = 1."""
    inode = tree.find(source, follow=False)
    place = _to_create(tree, path)
    if tree.uid and not tree.owns(inode) and not _safe_to_link(tree, inode):
        raise Failure(EPERM)
    _check_create(tree, place.dir)
    if tree.is_dir(inode):
        raise Failure(EPERM)
    tree.enter(place.dir, place.name, inode)


def _safe_to_link(tree: Tree, inode: str) -> bool:
    kind, mode, _, _ = tree.inode(inode)
    if kind != "file":
        return False
    if mode & SETUID or mode & (SETGID | 0o010) == SETGID | 0o010:
        return False
    return tree.may(inode, READ | WRITE)


def rename(tree: Tree, source: str, path: str, replace: bool = True) -> None:
    """rename(2); without `replace`, renameat2 with RENAME_NOREPLACE."""
    old = tree.locate(source, slash_follows=False)
    new = tree.locate(path, slash_follows=False)
    if not old.dir or not new.dir:
        raise Failure(EBUSY if replace or old.dir == "" else EEXIST)
    inode, there = old.inode, new.inode
    if inode is None:
        raise Failure(ENOENT)
    if there is not None and not replace:
        raise Failure(EEXIST)
    if tree.is_detached(new.dir):
        raise Failure(ENOENT)
    is_dir = tree.is_dir(inode)
    if not is_dir and (old.slash or new.slash):
        raise Failure(ENOTDIR)
    if is_dir and _is_below(tree, new.dir, inode):
        raise Failure(EINVAL)
    if there is not None and _is_below(tree, old.dir, there):
        raise Failure(ENOTEMPTY)
    if there == inode:
        return
    _check_delete(tree, old.dir, inode)
    if there is None:
        _check_create(tree, new.dir)
    else:
        _check_delete(tree, new.dir, there)
        if is_dir != tree.is_dir(there):
            raise Failure(ENOTDIR if is_dir else EISDIR)
    if is_dir and old.dir != new.dir and not tree.may(inode, WRITE):
        raise Failure(EACCES)
    if there is not None:
        if not is_dir:
            _drop_entry(tree, new.dir, new.name, there)
        elif tree.is_empty(there):
            _drop_dir(tree, new.dir, new.name, there)
        else:
            raise Failure(ENOTEMPTY)
    tree.leave(old.dir, old.name, inode)
    tree.enter(new.dir, new.name, inode)


def _is_below(tree: Tree, directory: str, top: str) -> bool:
    """Whether `directory` is `top` or somewhere below it."""
    passed = set()
    while directory not in (top, ROOT):
        if directory in passed:  # no step leads there, but a prediction may
            raise Unmodelled("a directory that is inside itself", "a tree")
        passed.add(directory)
        directory = tree.parent(directory)
    return directory == top


def open_write(tree: Tree, path: str, mode: int = 0o666, exclusive: bool = False) -> tuple[str, bool]:
    """open(2) for writing with O_CREAT: the inode, and whether it is new. Contents stay as they are."""
    place = tree.locate(path, slash_follows=False)
    if not (exclusive or place.slash) and tree.is_link(place.inode):
        place = tree.locate(path, follow=True, slash_follows=False)
    inode = place.inode
    if place.slash:
        raise Failure(EISDIR)
    if exclusive and inode is not None:
        raise Failure(EEXIST)
    if inode is not None:
        check_write(tree, inode)
        return inode, False
    _check_create(tree, place.dir)
    inode = _new_inode(tree, place.dir, place.name, "file", mode & ~tree.umask)
    return inode, True


def check_write(tree: Tree, inode: str) -> None:
    """Whether an existing inode can be opened for writing."""
    kind = tree.inode(inode).kind
    if kind == "dir":
        raise Failure(EISDIR)
    if kind == "symlink":
        raise Failure(ELOOP)
    if not tree.may(inode, WRITE):
        raise Failure(EACCES)


def store(tree: Tree, inode: str, content: str, size: int) -> None:
    """Give a file its content."""
    tree.set("content", (inode,), content, True)
    tree.set("size", (inode,), size, True)


def drop_privileges(tree: Tree, inode: str) -> None:
    """What writing or truncating does to the mode: the set-id bits go, for a namespace's root as for others."""
    found = tree.inode(inode)
    mode = found.mode
    if mode & (SETUID | SETGID):
        mode &= ~SETUID & (~SETGID if mode & 0o010 else 0o7777)
        tree.put(inode, found._replace(mode=mode))


def chmod(tree: Tree, inode: str, mode: int) -> None:
    if not tree.owns(inode):
        raise Failure(EPERM)
    found = tree.inode(inode)
    if tree.uid and mode & SETGID and found.gid != tree.gid:
        mode &= ~SETGID
    tree.put(inode, found._replace(mode=mode))


def chown(tree: Tree, inode: str, uid: int | None, gid: int | None) -> None:
    """lchown(2): root may all; others may give a file of theirs to the group they are in."""
    found = tree.inode(inode)
    uid, gid = found.uid if uid is None else uid, found.gid if gid is None else gid
    if tree.uid and (found.uid != tree.uid or uid != found.uid or gid not in (tree.gid, found.gid)):
        raise Failure(EPERM)
    tree.put(inode, found._replace(uid=uid, gid=gid))
    if found.kind == "file":
        drop_privileges(tree, inode)
